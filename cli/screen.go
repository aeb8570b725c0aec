package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// isTerminal tells whether a stream is a person's.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// errBinary is for output that would garble a terminal, or make it do things.
var errBinary = errors.New("write to terminal: the output is binary. Name a file with -o, or force it with '-o -'")

// textOnly lets text through to a terminal, and nothing that it would take for commands.
type textOnly struct {
	w    io.Writer
	part []byte // of a character, at the end of what was written
}

func (t *textOnly) Write(p []byte) (int, error) {
	text := append(t.part, p...)
	end := len(text)
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if tail := text[len(text)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				end -= i
			}
			break
		}
	}
	if binary(text[:end]) {
		return 0, errBinary
	}
	t.part = bytes.Clone(text[end:])
	return t.w.Write(p)
}

// binary tells whether bytes hold what a terminal would take for more than text: anything but UTF-8, and
// control characters, of which some stand above ASCII.
func binary(p []byte) bool {
	return !utf8.Valid(p) || bytes.ContainsFunc(p, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r'
	})
}
