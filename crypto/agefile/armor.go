package agefile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age/armor"
)

const (
	// armorLine bounds one line of armor, in bytes; the format's own have 64. age's reader would collect a line without end.
	armorLine = 1 << 10
	// preface is how far into a text its armor may begin, in bytes.
	preface = 4 << 10
	// strictSpace is how much white space age passes over before and after armor, in bytes.
	strictSpace = 1 << 10
)

// Armored tells whether the first bytes of an input hold the beginning of age armor, which
// may follow a byte order mark, white space or lines of text.
func Armored(prefix []byte) bool { return armorStart(prefix) >= 0 }

// armorStart returns where the armor's first line begins, or -1.
func armorStart(prefix []byte) int {
	prefix = prefix[:min(len(prefix), preface)]
	for from := 0; ; {
		i := bytes.Index(prefix[from:], []byte(armor.Header))
		if i < 0 {
			return -1
		}
		start := from + i
		line := prefix[bytes.LastIndexByte(prefix[:start], '\n')+1 : start]
		if len(bytes.TrimSpace(bytes.TrimPrefix(line, []byte("\ufeff")))) == 0 && bytes.IndexByte(prefix[:start], 0) < 0 {
			return start
		}
		from = start + 1
	}
}

// dearmor returns the binary file within src and whether it was armored. When strict, armor is
// what age takes for it.
func dearmor(src io.Reader, strict bool) (bool, io.Reader, error) {
	br := bufio.NewReaderSize(src, preface)
	prefix, err := br.Peek(len(intro))
	if bytes.HasPrefix(prefix, []byte("age-")) {
		return false, br, nil // nothing more is read ahead of a binary file
	}
	if err == nil {
		prefix, err = br.Peek(preface)
	}
	var failed *readError
	if errors.As(err, &failed) {
		return false, nil, failed
	}
	if strict {
		if !bytes.HasPrefix(bytes.TrimSpace(prefix[:min(len(prefix), strictSpace+len(armor.Header))]), []byte(armor.Header)) {
			return false, br, nil
		}
		return true, &armorErrors{armor.NewReader(&shortLines{src: br})}, nil
	}
	start := armorStart(prefix)
	if start < 0 {
		return false, br, nil
	}
	if _, err := br.Discard(start); err != nil {
		return false, nil, err
	}
	return true, &armorErrors{armor.NewReader(&lines{src: br})}, nil
}

// lines hands armor on as age's strict reader wants it: white space around each line and
// empty lines are dropped, and so is white space after the end.
type lines struct {
	src  *bufio.Reader
	line []byte // what is left of buf to hand on
	buf  []byte
	done bool
	err  error
}

func (l *lines) Read(p []byte) (int, error) {
	for len(l.line) == 0 {
		if l.err != nil {
			return 0, l.err
		}
		l.line, l.err = l.next()
	}
	n := copy(p, l.line)
	l.line = l.line[n:]
	return n, nil
}

// shortLines hands armor on as it is and ends it when a line is longer than age's own white
// space may be; age's reader would collect it to its end.
type shortLines struct {
	src  io.Reader
	line int // bytes since the last line break
}

func (s *shortLines) Read(p []byte) (int, error) {
	n, err := s.src.Read(p)
	for part := range bytes.SplitAfterSeq(p[:n], []byte("\n")) {
		if s.line += len(part); s.line > 2*strictSpace {
			return 0, fmt.Errorf("%w: line longer than %d bytes", errArmor, 2*strictSpace)
		}
		if bytes.HasSuffix(part, []byte("\n")) {
			s.line = 0
		}
	}
	return n, err
}

var errArmor = errors.New("malformed armor")

func (l *lines) next() ([]byte, error) {
	line, err := l.src.ReadSlice('\n')
	if len(line) > armorLine || errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("%w: line longer than %d bytes", errArmor, armorLine)
	}
	line = bytes.TrimSpace(line)
	if len(line) == 0 || err != nil && err != io.EOF {
		return nil, err // a part of a line whose rest was lost is no line
	}
	if l.done {
		return nil, fmt.Errorf("%w: text after its last line", errArmor)
	}
	l.done = string(line) == armor.Footer
	l.buf = append(append(l.buf[:0], line...), '\n')
	return l.buf, err
}

// armorErrors gives the armor's errors their type, below whoever reads the binary file.
type armorErrors struct{ src io.Reader }

func (a *armorErrors) Read(p []byte) (int, error) {
	n, err := a.src.Read(p)
	if err != nil && err != io.EOF {
		err = damagedPart(err, ErrArmor, "its armor (the text between BEGIN and END) is incomplete or was changed")
	}
	return n, err
}
