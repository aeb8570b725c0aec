package pgp

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// To read a key checks its signatures, which takes 0.3 ms for a small one. Who has a thousand picks those that a message
// may be for, or from, before.

// Recipients reads up to the content of an encrypted message and returns the ids of the keys that it is for, 16 digits
// each. all is true when any key may fit: a recipient is anonymous or of a kind that is not known, or the message can't be
// read so far, of which [Open] says why. No more than [Open] reads before the content is read.
func Recipients(src io.Reader) (ids []string, all bool) {
	kind, br, _, err := dearmor(newSource(src))
	if err != nil || kind != "" && kind != blockMessage {
		return nil, true
	}
	p, err := readPrelude(br, true)
	if err != nil {
		return nil, true
	}
	for _, pk := range p.pkesk {
		if pk == nil || pk.KeyId == 0 {
			return nil, true
		}
		ids = append(ids, keyID(pk.KeyId))
	}
	return ids, false
}

// KeyIDs lists the ids of the keys and subkeys in data, which is as [ReadKeys] or [ReadCertificates] take it, 16 digits
// each. Nothing is checked, and nothing of a secret is read; it is empty for what is no key.
func KeyIDs(data []byte) (ids []string) {
	for _, private := range []bool{true, false} {
		k := &keyReader{private: private, o: ReadOptions{Max: MaxKeys}, light: func(packets []*packet.OpaquePacket) error {
			ids = append(ids, packetIDs(packets)...)
			return nil
		}}
		if k.input(newSource(bytes.NewReader(data))) == nil {
			return ids
		}
		ids = nil
	}
	return nil
}

func packetIDs(packets []*packet.OpaquePacket) (ids []string) {
	for _, p := range packets {
		switch p.Tag {
		case tagSecretKey, tagPublicKey, tagSecretSub, tagPublicSub:
			if pk, err := publicPart(p); err == nil {
				ids = append(ids, keyID(pk.KeyId))
			}
		}
	}
	return ids
}

// KnownCertificate reads a certificate that [Certificate.Armor] wrote and that nobody can have changed since, such as one
// under a seal. It checks no signature, so that it costs a fiftieth of [ReadCertificates]: that comes when a signature is
// to be verified with it.
func KnownCertificate(armored string) (*Certificate, error) {
	var c *Certificate
	k := &keyReader{o: ReadOptions{Max: 1}, light: func(packets []*packet.OpaquePacket) error {
		primary, err := publicPart(packets[0])
		if err != nil {
			return err
		}
		c = &Certificate{fingerprint: fingerprint(primary)}
		var raw bytes.Buffer
		for _, p := range packets {
			if err := p.Serialize(&raw); err != nil {
				return err
			}
		}
		c.raw = raw.Bytes()
		return nil
	}}
	if err := k.input(newSource(strings.NewReader(armored))); err != nil {
		return nil, fmt.Errorf("read known certificate: %w", err)
	}
	if c == nil {
		return nil, fail(ErrKeys, "no OpenPGP key was found")
	}
	return c, nil
}

// signers is what go-crypto looks signers up in. It parses those alone whose id a signature names.
type signers struct {
	certs []*Certificate
	ids   [][]string // of the keys of each, once they were asked for
	found map[string][]*openpgp.Entity
}

// ring holds certificates, each once.
func ring(certs []*Certificate) *signers {
	s := &signers{found: make(map[string][]*openpgp.Entity)}
	seen := make(map[string]bool)
	for _, c := range certs {
		if c != nil && !seen[c.fingerprint] {
			seen[c.fingerprint] = true
			s.certs = append(s.certs, c)
		}
	}
	return s
}

// EntitiesById implements [openpgp.KeyRing].
func (s *signers) EntitiesById(id uint64) []*openpgp.Entity {
	want := keyID(id)
	if found, ok := s.found[want]; ok {
		return found
	}
	if s.ids == nil {
		for _, c := range s.certs {
			s.ids = append(s.ids, KeyIDs(c.raw))
		}
	}
	var found []*openpgp.Entity
	for i, c := range s.certs {
		for _, id := range s.ids[i] {
			if id != want {
				continue
			}
			// One that is only known was not parsed yet; what does not parse makes no signature good.
			if e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(c.raw))); err == nil {
				found = append(found, e)
			}
			break
		}
	}
	s.found[want] = found
	return found
}

// KeysById implements [openpgp.KeyRing].
func (s *signers) KeysById(id uint64) []openpgp.Key {
	return openpgp.EntityList(s.EntitiesById(id)).KeysById(id)
}

// holds tells whether a key has a secret part of this id. An id is the end of a fingerprint of version 4, and the
// beginning of one of version 6 (RFC 9580 section 5.5.4).
func (k *Key) holds(id uint64) bool {
	want := keyID(id)
	for fpr := range k.parts {
		if len(fpr) == 40 && strings.HasSuffix(fpr, want) || len(fpr) == 64 && strings.HasPrefix(fpr, want) {
			return true
		}
	}
	return false
}
