package pgp

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// A Certificate is a public key with its user ids and subkeys. It never changes and may be
// used by several goroutines: go-crypto's own object, which notes what it has verified, is
// made from its packets anew for each use.
type Certificate struct {
	raw         []byte
	fingerprint string
}

// A Key is a private key, locked with a passphrase or not. It never changes: what alters a
// key returns another.
type Key struct {
	raw    []byte
	public *Certificate // parsing a secret RSA key checks its primes, 10 ms for 4,096 bits
	locked bool
	parts  map[string]bool // secrets that are there, by fingerprint: whether each is locked
}

// Fingerprint returns the primary key's, in upper-case hexadecimal: 40 digits, or 64 for version 6.
func (c *Certificate) Fingerprint() string { return c.fingerprint }

// Fingerprint returns the primary key's, as [Certificate.Fingerprint] does.
func (k *Key) Fingerprint() string { return k.public.fingerprint }

// Locked tells whether any part of the key is locked with a passphrase.
func (k *Key) Locked() bool { return k.locked }

// Format implements [fmt.Formatter], so that no secret is printed.
func (k *Key) Format(s fmt.State, _ rune) { io.WriteString(s, k.Fingerprint()+" "+redacted) }

// MarshalJSON writes no secret.
func (k *Key) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Bytes returns the packets, binary. The caller may change them.
func (c *Certificate) Bytes() []byte { return slices.Clone(c.raw) }

// Bytes returns the packets, binary: a secret, which nothing but the key's own passphrase protects.
func (k *Key) Bytes() []byte { return slices.Clone(k.raw) }

// Armor returns the certificate as text.
func (c *Certificate) Armor() string { return armorString(c.raw, blockPublic, c.modern()) }

// Armor returns the key as text: a secret, which nothing but the key's own passphrase protects.
func (k *Key) Armor() string { return armorString(k.raw, blockPrivate, k.public.modern()) }

// modern tells whether the key is of version 6, whose fingerprints are longer.
func (c *Certificate) modern() bool { return len(c.fingerprint) == 64 }

// Certificate returns the public part.
func (k *Key) Certificate() *Certificate { return k.public }

func (c *Certificate) entity() *openpgp.Entity { return mustEntity(c.raw) }
func (k *Key) entity() *openpgp.Entity         { return mustEntity(k.raw) }

// mustEntity parses what was parsed before.
func mustEntity(raw []byte) *openpgp.Entity {
	e, err := openpgp.ReadEntity(packet.NewReader(bytes.NewReader(raw)))
	if err != nil {
		panic("pgp: read a key again: " + err.Error())
	}
	return e
}

// newKey makes a Key of go-crypto's object.
func newKey(e *openpgp.Entity) (*Key, error) {
	var raw bytes.Buffer
	if err := serialize(&raw, e, true); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	return keyOf(raw.Bytes(), e)
}

// keyOf makes a Key whose packets are there already.
func keyOf(raw []byte, e *openpgp.Entity) (*Key, error) {
	var public bytes.Buffer
	if err := serialize(&public, e, false); err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	k := &Key{
		raw: raw, parts: make(map[string]bool),
		public: &Certificate{raw: public.Bytes(), fingerprint: fingerprint(e.PrimaryKey)},
	}
	for _, pk := range secrets(e) {
		k.parts[fingerprint(&pk.PublicKey)] = pk.Encrypted
		k.locked = k.locked || pk.Encrypted
	}
	return k, nil
}

// secrets returns the secret keys that are really there.
func secrets(e *openpgp.Entity) (all []*packet.PrivateKey) {
	if e.PrivateKey != nil && !e.PrivateKey.Dummy() {
		all = append(all, e.PrivateKey)
	}
	for _, sub := range e.Subkeys {
		if sub.PrivateKey != nil && !sub.PrivateKey.Dummy() {
			all = append(all, sub.PrivateKey)
		}
	}
	return all
}

// serialize writes a key without signing anything again. go-crypto would write the user ids
// in another order each time.
func serialize(w io.Writer, e *openpgp.Entity, private bool) error {
	var err error
	if private {
		err = e.PrivateKey.Serialize(w)
	} else {
		err = e.PrimaryKey.Serialize(w)
	}
	if err != nil {
		return err
	}
	for _, sigs := range [][]*packet.VerifiableSignature{e.Revocations, e.DirectSignatures} {
		for _, s := range sigs {
			if err := s.Packet.Serialize(w); err != nil {
				return err
			}
		}
	}
	for _, id := range identities(e) {
		if err := id.Serialize(w); err != nil {
			return err
		}
	}
	for i := range e.Subkeys {
		// A subkey whose secret is not there stays in the public part.
		if err := e.Subkeys[i].Serialize(w, private && e.Subkeys[i].PrivateKey != nil); err != nil {
			return err
		}
	}
	return nil
}

// identities returns the user ids oldest first, so that the order is always the same.
func identities(e *openpgp.Entity) []*openpgp.Identity {
	all := make([]*openpgp.Identity, 0, len(e.Identities))
	for _, id := range e.Identities {
		all = append(all, id)
	}
	first := func(id *openpgp.Identity) (t int64) {
		for i, s := range id.SelfCertifications {
			if c := s.Packet.CreationTime.Unix(); i == 0 || c < t {
				t = c
			}
		}
		return t
	}
	slices.SortFunc(all, func(a, b *openpgp.Identity) int {
		if d := first(a) - first(b); d != 0 {
			return int(max(-1, min(1, d)))
		}
		return strings.Compare(a.Name, b.Name)
	})
	return all
}

func fingerprint(pk *packet.PublicKey) string {
	return upperHex(pk.Fingerprint)
}

func keyID(id uint64) string { return fmt.Sprintf("%016X", id) }
