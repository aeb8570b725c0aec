package pgp

import (
	"errors"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// KeyInfo is what a key says of itself at a time, after its self-signatures were checked.
// User ids are whatever its owner wrote, see [Display]: nothing here says that they are true.
type KeyInfo struct {
	Fingerprint string // upper-case hexadecimal
	KeyID       string // 16 digits
	Version     int    // 4 or 6
	Algorithm   string // of the primary key: ed25519, rsa4096, nistp256, ...
	Created     time.Time
	Expires     time.Time // zero when it does not
	Revoked     bool
	UserIDs     []string // those with a valid self-signature, oldest first
	Subkeys     []SubkeyInfo
	Private     bool // it is a private key
	Locked      bool
	Modern      bool // it takes chunked AEAD (SEIPDv2)

	// CanEncrypt and CanSign tell whether it can be encrypted to and whether it makes, or
	// would have its signatures accepted, at the time; the errors are [*KeyError] and say why not.
	CanEncrypt, CanSign   bool
	EncryptErr, SignErr   error `json:"-"`
	CantEncrypt, CantSign string
}

// SubkeyInfo is a subkey.
type SubkeyInfo struct {
	Fingerprint   string
	KeyID         string
	Algorithm     string
	Created       time.Time
	Expires       time.Time
	Revoked       bool
	Encrypt, Sign bool // what it is for
	Valid         bool // it is bound to the primary key, neither expired nor revoked
}

// Info describes the certificate at a time.
func (c *Certificate) Info(now time.Time) KeyInfo { return info(c.entity(), c.fingerprint, now) }

// Info describes the key at a time.
func (k *Key) Info(now time.Time) KeyInfo {
	i := k.public.Info(now)
	i.Private, i.Locked = true, k.locked
	return i
}

// CheckEncrypt tells whether the certificate can be encrypted to at a time; the error is a [*KeyError].
func (c *Certificate) CheckEncrypt(now time.Time) error {
	return checkEncrypt(c.entity(), c.fingerprint, now)
}

// CheckSign tells whether the key can sign at a time; the error is a [*KeyError], or [ErrLocked].
func (k *Key) CheckSign(now time.Time) error {
	e := k.public.entity()
	if err := checkSign(e, k.Fingerprint(), now); err != nil {
		return err
	}
	key, _ := e.SigningKey(now, config(func() time.Time { return now }))
	locked, there := k.parts[fingerprint(key.PublicKey)]
	switch {
	case !there:
		return &KeyError{Fingerprint: k.Fingerprint(), Kind: ErrCannotSign, Detail: "its secret part is not in this file"}
	case locked:
		return ErrLocked
	}
	return nil
}

func info(e *openpgp.Entity, fpr string, now time.Time) KeyInfo {
	cfg := config(func() time.Time { return now })
	i := KeyInfo{
		Fingerprint: fpr, KeyID: keyID(e.PrimaryKey.KeyId), Version: e.PrimaryKey.Version,
		Algorithm: algorithmName(e.PrimaryKey), Created: e.PrimaryKey.CreationTime.UTC(), Revoked: e.Revoked(now),
	}
	self, _ := e.PrimarySelfSignature(now, cfg)
	if self != nil {
		i.Expires, i.Modern = expires(e.PrimaryKey, self), self.SEIPDv2
	}
	for _, id := range identities(e) {
		if _, err := id.Verify(now, cfg); err == nil {
			i.UserIDs = append(i.UserIDs, id.Name)
		}
	}
	for n := range e.Subkeys {
		i.Subkeys = append(i.Subkeys, subkeyInfo(&e.Subkeys[n], now, cfg))
	}
	i.EncryptErr, i.SignErr = checkEncrypt(e, fpr, now), checkSign(e, fpr, now)
	i.CanEncrypt, i.CanSign = i.EncryptErr == nil, i.SignErr == nil
	if i.EncryptErr != nil {
		i.CantEncrypt = i.EncryptErr.Error()
	}
	if i.SignErr != nil {
		i.CantSign = i.SignErr.Error()
	}
	return i
}

func subkeyInfo(sub *openpgp.Subkey, now time.Time, cfg *packet.Config) SubkeyInfo {
	s := SubkeyInfo{
		Fingerprint: fingerprint(sub.PublicKey), KeyID: keyID(sub.PublicKey.KeyId),
		Algorithm: algorithmName(sub.PublicKey), Created: sub.PublicKey.CreationTime.UTC(),
	}
	binding, err := sub.LatestValidBindingSignature(now, cfg)
	if err == nil {
		s.Expires, s.Revoked = expires(sub.PublicKey, binding), sub.Revoked(binding, now)
		s.Encrypt = binding.FlagEncryptCommunications || binding.FlagEncryptStorage
		s.Sign = binding.FlagSign
	}
	_, err = sub.Verify(now, cfg)
	s.Valid = err == nil
	return s
}

// expires is when a key ends by a self-signature (RFC 9580 section 5.2.3.13); zero for never.
func expires(pk *packet.PublicKey, self *packet.Signature) time.Time {
	if self.KeyLifetimeSecs == nil || *self.KeyLifetimeSecs == 0 {
		return time.Time{}
	}
	return pk.CreationTime.Add(time.Duration(*self.KeyLifetimeSecs) * time.Second).UTC()
}

func checkEncrypt(e *openpgp.Entity, fpr string, now time.Time) error {
	cfg := config(func() time.Time { return now })
	if err := checkPrimary(e, fpr, now, cfg); err != nil {
		return err
	}
	_, err := e.EncryptionKeyWithError(now, cfg)
	if err == nil {
		return nil
	}
	var byPointer *pgperrors.ErrEncryptionKeySelection
	var byValue pgperrors.ErrEncryptionKeySelection
	switch {
	case errors.As(err, &byPointer) && byPointer != nil:
		err = byPointer.EncSelectionErr
	case errors.As(err, &byValue):
		err = byValue.PrimaryKeyErr
	}
	switch kind := keyKind(err); kind {
	case ErrKeyExpired, ErrKeyRevoked, ErrWeak:
		return &KeyError{Fingerprint: fpr, Kind: kind, Detail: "the subkey for encryption"}
	}
	for _, sub := range e.Subkeys {
		if sub.PublicKey.PubKeyAlgo == packet.PubKeyAlgoElGamal {
			return &KeyError{Fingerprint: fpr, Kind: ErrWeak, Detail: "its subkey for encryption uses ElGamal"}
		}
	}
	return &KeyError{Fingerprint: fpr, Kind: ErrCannotEncrypt, Detail: "it has no valid subkey for encryption"}
}

func checkSign(e *openpgp.Entity, fpr string, now time.Time) error {
	cfg := config(func() time.Time { return now })
	if err := checkPrimary(e, fpr, now, cfg); err != nil {
		return err
	}
	if _, ok := e.SigningKey(now, cfg); !ok {
		return &KeyError{Fingerprint: fpr, Kind: ErrCannotSign, Detail: "neither it nor a valid subkey is for signing"}
	}
	return nil
}

// checkPrimary tells what is wrong with the key as a whole.
func checkPrimary(e *openpgp.Entity, fpr string, now time.Time, cfg *packet.Config) error {
	pk := e.PrimaryKey
	switch {
	case e.Revoked(now):
		return &KeyError{Fingerprint: fpr, Kind: ErrKeyRevoked, Detail: revocationText(e)}
	case pk.PubKeyAlgo == packet.PubKeyAlgoDSA || pk.PubKeyAlgo == packet.PubKeyAlgoElGamal:
		return &KeyError{Fingerprint: fpr, Kind: ErrWeak, Detail: algorithmName(pk) + " is no longer used"}
	case bitLength(pk) > 0 && bitLength(pk) < minRSABits:
		return &KeyError{Fingerprint: fpr, Kind: ErrWeak, Detail: algorithmName(pk) + ", at least 2048 bits are needed"}
	case pk.CreationTime.After(now):
		return &KeyError{Fingerprint: fpr, Kind: ErrKeyInvalid, Detail: "it was made in the future, on " + pk.CreationTime.UTC().Format(time.DateOnly)}
	}
	self, err := e.VerifyPrimaryKey(now, cfg)
	if err == nil {
		return nil
	}
	kind := keyKind(err)
	detail := ""
	if kind == ErrKeyExpired && self != nil {
		if t := expires(pk, self); !t.IsZero() {
			detail = "on " + t.Format(time.DateOnly)
		}
	}
	if kind == nil {
		kind = ErrKeyInvalid
		detail = "at this time, or none by an algorithm that is accepted"
	}
	return &KeyError{Fingerprint: fpr, Kind: kind, Detail: detail}
}

// keyKind names go-crypto's reason not to use a key; nil for another.
func keyKind(err error) error {
	var weak pgperrors.WeakAlgorithmError
	switch {
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return ErrKeyExpired
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return ErrKeyRevoked
	case errors.As(err, &weak):
		return ErrWeak
	}
	return nil
}

func revocationText(e *openpgp.Entity) string {
	for _, r := range e.Revocations {
		if r.Valid == nil || !*r.Valid || r.Packet.RevocationReason == nil {
			continue
		}
		switch *r.Packet.RevocationReason {
		case packet.KeySuperseded:
			return "another key takes its place"
		case packet.KeyCompromised:
			return "it is no longer secret"
		case packet.KeyRetired:
			return "it is no longer used"
		}
	}
	return ""
}
