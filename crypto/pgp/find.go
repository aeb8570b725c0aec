package pgp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// A finder tries keys and passphrases on a message. go-crypto's own ReadMessage would hash
// without asking, and would not tell which key fitted or that a passphrase was wrong.
type finder struct {
	p        *prelude
	o        OpenOptions
	m        *Message
	hashes   *hasher
	attempts int
	entities map[int]*openpgp.Entity
	failed   map[string]bool // locked keys that no passphrase unlocks, by fingerprint

	noKey     NoKeyError
	refused   error             // why a passphrase packet was not tried
	recipient *packet.PublicKey // the primary key that it was opened with
}

// find returns the decrypted content, at whose end Close has to be called.
func (f *finder) find() (*sealed, error) {
	if !f.o.SessionKey.IsZero() {
		return f.bySession(f.o.SessionKey)
	}
	for _, p := range f.o.Passphrases {
		if err := checkPassphrase(p); err != nil {
			return nil, err
		}
	}
	f.noKey = NoKeyError{Passphrase: len(f.p.skesk) > 0, Tried: len(f.o.Keys), TriedPassphrase: len(f.o.Passphrases) > 0}
	f.failed = make(map[string]bool)
	for _, p := range f.p.pkesk {
		f.noKey.Recipients = append(f.noKey.Recipients, recipientName(p))
	}
	for _, locked := range []bool{false, true} {
		for _, p := range f.p.pkesk {
			s, err := f.byKey(p, locked)
			if s != nil || err != nil {
				return s, err
			}
		}
	}
	for _, sk := range f.p.skesk {
		s, err := f.byPassphrase(sk)
		if s != nil || err != nil {
			return s, err
		}
	}
	if f.refused != nil {
		return nil, f.refused
	}
	return nil, &f.noKey
}

func recipientName(p *packet.EncryptedKey) string {
	switch {
	case p == nil:
		return "unknown"
	case p.KeyId == 0:
		return "anonymous"
	}
	return keyID(p.KeyId)
}

// bySession opens with a session key found before. A wrong one shows as damage.
func (f *finder) bySession(k SessionKey) (*sealed, error) {
	if f.p.seipd != nil && f.p.seipd.Version == 2 && byte(f.p.seipd.Cipher) != k.cipher {
		return nil, fail(ErrDamaged, "the session key is for another cipher than its content")
	}
	return f.unseal(k)
}

// byKey tries the private keys on one packet.
func (f *finder) byKey(p *packet.EncryptedKey, locked bool) (*sealed, error) {
	// Version 6 packets go with SEIPDv2, version 3 with all else; anything other is an
	// attempt to weaken a message (RFC 9580 section 10.3.2.1).
	if p == nil || (p.Version == 6) != (f.p.seipd != nil && f.p.seipd.Version == 2) {
		return nil, nil
	}
	for _, c := range f.candidates(p) {
		if c.pk.Encrypted != locked {
			continue
		}
		if f.attempts++; f.attempts > MaxAttempts {
			return nil, fail(ErrRefused, "too many keys for its recipients, give the one key that fits (at most %d combinations are tried)", MaxAttempts)
		}
		if locked {
			ok, err := f.unlock(c.pk)
			if err != nil {
				return nil, err
			}
			if !ok {
				f.noKey.Locked = true
				continue
			}
		}
		// A packet that was changed fails here like one for another key.
		if err := p.Decrypt(c.pk, config(nil)); err != nil {
			continue
		}
		k := SessionKey{cipher: byte(p.CipherFunc), key: string(p.Key)}
		if p.Version == 6 {
			k.cipher = byte(f.p.seipd.Cipher)
		}
		if packet.CipherFunction(k.cipher).KeySize() != len(k.key) {
			continue
		}
		f.m.KeyIndex, f.m.Fingerprint, f.recipient = c.index, fingerprint(&c.pk.PublicKey), c.primary
		return f.unseal(k)
	}
	return nil, nil
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
		if k == nil || p.KeyId != 0 && !k.holds(p.KeyId) {
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

// unlock tries the passphrases on a locked key.
func (f *finder) unlock(pk *packet.PrivateKey) (bool, error) {
	if f.failed[fingerprint(&pk.PublicKey)] {
		return false, nil
	}
	for _, pass := range f.o.Passphrases {
		err := unlock(pk, pass, f.hashes)
		switch {
		case err == nil:
			return true, nil
		case !errors.Is(err, ErrWrongPassphrase):
			return false, err
		}
	}
	f.failed[fingerprint(&pk.PublicKey)] = true
	return false, nil
}

// byPassphrase tries the passphrases on one packet. Version 6 packets tell a wrong
// passphrase from damage. With version 4 a wrong one gives a random session key, which
// shows in the beginning of what it decrypts to, or else, once in some thousand times, as
// damage; and damage to that beginning looks like a wrong passphrase.
func (f *finder) byPassphrase(sk passphrasePacket) (*sealed, error) {
	v2 := f.p.seipd != nil && f.p.seipd.Version == 2
	if sk.p == nil || (sk.p.Version == 6) != v2 || sk.p.Version != 4 && sk.bare {
		return nil, nil
	}
	if err := sk.s2k.check(); err != nil && len(f.o.Passphrases) > 0 {
		f.refused = err // another packet may be cheaper
		return nil, nil
	}
	for i, pass := range f.o.Passphrases {
		var key []byte
		var cipher packet.CipherFunction
		err := f.hashes.run(sk.s2k, func() error {
			var err error
			if key, cipher, err = sk.p.Decrypt([]byte(pass)); err != nil {
				key = nil
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if key == nil {
			continue
		}
		k := SessionKey{cipher: byte(cipher), key: string(key)}
		if v2 {
			k.cipher = byte(f.p.seipd.Cipher)
		}
		if packet.CipherFunction(k.cipher).KeySize() != len(key) || !v2 && !f.opens(k) {
			continue
		}
		f.m.PassphraseIndex = i
		return f.unseal(k)
	}
	return nil, nil
}

// trial is how much ciphertext a session key is tried on, in bytes.
const trial = 256

// opens tells whether content decrypts to the beginning of a message with a key. It looks
// at a copy of the content's beginning.
func (f *finder) opens(k SessionKey) bool {
	if f.p.seipd == nil {
		return true // GnuPG's OCB packets authenticate
	}
	br, ok := f.p.seipd.Contents.(*bufio.Reader)
	if !ok {
		br = bufio.NewReaderSize(f.p.seipd.Contents, trial)
		f.p.seipd.Contents = br
	}
	head, _ := br.Peek(trial)
	se := &packet.SymmetricallyEncrypted{Version: f.p.seipd.Version, IntegrityProtected: f.p.seipd.IntegrityProtected, Contents: bytes.NewReader(head)}
	r, err := se.Decrypt(packet.CipherFunction(k.cipher), []byte(k.key))
	if err != nil {
		return false
	}
	begin := make([]byte, 2*trial)
	n, _ := io.ReadFull(r, begin)
	return begins(begin[:n])
}

// unseal begins to decrypt with a session key.
func (f *finder) unseal(k SessionKey) (*sealed, error) {
	r, err := f.p.data.Decrypt(packet.CipherFunction(k.cipher), []byte(k.key))
	if err != nil {
		return nil, damaged(err, "its content cannot be decrypted")
	}
	f.m.SessionKey = k
	return &sealed{r: r, chunked: f.p.chunked()}, nil
}

// sealed is decrypted content. Its first error stays, so that nothing after it is read:
// go-crypto's readers go on after a chunk that does not authenticate.
type sealed struct {
	r       io.ReadCloser
	chunked bool // every byte is authenticated as it comes
	err     error
}

func (s *sealed) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		n = 0
	}
	s.err = err
	return n, err
}

// finish reads the rest, which must be empty or padding, and checks the tag or MDC at the end.
func (s *sealed) finish() error {
	if s.err != nil && s.err != io.EOF {
		return s.err
	}
	if s.err == nil {
		if n, err := io.Copy(io.Discard, s); err != nil || n > 0 {
			return errors.Join(errors.New("content goes on"), err)
		}
	}
	return s.r.Close()
}
