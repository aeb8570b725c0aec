package sop

import (
	"io"
	"unicode/utf8"

	"zencrypt/crypto/pgp"
)

// utf8Only hands UTF-8 on, and fails where it is none.
type utf8Only struct {
	src  io.Reader
	rest [utf8.UTFMax]byte // of a character that is not whole yet
	n    int
	err  error
}

var errNoText = fail(ExpectedText, "read standard input: it is no text in UTF-8")

func (u *utf8Only) Read(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	n, err := u.src.Read(p)
	if !u.valid(p[:n]) || err == io.EOF && u.n > 0 {
		u.err = errNoText
		return 0, u.err
	}
	u.err = err
	return n, err
}

// valid looks at the next bytes and keeps the beginning of a character at their end.
func (u *utf8Only) valid(b []byte) bool {
	for u.n > 0 && len(b) > 0 {
		if u.n == len(u.rest) {
			return false
		}
		u.rest[u.n], b = b[0], b[1:]
		u.n++
		if utf8.FullRune(u.rest[:u.n]) {
			if r, size := utf8.DecodeRune(u.rest[:u.n]); r == utf8.RuneError && size == 1 {
				return false
			}
			u.n = 0
		}
	}
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if tail := b[len(b)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				u.n = copy(u.rest[:], tail)
				b = b[:len(b)-i]
			}
			break
		}
	}
	return utf8.Valid(b)
}

// unixLines ends lines with LF. Text in a message ends them with CRLF, which whoever reads it
// makes the local way (RFC 9580 section 5.9).
type unixLines struct {
	dst io.Writer
	cr  bool // the last byte was CR, which waits for what follows
}

func (u *unixLines) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p)+1)
	for _, b := range p {
		if u.cr && b != '\n' {
			out = append(out, '\r')
		}
		if u.cr = b == '\r'; !u.cr {
			out = append(out, b)
		}
	}
	if _, err := u.dst.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// finish writes what waits.
func (u *unixLines) finish() error {
	if !u.cr {
		return nil
	}
	u.cr = false
	_, err := u.dst.Write([]byte{'\r'})
	return err
}

// copyMessage copies the content of a message to its end.
func copyMessage(dst io.Writer, m *pgp.Message) error {
	if !m.Text {
		_, err := io.Copy(dst, m)
		return err
	}
	lines := &unixLines{dst: dst}
	if _, err := io.Copy(lines, m); err != nil {
		return err
	}
	return lines.finish()
}
