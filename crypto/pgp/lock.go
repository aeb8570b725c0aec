package pgp

import (
	"errors"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
)

// LockOptions say how a key is locked or unlocked. The zero value is for ordinary use.
type LockOptions struct {
	Acquire Acquire
	// Count is the bytes an iterated hash goes through: 0 is 65,011,712, the most the format
	// knows, about 0.1 s. Less is for tests.
	Count int
}

func (o LockOptions) count() int {
	if o.Count == 0 {
		return maxS2KCount
	}
	return o.Count
}

const maxS2KCount = 65_011_712

// Lock returns the key locked with a passphrase. Keys of version 4 are locked as every
// GnuPG reads it (iterated SHA-256, AES-256), keys of version 6 with Argon2 over 64 MiB and
// AEAD. A part that is locked already keeps its passphrase, so unlock first.
func (k *Key) Lock(passphrase string, o LockOptions) (*Key, error) {
	if err := checkPassphrase(passphrase); err != nil {
		return nil, err
	}
	if k.locked {
		return nil, errors.New("lock key: it is locked already, unlock it first")
	}
	e := k.entity()
	cfg := config(nil)
	cost := S2K{Kind: "iterated"}
	cfg.S2KConfig = &s2k.Config{S2KMode: s2k.IteratedSaltedS2K, S2KCount: o.count()}
	if e.PrimaryKey.Version == 6 {
		cfg.S2KConfig = argon2Config()
		cfg.AEADConfig = &packet.AEADConfig{}
		cost = S2K{Kind: "argon2", Memory: newArgon2Memory, Passes: newArgon2Passes}
	}
	err := newHasher(o.Acquire).run(cost, func() error { return e.EncryptPrivateKeys([]byte(passphrase), cfg) })
	if err != nil {
		return nil, unwrapAcquire(err)
	}
	return newKey(e)
}

const (
	newArgon2Memory = 64 << 20
	newArgon2Passes = 3
)

// argon2Config is RFC 9106's second choice: 64 MiB, 3 passes, 4 lanes.
func argon2Config() *s2k.Config {
	return &s2k.Config{S2KMode: s2k.Argon2S2K, Argon2Config: &s2k.Argon2Config{
		NumberOfPasses: newArgon2Passes, DegreeOfParallelism: 4, Memory: newArgon2Memory >> 10,
	}}
}

// Unlock returns the key without its passphrase. What the hashes of all its parts cost is
// looked at before the first is computed. Errors are [ErrWrongPassphrase], [ErrPassphrase],
// [ErrRefused] and those of o.Acquire; a key that is not locked comes back as it is.
func (k *Key) Unlock(passphrase string, o LockOptions) (*Key, error) {
	if !k.locked {
		return k, nil
	}
	if err := checkPassphrase(passphrase); err != nil {
		return nil, err
	}
	e := k.entity()
	h := newHasher(o.Acquire)
	for _, pk := range secrets(e) {
		if !pk.Encrypted {
			continue
		}
		s, err := secretS2K(pk)
		if err == nil {
			err = s.check()
		}
		if err != nil {
			return nil, err
		}
	}
	for _, pk := range secrets(e) {
		if err := unlock(pk, passphrase, h); err != nil {
			return nil, unwrapAcquire(err)
		}
	}
	return newKey(e)
}

// unlock unlocks one part. A wrong passphrase shows in the checksum or tag over the secret,
// as damage to it does: the two cannot be told apart.
func unlock(pk *packet.PrivateKey, passphrase string, h *hasher) error {
	if !pk.Encrypted {
		return nil
	}
	s, err := secretS2K(pk)
	if err != nil {
		return err
	}
	return h.run(s, func() error {
		if err := pk.Decrypt([]byte(passphrase)); err != nil {
			return ErrWrongPassphrase
		}
		return nil
	})
}

func unwrapAcquire(err error) error {
	var busy *acquireError
	if errors.As(err, &busy) {
		return busy.err
	}
	return err
}
