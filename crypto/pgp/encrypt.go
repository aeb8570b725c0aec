package pgp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// EncryptOptions say for whom and how to encrypt: to certificates, passphrases or both.
type EncryptOptions struct {
	To          []*Certificate
	Passphrases []string `json:"-"` // GnuPG 2.2 tries only the first of several
	Sign        []*Key   `json:"-"` // unlocked; their signatures are encrypted too

	Armor bool
	Text  bool // says that the content is text; signatures then do not depend on line ends
	// Modern makes a message for passphrases alone as RFC 9580 prefers it: Argon2 over
	// 64 MiB and chunked AEAD. GnuPG does not open it. With certificates it has no effect:
	// what all of them take is used.
	Modern bool

	Name    string    // of a file, at most 255 bytes; it is encrypted but never signed
	ModTime time.Time // of a file

	Now     func() time.Time
	Acquire Acquire
	// Count is the bytes a passphrase's iterated hash goes through: 0 is 65,011,712, the
	// most the format knows, about 0.1 s. Less is for tests.
	Count int
}

// Format implements [fmt.Formatter].
func (EncryptOptions) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// Check tells whether [Encrypt] would take the certificates and keys, before there is
// any content. Errors are [ErrNoRecipient], [ErrRefused] for too many, [ErrPassphrase], [*KeyError], [ErrLocked].
func (o EncryptOptions) Check() error {
	now := clock(o.Now)()
	switch {
	case len(o.To)+len(o.Passphrases) == 0:
		return ErrNoRecipient
	case len(o.To) > MaxRecipients:
		return fail(ErrRefused, "more than %d recipients", MaxRecipients)
	case len(o.Passphrases) > MaxPassphrasePackets:
		return fail(ErrRefused, "more than %d passphrases", MaxPassphrasePackets)
	case len(o.Name) > 255:
		return errors.New("encrypt message: the name is longer than 255 bytes")
	}
	for _, p := range o.Passphrases {
		if err := checkPassphrase(p); err != nil {
			return err
		}
	}
	for _, c := range o.To {
		if err := c.CheckEncrypt(now); err != nil {
			return err
		}
	}
	return checkSigners(o.Sign, now)
}

func checkSigners(keys []*Key, now time.Time) error {
	if len(keys) > MaxSignatures {
		return fail(ErrRefused, "more than %d signatures", MaxSignatures)
	}
	for _, k := range keys {
		if err := k.CheckSign(now); err != nil {
			return err
		}
	}
	return nil
}

// A Writer takes content in; Close completes what it writes and does not close what it
// writes to. Without Close, or after an error, what was written must be thrown away.
type Writer struct {
	in      io.WriteCloser // content goes in here
	armor   io.WriteCloser // nil for binary
	dst     *sticky
	session SessionKey
	err     error
	closed  bool
}

// Format implements [fmt.Formatter], so that the session key is not printed.
func (*Writer) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

var errClosed = errors.New("write message: it is closed")

// Write takes content in.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.closed {
		return 0, errClosed
	}
	n, err := w.in.Write(p)
	w.err = err
	if w.err == nil {
		w.err = w.dst.err
	}
	return n, w.err
}

// Close completes the message. A second Close does nothing.
func (w *Writer) Close() error {
	if w.closed {
		return w.err
	}
	w.closed = true
	if w.err == nil {
		w.err = w.in.Close()
	}
	if w.err == nil && w.armor != nil {
		w.err = w.armor.Close()
	}
	if w.err == nil {
		w.err = w.dst.err
	}
	return w.err
}

// SessionKey returns the key the content is encrypted with: a secret.
func (w *Writer) SessionKey() SessionKey { return w.session }

// newWriter begins the armor, if any.
func newWriter(dst io.Writer, armored bool, kind string, modern bool) (*Writer, io.Writer, error) {
	w := &Writer{dst: &sticky{dst: dst}}
	if !armored {
		return w, w.dst, nil
	}
	var err error
	if w.armor, err = armorWriter(w.dst, kind, modern); err != nil {
		return nil, nil, err
	}
	return w, w.armor, nil
}

// Encrypt writes an encrypted message to dst as content is written to the Writer it returns.
// What all certificates take is used: chunked AEAD (SEIPDv2) if every one of them says so,
// else AES with MDC. Passphrases alone make AES-256 with MDC and an iterated hash, which every
// GnuPG opens, unless o.Modern. Hashing passphrases and all refusals happen before it
// returns. Errors are those of [EncryptOptions.Check], of dst and of o.Acquire.
func Encrypt(dst io.Writer, o EncryptOptions) (*Writer, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	now := clock(o.Now)().Truncate(time.Second) // one time for all checks and signatures
	cfg := config(func() time.Time { return now })
	cfg.CheckIntendedRecipients = nil // name whom signatures are for
	to := make(openpgp.EntityList, len(o.To))
	for i, c := range o.To {
		to[i] = c.entity()
	}
	cost := S2K{Kind: "iterated"}
	cfg.S2KConfig = &s2k.Config{S2KMode: s2k.IteratedSaltedS2K, S2KCount: LockOptions{Count: o.Count}.count()}
	if len(to) == 0 && o.Modern {
		cfg.S2KConfig, cfg.AEADConfig = argon2Config(), &packet.AEADConfig{}
		cost = S2K{Kind: "argon2", Memory: newArgon2Memory, Passes: newArgon2Passes}
	}
	// go-crypto writes a passphrase packet for its configured cipher with whatever session
	// key there is: both have to be the one that the recipients take.
	var aead bool
	cfg.DefaultCipher, aead = negotiate(to, now)
	session := make([]byte, cfg.DefaultCipher.KeySize())
	rand.Read(session)

	w, out, err := newWriter(dst, o.Armor, blockMessage, aead || cfg.AEADConfig != nil)
	if err != nil {
		return nil, err
	}
	w.session = SessionKey{cipher: byte(cfg.DefaultCipher), key: string(session)}
	params := &openpgp.EncryptParams{
		SessionKey: session, TextSig: o.Text, Config: cfg, Signers: entities(o.Sign),
		Hints: &openpgp.FileHints{IsUTF8: o.Text, FileName: o.Name, ModTime: o.ModTime},
	}
	start := func() error {
		var err error
		if len(to) > 0 {
			params.Passwords = passwords(o.Passphrases)
			w.in, err = openpgp.EncryptWithParams(out, to, nil, params)
		} else {
			params.Passwords = passwords(o.Passphrases[1:])
			w.in, err = openpgp.SymmetricallyEncryptWithParams([]byte(o.Passphrases[0]), out, params)
		}
		return err
	}
	if len(o.Passphrases) > 0 {
		err = newHasher(o.Acquire).run(cost, start)
	} else {
		err = start()
	}
	switch {
	case w.dst.err != nil:
		return nil, w.dst.err
	case err != nil:
		return nil, fmt.Errorf("encrypt message: %w", unwrapAcquire(err))
	}
	return w, nil
}

func entities(keys []*Key) []*openpgp.Entity {
	var all []*openpgp.Entity
	for _, k := range keys {
		all = append(all, k.entity())
	}
	return all
}

func passwords(all []string) [][]byte {
	var out [][]byte
	for _, p := range all {
		out = append(out, []byte(p))
	}
	return out
}

// negotiate returns the cipher that go-crypto will choose: AES-256 if every recipient lists
// it, for chunked AEAD together with one same mode, else AES-128. aead tells whether all
// recipients take chunked AEAD.
func negotiate(to openpgp.EntityList, now time.Time) (cipher packet.CipherFunction, aead bool) {
	cfg := config(func() time.Time { return now })
	aead = len(to) > 0
	var selfs []*packet.Signature
	for _, e := range to {
		self, err := e.PrimarySelfSignature(now, cfg)
		if err != nil {
			return packet.CipherAES128, false // refused later
		}
		aead = aead && self.SEIPDv2
		selfs = append(selfs, self)
	}
	all := func(takes func(*packet.Signature) bool) bool {
		return !slices.ContainsFunc(selfs, func(s *packet.Signature) bool { return !takes(s) })
	}
	if !aead {
		if all(func(s *packet.Signature) bool {
			return bytes.IndexByte(s.PreferredSymmetric, byte(packet.CipherAES256)) >= 0
		}) {
			return packet.CipherAES256, aead
		}
		return packet.CipherAES128, aead
	}
	for _, mode := range []packet.AEADMode{packet.AEADModeGCM, packet.AEADModeEAX, packet.AEADModeOCB} {
		suite := [2]uint8{byte(packet.CipherAES256), byte(mode)}
		if all(func(s *packet.Signature) bool { return slices.Contains(s.PreferredCipherSuites, suite) }) {
			return packet.CipherAES256, aead
		}
	}
	return packet.CipherAES128, aead
}
