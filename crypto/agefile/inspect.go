package agefile

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"

	"filippo.io/age"
)

// Info is what an age file says of itself. None of it is authenticated before the file is opened.
type Info struct {
	Armored    bool
	Stanzas    []string // the type of each recipient: X25519, scrypt, mlkem768x25519, ssh-ed25519, ...
	WorkFactor int      // log2 of scrypt's N, for a passphrase file
	Passphrase bool
	HeaderSize int // bytes before the payload's nonce, without armor
}

// Inspect reads a file's header, armored or not, and opens nothing. The errors are those of
// [Open] for a file that cannot be read; a work factor is reported whatever it is.
func Inspect(src io.Reader) (Info, error) {
	armored, src, err := dearmor(mark(src), false)
	if err != nil {
		return Info{}, err
	}
	head, _, err := readHeader(src)
	if err != nil {
		return Info{}, err
	}
	info, err := head.info()
	info.Armored = armored
	return info, err
}

// info has age parse the header once more and looks at the stanzas it finds.
func (h header) info() (Info, error) {
	info := Info{HeaderSize: len(h.raw)}
	look := &lookIdentity{}
	// The error is always there: this identity never fits.
	if _, err := age.DecryptHeader(h.raw, look); !look.called {
		return info, damagedPart(err, ErrHeader, "the header is malformed")
	}
	if len(look.stanzas) > MaxStanzas {
		return info, ErrTooManyStanzas
	}
	for _, s := range look.stanzas {
		info.Stanzas = append(info.Stanzas, s.Type)
		if s.Type == scryptType {
			factor, err := workFactor(s)
			if err != nil {
				return info, err
			}
			info.Passphrase, info.WorkFactor = true, factor
		}
	}
	return info, nil
}

// lookIdentity fits nothing and remembers the stanzas.
type lookIdentity struct {
	stanzas []*age.Stanza
	called  bool
}

func (l *lookIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	l.stanzas, l.called = stanzas, true
	return nil, age.ErrIncorrectIdentity
}

const scryptType = "scrypt"

var errScrypt = errors.New("malformed scrypt stanza")

// workFactor returns log2 of N from "-> scrypt SALT LOGN" (age.md, scrypt recipient stanza).
// A number too long for any machine becomes the largest int, to be refused like one.
func workFactor(s *age.Stanza) (int, error) {
	if len(s.Args) != 2 || !regexp.MustCompile(`^[1-9][0-9]*$`).MatchString(s.Args[1]) {
		return 0, damagedPart(errScrypt, ErrHeader, "its passphrase header is malformed")
	}
	n, err := strconv.Atoi(s.Args[1])
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, damagedPart(errScrypt, ErrHeader, "its passphrase header is malformed")
	}
	return n, nil
}

// WorkMemory is what scrypt needs for a work factor, in bytes: 128 * r * N with r = 8 (RFC 7914 section 2).
func WorkMemory(factor int) int64 {
	if factor < 0 || factor > 40 {
		return 1 << 50
	}
	return 1 << (10 + factor)
}

// looksBinary tells whether prefix begins like a binary age file.
func looksBinary(prefix []byte) bool { return bytes.HasPrefix(prefix, []byte(intro)) }

// Looks tells whether the first bytes of an input are those of an age file, and whether as armor.
func Looks(prefix []byte) (ok, armored bool) {
	if looksBinary(prefix) {
		return true, false
	}
	armored = Armored(prefix)
	return armored, armored
}
