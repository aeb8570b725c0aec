package pgp_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"zencrypt/crypto/pgp"
)

// TestRecipients: a message names the very subkeys that its keys hold; what names none, or can't be read, may be for any.
func TestRecipients(t *testing.T) {
	a, b := key(t, pgp.Curve25519), key(t, pgp.Curve25519V6)
	for _, k := range []*pgp.Key{a, b} {
		for _, armored := range []bool{false, true} {
			msg := encrypt(t, bytes.Repeat([]byte("x"), 100_000), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}, Armor: armored})
			ids, any := pgp.Recipients(bytes.NewReader(msg))
			if any || len(ids) != 1 {
				t.Fatalf("recipients %q, any %v", ids, any)
			}
			for _, data := range [][]byte{k.Bytes(), []byte(k.Armor()), k.Certificate().Bytes(), []byte("text\n" + k.Certificate().Armor())} {
				if all := pgp.KeyIDs(data); len(all) != 2 || !slices.Contains(all, ids[0]) || all[0] == all[1] {
					t.Errorf("the key has %q, the message is for %q", all, ids)
				}
			}
			if other := map[*pgp.Key]*pgp.Key{a: b, b: a}[k]; slices.Contains(pgp.KeyIDs(other.Bytes()), ids[0]) {
				t.Error("another key holds it too")
			}
		}
	}
	both, any := pgp.Recipients(bytes.NewReader(encrypt(t, nil, pgp.EncryptOptions{To: []*pgp.Certificate{a.Certificate(), key(t, pgp.P256).Certificate()}, Passphrases: []string{"x"}})))
	if any || len(both) != 2 {
		t.Errorf("recipients %q, any %v", both, any)
	}
	if ids, any := pgp.Recipients(bytes.NewReader(encrypt(t, nil, pgp.EncryptOptions{Passphrases: []string{"x"}}))); any || len(ids) != 0 {
		t.Errorf("of a passphrase: %q, any %v", ids, any)
	}
	msg := encrypt(t, []byte("x"), pgp.EncryptOptions{To: []*pgp.Certificate{a.Certificate()}})
	for n := range 60 { // within the packet with its session key
		if ids, any := pgp.Recipients(bytes.NewReader(msg[:n])); !any || ids != nil {
			t.Fatalf("cut at %d: %q, any %v", n, ids, any)
		}
	}
	for _, text := range []string{"", "words", a.Armor(), a.Certificate().Armor(), "\x00\xff"} {
		if ids, any := pgp.Recipients(strings.NewReader(text)); !any || ids != nil {
			t.Errorf("%.20q: %q, any %v", text, ids, any)
		}
	}
	for _, data := range []string{"", "words", "\xc5\x00", string(msg), "-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----"} {
		if ids := pgp.KeyIDs([]byte(data)); len(ids) != 0 {
			t.Errorf("%.20q has keys %q", data, ids)
		}
	}
}

// TestKnownCertificate: it is what was written, verifies as that does, and one that does not parse makes nothing good.
func TestKnownCertificate(t *testing.T) {
	for _, alg := range []pgp.Algorithm{pgp.Curve25519, pgp.Curve25519V6, pgp.P256} {
		k := key(t, alg)
		known, err := pgp.KnownCertificate(k.Certificate().Armor())
		if err != nil || known.Fingerprint() != k.Fingerprint() || !bytes.Equal(known.Bytes(), k.Certificate().Bytes()) || known.Armor() != k.Certificate().Armor() {
			t.Fatalf("%s: %v, %v", alg, known, err)
		}
		signed, err := pgp.SignText([]byte("words"), []*pgp.Key{k}, 0, pgp.SignOptions{})
		if err != nil {
			t.Fatal(err)
		}
		verify := func(text []byte, certs ...*pgp.Certificate) pgp.Status {
			t.Helper()
			got, err := pgp.VerifyText(bytes.NewReader(text), certs, 0, pgp.VerifyOptions{})
			if err != nil || len(got.Signatures) != 1 {
				t.Fatal(got, err)
			}
			return got.Signatures[0].Status
		}
		other := key(t, pgp.P384).Certificate()
		if got := verify(signed, other, known); got != pgp.Good {
			t.Errorf("%s: the signature is %s", alg, got)
		}
		if got := verify(bytes.Replace(signed, []byte("words"), []byte("wards"), 1), known, other); got != pgp.Bad {
			t.Errorf("%s: a changed text is %s", alg, got)
		}
		if got := verify(signed, other); got != pgp.UnknownKey {
			t.Errorf("%s: without its key it is %s", alg, got)
		}
		for i := range len(known.Bytes()) { // each byte changed: as if a seal did not hold
			raw := bytes.Clone(known.Bytes())
			raw[i] ^= 0x10
			var armored bytes.Buffer
			if pgp.AddArmor(&armored, bytes.NewReader(raw)) != nil {
				continue
			}
			if broken, err := pgp.KnownCertificate(armored.String()); err == nil {
				verify(signed, broken) // whatever it is, it does not panic
			}
		}
	}
	for _, text := range []string{"", "words", key(t, pgp.P256).Armor(), key(t, pgp.P256).Certificate().Armor() + key(t, pgp.P384).Certificate().Armor()} {
		if _, err := pgp.KnownCertificate(text); err == nil {
			t.Errorf("%.30q is taken", text)
		}
	}
}
