// Package password does what is particular to secrets that people remember: it says which
// are too weak, turns them into verifiers and keys slowly, and makes codes and passphrases
// for those who would rather be given one.
//
// The order is [Normalize], [Check] (only where a password is chosen), [Pepper], then
// [Hash] or [Verify] for "is this the user?" and [UnlockKey] for the key that opens the
// account. The two slow runs have salts of their own, so that the verifier that is stored
// says nothing about the key that is not.
package password

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

const (
	// MinLength is how many characters (runes after NFC) a password needs.
	MinLength = 12
	// MaxBytes is how many bytes a password may have after NFC. Every byte counts; the limit only bounds the work.
	MaxBytes = 1024
	// maxRaw bounds what is handed to the normalizer. Composing shrinks no string to less than a twelfth.
	maxRaw = 12 * MaxBytes

	saltSize = 16 // bytes, as RFC 9106 section 3.1 recommends
	keySize  = 32 // bytes
)

// Params are argon2id's costs.
type Params struct {
	Time      uint32 // passes
	MemoryKiB uint32
	Threads   uint8 // lanes; part of the result, so never taken from the machine
}

// DefaultParams is the second choice of RFC 9106 section 4: 3 passes over 64 MiB in 4
// lanes, about 0.1 s on two cores.
func DefaultParams() Params { return Params{Time: 3, MemoryKiB: 64 << 10, Threads: 4} }

// Memory is what one run needs, in bytes.
func (p Params) Memory() int64 { return int64(p.MemoryKiB) << 10 }

// The costs that are accepted from a stored hash, so that a patched row cannot stop the
// machine. 256 MiB is four times what we write, 16 passes five times.
const (
	maxMemoryKiB = 256 << 10
	maxTime      = 16
	maxThreads   = 16
)

func (p Params) validate() error {
	// argon2 needs 8 KiB for each lane (RFC 9106 section 3.1).
	if p.Time < 1 || p.Time > maxTime || p.Threads < 1 || p.Threads > maxThreads ||
		p.MemoryKiB < 8*uint32(p.Threads) || p.MemoryKiB > maxMemoryKiB {
		return fmt.Errorf("%w: t=%d, m=%d KiB, p=%d", ErrParams, p.Time, p.MemoryKiB, p.Threads)
	}
	return nil
}

var (
	// ErrParams is returned for argon2id costs that are too low to be valid or too high to be run.
	ErrParams = errors.New("hash password: costs out of range")
	// ErrHash is returned for a stored hash that is not an argon2id PHC string.
	ErrHash = errors.New("verify password: stored hash is malformed")
)

// Normalize returns the form of a password that is hashed: NFC (Unicode annex 15), so that
// an accent typed in one or in two characters is the same. Nothing is trimmed, folded or
// refused but what is not valid UTF-8 or longer than [MaxBytes]; the error is a [*PolicyError].
func Normalize(pw string) (string, error) {
	if !utf8.ValidString(pw) {
		return "", &PolicyError{Reason: NotText, Message: "the password is not valid text (UTF-8)"}
	}
	tooLong := &PolicyError{Reason: TooLong, Message: fmt.Sprintf("the password is longer than %d bytes", MaxBytes)}
	if len(pw) > maxRaw {
		return "", tooLong
	}
	pw = norm.NFC.String(pw)
	if len(pw) > MaxBytes {
		return "", tooLong
	}
	return pw, nil
}

// Pepper binds a normalized password to the server's key with HMAC-SHA-256 and returns 32
// bytes: a stolen database without that key leaves nothing to guess at.
func Pepper(key [32]byte, normalized string) []byte {
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(normalized))
	return mac.Sum(nil)
}

// Hash returns a verifier as a PHC string ($argon2id$v=19$m=...,t=...,p=...$salt$hash) with
// a new 16-byte salt. It needs p.Memory() bytes; the caller counts them against its budget.
func Hash(peppered []byte, p Params) (string, error) {
	if err := p.validate(); err != nil {
		return "", err
	}
	return argon2id.CreateHash(string(peppered), &argon2id.Params{
		Memory: p.MemoryKiB, Iterations: p.Time, Parallelism: p.Threads, SaltLength: saltSize, KeyLength: keySize,
	})
}

// Decoy returns a verifier with these costs that no password fits: salt and hash are random.
// Verify takes as long against it as against any other, and making it takes no run.
func Decoy(p Params) (string, error) {
	if err := p.validate(); err != nil {
		return "", err
	}
	var salt [saltSize]byte
	var key [keySize]byte
	rand.Read(salt[:])
	rand.Read(key[:])
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.MemoryKiB, p.Time, p.Threads,
		b64.EncodeToString(salt[:]), b64.EncodeToString(key[:])), nil
}

// Verify tells whether phc was made from this password, in constant time. The string's own
// costs are bounded before any work: [ErrParams] and [ErrHash].
func Verify(peppered []byte, phc string) (bool, error) {
	if _, err := ParamsOf(phc); err != nil {
		return false, err
	}
	ok, err := argon2id.ComparePasswordAndHash(string(peppered), phc)
	if err != nil {
		return false, ErrHash
	}
	return ok, nil
}

// ParamsOf returns the costs in a PHC string, for raising them later, with the errors of [Verify].
func ParamsOf(phc string) (Params, error) {
	const maxPHC = 256 // ours has 97 characters
	if len(phc) > maxPHC {
		return Params{}, ErrHash
	}
	got, salt, key, err := argon2id.DecodeHash(phc)
	if err != nil || len(salt) < 8 || len(key) < 16 {
		return Params{}, ErrHash
	}
	p := Params{Time: got.Iterations, MemoryKiB: got.Memory, Threads: got.Parallelism}
	return p, p.validate()
}

// UnlockKey makes the key that opens the account key: argon2id with the unlock salt, then
// HKDF-SHA-256 with the info "zencrypt/v1/unlock". It is never stored. Costs out of range
// are a mistake of the program and panic.
func UnlockKey(peppered, salt []byte, p Params) [32]byte {
	if err := p.validate(); err != nil {
		panic("password: " + err.Error())
	}
	slow := argon2.IDKey(peppered, salt, p.Time, p.MemoryKiB, p.Threads, keySize)
	key, err := hkdf.Key(sha256.New, slow, nil, "zencrypt/v1/unlock", keySize)
	if err != nil {
		panic("password: derive unlock key: " + err.Error())
	}
	return [32]byte(key)
}
