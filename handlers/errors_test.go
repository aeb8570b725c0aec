package handlers

import (
	"bytes"
	"io"
	"testing"

	"zencrypt/crypto/agefile"
	"zencrypt/limits"
)

// ageAt makes an age file for a passphrase at a work factor.
func ageAt(t *testing.T, factor int, passphrase, plain string) string {
	t.Helper()
	r, err := agefile.PassphraseRecipient(passphrase, factor)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := agefile.Encrypt(&b, true, r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, plain)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestErrors_TooHeavy: a passphrase that needs more memory than there ever is gets a clear refusal.
func TestErrors_TooHeavy(t *testing.T) {
	s := newServer(t)
	s.budget = limits.NewBudget(8<<20, 4<<20, 4, 0) // scrypt at work factor 15 takes 32 MiB
	c := s.client(t)
	light, heavy := ageAt(t, 1, "right", "words"), ageAt(t, 14, "right", "words")
	const says = "ZENCRYPT_KDF_MEMORY"
	c.post("/encrypt", "to", "passphrase", "passphrase", "a long passphrase", "text", "words").want(t, 422, "Too heavy for this server", says)
	c.upload("/encrypt", []string{"to", "passphrase", "passphrase", "a long passphrase"}, [2]string{"a.txt", "words"}).want(t, 422, says)
	c.post("/decrypt", "passphrase", "right", "text", light).want(t, 200)
	c.post("/decrypt", "passphrase", "right", "text", heavy).want(t, 422, says)
	c.upload("/decrypt", []string{"passphrase", "right"}, [2]string{"a.age", heavy}).want(t, 422, says)
	c.htmx = true
	c.post("/decrypt", "passphrase", "right", "text", heavy).want(t, 422, says)
}
