package pgp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/pgp"
)

func TestGnuPG_TheirKeys(t *testing.T) {
	for _, tt := range []struct{ primary, sub, weak string }{
		{"ed25519", "cv25519", ""}, {"rsa3072", "rsa3072", ""}, {"rsa2048", "rsa2048", ""}, {"nistp256", "nistp256", ""},
		{"nistp521", "nistp521", ""}, {"brainpoolP256r1", "brainpoolP256r1", ""}, {"rsa1024", "rsa1024", "rsa1024"}, {"dsa2048", "elg2048", "dsa2048"},
	} {
		t.Run(tt.primary, func(t *testing.T) {
			g := newGnuPG(t)
			g.run(nil, "--passphrase", "secret", "--quick-gen-key", "Bob <bob@example.org>", tt.primary, "sign", "1y")
			list := g.run(nil, "--with-colons", "--list-keys")
			fpr := strings.Split(list[strings.Index(list, "\nfpr:"):], ":")[9]
			g.run(nil, "--passphrase", "secret", "--quick-add-key", fpr, tt.sub, "encr", "1y")
			keys, err := pgp.ReadKeys(strings.NewReader(g.run(nil, "--passphrase", "secret", "--armor", "--export-secret-keys")), pgp.ReadOptions{})
			if err != nil || len(keys) != 1 || !keys[0].Locked() || keys[0].Fingerprint() != fpr {
				t.Fatalf("%v, %v", keys, err)
			}
			certs, err := pgp.ReadCertificates(strings.NewReader(g.run(nil, "--export")), pgp.ReadOptions{})
			if err != nil || len(certs) != 1 || certs[0].Fingerprint() != fpr {
				t.Fatalf("%v, %v", certs, err)
			}
			i := certs[0].Info(time.Now())
			if tt.weak != "" {
				if i.CanEncrypt || i.CanSign || !strings.Contains(i.CantEncrypt, tt.weak) {
					t.Errorf("a weak key: %+v", i)
				}
				theirs := g.run([]byte("x"), "--passphrase", "secret", "-b")
				all, err := pgp.Verify(strings.NewReader("x"), strings.NewReader(theirs), certs, pgp.VerifyOptions{})
				if err != nil || len(all) != 1 || all[0].Status != pgp.Weak {
					t.Errorf("a weak key's signature: %+v, %v", all, err)
				}
			} else if !i.CanEncrypt || !i.CanSign || i.Expires.Before(time.Now().AddDate(0, 11, 0)) {
				t.Errorf("%+v", i)
			}
			theirs := g.run([]byte("for bob"), "--trust-model", "always", "-e", "-r", fpr)
			// What was once encrypted opens, also with a key that is weak today.
			if got, m, err := open([]byte(theirs), pgp.OpenOptions{Keys: keys, Passphrases: []string{"secret"}}); err != nil || string(got) != "for bob" || m.KeyIndex != 0 {
				t.Errorf("of gpg -e: %q, %v", got, err)
			}
			if tt.weak != "" {
				return
			}
			unlocked, err := keys[0].Unlock("secret", pgp.LockOptions{})
			if err != nil {
				t.Fatal(err)
			}
			ours := encrypt(t, []byte("ours"), pgp.EncryptOptions{To: certs, Sign: []*pgp.Key{unlocked}})
			if out, errs, err := g.try(ours, "--passphrase", "secret", "--status-fd", "2", "-d"); err != nil || out != "ours" || !strings.Contains(errs, "GOODSIG") {
				t.Errorf("gpg -d: %q, %v: %s", out, err, errs)
			}
		})
	}
}

func TestGnuPG_Changes(t *testing.T) {
	now := time.Now()
	past := now.Add(-48 * time.Hour)
	for _, a := range []pgp.Algorithm{pgp.Curve25519, pgp.P384, pgp.RSA3072} {
		t.Run(string(a), func(t *testing.T) {
			k := fresh(t, pgp.KeyParams{Algorithm: a, Name: "Cy", Expires: now.Add(time.Hour), Now: func() time.Time { return past }})
			old := encrypt(t, []byte("old"), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}})
			g := newGnuPG(t)
			g.run(k.Bytes(), "--import")
			later, err := k.SetExpiry(now.AddDate(2, 0, 0), now.Add(-24*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			rotated, err := later.AddEncryptionSubkey(true, now)
			if err != nil {
				t.Fatal(err)
			}
			g.run(rotated.Bytes(), "--import")
			list := g.run(nil, "--with-colons", "--list-keys")
			if !strings.Contains(list, fmt.Sprint(now.AddDate(2, 0, 0).Unix())) || strings.Count(list, "\nsub:") != 2 || strings.Count(list, "\nsub:r:") != 1 {
				t.Errorf("gpg lists %s", list)
			}
			if out := g.run(old, "-d"); out != "old" {
				t.Errorf("gpg -d of an old message: %q", out)
			}
			if got, _, err := open(old, pgp.OpenOptions{Keys: []*pgp.Key{rotated}}); err != nil || string(got) != "old" {
				t.Errorf("an old message: %q, %v", got, err)
			}
			fresh := encrypt(t, []byte("new"), pgp.EncryptOptions{To: []*pgp.Certificate{rotated.Certificate()}})
			if _, _, err := open(fresh, pgp.OpenOptions{Keys: []*pgp.Key{later}}); err == nil {
				t.Error("the old subkey opens a new message")
			}
			if out := g.run(fresh, "-d"); out != "new" {
				t.Errorf("gpg -d of a new message: %q", out)
			}
			theirs := g.run([]byte("theirs"), "--trust-model", "always", "-e", "-r", k.Fingerprint())
			if _, m, err := open([]byte(theirs), pgp.OpenOptions{Keys: []*pgp.Key{rotated}}); err != nil || m.Fingerprint != rotated.Info(now).Subkeys[1].Fingerprint {
				t.Errorf("gpg does not use the new subkey: %v", err)
			}
			cert, err := rotated.RevocationCertificate(pgp.Compromised, "stolen", now)
			if err != nil {
				t.Fatal(err)
			}
			g.run([]byte(cert), "--import")
			if list := g.run(nil, "--with-colons", "--list-keys"); !strings.Contains(list, "pub:r:") {
				t.Errorf("gpg lists %s", list)
			}
			// And back: what gpg exports says the same.
			certs, err := pgp.ReadCertificates(strings.NewReader(g.run(nil, "--export")), pgp.ReadOptions{})
			if err != nil || !certs[0].Info(now).Revoked {
				t.Errorf("gpg's export: %+v, %v", certs, err)
			}
		})
	}
}

// TestGnuPG_NoUserID imports a key that has only an empty user id.
func TestGnuPG_NoUserID(t *testing.T) {
	g, k := newGnuPG(t), fresh(t, pgp.KeyParams{})
	g.run(k.Bytes(), "--import")
	if out := g.run(encrypt(t, []byte("x"), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}}), "-d"); out != "x" {
		t.Errorf("gpg -d: %q", out)
	}
}
