package pgp

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Packet types (RFC 9580 section 5).
const (
	tagPKESK      = 1
	tagSignature  = 2
	tagSKESK      = 3
	tagOnePass    = 4
	tagSecretKey  = 5
	tagPublicKey  = 6
	tagSecretSub  = 7
	tagCompressed = 8
	tagSED        = 9
	tagMarker     = 10
	tagLiteral    = 11
	tagTrust      = 12
	tagUserID     = 13
	tagPublicSub  = 14
	tagSEIPD      = 18
	tagAEAD       = 20
	tagPadding    = 21
	nonCritical   = 40 // and all above: skipped when not known (section 4.3)
)

// A header is a packet's header (RFC 9580 section 4.2). go-crypto's own reader of it is not
// exported, and what goes beyond a limit has to be seen before a packet is parsed.
type header struct {
	tag     byte
	length  int64 // of the body or its first part; -1 reaches to the end of the input
	partial bool  // another length follows
	size    int   // of the header in bytes
}

var errHeader = errors.New("malformed packet header")

// readHeader reads a header. io.EOF means that there is no further packet.
func readHeader(r io.ByteReader) (h header, raw []byte, err error) {
	next := func() (b byte) {
		if err == nil {
			if b, err = r.ReadByte(); err == nil {
				raw = append(raw, b)
			} else if err == io.EOF && len(raw) > 0 {
				err = io.ErrUnexpectedEOF
			}
		}
		return b
	}
	first := next()
	switch {
	case err != nil:
		return h, raw, err
	case first&0x80 == 0:
		return h, raw, errHeader
	case first&0x40 == 0: // the old format
		h.tag = first >> 2 & 0x0f
		if first&3 == 3 {
			h.length = -1
			break
		}
		for range 1 << (first & 3) {
			h.length = h.length<<8 | int64(next())
		}
	default:
		h.tag = first & 0x3f
		h.length, h.partial = bodyLength(next)
	}
	if err == nil && h.tag == 0 {
		err = errHeader
	}
	h.size = len(raw)
	return h, raw, err
}

// bodyLength reads a length of the new format (RFC 9580 section 4.2.1).
func bodyLength(next func() byte) (n int64, partial bool) {
	switch b := next(); {
	case b < 192:
		return int64(b), false
	case b < 224:
		return int64(b-192)<<8 + int64(next()) + 192, false
	case b < 255:
		return 1 << (b & 0x1f), true
	}
	for range 4 {
		n = n<<8 | int64(next())
	}
	return n, false
}

// A body reads one packet's content. It ends with io.EOF at the packet's end and with
// io.ErrUnexpectedEOF when the input ends before that.
type body struct {
	src *bufio.Reader
	h   header
	n   int64 // read so far
}

func (b *body) Read(p []byte) (int, error) {
	for b.h.length == 0 {
		if !b.h.partial {
			return 0, io.EOF
		}
		var err error
		b.h.length, b.h.partial = bodyLength(func() (c byte) {
			if err == nil {
				c, err = b.src.ReadByte()
			}
			return c
		})
		if err != nil {
			return 0, unexpected(err)
		}
	}
	if b.h.length > 0 {
		p = p[:min(int64(len(p)), b.h.length)]
	}
	n, err := b.src.Read(p)
	b.n += int64(n)
	if b.h.length > 0 {
		b.h.length -= int64(n)
		err = unexpected(err)
	}
	return n, err
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// opaque reads a packet of at most limit bytes into memory.
func opaque(h header, b io.Reader, limit int64) (*packet.OpaquePacket, error) {
	if h.length > limit {
		return nil, fail(ErrRefused, "a packet is longer than %d bytes", limit)
	}
	contents, err := io.ReadAll(io.LimitReader(b, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(contents)) > limit {
		return nil, fail(ErrRefused, "a packet is longer than %d bytes", limit)
	}
	return &packet.OpaquePacket{Tag: h.tag, Contents: contents}, nil
}

// deflates tells whether b begins like a block of RFC 1951 section 3.2.3.
func deflates(b []byte) bool {
	switch {
	case len(b) == 0:
		return false
	case b[0]>>1&3 == 0: // stored: a length and its complement
		return len(b) < 5 || b[1]^b[3] == 0xff && b[2]^b[4] == 0xff
	case b[0]>>1&3 == 2: // at most 286 literal codes
		return b[0]>>3 <= 29
	}
	return b[0]>>1&3 == 1
}

// begins tells whether b begins like the content of an encrypted message. It is meant to
// tell the right session key from a wrong one and not, like [plausible], a message from
// arbitrary bytes: random bytes pass about once in 1,000.
func begins(b []byte) bool {
	h, _, err := readHeader(bytes.NewReader(b))
	if err != nil || len(b) <= h.size {
		return false
	}
	switch first := b[h.size]; h.tag {
	case tagLiteral:
		return bytes.IndexByte([]byte("btuml1"), first) >= 0 && (h.length < 0 || h.length >= 6)
	case tagCompressed:
		return first <= 3
	case tagOnePass:
		return (first == 3 || first == 6) && len(b) > h.size+1 && b[h.size+1] <= 1
	case tagSignature:
		return first >= 3 && first <= 6 && len(b) > h.size+1 && (first == 3 || signatureType(b[h.size+1]))
	case tagMarker:
		return bytes.HasPrefix(b[h.size:], []byte("PGP"))
	}
	return false
}

// plausible tells whether prefix begins like a packet of a message, a signature or a key,
// strictly: header, version and algorithm octets. Random bytes pass about once in 7,000.
func plausible(prefix []byte) bool {
	h, _, err := readHeader(bytes.NewReader(prefix))
	if err != nil {
		return false
	}
	b := prefix[h.size:]
	at := func(i int) byte {
		if i < len(b) {
			return b[i]
		}
		return 0xff
	}
	if h.partial && h.length < 512 { // the first part has at least 512 bytes (section 4.2.1.4)
		return false
	}
	data := h.tag == tagCompressed || h.tag == tagLiteral || h.tag == tagSEIPD || h.tag == tagAEAD || h.tag == tagSED
	if (h.partial || h.length < 0) && !data {
		return false
	}
	fits := func(low, high int64) bool { return h.length < 0 || h.partial || h.length >= low && h.length <= high }
	const maxData = 1<<32 - 1
	switch h.tag {
	case tagPKESK:
		return at(0) == 3 && publicKeyAlgorithm(at(9)) && fits(12, maxSessionPacket) || at(0) == 6 && (at(1) == 0 || at(1) == 21 || at(1) == 33) && fits(12, maxSessionPacket)
	case tagSKESK:
		return at(0) == 4 && cipherName(at(1)) != "" && s2kKnown(at(2)) && fits(4, 128) ||
			at(0) == 5 && cipherName(at(1)) != "" && aeadName(at(2)) != "" && fits(8, 160) || at(0) == 6 && cipherName(at(2)) != "" && aeadName(at(3)) != "" && fits(8, 160)
	case tagSignature:
		return (at(0) == 4 || at(0) == 6) && publicKeyAlgorithm(at(2)) && hashName(at(3)) != "" && signatureType(at(1)) && fits(12, maxSmall) ||
			at(0) == 3 && at(1) == 5 && signatureType(at(2)) && fits(12, maxSmall)
	case tagOnePass:
		return (at(0) == 3 && h.length == 13 || at(0) == 6 && fits(40, 128)) && at(1) <= 1 && hashName(at(2)) != "" && publicKeyAlgorithm(at(3))
	case tagSecretKey, tagPublicKey:
		if len(b) < 6 || binary.BigEndian.Uint32(b[1:]) == 0 {
			return false
		}
		return (at(0) == 4 || at(0) == 5) && publicKeyAlgorithm(at(5)) && fits(10, maxSmall) || at(0) == 6 && publicKeyAlgorithm(at(5)) && at(6) == 0 && fits(10, maxSmall) ||
			at(0) == 3 && at(7) >= 1 && at(7) <= 3 && fits(10, maxSmall)
	case tagCompressed:
		return at(0) == 1 && deflates(b[1:]) || at(0) == 2 && at(1)&0x8f == 8 && (int(at(1))<<8|int(at(2)))%31 == 0 || at(0) == 3 && at(1) == 'B' && at(2) == 'Z' || at(0) == 0 && at(1)&0x80 != 0 && at(1) != 0xff
	case tagLiteral:
		name := int(at(1))
		control := bytes.ContainsFunc(b[min(2, len(b)):min(2+name, len(b))], unicode.IsControl)
		return (at(0) == 'b' || at(0) == 't' || at(0) == 'u' || at(0) == 'm') && !control && fits(int64(6+name), maxData)
	case tagMarker:
		return h.length == 3 && string(b[:min(3, len(b))]) == "PGP"
	case tagSEIPD:
		return at(0) == 1 && fits(40, maxData) || at(0) == 2 && cipherName(at(1)) != "" && aeadName(at(2)) != "" && at(3) <= 16 && fits(60, maxData)
	case tagAEAD:
		return at(0) == 1 && cipherName(at(1)) != "" && aeadName(at(2)) != "" && at(3) <= 56
	}
	return false
}
