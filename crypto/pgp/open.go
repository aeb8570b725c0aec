package pgp

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
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

// candidate is a secret key that may open a packet.
type candidate struct {
	index   int
	pk      *packet.PrivateKey
	primary *packet.PublicKey
}

// candidates returns the keys that a packet may be for, whether they are still valid or not:
// what was once encrypted stays readable. Only a key that says it is not for encryption is
// left out, lest a signing key be used to decrypt what a stranger made up.
func (f *finder) candidates(p *packet.EncryptedKey) []candidate {
	var all []candidate
	cfg := config(nil)
	for i, k := range f.o.Keys {
		if k == nil {
			continue
		}
		e := f.entity(i)
		add := func(pk *packet.PrivateKey, self *packet.Signature) {
			switch {
			case pk == nil || pk.Dummy() || pk.PubKeyAlgo != p.Algo || p.KeyId != 0 && pk.KeyId != p.KeyId:
			case self != nil && self.FlagsValid && !self.FlagEncryptCommunications && !self.FlagEncryptStorage:
			default:
				all = append(all, candidate{index: i, pk: pk, primary: e.PrimaryKey})
			}
		}
		for n := range e.Subkeys {
			binding, _ := e.Subkeys[n].LatestValidBindingSignature(time.Time{}, cfg)
			add(e.Subkeys[n].PrivateKey, binding)
		}
		self, _ := e.PrimarySelfSignature(time.Time{}, cfg)
		add(e.PrivateKey, self)
	}
	return all
}

// entity parses each key once a call.
func (f *finder) entity(i int) *openpgp.Entity {
	if f.entities == nil {
		f.entities = make(map[int]*openpgp.Entity)
	}
	if f.entities[i] == nil {
		f.entities[i] = f.o.Keys[i].entity()
	}
	return f.entities[i]
}
