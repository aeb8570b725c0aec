//go:build linux

package e2e

import (
	"encoding/json"
	"flag"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeFixture makes the folder that TestUpgrade_First reads. It was used once, with the first version;
// using it again would lose what the test is for.
var writeFixture = flag.Bool("write-first-version", false, "write e2e/testdata/first anew")

const firstVersion = "testdata/first"

// firstTruth is what the first version kept, by the path of the item.
type firstTruth struct {
	Login, Password, RecoveryCode string
	Items                         map[string]string
}

// TestUpgrade_First opens the databases that the first version left when it was stopped: whatever
// changed since, the person logs in and finds everything.
func TestUpgrade_First(t *testing.T) {
	if *writeFixture {
		makeFirst(t)
	}
	var truth firstTruth
	b, err := os.ReadFile(filepath.Join(firstVersion, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &truth); err != nil {
		t.Fatal(err)
	}
	if len(truth.Items) < 5 {
		t.Fatalf("the fixture has %d items only", len(truth.Items))
	}
	s := newServer(t)
	s.stop()
	for _, dir := range []string{s.data, s.secrets} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	copyPrivate(t, filepath.Join(firstVersion, "data"), s.data)
	copyPrivate(t, filepath.Join(firstVersion, "keys"), s.secrets)
	s.start()

	c := s.client()
	c.login(truth.Login, truth.Password)
	for path, want := range truth.Items {
		if got := c.must(c.get(path+"/file"), http.StatusOK); got.body != want {
			t.Errorf("%s: %d bytes, want %d", path, len(got.body), len(want))
		}
	}
	c.logout()
	other := "a quite different pass phrase 8"
	c.must(c.post("/recover", "login", truth.Login, "code", truth.RecoveryCode, "password", other, "password2", other), http.StatusSeeOther, "/register/confirm")
}

func makeFirst(t *testing.T) {
	s := newServer(t)
	c := s.client()
	truth := firstTruth{Login: "First@Example.org", Password: "four quiet horses 1852", Items: map[string]string{}}
	truth.RecoveryCode = c.register(truth.Login, truth.Password)
	keep := func(a answer, content string) {
		t.Helper()
		truth.Items[c.must(a, http.StatusSeeOther).location()] = content
	}
	keep(c.post("/vault", "title", "A note, Grüße 名", "text", "first line\nsecond line ✓"), "first line\nsecond line ✓")
	keep(c.post("/vault", "title", "Digest", "kind", "digest", "text", "SHA256 (a) = 00\n"), "SHA256 (a) = 00\n")
	keep(c.upload("/vault", field("title", ""), file("päper.bin", strings.Repeat("\x00\x01binary", 9000))), strings.Repeat("\x00\x01binary", 9000))
	keep(c.upload("/vault", field("title", "empty"), file("empty", "")), "")
	c.must(c.upload("/encrypt", field("to", "me"), field("save", "1"), file("kept.txt", "kept as ciphertext")), http.StatusOK)
	c.must(c.post("/encrypt", "to", "me", "format", "fernet", "save", "1", "text", "kept as a token"), http.StatusOK)
	keep(c.post("/vault", "title", "Another", "text", "plain"), "plain")
	s.stop()
	if err := os.RemoveAll(firstVersion); err != nil {
		t.Fatal(err)
	}
	copyPrivate(t, s.data, filepath.Join(firstVersion, "data"))
	copyPrivate(t, s.secrets, filepath.Join(firstVersion, "keys"))
	b, err := json.MarshalIndent(truth, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(firstVersion, "truth.json"), append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// copyPrivate copies a folder with the modes that the program asks for: git keeps none of them.
func copyPrivate(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
