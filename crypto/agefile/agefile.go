// Package agefile encrypts and opens age files (age-encryption.org/v1, C2SP age.md) on
// filippo.io/age, with the limits a server needs around it.
//
// [Encrypt] and [Open] are for files that other people's age also reads and writes.
// [SealFile] and [OpenFile] wrap the program's own files: an age payload under a file key
// that is kept elsewhere, so that a disk alone has nothing to guess at.
//
// Nothing here starts a goroutine: the source is read when, and only when, the caller reads.
package agefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const (
	// ServerWorkFactor is log2 of scrypt's N for passphrases set here: 0.12 s and 32 MiB.
	ServerWorkFactor = 15
	// ServerMaxWorkFactor is the highest factor that is tried for a stranger's file, and what age -p writes: 0.8 s and 256 MiB.
	ServerMaxWorkFactor = 18
	// MaxStanzas is how many recipient stanzas a file may have.
	MaxStanzas = 64
	// MaxAttempts is how many times a stanza may be held against an identity in one file: 1,000 stanzas and 100 identities took 11.5 s.
	MaxAttempts = 4096
	// ChunkSize is how much plaintext age authenticates at a time, in bytes.
	ChunkSize = 64 << 10

	// maxHeader bounds what is read before the payload, in bytes: 64 post-quantum stanzas need 110 KiB.
	maxHeader = 256 << 10
	// fileKeySize is fixed by the format.
	fileKeySize = 16
	intro       = "age-encryption.org/v1\n"
)

// Encrypt writes an age file for the recipients to dst, as text when armored. The header is
// written at once, so a recipient that cannot be used is an error here. Close writes the
// last chunk and the end of the armor, and does not close dst; without it the file is cut short.
func Encrypt(dst io.Writer, armored bool, rs ...age.Recipient) (io.WriteCloser, error) {
	if err := Check(rs...); err != nil {
		return nil, err
	}
	out := &writer{}
	if armored {
		out.armor = armor.NewWriter(dst)
		dst = out.armor
	}
	w, err := age.Encrypt(dst, rs...)
	if err != nil {
		return nil, fmt.Errorf("encrypt file: %w", err)
	}
	out.age = w
	return out, nil
}

// Check tells whether one file may have all these recipients, before there is any content: the error is
// [ErrNoRecipient], [ErrManyRecipients], or [ErrMixed].
func Check(rs ...age.Recipient) error {
	switch {
	case len(rs) == 0:
		return ErrNoRecipient
	case len(rs) > MaxStanzas:
		return ErrManyRecipients
	case len(rs) > 1 && mixed(rs):
		return ErrMixed
	}
	return nil
}

// mixed tells whether age would refuse the recipients together: passphrases stand alone,
// and one classic recipient would undo what the post-quantum ones promise.
func mixed(rs []age.Recipient) bool {
	var pq int
	for _, r := range rs {
		switch r.(type) {
		case *age.ScryptRecipient:
			return true
		case *age.HybridRecipient:
			pq++
		}
	}
	return pq != 0 && pq != len(rs)
}

type writer struct {
	age, armor io.WriteCloser
	closed     bool
}

func (w *writer) Write(p []byte) (int, error) { return w.age.Write(p) }

// Close finishes the file. A second Close does nothing.
func (w *writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	err := w.age.Close()
	if err == nil && w.armor != nil {
		err = w.armor.Close()
	}
	return err
}

// Opened is an age file whose key was found. Reads return authenticated plaintext only, a
// chunk at a time; an error after some chunks means that what came before is whole and the
// rest is not there. The error is [ErrDamaged] unless the source failed, whose own error it then wraps.
type Opened struct {
	io.Reader
	FileKey [fileKeySize]byte `json:"-"` // opens this file again with [OpenWithFileKey]; a secret
	Index   int               // which of the identities fitted
	Info    Info
}

// Format implements [fmt.Formatter], so that the file key is not printed.
func (*Opened) Format(s fmt.State, _ rune) { io.WriteString(s, "[redacted]") }

// An Opener opens files with a fixed list of identities, tried in this order.
type Opener struct{ Identities []age.Identity }

// Open finds the identity that fits and returns the plaintext of src, armored or not. See
// the package's [Open].
func (o Opener) Open(src io.Reader) (*Opened, error) {
	src = mark(src)
	armored, src, err := dearmor(src)
	if err != nil {
		return nil, err
	}
	head, src, err := readHeader(src)
	if err != nil {
		return nil, err
	}
	info, err := head.info()
	if err != nil {
		return nil, err
	}
	info.Armored = armored
	try := &attempt{identities: o.Identities, info: info, index: -1}
	plain, err := age.Decrypt(src, try)
	if err != nil {
		return nil, try.explain(err)
	}
	return &Opened{Reader: &reader{src: plain}, FileKey: try.fileKey, Index: try.index, Info: info}, nil
}

// Open finds the identity that fits and returns the plaintext of src, armored or not. It
// reads only the header, which it bounds before any identity is tried. Errors are
// [*NoKeyError], [ErrTooManyStanzas], [ErrTooManyAttempts], [ErrWorkFactor], [ErrFormat] for
// what is not an age file, [ErrDamaged], and those of src and of [Passphrase.Acquire].
//
// A changed stanza looks like one for somebody else: that is a [*NoKeyError] too.
func Open(src io.Reader, ids ...age.Identity) (*Opened, error) {
	return Opener{Identities: ids}.Open(src)
}

// OpenWithFileKey opens a file, armored or not, whose file key was found before.
func OpenWithFileKey(src io.Reader, key [fileKeySize]byte) (io.Reader, error) {
	return Open(src, age.NewInjectedFileKeyIdentity(key[:]))
}

// attempt is the one identity that age gets to see. It tries the caller's in order and
// keeps the file key and what went wrong, which age's own errors do not tell by type.
type attempt struct {
	identities []age.Identity
	info       Info
	index      int
	fileKey    [fileKeySize]byte
	err        error
}

func (a *attempt) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	var attempts int
	for i, id := range a.identities {
		if attempts += len(stanzas); attempts > MaxAttempts {
			a.err = ErrTooManyAttempts
			return nil, a.err
		}
		key, err := id.Unwrap(stanzas)
		if errors.Is(err, age.ErrIncorrectIdentity) {
			continue
		}
		if err != nil {
			a.err = refusal(err)
			return nil, a.err
		}
		if len(key) != fileKeySize {
			a.err = fmt.Errorf("%w: its file key has %d bytes instead of %d", ErrDamaged, len(key), fileKeySize)
			return nil, a.err
		}
		a.index, a.fileKey = i, [fileKeySize]byte(key)
		return key, nil
	}
	a.err = noKey(a.info, a.identities)
	return nil, a.err
}

// explain turns age.Decrypt's error into one of ours. When the key was found, what remains
// is the header's MAC or a missing nonce.
func (a *attempt) explain(err error) error {
	switch {
	case a.err != nil:
		return a.err
	case a.index >= 0:
		return damaged(err, "the header was changed or cut short")
	}
	return damaged(err, "the header is malformed")
}

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
		return damaged(err, "the header is malformed or cut short")
	case len(seen) >= len("age-") && bytes.HasPrefix([]byte(intro), seen):
		return damaged(err, "it ends within the first line")
	}
	return ErrFormat
}
