package pgp

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

var (
	// ErrNoUserID is returned when a certificate does not have a user id with a valid self-signature.
	ErrNoUserID = errors.New("use certificate: it has no such user id that is valid")
	// ErrCannotCertify is why a key cannot sign another's user id, see [KeyError].
	ErrCannotCertify = errors.New("it cannot sign the user ids of others")
)

// Certify returns the certificate with a signature by another's key over one of its user ids
// (RFC 9580 section 5.2.1, type 0x10), which says that this is its owner's. The primary key
// signs: a subkey's signature would count for nobody. Errors are [ErrNoUserID], [*KeyError] and [ErrLocked].
func (c *Certificate) Certify(userID string, by *Key, now time.Time) (*Certificate, error) {
	signer, cfg, err := certifier(by, now)
	if err != nil {
		return nil, err
	}
	e := c.entity()
	id := e.Identities[userID]
	if id == nil {
		return nil, ErrNoUserID
	}
	if _, err := id.Verify(now, cfg); err != nil {
		return nil, ErrNoUserID
	}
	pk := signer.PrimaryKey
	sig := &packet.Signature{
		Version: pk.Version, SigType: packet.SigTypeGenericCert, PubKeyAlgo: pk.PubKeyAlgo, Hash: crypto.SHA512,
		CreationTime: cfg.Now(), IssuerKeyId: &pk.KeyId, IssuerFingerprint: pk.Fingerprint,
	}
	if err := sig.SignUserId(userID, e.PrimaryKey, signer.PrivateKey, cfg); err != nil {
		return nil, fmt.Errorf("sign user id: %w", err)
	}
	id.OtherCertifications = append(id.OtherCertifications, packet.NewVerifiableSig(sig))
	return certificateOf(e)
}

// certifier returns go-crypto's object of a key that may sign others' user ids. go-crypto's
// own choice may be a subkey, since it asks for the wrong flag.
func certifier(k *Key, now time.Time) (*openpgp.Entity, *packet.Config, error) {
	cfg := config(func() time.Time { return now.Truncate(time.Second) })
	if err := mayCertify(k.Certificate().entity(), k.Fingerprint(), now, cfg); err != nil {
		return nil, nil, err
	}
	e := k.entity()
	switch {
	case e.PrivateKey == nil || e.PrivateKey.Dummy():
		return nil, nil, &KeyError{Fingerprint: k.Fingerprint(), Kind: ErrCannotCertify, Detail: "the secret of the primary key is not in this file"}
	case e.PrivateKey.Encrypted:
		return nil, nil, ErrLocked
	}
	return e, cfg, nil
}

func mayCertify(e *openpgp.Entity, fpr string, now time.Time, cfg *packet.Config) error {
	if err := checkPrimary(e, fpr, now, cfg); err != nil {
		return err
	}
	self, err := e.PrimarySelfSignature(now, cfg)
	if err != nil || self.FlagsValid && !self.FlagCertify {
		return &KeyError{Fingerprint: fpr, Kind: ErrCannotCertify}
	}
	return nil
}

// Certified tells whether the certificate and a user id in it are valid at a time, and one of
// the others, valid at that time as well, has signed that it is its owner's and not taken it
// back. The certificate may be among the others. With address, userID is an e-mail address,
// and any user id with it will do.
func (c *Certificate) Certified(userID string, address bool, by []*Certificate, at time.Time) bool {
	e := c.entity()
	cfg := config(func() time.Time { return at })
	if checkPrimary(e, c.fingerprint, at, cfg) != nil {
		return false
	}
	for _, id := range e.Identities {
		if !address && id.Name != userID || address && (id.UserId.Email != userID || userID == "") {
			continue
		}
		if _, err := id.Verify(at, cfg); err != nil {
			continue
		}
		for _, other := range by {
			if other.Fingerprint() == c.fingerprint || certified(id, other, at, cfg) {
				return true
			}
		}
	}
	return false
}

// certified tells whether the last word of another about a user id is yes.
func certified(id *openpgp.Identity, by *Certificate, at time.Time, cfg *packet.Config) bool {
	e := by.entity()
	if mayCertify(e, by.Fingerprint(), at, cfg) != nil {
		return false
	}
	var last *packet.Signature
	for _, v := range id.OtherCertifications {
		sig := v.Packet
		h, known := hashID(sig.Hash)
		switch {
		case !sig.CheckKeyIdOrFingerprint(e.PrimaryKey) || sig.CreationTime.After(at) || !known || weakHash(h):
		case sig.CreationTime.Before(e.PrimaryKey.CreationTime) || last != nil && sig.CreationTime.Before(last.CreationTime):
		case last != nil && sig.CreationTime.Equal(last.CreationTime) && last.SigType == packet.SigTypeCertificationRevocation:
		case e.PrimaryKey.VerifyUserIdSignature(id.Name, id.Primary.PrimaryKey, sig) == nil:
			last = sig
		}
	}
	return last != nil && last.SigType != packet.SigTypeCertificationRevocation && !last.SigExpired(at)
}

// Merge returns the certificate with what another copy of it has in addition: signatures,
// user ids and subkeys. Whether they are valid is asked when they are used. The error is
// [ErrKeys] for a certificate of another key, and as of [ReadCertificates] for one that has become too large.
func (c *Certificate) Merge(other *Certificate) (*Certificate, error) {
	if c.Fingerprint() != other.Fingerprint() {
		return nil, fail(ErrKeys, "%s and %s are not the same key", c.Fingerprint(), other.Fingerprint())
	}
	e, o := c.entity(), other.entity()
	e.Revocations = union(e.Revocations, o.Revocations)
	e.DirectSignatures = union(e.DirectSignatures, o.DirectSignatures)
	for name, theirs := range o.Identities {
		ours := e.Identities[name]
		if ours == nil {
			e.Identities[name] = theirs
			continue
		}
		ours.SelfCertifications = union(ours.SelfCertifications, theirs.SelfCertifications)
		ours.OtherCertifications = union(ours.OtherCertifications, theirs.OtherCertifications)
		ours.Revocations = union(ours.Revocations, theirs.Revocations)
	}
next:
	for _, theirs := range o.Subkeys {
		for i := range e.Subkeys {
			if ours := &e.Subkeys[i]; bytes.Equal(ours.PublicKey.Fingerprint, theirs.PublicKey.Fingerprint) {
				ours.Bindings = union(ours.Bindings, theirs.Bindings)
				ours.Revocations = union(ours.Revocations, theirs.Revocations)
				continue next
			}
		}
		e.Subkeys = append(e.Subkeys, theirs)
	}
	merged, err := certificateOf(e)
	if err != nil {
		return nil, err
	}
	// The limits hold for the sum, too.
	list, err := ReadCertificates(bytes.NewReader(merged.raw), ReadOptions{Max: 1})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// union adds the signatures that are not there yet.
func union(ours, theirs []*packet.VerifiableSignature) []*packet.VerifiableSignature {
	seen := make(map[string]bool)
	key := func(s *packet.VerifiableSignature) string {
		var raw bytes.Buffer
		_ = s.Packet.Serialize(&raw) // it was read; to memory
		return raw.String()
	}
	for _, s := range ours {
		seen[key(s)] = true
	}
	for _, s := range theirs {
		if k := key(s); !seen[k] {
			seen[k] = true
			ours = append(ours, s)
		}
	}
	return ours
}

func certificateOf(e *openpgp.Entity) (*Certificate, error) {
	var raw bytes.Buffer
	if err := serialize(&raw, e, false); err != nil {
		return nil, fmt.Errorf("write certificate: %w", err)
	}
	return &Certificate{raw: raw.Bytes(), fingerprint: fingerprint(e.PrimaryKey)}, nil
}
