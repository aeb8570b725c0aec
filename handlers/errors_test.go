package handlers

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
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

// TestErrors_StoredCopy: a stored file that is damaged or gone is said to be so, and logged.
func TestErrors_StoredCopy(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"Damaged": func(path string) error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b[len(b)-1] ^= 1
			return os.WriteFile(path, b, 0o600)
		},
		"Cut":  func(path string) error { return os.Truncate(path, 100) },
		"Gone": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			c := s.client(t)
			c.register("unlucky")
			result := resultPath(t, c.upload("/encrypt", []string{"to", "me"}, [2]string{"a.txt", "in the spool"}).want(t, 200).body) + "/file"
			item := c.upload("/vault", []string{"mode", "files"}, [2]string{"b.txt", "in the vault"}).want(t, 303).Header.Get("Location") + "/file"
			for area, path := range map[string]string{"spool": result, "blobs": item} {
				c.get(path).want(t, 200)
				files, err := filepath.Glob(filepath.Join(s.dir, area, "*"))
				if err != nil || len(files) != 1 {
					t.Fatalf("%s holds %v, %v", area, files, err)
				}
				if err := harm(files[0]); err != nil {
					t.Fatal(err)
				}
				for _, c.htmx = range []bool{false, true} {
					a := c.get(path).want(t, 500, "The stored copy is damaged", "Nothing of it was sent", "may have a backup")
					if a.Header.Get("Content-Disposition") != "" || strings.Contains(a.body, "in the spool") || strings.Contains(a.body, "in the vault") {
						t.Errorf("%s: something was sent: %q %q", area, a.Header.Get("Content-Disposition"), a.body)
					}
				}
				c.htmx = false
			}
			if n := strings.Count(s.log.String(), "request failed"); n != 4 {
				t.Errorf("%d of 4 failures are in the log", n)
			}
		})
	}
}
