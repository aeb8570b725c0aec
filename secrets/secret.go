package secrets

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"slices"
)

// redacted is all that a Secret ever shows of itself.
const redacted = "[redacted]"

// Secret holds bytes that must not be shown. It prints as [redacted] under every
// verb of fmt, in JSON, XML and text, and in both handlers of slog.
//
// fmt does not ask the methods of an unexported field and prints its memory
// instead. The bytes are therefore captured by a function: what such a print (or
// a dumper that follows pointers) shows is a code address. A Secret cannot be
// compared with ==; Equal does it in constant time.
//
// The zero Secret is empty.
type Secret struct {
	reveal func() []byte
}

// NewSecret keeps a copy of b.
func NewSecret(b []byte) Secret {
	kept := slices.Clone(b)
	return Secret{reveal: func() []byte { return kept }}
}

// Bytes returns a copy of the secret, nil if it is empty.
func (s Secret) Bytes() []byte {
	if s.reveal == nil || len(s.reveal()) == 0 {
		return nil
	}
	return slices.Clone(s.reveal())
}

// Equal compares in a time that depends on the two lengths only.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare(s.Bytes(), other.Bytes()) == 1
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.Bytes() == nil }

// Format answers every verb of fmt, whatever its flags, width and precision.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String is for callers that ask for it without fmt.
func (s Secret) String() string { return redacted }

// GoString is String.
func (s Secret) GoString() string { return redacted }

// LogValue is what slog takes for an attribute.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText serves encoding/json's map keys, encoding/xml and the like. There
// is no UnmarshalText: what was written cannot be read back.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON is MarshalText between quotes.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
