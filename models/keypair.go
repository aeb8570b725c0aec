package models

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/pgp"
)

// What the algorithms are called where a kind has but one.
const (
	algorithmAge    = "X25519"
	algorithmAgePQ  = "ML-KEM-768, X25519"
	algorithmFernet = "AES-128-CBC, HMAC-SHA-256"
)

// maxPair bounds what one version may take, in bytes: an OpenPGP key that strangers have signed a thousand
// times has 200 KiB, and a ring is read as a whole.
const maxPair = 256 << 10

// A Pair is a private key with what belongs to it, on its way into a ring. It prints as [redacted].
type Pair struct {
	Kind, Algorithm string
	Name            string // what the key calls itself: a user id; may be ""
	Public          string
	Secret          []byte
	Fingerprint     string
	Created         time.Time // as the key says; zero when it does not
	Expires         time.Time
	Revoked         bool
	SignsOnly       bool
}

// Format implements fmt.Formatter.
func (Pair) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (Pair) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// PairParams say which key to make.
type PairParams struct {
	Kind        string
	Algorithm   string // for OpenPGP one of pgp.Algorithms; "" is the first
	Name, Email string // for OpenPGP's user id
	Expires     time.Time
	Now         time.Time
}

// NewPair makes a private key. It takes up to 3 s for OpenPGP's RSA and else under 10 ms. Invalid for the
// fields "kind", "algorithm", "user_name" (a name or address that can't stand in a key) and "expires".
func NewPair(p PairParams) (*Pair, error) {
	switch p.Kind {
	case KindAge:
		identity, recipient, err := agefile.NewIdentity()
		if err != nil {
			return nil, fail(Internal, "make key", err)
		}
		return &Pair{Kind: p.Kind, Algorithm: algorithmAge, Public: recipient, Secret: []byte(identity)}, nil
	case KindAgePQ:
		identity, recipient, err := agefile.NewHybridIdentity()
		if err != nil {
			return nil, fail(Internal, "make key", err)
		}
		return &Pair{Kind: p.Kind, Algorithm: algorithmAgePQ, Public: recipient, Secret: []byte(identity)}, nil
	case KindFernet:
		return &Pair{Kind: p.Kind, Algorithm: algorithmFernet, Secret: []byte(fernet.NewKey())}, nil
	case KindPGP:
		return newPGP(p)
	}
	return nil, Errorf(Invalid, "kind", "make key: choose a kind, which is age, age for post-quantum safety, OpenPGP or Fernet")
}

func newPGP(p PairParams) (*Pair, error) {
	algorithm := pgp.Algorithm(p.Algorithm)
	if algorithm == "" {
		algorithm = pgp.Algorithms()[0]
	}
	if !knownAlgorithm(algorithm) {
		return nil, Errorf(Invalid, "algorithm", "make key: choose an algorithm from the list")
	}
	if _, err := pgp.UserID(p.Name, p.Email); err != nil && (p.Name != "" || p.Email != "") {
		return nil, Errorf(Invalid, "user_name", "a name or e-mail address in a key may not hold control characters or any of ()<>, an address no spaces, and each has at most 254 bytes")
	}
	if !p.Expires.IsZero() && !p.Expires.After(p.Now) {
		return nil, errPassed()
	}
	k, err := pgp.NewKey(pgp.KeyParams{
		Algorithm: algorithm, Name: p.Name, Email: p.Email, Expires: p.Expires, Now: func() time.Time { return p.Now },
	})
	if err != nil {
		return nil, &Error{Code: Invalid, Field: "expires", Message: "make key: OpenPGP can't say a date that late, choose an earlier date", Err: err}
	}
	return pgpPair(k, p.Now)
}

func errPassed() error {
	return Errorf(Invalid, "expires", "set expiry: the date has passed, choose a later one")
}

func knownAlgorithm(a pgp.Algorithm) bool {
	for _, known := range pgp.Algorithms() {
		if a == known {
			return true
		}
	}
	return false
}

// pgpPair describes an unlocked key.
func pgpPair(k *pgp.Key, now time.Time) (*Pair, error) {
	secret := k.Bytes()
	if len(secret) > maxPair {
		return nil, Errorf(Invalid, "text", "an OpenPGP key has more than %d KiB: export it without the signatures of others (gpg: --export-options export-minimal)", maxPair>>10)
	}
	info := k.Info(now)
	p := &Pair{
		Kind: KindPGP, Algorithm: info.Algorithm, Public: k.Certificate().Armor(), Secret: secret, Fingerprint: info.Fingerprint,
		Created: info.Created, Expires: info.Expires, Revoked: info.Revoked, SignsOnly: signsOnly(info),
	}
	if info.Version == 6 {
		p.Algorithm += ", version 6"
	}
	if len(info.UserIDs) > 0 {
		p.Name = info.UserIDs[0]
	}
	return p, nil
}

// signsOnly tells whether a key could not be encrypted to even while it was valid.
func signsOnly(info pgp.KeyInfo) bool {
	return errors.Is(info.EncryptErr, pgp.ErrCannotEncrypt) || errors.Is(info.EncryptErr, pgp.ErrWeak)
}

// readPGP reads the one key that a version holds.
func readPGP(secret []byte) (*pgp.Key, error) {
	keys, err := pgp.ReadKeys(bytes.NewReader(secret), pgp.ReadOptions{Max: 1})
	if err != nil {
		return nil, fail(Internal, "read own key", err)
	}
	return keys[0], nil
}

// PGP returns the OpenPGP key that a version of a key holds.
func (v *KeyVersion) PGP() (*pgp.Key, error) { return readPGP(v.Secret) }
