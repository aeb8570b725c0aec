package password

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/sethvargo/go-diceware/diceware"
)

const (
	recoveryBytes = 20 // 160 bits, so no slow hash is needed; 32 characters without padding
	recoveryGroup = 4  // characters between two dashes
	oneTimeBytes  = 10 // 80 bits, which no log-in can guess; 16 characters without padding
)

// Words is how many words [Generate] is asked for by default: 77 bits from EFF's list of 7,776.
const Words = 6

// ErrRecoveryCode is returned for what cannot be a recovery code, whoever's it is.
var ErrRecoveryCode = errors.New("read recovery code: it has 32 letters and digits (A to Z, 2 to 7) in eight groups of four")

// ErrOneTimeCode is returned for what cannot be a one-time code, whoever's it is.
var ErrOneTimeCode = errors.New("read one-time code: it has 16 letters and digits (A to Z, 2 to 7) in four groups of four")

func base32Code() *base32.Encoding { return base32.StdEncoding.WithPadding(base32.NoPadding) }

// NewRecoveryCode returns 160 random bits as eight groups of four characters of RFC 4648's
// base32, joined by dashes.
func NewRecoveryCode() string { return newCode(recoveryBytes) }

// NewOneTimeCode is like NewRecoveryCode with 80 bits, in four groups. It stands in for a lost second
// factor, behind the password.
func NewOneTimeCode() string { return newCode(oneTimeBytes) }

func newCode(size int) string {
	b := make([]byte, size)
	rand.Read(b)
	s := base32Code().EncodeToString(b)
	groups := make([]string, 0, len(s)/recoveryGroup)
	for i := 0; i < len(s); i += recoveryGroup {
		groups = append(groups, s[i:i+recoveryGroup])
	}
	return strings.Join(groups, "-")
}

// ParseRecoveryCode returns the 20 bytes of a code as a person types it: in any case, with
// spaces and dashes anywhere, and 0, 1 and 8, which the alphabet lacks, read as O, I and B.
func ParseRecoveryCode(s string) ([]byte, error) {
	b, ok := parseCode(s, recoveryBytes)
	if !ok {
		return nil, ErrRecoveryCode
	}
	return b, nil
}

// ParseOneTimeCode returns the 10 bytes of a one-time code, typed as a recovery code may be.
func ParseOneTimeCode(s string) ([]byte, error) {
	b, ok := parseCode(s, oneTimeBytes)
	if !ok {
		return nil, ErrOneTimeCode
	}
	return b, nil
}

func parseCode(s string, size int) ([]byte, bool) {
	const maxTyped = 512 // bytes; a code with its dashes has 39
	if len(s) > maxTyped {
		return nil, false
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.Is(unicode.Pd, r), r == '\u2212', r == '\ufeff', r == '\u200b':
			return -1
		case r == '0':
			return 'O'
		case r == '1':
			return 'I'
		case r == '8':
			return 'B'
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, s)
	// The length is checked first, since the decoder takes one character too many for nothing.
	if len(s) != base32Code().EncodedLen(size) {
		return nil, false
	}
	b, err := base32Code().DecodeString(s)
	return b, err == nil
}

// Generate returns a passphrase of different words from EFF's large list, joined by dashes,
// with 12.9 bits a word. It takes 4 to 20 words.
func Generate(words int) (string, error) {
	if words < 4 || words > 20 {
		return "", fmt.Errorf("make passphrase: %d words asked for, 4 to 20 are possible", words)
	}
	list, err := diceware.Generate(words)
	if err != nil {
		return "", fmt.Errorf("make passphrase: %w", err)
	}
	return strings.Join(list, "-"), nil
}
