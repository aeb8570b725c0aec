package password

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/scrypt"
)

// Password strings are what other programs keep in their user tables. Nothing here is used
// for this program's own accounts: no pepper, no NFC, the password's bytes are hashed as given.

// A Method is how a password string is made.
type Method string

// The methods of [HashString].
const (
	Argon2id     Method = "argon2id"
	Bcrypt       Method = "bcrypt"
	Scrypt       Method = "scrypt"
	PBKDF2SHA256 Method = "pbkdf2-sha256"
)

// Methods returns them all, the one to choose first.
func Methods() []Method { return []Method{Argon2id, Bcrypt, Scrypt, PBKDF2SHA256} }

// StringCosts are the costs of new password strings.
type StringCosts struct {
	Argon2id Params
	Bcrypt   int // log2 of its rounds
	Scrypt   int // log2 of N; r is 8 and p is 1
	PBKDF2   int // rounds of HMAC-SHA-256
}

// DefaultStringCosts are those of [DefaultParams] and of OWASP's password storage cheat sheet
// as of 2025: scrypt with N = 2^17, PBKDF2 with 600,000 rounds, and bcrypt with two doublings more than
// its least of 10. Each takes 0.1 to 0.4 s.
func DefaultStringCosts() StringCosts {
	return StringCosts{Argon2id: DefaultParams(), Bcrypt: 12, Scrypt: 17, PBKDF2: 600_000}
}

// The bounds of what is verified or made, known before any work. Memory is the scarce thing;
// each of them at its most takes some seconds.
const (
	// MaxStringMemory is the most memory a string may ask for, in bytes: 16 times the default, and what libsodium's "sensitive" asks for.
	MaxStringMemory = 1 << 30
	// maxStringWork bounds bytes touched, passes times memory: 4 s of argon2id, 8 s of scrypt.
	maxStringWork    = 4 << 30
	maxStringLanes   = 64         // of argon2id and scrypt: more goroutines than cores help nobody
	maxStringPasses  = 1 << 16    // of argon2id over little memory
	maxScryptR       = 64         // 8 is usual
	maxPBKDF2Rounds  = 10_000_000 // 2 s with SHA-256, 6 with SHA-512
	minBcryptCost    = bcrypt.MinCost
	maxBcryptCost    = 16 // 4 s, and 2 more for each step
	maxBcryptBytes   = 72 // bcrypt takes no more
	maxStringSalt    = 256
	maxPasswordBytes = 4096 // of a password for a string
	maxString        = 1024 // bytes of a string; with 64 bytes of salt and of digest it has about 200
)

var (
	// ErrString is returned for a password string of a form or with a method that is not read.
	ErrString = errors.New("read password string: it is none of argon2id, bcrypt, scrypt, pbkdf2 or Werkzeug's")
	// ErrCosts is returned, before any work, for costs that are too low to be valid or too high to be run.
	ErrCosts = errors.New("read password string: costs out of range")
	// ErrMethod is returned by [HashString] for a method that it has not.
	ErrMethod = errors.New("make password string: unknown method")
	// ErrBcryptPassword is returned instead of hashing a part of the password: bcrypt takes 72 bytes, and its C programs stop at NUL.
	ErrBcryptPassword = errors.New("hash password: bcrypt takes no password of more than 72 bytes or with NUL in it: use argon2id")
	// ErrPasswordLength bounds the work for other methods.
	ErrPasswordLength = fmt.Errorf("hash password: it is longer than %d bytes", maxPasswordBytes)
)

// StringInfo is what a password string says of itself.
type StringInfo struct {
	Method   Method // also pbkdf2-sha1 and pbkdf2-sha512, which are not made any more
	Werkzeug bool   // in the form of Python's Werkzeug and Flask
	Memory   int64  // that verifying it needs, in bytes, for the caller's budget
	Weak     string // why it is weaker than what is made today, in words; empty if it is not
}

// HashString makes a password string with a new 16-byte salt, in the form that others read:
//
//	argon2id       $argon2id$v=19$m=65536,t=3,p=4$SALT$HASH    the reference implementation's (PHC string format), base64 without padding
//	bcrypt         $2b$12$...                                  OpenBSD's
//	scrypt         $scrypt$ln=17,r=8,p=1$SALT$HASH             Python passlib 1.7's, base64 without padding, 32 bytes
//	pbkdf2-sha256  $pbkdf2-sha256$600000$SALT$HASH             passlib's, base64 with . for + and without padding, 32 bytes
//
// It needs c.Memory(m) bytes. The errors are [ErrMethod], [ErrCosts], [ErrPasswordLength] and [ErrBcryptPassword].
func HashString(m Method, pw string, c StringCosts) (string, error) {
	if err := c.validate(m); err != nil {
		return "", err
	}
	if err := checkLength(m, pw); err != nil {
		return "", err
	}
	var salt [saltSize]byte
	rand.Read(salt[:])
	switch m {
	case Argon2id:
		return Hash([]byte(pw), c.Argon2id)
	case Bcrypt:
		b, err := bcrypt.GenerateFromPassword([]byte(pw), c.Bcrypt)
		// The module writes the letter of before OpenBSD 5.5, which means the same for 72 bytes.
		return strings.Replace(string(b), "$2a$", "$2b$", 1), err
	case Scrypt:
		key, err := scrypt.Key([]byte(pw), salt[:], 1<<c.Scrypt, 8, 1, keySize)
		b64 := base64.RawStdEncoding
		return fmt.Sprintf("$scrypt$ln=%d,r=8,p=1$%s$%s", c.Scrypt, b64.EncodeToString(salt[:]), b64.EncodeToString(key)), err
	default:
		key, err := pbkdf2.Key(sha256.New, pw, salt[:], c.PBKDF2, keySize)
		return fmt.Sprintf("$pbkdf2-sha256$%d$%s$%s", c.PBKDF2, passlib64().EncodeToString(salt[:]), passlib64().EncodeToString(key)), err
	}
}

// Memory is what one run of a method needs, in bytes.
func (c StringCosts) Memory(m Method) int64 {
	switch m {
	case Argon2id:
		return c.Argon2id.Memory()
	case Scrypt:
		return scryptMemory(1<<min(max(c.Scrypt, 0), 40), 8, 1)
	}
	return smallMemory
}

func (c StringCosts) validate(m Method) error {
	switch m {
	case Argon2id:
		// Of our own making, so the bounds of accounts.
		if err := c.Argon2id.validate(); err != nil {
			return fmt.Errorf("%w: %w", ErrCosts, err)
		}
		return nil
	case Bcrypt:
		return bcryptCost(c.Bcrypt)
	case Scrypt:
		if c.Scrypt < 1 || c.Scrypt > 30 {
			return fmt.Errorf("%w: scrypt with N = 2^%d", ErrCosts, c.Scrypt)
		}
		return scryptCosts(1<<c.Scrypt, 8, 1)
	case PBKDF2SHA256:
		return pbkdf2Rounds(c.PBKDF2)
	}
	return fmt.Errorf("%w: %.40q", ErrMethod, string(m))
}

func checkLength(m Method, pw string) error {
	switch {
	case m == Bcrypt && (len(pw) > maxBcryptBytes || strings.ContainsRune(pw, 0)):
		return ErrBcryptPassword
	case len(pw) > maxPasswordBytes:
		return ErrPasswordLength
	}
	return nil
}

// InspectString says what a password string is and what verifying it would cost, without any
// work. The errors are [ErrString] and [ErrCosts], and do not repeat the string.
func InspectString(s string) (StringInfo, error) {
	p, err := parseString(s)
	if err != nil {
		return StringInfo{}, err
	}
	return p.info, nil
}

// VerifyString tells, in constant time, whether a password string was made from this password.
// Besides the forms of [HashString] it reads bcrypt's $2a$ and $2y$, passlib's $pbkdf2$ (SHA-1) and
// $pbkdf2-sha512$, and Werkzeug's scrypt:N:r:p$salt$hex and pbkdf2:HASH:ROUNDS$salt$hex.
//
// It needs as much memory as [InspectString] says. The errors are [ErrString], [ErrCosts],
// [ErrPasswordLength] and [ErrBcryptPassword], all before any work.
func VerifyString(pw, s string) (bool, error) {
	p, err := parseString(s)
	if err != nil {
		return false, err
	}
	if err := checkLength(p.info.Method, pw); err != nil {
		return false, err
	}
	if p.info.Method == Bcrypt {
		err := bcrypt.CompareHashAndPassword([]byte(s), []byte(pw))
		if err != nil && !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
			return false, ErrString
		}
		return err == nil, nil
	}
	sum, err := p.derive(pw)
	if err != nil {
		return false, fmt.Errorf("verify password: %w", err)
	}
	return subtle.ConstantTimeCompare(sum, p.sum) == 1, nil
}
