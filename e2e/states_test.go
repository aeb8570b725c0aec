//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"zencrypt/crypto/pgp"
)

// The parts of TestPages that need an account, one function a tab of the program.

func encryptPages(_ *testing.T, s *server, tab *tab) {
	c := s.client()
	c.register("encrypts", walkPassword)
	tab.adopt(c)
	tab.open("/encrypt")
	tab.unfold("Format")
	tab.sound("encrypt-me")
	tab.fill("#text", strings.Repeat("A line that is not very long but goes on. ", 20))
	tab.answer()
	tab.unfold("Open it without")
	tab.sound("encrypt-result")
	tab.click("label:has(> [name=format][value=fernet])")
	tab.answer()
	tab.unfold("Open it without")
	tab.sound("encrypt-result-fernet")
	tab.click("label:has(> [name=to][value=passphrase])")
	tab.wait("#format") // a format that does not go with the choice is still there to be changed
	tab.answer()
	tab.sound("encrypt-passphrase-error")
	tab.whole()
	tab.sound("encrypt-passphrase-error-page")
	tab.click("#passphrase-field [name=generate]")
	tab.wait("#passphrase-field .made")
	tab.fill("#passphrase", "a little more")
	tab.wait("#strength progress")
	tab.sound("encrypt-made")
	tab.open("/encrypt")
	tab.click("label:has(> [name=to][value=people])")
	tab.fill("#text", "x")
	tab.fill("#recipients", "age1nonsense")
	tab.answer()
	tab.sound("encrypt-people-error")
	tab.open("/encrypt")
	tab.answer()
	tab.sound("encrypt-empty-error")
	tab.mode("files")
	tab.choose("#file", small(tab, strings.Repeat("a-long-name-", 14)+".txt", "x"), small(tab, "b.txt", "y"))
	tab.sound("encrypt-files-chosen")
	tab.answer()
	tab.unfold("Open it without")
	tab.sound("encrypt-files-result")
	tab.open("/encrypt")
	tab.mode("files")
	tab.answer()
	tab.sound("encrypt-files-error")
}

// small writes a file for a tab to choose.
func small(t *tab, name, content string) string {
	path := filepath.Join(t.downloads, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.t.Fatal(err)
	}
	return path
}

func decryptPages(t *testing.T, s *server, tab *tab) {
	c := s.client()
	c.register("decrypts", walkPassword)
	tab.adopt(c)
	age := func(content string, more ...part) string {
		a := c.upload("/encrypt", append(more, field("text", content))...)
		c.must(a, http.StatusOK)
		from, to := strings.Index(a.body, "-----BEGIN"), strings.Index(a.body, "-----END AGE ENCRYPTED FILE-----")
		return strings.ReplaceAll(a.body[from:to], "&#43;", "+") + "-----END AGE ENCRYPTED FILE-----\n"
	}
	pass := age("with a passphrase", field("to", "passphrase"), field("passphrase", "open sesame"))
	mine := age("mine\x01binary", field("to", "me"))
	tab.open("/decrypt")
	tab.unfold("private key")
	tab.sound("decrypt")
	tab.fill("#text", pass)
	tab.answer()
	tab.sound("decrypt-locked-text")
	tab.fill("#passphrase", "wrong")
	tab.answer()
	tab.sound("decrypt-wrong-text")
	tab.fill("#passphrase", "open sesame")
	tab.answer()
	tab.reads("#result pre", "with a passphrase")
	tab.sound("decrypt-result")
	tab.fill("#text", mine)
	tab.answer()
	tab.sound("decrypt-result-binary")
	tab.fill("#text", strings.Replace(mine, "\n", "\nAAAA", 1))
	tab.answer()
	tab.sound("decrypt-damaged")
	tab.fill("#text", "no format at all")
	tab.fill("#identity", "no key either")
	tab.answer()
	tab.sound("decrypt-error")
	tab.fill("#identity", "")
	tab.whole()
	tab.sound("decrypt-error-page")

	private, message := signedMessage(t)
	tab.open("/decrypt")
	tab.unfold("private key")
	tab.fill("#identity", private)
	tab.fill("#text", message)
	tab.answer()
	tab.reads("#result pre", "signed and sealed")
	tab.reads("#result .signature", "not known here")
	tab.sound("decrypt-openpgp")

	other := program(t, "age-keygen", "a file for another key")
	key, err := exec.Command(other).Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := age("for another", field("to", "people"), field("recipients", between(string(key), "# public key: ", "\n")), field("also_me", ""))
	tab.open("/decrypt")
	tab.mode("files")
	tab.choose("#file", small(tab, "letter.age", pass), small(tab, "theirs.age", theirs), small(tab, "bad.age", "no age file"), small(tab, "good.age", mine))
	tab.answer()
	tab.sound("decrypt-files")
	result := strings.TrimSuffix(in(tab, "where the file waits", chromedp.Evaluate[string](
		`document.querySelector("#result form[action$='/open']").getAttribute("action")`)), "/open")
	tab.open(result)
	tab.sound("result-locked")
	for range 4 {
		tab.fill("[name=passphrase]", "wrong")
		tab.follow("form[action$='/open'] button[type=submit]")
	}
	tab.reads(".problem h2", "wrong")
	tab.sound("result-wrong")
	tab.fill("[name=passphrase]", "wrong")
	tab.follow("form[action$='/open'] button[type=submit]")
	tab.reads("h1", "No tries are left")
	tab.sound("422")

	c.must(c.upload("/decrypt", file("again.age", pass)), http.StatusUnprocessableEntity)
	tab.open("/decrypt")
	tab.mode("files")
	tab.choose("#file", small(tab, "letter.age", pass))
	tab.answer()
	tab.fill("#result [name=passphrase]", "open sesame")
	tab.follow("form[action$='/open'] button[type=submit]")
	tab.reads("h2", "Opened with")
	tab.unfold("Delete it now")
	tab.sound("result-ready")
}

// signedMessage makes an OpenPGP key, and a message to it that somebody else signed.
func signedMessage(t *testing.T) (private, message string) {
	t.Helper()
	key, err := pgp.NewKey(pgp.KeyParams{Name: "Ada"})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := pgp.NewKey(pgp.KeyParams{Name: "Bob"})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	w, err := pgp.Encrypt(&b, pgp.EncryptOptions{To: []*pgp.Certificate{key.Certificate()}, Sign: []*pgp.Key{signer}, Armor: true})
	if err == nil {
		_, err = w.Write([]byte("signed and sealed"))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return key.Armor(), b.String()
}

// between is what stands in s after from and before to.
func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

func hashPages(_ *testing.T, s *server, tab *tab) {
	c := s.client()
	c.register("hashes", walkPassword)
	tab.adopt(c)
	tab.open("/hash")
	tab.unfold("More algorithms")
	tab.unfold("Compare with")
	tab.unfold("Salt, HMAC")
	tab.sound("hash")
	tab.fill("#text", "abc")
	tab.do("choose all", evaluate(`document.querySelectorAll("[name=algorithm]").forEach(b => b.checked = true)`))
	tab.answer()
	tab.sound("hash-result")
	tab.fill("#expected", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
	tab.answer()
	tab.sound("hash-match")
	tab.fill("#salt", "salt")
	tab.answer()
	tab.sound("hash-mismatch")
	tab.fill("#expected", "xyz")
	tab.answer()
	tab.sound("hash-error")
	tab.whole()
	tab.sound("hash-error-page")
	tab.fill("#expected", "")
	tab.mode("files")
	tab.choose("#file", small(tab, "a.txt", "x"), small(tab, "b.txt", "y"))
	tab.answer()
	tab.sound("hash-files")
}

func vaultPages(_ *testing.T, s *server, tab *tab) {
	c := s.client()
	c.register("keeps", walkPassword)
	tab.adopt(c)
	tab.open("/vault")
	tab.sound("vault-empty")
	tab.open("/vault?new=1")
	tab.sound("vault-new")
	tab.refused("Nothing to keep yet")
	tab.sound("vault-new-error")
	tab.mode("files")
	tab.sound("vault-new-files")
	items := map[string]string{}
	for _, i := range []struct {
		kind  string
		parts []part
	}{
		{"note", []part{field("title", "Shopping"), field("text", "Bread\nButter")}},
		{"digest", []part{field("kind", "digest"), field("title", "SHA-256 of things"), field("text", "SHA256 (x) = ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")}},
		{"ciphertext", []part{field("kind", "ciphertext"), field("title", "message.age"), field("text", "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n")}},
		{"binary", []part{field("title", "Bytes"), field("encoding", "base64"), field("text", "AAEC/w==")}},
		{"file", []part{field("title", ""), file(strings.Repeat("a-very-long-name-", 10)+".bin", "\x00\x01")}},
		{"unreadable", []part{field("title", "Broken"), field("text", "will be changed")}},
	} {
		items[i.kind] = c.must(c.upload("/vault", i.parts...), http.StatusSeeOther).location()
	}
	s.change("zencrypt.db", fmt.Sprintf(`UPDATE items SET sealed_title = CAST(substr(sealed_title, 1, 40) || x'00' || substr(sealed_title, 42) AS BLOB) WHERE hex(id) = upper('%s')`,
		strings.TrimPrefix(items["unreadable"], "/vault/")))
	for n := range 50 {
		c.must(c.upload("/vault", field("title", fmt.Sprintf("Note %d", n)), field("text", "x")), http.StatusSeeOther)
	}
	tab.open("/vault?q=note+4")
	tab.sound("vault-search")
	tab.open("/vault")
	tab.follow(".pages a.end")
	tab.reads("table.vault", "does not open")
	tab.sound("vault-list-older")
	tab.open("/vault?q=nothing")
	tab.sound("vault-search-empty")
	for kind, path := range items {
		tab.open(path)
		tab.sound("vault-" + kind)
	}
	tab.open(items["note"])
	tab.unfold("Rename")
	tab.fill("#title", "")
	tab.follow("form[action$='/rename'] button")
	tab.sound("vault-rename-error")
	tab.follow("form[action$='/delete'] button")
	tab.sound("vault-undo")
	tab.follow(".notice button")
	tab.reads(".notice", "Restored")
	tab.sound("vault-restored")
}

func accountPages(_ *testing.T, s *server, tab *tab) {
	c := s.client()
	c.register("has-an-account", walkPassword)
	s.client().login("has-an-account", walkPassword)
	s.client().login("has-an-account", walkPassword)
	tab.adopt(c)
	tab.open("/account")
	tab.sound("account")
	tab.do("open every form", evaluate(`document.querySelectorAll("main details").forEach(d => d.open = true)`))
	tab.sound("account-open")
	for _, form := range []string{"password", "recovery", "renew", "sessions", "delete"} {
		tab.open("/account")
		tab.do("fill in every field wrongly", evaluate(fmt.Sprintf(
			`const f = [...document.querySelectorAll("form[action='/account/%s']")].at(-1);
			for (let d = f.closest("details"); d; d = null) d.open = true;
			f.querySelectorAll("[name]").forEach(i => { if (i.type !== "hidden" && i.type !== "submit") i.value = "wrong" });
			f.id = "wrong"`, form)))
		tab.follow("#wrong button[type=submit]")
		if tab.count(".problem") == 0 {
			tab.t.Errorf("the form %s took a wrong password: %s", form, tab.path())
		}
		tab.sound("account-" + form + "-error")
	}
}
