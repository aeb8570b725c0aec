package pgp

import (
	"errors"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// NewSigningKey makes a key, unlocked, as [NewKey] does, but without a subkey that encrypts.
func NewSigningKey(p KeyParams) (*Key, error) {
	k, err := NewKey(p)
	if err != nil {
		return nil, err
	}
	e := k.entity()
	e.Subkeys = nil
	return newKey(e)
}

// UnlockParts returns the key with each part unlocked that one of the passphrases unlocks:
// parts may have different ones. What none unlocks stays locked, see [Key.Locked], and is no
// error. Errors are [ErrPassphrase], [ErrRefused] and those of o.Acquire.
func (k *Key) UnlockParts(passphrases []string, o LockOptions) (*Key, error) {
	if !k.Locked() || len(passphrases) == 0 {
		return k, nil
	}
	e := k.entity()
	h := newHasher(o.Acquire)
	for _, pass := range passphrases {
		if err := checkPassphrase(pass); err != nil {
			return nil, err
		}
		for _, pk := range secrets(e) {
			if err := unlock(pk, pass, h); err != nil && !errors.Is(err, ErrWrongPassphrase) {
				return nil, unwrapAcquire(err)
			}
		}
	}
	return newKey(e)
}

// A Purpose is what an encryption subkey is for (RFC 9580 section 5.2.3.29).
type Purpose byte

// The purposes.
const (
	AnyPurpose Purpose = iota
	Communications
	Storage
)

// For returns the certificate without those of its encryption subkeys that are not for the
// purpose, so that [Encrypt] does not take them. It may be left with none: see [Certificate.CheckEncrypt].
func (c *Certificate) For(p Purpose) (*Certificate, error) {
	if p == AnyPurpose {
		return c, nil
	}
	e := c.entity()
	cfg := config(nil)
	e.Subkeys = slices.DeleteFunc(e.Subkeys, func(sub openpgp.Subkey) bool {
		binding, err := sub.LatestValidBindingSignature(time.Time{}, cfg)
		return err == nil && !serves(binding, p)
	})
	return certificateOf(e)
}

func serves(binding *packet.Signature, p Purpose) bool {
	if !binding.FlagEncryptCommunications && !binding.FlagEncryptStorage {
		return true // it is for something else
	}
	return p == Communications && binding.FlagEncryptCommunications || p == Storage && binding.FlagEncryptStorage
}
