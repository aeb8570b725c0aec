//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gnupg is a GnuPG with a home of its own.
type gnupg struct {
	t    testing.TB
	home string
}

func newGnuPG(t testing.TB) *gnupg {
	program(t, "gpg", "OpenPGP messages that the page opens")
	// A socket's path may have 108 bytes, and a test's folder has a long name.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	g := &gnupg{t, home}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	return g
}

func (g *gnupg) run(stdin string, args ...string) string {
	g.t.Helper()
	out, err := g.try(stdin, args...)
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

// try is run for what may fail.
func (g *gnupg) try(stdin string, args ...string) (string, error) {
	g.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", g.home, "--batch", "--yes", "--quiet", "--no-permission-warning", "--pinentry-mode", "loopback", "--trust-model", "always"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("gpg %q: %w\n%s", args, err, errs.String())
	}
	return string(out), err
}

// Messages and files of GnuPG open on the page: with a passphrase, and with a private key for this time.
func TestInterop_GnuPGToPage(t *testing.T) {
	g := newGnuPG(t)
	i := newInterop(t)
	const pass = "a passphrase for gpg"
	g.run("", "--passphrase", "", "--quick-gen-key", "Ada <ada@example.org>", "future-default", "default", "never")
	g.run("", "--passphrase", pass, "--quick-gen-key", "Bob <bob@example.org>", "rsa2048", "default", "never")
	g.run("", "--passphrase", pass, "--quick-add-key", strings.Fields(strings.SplitN(g.run("", "--with-colons", "--list-keys", "bob"), "fpr:::::::::", 2)[1])[0][:40], "rsa2048", "encr", "never")
	ada := g.run("", "--armor", "--export-secret-keys", "ada")
	bob := g.run("", "--armor", "--passphrase", pass, "--export-secret-keys", "bob")

	for _, n := range interopSizes {
		want := random(t, n)
		i.same(fmt.Sprintf("gpg -e, %d bytes", n), i.openFile(interopName+".gpg", g.run(want, "-e", "-r", "ada"), "identity", ada), want)
		i.same(fmt.Sprintf("gpg -c, %d bytes", n), i.openFile(interopName+".gpg", g.run(want, "-c", "--passphrase", pass), "passphrase", pass), want)
	}
	i.same("a locked key", i.openFile("b.gpg", g.run("for Bob", "-e", "-r", "bob"), "identity", bob, "passphrase", pass), "for Bob")
	for _, want := range []string{"x", "Grüße,\n\t日本 \U0001f511\n", "\x00\xff\xfe binary", random(t, 700_000)} {
		armor := g.run(want, "-a", "-e", "-r", "ada")
		i.same("gpg -ae, pasted", i.text("/decrypt", armor, "identity", ada), want)
		i.same("gpg -ac, pasted", i.text("/decrypt", g.run(want, "-a", "-c", "--passphrase", pass), "passphrase", pass), want)
		quoted := "On Monday, Ada wrote:\r\n> " + strings.ReplaceAll(strings.TrimSuffix(armor, "\n"), "\n", "\r\n> ") + "\r\n-- \r\nA footer\r\n"
		i.same("quoted in a mail", i.text("/decrypt", quoted, "identity", ada), want)
	}
	signed := i.c.must(i.c.upload("/decrypt", field("identity", ada), field("text", g.run("signed", "-a", "-s", "-e", "-r", "ada"))), http.StatusOK)
	if !strings.Contains(words(signed.body), "not known here") {
		t.Errorf("nothing is said of the signature:\n%s", words(signed.body))
	}
	for name, parts := range map[string][]part{
		"passphrase is wrong": {field("passphrase", "wrong"), field("text", g.run("x", "-a", "-c", "--passphrase", pass))},
		"needs a passphrase":  {field("text", g.run("x", "-a", "-c", "--passphrase", pass))},
		"no key fits":         {field("text", g.run("x", "-a", "-e", "-r", "ada"))},
		"public key":          {field("identity", g.run("", "-a", "--export", "ada")), field("text", g.run("x", "-a", "-e", "-r", "ada"))},
	} {
		a := i.c.must(i.c.upload("/decrypt", parts...), http.StatusUnprocessableEntity)
		if !strings.Contains(strings.ToLower(words(a.body)), name) {
			t.Errorf("want %q:\n%s", name, words(a.body))
		}
	}
	// A file that no key fits waits, and opens with the next try.
	locked := i.c.must(i.c.upload("/decrypt", file("w.gpg", g.run("waits", "-c", "--passphrase", pass))), http.StatusUnprocessableEntity)
	result := i.c.result(locked)
	i.c.must(i.c.post(result+"/open", "passphrase", "wrong"), http.StatusUnprocessableEntity)
	i.c.must(i.c.post(result+"/open", "passphrase", pass), http.StatusSeeOther)
	if got := i.c.must(i.c.get(result+"/file"), http.StatusOK).body; got != "waits" {
		t.Errorf("opened as %q", got)
	}
}

// What older versions wrote opens on the page: files of theirs, and messages with their keys.
func TestInterop_OlderToPage(t *testing.T) {
	i := newInterop(t)
	fixtures := filepath.Join("..", "..", "shared", "fixtures", "legacy", "v62")
	if _, err := os.Stat(fixtures); err != nil {
		missing(t, "data of older versions", "files and messages of older versions on the page")
	}
	var truth struct {
		Files []struct {
			File, Plain string
			Key         string `json:"fernet_key"`
		} `json:"web_files"`
		CLI   []struct{ File, Plain, Password string } `json:"cli_files"`
		Users []struct {
			Keys []struct {
				ID  int
				PEM string `json:"private_key"`
			} `json:"pgp_keys"`
			Messages []struct {
				Key    int    `json:"pgp_key_id"`
				Plain  string `json:"plaintext"`
				Sealed string `json:"ciphertext"`
			} `json:"pgp_messages"`
		} `json:"users"`
	}
	if err := json.Unmarshal([]byte(read(t, filepath.Join(fixtures, "truth.json"))), &truth); err != nil {
		t.Fatal(err)
	}
	if len(truth.Files) == 0 {
		t.Fatal("the truth names no files")
	}
	for _, f := range truth.Files {
		sealed, want := read(t, filepath.Join(fixtures, f.File)), read(t, filepath.Join(fixtures, f.Plain))
		i.same(f.File, i.openFile(filepath.Base(f.File), sealed, "identity", f.Key), want)
		if want != "" && len(want) < 1000 {
			i.same(f.File+", pasted", i.text("/decrypt", sealed, "identity", f.Key), want)
		}
	}
	for _, f := range truth.CLI {
		sealed, want := read(t, filepath.Join(fixtures, f.File)), read(t, filepath.Join(fixtures, f.Plain))
		i.same(f.File, i.openFile(filepath.Base(f.File), sealed, "old_file", "1", "passphrase", f.Password), want)
	}
	if len(truth.CLI) == 0 {
		t.Error("the truth names no files of the command line")
	}
	messages := 0
	for _, u := range truth.Users {
		pem := map[int]string{}
		for _, k := range u.Keys {
			pem[k.ID] = k.PEM
		}
		for _, m := range u.Messages {
			messages++
			i.same("message", i.text("/decrypt", m.Sealed, "identity", pem[m.Key]), m.Plain)
		}
	}
	if messages == 0 {
		t.Error("the truth names no messages")
	}
}
