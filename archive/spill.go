package archive

import (
	"bytes"
	"errors"
	"io"
)

// maxHeld is how much of a manifest stands in memory, in bytes: that of about 8,000 items. Nobody with fewer is kept
// from leaving by a full disk.
const maxHeld = 4 << 20

// Overflow keeps what does not fit into memory until it is read back, once.
type Overflow interface {
	io.Writer
	Open() (io.ReadCloser, error)
	Remove()
}

// spill holds what is written until all of it is known: tar says a member's length before its content.
type spill struct {
	create func() (Overflow, error)
	mem    bytes.Buffer
	over   Overflow
	size   int64
}

var errNoOverflow = errors.New("write export: the manifest is too long to be held in memory")

func (s *spill) Write(p []byte) (int, error) {
	if s.over == nil && s.mem.Len()+len(p) > maxHeld {
		if s.create == nil {
			return 0, errNoOverflow
		}
		over, err := s.create()
		if err != nil {
			return 0, err
		}
		s.over = over
		if _, err := over.Write(s.mem.Bytes()); err != nil {
			return 0, err
		}
		s.mem = bytes.Buffer{}
	}
	var n int
	var err error
	if s.over != nil {
		n, err = s.over.Write(p)
	} else {
		n, err = s.mem.Write(p)
	}
	s.size += int64(n)
	return n, err
}

func (s *spill) open() (io.ReadCloser, error) {
	if s.over != nil {
		return s.over.Open()
	}
	return io.NopCloser(bytes.NewReader(s.mem.Bytes())), nil
}

func (s *spill) remove() {
	if s.over != nil {
		s.over.Remove()
	}
	*s = spill{}
}
