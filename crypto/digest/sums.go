package digest

import (
	"bufio"
	"bytes"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// maxSumsLine bounds a line of a sums file, in bytes: a digest of 64 bytes and a path
// of 4,096 (PATH_MAX) need 8,330 when every character is escaped.
const maxSumsLine = 64 << 10

// ErrLine is the kind of a [LineError].
var ErrLine = errors.New("not a line of a checksum file")

// A LineError says which line of a sums file cannot be used. It does not repeat the line.
type LineError struct {
	Line   int // counted from 1
	reason string
}

func (e *LineError) Error() string {
	return fmt.Sprintf("read checksum file: line %d: %s", e.Line, e.reason)
}

// Is tells that a LineError is an [ErrLine].
func (e *LineError) Is(target error) bool { return target == ErrLine }

// A Style is how a line of a sums file is written. The zero value is coreutils' default.
type Style struct {
	Tag  bool // "SHA256 (name) = hex" instead of "hex  name"
	Zero bool // end with NUL and escape nothing, as sha256sum -z; no tool checks such a list
}

// AppendLine appends the line that sha256sum, b2sum, b3sum and their like write for a
// file, with its end. Without Zero a name with a backslash, a line feed or a carriage
// return is escaped, and the line then begins with a backslash (coreutils 9, "cksum
// common options"). An HMAC is always tagged, so that nothing takes it for a digest.
func AppendLine(b []byte, s Sum, name string, style Style) []byte {
	prefix, escaped := escape(name)
	end := byte('\n')
	if style.Zero {
		prefix, escaped, end = "", name, 0
	}
	b = append(b, prefix...)
	if style.Tag || s.Keyed {
		b = append(b, tagged(s, escaped)...)
	} else {
		b = append(hex.AppendEncode(b, s.Digest), "  "+escaped...)
	}
	return append(b, end)
}

// A SumLine is a line of a sums file.
type SumLine struct {
	Line       int         // counted from 1
	Name       string      // of the file, its escapes undone: a stranger's text, perhaps a path that leads elsewhere
	Algorithms []Algorithm // the one that the line or the caller names; otherwise all with digests of this length
	Digest     []byte
	Keyed      bool // an HMAC
}

// Matches tells, in constant time for each, whether one of the sums is the line's: of one of
// its algorithms, keyed or not as the line is, with its digest.
func (l SumLine) Matches(sums ...Sum) bool {
	match := 0
	for _, s := range sums {
		if s.Keyed == l.Keyed && slices.Contains(l.Algorithms, s.Algorithm) {
			match |= subtle.ConstantTimeCompare(s.Digest, l.Digest)
		}
	}
	return match == 1
}

// ReadSums reads a sums file a line at a time, in the forms
//
//	e3b0c442...  name                or " *name"; one space, as BSD's -r, if every line has one
//	SHA256 (name) = e3b0c442...      --tag and BSD; also the names that openssl dgst uses
//
// with coreutils' escapes. Blank lines and lines that begin with # are passed over, a byte
// order mark and carriage returns before line breaks left out. The algorithm is the ID that is
// expected, and a line that names another is an error, as for sha256sum -c; "" takes any.
//
// A line that cannot be used, or is longer than 64 KiB, yields a [*LineError], and reading
// goes on: the caller counts these, and the entries that it will take. Any other error is src's own
// and the last.
func ReadSums(src io.Reader, algorithm string) iter.Seq2[SumLine, error] {
	return func(yield func(SumLine, error) bool) {
		p := sumsParser{}
		if algorithm != "" {
			e, ok := find(algorithm)
			if !ok {
				yield(SumLine{}, fmt.Errorf("read checksum file: %w: %.40q", ErrAlgorithm, algorithm))
				return
			}
			p.expected = &e
		}
		br := bufio.NewReaderSize(src, maxSumsLine)
		for {
			line, long, err := readLine(br)
			if err != nil && err != io.EOF {
				yield(SumLine{}, fmt.Errorf("read checksum file: %w", err))
				return
			}
			if err == io.EOF && len(line) == 0 && !long {
				return
			}
			p.line++
			if p.line == 1 {
				line = bytes.TrimPrefix(line, []byte("\ufeff"))
			}
			entry, ok, reason := p.parse(line, long)
			switch {
			case reason != "":
				if !yield(SumLine{}, &LineError{p.line, reason}) {
					return
				}
			case ok && !yield(entry, nil):
				return
			}
			if err == io.EOF {
				return
			}
		}
	}
}

// readLine returns a line without its end, or that it is too long once all of it was read.
func readLine(br *bufio.Reader) (line []byte, long bool, err error) {
	line, err = br.ReadSlice('\n')
	for err == bufio.ErrBufferFull {
		long = true
		line, err = br.ReadSlice('\n')
	}
	if long {
		return nil, true, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r")), false, err
}

type sumsParser struct {
	expected *entry // nil takes any
	line     int
	form     lineForm
}

// A lineForm is how far name and digest are apart. Two forms in one file would let a
// stranger's line stand for a name with a space before it (coreutils refuses it too).
type lineForm int

const (
	formUnknown lineForm = iota
	formTwo              // two spaces, or a space and an asterisk
	formOne              // BSD's -r
)

// parse reads one line: an entry, a reason why it is none, or neither for a line to pass over.
func (p *sumsParser) parse(raw []byte, long bool) (l SumLine, ok bool, reason string) {
	if long {
		return l, false, fmt.Sprintf("longer than %d bytes", maxSumsLine)
	}
	s := strings.TrimLeft(string(raw), " \t")
	if s == "" || s[0] == '#' {
		return l, false, ""
	}
	s, escaped := strings.CutPrefix(s, `\`)
	hexDigest, name, ok := parseLine(s)
	var tag string
	if ok {
		form := formTwo
		if len(name) == len(s)-len(hexDigest)-1 {
			form = formOne
		}
		if p.form != formUnknown && p.form != form {
			return l, false, "one space and two between digest and name in one file"
		}
		p.form = form
	} else if tag, hexDigest, name, ok = parseTag(s); !ok {
		return l, false, "neither a digest and a name nor an algorithm, a name and a digest"
	}
	digest, err := hex.DecodeString(hexDigest)
	if err != nil {
		return l, false, "its digest is not hex digits"
	}
	l = SumLine{Line: p.line, Digest: digest}
	if tag == "" {
		l.Algorithms = p.candidates(len(digest))
	} else {
		tag, l.Keyed = strings.CutPrefix(strings.TrimRight(tag, " "), "HMAC-")
		l.Algorithms = p.named(tag, len(digest))
	}
	if len(l.Algorithms) == 0 {
		return SumLine{}, false, fmt.Sprintf("another algorithm than expected, or a digest of %d bytes that is not its", len(digest))
	}
	if l.Name = name; escaped {
		if l.Name, ok = unescape(name); !ok {
			return SumLine{}, false, "its name has an escape that is none of \\\\, \\n and \\r"
		}
	}
	if l.Name == "" || strings.Contains(l.Name, "\x00") {
		return SumLine{}, false, "its name is empty or holds NUL"
	}
	return l, true, ""
}

// candidates are the algorithms of a line that names none.
func (p *sumsParser) candidates(size int) (as []Algorithm) {
	for _, e := range table {
		if e.Size == size && (p.expected == nil || p.expected.ID == e.ID) {
			as = append(as, e.Algorithm)
		}
	}
	return as
}

// named finds an algorithm by the name in a line: coreutils', BSD's and b3sum's tag, or openssl
// dgst's, which has SHA2-256 for SHA256 and SHA2-512/256 for SHA512t256.
func (p *sumsParser) named(tag string, size int) []Algorithm {
	for _, e := range table {
		sha2, ok := strings.CutPrefix(e.Label, "SHA-")
		if tag != e.tag && !strings.EqualFold(tag, e.Label) && !strings.EqualFold(tag, e.ID) &&
			(!ok || tag != "SHA2-"+sha2) {
			continue
		}
		if e.Size == size && (p.expected == nil || p.expected.ID == e.ID) {
			return []Algorithm{e.Algorithm}
		}
	}
	return nil
}
