package pgp_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/pgp"
)

// sample reads a sample of RFC 9580, see testdata/README.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".asc"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sampleKeys(t testing.TB) (*pgp.Key, []*pgp.Certificate) {
	t.Helper()
	keys, err := pgp.ReadKeys(bytes.NewReader(sample(t, "v6-secret")), pgp.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	certs, err := pgp.ReadCertificates(bytes.NewReader(sample(t, "v6-certificate")), pgp.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return keys[0], certs
}

const (
	sampleFingerprint = "CB186C4F0609A697E4D52DFA6C722B0C1F1E27C18A56708F6525EC27BAD9ACC9"
	groceries         = "What we need from the grocery store:\n\n- tofu\n- vegetables\n- noodles\n"
)

func TestRFC9580_Keys(t *testing.T) {
	k, certs := sampleKeys(t)
	i := certs[0].Info(time.Now())
	if k.Fingerprint() != sampleFingerprint || certs[0].Fingerprint() != sampleFingerprint || i.Version != 6 || i.Algorithm != "ed25519" ||
		!i.CanEncrypt || !i.CanSign || !i.Modern || len(i.UserIDs) != 0 || i.Subkeys[0].Fingerprint != "12C83F1E706F6308FE151A417743A1F033790E93E9978488D1DB378DA9930885" {
		t.Errorf("%s: %+v", k.Fingerprint(), i)
	}
	if !bytes.Equal(k.Certificate().Bytes(), certs[0].Bytes()) {
		t.Error("the public part differs")
	}
	// The locked sample asks for Argon2 over 2 GiB.
	locked, err := pgp.ReadKeys(bytes.NewReader(sample(t, "v6-secret-locked")), pgp.ReadOptions{})
	if err != nil || !locked[0].Locked() {
		t.Fatal(err)
	}
	_, err = locked[0].Unlock("correct horse battery staple", pgp.LockOptions{Acquire: func(n int64) (func(), error) {
		t.Errorf("%d bytes were about to be used", n)
		return func() {}, nil
	}})
	if !errors.Is(err, pgp.ErrRefused) {
		t.Errorf("locked with 2 GiB: %v", err)
	}
}

func TestRFC9580_Messages(t *testing.T) {
	k, _ := sampleKeys(t)
	for name, aead := range map[string]string{"x25519-aead-ocb": "OCB", "aead-eax": "EAX", "aead-ocb": "OCB", "aead-gcm": "GCM"} {
		o := pgp.OpenOptions{Keys: []*pgp.Key{k}, Passphrases: []string{"password"}}
		got, m, err := open(sample(t, name), o)
		if err != nil || string(got) != "Hello, world!" || m.AEAD != aead || m.Cipher != "AES-128" || !m.Chunked {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		_, _, err = open(sample(t, name), pgp.OpenOptions{Passphrases: []string{"Password"}})
		var noKey *pgp.NoKeyError
		if !errors.As(err, &noKey) || noKey.Wrong() != strings.HasPrefix(name, "aead") {
			t.Errorf("%s: wrong passphrase: %v", name, err)
		}
	}
	// These ask for Argon2 over 2 GiB, which is refused; the session keys are the RFC's.
	for name, session := range map[string]string{
		"argon2-aes128": "7:01FE16BBACFD1E7B78EF3B865187374F",
		"argon2-aes192": "",
		"argon2-aes256": "",
	} {
		_, _, err := open(sample(t, name), pgp.OpenOptions{Passphrases: []string{"password"}, Acquire: func(n int64) (func(), error) {
			t.Errorf("%s: %d bytes were about to be used", name, n)
			return func() {}, nil
		}})
		if !errors.Is(err, pgp.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		i, err := pgp.Inspect(bytes.NewReader(sample(t, name)))
		if err != nil || len(i.Passphrases) != 1 || i.Passphrases[0].S2K.Memory != 2<<30 || !i.Passphrases[0].TooMuch || !i.Whole {
			t.Errorf("%s: Inspect: %+v, %v", name, i, err)
		}
		if session == "" {
			continue
		}
		sk, err := pgp.ParseSessionKey(session)
		if err != nil {
			t.Fatal(err)
		}
		if got, m, err := open(sample(t, name), pgp.OpenOptions{SessionKey: sk}); err != nil || string(got) != "Hello, world!" || m.Chunked {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestRFC9580_Signatures(t *testing.T) {
	_, certs := sampleKeys(t)
	got, err := pgp.VerifyText(bytes.NewReader(sample(t, "clear-signed")), certs, 0, pgp.VerifyOptions{})
	if err != nil || string(got.Text) != groceries || len(got.Signatures) != 1 || got.Signatures[0].Status != pgp.Good || got.Around {
		t.Errorf("%+v, %v", got, err)
	}
	if s := got.Signatures[0]; s.Primary != sampleFingerprint || s.Time.Format(time.DateOnly) != "2022-12-13" || s.Hash != "SHA-512" {
		t.Errorf("%+v", s)
	}
	m, err := pgp.OpenSigned(bytes.NewReader(sample(t, "inline-signed")), pgp.OpenOptions{Verify: certs})
	if err != nil {
		t.Fatal(err)
	}
	if m.Signatures() != nil {
		t.Error("there are verdicts before the content was read")
	}
	text, err := io.ReadAll(m)
	if err != nil || string(text) != groceries || len(m.Signatures()) != 1 || m.Signatures()[0].Status != pgp.Good || !m.Text {
		t.Errorf("%q, %v, %+v", text, err, m.Signatures())
	}
}
