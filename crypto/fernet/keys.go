package fernet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// MaxKeys is how many keys a key file may hold: each is tried, at the cost of one HMAC over the token.
	MaxKeys = 64
	// maxKeyFile bounds what is read of a key file, in bytes: 64 lines have 2,944 and leave room for blank ones.
	maxKeyFile = 8 << 10
)

// ErrKeyFile is the kind of every error of [ParseKeys] but the source's own.
var ErrKeyFile = errors.New("read fernet key file")

// Keys are several keys in the order in which they are tried: the first encrypts, all decrypt, as
// Python's MultiFernet does. To renew a key put the new one first and keep the old ones behind it.
type Keys []Key

// ParseKeys reads a key file: one key a line, in the forms of [ParseKey], and nothing else. A byte
// order mark at the beginning, carriage returns before line breaks, and blank lines at the end
// are left out. No comments: a file that is something else must not pass for a key file.
//
// Errors name the line and never repeat it: [ErrKeyFile] for one without a key, with more than
// [MaxKeys], or with a line that is none, then also [ErrKey].
func ParseKeys(src io.Reader) (Keys, error) {
	b, err := io.ReadAll(io.LimitReader(src, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("read fernet key file: %w", err)
	}
	if len(b) > maxKeyFile {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrKeyFile, maxKeyFile)
	}
	b = bytes.TrimRight(bytes.TrimPrefix(b, []byte("\ufeff")), " \t\r\n")
	if len(b) == 0 {
		return nil, fmt.Errorf("%w: it holds no key", ErrKeyFile)
	}
	var keys Keys
	for i, line := range bytes.Split(b, []byte("\n")) {
		if i == MaxKeys {
			return nil, fmt.Errorf("%w: line %d: more than %d keys", ErrKeyFile, i+1, MaxKeys)
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		k, err := ParseKey(string(line))
		if err != nil || len(line) > encodedKey {
			// The error's text says what a key looks like; what stands there may be one, mistyped.
			return nil, fmt.Errorf("%w: line %d: %w", ErrKeyFile, i+1, ErrKey)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// encodedKey is the length of a padded key in base64; a longer line has more in it.
const encodedKey = 44

// Encrypt makes a token under the first key. See the package's [Encrypt].
func (ks Keys) Encrypt(plaintext []byte, now time.Time) ([]byte, error) {
	if len(ks) == 0 {
		return Encrypt(Key{}, plaintext, now)
	}
	return Encrypt(ks[0], plaintext, now)
}

// Decrypt opens a token with the first key that fits. See the package's [Decrypt].
func (ks Keys) Decrypt(token []byte, ttl time.Duration, now func() time.Time) (plaintext []byte, keyIndex int, err error) {
	return Decrypt(token, ttl, now, ks...)
}

// Encode returns the keys as a key file: the secrets themselves.
func (ks Keys) Encode() []byte {
	var b bytes.Buffer
	for _, k := range ks {
		fmt.Fprintln(&b, k.Encode())
	}
	return b.Bytes()
}
