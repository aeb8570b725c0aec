package legacy

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
)

const (
	minBits = 2048 // what older versions made; less can be factored
	maxBits = 4096 // one decryption takes about 6 ms
	// maxPEM bounds a key's text in bytes: one of 4,096 bits has 3,272.
	maxPEM = 16 << 10
	// maxMessage bounds a message's text in bytes: 512 are 684 in base64, and line breaks.
	maxMessage = 2 << 10
)

// A PrivateKey opens messages of the old page "PGP". The zero PrivateKey fits nothing. It
// prints as [redacted].
type PrivateKey struct {
	get func() *rsa.PrivateKey // a function, since fmt prints no further than its address
}

// Format implements [fmt.Formatter].
func (PrivateKey) Format(s fmt.State, _ rune) { io.WriteString(s, "[redacted]") }

// MarshalText implements [encoding.TextMarshaler], so that a key never reaches JSON or a log.
func (PrivateKey) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Bits is the size of the key's modulus, 0 for the zero PrivateKey.
func (k PrivateKey) Bits() int {
	if k.get == nil {
		return 0
	}
	return k.get().N.BitLen()
}

// ParsePrivateKey reads one RSA key in PEM, as PKCS #8 (RFC 5958) or PKCS #1 (RFC 8017, A.1.2),
// of 2,048 to 4,096 bits and two primes. White space around it, a byte order mark and carriage
// returns are left out. The errors are [ErrKey], [ErrKeyEncrypted] and [ErrKeySize], and none
// repeats the text. The key is for decrypting alone.
func ParsePrivateKey(text []byte) (PrivateKey, error) {
	text = trim(text)
	if len(text) > maxPEM || !bytes.HasPrefix(text, []byte("-----BEGIN ")) {
		return PrivateKey{}, ErrKey
	}
	block, rest := pem.Decode(text)
	if block == nil || len(rest) != 0 {
		return PrivateKey{}, ErrKey
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return PrivateKey{}, ErrKeyEncrypted
	}
	der := block.Bytes
	var parse func([]byte) (any, error)
	switch block.Type {
	case "PRIVATE KEY":
		var outer struct {
			Version   int
			Algorithm asn1.RawValue
			Key       []byte
		}
		if _, err := asn1.Unmarshal(der, &outer); err != nil {
			return PrivateKey{}, ErrKey
		}
		der, parse = outer.Key, func([]byte) (any, error) { return x509.ParsePKCS8PrivateKey(block.Bytes) }
	case "RSA PRIVATE KEY":
		parse = func(der []byte) (any, error) { return x509.ParsePKCS1PrivateKey(der) }
	default:
		return PrivateKey{}, ErrKey
	}
	// The modulus first: the parsers below check the whole key, which takes long for a huge one.
	var head struct {
		Version int
		N       *big.Int
	}
	if _, err := asn1.Unmarshal(der, &head); err != nil {
		return PrivateKey{}, ErrKey
	}
	if n := head.N.BitLen(); n < minBits || n > maxBits {
		return PrivateKey{}, ErrKeySize
	}
	parsed, err := parse(der)
	k, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok || len(k.Primes) != 2 {
		return PrivateKey{}, ErrKey
	}
	return PrivateKey{func() *rsa.PrivateKey { return k }}, nil
}

// LooksRSAMessage tells whether a text may be a message of the old page "PGP": standard base64
// of 256, 384 or 512 bytes and nothing else. Random bytes look the same.
func LooksRSAMessage(text []byte) bool {
	if LooksWebFile(text) {
		return false
	}
	ct, err := decodeMessage(text)
	return err == nil && (len(ct) == 256 || len(ct) == 384 || len(ct) == 512)
}

// DecryptMessage opens a message of the old page "PGP", RSAES-OAEP with SHA-256 as hash and in
// MGF1 and no label (RFC 8017, section 7.1) in standard base64, with the first of keys that fits,
// and tells which. The plaintext has at most 446 bytes, 190 for 2,048 bits.
//
// The errors are [ErrFormat] and [ErrNoKey]. The message says nothing of who wrote it: anybody
// with the public key could.
func DecryptMessage(text []byte, keys ...PrivateKey) (plaintext []byte, keyIndex int, err error) {
	ct, err := decodeMessage(text)
	if err != nil {
		return nil, -1, err
	}
	for i, k := range keys {
		if k.get == nil || len(ct) != k.get().Size() {
			continue
		}
		// One error for every reason, and in constant time (Manger's attack).
		if plaintext, err := rsa.DecryptOAEP(sha256.New(), nil, k.get(), ct, nil); err == nil {
			return plaintext, i, nil
		}
	}
	return nil, -1, ErrNoKey
}

func decodeMessage(text []byte) ([]byte, error) {
	if len(text) > maxMessage {
		return nil, fmt.Errorf("%w: a message has at most %d bytes of base64", ErrFormat, base64.StdEncoding.EncodedLen(maxBits/8))
	}
	ct, err := base64.StdEncoding.Strict().AppendDecode(nil, squeeze(bytes.Clone(text)))
	if err != nil || len(ct) < minBits/8 || len(ct) > maxBits/8 {
		return nil, fmt.Errorf("%w: a message is base64 of %d to %d bytes", ErrFormat, minBits/8, maxBits/8)
	}
	return ct, nil
}
