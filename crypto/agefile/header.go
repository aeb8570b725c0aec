package agefile

import (
	"bytes"
	"errors"
	"io"

	"filippo.io/age"
)

// header is the beginning of an age file as bytes.
type header struct{ raw []byte }

// readHeader reads the header of a binary file and returns it with a reader that starts at
// the file's first byte again.
func readHeader(src io.Reader) (header, io.Reader, error) {
	var seen bytes.Buffer
	raw, err := age.ExtractHeader(io.TeeReader(&limited{src: src, left: maxHeader}, &seen))
	if err != nil {
		return header{}, nil, headerError(err, seen.Bytes())
	}
	return header{raw: raw}, io.MultiReader(&seen, src), nil
}

// fits tells whether the header's MAC was made with the file key.
func (h header) fits(key [fileKeySize]byte) error {
	if _, err := age.DecryptHeader(h.raw, age.NewInjectedFileKeyIdentity(key[:])); err != nil {
		return damagedPart(err, ErrMAC, "its key does not fit, or the header was changed")
	}
	return nil
}

// limited ends a header that does not end by itself.
type limited struct {
	src  io.Reader
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, ErrTooManyStanzas
	}
	n, err := l.src.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// headerError says whether what could not be read is an age file at all.
func headerError(err error, seen []byte) error {
	var failed *readError
	var broken *damagedError // the armor's, under what age says of its header
	switch {
	case errors.As(err, &failed):
		return failed
	case errors.As(err, &broken):
		return broken
	case bytes.HasPrefix(seen, []byte(intro)):
		if errors.Is(err, ErrTooManyStanzas) || bytes.Count(seen, []byte("\n-> ")) > MaxStanzas {
			return ErrTooManyStanzas
		}
		return damagedPart(err, ErrHeader, "the header is malformed or cut short")
	case len(seen) >= len("age-") && bytes.HasPrefix([]byte(intro), seen):
		return damagedPart(err, ErrHeader, "it ends within the first line")
	}
	return ErrFormat
}
