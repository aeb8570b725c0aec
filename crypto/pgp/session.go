package pgp

import (
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A SessionKey is the key a message's content is encrypted with: it opens this message
// again, and no other. A secret; the zero value is none.
type SessionKey struct {
	cipher byte
	key    string // bytes
}

// Format implements [fmt.Formatter], so that the key is not printed.
func (SessionKey) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// MarshalJSON writes no secret.
func (SessionKey) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// IsZero tells whether there is no key.
func (k SessionKey) IsZero() bool { return k.key == "" }

// Encode returns the secret as text: the number of the cipher, a colon and the key in
// hexadecimal, as gpg --show-session-key and sop write it.
func (k SessionKey) Encode() string {
	return strconv.Itoa(int(k.cipher)) + ":" + strings.ToUpper(hex.EncodeToString([]byte(k.key)))
}

// ParseSessionKey reads what [SessionKey.Encode] wrote. The error does not repeat it.
func ParseSessionKey(s string) (SessionKey, error) {
	id, digits, ok := strings.Cut(strings.TrimSpace(s), ":")
	n, err := strconv.ParseUint(id, 10, 8)
	key, errHex := hex.DecodeString(digits)
	if !ok || err != nil || errHex != nil || cipherName(byte(n)) == "" || packet.CipherFunction(n).KeySize() != len(key) || len(key) == 0 {
		return SessionKey{}, fail(ErrFormat, "a session key is the number of a cipher, a colon and the key in hexadecimal")
	}
	return SessionKey{cipher: byte(n), key: string(key)}, nil
}
