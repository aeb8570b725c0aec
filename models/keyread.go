package models

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"filippo.io/age"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/legacy"
	"zencrypt/crypto/pgp"
)

const (
	// MaxImport is how many private keys one import takes.
	MaxImport = 64
	// MaxImportBytes bounds what is imported at once: 64 OpenPGP keys of an ordinary size have 300 KiB.
	MaxImportBytes = 1 << 20
	// maxLocked is how many keys with a passphrase one import takes: each asks for up to three slow hashes.
	maxLocked = 8
)

// ReadOptions go with ReadPairs.
type ReadOptions struct {
	Passphrase string
	// Acquire is called before a slow hash with the bytes it needs, and its release after the hash.
	Acquire func(bytes int64) (release func(), err error)
	Now     time.Time
}

// Format implements fmt.Formatter.
func (ReadOptions) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// ReadPairs reads private keys of one kind, as age, gpg, Fernet libraries and older Zencrypts write them, and
// takes their passphrase away: the ring seals them. Invalid for the field "text", or "passphrase" when one
// is needed or wrong; the errors of o.Acquire come back as they are. No message repeats what was read.
func ReadPairs(data []byte, o ReadOptions) ([]Pair, error) {
	data = trimText(data)
	switch {
	case len(data) == 0:
		return nil, Errorf(Invalid, "text", "import keys: there is no key, paste one or choose a file")
	case len(data) > MaxImportBytes:
		return nil, Errorf(Invalid, "text", "import keys: this is more than 1 MiB, import fewer at once")
	case isRSAPEM(data):
		return readRSA(data)
	}
	if is, _ := agefile.Looks(data); is {
		plain, err := unlockFile(data, o)
		if err != nil {
			return nil, err
		}
		data = plain
	}
	keys, err := crypto.KeyFile{}.Private(data)
	if err != nil {
		return nil, importProblem(err)
	}
	if n := len(keys.Age) + len(keys.PGP) + len(keys.Fernet); n > MaxImport {
		return nil, errTooMany()
	}
	var pairs []Pair
	for _, named := range keys.Age {
		p, err := agePair(named.Identity)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, *p)
	}
	for _, named := range keys.Fernet {
		pairs = append(pairs, Pair{Kind: KindFernet, Algorithm: algorithmFernet, Secret: []byte(named.Key.Encode())})
	}
	return unlockPGP(keys.PGP, pairs, o)
}

func errTooMany() error {
	return Errorf(Invalid, "text", "import keys: these are more than %d private keys, import fewer at once", MaxImport)
}

func agePair(id age.Identity) (*Pair, error) {
	switch id := id.(type) {
	case *age.X25519Identity:
		return &Pair{Kind: KindAge, Algorithm: algorithmAge, Public: id.Recipient().String(), Secret: []byte(id.String())}, nil
	case *age.HybridIdentity:
		return &Pair{Kind: KindAgePQ, Algorithm: algorithmAgePQ, Public: id.Recipient().String(), Secret: []byte(id.String())}, nil
	}
	return nil, Errorf(Invalid, "text", "SSH keys are not kept in the ring: paste one on the Decrypt page when it is needed")
}

func unlockPGP(keys []crypto.NamedPGP, pairs []Pair, o ReadOptions) ([]Pair, error) {
	locked := 0
	for _, named := range keys {
		k := named.Key
		if k.Locked() {
			if locked++; locked > maxLocked {
				return nil, Errorf(Invalid, "text", "more than %d of these keys are locked with a passphrase, which is slow to try on purpose: import fewer at once", maxLocked)
			}
			if o.Passphrase == "" {
				return nil, Errorf(Invalid, "passphrase", "the key is locked with a passphrase: type it")
			}
			var err error
			if k, err = k.Unlock(o.Passphrase, pgp.LockOptions{Acquire: o.Acquire}); err != nil {
				return nil, unlockProblem(err)
			}
		}
		p, err := pgpPair(k, o.Now)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, *p)
	}
	return pairs, nil
}

func unlockProblem(err error) error {
	switch {
	case errors.Is(err, pgp.ErrWrongPassphrase):
		return Errorf(Invalid, "passphrase", "this passphrase does not unlock the key")
	case errors.Is(err, pgp.ErrPassphrase):
		return Errorf(Invalid, "passphrase", "a passphrase is text of at most 1,024 bytes")
	case errors.Is(err, pgp.ErrRefused):
		return Errorf(Invalid, "text", "the key's passphrase asks for more work than this server does: change it on your own machine first (gpg --change-passphrase)")
	}
	return err
}

// trimText takes the white space around a text away, and nothing of what is binary: its last byte may look like it.
func trimText(data []byte) []byte {
	if !utf8.Valid(data) {
		return data
	}
	return bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
}

// unlockFile opens a file of private keys that is encrypted with a passphrase, as age -p makes it.
func unlockFile(data []byte, o ReadOptions) ([]byte, error) {
	plain, err := crypto.Decrypt(bytes.NewReader(data), crypto.Keys{Passphrase: o.Passphrase}, crypto.Options{Acquire: o.Acquire, Format: crypto.FormatAge})
	var b []byte
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(plain, MaxImportBytes+1))
	}
	switch {
	case err == nil && len(b) <= MaxImportBytes:
		return trimText(b), nil
	case err == nil:
		return nil, Errorf(Invalid, "text", "import keys: this is more than 1 MiB, import fewer at once")
	case errors.Is(err, crypto.ErrWrongPassphrase):
		return nil, Errorf(Invalid, "passphrase", "this passphrase does not open the file of keys")
	case errors.Is(err, crypto.ErrNoKey) && crypto.NeedsPassphrase(err):
		return nil, Errorf(Invalid, "passphrase", "the file of keys is encrypted with a passphrase: type it")
	case errors.Is(err, crypto.ErrNoKey):
		return nil, Errorf(Invalid, "text", "this is an encrypted message, not a key: open it on the Decrypt page")
	case errors.Is(err, crypto.ErrDamaged), errors.Is(err, crypto.ErrFormat), errors.Is(err, crypto.ErrRefused):
		return nil, Errorf(Invalid, "text", "the encrypted file of keys is damaged, cut short, or asks for more than is accepted")
	}
	return nil, err
}

// importProblem says what is wrong without repeating any of it.
func importProblem(err error) error {
	switch {
	case errors.Is(err, agefile.ErrPublicKey), errors.Is(err, pgp.ErrPublicKey):
		return Errorf(Invalid, "text", "this is a public key, which opens nothing: yours stands beside its private key, another person's belongs into “Public key” on the Encrypt page")
	case errors.Is(err, pgp.ErrKeys), errors.Is(err, pgp.ErrDamaged), errors.Is(err, pgp.ErrTooLarge), errors.Is(err, pgp.ErrRefused):
		return Errorf(Invalid, "text", "%v", err) // their texts hold facts only
	case errors.Is(err, agefile.ErrKeys):
		return Errorf(Invalid, "text", "%v", err) // names a line, never repeats it
	}
	return Errorf(Invalid, "text", "this is no private key that is known here: AGE-SECRET-KEY-1…, a whole OpenPGP block from BEGIN to END, a Fernet key of 44 characters, or an older Zencrypt's RSA key (PEM)")
}

// isRSAPEM tells whether a text begins as an older Zencrypt's key does. SSH keys in PEM look the same.
func isRSAPEM(data []byte) bool {
	for _, kind := range []string{"PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY"} {
		if bytes.HasPrefix(data, []byte("-----BEGIN "+kind+"-----")) {
			return true
		}
	}
	return false
}

func readRSA(data []byte) ([]Pair, error) {
	parsed, err := legacy.ParsePrivateKey(data)
	switch {
	case errors.Is(err, legacy.ErrKeyEncrypted):
		return nil, Errorf(Invalid, "text", "this RSA key is encrypted with a passphrase: remove it on your own machine first (openssl pkey -in KEY -out PLAIN)")
	case errors.Is(err, legacy.ErrKeySize):
		return nil, Errorf(Invalid, "text", "an RSA key has to have 2,048 to 4,096 bits")
	case err != nil:
		return nil, Errorf(Invalid, "text", "this is no RSA private key that can be read: paste the whole block from BEGIN to END")
	}
	block, _ := pem.Decode(data)
	var key any
	if block.Type == "RSA PRIVATE KEY" {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	} else {
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	private, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, fail(Internal, "read RSA key again", err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, fail(Internal, "read RSA key again", err)
	}
	sum := sha256.Sum256(spki)
	return []Pair{{
		Kind: KindRSA, Algorithm: fmt.Sprintf("RSA, %d bits", parsed.Bits()), Secret: pem.EncodeToMemory(block),
		Fingerprint: hex.EncodeToString(sum[:]),
	}}, nil
}
