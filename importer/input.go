package importer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// An input is a file of a dump or an export, in which documents can be read again by their place. An
// archive is several inputs with one file.
type input struct {
	path       string // for errors
	collection string
	json       bool
	file       *os.File
	before     os.FileInfo
	spool      *spool // when the file is compressed; offsets are the spool's then
	line       *bufio.Reader
}

var gzipMagic = []byte{0x1f, 0x8b}

// openFile opens a file for reading, whole and decompressed.
func (v *v5) openFile(path string) (f *os.File, src io.Reader, compressed bool, err error) {
	if f, err = os.Open(path); err != nil {
		return nil, nil, false, fmt.Errorf("%w: %w", ErrSource, err)
	}
	v.files = append(v.files, f)
	counted := &progress{v: v, src: f}
	head := make([]byte, len(gzipMagic))
	if n, _ := f.ReadAt(head, 0); n == len(head) && bytes.Equal(head, gzipMagic) {
		z, err := gzip.NewReader(counted)
		if err != nil {
			return nil, nil, false, fmt.Errorf("%w: %s: offset 0: not well-formed gzip: %w", ErrSource, path, err)
		}
		return f, &unzip{path, z}, true, nil
	}
	if strings.HasSuffix(strings.ToLower(path), ".gz") {
		return nil, nil, false, fmt.Errorf("%w: %s: offset 0: not compressed with gzip, as its name says", ErrSource, path)
	}
	return f, counted, false, nil
}

// unzip names the file in gzip's own errors.
type unzip struct {
	path string
	z    *gzip.Reader
}

func (u *unzip) Read(p []byte) (int, error) {
	n, err := u.z.Read(p)
	if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) {
		err = fmt.Errorf("the compressed file is damaged: %w", err)
	}
	return n, err
}

// progress counts what the first pass reads.
type progress struct {
	v   *v5
	src io.Reader
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.src.Read(b)
	p.v.read += int64(n)
	if p.v.opts.Progress != nil && !p.v.quiet {
		p.v.opts.Progress(min(p.v.read, p.v.size), p.v.size)
	}
	return n, err
}

// scan reads an input that is a file of its own, from its beginning, and tells each document's place.
func (v *v5) scan(ctx context.Context, in *input, each func(place int64, doc bson.Raw) error) error {
	f, src, compressed, err := v.openFile(in.path)
	if err != nil {
		return err
	}
	in.file = f
	if in.before, err = f.Stat(); err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	if compressed && v.spool == nil {
		if v.spool, err = newSpool(v.opts.TempDir); err != nil {
			return err
		}
	}
	if compressed {
		in.spool = v.spool
	}
	next := newReader(in.path, src).bson
	if in.json {
		next = newJSONReader(in.path, src).next
	}
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		place, doc, err := next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && compressed {
			place, err = v.spool.put(doc)
		}
		if err == nil {
			err = each(place, doc)
		}
		if err != nil {
			return err
		}
	}
}

// document reads the document at a place again.
func (in *input) document(place int64) (doc bson.Raw, err error) {
	switch {
	case in.spool != nil:
		doc, err = in.spool.get(place)
	case in.json:
		if in.line == nil {
			in.line = bufio.NewReaderSize(nil, 4<<10)
		}
		doc, err = jsonAt(in.path, in.file, place, in.line)
	default:
		doc, err = in.bsonAt(place)
	}
	if err != nil && in.changed() {
		return nil, fmt.Errorf("%w: %s was changed while it was read: begin again", ErrSource, in.path)
	}
	return doc, err
}

// changed tells whether somebody wrote to the file since it was checked.
func (in *input) changed() bool {
	now, err := in.file.Stat()
	return err != nil || now.Size() != in.before.Size() || !now.ModTime().Equal(in.before.ModTime())
}

// bsonAt reads the document at an offset of a file of BSON.
func (in *input) bsonAt(place int64) ([]byte, error) {
	r := &reader{name: in.path, at: place}
	doc := make([]byte, 512) // most have fewer
	n, err := in.file.ReadAt(doc, place)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, r.fail(place, "%w", err)
	}
	if n < minDocument {
		return nil, r.cut(place, io.EOF, "document", n, minDocument)
	}
	length := int(binary.LittleEndian.Uint32(doc))
	if length < minDocument || length > maxDocument {
		return nil, r.fail(place, "a document of %d bytes", int32(length))
	}
	if have := min(n, length); have < length {
		doc = append(doc[:have], make([]byte, length-have)...)
		if m, err := in.file.ReadAt(doc[have:], place+int64(have)); m < length-have {
			return nil, r.cut(place, err, "document", have+m, length)
		}
	}
	doc = doc[:length:length]
	if err := checkDocument(doc, 1); err != nil {
		return nil, r.fail(place, "a document of %d bytes: %w", length, err)
	}
	return doc, nil
}
