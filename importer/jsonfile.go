package importer

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxJSON bounds a document's Extended JSON in bytes, which is longer than its BSON.
const maxJSON = 2 * maxDocument

// jsonReader reads what mongoexport writes: documents in Extended JSON (version 2, relaxed or canonical), one a line or
// over several, or in one array. It finds where each ends, and never holds more than one.
type jsonReader struct {
	*reader
	inArray, first, done bool
}

func newJSONReader(name string, src io.Reader) *jsonReader {
	return &jsonReader{reader: newReader(name, src), first: true}
}

// next reads the next document as BSON, [io.EOF] at the end.
func (r *jsonReader) next() (offset int64, doc []byte, err error) {
	c, err := r.peek()
	if r.first && err == nil && c == '[' {
		r.inArray = true
		r.skip()
		c, err = r.peek()
	}
	switch {
	case errors.Is(err, io.EOF) && r.inArray && !r.done:
		return r.at, nil, r.fail(r.at, "truncated: the array does not end")
	case err != nil:
		return r.at, nil, err
	case r.done:
		return r.at, nil, r.fail(r.at, "something follows the array's end")
	case r.inArray && c == ']':
		r.skip()
		r.done, r.first = true, false
		return r.next()
	case r.inArray && !r.first && c != ',':
		return r.at, nil, r.fail(r.at, "a comma or the array's end should stand here")
	case r.inArray && !r.first:
		r.skip()
		if c, err = r.peek(); errors.Is(err, io.EOF) {
			return r.at, nil, r.fail(r.at, "truncated: the array does not end")
		} else if err != nil {
			return r.at, nil, err
		}
	}
	r.first = false
	offset = r.at
	if c != '{' {
		return offset, nil, r.fail(offset, "a document in Extended JSON begins with {, and this does not")
	}
	if err := r.frame(); err != nil {
		return offset, nil, err
	}
	var raw bson.Raw
	if err := bson.UnmarshalExtJSON(r.doc, false, &raw); err != nil {
		// The module's text may quote what stands there.
		return offset, nil, r.fail(offset, "a document of %d bytes is not well-formed Extended JSON", len(r.doc))
	}
	if len(raw) > maxDocument {
		return offset, nil, r.fail(offset, "a document of %d bytes as BSON: they have at most %d", len(raw), maxDocument)
	}
	if err := checkDocument(raw, 1); err != nil {
		return offset, nil, r.fail(offset, "a document of %d bytes: %w", len(r.doc), err)
	}
	return offset, raw, nil
}

// peek gives the first byte that is no white space.
func (r *jsonReader) peek() (byte, error) {
	if r.at == 0 && r.first {
		if mark, _ := r.src.Peek(3); bytes.Equal(mark, []byte("\ufeff")) {
			r.src.Discard(len(mark))
			r.at = int64(len(mark))
		}
	}
	for {
		c, err := r.src.ReadByte()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		} else if err != nil {
			return 0, r.cut(r.at, err, "file", 0, 0)
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c, r.src.UnreadByte()
		}
		r.at++
	}
}

func (r *jsonReader) skip() {
	r.src.Discard(1)
	r.at++
}

// frame reads one object to its closing brace. Whether what is in it is JSON, the module says later;
// its depth is looked at here, before anything recurses.
func (r *jsonReader) frame() error {
	start := r.at
	r.doc = r.doc[:0]
	depth, inText, escaped := 0, false, false
	for {
		if _, err := r.src.Peek(1); errors.Is(err, io.EOF) {
			return r.fail(start, "truncated: the document does not end")
		} else if err != nil {
			return r.cut(start, err, "file", 0, 0)
		}
		chunk, _ := r.src.Peek(r.src.Buffered())
		for i, c := range chunk {
			switch {
			case escaped:
				escaped = false
			case inText:
				escaped, inText = c == '\\', c != '"'
			case c == '"':
				inText = true
			case c == '{' || c == '[':
				// Canonical forms put a number or a date into two more.
				if depth++; depth > maxDepth+2 {
					return r.fail(start, "%w", errDepth)
				}
			case c == '}' || c == ']':
				depth--
			}
			if depth == 0 {
				return r.take(start, chunk[:i+1])
			}
		}
		if err := r.take(start, chunk); err != nil {
			return err
		}
	}
}

func (r *jsonReader) take(start int64, b []byte) error {
	if len(r.doc)+len(b) > maxJSON {
		return r.fail(start, "a document of more than %d bytes of Extended JSON", maxJSON)
	}
	r.doc = append(r.doc, b...)
	r.at += int64(len(b))
	_, err := r.src.Discard(len(b))
	return err
}

// jsonAt reads the one document that begins at an offset.
func jsonAt(name string, src io.ReaderAt, offset int64, buf *bufio.Reader) ([]byte, error) {
	buf.Reset(io.NewSectionReader(src, offset, maxJSON+1))
	r := &jsonReader{reader: &reader{name: name, src: buf, at: offset}}
	_, doc, err := r.next()
	return doc, err
}
