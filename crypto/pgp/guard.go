package pgp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// A guard hands packets on as they are and watches their headers: packets that are parsed in
// memory are bounded in size and number, and what does not belong in a message is refused
// before go-crypto sees it.
type guard struct {
	src *bufio.Reader
	n   int64 // bytes handed on

	innermost bool   // no further layer may come
	pending   []byte // of a header, to be handed on
	left      int64  // of the body or a part of it; -1 to the end
	partial   bool   // another part follows
	small     int64  // what the current packet may still have; -1 without limit
	packets   int
	err       error  // what was refused
	tags      []byte // of the packets so far, data excepted
	sigs      []sigHead
}

// sigHead is the beginning of a packet that stands for a signature: a one-pass packet or,
// before the data, the signature itself.
type sigHead struct {
	tag     byte
	version byte
	hash    byte
	algo    byte
}

// maxPackets is how many packets a layer may have beside the data.
const maxPackets = 4 * MaxSignatures

func newGuard(src io.Reader) *guard { return &guard{src: bufio.NewReaderSize(src, 4<<10)} }

func (g *guard) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.read(p)
	var refused *kindError
	if errors.As(err, &refused) {
		g.err = err
	}
	return n, err
}

// fault returns what was refused.
func (g *guard) fault() error { return g.err }

func (g *guard) read(p []byte) (int, error) {
	for len(g.pending) == 0 && g.left == 0 {
		if err := g.advance(); err != nil {
			return 0, err
		}
	}
	if len(g.pending) > 0 {
		n := copy(p, g.pending)
		g.pending = g.pending[n:]
		g.n += int64(n)
		return n, nil
	}
	if g.left > 0 {
		p = p[:min(int64(len(p)), g.left)]
	}
	n, err := g.src.Read(p)
	g.n += int64(n)
	if g.left > 0 {
		g.left -= int64(n)
		err = unexpected(err)
	}
	if g.small >= 0 {
		if g.small -= int64(n); g.small < 0 {
			return 0, fail(ErrRefused, "a packet is longer than %d bytes", maxSmall)
		}
	}
	return n, err
}

// advance reads the next header or length.
func (g *guard) advance() error {
	if g.partial {
		var raw []byte
		var err error
		g.left, g.partial = bodyLength(func() byte {
			if err != nil {
				return 0
			}
			var b byte
			if b, err = g.src.ReadByte(); err == nil {
				raw = append(raw, b)
			}
			return b
		})
		g.pending = raw
		return unexpected(err)
	}
	h, raw, err := readHeader(g.src)
	if err != nil {
		return err
	}
	g.pending, g.left, g.partial, g.small = raw, h.length, h.partial, maxSmall
	switch h.tag {
	case tagLiteral, tagCompressed, tagPadding:
		g.small = -1
	case tagSignature, tagOnePass:
		if b, _ := g.src.Peek(4); len(b) == 4 && bytes.IndexByte(g.tags, tagLiteral) < 0 {
			head := sigHead{tag: h.tag, version: b[0], hash: b[2], algo: b[3]}
			if h.tag == tagSignature {
				head.hash, head.algo = b[3], b[2]
			}
			g.sigs = append(g.sigs, head)
		}
	}
	if g.small > 0 && h.length > g.small {
		return fail(ErrRefused, "a packet is longer than %d bytes", maxSmall)
	}
	if g.packets++; g.packets > maxPackets {
		return fail(ErrRefused, "it has too many packets")
	}
	g.tags = append(g.tags, h.tag)
	return g.recheck()
}

// recheck refuses what may not stand where it does.
func (g *guard) recheck() error {
	var sigs int
	for _, tag := range g.tags {
		switch tag {
		case tagPKESK, tagSKESK, tagSED, tagSEIPD, tagAEAD:
			return fail(ErrFormat, "there is another encrypted message within the message")
		case tagCompressed:
			if g.innermost {
				return fail(ErrFormat, "there is compressed content within signed content, which is not supported")
			}
		case tagSignature, tagOnePass:
			sigs++
		}
	}
	if sigs > 2*MaxSignatures {
		return fail(ErrRefused, "it has more than %d signatures", MaxSignatures)
	}
	return nil
}

// unknown returns verdicts on the signatures that go-crypto left out because it does not
// know their kind. checked is how many it did not.
func (g *guard) unknown(checked int) []Signature {
	var out []Signature
	for _, h := range g.sigs {
		if checked+len(out) == len(g.sigs) {
			break
		}
		s := Signature{Status: Unchecked, Reason: "it uses a version or an algorithm that is not known", Hash: hashName(h.hash)}
		switch {
		case h.tag == tagSignature && h.version == 3:
			s.Hash, s.Status, s.Reason = "", Weak, "it is of version 3, which is no longer used"
		case weakHash(h.hash):
			s.Status, s.Reason = Weak, "it uses "+s.Hash+", which can be forged"
		}
		if h.hash != 1 && h.hash != 3 && hashName(h.hash) != "" && publicKeyAlgorithm(h.algo) && (h.version == 4 || h.version == 6 || h.tag == tagOnePass && h.version == 3) {
			continue // go-crypto knows this one
		}
		out = append(out, s)
	}
	return out
}
