package pgp

import (
	"fmt"
	"io"
	"time"
)

// OpenOptions say what a message is opened with, and bound what is done for it. The zero
// value has the limits of the constants.
type OpenOptions struct {
	Keys        []*Key     `json:"-"` // tried in order, unlocked ones first
	Passphrases []string   `json:"-"` // tried on the message, and on locked keys it is encrypted to
	SessionKey  SessionKey `json:"-"` // when set, it alone is used

	Verify []*Certificate // whose signatures are checked

	MaxUnpacked int64 // bytes compressed content may unpack to; 0 is [MaxUnpacked]
	Unprotected bool  // also open messages without integrity protection: whoever sees them can change them
	Now         func() time.Time
	Acquire     Acquire
}

// Format implements [fmt.Formatter].
func (OpenOptions) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// A Message is an opened message. Its content is read from it, and what kind of trust a part of it
// deserves before io.EOF depends on Chunked. Any other error at the end, which is
// [ErrDamaged] unless the source failed or a limit was met, means: throw away what was read
// unless Chunked, and then it is only a beginning.
type Message struct {
	src *plain

	// Chunked tells that every byte is authenticated as it comes (SEIPDv2, or GnuPG's OCB
	// packets). When false, nothing is before io.EOF: an attacker may have changed it.
	Chunked     bool
	Unprotected bool // there is no integrity protection at all, not even at the end
	Encrypted   bool // false for a message that was only signed or packed
	Armored     bool

	Cipher string // AES-256, ...
	AEAD   string // OCB, ...; "" for MDC

	KeyIndex        int    // which of Keys fitted, -1 for none
	PassphraseIndex int    // which of Passphrases fitted the message, -1 for none
	Fingerprint     string // of the key or subkey that fitted

	SessionKey SessionKey `json:"-"` // opens the same message again; a secret

	Name string    // of a file, as its sender wrote it: see [Display]. Not signed.
	Time time.Time // of a file, zero when not given. Not signed.
	Text bool      // the sender says that it is text
}

// Format implements [fmt.Formatter], so that the session key is not printed.
func (*Message) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// Read returns content. At io.EOF everything was checked, signatures excepted: see [Message.Signatures].
func (m *Message) Read(p []byte) (int, error) { return m.src.Read(p) }

// Signatures returns the verdicts after io.EOF was read, none if the message has no
// signature. Before that, and after another error, it returns nil.
func (m *Message) Signatures() []Signature { return m.src.verdicts }

// Open finds what opens a message, armored or not, and returns its content as it is read.
// All that costs is bounded before it is done: packets, sizes, hashes, attempts. Errors are
// [*NoKeyError], [ErrFormat], [ErrNotEncrypted], [ErrUnprotected], [ErrRefused],
// [ErrDamaged], [ErrTooLarge], and those of src and of o.Acquire. No error's text holds
// anything of the content.
func Open(src io.Reader, o OpenOptions) (*Message, error) {
	s := newSource(src)
	m, err := open(s, o)
	switch {
	case err != nil && s.failed() != nil:
		return nil, s.failed()
	case err != nil:
		return nil, unwrapAcquire(err)
	}
	return m, nil
}

func open(src *source, o OpenOptions) (*Message, error) {
	kind, br, _, err := dearmor(src)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "", blockMessage:
	default:
		return nil, fail(ErrFormat, "an encrypted message was expected, this is %s", kindName(kind))
	}
	p, err := readPrelude(br, o.Unprotected)
	if err != nil {
		return nil, damaged(err, "it is cut short or malformed")
	}
	m := &Message{Encrypted: true, Armored: kind != "", KeyIndex: -1, PassphraseIndex: -1}
	f := &finder{p: p, o: o, m: m, hashes: newHasher(o.Acquire)}
	content, err := f.find()
	if err != nil {
		return nil, err
	}
	m.Chunked = p.chunked()
	m.Unprotected = p.tag == tagSED
	if p.seipd != nil && p.seipd.Version == 2 {
		m.AEAD, m.Cipher = aeadName(byte(p.seipd.Mode)), cipherName(byte(p.seipd.Cipher))
	} else {
		m.AEAD, m.Cipher = p.aeadMode, cipherName(m.SessionKey.cipher)
	}
	pl := &plain{
		sealed: content, src: src, outer: br, certs: o.Verify, now: clock(o.Now), recipient: f.recipient,
		limit: unpackLimit(o.MaxUnpacked),
	}
	if err := pl.start(content); err != nil {
		return nil, err
	}
	m.fill(pl)
	return m, nil
}

func kindName(kind string) string {
	switch kind {
	case blockPublic:
		return "a public key"
	case blockPrivate:
		return "a private key"
	case blockSignature:
		return "a signature"
	case blockClear:
		return "a signed text"
	}
	return "a message"
}

// fill takes over what the literal packet says.
func (m *Message) fill(pl *plain) {
	m.src = pl
	lit := pl.md.LiteralData
	m.Name, m.Text = lit.FileName, lit.Format == 't' || lit.Format == 'u'
	if lit.Time != 0 {
		m.Time = time.Unix(int64(lit.Time), 0).UTC()
	}
}

// OpenSigned opens a message that is signed, or only packed, but not encrypted. Nothing of
// it is authenticated before io.EOF and a good signature. o's keys and passphrases are not
// used. Errors are as of [Open]; for an encrypted message [ErrFormat].
func OpenSigned(src io.Reader, o OpenOptions) (*Message, error) {
	s := newSource(src)
	m, err := openSigned(s, o)
	if err != nil && s.failed() != nil {
		return nil, s.failed()
	}
	return m, err
}

func openSigned(src *source, o OpenOptions) (*Message, error) {
	kind, br, _, err := dearmor(src)
	if err != nil {
		return nil, err
	}
	if kind != "" && kind != blockMessage || kind == "" && !plausibleStart(br) {
		return nil, fail(ErrFormat, "a signed message was expected, this is %s", kindName(kind))
	}
	pl := &plain{src: src, certs: o.Verify, now: clock(o.Now), limit: unpackLimit(o.MaxUnpacked)}
	if err := pl.start(br); err != nil {
		return nil, err
	}
	m := &Message{Armored: kind != "", KeyIndex: -1, PassphraseIndex: -1}
	m.fill(pl)
	return m, nil
}
