package pgp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"zencrypt/crypto/pgp"
)

// quick is the cheapest count of an iterated hash, so that tests are quick.
const quick = 65536

// made keeps keys that are slow to make; they never change.
var made sync.Map

func key(t testing.TB, a pgp.Algorithm) *pgp.Key {
	t.Helper()
	if k, ok := made.Load(a); ok {
		return k.(*pgp.Key)
	}
	k, err := pgp.NewKey(pgp.KeyParams{Algorithm: a, Name: "Ann Example", Email: "ann@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	made.Store(a, k)
	return k
}

// timeNow is a time at which every key of the tests is valid.
func timeNow() time.Time { return time.Now() }

func fresh(t testing.TB, p pgp.KeyParams) *pgp.Key {
	t.Helper()
	k, err := pgp.NewKey(p)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func encrypt(t testing.TB, content []byte, o pgp.EncryptOptions) []byte {
	t.Helper()
	if o.Count == 0 {
		o.Count = quick
	}
	var out bytes.Buffer
	w, err := pgp.Encrypt(&out, o)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, content)
	return out.Bytes()
}

// write hands content over in pieces of odd sizes.
func write(t testing.TB, w io.WriteCloser, content []byte) {
	t.Helper()
	for size := 1; len(content) > 0; size = size*3 + 1 {
		n := min(size, len(content))
		if _, err := w.Write(content[:n]); err != nil {
			t.Fatal(err)
		}
		content = content[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// open reads a message to its end.
func open(message []byte, o pgp.OpenOptions) ([]byte, *pgp.Message, error) {
	m, err := pgp.Open(bytes.NewReader(message), o)
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(m)
	return b, m, err
}

func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	return b
}

func sizes() []int {
	const mdc, chunk = 512, 256 << 10 // what go-crypto writes at a time
	return []int{0, 1, 21, 22, 23, mdc - 1, mdc, mdc + 1, 4095, 4096, 65535, chunk - 9, chunk - 8, chunk - 1, chunk, chunk + 1, 5*chunk + 3}
}

func TestEncrypt_EveryAlgorithm(t *testing.T) {
	for _, a := range pgp.Algorithms() {
		t.Run(string(a), func(t *testing.T) {
			k := key(t, a)
			for i, n := range sizes() {
				if (strings.HasPrefix(string(a), "rsa") || raceEnabled) && i%4 != 0 {
					continue // each operation takes 10 ms and more
				}
				for _, armored := range []bool{false, true} {
					plain := content(n)
					msg := encrypt(t, plain, pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}, Sign: []*pgp.Key{k}, Armor: armored})
					if ok, text := pgp.Looks(msg[:min(len(msg), 64)]); !ok || text != armored {
						t.Errorf("%d bytes: Looks = %v, %v", n, ok, text)
					}
					got, m, err := open(msg, pgp.OpenOptions{Keys: []*pgp.Key{k}, Verify: []*pgp.Certificate{k.Certificate()}})
					if err != nil || !bytes.Equal(got, plain) {
						t.Fatalf("%d bytes: got %d, %v", n, len(got), err)
					}
					if s := m.Signatures(); len(s) != 1 || s[0].Status != pgp.Good || s[0].Primary != k.Fingerprint() || s[0].UserID != "Ann Example <ann@example.org>" {
						t.Errorf("%d bytes: signatures %+v", n, s)
					}
					if m.Chunked != (a == pgp.Curve25519V6) || m.Armored != armored || m.KeyIndex != 0 || m.Cipher != "AES-256" {
						t.Errorf("%d bytes: chunked %v, armored %v, key %d, %s", n, m.Chunked, m.Armored, m.KeyIndex, m.Cipher)
					}
					sk, err := pgp.ParseSessionKey(m.SessionKey.Encode())
					if err != nil {
						t.Fatal(err)
					}
					if got, _, err := open(msg, pgp.OpenOptions{SessionKey: sk}); err != nil || !bytes.Equal(got, plain) {
						t.Errorf("%d bytes: by session key: %d bytes, %v", n, len(got), err)
					}
				}
			}
		})
	}
}

func TestEncrypt_Passphrase(t *testing.T) {
	for _, modern := range []bool{false, true} {
		for _, n := range sizes() {
			plain := content(n)
			msg := encrypt(t, plain, pgp.EncryptOptions{Passphrases: []string{"one", "two"}, Modern: modern, Armor: n%2 == 0})
			for i, pass := range []string{"one", "two"} {
				got, m, err := open(msg, pgp.OpenOptions{Passphrases: []string{"no", pass}})
				if err != nil || !bytes.Equal(got, plain) || m.PassphraseIndex != 1 || m.KeyIndex != -1 || m.Chunked != modern {
					t.Fatalf("modern %v, %d bytes, passphrase %d: got %d, %v, %+v", modern, n, i, len(got), err, m)
				}
			}
			_, _, err := open(msg, pgp.OpenOptions{Passphrases: []string{"no"}})
			var noKey *pgp.NoKeyError
			if !errors.As(err, &noKey) || !noKey.Wrong() || !errors.Is(err, pgp.ErrWrongPassphrase) {
				t.Errorf("wrong passphrase: %v", err)
			}
			if n >= 1 && modern {
				break // Argon2 is slow
			}
		}
	}
}

func TestEncrypt_Mixed(t *testing.T) {
	old, modern := key(t, pgp.Curve25519), key(t, pgp.Curve25519V6)
	to := []*pgp.Certificate{old.Certificate(), modern.Certificate()}
	for _, certs := range [][]*pgp.Certificate{to, to[:1], to[1:]} {
		msg := encrypt(t, []byte("hello"), pgp.EncryptOptions{To: certs, Passphrases: []string{"secret"}})
		for _, o := range []pgp.OpenOptions{{Keys: []*pgp.Key{old, modern}}, {Passphrases: []string{"secret"}}} {
			got, m, err := open(msg, o)
			if err != nil || string(got) != "hello" {
				t.Errorf("%d recipients: %q, %v", len(certs), got, err)
			} else if m.Chunked != (certs[0] == to[1]) {
				t.Errorf("%d recipients: chunked %v", len(certs), m.Chunked)
			}
		}
	}
}

func TestSign(t *testing.T) {
	for _, a := range pgp.Algorithms() {
		t.Run(string(a), func(t *testing.T) {
			k := key(t, a)
			certs := []*pgp.Certificate{k.Certificate()}
			for _, n := range []int{0, 1, 100_000} {
				for _, o := range []pgp.SignOptions{{}, {Armor: true}, {Text: true}} {
					plain := content(n)
					var sig, msg bytes.Buffer
					w, err := pgp.SignDetached(&sig, []*pgp.Key{k, k}, o)
					if err != nil {
						t.Fatal(err)
					}
					write(t, w, plain)
					all, err := pgp.Verify(bytes.NewReader(plain), bytes.NewReader(sig.Bytes()), certs, pgp.VerifyOptions{})
					if err != nil || len(all) != 2 || all[0].Status != pgp.Good || all[1].Status != pgp.Good {
						t.Fatalf("detached: %+v, %v", all, err)
					}
					all, err = pgp.Verify(bytes.NewReader(append(plain, 'x')), bytes.NewReader(sig.Bytes()), certs, pgp.VerifyOptions{})
					if err != nil || pgp.AnyGood(all) || all[0].Status != pgp.Bad {
						t.Fatalf("detached, changed: %+v, %v", all, err)
					}
					all, err = pgp.Verify(bytes.NewReader(plain), bytes.NewReader(sig.Bytes()), nil, pgp.VerifyOptions{})
					if err != nil || pgp.AnyGood(all) || all[0].Status != pgp.UnknownKey {
						t.Fatalf("detached, no certificate: %+v, %v", all, err)
					}
					if w, err = pgp.Sign(&msg, []*pgp.Key{k, k}, o); err != nil {
						t.Fatal(err)
					}
					write(t, w, plain)
					m, err := pgp.OpenSigned(bytes.NewReader(msg.Bytes()), pgp.OpenOptions{Verify: certs})
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(m)
					if !o.Text && !bytes.Equal(got, plain) || err != nil {
						t.Fatalf("inline: %d bytes, %v", len(got), err)
					}
					if s := m.Signatures(); len(s) != 2 || s[0].Status != pgp.Good || s[1].Status != pgp.Good {
						t.Fatalf("inline: %+v", s)
					}
				}
			}
			text := "Grüße\n- dash\n-----BEGIN PGP SIGNED MESSAGE-----\nFrom me  \t\n\nend\n"
			signed, err := pgp.SignText([]byte(text), []*pgp.Key{k}, 0, pgp.SignOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for name, in := range map[string]string{
				"Plain": string(signed), "CRLF": strings.ReplaceAll(string(signed), "\n", "\r\n"), "BOM": "\ufeff" + string(signed),
			} {
				got, err := pgp.VerifyText(strings.NewReader(in), certs, 0, pgp.VerifyOptions{})
				if err != nil || string(got.Text) != strings.ReplaceAll(text, "me  \t", "me") || len(got.Signatures) != 1 || got.Signatures[0].Status != pgp.Good {
					t.Errorf("%s: %+v, %v", name, got, err)
				}
			}
		})
	}
}

func TestKey_RoundTrip(t *testing.T) {
	for _, a := range pgp.Algorithms() {
		t.Run(string(a), func(t *testing.T) {
			k := key(t, a)
			now := time.Now() // not before the key was made
			i := k.Info(now)
			if !i.CanEncrypt || !i.CanSign || !i.Private || i.Locked || len(i.UserIDs) != 1 || !i.Expires.IsZero() || i.Revoked {
				t.Errorf("%+v", i)
			}
			locked, err := k.Lock("secret", pgp.LockOptions{Count: quick})
			if err != nil {
				t.Fatal(err)
			}
			for name, in := range map[string][]byte{"Binary": locked.Bytes(), "Armor": []byte("text\n" + locked.Armor())} {
				keys, err := pgp.ReadKeys(bytes.NewReader(in), pgp.ReadOptions{})
				if err != nil || len(keys) != 1 || !keys[0].Locked() || keys[0].Fingerprint() != k.Fingerprint() {
					t.Fatalf("%s: %v, %v", name, keys, err)
				}
				if _, err := keys[0].Unlock("other", pgp.LockOptions{}); !errors.Is(err, pgp.ErrWrongPassphrase) {
					t.Errorf("%s: wrong passphrase: %v", name, err)
				}
				if err := keys[0].CheckSign(now); !errors.Is(err, pgp.ErrLocked) {
					t.Errorf("%s: CheckSign of a locked key: %v", name, err)
				}
				open, err := keys[0].Unlock("secret", pgp.LockOptions{})
				if err != nil || open.Locked() || !bytes.Equal(open.Bytes(), k.Bytes()) {
					t.Errorf("%s: unlocked differs, %v", name, err)
				}
			}
			certs, err := pgp.ReadCertificates(strings.NewReader(k.Certificate().Armor()), pgp.ReadOptions{})
			if err != nil || len(certs) != 1 || certs[0].Fingerprint() != k.Fingerprint() {
				t.Fatalf("%v, %v", certs, err)
			}
			if _, err := pgp.ReadCertificates(strings.NewReader(k.Armor()), pgp.ReadOptions{}); !errors.Is(err, pgp.ErrPrivateKey) {
				t.Errorf("private key as public: %v", err)
			}
			if _, err := pgp.ReadKeys(strings.NewReader(k.Certificate().Armor()), pgp.ReadOptions{}); !errors.Is(err, pgp.ErrPublicKey) {
				t.Errorf("public key as private: %v", err)
			}
			out := fmt.Sprintf("%v %+v %#v %s %x", k, k, k, k, k)
			if strings.Contains(out, "PRIVATE") || !strings.Contains(out, "[redacted]") {
				t.Errorf("prints as %s", out)
			}
		})
	}
}
