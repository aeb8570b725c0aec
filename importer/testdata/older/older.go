// Package older makes data of older Zencrypts, of any size and always the same from the same seed. It is for tests
// and measurements, and is linked into no program.
//
// Its Fernet tokens are made with Go's own AES and HMAC, not with the code that reads them.
package older

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// A Spec says how much there is. The records of an account lie scattered, as those of a server
// where everybody writes at once.
type Spec struct {
	Seed                     uint64
	Accounts, Texts, Digests int
	// Passwords is how many accounts have a password string of Password's; the others' digests are noise, since
	// a real one takes its time.
	Passwords int
}

// rounds of PBKDF2: cheap, since nobody's password depends on it.
const rounds = 1000

// noise gives 32 bytes that depend on the seed, a kind and a number.
func (s Spec) noise(kind string, n int) [32]byte {
	b := binary.LittleEndian.AppendUint64(nil, s.Seed)
	b = binary.LittleEndian.AppendUint64(b, uint64(n))
	return sha256.Sum256(append(b, kind...))
}

// Login is an account's login.
func (s Spec) Login(account int) string {
	n := s.noise("login", account)
	return fmt.Sprintf("Person.%d.%x@example.org", account, n[:3])
}

// Password is what an account logs in with.
func (s Spec) Password(account int) string {
	n := s.noise("password", account)
	return fmt.Sprintf("pass %d ünï %x", account, n[:8])
}

// Werkzeug is its password string.
func (s Spec) Werkzeug(account int) string {
	n := s.noise("salt", account)
	salt := hex.EncodeToString(n[:8])
	sum := n[:]
	if account < s.Passwords {
		var err error
		if sum, err = pbkdf2.Key(sha256.New, s.Password(account), []byte(salt), rounds, sha256.Size); err != nil {
			panic(err)
		}
	}
	return fmt.Sprintf("pbkdf2:sha256:%d$%s$%x", rounds, salt, sum)
}

// Key is the Fernet key of an account; -1 is the one of a server.
func (s Spec) Key(account int) string {
	n := s.noise("key", account)
	return base64.URLEncoding.EncodeToString(n[:])
}

// Owner is whose a text or a digest is.
func (s Spec) Owner(record int) int { return int(uint64(record) * 2654435761 % uint64(s.Accounts)) }

// Plain is a text, of 0 to 299 bytes.
func (s Spec) Plain(text int) []byte {
	n := s.noise("plain", text)
	b := fmt.Appendf(nil, "text %d\u2028of account %d\x00\r\n", text, s.Owner(text))
	for len(b) < 300 {
		b = hex.AppendEncode(b, n[:])
	}
	return b[:int(n[0])+int(n[1])%45]
}

// Token is a text's Fernet token (https://github.com/fernet/spec).
func (s Spec) Token(text, keyOf int) []byte {
	key, iv := s.noise("key", keyOf), s.noise("iv", text)
	plain := s.Plain(text)
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	for range pad {
		plain = append(plain, byte(pad))
	}
	out := append(make([]byte, 0, 57+len(plain)), 0x80)
	out = binary.BigEndian.AppendUint64(out, uint64(s.Time(text).Unix()))
	out = append(out, iv[:aes.BlockSize]...)
	block, err := aes.NewCipher(key[16:])
	if err != nil {
		panic(err)
	}
	cipher.NewCBCEncrypter(block, iv[:aes.BlockSize]).CryptBlocks(plain, plain)
	out = append(out, plain...)
	mac := hmac.New(sha256.New, key[:16])
	mac.Write(out)
	return base64.URLEncoding.AppendEncode(nil, mac.Sum(out))
}

// Digest is a digest and its salt.
func (s Spec) Digest(digest int) (sum, salt string) {
	n := s.noise("digest", digest)
	return hex.EncodeToString(n[:]), fmt.Sprint("salt ", n[0])
}

// Time is when a record was made.
func (s Spec) Time(n int) time.Time {
	return time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
}
