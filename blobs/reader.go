package blobs

import (
	"errors"
	"fmt"
	"io"
	"os"

	"zencrypt/crypto/agefile"
)

// Reader reads one file. Read and Close belong to one goroutine; ReadAt may be
// called from several and does not move Read.
type Reader struct {
	file *os.File
	at   io.ReaderAt
	seq  *agefile.Ahead
	size int64
}

// Open opens a file and checks its header and its last chunk: one that was cut
// short, lengthened or exchanged is ErrDamaged here, before a byte is given
// out. A change in the middle is found when that chunk is read, and nothing of
// that chunk is given out. A missing file is fs.ErrNotExist.
func (s *Store) Open(a Area, ref Ref) (*Reader, error) {
	f, err := s.areas[a].root.Open(ref.ID.String())
	if err != nil {
		return nil, fmt.Errorf("open file in %s: %w", a, err)
	}
	r, err := newReader(f, ref)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open file %s in %s: %w", ref.ID, a, err)
	}
	return r, nil
}

func newReader(f *os.File, ref Ref) (*Reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	at, size, err := agefile.OpenFileAt(f, info.Size(), ref.Key)
	if err != nil {
		return nil, damagedError(err)
	}
	if size != ref.Size {
		return nil, fmt.Errorf("%w: holds %d bytes instead of %d", ErrDamaged, size, ref.Size)
	}
	return &Reader{file: f, at: at, seq: agefile.ReadAhead(at, size), size: size}, nil
}

// Size is the number of bytes inside the wrap.
func (r *Reader) Size() int64 { return r.size }

// Read reads on from where the last Read ended. For small pieces it costs less
// than ReadAt, which makes a new buffer at each call.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.seq.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read file: %w", damagedError(err))
	}
	return n, err
}

// ReadAt implements io.ReaderAt over what is inside the wrap.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read file: negative offset")
	}
	if off >= r.size {
		return 0, io.EOF
	}
	n, err := r.at.ReadAt(p, off)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("read file: %w", damagedError(err))
	}
	return n, err
}

// Close closes the file; the key goes with the Reader.
func (r *Reader) Close() error { return r.file.Close() }
