package pgp_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"zencrypt/crypto/pgp"
)

// small messages of every kind with what opens them.
func smallMessages(t testing.TB) map[string]struct {
	msg []byte
	o   pgp.OpenOptions
} {
	old, modern := key(t, pgp.Curve25519), key(t, pgp.Curve25519V6)
	type entry = struct {
		msg []byte
		o   pgp.OpenOptions
	}
	pass := pgp.OpenOptions{Passphrases: []string{"secret"}}
	verify := func(k *pgp.Key) pgp.OpenOptions {
		return pgp.OpenOptions{Keys: []*pgp.Key{k}, Verify: []*pgp.Certificate{k.Certificate()}}
	}
	session, err := pgp.ParseSessionKey("7:3881BAFE985412459B86C36F98CB9A5E") // RFC 9580 appendix A.9.3
	if err != nil {
		t.Fatal(err)
	}
	return map[string]entry{
		"MDC":        {encrypt(t, []byte(secretText), pgp.EncryptOptions{To: []*pgp.Certificate{old.Certificate()}}), verify(old)},
		"MDCSigned":  {encrypt(t, []byte(secretText), pgp.EncryptOptions{To: []*pgp.Certificate{old.Certificate()}, Sign: []*pgp.Key{old}}), verify(old)},
		"AEAD":       {encrypt(t, []byte(secretText), pgp.EncryptOptions{To: []*pgp.Certificate{modern.Certificate()}}), verify(modern)},
		"AEADSigned": {encrypt(t, []byte(secretText), pgp.EncryptOptions{To: []*pgp.Certificate{modern.Certificate()}, Sign: []*pgp.Key{modern}}), verify(modern)},
		"Passphrase": {encrypt(t, []byte(secretText), pgp.EncryptOptions{Passphrases: []string{"secret"}}), pass},
		"EAX":        {dearmored(t, sample(t, "aead-eax")), pgp.OpenOptions{SessionKey: session}}, // its hash is slow
	}
}

const secretText = "The quick brown fox jumps over the lazy dog.\n"

// dearmored has the packets of an armored sample.
func dearmored(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := pgp.RemoveArmor(&b, bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func plainOf(name string) string {
	if name == "EAX" {
		return "Hello, world!"
	}
	return secretText
}

// TestOpen_EveryBit flips each bit of small messages: whoever reads to io.EOF without an
// error has the right content, and no verdict becomes good that was not.
func TestOpen_EveryBit(t *testing.T) {
	for name, m := range smallMessages(t) {
		t.Run(name, func(t *testing.T) {
			refuse := errors.New("too costly for a test")
			m.o.Acquire = func(n int64) (func(), error) {
				if n > 1<<20 {
					return nil, refuse
				}
				return func() {}, nil
			}
			var opened int
			var kept []int
			for i := range len(m.msg) * 8 {
				b := bytes.Clone(m.msg)
				b[i/8] ^= 1 << (i % 8)
				got, msg, err := open(b, m.o)
				if err != nil {
					continue
				}
				opened++
				kept = append(kept, i)
				if string(got) != plainOf(name) {
					t.Fatalf("bit %d: got %q without an error", i, got)
				}
				if msg.Unprotected {
					t.Fatalf("bit %d: lost its protection", i)
				}
			}
			t.Logf("%s: %d of %d changes do not matter: %v", name, opened, len(m.msg)*8, kept)
		})
	}
}

func TestOpen_EveryTruncation(t *testing.T) {
	for name, m := range smallMessages(t) {
		t.Run(name, func(t *testing.T) {
			for n := range m.msg {
				for _, armored := range []bool{false, true} {
					b := m.msg[:n]
					if armored {
						text := pgp.ArmorMessage(m.msg)
						b = []byte(text[:len(text)*n/len(m.msg)])
					}
					got, _, err := open(b, m.o)
					if err == nil {
						t.Fatalf("%d bytes, armored %v: got %q without an error", n, armored, got)
					}
					var noKey *pgp.NoKeyError
					if !errors.Is(err, pgp.ErrDamaged) && !errors.Is(err, pgp.ErrFormat) && !errors.As(err, &noKey) {
						t.Fatalf("%d bytes, armored %v: %v", n, armored, err)
					}
				}
			}
			if _, _, err := open(append(bytes.Clone(m.msg), 0xcb), m.o); !errors.Is(err, pgp.ErrDamaged) {
				t.Errorf("something more at the end: %v", err)
			}
			if _, _, err := open(append(bytes.Clone(m.msg), m.msg...), m.o); !errors.Is(err, pgp.ErrDamaged) {
				t.Errorf("twice: %v", err)
			}
		})
	}
}

// TestOpen_Chunks damages a long message: with chunked AEAD what came before is right.
func TestOpen_Chunks(t *testing.T) {
	for a, chunked := range map[pgp.Algorithm]bool{pgp.Curve25519: false, pgp.Curve25519V6: true} {
		k, plain := key(t, a), content(3<<20)
		msg := encrypt(t, plain, pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}, Sign: []*pgp.Key{k}})
		for name, b := range map[string][]byte{
			"Flip": flip(msg, len(msg)*2/3), "Cut": msg[:len(msg)*2/3], "Last": flip(msg, len(msg)-1), "CutOne": msg[:len(msg)-1],
		} {
			m, err := pgp.Open(bytes.NewReader(b), pgp.OpenOptions{Keys: []*pgp.Key{k}, Verify: []*pgp.Certificate{k.Certificate()}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(m)
			if !errors.Is(err, pgp.ErrDamaged) || m.Signatures() != nil {
				t.Errorf("%s, %s: %v, %v", a, name, err, m.Signatures())
			}
			if chunked && !bytes.HasPrefix(plain, got) {
				t.Errorf("%s, %s: yields what was not written", a, name)
			}
			if n, again := m.Read(make([]byte, 10)); n != 0 || again != err {
				t.Errorf("%s, %s: the error does not stay: %d, %v", a, name, n, again)
			}
			if m.Chunked != chunked {
				t.Errorf("%s: chunked %v", a, m.Chunked)
			}
		}
	}
}

func flip(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1
	return b
}

// TestSourceErrors are no damage.
func TestSourceErrors(t *testing.T) {
	lost := errors.New("connection lost")
	for name, m := range smallMessages(t) {
		for n := range m.msg {
			src := io.MultiReader(bytes.NewReader(m.msg[:n]), iotest.ErrReader(lost))
			opened, err := pgp.Open(src, m.o)
			if err == nil {
				_, err = io.ReadAll(opened)
			}
			if !errors.Is(err, lost) || errors.Is(err, pgp.ErrDamaged) {
				t.Fatalf("%s, %d bytes: %v", name, n, err)
			}
			if _, err := pgp.Inspect(io.MultiReader(bytes.NewReader(m.msg[:n]), iotest.ErrReader(lost))); !errors.Is(err, lost) {
				t.Fatalf("%s, %d bytes: Inspect: %v", name, n, err)
			}
		}
	}
	k := key(t, pgp.Curve25519)
	for _, n := range []int{0, 1, 100, 300} {
		if _, err := pgp.ReadKeys(io.MultiReader(bytes.NewReader(k.Bytes()[:n]), iotest.ErrReader(lost)), pgp.ReadOptions{}); !errors.Is(err, lost) {
			t.Errorf("ReadKeys: %v", err)
		}
		if _, err := pgp.VerifyText(io.MultiReader(strings.NewReader("x"), iotest.ErrReader(lost)), nil, 0, pgp.VerifyOptions{}); !errors.Is(err, lost) {
			t.Errorf("VerifyText: %v", err)
		}
	}
	for limit := range 400 {
		dst := &failing{left: limit, err: lost}
		w, err := pgp.Encrypt(dst, pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}, Sign: []*pgp.Key{k}, Armor: limit%2 == 0})
		if err == nil {
			_, _ = w.Write([]byte("x"))
			err = w.Close()
		}
		if dst.left < 0 && !errors.Is(err, lost) || dst.left >= 0 && err != nil {
			t.Fatalf("a full disk after %d bytes: %v", limit, err)
		}
	}
}

// failing is a destination that takes so many bytes.
type failing struct {
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, f.err
	}
	return len(p), nil
}

// TestVerify_EveryBit flips each bit of a signature and of a signed text.
func TestVerify_EveryBit(t *testing.T) {
	k := key(t, pgp.Curve25519)
	certs := []*pgp.Certificate{k.Certificate()}
	var sig bytes.Buffer
	w, err := pgp.SignDetached(&sig, []*pgp.Key{k}, pgp.SignOptions{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, []byte(secretText))
	for i := range sig.Len() * 8 {
		b := bytes.Clone(sig.Bytes())
		b[i/8] ^= 1 << (i % 8)
		all, err := pgp.Verify(strings.NewReader(secretText), bytes.NewReader(b), certs, pgp.VerifyOptions{})
		if err == nil && pgp.AnyGood(all) && all[0].Primary != k.Fingerprint() {
			t.Errorf("bit %d: %+v", i, all)
		}
		if i/8 < 8 && err == nil && pgp.AnyGood(all) {
			t.Errorf("bit %d of the head: %+v", i, all)
		}
	}
	signed, err := pgp.SignText([]byte(secretText), []*pgp.Key{k}, 0, pgp.SignOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(signed) * 8 {
		b := bytes.Clone(signed)
		b[i/8] ^= 1 << (i % 8)
		got, err := pgp.VerifyText(bytes.NewReader(b), certs, 0, pgp.VerifyOptions{})
		if err == nil && pgp.AnyGood(got.Signatures) && strings.TrimRight(string(got.Text), " \t\n") != strings.TrimRight(secretText, "\n") {
			t.Errorf("bit %d: %q is good", i, got.Text)
		}
	}
	for i := range signed[:len(signed)-1] {
		if got, err := pgp.VerifyText(bytes.NewReader(signed[:i]), certs, 0, pgp.VerifyOptions{}); err == nil {
			t.Fatalf("%d bytes: %+v", i, got)
		}
	}
}
