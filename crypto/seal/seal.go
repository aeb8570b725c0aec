// Package seal keeps small secrets closed in a database: rows, columns, keys and names.
//
// A seal is authenticated encryption that also says where it belongs. A sealed value that
// is moved to another table, column, row or user does not open. What it cannot show is
// age: an older sealed value put back in its own place opens again.
//
// Callers who hold an account's keys use a [Ring]; [Seal] and [Open] are for single keys
// such as the ones made from a password, a recovery code or a session token.
package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/chacha20poly1305"
)

// KeySize is the size of a [Key] in bytes, that of XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03).
const KeySize = chacha20poly1305.KeySize

// A sealed value is
//
//	1 byte    format, always 1
//	4 bytes   account-key version, big endian
//	24 bytes  nonce, random
//	n bytes   ciphertext, as long as the plaintext
//	16 bytes  Poly1305 tag
//
// so it is [Overhead] bytes longer than the plaintext.
const (
	formatV1   = 1
	headerSize = 1 + 4
	// Overhead is what sealing adds to a plaintext, in bytes.
	Overhead = headerSize + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead
)

var (
	// ErrOpen is returned when a sealed value was changed, moved from its place, or made with another key.
	// Which of the three cannot be told apart.
	ErrOpen = errors.New("open seal: value was changed, moved or made with another key")
	// ErrFormat is returned for bytes that are too short for a seal or carry an unknown format.
	ErrFormat = errors.New("open seal: not a sealed value")
	// ErrVersion is returned by [Ring.Open] for an account-key version that the ring does not hold. It is also an [ErrOpen].
	ErrVersion = fmt.Errorf("%w: its account-key version is not known", ErrOpen)
)

// A Key is a 32-byte secret. It prints as [redacted] under every verb of package fmt, but
// only while fmt can reach its method: a struct that holds one in an unexported field must
// redact itself.
type Key [KeySize]byte

const redacted = "[redacted]"

// Format implements [fmt.Formatter].
func (Key) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// MarshalText implements [encoding.TextMarshaler], so that a key never reaches JSON or a log.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// NewKey returns a random key.
func NewKey() Key {
	var k Key
	rand.Read(k[:]) // never fails: it crashes the program instead
	return k
}

// Derive makes a key for one purpose from a secret of full entropy with HKDF-SHA-256
// (RFC 5869) without salt. It must not be given a password: nothing here is slow.
func Derive(secret []byte, info string) Key {
	b, err := hkdf.Key(sha256.New, secret, nil, info, KeySize)
	if err != nil {
		panic("seal: derive key: " + err.Error()) // only for lengths above 255 digests, or a hash that FIPS mode forbids
	}
	return Key(b)
}

// A Place says where a sealed value belongs. It is additional data: authenticated, not stored.
type Place struct {
	Table, Column string
	Row, User     []byte
}

// additional returns the header followed by each part of p with its length in 4 bytes, big
// endian, so that no two places give the same bytes.
func (p Place) additional(header []byte) []byte {
	parts := [...][]byte{[]byte(p.Table), []byte(p.Column), p.Row, p.User}
	size := len(header)
	for _, part := range parts {
		size += 4 + len(part)
	}
	ad := append(make([]byte, 0, size), header...)
	for _, part := range parts {
		ad = binary.BigEndian.AppendUint32(ad, uint32(len(part)))
		ad = append(ad, part...)
	}
	return ad
}

// Additional returns the parts of p, each with its length in 4 bytes, big endian: the aad that [SealTo] takes for a
// value in this place.
func (p Place) Additional() []byte { return p.additional(nil) }

// Seal closes plaintext under k for the place p. The version is the account key's; it is
// readable without k (see [Version]) and authenticated. The nonce is random: 24 bytes make
// a repetition out of reach for any number of values.
func Seal(k Key, version uint32, p Place, plaintext []byte) []byte {
	out := make([]byte, headerSize+chacha20poly1305.NonceSizeX, len(plaintext)+Overhead)
	out[0] = formatV1
	binary.BigEndian.PutUint32(out[1:headerSize], version)
	nonce := out[headerSize:]
	rand.Read(nonce)
	return aead(k).Seal(out, nonce, plaintext, p.additional(out[:headerSize]))
}

// Open returns the plaintext of a value that [Seal] closed with the same key for the same
// place, [ErrFormat] when sealed cannot be such a value, and otherwise [ErrOpen].
// sealed is left as it was.
func Open(k Key, p Place, sealed []byte) ([]byte, error) {
	if _, err := Version(sealed); err != nil {
		return nil, err
	}
	header, rest := sealed[:headerSize], sealed[headerSize:]
	nonce, ct := rest[:chacha20poly1305.NonceSizeX], rest[chacha20poly1305.NonceSizeX:]
	plain, err := aead(k).Open(nil, nonce, ct, p.additional(header))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// Version returns the account-key version that a sealed value names, without opening it:
// until it opens, that number is a claim.
func Version(sealed []byte) (uint32, error) {
	if len(sealed) < Overhead || sealed[0] != formatV1 {
		return 0, ErrFormat
	}
	return binary.BigEndian.Uint32(sealed[1:headerSize]), nil
}

func aead(k Key) cipher.AEAD {
	a, err := chacha20poly1305.NewX(k[:])
	if err != nil {
		panic("seal: " + err.Error()) // only for a wrong key length, which the type rules out
	}
	return a
}
