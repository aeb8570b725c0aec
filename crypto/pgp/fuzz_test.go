package pgp_test

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"
	"time"

	"zencrypt/crypto/pgp"
)

// seeds adds the samples of RFC 9580 and what is made here.
func seeds(f *testing.F) {
	names, err := filepath.Glob("testdata/*.asc")
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		b := sample(f, filepath.Base(name[:len(name)-len(".asc")]))
		f.Add(b)
		if !bytes.Contains(b, []byte("SIGNED MESSAGE")) {
			f.Add(dearmored(f, b))
		}
	}
	k := key(f, pgp.Curve25519)
	locked, err := k.Lock("secret", pgp.LockOptions{Count: quick})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(locked.Bytes())
	f.Add(k.Bytes())
	f.Add([]byte(k.Certificate().Armor()))
	f.Add(key(f, pgp.P256).Bytes())
	for name, m := range smallMessages(f) {
		_ = name
		f.Add(m.msg)
	}
	f.Add(seal(f, compressed(f, literal([]byte("x")))))
	signed, err := pgp.SignText([]byte("- text\n"), []*pgp.Key{k}, 0, pgp.SignOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
}

// FuzzReadKeys wants keys that were read to be usable without a panic and to read again as the same.
func FuzzReadKeys(f *testing.F) {
	seeds(f)
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, b []byte) {
		certs, err := pgp.ReadCertificates(bytes.NewReader(b), pgp.ReadOptions{Max: 10})
		if err == nil && len(certs) == 0 {
			t.Fatal("neither keys nor an error")
		}
		for _, c := range certs {
			c.Info(now)
			again, err := pgp.ReadCertificates(bytes.NewReader(c.Bytes()), pgp.ReadOptions{})
			if err != nil || again[0].Fingerprint() != c.Fingerprint() {
				t.Fatalf("does not read again: %v", err)
			}
			if c.CheckEncrypt(now) == nil {
				w, err := pgp.Encrypt(io.Discard, pgp.EncryptOptions{To: certs[:1], Now: func() time.Time { return now }})
				if err == nil {
					err = w.Close()
				}
				if err != nil && certs[0] == c {
					t.Fatalf("cannot encrypt: %v", err)
				}
			}
		}
		keys, err := pgp.ReadKeys(bytes.NewReader(b), pgp.ReadOptions{Max: 10, Skip: func(error) {}})
		if err != nil {
			return
		}
		for _, k := range keys {
			k.Info(now)
			_ = k.CheckSign(now)
			if _, err := k.Unlock("secret", pgp.LockOptions{Acquire: cheap}); err == nil {
				_, _ = k.SetExpiry(now.Add(time.Hour), now)
			}
			again, err := pgp.ReadKeys(bytes.NewReader(k.Bytes()), pgp.ReadOptions{})
			if err != nil || !bytes.Equal(again[0].Bytes(), k.Bytes()) {
				t.Fatalf("does not read again: %v", err)
			}
		}
	})
}

// cheap refuses Argon2, which would make fuzzing slow.
func cheap(n int64) (func(), error) {
	if n > 1<<20 {
		return nil, io.ErrShortBuffer
	}
	return func() {}, nil
}

func FuzzInspect(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := pgp.Inspect(bytes.NewReader(b))
		if err == nil && (i.Kind == "" || i.Size != int64(len(b)) || i.Whole != (i.Problem == "")) {
			t.Fatalf("%+v", i)
		}
		pgp.Looks(b)
	})
}

// FuzzDecrypt wants content without an error only where a real message was.
func FuzzDecrypt(f *testing.F) {
	seeds(f)
	k, modern := key(f, pgp.Curve25519), key(f, pgp.Curve25519V6)
	rfc, certs := sampleKeys(f)
	o := pgp.OpenOptions{
		Keys: []*pgp.Key{k, modern, rfc}, Passphrases: []string{"secret"}, Acquire: cheap, MaxUnpacked: 1 << 20,
		Verify: append(certs, k.Certificate(), modern.Certificate()),
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, f := range []func(io.Reader, pgp.OpenOptions) (*pgp.Message, error){pgp.Open, pgp.OpenSigned} {
			m, err := f(bytes.NewReader(b), o)
			if err != nil {
				continue
			}
			got, err := io.ReadAll(io.LimitReader(m, 32<<20))
			if err != nil && m.Signatures() != nil {
				t.Fatal("verdicts in spite of an error")
			}
			if err == nil && m.Encrypted && !m.Unprotected {
				again, _, err := open(b, pgp.OpenOptions{SessionKey: m.SessionKey})
				if err != nil || !bytes.Equal(again, got) {
					t.Fatalf("does not open again by its session key: %v", err)
				}
			}
		}
		_, _ = pgp.Verify(bytes.NewReader([]byte("x")), bytes.NewReader(b), o.Verify, pgp.VerifyOptions{})
	})
}

// FuzzClearSigned wants no text to be good that the key did not sign.
func FuzzClearSigned(f *testing.F) {
	seeds(f)
	_, certs := sampleKeys(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := pgp.VerifyText(bytes.NewReader(b), certs, 0, pgp.VerifyOptions{})
		if err == nil && pgp.AnyGood(got.Signatures) && string(got.Text) != groceries {
			t.Fatalf("%q is good", got.Text)
		}
	})
}
