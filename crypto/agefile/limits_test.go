package agefile_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"zencrypt/crypto/agefile"
)

// stanzas returns the header of a file with n X25519 stanzas that nobody can open, and a bit of payload.
func stanzas(n int) []byte {
	var b bytes.Buffer
	b.WriteString("age-encryption.org/v1\n")
	share := base64.RawStdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 32))
	for range n {
		fmt.Fprintf(&b, "-> X25519 %s\n%s\n", share, share)
	}
	fmt.Fprintf(&b, "--- %s\n", share)
	b.Write(make([]byte, 48))
	return b.Bytes()
}

// counting counts how often it is asked.
type counting struct{ n int }

func (c *counting) Unwrap([]*age.Stanza) ([]byte, error) {
	c.n++
	return nil, age.ErrIncorrectIdentity
}

func TestOpen_TooManyStanzas(t *testing.T) {
	for _, n := range []int{agefile.MaxStanzas + 1, 1000, 1024, 1025, 100_000} {
		file := stanzas(n)
		id := &counting{}
		start := time.Now()
		if _, err := agefile.Open(bytes.NewReader(file), id); !errors.Is(err, agefile.ErrTooManyStanzas) {
			t.Errorf("%d stanzas: %v, want ErrTooManyStanzas", n, err)
		}
		if d := time.Since(start); id.n != 0 || d > 20*time.Second {
			t.Errorf("%d stanzas: %d attempts, %s", n, id.n, d)
		}
		if _, err := agefile.Inspect(bytes.NewReader(file)); !errors.Is(err, agefile.ErrTooManyStanzas) {
			t.Errorf("%d stanzas: Inspect: %v", n, err)
		}
	}
	id := &counting{}
	var noKey *agefile.NoKeyError
	if _, err := agefile.Open(bytes.NewReader(stanzas(agefile.MaxStanzas)), id); !errors.As(err, &noKey) || id.n != 1 {
		t.Errorf("%d stanzas: %v after %d attempts, want NoKeyError after one", agefile.MaxStanzas, err, id.n)
	}
}

func TestOpen_TooManyAttempts(t *testing.T) {
	id := &counting{}
	ids := make([]age.Identity, 100)
	for i := range ids {
		ids[i] = id
	}
	if _, err := agefile.Open(bytes.NewReader(stanzas(agefile.MaxStanzas)), ids...); !errors.Is(err, agefile.ErrTooManyAttempts) {
		t.Errorf("error %v, want ErrTooManyAttempts", err)
	}
	if want := agefile.MaxAttempts / agefile.MaxStanzas; id.n != want {
		t.Errorf("%d identities were tried, want %d", id.n, want)
	}
}

// scryptHeader returns a passphrase file as far as its factor matters.
func scryptHeader(factor string) []byte {
	return []byte("age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA " + factor + "\n" +
		base64.RawStdEncoding.EncodeToString(make([]byte, 32)) + "\n--- " + base64.RawStdEncoding.EncodeToString(make([]byte, 32)) + "\n" + strings.Repeat("x", 48))
}

func TestOpen_WorkFactor(t *testing.T) {
	id, err := agefile.NewPassphrase("secret", agefile.ServerMaxWorkFactor)
	if err != nil {
		t.Fatal(err)
	}
	id.Acquire = func(n int64) (func(), error) {
		t.Errorf("%d bytes were about to be used", n)
		return func() {}, nil
	}
	for _, factor := range []string{"19", "22", "30", "40", "64", "1000", "99999999999999999999999"} {
		start := time.Now()
		if _, err := agefile.Open(bytes.NewReader(scryptHeader(factor)), id); !errors.Is(err, agefile.ErrWorkFactor) {
			t.Errorf("factor %s: %v, want ErrWorkFactor", factor, err)
		}
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("factor %s: refusing took %s", factor, d)
		}
	}
	for _, factor := range []string{"0", "-1", "08", "x", "1 2", ""} {
		if _, err := agefile.Open(bytes.NewReader(scryptHeader(factor)), id); !errors.Is(err, agefile.ErrDamaged) {
			t.Errorf("factor %q: %v, want ErrDamaged", factor, err)
		}
	}
	info, err := agefile.Inspect(bytes.NewReader(scryptHeader("40")))
	if err != nil || info.WorkFactor != 40 || !info.Passphrase {
		t.Errorf("Inspect = %+v, %v", info, err)
	}
}

func TestPassphrase(t *testing.T) {
	rec, err := agefile.PassphraseRecipient("correct horse", 10)
	if err != nil {
		t.Fatal(err)
	}
	file := encrypt(t, true, []byte("hello"), rec)
	right, _ := agefile.NewPassphrase("correct horse", agefile.ServerMaxWorkFactor)
	wrong, _ := agefile.PassphraseIdentity("battery staple", agefile.ServerMaxWorkFactor)
	var asked, released int64
	right.Acquire = func(n int64) (func(), error) { asked = n; return func() { released = n }, nil }
	if got, err := decrypt(file, right); err != nil || string(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	if asked != 1<<20 || released != asked {
		t.Errorf("asked for %d bytes and released %d, want 1 MiB", asked, released)
	}
	busy := errors.New("busy")
	right.Acquire = func(int64) (func(), error) { return nil, busy }
	if _, err := decrypt(file, right); !errors.Is(err, busy) || errors.Is(err, agefile.ErrDamaged) {
		t.Errorf("no room for the slow hash: %v", err)
	}
	if out := fmt.Sprintf("%v %+v %#v %x", right, right, right, right); strings.Contains(out, "correct") || strings.Contains(out, "636f7272") {
		t.Errorf("the passphrase prints: %s", out)
	}
	p := newPair(t)
	toKey := encrypt(t, false, []byte("x"), p.rec)
	for _, tc := range []struct {
		name     string
		file     []byte
		ids      []age.Identity
		needs    bool
		mentions string
	}{
		{"WrongPassphrase", file, []age.Identity{wrong}, true, "wrong passphrase"},
		{"NoPassphrase", file, nil, true, "encrypted with a passphrase"},
		{"KeyForPassphrase", file, []age.Identity{p.id}, true, "encrypted with a passphrase"},
		{"PassphraseForKey", toKey, []age.Identity{wrong}, false, "a private key is needed"},
		{"NoKey", toKey, nil, false, "a private key is needed"},
		{"WrongKey", toKey, []age.Identity{newPair(t).id}, false, "the key does not fit"},
		{"WrongKeys", toKey, []age.Identity{newPair(t).id, newPair(t).id, wrong}, false, "none of 2 keys fits"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := decrypt(tc.file, tc.ids...)
			var noKey *agefile.NoKeyError
			if !errors.As(err, &noKey) || noKey.Passphrase != tc.needs || !strings.Contains(err.Error(), tc.mentions) {
				t.Errorf("error %v, want NoKeyError about %q", err, tc.mentions)
			}
		})
	}
	for _, factor := range []int{-1, 0, 23, 31} {
		if _, err := agefile.PassphraseRecipient("x", factor); err == nil {
			t.Errorf("made a recipient of work factor %d", factor)
		}
		if _, err := agefile.PassphraseIdentity("x", factor); err == nil {
			t.Errorf("made an identity of work factor %d", factor)
		}
	}
	if _, err := agefile.PassphraseRecipient("", 10); !errors.Is(err, agefile.ErrPassphrase) {
		t.Errorf("empty passphrase: %v", err)
	}
}

func TestWorkMemory(t *testing.T) {
	for factor, want := range map[int]int64{10: 1 << 20, 15: 32 << 20, 18: 256 << 20, 1000: 1 << 50, -1: 1 << 50} {
		if got := agefile.WorkMemory(factor); got != want {
			t.Errorf("WorkMemory(%d) = %d, want %d", factor, got, want)
		}
	}
}
