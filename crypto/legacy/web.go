package legacy

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
)

// webPrefix is "gAAAAA" in base64: a Fernet token of before the year 2106, wrapped once more.
const webPrefix = "Z0FBQUFB"

// LooksWebFile tells whether the first bytes of an input (8 at least) may be a file of the old
// web page: standard base64 over a Fernet token, with white space anywhere, as [Unwrap] takes it.
func LooksWebFile(prefix []byte) bool {
	prefix = squeeze(bytes.Clone(prefix))
	if !bytes.HasPrefix(prefix, []byte(webPrefix)) {
		return false
	}
	for _, c := range prefix {
		if !inAlphabet(c) && c != '=' {
			return false
		}
	}
	return true
}

// Unwrap takes the outer base64 (RFC 4648, section 4, padded) off a file of the old web page and
// returns the Fernet token in it, which package fernet opens. White space and a byte order mark
// are left out. maxToken is the longest token in bytes that the caller takes; Fernet needs all of
// it in memory. The errors are [ErrFormat], [ErrTooLarge], and src's own.
func Unwrap(src io.Reader, maxToken int) ([]byte, error) {
	// Room for line breaks, which pasting or mail may have added: two of 64 characters at most.
	most := int64(base64.StdEncoding.EncodedLen(maxToken))
	most += most/32 + 4<<10
	text, err := io.ReadAll(io.LimitReader(src, most+1))
	if err != nil {
		return nil, fmt.Errorf("read older zencrypt file: %w", err)
	}
	if int64(len(text)) > most {
		return nil, ErrTooLarge
	}
	text = squeeze(text)
	if !bytes.HasPrefix(text, []byte(webPrefix)) {
		return nil, fmt.Errorf("%w: no base64 over a Fernet token", ErrFormat)
	}
	// In place: what is decoded is never longer than what was read.
	n, err := base64.StdEncoding.Strict().Decode(text, text)
	if err != nil {
		return nil, fmt.Errorf("%w: its base64 is damaged or cut short", ErrFormat)
	}
	if n > maxToken {
		return nil, ErrTooLarge
	}
	return text[:n], nil
}

// squeeze leaves out a byte order mark and white space, in place.
func squeeze(b []byte) []byte {
	b = trim(b)
	out := b[:0]
	for _, c := range b {
		if !isSpace(c) {
			out = append(out, c)
		}
	}
	return out
}
