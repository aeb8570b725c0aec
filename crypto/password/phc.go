package password

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/alexedwards/argon2id"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/scrypt"
)

// smallMemory is what bcrypt and PBKDF2 need, in bytes, rounded up.
const smallMemory = 64 << 10

// A parsedString is a password string within all bounds.
type parsedString struct {
	info   StringInfo
	sum    []byte
	derive func(pw string) ([]byte, error) // nil for bcrypt, whose module reads the string itself
}

func parseString(s string) (parsedString, error) {
	if len(s) > maxString {
		return parsedString{}, ErrString
	}
	for prefix, parse := range map[string]func(string) (parsedString, error){
		"$argon2id$": parseArgon2id,
		"$2a$":       parseBcrypt, "$2b$": parseBcrypt, "$2y$": parseBcrypt,
		"$scrypt$": parseScrypt,
		"$pbkdf2":  parsePBKDF2,
		"scrypt:":  parseWerkzeug, "pbkdf2:": parseWerkzeug,
	} {
		if strings.HasPrefix(s, prefix) {
			return parse(s)
		}
	}
	return parsedString{}, ErrString
}

func parseArgon2id(s string) (parsedString, error) {
	got, salt, sum, err := argon2id.DecodeHash(s)
	if err != nil || len(salt) < 8 || len(salt) > maxStringSalt || len(sum) < 12 || len(sum) > 64 {
		return parsedString{}, ErrString
	}
	m, t, p := got.Memory, got.Iterations, got.Parallelism
	// DecodeHash reads numbers leniently: what follows them, and other spellings, would be lost.
	if canonical := fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, m, t, p); !strings.HasPrefix(s, canonical) {
		return parsedString{}, ErrString
	}
	memory := int64(m) << 10
	if t < 1 || p < 1 || p > maxStringLanes || m < 8*uint32(p) || memory > MaxStringMemory ||
		t > maxStringPasses || int64(t)*memory > maxStringWork {
		return parsedString{}, fmt.Errorf("%w: argon2id with t=%d, m=%d KiB, p=%d", ErrCosts, t, m, p)
	}
	info := StringInfo{Method: Argon2id, Memory: memory}
	if d := DefaultParams(); m < d.MemoryKiB || int64(t)*memory < int64(d.Time)*d.Memory() {
		info.Weak = fmt.Sprintf("it takes %d KiB of memory %d times, and new ones %d KiB %d times", m, t, d.MemoryKiB, d.Time)
	}
	info.weakSalt(salt)
	return parsedString{info, sum, func(pw string) ([]byte, error) {
		return argon2.IDKey([]byte(pw), salt, t, m, p, uint32(len(sum))), nil
	}}, nil
}

// parseBcrypt reads "$2b$12$" and 53 characters. $2x$ is a broken variant and not read.
func parseBcrypt(s string) (parsedString, error) {
	if len(s) != 60 || s[6] != '$' {
		return parsedString{}, ErrString
	}
	for _, c := range []byte(s[7:]) {
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '/') {
			return parsedString{}, ErrString
		}
	}
	cost, err := strconv.ParseUint(s[4:6], 10, 8)
	if err != nil {
		return parsedString{}, ErrString
	}
	if err := bcryptCost(int(cost)); err != nil {
		return parsedString{}, err
	}
	info := StringInfo{Method: Bcrypt, Memory: smallMemory}
	if d := DefaultStringCosts().Bcrypt; int(cost) < d {
		info.Weak = fmt.Sprintf("its cost is %d, and that of new ones %d", cost, d)
	}
	return parsedString{info: info}, nil
}

func bcryptCost(cost int) error {
	if cost < minBcryptCost || cost > maxBcryptCost {
		return fmt.Errorf("%w: bcrypt with cost %d, from %d to %d are accepted", ErrCosts, cost, minBcryptCost, maxBcryptCost)
	}
	return nil
}

// parseScrypt reads passlib's "$scrypt$ln=17,r=8,p=1$salt$hash".
func parseScrypt(s string) (parsedString, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 5 {
		return parsedString{}, ErrString
	}
	params := strings.Split(parts[2], ",")
	if len(params) != 3 {
		return parsedString{}, ErrString
	}
	var n [3]int
	for i, key := range []string{"ln=", "r=", "p="} {
		digits, ok := strings.CutPrefix(params[i], key)
		if n[i] = number(digits); !ok || n[i] < 0 {
			return parsedString{}, ErrString
		}
	}
	b64 := base64.RawStdEncoding.Strict()
	salt, err1 := b64.DecodeString(parts[3])
	sum, err2 := b64.DecodeString(parts[4])
	if err1 != nil || err2 != nil || len(sum) != keySize || len(salt) == 0 || len(salt) > maxStringSalt {
		return parsedString{}, ErrString
	}
	if n[0] < 1 || n[0] > 30 {
		return parsedString{}, fmt.Errorf("%w: scrypt with N = 2^%d", ErrCosts, n[0])
	}
	return newScrypt(1<<n[0], n[1], n[2], salt, sum)
}

// newScrypt is for both forms.
func newScrypt(n, r, p int, salt, sum []byte) (parsedString, error) {
	if err := scryptCosts(n, r, p); err != nil {
		return parsedString{}, err
	}
	info := StringInfo{Method: Scrypt, Memory: scryptMemory(n, r, p)}
	if d := 128 << DefaultStringCosts().Scrypt * 8; 128*n*r < d {
		info.Weak = fmt.Sprintf("it takes %d KiB of memory, and new ones %d KiB", 128*n*r>>10, d>>10)
	}
	info.weakSalt(salt)
	return parsedString{info, sum, func(pw string) ([]byte, error) {
		return scrypt.Key([]byte(pw), salt, n, r, p, len(sum))
	}}, nil
}

// scryptCosts bounds each factor first, so that no product overflows. N is a power of two
// above 1 (RFC 7914, section 6).
func scryptCosts(n, r, p int) error {
	if n < 2 || n&(n-1) != 0 || n > MaxStringMemory/128 || r < 1 || r > maxScryptR || p < 1 || p > maxStringLanes ||
		scryptMemory(n, r, p) > MaxStringMemory+1<<20 || 128*int64(n)*int64(r)*int64(p) > maxStringWork {
		return fmt.Errorf("%w: scrypt with N=%d, r=%d, p=%d", ErrCosts, n, r, p)
	}
	return nil
}

// scryptMemory is the table of N blocks of 128 r bytes, p blocks, and scratch.
func scryptMemory(n, r, p int) int64 {
	return 128*int64(n)*int64(r) + 128*int64(r)*int64(p) + 256*int64(r) + 4<<10
}

// parsePBKDF2 reads passlib's "$pbkdf2-sha256$600000$salt$hash"; "$pbkdf2$" is SHA-1.
func parsePBKDF2(s string) (parsedString, error) {
	parts := strings.Split(s, "$")
	if len(parts) != 5 {
		return parsedString{}, ErrString
	}
	name := "sha1"
	if parts[1] != "pbkdf2" {
		var ok bool
		if name, ok = strings.CutPrefix(parts[1], "pbkdf2-"); !ok || name == "sha1" {
			return parsedString{}, ErrString
		}
	}
	rounds := number(parts[2])
	salt, err1 := passlib64().DecodeString(parts[3])
	sum, err2 := passlib64().DecodeString(parts[4])
	if rounds < 0 || err1 != nil || err2 != nil || len(salt) == 0 || len(salt) > maxStringSalt {
		return parsedString{}, ErrString
	}
	return newPBKDF2(name, rounds, salt, sum)
}

// newPBKDF2 is for both forms. The digest has the hash's own length: a longer one would double the work.
func newPBKDF2(name string, rounds int, salt, sum []byte) (parsedString, error) {
	var newHash func() hash.Hash
	var enough int // OWASP's rounds for it
	switch name {
	case "sha1":
		newHash, enough = sha1.New, 1_300_000
	case "sha256":
		newHash, enough = sha256.New, DefaultStringCosts().PBKDF2
	case "sha512":
		newHash, enough = sha512.New, 210_000
	default:
		return parsedString{}, ErrString
	}
	size := newHash().Size()
	if sum != nil && len(sum) != size {
		return parsedString{}, ErrString
	}
	if err := pbkdf2Rounds(rounds); err != nil {
		return parsedString{}, err
	}
	info := StringInfo{Method: Method("pbkdf2-" + name), Memory: smallMemory}
	if rounds < enough {
		info.Weak = fmt.Sprintf("it takes %d rounds, and %d are needed today", rounds, enough)
	}
	info.weakSalt(salt)
	return parsedString{info, sum, func(pw string) ([]byte, error) {
		return pbkdf2.Key(newHash, pw, salt, rounds, size)
	}}, nil
}

func pbkdf2Rounds(rounds int) error {
	if rounds < 1 || rounds > maxPBKDF2Rounds {
		return fmt.Errorf("%w: PBKDF2 with %d rounds, at most %d are accepted", ErrCosts, rounds, maxPBKDF2Rounds)
	}
	return nil
}

// weakSalt adds a reason for a salt that many passwords may share.
func (i *StringInfo) weakSalt(salt []byte) {
	if i.Weak == "" && len(salt) < 8 {
		i.Weak = fmt.Sprintf("its salt has %d bytes, and that of new ones %d", len(salt), saltSize)
	}
}

// passlib64 is base64 with . for + and without padding ("adapted base64" in passlib's documentation).
func passlib64() *base64.Encoding {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./"
	return base64.NewEncoding(alphabet).WithPadding(base64.NoPadding).Strict()
}

// number reads digits without a sign or a leading zero; -1 is none, or more than fits.
func number(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return -1
	}
	return int(n)
}
