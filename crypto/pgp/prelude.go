package pgp

import (
	"bufio"
	"bytes"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A prelude is what stands before the encrypted content: packets that hold its session key.
type prelude struct {
	pkesk []*packet.EncryptedKey
	skesk []passphrasePacket

	tag      byte
	seipd    *packet.SymmetricallyEncrypted // for tags 9 and 18
	data     packet.EncryptedDataPacket
	aeadMode string // for tag 20
}

type passphrasePacket struct {
	p    *packet.SymmetricKeyEncrypted
	s2k  S2K
	bare bool // the hash itself is the session key
}

// chunked tells whether the content is authenticated as it comes.
func (p *prelude) chunked() bool {
	return p.tag == tagAEAD || p.tag == tagSEIPD && p.seipd.Version == 2
}

// readPrelude reads up to the content, and refuses what asks for too much. The packets are
// parsed from the very bytes that were looked at.
func readPrelude(br *bufio.Reader, unprotected bool) (*prelude, error) {
	p := &prelude{}
	for n := 0; ; n++ {
		first, err := br.Peek(32)
		if n == 0 && !plausible(first) {
			if len(first) == 0 && err == io.EOF {
				return nil, fail(ErrFormat, "it is empty")
			}
			return nil, fail(ErrFormat, "an OpenPGP message was expected")
		}
		if len(first) == 0 && err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		}
		h, _, err := readHeader(bytes.NewReader(first))
		if err != nil {
			return nil, err
		}
		tag := h.tag
		if tag >= nonCritical {
			tag = tagPadding // to be skipped
		}
		switch tag {
		case tagPKESK, tagSKESK, tagMarker, tagPadding:
			if n > 2*(MaxRecipients+MaxPassphrasePackets) {
				return nil, fail(ErrRefused, "it begins with too many packets")
			}
			if _, err := br.Discard(h.size); err != nil {
				return nil, err
			}
			limit := int64(maxSessionPacket)
			if tag == tagPadding {
				limit = maxSmall
			}
			o, err := opaque(h, &body{src: br, h: h}, limit)
			if err != nil {
				return nil, err
			}
			if err := p.add(o); err != nil {
				return nil, err
			}
		case tagSED:
			if !unprotected {
				return nil, ErrUnprotected
			}
			return p, p.content(br, h, first)
		case tagSEIPD, tagAEAD:
			return p, p.content(br, h, first)
		case tagCompressed, tagLiteral, tagOnePass, tagSignature:
			if n == 0 {
				return nil, ErrNotEncrypted
			}
			return nil, fail(ErrDamaged, "the packets with its session key are not followed by encrypted content")
		case tagSecretKey, tagPublicKey:
			return nil, fail(ErrFormat, "an encrypted message was expected, this is a key")
		default:
			return nil, fail(ErrDamaged, "a packet of type %d does not belong in a message", h.tag)
		}
	}
}

// add takes a packet that holds the session key. One of a version or an algorithm that is
// not known counts as one for somebody else.
func (p *prelude) add(o *packet.OpaquePacket) error {
	switch o.Tag {
	case tagPKESK:
		if len(p.pkesk) == MaxRecipients {
			return fail(ErrRefused, "it has more than %d recipients", MaxRecipients)
		}
		parsed, err := o.Parse()
		if pk, ok := parsed.(*packet.EncryptedKey); ok && err == nil {
			p.pkesk = append(p.pkesk, pk)
		} else {
			p.pkesk = append(p.pkesk, nil)
		}
	case tagSKESK:
		if len(p.skesk) == MaxPassphrasePackets {
			return fail(ErrRefused, "it has more than %d passphrase packets", MaxPassphrasePackets)
		}
		cost, rest, err := skeskS2K(o.Contents)
		if err != nil {
			return err
		}
		sk := passphrasePacket{s2k: cost, bare: rest == 0}
		if parsed, err := o.Parse(); err == nil {
			sk.p, _ = parsed.(*packet.SymmetricKeyEncrypted)
		}
		p.skesk = append(p.skesk, sk)
	}
	return nil
}

// skeskS2K returns the cost of a passphrase packet (RFC 9580 section 5.3) and how many bytes
// of it are the encrypted session key. A version that is not known has no cost.
func skeskS2K(b []byte) (S2K, int, error) {
	var skip int
	switch {
	case len(b) == 0:
		return S2K{}, 0, fail(ErrDamaged, "a passphrase packet is empty")
	case b[0] == 4:
		skip = 2 // version, cipher
	case b[0] == 5:
		skip = 3 // version, cipher, AEAD
	case b[0] == 6:
		skip = 5 // version, length, cipher, AEAD, length
	default:
		return S2K{Kind: "unknown"}, 1, nil
	}
	if len(b) < skip {
		return S2K{}, 0, fail(ErrDamaged, "a passphrase packet is cut short")
	}
	s, err := readS2K(b[skip:])
	if err != nil {
		return S2K{}, 0, err
	}
	size := map[string]int{"simple": 2, "salted": 10, "iterated": 11, "argon2": 20, "dummy": 6}[s.Kind]
	return s, len(b) - skip - size, nil
}

// content has go-crypto take over at the packet with the encrypted content.
func (p *prelude) content(br *bufio.Reader, h header, first []byte) error {
	p.tag = h.tag
	parsed, err := packet.Read(br)
	if err != nil {
		return &kindError{kind: ErrDamaged, detail: "its encrypted content is cut short, malformed or of a kind that is not known", err: err}
	}
	switch d := parsed.(type) {
	case *packet.SymmetricallyEncrypted:
		p.seipd, p.data = d, d
	case *packet.AEADEncrypted:
		p.data = d
		if len(first) > h.size+2 {
			p.aeadMode = aeadName(first[h.size+2])
		}
	default:
		return fail(ErrDamaged, "its encrypted content is malformed")
	}
	return nil
}
