package pgp

import (
	"bytes"
	"crypto"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// ready returns go-crypto's object of an unlocked key whose primary secret is there, and how to sign with it.
func (k *Key) ready(now time.Time) (*openpgp.Entity, *packet.Config, error) {
	switch _, there := k.parts[k.Fingerprint()]; {
	case !there:
		return nil, nil, &KeyError{Fingerprint: k.Fingerprint(), Kind: ErrCannotSign, Detail: "the secret of the primary key is not in this file"}
	case k.locked:
		return nil, nil, ErrLocked
	}
	return k.entity(), config(func() time.Time { return now.Truncate(time.Second) }), nil
}

// SetExpiry returns the key with a new date of expiry, zero for never, for itself and for
// every subkey that ends by itself and is not revoked. The old self-signatures stay: by them
// signatures of that time are judged.
func (k *Key) SetExpiry(expires, now time.Time) (*Key, error) {
	e, cfg, err := k.ready(now)
	if err != nil {
		return nil, err
	}
	if e.Revoked(now) {
		return nil, &KeyError{Fingerprint: k.Fingerprint(), Kind: ErrKeyRevoked}
	}
	secs, err := lifetime(e.PrimaryKey.CreationTime, expires, now)
	if err != nil {
		return nil, err
	}
	for _, id := range identities(e) {
		// Without a date, so that an expired one is found as well.
		old, err := id.Verify(time.Time{}, cfg)
		if err != nil {
			continue // revoked
		}
		sig := again(old, cfg.Now())
		if e.PrimaryKey.Version != 6 {
			sig.KeyLifetimeSecs = &secs
		}
		if err := sig.SignUserId(id.Name, e.PrimaryKey, e.PrivateKey, cfg); err != nil {
			return nil, fmt.Errorf("set expiry: %w", err)
		}
		id.SelfCertifications = append(id.SelfCertifications, packet.NewVerifiableSig(sig))
	}
	if old, err := e.LatestValidDirectSignature(time.Time{}, cfg); err == nil {
		sig := again(old, cfg.Now())
		sig.KeyLifetimeSecs = &secs
		if err := sig.SignDirectKeyBinding(e.PrimaryKey, e.PrivateKey, cfg); err != nil {
			return nil, fmt.Errorf("set expiry: %w", err)
		}
		e.DirectSignatures = append(e.DirectSignatures, packet.NewVerifiableSig(sig))
	}
	for i := range e.Subkeys {
		if err := prolong(e, &e.Subkeys[i], expires, now, cfg); err != nil {
			return nil, err
		}
	}
	return newKey(e)
}

// prolong binds a subkey that has an end of its own anew.
func prolong(e *openpgp.Entity, sub *openpgp.Subkey, expires, now time.Time, cfg *packet.Config) error {
	old, err := sub.LatestValidBindingSignature(time.Time{}, cfg)
	if err != nil || sub.Revoked(old, now) || old.KeyLifetimeSecs == nil || *old.KeyLifetimeSecs == 0 {
		return nil
	}
	secs, err := lifetime(sub.PublicKey.CreationTime, expires, now)
	if err != nil {
		return err
	}
	sig := again(old, cfg.Now())
	sig.KeyLifetimeSecs, sig.EmbeddedSignature = &secs, old.EmbeddedSignature
	if err := sig.SignKey(sub.PublicKey, e.PrivateKey, cfg); err != nil {
		return fmt.Errorf("set expiry: %w", err)
	}
	sub.Bindings = append(sub.Bindings, packet.NewVerifiableSig(sig))
	return nil
}

// again returns a self-signature that says what an older one says, to be signed. The hash
// is SHA-512, which suits every key, whatever the old one used.
func again(old *packet.Signature, now time.Time) *packet.Signature {
	return &packet.Signature{
		Version: old.Version, SigType: old.SigType, PubKeyAlgo: old.PubKeyAlgo, Hash: crypto.SHA512, CreationTime: now,
		KeyLifetimeSecs:    old.KeyLifetimeSecs,
		PreferredSymmetric: old.PreferredSymmetric, PreferredHash: old.PreferredHash,
		PreferredCompression: old.PreferredCompression, PreferredCipherSuites: old.PreferredCipherSuites,
		IssuerKeyId: old.IssuerKeyId, IsPrimaryId: old.IsPrimaryId,
		KeyserverPrefsValid: old.KeyserverPrefsValid, KeyserverPrefNoModify: old.KeyserverPrefNoModify,
		PreferredKeyserver: old.PreferredKeyserver, PolicyURI: old.PolicyURI,
		FlagsValid: old.FlagsValid, FlagCertify: old.FlagCertify, FlagSign: old.FlagSign,
		FlagEncryptCommunications: old.FlagEncryptCommunications, FlagEncryptStorage: old.FlagEncryptStorage,
		FlagSplitKey: old.FlagSplitKey, FlagAuthenticate: old.FlagAuthenticate, FlagGroupKey: old.FlagGroupKey,
		SEIPDv1: old.SEIPDv1, SEIPDv2: old.SEIPDv2,
		Notations: slices.Clone(old.Notations),
	}
}

// AddEncryptionSubkey returns the key with a new subkey for encryption, of the primary key's
// kind, that others use from now on. The older ones stay and still open what they opened.
// With revoke they are revoked as superseded, so that also who has an old copy and renews it
// stops using them.
func (k *Key) AddEncryptionSubkey(revoke bool, now time.Time) (*Key, error) {
	e, cfg, err := k.ready(now)
	if err != nil {
		return nil, err
	}
	if err := checkPrimary(e, k.Fingerprint(), now, cfg); err != nil {
		return nil, err
	}
	if len(e.Subkeys) >= maxSubkeys {
		return nil, fmt.Errorf("add subkey: the key has %d already, the most that is read", maxSubkeys)
	}
	pk := e.PrimaryKey
	cfg.Algorithm, cfg.RSABits, cfg.V6Keys = pk.PubKeyAlgo, bitLength(pk), pk.Version == 6
	if pk.PubKeyAlgo == packet.PubKeyAlgoECDSA || pk.PubKeyAlgo == packet.PubKeyAlgoEdDSA {
		if cfg.Curve, err = pk.Curve(); err != nil {
			return nil, fmt.Errorf("add subkey: %w", err)
		}
	}
	if revoke {
		for i := range e.Subkeys {
			if err := supersede(&e.Subkeys[i], now, cfg); err != nil {
				return nil, err
			}
		}
	}
	if err := e.AddEncryptionSubkey(cfg); err != nil {
		return nil, fmt.Errorf("add subkey: %w", err)
	}
	return newKey(e)
}

func supersede(sub *openpgp.Subkey, now time.Time, cfg *packet.Config) error {
	binding, err := sub.LatestValidBindingSignature(now, cfg)
	if err != nil || sub.Revoked(binding, now) || !binding.FlagEncryptCommunications && !binding.FlagEncryptStorage {
		return nil
	}
	if err := sub.Revoke(packet.KeySuperseded, "", cfg); err != nil {
		return fmt.Errorf("revoke subkey: %w", err)
	}
	return nil
}

// A Reason says why a key is revoked (RFC 9580 section 5.2.3.31).
type Reason byte

// The reasons. A compromised key counts as revoked also for what it signed before.
const (
	NoReason    Reason = 0
	Superseded  Reason = 1
	Compromised Reason = 2
	Retired     Reason = 3
)

// Revoke returns the key revoked. It still opens what was encrypted to it. text may say
// more, at most 200 bytes, and is public.
func (k *Key) Revoke(r Reason, text string, now time.Time) (*Key, error) {
	e, _, err := k.revoke(r, text, now)
	if err != nil {
		return nil, err
	}
	return newKey(e)
}

// RevocationCertificate returns the armored signature that revokes the key, to be kept until
// it is needed: with it, and without the key, [Certificate.ApplyRevocation] and other
// programs' import revoke the key.
func (k *Key) RevocationCertificate(r Reason, text string, now time.Time) (string, error) {
	_, sig, err := k.revoke(r, text, now)
	if err != nil {
		return "", err
	}
	var raw bytes.Buffer
	if err := sig.Serialize(&raw); err != nil {
		return "", fmt.Errorf("revoke key: %w", err)
	}
	return armorString(raw.Bytes(), blockPublic, k.public.modern()), nil // the kind that GnuPG has for it
}

const maxReason = 200

func (k *Key) revoke(r Reason, text string, now time.Time) (*openpgp.Entity, *packet.Signature, error) {
	if r > Retired || len(text) > maxReason {
		return nil, nil, fmt.Errorf("revoke key: reason %d is not known, or its text is longer than %d bytes", r, maxReason)
	}
	e, cfg, err := k.ready(now)
	if err != nil {
		return nil, nil, err
	}
	if err := e.Revoke(packet.ReasonForRevocation(r), text, cfg); err != nil {
		return nil, nil, fmt.Errorf("revoke key: %w", err)
	}
	return e, e.Revocations[len(e.Revocations)-1].Packet, nil
}

// ApplyRevocation returns the certificate revoked by what [Key.RevocationCertificate] made,
// or by the revocations in a newer copy of it, armored or not. [ErrKeys] is the error when
// src holds no valid revocation of this key.
func (c *Certificate) ApplyRevocation(src io.Reader) (*Certificate, error) {
	sigs, _, err := readSignatures(src, true)
	if err != nil {
		return nil, err
	}
	e := c.entity()
	var found bool
	for _, s := range sigs {
		if s.sig == nil || s.sig.SigType != packet.SigTypeKeyRevocation || e.PrimaryKey.VerifyRevocationSignature(s.sig) != nil {
			continue
		}
		found = true
		e.Revocations = append(e.Revocations, packet.NewVerifiableSig(s.sig))
	}
	if !found {
		return nil, fail(ErrKeys, "there is no valid revocation of the key %s", c.fingerprint)
	}
	var raw bytes.Buffer
	if err := serialize(&raw, e, false); err != nil {
		return nil, fmt.Errorf("revoke key: %w", err)
	}
	return &Certificate{raw: raw.Bytes(), fingerprint: c.fingerprint}, nil
}
