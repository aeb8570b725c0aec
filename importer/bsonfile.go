package importer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// A reader reads documents one after the other, and counts bytes: every error tells the file and the
// offset, which is the one after decompression.
type reader struct {
	name string // the file, for errors
	src  *bufio.Reader
	at   int64
	doc  []byte // reused
}

const readAhead = 64 << 10 // bytes

func newReader(name string, src io.Reader) *reader {
	return &reader{name: name, src: bufio.NewReaderSize(src, readAhead)}
}

// fail is an error about what begins at an offset.
func (r *reader) fail(offset int64, format string, args ...any) error {
	return fmt.Errorf("%w: %s: offset %d: %w", ErrSource, r.name, offset, fmt.Errorf(format, args...))
}

// cut is the error of a read that ended early, of have bytes where want should be.
func (r *reader) cut(offset int64, err error, what string, have, want int) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.fail(offset, "truncated: %s of %d bytes ends after %d", what, want, have)
	}
	return r.fail(r.at+int64(have), "%w", err)
}

// length reads four bytes, the length of the next document or an archive's mark. [io.EOF] is a clean end.
func (r *reader) length() (uint32, error) {
	var b [4]byte
	n, err := io.ReadFull(r.src, b[:])
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return 0, io.EOF
	case err != nil:
		return 0, r.cut(r.at, err, "length field", n, len(b))
	}
	r.at += int64(len(b))
	return binary.LittleEndian.Uint32(b[:]), nil
}

// body reads a document whose length was just read. It is good until the next one.
func (r *reader) body(length uint32) ([]byte, error) {
	start := r.at - 4
	if length < minDocument || length > maxDocument {
		return nil, r.fail(start, "a document of %d bytes: they have %d to %d, so this is no BSON, or damaged", int32(length), minDocument, maxDocument)
	}
	r.doc = binary.LittleEndian.AppendUint32(r.doc[:0], length)
	for want := int(length); len(r.doc) < want; {
		// Step by step: a length field alone asks for no memory.
		have := len(r.doc)
		r.doc = slices.Grow(r.doc, min(want-have, 1<<20))[:min(want, have+1<<20)]
		n, err := io.ReadFull(r.src, r.doc[have:])
		if err != nil {
			return nil, r.cut(start, err, "document", have+n, want)
		}
	}
	r.at = start + int64(length)
	return r.doc, nil
}

// bson reads the next document of a file of mongodump, [io.EOF] at its end.
func (r *reader) bson() (offset int64, doc []byte, err error) {
	offset = r.at
	length, err := r.length()
	if err != nil {
		return offset, nil, err
	}
	if doc, err = r.body(length); err != nil {
		return offset, nil, err
	}
	if err := checkDocument(doc, 1); err != nil {
		return offset, nil, r.fail(offset, "a document of %d bytes: %w", len(doc), err)
	}
	return offset, doc, nil
}
