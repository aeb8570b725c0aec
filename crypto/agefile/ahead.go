package agefile

import (
	"io"

	"filippo.io/age"
)

// aheadSize is how much is read at a time from a file that is read from its beginning to its end, in
// bytes. age makes a new buffer of 64 KiB for each chunk of a stream and for each call of ReadAt, as
// much garbage as content; with four chunks a call it is a quarter.
const aheadSize = 4 * ChunkSize

// ReadAhead returns src for a single reader that goes from its beginning to its end, by Read or by
// ReadAt, and holds up to 256 KiB of it. size is in bytes. Bytes that precede an error of src are given out first.
func ReadAhead(src io.ReaderAt, size int64) *Ahead { return &Ahead{src: src, size: size} }

// Ahead is a window on a file that moves with what is read. It belongs to one goroutine.
type Ahead struct {
	src   io.ReaderAt
	size  int64
	pos   int64  // of the next Read
	buf   []byte // made at the first read
	start int64  // of held in src
	held  []byte // a part of buf
	err   error  // what ended held
}

// Read implements io.Reader.
func (a *Ahead) Read(p []byte) (int, error) {
	n, err := a.some(p, a.pos)
	a.pos += int64(n)
	return n, err
}

// ReadAt implements io.ReaderAt, but for one goroutine.
func (a *Ahead) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = a.some(p[n:], off+int64(n))
		n += m
	}
	return n, err
}

// some gives what is held at off, after moving the window there.
func (a *Ahead) some(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if off >= a.size {
		return 0, io.EOF
	}
	if off < a.start || off >= a.start+int64(len(a.held)) {
		if a.err != nil && a.err != io.EOF && off == a.start+int64(len(a.held)) {
			return 0, a.err
		}
		if a.buf == nil {
			a.buf = make([]byte, min(aheadSize, a.size))
		}
		n, err := a.src.ReadAt(a.buf[:min(int64(len(a.buf)), a.size-off)], off)
		a.start, a.held, a.err = off, a.buf[:n], err
		switch {
		case n == 0 && err == nil, n == 0 && err == io.EOF:
			return 0, io.ErrUnexpectedEOF // src is shorter than size
		case n == 0:
			return 0, err
		}
	}
	return copy(p, a.held[off-a.start:]), nil
}

// OpenWithFileKeyAt is [OpenWithFileKey] for a file of size bytes that is open for random access. Its
// last chunk is checked at once, and it makes less garbage. Only the reader that it returns may use src.
func OpenWithFileKeyAt(src io.ReaderAt, size int64, key [fileKeySize]byte) (io.Reader, error) {
	marked := ReadAhead(&markedAt{src}, size)
	armored, _, err := dearmor(io.NewSectionReader(marked, 0, size), false)
	if err != nil {
		return nil, err
	}
	if armored {
		return OpenWithFileKey(io.NewSectionReader(src, 0, size), key)
	}
	head, _, err := readHeader(io.NewSectionReader(marked, 0, size))
	if err != nil {
		return nil, err
	}
	if _, err := head.info(); err != nil {
		return nil, err
	}
	if err := head.fits(key); err != nil {
		return nil, err
	}
	plain, n, err := age.DecryptReaderAt(marked, size, age.NewInjectedFileKeyIdentity(key[:]))
	if err != nil {
		return nil, damagedPart(err, ErrPayload, "it was changed or cut short")
	}
	return &reader{src: ReadAhead(plain, n)}, nil
}
