package agefile

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"filippo.io/age"
)

// wrapType is the only stanza of a wrapped file. It has no arguments and an empty body: the
// file key is kept by the caller, and other age programs find no recipient they know.
const wrapType = "zencrypt-wrap"

// wrapRecipient keeps the file key that age makes.
type wrapRecipient struct{ key [fileKeySize]byte }

func (r *wrapRecipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	if len(fileKey) != fileKeySize {
		return nil, fmt.Errorf("wrap file: file key has %d bytes instead of %d", len(fileKey), fileKeySize)
	}
	copy(r.key[:], fileKey)
	return []*age.Stanza{{Type: wrapType}}, nil
}

// SealFile writes an age file to dst whose random 16-byte file key is returned and stands
// nowhere in it. Close writes the last chunk and does not close dst. A file is
// [WrapOverhead] and 16 bytes for each chunk of 64 KiB longer than its content.
func SealFile(dst io.Writer) (w io.WriteCloser, key [fileKeySize]byte, err error) {
	r := &wrapRecipient{}
	w, err = Encrypt(dst, false, r)
	return w, r.key, err
}

// OpenFile returns the content of a file that [SealFile] wrote, checked chunk by chunk. A
// wrong key or another file is [ErrDamaged] at once.
func OpenFile(src io.Reader, key [fileKeySize]byte) (io.Reader, error) {
	head, rest, err := readHeader(mark(src))
	if err != nil {
		return nil, wrapError(err)
	}
	if err := head.wrapped(); err != nil {
		return nil, err
	}
	if err := head.fits(key); err != nil {
		return nil, err
	}
	return newReader(rest, key)
}

// OpenFileAt is [OpenFile] for random access: it returns the content and its size in bytes,
// which is checked at once with the last chunk. The content may be read by several
// goroutines when src may; each ReadAt that does not stay in the last chunk read decrypts 64 KiB.
func OpenFileAt(src io.ReaderAt, size int64, key [fileKeySize]byte) (io.ReaderAt, int64, error) {
	marked := &markedAt{src}
	head, _, err := readHeader(io.NewSectionReader(marked, 0, size))
	if err != nil {
		return nil, 0, wrapError(err)
	}
	if err := head.wrapped(); err != nil {
		return nil, 0, err
	}
	if err := head.fits(key); err != nil {
		return nil, 0, err
	}
	plain, n, err := age.DecryptReaderAt(marked, size, age.NewInjectedFileKeyIdentity(key[:]))
	if err != nil {
		return nil, 0, damagedPart(err, ErrPayload, "it was changed or cut short")
	}
	return &readerAt{src: plain, size: n}, n, nil
}

// wrapped refuses what was not made by SealFile. age.Decrypt would take any file whose MAC
// fits the key.
func (h header) wrapped() error {
	info, err := h.info()
	if err != nil {
		return err
	}
	if len(info.Stanzas) != 1 || info.Stanzas[0] != wrapType {
		return &damagedError{detail: "it is another file than the one that was written", part: ErrHeader, err: ErrFormat}
	}
	return nil
}

// wrapError: a file of ours that no longer begins like one is damaged.
func wrapError(err error) error {
	if errors.Is(err, ErrFormat) || errors.Is(err, ErrTooManyStanzas) {
		return &damagedError{detail: "it does not begin as it was written", part: ErrHeader, err: err}
	}
	return err
}

// WrapOverhead is how many bytes [SealFile] adds to an empty file: header, nonce and the tag of the one empty chunk.
const WrapOverhead = len(intro) + len("-> "+wrapType+"\n\n") + len("--- \n") + 43 + 16 + 16

type markedAt struct{ src io.ReaderAt }

func (m *markedAt) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.src.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}

// readerAt gives ReadAt's errors their type. The mutex is not for age, whose reader may be
// shared, but so that a file found damaged stays so for everybody.
type readerAt struct {
	src  io.ReaderAt
	size int64

	mu  sync.Mutex
	err error
}

func (r *readerAt) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read wrapped file: negative offset")
	}
	if off >= r.size && len(p) > 0 {
		return 0, io.EOF
	}
	r.mu.Lock()
	err := r.err
	r.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := r.src.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = damagedPart(err, ErrPayload, fmt.Sprintf("bytes from %d on are not what was written", off+int64(n)))
		r.mu.Lock()
		r.err = err
		r.mu.Unlock()
	}
	return n, err
}
