// Package legacy reads what Zencrypt wrote up to version 6, and writes nothing:
//
//   - files of its command line, AES-256-CFB under a passphrase: [OpenCFB]
//   - files of its web page, base64 over a Fernet token: [Unwrap]
//   - messages of its page "PGP", which were RSA-OAEP and no OpenPGP: [DecryptMessage]
//
// Whatever is still needed should be encrypted again with age. Texts and key files were Fernet
// and are package fernet's.
package legacy

import (
	"bytes"
	"errors"
	"fmt"
)

var (
	// ErrFormat is returned for what is not of the kind that was asked for, whatever the key.
	ErrFormat = errors.New("read older zencrypt data: this is not of the form it should have")
	// ErrDamaged is returned for a file that is cut short.
	ErrDamaged = errors.New("open older zencrypt file: it is cut short")
	// ErrTooLarge is returned before more is read than was allowed.
	ErrTooLarge = errors.New("read older zencrypt file: it is larger than is accepted")
	// ErrNoKey is returned when no key fits or the message was changed. RSA-OAEP cannot tell these apart.
	ErrNoKey = errors.New("open older zencrypt message: no key fits, or the message was changed")
	// ErrKey is returned by [ParsePrivateKey] for what is not one RSA private key in PEM.
	ErrKey = errors.New("read rsa key: want one private key in PEM (BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY), and nothing else")
	// ErrKeyEncrypted is returned by [ParsePrivateKey] for a key that is under a passphrase, as older versions never wrote.
	ErrKeyEncrypted = errors.New("read rsa key: it is encrypted with a passphrase: take that off first (openssl pkey -in FILE)")
	// ErrKeySize is returned by [ParsePrivateKey], before any work, for keys that are too weak or too slow.
	ErrKeySize = fmt.Errorf("read rsa key: it has another size than the %d to %d bits that are accepted", minBits, maxBits)
)

// trim takes a byte order mark and white space off both ends.
func trim(b []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(b), []byte("\ufeff")))
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// inAlphabet tells whether c is a digit of standard base64 (RFC 4648, section 4), padding aside.
func inAlphabet(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/'
}
