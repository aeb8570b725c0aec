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

// program is a Stateless OpenPGP command, or sq.
type program struct {
	t   testing.TB
	bin string
	dir string
}

func newProgram(t testing.TB, name string) *program {
	t.Helper()
	return &program{t: t, bin: need(t, name), dir: t.TempDir()}
}

func (p *program) try(stdin []byte, args ...string) ([]byte, error) {
	cmd := exec.Command(p.bin, args...)
	cmd.Dir, cmd.Stdin = p.dir, bytes.NewReader(stdin)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, errs.String())
	}
	return out, err
}

func (p *program) run(stdin []byte, args ...string) []byte {
	p.t.Helper()
	out, err := p.try(stdin, args...)
	if err != nil {
		p.t.Fatalf("%s %v: %v", filepath.Base(p.bin), args, err)
	}
	return out
}

func (p *program) file(name string, b []byte) string {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), b, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return name
}

// TestSequoia_SOP goes both ways with Sequoia's sqop, with our keys and with its own.
func TestSequoia_SOP(t *testing.T) {
	for _, a := range append(pgp.Algorithms(), "sqop") {
		if a == pgp.Curve25519V6 {
			continue // this Sequoia is older than RFC 9580
		}
		t.Run(string(a), func(t *testing.T) {
			p := newProgram(t, "sqop")
			var k *pgp.Key
			if a == "sqop" {
				keys, err := pgp.ReadKeys(bytes.NewReader(p.run(nil, "generate-key", "Dan <dan@example.org>")), pgp.ReadOptions{})
				if err != nil {
					t.Fatal(err)
				}
				k = keys[0]
			} else {
				k = key(t, a)
			}
			certs := []*pgp.Certificate{k.Certificate()}
			p.file("key", []byte(k.Armor()))
			p.file("cert", k.Certificate().Bytes())
			if got := p.run([]byte(k.Armor()), "extract-cert"); !bytes.Contains(got, []byte("PUBLIC KEY BLOCK")) {
				t.Errorf("extract-cert: %s", got)
			}
			for _, n := range toolSizes {
				if n > 5000 && a != pgp.Curve25519 {
					continue
				}
				plain := content(n)
				for _, armored := range []bool{false, true} {
					msg := encrypt(t, plain, pgp.EncryptOptions{To: certs, Sign: []*pgp.Key{k}, Armor: armored})
					os.Remove(filepath.Join(p.dir, "verified"))
					got := p.run(msg, "decrypt", "--verify-out=verified", "--verify-with=cert", "key")
					verified, err := os.ReadFile(filepath.Join(p.dir, "verified"))
					if !bytes.Equal(got, plain) || err != nil || !strings.Contains(string(verified), k.Fingerprint()) {
						t.Fatalf("%d bytes: sqop decrypt: %d bytes, verified %q, %v", n, len(got), verified, err)
					}
					args := []string{"encrypt", "--sign-with=key", "cert"}
					if !armored {
						args = append(args[:1:1], "--no-armor", "--sign-with=key", "cert")
					}
					theirs := p.run(plain, args...)
					got, m, err := open(theirs, pgp.OpenOptions{Keys: []*pgp.Key{k}, Verify: certs})
					if err != nil || !bytes.Equal(got, plain) || len(m.Signatures()) != 1 || m.Signatures()[0].Status != pgp.Good || m.Armored != armored {
						t.Fatalf("%d bytes: of sqop encrypt: %d bytes, %v", n, len(got), err)
					}
					var sig bytes.Buffer
					w, err := pgp.SignDetached(&sig, []*pgp.Key{k}, pgp.SignOptions{Armor: armored})
					if err != nil {
						t.Fatal(err)
					}
					write(t, w, plain)
					p.run(plain, "verify", p.file("sig", sig.Bytes()), "cert")
					if _, err := p.try(append(plain, 'x'), "verify", "sig", "cert"); err == nil {
						t.Error("sqop takes a signature over something else")
					}
					all, err := pgp.Verify(bytes.NewReader(plain), bytes.NewReader(p.run(plain, "sign", "key")), certs, pgp.VerifyOptions{})
					if err != nil || len(all) != 1 || all[0].Status != pgp.Good {
						t.Errorf("%d bytes: of sqop sign: %+v, %v", n, all, err)
					}
				}
			}
			text := []byte("Grüße\n- a\n-----BEGIN x\nFrom b\n\n")
			signed, err := pgp.SignText(text, []*pgp.Key{k}, 0, pgp.SignOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := p.run(signed, "inline-verify", "cert"); !bytes.Equal(bytes.TrimRight(got, "\r\n"), bytes.TrimRight(text, "\n")) { // it counts the last line end in
				t.Errorf("sqop inline-verify: %q", got)
			}
			theirs, err := pgp.VerifyText(bytes.NewReader(p.run(text, "inline-sign", "--as=clearsigned", "key")), certs, 0, pgp.VerifyOptions{})
			if err != nil || !pgp.AnyGood(theirs.Signatures) {
				t.Errorf("of sqop inline-sign: %+v, %v", theirs, err)
			}
		})
	}
}

func TestSequoia_Passphrase(t *testing.T) {
	p := newProgram(t, "sqop")
	p.file("pass", []byte("secret"))
	for _, n := range toolSizes[:3] {
		plain := content(n)
		msg := encrypt(t, plain, pgp.EncryptOptions{Passphrases: []string{"other", "secret"}})
		if got := p.run(msg, "decrypt", "--with-password=pass"); !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: sqop decrypt: %d bytes", n, len(got))
		}
		got, m, err := open(p.run(plain, "encrypt", "--with-password=pass"), pgp.OpenOptions{Passphrases: []string{"secret"}})
		if err != nil || !bytes.Equal(got, plain) || m.PassphraseIndex != 0 {
			t.Errorf("%d bytes: of sqop encrypt: %d bytes, %v", n, len(got), err)
		}
	}
	// The session key is the same text for both.
	k := key(t, pgp.Curve25519)
	p.file("key", []byte(k.Armor()))
	msg := encrypt(t, []byte("x"), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}})
	_, m, err := open(msg, pgp.OpenOptions{Keys: []*pgp.Key{k}})
	if err != nil {
		t.Fatal(err)
	}
	p.run(msg, "decrypt", "--session-key-out=session", "key")
	session, err := os.ReadFile(filepath.Join(p.dir, "session"))
	if err != nil || !strings.EqualFold(strings.TrimSpace(string(session)), m.SessionKey.Encode()) {
		t.Errorf("sqop's session key differs, %v", err)
	}
}

// TestSequoia_SQ has sq look at and check what is made here.
func TestSequoia_SQ(t *testing.T) {
	p := newProgram(t, "sq")
	k := key(t, pgp.Curve25519)
	locked, err := k.Lock("secret", pgp.LockOptions{Count: quick})
	if err != nil {
		t.Fatal(err)
	}
	p.file("cert", []byte(k.Certificate().Armor()))
	p.file("locked", []byte(locked.Armor()))
	for name, kind := range map[string]string{"cert": "Certificate", "locked": "Secret"} {
		if out := p.run(nil, "inspect", name); !bytes.Contains(out, []byte(k.Fingerprint())) || !bytes.Contains(out, []byte(kind)) {
			t.Errorf("sq inspect %s: %s", name, out)
		}
	}
	p.file("key", []byte(k.Armor()))
	msg := encrypt(t, content(5000), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}, Sign: []*pgp.Key{k}, Armor: true})
	if got := p.run(msg, "decrypt", "--recipient-key=key", "--signer-cert=cert"); !bytes.Equal(got, content(5000)) {
		t.Errorf("sq decrypt: %d bytes", len(got))
	}
	theirs := p.run(content(5000), "encrypt", "--recipient-cert=cert", "--signer-key=key")
	got, m, err := open(theirs, pgp.OpenOptions{Keys: []*pgp.Key{k}, Verify: []*pgp.Certificate{k.Certificate()}})
	if err != nil || !bytes.Equal(got, content(5000)) || !pgp.AnyGood(m.Signatures()) {
		t.Errorf("of sq encrypt: %d bytes, %v", len(got), err)
	}
}
