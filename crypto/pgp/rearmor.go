package pgp

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// AddArmor writes binary packets as text. The kind of armor follows the first packet, and
// whether signatures stand alone. What is armored, or a clear-signed text, is copied as it is.
// A checksum is left out where the packets are of version 6 (RFC 9580 section 6.1), else older programs
// may ask for it. Errors are [ErrFormat] for what does not begin with a packet, and those of src and dst.
func AddArmor(dst io.Writer, src io.Reader) error {
	br := bufio.NewReaderSize(src, labelRoom)
	prefix, err := br.Peek(preface)
	if err != nil && err != io.EOF {
		return err
	}
	if len(prefix) == 0 || prefix[0]&0x80 == 0 || bytes.HasPrefix(prefix, []byte(bom)) {
		if start, _ := armorStart(prefix); start < 0 {
			return fail(ErrFormat, "this is no OpenPGP")
		}
		_, err := io.Copy(dst, br)
		return err
	}
	kind, modern, err := label(br)
	if err != nil {
		return err
	}
	out := &sticky{dst: dst}
	w, err := armor.EncodeWithChecksumOption(out, "PGP "+kind, nil, !modern)
	if err == nil {
		_, err = io.Copy(w, br)
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		_, err = out.Write([]byte{'\n'}) // so that another block can follow
	}
	return errors.Join(err, out.err)
}

// labelRoom is how far is looked for something else than signatures, in bytes.
const labelRoom = 4 * maxSmall

// label finds the kind of armor for the packets that br yields next, of which none is read,
// and whether the first is of version 6.
func label(br *bufio.Reader) (kind string, modern bool, err error) {
	kind = blockSignature
	for at := 0; ; {
		ahead, _ := br.Peek(min(labelRoom, at+16))
		ahead = ahead[min(at, len(ahead)):]
		if len(ahead) == 0 && at > 0 {
			return kind, modern, nil
		}
		h, _, err := readHeader(bytes.NewReader(ahead))
		if err != nil {
			if at > 0 {
				return kind, modern, nil
			}
			return "", false, fail(ErrFormat, "this is no OpenPGP")
		}
		if at == 0 {
			modern = isModern(h, ahead[h.size:])
		}
		switch h.tag {
		case tagSignature:
		case tagPublicKey:
			return blockPublic, modern, nil
		case tagSecretKey:
			return blockPrivate, modern, nil
		case tagMarker, tagPadding:
			if at == 0 {
				kind = blockMessage
			}
		case tagPKESK, tagSKESK, tagOnePass, tagCompressed, tagSED, tagLiteral, tagSEIPD, tagAEAD:
			return blockMessage, modern, nil
		default:
			if at == 0 {
				return "", false, fail(ErrFormat, "a packet of type %d begins nothing that is armored", h.tag)
			}
			return blockMessage, modern, nil
		}
		if h.length < 0 || h.partial {
			return kind, modern, nil
		}
		at += h.size + int(h.length)
	}
}

// isModern tells whether a packet is of version 6, or of 2 where that goes with it.
func isModern(h header, b []byte) bool {
	return len(b) > 0 && (b[0] == 6 && h.tag != tagLiteral && h.tag != tagCompressed || b[0] == 2 && h.tag == tagSEIPD)
}

// RemoveArmor writes the packets within all armor of src, text around it left out. Binary
// packets are copied as they are. Errors are [ErrFormat], also for a clear-signed text,
// [ErrDamaged], and those of src and dst.
func RemoveArmor(dst io.Writer, src io.Reader) error {
	s := newSource(src)
	br := bufio.NewReaderSize(s, preface)
	prefix, _ := br.Peek(preface)
	if s.failed() != nil {
		return s.failed()
	}
	if plausible(prefix) {
		_, err := io.Copy(dst, br)
		return err
	}
	if start, kind := armorStart(prefix); start < 0 || kind == blockClear {
		return fail(ErrFormat, "this is neither armor nor a binary OpenPGP object")
	}
	for {
		b, err := nextBlock(br)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := io.Copy(dst, b); err != nil {
			return err
		}
	}
}
