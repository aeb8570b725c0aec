// Package fernet makes and opens Fernet tokens (https://github.com/fernet/spec) on
// github.com/fernet/fernet-go: AES-128-CBC and HMAC-SHA-256 over a whole message, as Python's
// cryptography.fernet does. The time of making stands readable in each token.
//
// A token is opened whole or not at all, so a message is held in memory: [MaxMessage].
package fernet

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	fernetgo "github.com/fernet/fernet-go"
)

const (
	// MaxMessage is the longest message in bytes. A token needs four thirds of it, and all is in memory.
	MaxMessage = 64 << 20
	// MaxToken is the longest token that is read, in bytes, with room for the line breaks of a wrapped one.
	MaxToken = (MaxMessage+overhead+block)/3*4 + MaxMessage/16

	// KeySize is the size of a key in bytes: 16 sign, 16 encrypt.
	KeySize = 32

	version  = 0x80
	block    = 16
	head     = 1 + 8 + block // version, time, initialization vector
	overhead = head + 32     // and the HMAC
	// prefix is version 0x80 with a time before the year 2106, in base64.
	prefix = "gAAAAA"
	// maxSkew is how far in the future a token may have been made when its age matters (specification, "Verifying", 3).
	maxSkew = 60 * time.Second
)

var (
	// ErrNoKey is returned when no key fits or the token was changed. Fernet cannot tell these apart.
	ErrNoKey = errors.New("open fernet token: no key fits, or the token was changed")
	// ErrFormat is returned for what is not a token, whatever the key.
	ErrFormat = errors.New("open fernet token: this is not a complete Fernet token")
	// ErrExpired is returned for an authentic token that is older than was allowed, or from the future.
	ErrExpired = errors.New("open fernet token: it is not valid at this time")
	// ErrTooLarge is returned for messages and tokens above [MaxMessage].
	ErrTooLarge = fmt.Errorf("a Fernet message has at most %d MiB: use age for larger ones", MaxMessage>>20)
	// ErrKey is returned by [ParseKey].
	ErrKey = errors.New("read fernet key: it has 44 characters of base64 for 32 bytes")
)

// A Key signs and encrypts tokens. The zero Key fits nothing. It prints as [redacted].
type Key struct {
	get func() *fernetgo.Key // a function, since fmt prints no further than its address, also where it cannot reach our method
}

// Format implements [fmt.Formatter].
func (Key) Format(s fmt.State, _ rune) { io.WriteString(s, "[redacted]") }

// MarshalText implements [encoding.TextMarshaler], so that a key never reaches JSON or a log.
func (Key) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Encode returns the key as 44 characters of URL-safe base64: the secret itself.
func (k Key) Encode() string {
	if k.get == nil {
		return ""
	}
	return k.get().Encode()
}

// NewKey returns a random key in the form that [ParseKey] and other programs read.
func NewKey() string {
	var k fernetgo.Key
	if err := k.Generate(); err != nil {
		panic("fernet: " + err.Error()) // crypto/rand does not fail
	}
	return k.Encode()
}

// ParseKey reads a key of 32 bytes in URL-safe or standard base64, padded or not, with white
// space around it. The error is [ErrKey] and does not repeat the text.
func ParseKey(s string) (Key, error) {
	s = strings.TrimSpace(strings.TrimPrefix(s, "\ufeff"))
	s = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(s, "="))
	if len(s) != base64.RawURLEncoding.EncodedLen(KeySize) || strings.ContainsAny(s, "\r\n") {
		return Key{}, ErrKey
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != KeySize {
		return Key{}, ErrKey
	}
	k := fernetgo.Key(b)
	return Key{func() *fernetgo.Key { return &k }}, nil
}

// Encrypt returns a token for plaintext, made at now, with a random initialization vector.
// It returns [ErrTooLarge] above [MaxMessage].
func Encrypt(k Key, plaintext []byte, now time.Time) ([]byte, error) {
	if k.get == nil {
		return nil, fmt.Errorf("encrypt fernet token: no key")
	}
	if len(plaintext) > MaxMessage {
		return nil, ErrTooLarge
	}
	tok, err := fernetgo.EncryptAndSignAtTime(plaintext, k.get(), now)
	if err != nil {
		return nil, fmt.Errorf("encrypt fernet token: %w", err)
	}
	return tok, nil
}

// Decrypt opens a token with the first of keys that fits and tells which. A positive ttl is
// how old the token may be at now, in the spec's way: at most 60 s from the future; ttl <= 0
// asks nothing. White space anywhere in the token is left out, as pasting may add it.
//
// The errors are [ErrFormat], [ErrTooLarge], [ErrNoKey] and, for tokens that a key has
// authenticated, [ErrExpired].
func Decrypt(token []byte, ttl time.Duration, now func() time.Time, keys ...Key) (plaintext []byte, keyIndex int, err error) {
	if len(token) > MaxToken {
		return nil, -1, ErrTooLarge
	}
	token = clean(token)
	made, err := check(token)
	if err != nil {
		return nil, -1, err
	}
	for i, k := range keys {
		if k.get == nil {
			continue
		}
		// A ttl of 0: the library would ask the machine's clock, and refuse without saying why.
		plaintext = fernetgo.VerifyAndDecrypt(token, 0, []*fernetgo.Key{k.get()})
		if plaintext == nil || !padded(token, plaintext) {
			continue
		}
		if ttl > 0 {
			at := now()
			if at.After(made.Add(ttl)) {
				return nil, i, fmt.Errorf("%w: it was made %s, more than %s ago", ErrExpired, made.UTC().Format(time.RFC3339), ttl)
			}
			if made.After(at.Add(maxSkew)) {
				return nil, i, fmt.Errorf("%w: it says it was made %s, in the future", ErrExpired, made.UTC().Format(time.RFC3339))
			}
		}
		return plaintext, i, nil
	}
	return nil, -1, ErrNoKey
}

// padded tells whether 1 to 16 bytes of padding were taken off (PKCS #7, RFC 5652 section
// 6.3). fernet-go also takes 0 and more than a block, as Python does not.
func padded(token, plaintext []byte) bool {
	ct := base64.RawURLEncoding.DecodedLen(len(bytes.TrimRight(token, "="))) - overhead
	pad := ct - len(plaintext)
	return 1 <= pad && pad <= block
}

// Created returns the time that stands in a token. Until the token is opened, it is a claim.
func Created(token []byte) (time.Time, error) { return check(clean(token)) }

// Looks tells whether the first bytes of an input may be a token.
func Looks(token []byte) bool {
	token = bytes.TrimSpace(bytes.TrimPrefix(token, []byte("\ufeff")))
	if !bytes.HasPrefix(token, []byte(prefix)) {
		return false
	}
	for _, c := range token {
		if !inAlphabet(c) && c != '=' && !isSpace(c) {
			return false
		}
	}
	return true
}

// check refuses what cannot be a token for any key, and returns its time. fernet-go decodes
// what it can and goes on, and indexes past the end of an authentic token without a message,
// so the form is settled here: strict base64, the version and whole blocks.
func check(token []byte) (time.Time, error) {
	body := bytes.TrimRight(token, "=")
	if len(token)%4 != 0 || len(token)-len(body) > 2 {
		return time.Time{}, ErrFormat
	}
	for _, c := range body {
		if !inAlphabet(c) {
			return time.Time{}, ErrFormat
		}
	}
	size := base64.RawURLEncoding.DecodedLen(len(body))
	if size < overhead+block || (size-overhead)%block != 0 {
		return time.Time{}, ErrFormat
	}
	if size-overhead-block > MaxMessage {
		return time.Time{}, ErrTooLarge
	}
	var first [9]byte
	if _, err := base64.URLEncoding.Decode(first[:], token[:12]); err != nil || first[0] != version {
		return time.Time{}, ErrFormat
	}
	// Strict: else several texts would be the same token.
	if _, err := base64.URLEncoding.Strict().Decode(make([]byte, 3), token[len(token)-4:]); err != nil {
		return time.Time{}, ErrFormat
	}
	return time.Unix(int64(binary.BigEndian.Uint64(first[1:])), 0), nil
}

// clean leaves out a byte order mark and white space, without a copy when there is none inside.
func clean(token []byte) []byte {
	token = bytes.TrimSpace(bytes.TrimPrefix(token, []byte("\ufeff")))
	if !bytes.ContainsFunc(token, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) }) {
		return token
	}
	out := make([]byte, 0, len(token))
	for _, c := range token {
		if !isSpace(c) {
			out = append(out, c)
		}
	}
	return out
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func inAlphabet(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
