package agefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

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
func (*Opened) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// WriteTo implements [io.WriterTo]. With [Opener].Workers it saves a copy of the content.
func (o *Opened) WriteTo(dst io.Writer) (int64, error) { return io.Copy(dst, o.Reader) }

// Close ends the reading of a file that is not read to its end. With [Opener].Workers it waits
// for what is still being opened and drops it; otherwise there is nothing to wait for. It does
// not close the source.
func (o *Opened) Close() error {
	if c, ok := o.Reader.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

const redacted = "[redacted]"

// An Opener opens files with a fixed list of identities, tried in this order, save that those
// which ask somebody (a [KeyReader]'s passphrases and plugins) come after all others.
type Opener struct {
	Identities []age.Identity
	// MaxAttempts replaces [MaxAttempts] when it is not 0.
	MaxAttempts int
	// Strict takes armor only as age does: nothing but white space around it, and none within its lines.
	// Without it, text before the armor, indented lines, empty lines and any white space at the end are passed over.
	Strict bool
	// Workers is how many runs of 8 chunks may be opened at once (at most 16), on goroutines that
	// end with their run; 0 and 1 start none. Each has a buffer of 576 KiB, and there is one more. A source
	// that trickles is better read without: it is read that far ahead.
	Workers int
}

// Open finds the identity that fits and returns the plaintext of src, armored or not. See
// the package's [Open].
func (o Opener) Open(src io.Reader) (*Opened, error) {
	src = mark(src)
	armored, src, err := dearmor(src, o.Strict)
	if err != nil {
		return nil, err
	}
	head, src, err := readHeader(src)
	if err != nil {
		return nil, err
	}
	try, err := o.find(head)
	if err != nil {
		return nil, err
	}
	opened := &Opened{FileKey: try.fileKey, Index: try.index, Info: try.info}
	opened.Info.Armored = armored
	if o.Workers > 1 {
		opened.Reader, err = newParallelReader(head, src, try.fileKey, o.Workers)
	} else {
		opened.Reader, err = newReader(src, try.fileKey)
	}
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// newReader returns the payload of src, which stands at a file's first byte. That the header's
// MAC fits the key was checked.
func newReader(src io.Reader, key [fileKeySize]byte) (io.Reader, error) {
	plain, err := age.Decrypt(src, age.NewInjectedFileKeyIdentity(key[:]))
	if err != nil {
		return nil, damagedPart(err, ErrHeader, "it ends after the header")
	}
	return &reader{src: plain}, nil
}

// Open finds the identity that fits and returns the plaintext of src, armored or not. It
// reads only the header, which it bounds before any identity is tried. Errors are
// [*NoKeyError], [ErrTooManyStanzas], [ErrTooManyAttempts], [ErrWorkFactor], [ErrFormat] for
// what is not an age file, [ErrDamaged] (also [ErrArmor], [ErrHeader], [ErrMAC] or [ErrPayload]),
// and those of src, of [Passphrase.Acquire] and of identities that ask somebody.
//
// A changed stanza looks like one for somebody else: that is a [*NoKeyError] too.
func Open(src io.Reader, ids ...age.Identity) (*Opened, error) {
	return Opener{Identities: ids}.Open(src)
}

// OpenWithFileKey opens a file, armored or not, whose file key was found before.
func OpenWithFileKey(src io.Reader, key [fileKeySize]byte) (io.Reader, error) {
	return Open(src, age.NewInjectedFileKeyIdentity(key[:]))
}

// find returns the attempt that found the file key, with the header's MAC checked.
func (o Opener) find(head header) (*attempt, error) {
	info, err := head.info()
	if err != nil {
		return nil, err
	}
	if info.Passphrase && len(info.Stanzas) != 1 {
		return nil, damagedPart(errScrypt, ErrHeader, scryptBeside)
	}
	try := &attempt{identities: o.Identities, left: o.MaxAttempts, info: info, index: -1}
	if try.left <= 0 {
		try.left = MaxAttempts
	}
	if _, err := age.DecryptHeader(head.raw, try); err != nil {
		return nil, try.explain(err)
	}
	return try, nil
}

// attempt is the one identity that age gets to see. It tries the caller's in order and
// keeps the file key and what went wrong, which age's own errors do not tell by type.
type attempt struct {
	identities []age.Identity
	left       int // stanza-by-identity attempts
	info       Info
	index      int
	fileKey    [fileKeySize]byte
	err        error
}

// asking is an identity that may ask somebody for a secret before it can tell whether it fits.
type asking interface {
	age.Identity
	// unlock returns what is to be tried instead; it may be the identity itself.
	unlock(info Info) ([]age.Identity, error)
}

func (a *attempt) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, late := range []bool{false, true} {
		for i, id := range a.identities {
			if asksSomebody(id) != late {
				continue
			}
			key, err := a.try(id, stanzas)
			if err != nil {
				a.err = err
				return nil, err
			}
			if key != nil {
				a.index, a.fileKey = i, [fileKeySize]byte(key)
				return key, nil
			}
		}
	}
	a.err = noKey(a.info, a.identities)
	return nil, a.err
}

// try returns the file key, or nil when the identity does not fit.
func (a *attempt) try(id age.Identity, stanzas []*age.Stanza) ([]byte, error) {
	ids := []age.Identity{id}
	if locked, ok := id.(asking); ok {
		var err error
		if ids, err = locked.unlock(a.info); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		if a.left -= len(stanzas); a.left < 0 {
			return nil, ErrTooManyAttempts
		}
		key, err := id.Unwrap(stanzas)
		switch {
		case errors.Is(err, age.ErrIncorrectIdentity):
			continue
		case err != nil:
			return nil, refusal(id, err)
		case len(key) != fileKeySize:
			return nil, damagedPart(errFileKey, ErrHeader, fmt.Sprintf("its file key has %d bytes instead of %d", len(key), fileKeySize))
		}
		return key, nil
	}
	return nil, nil
}

var errFileKey = errors.New("file key of the wrong size")

// explain turns age's error into one of ours. When the key was found, what remains is the
// header's MAC.
func (a *attempt) explain(err error) error {
	switch {
	case a.err != nil:
		return a.err
	case a.index >= 0:
		return damagedPart(err, ErrMAC, "the header was changed or cut short")
	}
	return damagedPart(err, ErrHeader, "the header is malformed")
}

// OpenedAt is a binary age file whose key was found, for random access. Its content may be read
// by several goroutines when the source may; each ReadAt that does not stay in the last chunk
// read decrypts 64 KiB. Errors are those of [Opened].
type OpenedAt struct {
	io.ReaderAt
	Size    int64             // of the content in bytes, authenticated
	FileKey [fileKeySize]byte `json:"-"` // opens this file again with [OpenWithFileKeyAt]; a secret
	Index   int               // which of the identities fitted
	Info    Info
}

// Format implements [fmt.Formatter], so that the file key is not printed.
func (*OpenedAt) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// OpenAt finds the identity that fits a binary file of size bytes and returns its content for
// reading from any offset. The last chunk, and with it the size, is checked at once. Errors are
// those of [Open], and [ErrArmored] for a file that is armored.
func OpenAt(src io.ReaderAt, size int64, ids ...age.Identity) (*OpenedAt, error) {
	return Opener{Identities: ids}.OpenAt(src, size)
}

// OpenAt is the package's [OpenAt]; Workers has no effect on it.
func (o Opener) OpenAt(src io.ReaderAt, size int64) (*OpenedAt, error) {
	marked := &markedAt{src}
	prefix := make([]byte, min(preface, max(size, 0)))
	n, err := marked.ReadAt(prefix, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if !bytes.HasPrefix(prefix[:n], []byte("age-")) && armorStart(prefix[:n]) >= 0 {
		return nil, ErrArmored
	}
	head, _, err := readHeader(io.NewSectionReader(marked, 0, size))
	if err != nil {
		return nil, err
	}
	try, err := o.find(head)
	if err != nil {
		return nil, err
	}
	if size < int64(len(head.raw)+nonceSize) {
		return nil, damagedPart(io.ErrUnexpectedEOF, ErrHeader, "it ends after the header")
	}
	plain, length, err := age.DecryptReaderAt(marked, size, age.NewInjectedFileKeyIdentity(try.fileKey[:]))
	if err != nil {
		return nil, damagedPart(err, ErrPayload, "it was changed or cut short")
	}
	return &OpenedAt{
		ReaderAt: &readerAt{src: plain, size: length}, Size: length,
		FileKey: try.fileKey, Index: try.index, Info: try.info,
	}, nil
}
