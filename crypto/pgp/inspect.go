package pgp

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const maxListed = 100

// Inspect reads an input to its end, tells what it is and opens nothing. Memory does not
// depend on its size. The error is [ErrFormat] for what is no OpenPGP, or that of src;
// what is damaged is described as far as it goes, see [Info.Whole].
func Inspect(src io.Reader) (Info, error) {
	s := newSource(src)
	kind, br, b, err := dearmor(s)
	if s.failed() != nil {
		return Info{}, s.failed()
	}
	i := &inspector{info: Info{Plaintext: -1, Armored: kind != ""}}
	switch {
	case err != nil: // armor that breaks in its first lines
		return Info{}, err
	case kind == "" && !plausibleStart(br):
		return Info{}, fail(ErrFormat, "this is no OpenPGP")
	case kind == blockClear:
		i.clear(br)
	default:
		i.armor(br, b)
	}
	_, _ = io.Copy(io.Discard, s)
	if s.failed() != nil {
		return Info{}, s.failed()
	}
	i.info.Size = s.n
	i.info.Whole = i.info.Problem == ""
	return i.info, nil
}

type inspector struct{ info Info }

func (i *inspector) problem(text string) {
	if i.info.Problem == "" {
		i.info.Problem = text
	}
}

// armor looks at packets, within armor or not.
func (i *inspector) armor(br *bufio.Reader, b *block) {
	if b == nil {
		i.packets(br)
		return
	}
	i.info.Quoted = b.lines.quoted
	// The checksum is what go-crypto would write under the same bytes.
	tail := &tailWriter{}
	again, err := armor.Encode(tail, "", nil)
	if err == nil {
		i.packets(bufio.NewReaderSize(io.TeeReader(br, again), 4<<10))
		err = again.Close()
	}
	if b.done != io.EOF {
		i.problem("its armor (the text between BEGIN and END) is incomplete or was changed")
	}
	switch lines := strings.Split(string(tail.last), "\n"); {
	case b.lines.crc == "":
		i.info.Checksum = "none"
	case err == nil && len(lines) > 1 && lines[len(lines)-2] == b.lines.crc:
		i.info.Checksum = "ok"
	default:
		i.info.Checksum = "wrong"
	}
}

// tailWriter keeps the end of what is written.
type tailWriter struct{ last []byte }

func (t *tailWriter) Write(p []byte) (int, error) {
	t.last = append(t.last, p...)
	if len(t.last) > 256 {
		t.last = append([]byte(nil), t.last[len(t.last)-128:]...)
	}
	return len(p), nil
}

// packets walks over all packets.
func (i *inspector) packets(br *bufio.Reader) {
	first := true
	for {
		h, _, err := readHeader(br)
		if err == io.EOF && !first {
			break
		}
		if err != nil {
			i.problem("a packet's header is malformed or cut short")
			break
		}
		b := &body{src: br, h: h}
		if !i.packet(h, b, first) {
			break
		}
		first = false
	}
	i.settle()
}

// packet looks at one packet and reads it to its end.
func (i *inspector) packet(h header, b *body, first bool) bool {
	head := make([]byte, 64)
	n, err := io.ReadFull(b, head)
	head = head[:n]
	small := h.tag != tagLiteral && h.tag != tagCompressed && h.tag != tagSED && h.tag != tagSEIPD && h.tag != tagAEAD
	if small && err == nil && b.h.length <= maxSmall {
		var rest []byte
		if rest, err = io.ReadAll(io.LimitReader(b, maxSmall)); err == nil {
			head = append(head, rest...)
		}
	}
	if err == nil {
		_, err = io.Copy(io.Discard, b)
	}
	if err == io.EOF {
		err = nil
	}
	if err == io.ErrUnexpectedEOF && len(head) < 64 && b.h.length == 0 && !b.h.partial {
		err = nil // a short packet
	}
	i.describe(h, head, b.n, first)
	if err != nil {
		i.problem("it is cut short, or its armor was changed")
		return false
	}
	return true
}

func (i *inspector) describe(h header, head []byte, size int64, first bool) {
	p := PacketInfo{Type: int(h.tag), Length: size}
	at := func(n int) byte {
		if n < len(head) {
			return head[n]
		}
		return 0
	}
	switch h.tag {
	case tagLiteral, tagCompressed, tagSED, tagUserID, tagMarker, tagPadding, tagTrust:
	default:
		p.Version = int(at(0))
	}
	if len(i.info.Packets) < maxListed {
		i.info.Packets = append(i.info.Packets, p)
	}
	parsed, err := (&packet.OpaquePacket{Tag: h.tag, Contents: head}).Parse()
	if h.tag == tagSecretKey || h.tag == tagPublicKey {
		var pk *packet.PublicKey
		if pk, err = publicPart(&packet.OpaquePacket{Tag: h.tag, Contents: head}); err == nil {
			parsed = pk
		}
	}
	i.kind(h.tag, first)
	switch h.tag {
	case tagPKESK:
		i.recipient(parsed, err, head)
	case tagSKESK:
		i.passphrase(head)
	case tagSEIPD:
		i.info.Protection = "SEIPDv1"
		if at(0) == 2 {
			i.info.Protection, i.info.Cipher, i.info.AEAD = "SEIPDv2", cipherName(at(1)), aeadName(at(2))
			i.info.ChunkSize = 1 << (min(at(3), 56) + 6)
		}
	case tagAEAD:
		i.info.Protection, i.info.Cipher, i.info.AEAD = "AEAD", cipherName(at(1)), aeadName(at(2))
		i.info.ChunkSize = 1 << (min(at(3), 56) + 6)
	case tagSED:
		i.info.Protection = "none"
	case tagCompressed:
		i.info.Compressed = true
	case tagLiteral:
		i.info.Plaintext = max(0, size-int64(6+int(at(1))))
	case tagSignature, tagOnePass:
		i.signature(parsed, err, h.tag, head)
	case tagSecretKey, tagPublicKey:
		i.info.KeyCount++
		if pk, ok := parsed.(*packet.PublicKey); ok && err == nil && len(i.info.Keys) < maxListed {
			i.info.Keys = append(i.info.Keys, PublicKeyInfo{
				Version: pk.Version, Fingerprint: fingerprint(pk), Algorithm: algorithmName(pk),
				Created: pk.CreationTime.UTC(), Private: h.tag == tagSecretKey,
			})
		}
	}
}

// kind notes what the packets amount to.
func (i *inspector) kind(tag byte, first bool) {
	switch tag {
	case tagPKESK, tagSKESK, tagSED, tagSEIPD, tagAEAD:
		i.info.Kind = KindMessage
	case tagSecretKey, tagPublicKey:
		if first {
			i.info.Kind = KindPublicKey
		}
		if tag == tagSecretKey && (first || i.info.Kind == KindPublicKey) {
			i.info.Kind = KindPrivateKey
		}
	case tagOnePass:
		i.info.Kind = KindSigned
	case tagSignature:
		if first {
			i.info.Kind = KindSignature
		}
	case tagLiteral, tagCompressed:
		switch {
		case first:
			i.info.Kind = KindPlain
		case i.info.Kind == KindSignature:
			i.info.Kind = KindSigned
		}
	}
}

// settle says what is missing at the end.
func (i *inspector) settle() {
	if i.info.Kind == "" {
		i.info.Kind = KindPlain
	}
	switch {
	case i.info.Kind == KindMessage && i.info.Protection == "":
		i.problem("its encrypted content is missing")
	case i.info.Kind == KindSigned && i.info.Plaintext < 0 && !i.info.Compressed:
		i.problem("the signed content is missing")
	}
}

func (i *inspector) recipient(parsed packet.Packet, err error, head []byte) {
	r := RecipientInfo{}
	if len(head) > 0 {
		r.Version = int(head[0])
	}
	if p, ok := parsed.(*packet.EncryptedKey); ok && err == nil {
		r.KeyID, r.Algorithm, r.Fingerprint = keyID(p.KeyId), pubKeyAlgoName(byte(p.Algo)), upperHex(p.KeyFingerprint)
	}
	if len(i.info.Recipients) < maxListed {
		i.info.Recipients = append(i.info.Recipients, r)
	}
}

func (i *inspector) passphrase(head []byte) {
	if len(head) < 4 || len(i.info.Passphrases) == maxListed {
		return
	}
	p := PassphraseInfo{Version: int(head[0]), Cipher: cipherName(head[1])}
	if head[0] == 6 {
		p.Cipher = cipherName(head[2])
	}
	cost, _, err := skeskS2K(head)
	if err != nil {
		i.problem("how its passphrase is hashed is malformed or not known")
		return
	}
	p.S2K, p.TooMuch = cost, cost.check() != nil
	i.info.Passphrases = append(i.info.Passphrases, p)
}

func (i *inspector) signature(parsed packet.Packet, err error, tag byte, head []byte) {
	// In a signed message the signatures themselves follow their announcements.
	if len(i.info.Signatures) == maxListed || i.info.KeyCount > 0 || tag == tagSignature && i.info.Plaintext >= 0 && i.announced() {
		return
	}
	s := SignatureInfo{}
	if len(head) > 0 {
		s.Version = int(head[0])
	}
	switch p := parsed.(type) {
	case *packet.Signature:
		if err == nil {
			s.Algorithm, s.Time = pubKeyAlgoName(byte(p.PubKeyAlgo)), p.CreationTime.UTC()
			if id, ok := hashID(p.Hash); ok {
				s.Hash = hashName(id)
			}
			if p.IssuerKeyId != nil {
				s.KeyID = keyID(*p.IssuerKeyId)
			}
		}
	case *packet.OnePassSignature:
		if err == nil {
			s.Algorithm, s.KeyID = pubKeyAlgoName(byte(p.PubKeyAlgo)), keyID(p.KeyId)
			if id, ok := hashID(p.Hash); ok {
				s.Hash = hashName(id)
			}
		}
	}
	i.info.Signatures = append(i.info.Signatures, s)
}

func (i *inspector) announced() bool {
	for _, p := range i.info.Packets {
		if p.Type == tagOnePass {
			return true
		}
	}
	return false
}

// clear looks at a clear-signed text.
func (i *inspector) clear(br *bufio.Reader) {
	i.info.Kind = KindClear
	const limit = MaxText + MaxText/2
	input, err := io.ReadAll(io.LimitReader(br, limit+1))
	if err != nil {
		return // reported by the source
	}
	if len(input) > limit {
		i.problem("the text is too long to be checked")
		return
	}
	_, frame, _, err := cutFrame(bytes.TrimPrefix(input, []byte(bom)))
	if err == nil {
		var sigs []rawSignature
		if sigs, err = signaturesOf(frame); err == nil {
			for _, s := range sigs {
				var p packet.Packet = s.opaque
				if s.sig != nil {
					p = s.sig
				}
				i.signature(p, nil, tagSignature, s.opaque.Contents)
			}
		}
	}
	if err != nil {
		i.problem("the signed text is cut short, quoted or malformed")
	}
}
