package pgp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// maxLayers is how often content may be compressed: programs do it once.
const maxLayers = 4

// plain reads the content of a message that is not, or no longer, encrypted: compressed or
// not, signed or not. go-crypto checks the signatures; what it would not bound (signatures
// by number and size, layers, what content unpacks to) is bounded below it.
type plain struct {
	sealed    *sealed       // nil when it was not encrypted
	src       *source       // that failed or not
	outer     *bufio.Reader // what holds the encrypted packet
	certs     []*Certificate
	now       func() time.Time
	recipient *packet.PublicKey
	limit     int64

	layers   []*bufio.Reader // around compressed content, outermost first
	last     *guard          // of the innermost layer
	watch    []watcher       // all guards and unpackers
	md       *openpgp.MessageDetails
	body     io.Reader
	err      error
	verdicts []Signature
}

// unpackLimit is a limit that is set or the default one.
func unpackLimit(n int64) int64 {
	if n <= 0 {
		return MaxUnpacked
	}
	return n
}

// start reads up to the content.
func (p *plain) start(src io.Reader) error {
	for {
		p.last = newGuard(src)
		p.watch = append(p.watch, p.last)
		br := bufio.NewReaderSize(p.last, 4<<10)
		tag, err := nextTag(br)
		if err != nil {
			return p.explain(unexpected(err))
		}
		if tag != tagCompressed {
			return p.read(br)
		}
		if len(p.layers) == maxLayers {
			return fail(ErrRefused, "its content is compressed more than %d times", maxLayers)
		}
		parsed, err := packet.Read(br)
		c, ok := parsed.(*packet.Compressed)
		if err != nil || !ok {
			return p.explain(errors.Join(errors.New("compressed content"), err))
		}
		p.layers = append(p.layers, br)
		u := &unpacker{src: c.Body, packed: p.last, limit: p.limit}
		p.watch = append(p.watch, u)
		src = u
	}
}

// nextTag skips what stands for nothing and returns the type of the next packet, io.EOF at the end.
func nextTag(br *bufio.Reader) (byte, error) {
	for {
		first, err := br.Peek(6)
		if len(first) == 0 {
			return 0, err
		}
		h, _, err := readHeader(bytes.NewReader(first))
		if err != nil {
			return 0, unexpected(err)
		}
		if h.tag != tagMarker && h.tag != tagPadding {
			return h.tag, nil
		}
		if _, err := packet.Read(br); err != nil {
			return 0, err
		}
	}
}

// read hands the innermost layer to go-crypto.
func (p *plain) read(br *bufio.Reader) error {
	p.last.innermost = true
	if err := p.last.recheck(); err != nil {
		return err
	}
	md, err := openpgp.ReadMessage(br, ring(p.certs), nil, config(p.now))
	if err != nil {
		return p.explain(err)
	}
	p.md, p.body = md, md.UnverifiedBody
	return nil
}

// explain classifies an error. What was decrypted and not authenticated is described no
// further: the difference could tell an attacker about content that he changed.
func (p *plain) explain(err error) error {
	if p.src.failed() != nil {
		return p.src.failed()
	}
	// go-crypto hides what is wrong below it, so that it has to be asked for there.
	for _, w := range p.watch {
		if w.fault() != nil {
			err = w.fault()
		}
	}
	if p.sealed != nil {
		if errors.Is(err, ErrFormat) && !p.sealed.chunked {
			err = errors.New("malformed")
		}
		return damaged(err, "its content was changed or cut short")
	}
	return damaged(err, "it is cut short or malformed")
}

// A watcher knows whether it refused something.
type watcher interface{ fault() error }

func (p *plain) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.body.Read(b)
	if err == io.EOF {
		if err = p.finish(); err == nil {
			p.judge()
			p.err = io.EOF
			return n, io.EOF
		}
	}
	if err != nil {
		p.err = p.explain(err)
		return 0, p.err
	}
	return n, nil
}

// finish checks that nothing follows the content at any layer, then its integrity.
func (p *plain) finish() error {
	for _, br := range slices.Backward(p.layers) {
		if _, err := nextTag(br); err != io.EOF {
			return errors.Join(errors.New("something follows the compressed content"), err)
		}
	}
	if p.sealed != nil {
		if err := p.sealed.finish(); err != nil {
			return err
		}
	}
	if p.src.failed() != nil {
		return p.src.failed()
	}
	return p.rest()
}

// rest checks that a binary message ends where its last packet does, and armor in its last line.
func (p *plain) rest() error {
	if p.outer == nil {
		return nil
	}
	if _, err := nextTag(p.outer); err != io.EOF {
		return errors.Join(errors.New("something follows the encrypted content"), err)
	}
	return nil
}

// judge notes what became of the signatures, in the order in which the message has them.
func (p *plain) judge() {
	now := p.now()
	for _, c := range slices.Backward(p.md.SignatureCandidates) {
		s := verdict(c, now)
		if s.Status == Good && p.misdirected(c.CorrespondingSig) {
			s.Status, s.Reason = Bad, "it was made for other recipients than this one"
		}
		p.verdicts = append(p.verdicts, s)
	}
	p.verdicts = append(p.verdicts, p.last.unknown(len(p.md.SignatureCandidates))...)
}

// misdirected tells whether a signature names the recipients it is meant for (RFC 9580
// section 5.2.3.36) and the one who opened the message is none: somebody passed it on.
func (p *plain) misdirected(sig *packet.Signature) bool {
	if len(sig.IntendedRecipients) == 0 || p.sealed != nil && p.recipient == nil {
		return false // opened with a passphrase or a session key, which nobody in particular has
	}
	return p.recipient == nil || !slices.ContainsFunc(sig.IntendedRecipients, func(r *packet.Recipient) bool {
		return bytes.Equal(r.Fingerprint, p.recipient.Fingerprint)
	})
}

// An unpacker bounds what compressed content unpacks to: the limit, or ten times what was
// packed if that is more, so that a large file that was packed in vain passes.
type unpacker struct {
	src    io.Reader
	packed *guard
	limit  int64
	n      int64
	err    error
}

func (u *unpacker) fault() error { return u.err }

func (u *unpacker) Read(b []byte) (int, error) {
	n, err := u.src.Read(b)
	u.n += int64(n)
	if u.n > u.limit && u.n/unpackRatio > u.packed.n {
		u.err = fail(ErrTooLarge, "its content unpacks to more than %d MiB", u.limit>>20)
		return 0, u.err
	}
	return n, err
}
