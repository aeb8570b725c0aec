package pgp_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/pgp"
)

// need finds another program. Where the tests are meant to be whole (CI is set) a missing
// one is a failure.
func need(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", name)
	}
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// gnupg is the system's GnuPG with a home of its own.
type gnupg struct {
	t    testing.TB
	bin  string
	home string
}

func newGnuPG(t testing.TB) *gnupg {
	t.Helper()
	g := &gnupg{t: t, bin: need(t, "gpg")}
	home, err := os.MkdirTemp("", "gpg") // t.TempDir is too long for the agent's socket
	if err != nil {
		t.Fatal(err)
	}
	g.home = home
	t.Cleanup(func() {
		cmd := exec.Command("gpgconf", "--kill", "all")
		cmd.Env = append(os.Environ(), "GNUPGHOME="+home)
		_ = cmd.Run()
		os.RemoveAll(home)
	})
	return g
}

func (g *gnupg) try(stdin []byte, args ...string) (stdout, stderr string, err error) {
	cmd := exec.Command(g.bin, append([]string{"--batch", "--yes", "--pinentry-mode", "loopback"}, args...)...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+g.home, "LC_ALL=C.UTF-8")
	cmd.Stdin = bytes.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func (g *gnupg) run(stdin []byte, args ...string) string {
	g.t.Helper()
	out, errs, err := g.try(stdin, args...)
	if err != nil {
		g.t.Fatalf("gpg %s: %v: %s", strings.Join(args, " "), err, errs)
	}
	return out
}

func (g *gnupg) file(name string, b []byte) string {
	g.t.Helper()
	path := filepath.Join(g.home, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
}

var toolSizes = []int{0, 1, 5000, 20 << 20}

func TestGnuPG_OurKeys(t *testing.T) {
	for _, a := range pgp.Algorithms() {
		if a == pgp.Curve25519V6 {
			continue // RFC 9580, which GnuPG does not implement
		}
		t.Run(string(a), func(t *testing.T) {
			g, k := newGnuPG(t), key(t, a)
			locked, err := k.Lock("secret", pgp.LockOptions{Count: quick})
			if err != nil {
				t.Fatal(err)
			}
			g.run([]byte(locked.Armor()), "--passphrase", "secret", "--import")
			if list := g.run(nil, "--with-colons", "--list-secret-keys"); !strings.Contains(list, k.Fingerprint()) || !strings.Contains(list, "Ann Example <ann@example.org>") {
				t.Errorf("gpg lists %s", list)
			}
			certs := []*pgp.Certificate{k.Certificate()}
			for _, n := range toolSizes {
				if n > 5000 && a != pgp.Curve25519 {
					continue // the content is treated alike
				}
				plain := content(n)
				for _, armored := range []bool{false, true} {
					msg := encrypt(t, plain, pgp.EncryptOptions{To: certs, Sign: []*pgp.Key{k}, Armor: armored})
					out, errs, err := g.try(msg, "--passphrase", "secret", "--status-fd", "2", "-d")
					if err != nil || out != string(plain) || !strings.Contains(errs, "GOODSIG") || !strings.Contains(errs, "GOODMDC") {
						t.Fatalf("%d bytes: gpg -d: %d bytes, %v: %s", n, len(out), err, errs)
					}
					flags := []string{"--passphrase", "secret", "--trust-model", "always", "-r", "ann@example.org", "-se"}
					if armored {
						flags = append(flags, "--armor", "-z0")
					}
					theirs := g.run(plain, flags...)
					got, m, err := open([]byte(theirs), pgp.OpenOptions{Keys: []*pgp.Key{locked}, Passphrases: []string{"secret"}, Verify: certs})
					if err != nil || !bytes.Equal(got, plain) || len(m.Signatures()) != 1 || m.Signatures()[0].Status != pgp.Good {
						t.Fatalf("%d bytes: of gpg -se: %d bytes, %v", n, len(got), err)
					}
					if i, err := pgp.Inspect(strings.NewReader(theirs)); err != nil || !i.Whole || i.Kind != pgp.KindMessage || len(i.Recipients) != 1 || armored && i.Checksum != "ok" {
						t.Errorf("Inspect: %+v, %v", i, err)
					}
				}
			}
		})
	}
}

func TestGnuPG_Signatures(t *testing.T) {
	for _, a := range []pgp.Algorithm{pgp.Curve25519, pgp.P256, pgp.P384, pgp.P521, pgp.RSA3072} {
		t.Run(string(a), func(t *testing.T) {
			g, k := newGnuPG(t), key(t, a)
			g.run(k.Bytes(), "--import")
			certs := []*pgp.Certificate{k.Certificate()}
			for _, n := range []int{0, 1, 100_000} {
				plain := content(n)
				file := g.file("plain", plain)
				var sig bytes.Buffer
				w, err := pgp.SignDetached(&sig, []*pgp.Key{k}, pgp.SignOptions{Armor: n == 1})
				if err != nil {
					t.Fatal(err)
				}
				write(t, w, plain)
				g.run(nil, "--verify", g.file("sig", sig.Bytes()), file)
				if _, _, err := g.try(nil, "--verify", g.file("sig", sig.Bytes()), g.file("other", append(plain, 'x'))); err == nil {
					t.Error("gpg takes a signature over something else")
				}
				for _, args := range [][]string{{"-b"}, {"-b", "--armor"}, {"-b", "--digest-algo", "SHA224"}} {
					if a[0] == 'p' && args[len(args)-1] == "SHA224" {
						continue // too short for the curve
					}
					theirs := g.run(plain, args...)
					all, err := pgp.Verify(bytes.NewReader(plain), strings.NewReader(theirs), certs, pgp.VerifyOptions{})
					if err != nil || len(all) != 1 || all[0].Status != pgp.Good {
						t.Errorf("gpg %v: %+v, %v", args, all, err)
					}
				}
				text := bytes.Repeat([]byte("line\r\nline\n"), n/10)
				all, err := pgp.Verify(bytes.NewReader(text), strings.NewReader(g.run(text, "-b", "--textmode")), certs, pgp.VerifyOptions{})
				if err != nil || len(all) != 1 || all[0].Status != pgp.Good {
					t.Errorf("gpg -b --textmode: %+v, %v", all, err)
				}
				var msg bytes.Buffer
				if w, err = pgp.Sign(&msg, []*pgp.Key{k}, pgp.SignOptions{}); err != nil {
					t.Fatal(err)
				}
				write(t, w, plain)
				if out := g.run(msg.Bytes(), "-d"); out != string(plain) {
					t.Errorf("gpg -d of a signed message: %d bytes", len(out))
				}
				m, err := pgp.OpenSigned(strings.NewReader(g.run(plain, "-s")), pgp.OpenOptions{Verify: certs})
				if err != nil {
					t.Fatal(err)
				}
				var got bytes.Buffer
				if _, err := got.ReadFrom(m); err != nil || !bytes.Equal(got.Bytes(), plain) || !pgp.AnyGood(m.Signatures()) {
					t.Errorf("of gpg -s: %d bytes, %v, %+v", got.Len(), err, m.Signatures())
				}
			}
			for _, text := range []string{"", "\n", "a", "a\n", "a\n\n", "- a\n-----BEGIN x\nFrom b\n", "trailing \t \nGrüße\n", "no end", "cr\rin\n"} {
				signed, err := pgp.SignText([]byte(text), []*pgp.Key{k}, 0, pgp.SignOptions{})
				if err != nil {
					t.Fatal(err)
				}
				g.run(signed, "--verify")
				theirs := g.run([]byte(text), "--clearsign")
				got, err := pgp.VerifyText(strings.NewReader(theirs), certs, 0, pgp.VerifyOptions{})
				if err != nil || !pgp.AnyGood(got.Signatures) {
					t.Errorf("gpg --clearsign of %q: %+v, %v", text, got, err)
				}
			}
			if _, err := pgp.VerifyText(strings.NewReader(strings.Replace(g.run([]byte("pay 1"), "--clearsign"), "pay 1", "pay 2", 1)), certs, 0, pgp.VerifyOptions{}); err != nil {
				t.Error(err)
			}
			if a[0] != 'p' {
				sha1 := g.run([]byte("x"), "-b", "--digest-algo", "SHA1", "--allow-weak-digest-algos")
				all, err := pgp.Verify(strings.NewReader("x"), strings.NewReader(sha1), certs, pgp.VerifyOptions{})
				if err != nil || len(all) != 1 || all[0].Status != pgp.Weak {
					t.Errorf("SHA-1: %+v, %v", all, err)
				}
			}
		})
	}
}

func TestGnuPG_Passphrase(t *testing.T) {
	g := newGnuPG(t)
	for _, n := range toolSizes {
		plain := content(n)
		for _, armored := range []bool{false, true} {
			msg := encrypt(t, plain, pgp.EncryptOptions{Passphrases: []string{"Gehe\u00efm", "other"}, Armor: armored})
			if out := g.run(msg, "--passphrase", "Gehe\u00efm", "-d"); out != string(plain) {
				t.Fatalf("%d bytes: gpg -d: %d bytes", n, len(out))
			}
			flags := []string{"--passphrase", "Gehe\u00efm", "-c"}
			if armored {
				flags = append(flags, "--armor", "--s2k-digest-algo", "SHA512", "--cipher-algo", "AES", "-z0")
			}
			theirs := g.run(plain, flags...)
			for i, passes := range [][]string{{"Gehe\u00efm"}, {"a", "b", "Gehe\u00efm"}} {
				got, m, err := open([]byte(theirs), pgp.OpenOptions{Passphrases: passes})
				if err != nil || !bytes.Equal(got, plain) || m.PassphraseIndex != len(passes)-1 {
					t.Fatalf("%d bytes, %d: of gpg -c: %d bytes, %v", n, i, len(got), err)
				}
			}
			// gpg's message has no encrypted session key: any passphrase gives one.
			for i := range 20 {
				_, _, err := open([]byte(theirs), pgp.OpenOptions{Passphrases: []string{fmt.Sprint("wrong", i)}})
				if err == nil {
					t.Fatal("a wrong passphrase opens it")
				}
			}
			if n > 5000 {
				break
			}
		}
	}
	// To a key and a passphrase at once.
	k := key(t, pgp.Curve25519)
	g.run(k.Bytes(), "--import")
	theirs := g.run([]byte("both"), "--passphrase", "secret", "-c", "-e", "--trust-model", "always", "-r", "ann@example.org")
	for _, o := range []pgp.OpenOptions{{Keys: []*pgp.Key{k}}, {Passphrases: []string{"secret"}}} {
		if got, _, err := open([]byte(theirs), o); err != nil || string(got) != "both" {
			t.Errorf("of gpg -c -e: %q, %v", got, err)
		}
	}
	ours := encrypt(t, []byte("both"), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}, Passphrases: []string{"secret"}})
	if out := g.run(ours, "-d"); out != "both" {
		t.Errorf("gpg -d: %q", out)
	}
	g.run(nil, "--yes", "--delete-secret-keys", k.Fingerprint())
	if out := g.run(ours, "--passphrase", "secret", "-d"); out != "both" {
		t.Errorf("gpg -d with the passphrase: %q", out)
	}
	// A hidden recipient, and no integrity protection.
	theirs = g.run([]byte("hidden"), "-e", "--trust-model", "always", "-R", "ann@example.org")
	if got, _, err := open([]byte(theirs), pgp.OpenOptions{Keys: []*pgp.Key{key(t, pgp.P256), k}}); err != nil || string(got) != "hidden" {
		t.Errorf("of gpg -R: %q, %v", got, err)
	}
}

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
