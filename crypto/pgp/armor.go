package pgp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

const (
	// armorLine bounds one line of armor, in bytes; the format's own have 76 at most. go-crypto would collect a header line without end.
	armorLine = 1 << 10
	// armorHeaders is how many header lines (Version, Comment) a block may have.
	armorHeaders = 32
	// preface is how far into a text its armor may begin, in bytes.
	preface = 16 << 10

	armorBegin = "-----BEGIN PGP "
	armorEnd   = "-----END PGP "
	armorTail  = "-----"

	// The kinds of armor (RFC 9580 section 6.2), without "PGP ".
	blockMessage   = "MESSAGE"
	blockPublic    = "PUBLIC KEY BLOCK"
	blockPrivate   = "PRIVATE KEY BLOCK"
	blockSignature = "SIGNATURE"
	blockClear     = "SIGNED MESSAGE"

	bom = "\ufeff"
)

// blockType returns the kind of armor that a line begins, and what stands before it: white
// space, a byte order mark, or the marks of quoted mail. "" when it begins none.
func blockType(line []byte) (kind, before string) {
	i := bytes.Index(line, []byte(armorBegin))
	if i < 0 {
		return "", ""
	}
	before = string(line[:i])
	if strings.Trim(strings.TrimPrefix(before, bom), "> \t") != "" {
		return "", ""
	}
	kind, ok := strings.CutSuffix(string(bytes.TrimSpace(line[i+len(armorBegin):])), armorTail)
	switch kind {
	case blockMessage, blockPublic, blockPrivate, blockSignature, blockClear:
		if ok {
			return kind, before
		}
	}
	return "", ""
}

// armorStart returns where the line that begins armor starts in prefix, and the kind; -1 for none.
func armorStart(prefix []byte) (start int, kind string) {
	prefix = prefix[:min(len(prefix), preface)]
	for from := 0; from < len(prefix); {
		line := prefix[from:]
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		if kind, _ := blockType(line); kind != "" {
			return from, kind
		}
		if bytes.IndexByte(line, 0) >= 0 {
			return -1, "" // no text
		}
		from += len(line)
	}
	return -1, ""
}

// A block is one piece of armor, decoded as it is read. Its end is checked: go-crypto takes
// a block without its last line for a whole one. The checksum is not (RFC 9580 section 6.1
// forbids to refuse because of it), [Inspect] reports it.
type block struct {
	kind  string
	lines *armorLines
	body  io.Reader
	done  error
}

func (b *block) Read(p []byte) (int, error) {
	if b.done != nil {
		return 0, b.done
	}
	n, err := b.body.Read(p)
	if err == io.EOF {
		err = b.lines.finish()
	}
	if err != nil && err != io.EOF {
		err = damaged(err, "its armor (the text between BEGIN and END) is incomplete or was changed")
	}
	b.done = err
	return n, err
}

// armorLines hands one block on as go-crypto's reader wants it: without white space, quote
// marks and empty lines, each line bounded.
type armorLines struct {
	src     *bufio.Reader
	kind    string
	quoted  bool
	state   int // what comes next
	headers int
	buf     []byte
	out     []byte // what is left of buf to hand on
	crc     string // the checksum line, "" when there is none
	err     error
}

const (
	inHeaders = iota
	inData
	pastCRC
	pastEnd
)

var errArmor = errors.New("malformed armor")

func (l *armorLines) Read(p []byte) (int, error) {
	for len(l.out) == 0 {
		if l.err != nil {
			return 0, l.err
		}
		if l.err = l.next(); l.err == nil && l.state == pastEnd {
			l.err = io.EOF
		}
	}
	n := copy(p, l.out)
	l.out = l.out[n:]
	return n, nil
}

// finish reads on to the last line.
func (l *armorLines) finish() error {
	for l.state != pastEnd {
		l.out = nil
		if l.err != nil && l.err != io.EOF {
			return l.err
		}
		if l.err = l.next(); l.err != nil {
			return l.err
		}
		if l.state == inData && len(l.out) > 0 {
			return fmt.Errorf("%w: data after the end", errArmor)
		}
	}
	return io.EOF
}

// next reads one line and, unless it is empty, makes it what is handed on.
func (l *armorLines) next() error {
	line, err := l.src.ReadSlice('\n')
	switch {
	case len(line) > armorLine || errors.Is(err, bufio.ErrBufferFull):
		return fmt.Errorf("%w: a line is longer than %d bytes", errArmor, armorLine)
	case err == io.EOF && len(bytes.TrimSpace(line)) == 0:
		return io.ErrUnexpectedEOF
	case err != nil && err != io.EOF:
		return err
	}
	cut := " \t\r\n"
	if l.quoted {
		cut += ">"
	}
	line = bytes.TrimLeft(bytes.TrimSpace(line), cut)
	end := bytes.HasPrefix(line, []byte(armorTail))
	switch {
	case end && string(line) == armorEnd+l.kind+armorTail && l.state != inHeaders:
		l.state = pastEnd
	case end:
		return fmt.Errorf("%w: another line in dashes before its last one", errArmor)
	case l.state == inHeaders && len(line) == 0:
		l.state = inData
		l.out = []byte("\n")
		return nil
	case l.state == inHeaders:
		if l.headers++; l.headers > armorHeaders || bytes.IndexByte(line, ':') < 0 {
			return fmt.Errorf("%w: its headers", errArmor)
		}
	case len(line) == 0:
		return nil
	case l.state == pastCRC:
		return fmt.Errorf("%w: data after the checksum", errArmor)
	case len(line) == 5 && line[0] == '=':
		l.crc, l.state = string(line), pastCRC
	}
	l.buf = append(append(l.buf[:0], line...), '\n')
	l.out = l.buf
	return nil
}

// openBlock decodes the armor whose first line is the next that src yields.
func openBlock(src *bufio.Reader) (*block, error) {
	line, err := src.ReadSlice('\n')
	if err != nil && err != io.EOF {
		return nil, damaged(err, "the first line of its armor is malformed")
	}
	kind, before := blockType(line)
	l := &armorLines{src: src, kind: kind, quoted: strings.Contains(before, ">")}
	l.out = []byte(armorBegin + kind + armorTail + "\n")
	decoded, err := armor.Decode(l)
	if err != nil {
		if l.err != nil {
			err = l.err
		}
		return nil, damaged(unexpected(err), "its armor (the text between BEGIN and END) is incomplete or was changed")
	}
	return &block{kind: kind, lines: l, body: decoded.Body}, nil
}

// nextBlock finds the next armor in a text. io.EOF means that there is none.
func nextBlock(src *bufio.Reader) (*block, error) {
	for fresh := true; ; {
		// Whether a line begins armor shows in its beginning.
		line, err := src.Peek(256)
		if len(line) == 0 {
			return nil, err
		}
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line = line[:i+1]
		}
		if kind, _ := blockType(line); fresh && kind != "" {
			return openBlock(src)
		}
		fresh = line[len(line)-1] == '\n'
		if _, err := src.Discard(len(line)); err != nil {
			return nil, err
		}
	}
}

// dearmor returns the packets within src, and what kind of armor held them, "" for none.
func dearmor(src io.Reader) (kind string, br *bufio.Reader, b *block, err error) {
	br = bufio.NewReaderSize(newSource(src), preface)
	prefix, err := br.Peek(64)
	if plausible(prefix) {
		return "", br, nil, nil // nothing more is read ahead of binary packets
	}
	if err == nil {
		prefix, err = br.Peek(preface)
	}
	var failed *readError
	if errors.As(err, &failed) {
		return "", nil, nil, failed
	}
	start, kind := armorStart(prefix)
	if start < 0 {
		return "", br, nil, nil
	}
	if _, err := br.Discard(start); err != nil {
		return "", nil, nil, err
	}
	if kind == blockClear {
		return kind, br, nil, nil
	}
	b, err = openBlock(br)
	if err != nil {
		return "", nil, nil, err
	}
	return kind, bufio.NewReaderSize(b, 4<<10), b, nil
}

// armorWriter writes armor. RFC 9580 section 6.1 wants no checksum; but without one GnuPG
// 2.2 reads the last line as data when the data's length is a multiple of three, so that
// what is for it has one, and what only newer programs read (version 6, SEIPDv2) has none.
func armorWriter(dst io.Writer, kind string, modern bool) (io.WriteCloser, error) {
	w, err := armor.EncodeWithChecksumOption(dst, "PGP "+kind, nil, !modern)
	return lastLine{w, dst}, err
}

// lastLine ends the last line, which go-crypto leaves open.
type lastLine struct {
	io.WriteCloser
	dst io.Writer
}

func (l lastLine) Close() error {
	if err := l.WriteCloser.Close(); err != nil {
		return err
	}
	_, err := l.dst.Write([]byte("\n"))
	return err
}

// armorString returns binary packets as text. It cannot fail: it writes to memory.
func armorString(raw []byte, kind string, modern bool) string {
	var out bytes.Buffer
	w, err := armorWriter(&out, kind, modern)
	if err == nil {
		_, err = w.Write(raw)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("pgp: armor in memory: " + err.Error())
	}
	return out.String()
}

// Looks tells whether the first bytes of an input (64 at least, unless it is shorter) are
// those of OpenPGP, and whether as text: armor or a clear-signed text, before which a byte
// order mark, lines of text (up to 16 KiB) and the marks of quoted mail may stand. Binary
// packets are told by their header, version and algorithm octets; random bytes pass about
// once in 7,000.
func Looks(prefix []byte) (ok, armored bool) {
	if plausible(prefix) {
		return true, false
	}
	start, _ := armorStart(prefix)
	return start >= 0, start >= 0
}
