package password

import (
	"encoding/hex"
	"strings"
)

// werkzeugScrypt is the size of a digest of Werkzeug's scrypt, in bytes.
const werkzeugScrypt = 64

// ParseWerkzeug takes a password string of Python's Werkzeug apart, method$salt$hex: the method
// with its costs, the salt as the text that it is, and the digest. The errors are [ErrString] and
// [ErrCosts].
func ParseWerkzeug(s string) (method, salt string, digest []byte, err error) {
	if len(s) > maxString {
		return "", "", nil, ErrString
	}
	method, rest, ok1 := strings.Cut(s, "$")
	salt, digits, ok2 := strings.Cut(rest, "$")
	digest, err = hex.DecodeString(digits)
	if !ok1 || !ok2 || err != nil || len(digest) == 0 {
		return "", "", nil, ErrString
	}
	if _, err := newWerkzeug(method, salt, digest); err != nil {
		return "", "", nil, err
	}
	return method, salt, digest, nil
}

// Werkzeug computes the digest of a Werkzeug password string: the method is scrypt:N:r:p, with 64
// bytes, or pbkdf2:HASH:ROUNDS with sha1, sha256 or sha512, with 20, 32 or 64 bytes; the salt is used
// as the text that it is. A method without its costs is not read: Werkzeug then takes a number
// that every version has changed. It needs the memory that [InspectString] says. The errors are
// [ErrString], [ErrCosts] and [ErrPasswordLength], before any work.
func Werkzeug(method, salt, pw string) ([]byte, error) {
	p, err := newWerkzeug(method, salt, nil)
	if err != nil {
		return nil, err
	}
	if err := checkLength(p.info.Method, pw); err != nil {
		return nil, err
	}
	return p.derive(pw)
}

func parseWerkzeug(s string) (parsedString, error) {
	method, salt, digest, err := ParseWerkzeug(s)
	if err != nil {
		return parsedString{}, err
	}
	return newWerkzeug(method, salt, digest)
}

// newWerkzeug checks a method, a salt, and a digest unless it is nil.
func newWerkzeug(method, salt string, digest []byte) (p parsedString, err error) {
	if salt == "" || len(salt) > maxStringSalt || strings.Contains(salt, "$") {
		return parsedString{}, ErrString
	}
	parts := strings.Split(method, ":")
	switch {
	case len(parts) == 4 && parts[0] == "scrypt":
		n, r, c := number(parts[1]), number(parts[2]), number(parts[3])
		if n < 0 || r < 0 || c < 0 {
			return parsedString{}, ErrString
		}
		if digest == nil {
			digest = make([]byte, werkzeugScrypt)
		}
		if len(digest) != werkzeugScrypt {
			return parsedString{}, ErrString
		}
		p, err = newScrypt(n, r, c, []byte(salt), digest)
	case len(parts) == 3 && parts[0] == "pbkdf2":
		rounds := number(parts[2])
		if rounds < 0 {
			return parsedString{}, ErrString
		}
		p, err = newPBKDF2(parts[1], rounds, []byte(salt), digest)
	default:
		return parsedString{}, ErrString
	}
	p.info.Werkzeug = true
	return p, err
}
