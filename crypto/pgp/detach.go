package pgp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// TextSignatures tells for each of [Message.Signatures], in their order, whether it was made
// over text, so that line ends do not matter (RFC 9580 section 5.2.1.2).
func (m *Message) TextSignatures() []bool {
	text := make([]bool, len(m.Signatures()))
	n := 0
	for _, c := range slices.Backward(m.src.md.SignatureCandidates) {
		if n < len(text) {
			text[n] = c.SigType == packet.SigTypeText
		}
		n++
	}
	return text
}

// TextSignatures tells for each detached signature, or each signature of a clear-signed
// text, in the order of [Verify] and [VerifyText], whether it was made over text. Errors are as of those.
func TextSignatures(signature []byte) ([]bool, error) {
	sigs, err := anySignatures(signature)
	if err != nil {
		return nil, err
	}
	text := make([]bool, len(sigs))
	for i, s := range sigs {
		text[i] = s.sig != nil && s.sig.SigType == packet.SigTypeText
	}
	return text, nil
}

// anySignatures reads the signatures of a detached signature or of a clear-signed text.
func anySignatures(signature []byte) ([]rawSignature, error) {
	if _, kind := armorStart(signature); kind != blockClear || plausible(signature) {
		sigs, _, err := readSignatures(bytes.NewReader(signature), false)
		return sigs, err
	}
	_, frame, _, err := cutFrame(bytes.TrimPrefix(signature, []byte(bom)))
	if err != nil {
		return nil, err
	}
	return signaturesOf(frame)
}

// Detach takes a signed message or a clear-signed text of at most maxText bytes apart: the
// content goes to dst, and the signatures are returned, binary, as [Verify] takes them.
// Nothing is checked but the form, and what went to dst before an error is to be thrown
// away. Errors are [ErrFormat], also when there is no signature, [ErrDamaged], [ErrTooLarge],
// [ErrRefused], and those of src and dst.
func Detach(dst io.Writer, src io.Reader, maxText int) ([]byte, error) {
	s := newSource(src)
	kind, br, b, err := dearmor(s)
	if err != nil {
		return nil, err
	}
	var sigs []*packet.OpaquePacket
	switch {
	case kind == blockClear:
		sigs, err = detachText(dst, br, maxText)
	case kind != "" && kind != blockMessage || kind == "" && !plausibleStart(br):
		return nil, fail(ErrFormat, "a signed message was expected, this is %s", kindName(kind))
	default:
		if sigs, err = detachMessage(dst, br); err == nil && b != nil {
			if _, err = io.Copy(io.Discard, br); err == nil && b.done != io.EOF {
				err = errArmor
			}
		}
	}
	var failed *writeError
	switch {
	case s.failed() != nil:
		return nil, s.failed()
	case errors.As(err, &failed):
		return nil, failed.err
	case err != nil:
		return nil, damaged(err, "the signed message is cut short or malformed")
	case len(sigs) == 0:
		return nil, fail(ErrFormat, "there is no signature in it")
	}
	var raw bytes.Buffer
	for _, p := range sigs {
		if err := p.Serialize(&raw); err != nil {
			return nil, fmt.Errorf("detach signatures: %w", err)
		}
	}
	return raw.Bytes(), nil
}

// detachText reads a clear-signed text.
func detachText(dst io.Writer, br *bufio.Reader, maxText int) ([]*packet.OpaquePacket, error) {
	input, err := io.ReadAll(io.LimitReader(br, int64(maxText)+1))
	if err != nil {
		return nil, err
	}
	if len(input) > maxText {
		return nil, fail(ErrTooLarge, "the signed text has more than %d bytes", maxText)
	}
	_, frame, _, err := cutFrame(input)
	if err != nil {
		return nil, err
	}
	b, rest := clearsign.Decode(frame)
	if b == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fail(ErrDamaged, "the signed text is malformed or cut short")
	}
	raw, err := signaturesOf(frame)
	if err != nil {
		return nil, err
	}
	var sigs []*packet.OpaquePacket
	for _, s := range raw {
		sigs = append(sigs, s.opaque)
	}
	_, err = contentTo{dst}.Write(b.Plaintext)
	return sigs, err
}

// detachMessage reads the packets of a signed message, compressed or not.
func detachMessage(dst io.Writer, outer *bufio.Reader) ([]*packet.OpaquePacket, error) {
	var src io.Reader = outer
	for layers := 0; ; layers++ {
		g := newGuard(src)
		br := bufio.NewReaderSize(g, 4<<10)
		tag, err := nextTag(br)
		if err != nil {
			return nil, err
		}
		if tag != tagCompressed {
			g.innermost = true
			if err := g.recheck(); err != nil {
				return nil, err
			}
			return detachPackets(dst, br)
		}
		if layers == maxLayers {
			return nil, fail(ErrRefused, "its content is compressed more than %d times", maxLayers)
		}
		parsed, err := packet.Read(br)
		c, ok := parsed.(*packet.Compressed)
		if err != nil || !ok {
			return nil, errors.Join(errors.New("compressed content"), err)
		}
		src = &unpacker{src: c.Body, packed: g, limit: MaxUnpacked}
	}
}

func detachPackets(dst io.Writer, br *bufio.Reader) (sigs []*packet.OpaquePacket, err error) {
	var content bool
	for {
		tag, err := nextTag(br)
		if err != nil {
			if _, end := br.Peek(1); end == io.EOF && content {
				return sigs, nil
			}
			return nil, err
		}
		switch tag {
		case tagOnePass, tagSignature:
			h, _, err := readHeader(br)
			if err != nil {
				return nil, err
			}
			p, err := opaque(h, &body{src: br, h: h}, maxSmall)
			if err != nil {
				return nil, err
			}
			if tag == tagSignature {
				sigs = append(sigs, p)
			}
		case tagLiteral:
			parsed, err := packet.Read(br)
			lit, ok := parsed.(*packet.LiteralData)
			if err != nil || !ok || content {
				return nil, errors.Join(errors.New("literal content"), err)
			}
			content = true
			if _, err := io.Copy(contentTo{dst}, lit.Body); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("a packet of type %d", tag)
		}
	}
}

// contentTo marks the errors of what content is written to.
type contentTo struct{ dst io.Writer }

func (c contentTo) Write(p []byte) (int, error) {
	n, err := c.dst.Write(p)
	if err != nil {
		err = &writeError{err}
	}
	return n, err
}

type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }
