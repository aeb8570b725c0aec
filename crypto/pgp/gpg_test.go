package pgp_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

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
