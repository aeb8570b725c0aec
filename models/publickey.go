package models

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/tag"
	"golang.org/x/crypto/ssh"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/pgp"
)

// KindSSH is a kind that other people's keys alone may have.
const KindSSH = "ssh"

// offeredKinds are those that an account can give to others, in the order in which they are shown.
func offeredKinds() []string { return []string{KindAge, KindAgePQ, KindPGP} }

// PublicKey is somebody's public key in one way of writing, so that equal keys are equal texts.
type PublicKey struct {
	Kind      string // KindAge, ...
	Algorithm string // X25519, post-quantum, ssh-ed25519, ssh-rsa; ed25519, rsa4096, ...
	Public    string // a line for age, armor for OpenPGP
	// Fingerprint is what people compare: of an OpenPGP key the primary's, of an SSH key SHA256:... as ssh-keygen
	// writes it, of an age key the key itself, and of a post-quantum one, which is long, its SHA-256 in hexadecimal.
	Fingerprint string
	Pinned      time.Time // when it was first seen; zero when it is not pinned
}

// maxPublic bounds one public key that is kept, in bytes: a certificate with a photograph and many signatures is cut
// down by its owner (gpg --export-options export-minimal).
const maxPublic = 64 << 10

// ParsePublic reads public keys of one kind: a line for age (age1..., age1pq1..., age1tag1..., age1tagpq1..., ssh-ed25519, ssh-rsa), or
// OpenPGP certificates in armor. It is Invalid for field "public_key". A private key is refused and not repeated.
func ParsePublic(text string) ([]PublicKey, error) {
	refuse := func(why string) ([]PublicKey, error) { return nil, Errorf(Invalid, "public_key", "%s", why) }
	if len(text) > maxPublic {
		return refuse("read public key: it has more than 64 KiB; export it without photographs and others' signatures")
	}
	if is, _ := pgp.Looks([]byte(text)); is {
		certs, err := pgp.ReadCertificates(bytes.NewReader([]byte(text)), pgp.ReadOptions{Max: agefile.MaxStanzas})
		if err != nil {
			return nil, Errorf(Invalid, "public_key", "%v", err)
		}
		var keys []PublicKey
		for _, c := range certs {
			keys = append(keys, publicCertificate(c))
		}
		return keys, nil
	}
	r, err := agefile.KeyReader{}.Recipient(text)
	if err != nil {
		return nil, Errorf(Invalid, "public_key", "%v", err)
	}
	key := PublicKey{Public: strings.TrimSpace(text)}
	switch r := r.(type) {
	case *age.X25519Recipient:
		key.Kind, key.Algorithm, key.Fingerprint = KindAge, "X25519", key.Public
	case *age.HybridRecipient:
		sum := sha256.Sum256([]byte(key.Public))
		key.Kind, key.Algorithm, key.Fingerprint = KindAgePQ, "post-quantum", hex.EncodeToString(sum[:])
	case *tag.Recipient:
		key.Kind, key.Algorithm, key.Fingerprint = KindAge, "P-256, tagged", key.Public
		if r.Hybrid() {
			sum := sha256.Sum256([]byte(key.Public))
			key.Kind, key.Algorithm, key.Fingerprint = KindAgePQ, "post-quantum, tagged", hex.EncodeToString(sum[:])
		}
	default:
		words := strings.Fields(key.Public) // a comment of its owner is no part of the key
		public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key.Public))
		if err != nil || len(words) < 2 {
			return refuse("read public key: the SSH key is malformed")
		}
		key.Public = words[0] + " " + words[1]
		key.Kind = KindSSH
		key.Algorithm, key.Fingerprint = words[0], ssh.FingerprintSHA256(public)
	}
	return []PublicKey{key}, nil
}

func publicCertificate(c *pgp.Certificate) PublicKey {
	return PublicKey{Kind: KindPGP, Algorithm: c.Info(time.Time{}).Algorithm, Public: c.Armor(), Fingerprint: c.Fingerprint()}
}

// Certificate reads an OpenPGP key back. It is nil for another kind.
func (k *PublicKey) Certificate() (*pgp.Certificate, error) {
	if k.Kind != KindPGP {
		return nil, nil
	}
	certs, err := pgp.ReadCertificates(strings.NewReader(k.Public), pgp.ReadOptions{Max: 1})
	if err != nil {
		return nil, fmt.Errorf("read pinned certificate: %w", err)
	}
	return certs[0], nil
}

// Recipients reads a key for age back. It is nil for OpenPGP.
func (k *PublicKey) Recipients() ([]age.Recipient, error) {
	if k.Kind == KindPGP {
		return nil, nil
	}
	return agefile.ParseRecipients(k.Public)
}

// CheckKept tells whether a key may be kept for a person: one that can neither be encrypted to nor sign any more is of
// no use. It is Invalid for field "public_key" and says why.
func (k *PublicKey) CheckKept(now time.Time) error {
	c, err := k.Certificate()
	if c == nil || err != nil {
		return err
	}
	info := c.Info(now)
	if info.CanEncrypt || info.CanSign {
		return nil
	}
	return Errorf(Invalid, "public_key", "%v", info.EncryptErr)
}

// CheckEncrypt tells whether a key can be encrypted to at a time.
func (k *PublicKey) CheckEncrypt(now time.Time) error {
	c, err := k.Certificate()
	if c == nil || err != nil {
		return err
	}
	return c.CheckEncrypt(now)
}

// IsPrivate tells that somebody pasted a private key where a public one belongs.
func IsPrivate(text string) bool {
	_, err := agefile.KeyReader{}.Recipient(text)
	return errors.Is(err, agefile.ErrPrivateKey)
}
