//go:build linux

package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"zencrypt/crypto/pgp"
)

// TestKeys_Walk is what a person does with a ring, in a real browser, with scripts and without, beside a real gpg.
func TestKeys_Walk(t *testing.T) {
	b := openBrowser(t)
	for _, c := range []struct {
		name   string
		script bool
	}{{"WithScript", true}, {"WithoutScript", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			w := &walk{tab: (&browser{t, b.ctx}).tab(s.url, c.script), s: s, login: "ring-" + c.name, password: walkPassword, dir: t.TempDir()}
			person := s.client()
			person.register(w.login, walkPassword)
			w.adopt(person)
			w.makeKey()
			w.gnupgKey()
			w.rotateKey(person)
		})
	}
}

// makeKey makes an OpenPGP key after a mistake, and describes it.
func (w *walk) makeKey() {
	w.t.Helper()
	w.open("/encrypt")
	w.follow(".mine a[href='/keys']")
	w.reads("h1", "Keys")
	w.look("keys")
	w.follow("a[href='/keys?new=1']")
	w.click("label:has(> [name=kind][value=pgp])")
	w.fill("#name", "Work")
	w.fill("#user_name", "Mira <Example>")
	w.look("keys-new")
	w.follow("#submit")
	w.reads(".problem", "may not hold")
	if got := w.value("#name"); got != "Work" {
		w.t.Errorf("after an error the name is %q", got)
	}
	w.look("keys-new-error")
	w.fill("#user_name", "Mira Example")
	w.fill("#email", "mira@example.org")
	w.follow("#submit")
	w.reads("main h1", "Work")
	w.reads(".notice", "The key is made")
	w.reads("#recipient", "BEGIN PGP PUBLIC KEY BLOCK")
	w.look("key-pgp")
	w.unfold("Name and description")
	w.fill("#describe-description", "For what comes by mail.\nSince 2026.")
	w.follow("form[action$='/describe'] button")
	w.reads("dd.lines", "For what comes by mail.")
}

// gnupgKey imports a key that gpg made, decrypts what gpg encrypted to it, and gives it back to another gpg.
func (w *walk) gnupgKey() {
	w.t.Helper()
	g := newGnuPG(w.t)
	const pass = "a passphrase for gpg"
	g.run("", "--passphrase", pass, "--quick-gen-key", "Ada <ada@example.org>", "future-default", "default", "never")
	file := filepath.Join(w.dir, "ada.asc")
	if err := os.WriteFile(file, []byte(g.run("", "--armor", "--passphrase", pass, "--export-secret-keys", "ada")), 0o600); err != nil {
		w.t.Fatal(err)
	}
	message := g.run("from GnuPG", "--armor", "--passphrase", pass, "--sign", "--encrypt", "-r", "ada")

	w.open("/keys")
	w.follow("a[href='/keys?import=1']")
	w.look("keys-import")
	w.choose("#file", file)
	w.follow("#submit")
	w.reads("#passphrase-error", "locked with a passphrase")
	w.look("keys-import-error")
	w.choose("#file", file)
	w.fill("#passphrase", pass)
	w.follow("#submit")
	w.reads(".notice h2", "1 key was read")
	w.reads(".notice ul", "Ada <ada@example.org>: added")
	w.look("keys-imported")

	w.follow(".tools a[href='/decrypt']")
	w.fill("#text", message)
	w.answer()
	w.reads("#result h2", "Opened with your key “Ada <ada@example.org>”, version 1")
	w.reads("#result", "Good signature by you")
	if got := w.exact("#result-text"); got != "from GnuPG" {
		w.t.Errorf("decrypted %q", got)
	}

	w.open("/keys")
	w.follow(".keys .card:last-child h2 a")
	w.reads("main h1", "Ada")
	w.unfold("Export the OpenPGP key")
	w.fill("#export-current", w.password+"x")
	w.follow("form[action$='/export'] button[type=submit]")
	w.reads("#export-current-error", "wrong")
	w.look("key-export-error")
	w.fill("#export-current", w.password)
	w.fill("#export-passphrase", "another one for the way")
	name, path := w.download("form[action$='/export'] button[type=submit]")
	if name != "zencrypt-openpgp-key.asc" {
		w.t.Errorf("the export is called %q", name)
	}
	other := newGnuPG(w.t)
	other.run(read(w.t, path), "--passphrase", "another one for the way", "--import")
	if got := other.run(message, "--passphrase", "another one for the way", "--decrypt"); got != "from GnuPG" {
		w.t.Errorf("gpg decrypted %q with what came back", got)
	}

	// Rotated here, the key still is one key for gpg, and both encrypt to the newer subkey.
	w.follow("form[action$='/rotate'] button")
	w.reads(".notice", "new version")
	other.run(w.text("#recipient"), "--import")
	later := other.run("after the rotation", "--armor", "--encrypt", "-r", "ada")
	w.decrypts(later, "", "after the rotation")
	w.reads("#result h2", "version 2")
	w.decrypts(message, "", "from GnuPG")
}

// rotateKey rotates the default key, finds that old items open, rewraps them and deletes the older version.
func (w *walk) rotateKey(person *client) {
	w.t.Helper()
	var items []string
	for n := range 3 {
		a := person.must(person.upload("/encrypt", field("to", "me"), field("save", "1"), field("text", fmt.Sprint("kept ", n))), http.StatusOK)
		items = append(items, savedLink.FindString(a.body))
	}
	w.open("/keys")
	w.follow(".keys .card:first-child h2 a")
	for !strings.Contains(w.text("main"), "age, X25519") {
		w.open("/keys")
		w.follow(".keys .card:nth-child(2) h2 a")
	}
	key := w.path()
	w.follow("form[action$='/rotate'] button")
	w.reads("table.keyversions", "retired")
	w.reads("table.keyversions", "3 items")
	w.look("key-rotated")
	w.unfold("Change version 1")
	w.reads("table.keyversions", "rewrap them first")
	w.fill("#version-1-current", w.password)
	w.follow("form[action$='/versions/1/delete'] button[type=submit]")
	w.reads(".problem", "3 items in your vault are")
	w.look("key-depends")
	opens := func() {
		w.t.Helper()
		for n, item := range items {
			w.open(item)
			w.follow("form[action^='/decrypt'] button")
			w.reads("#result h2", "Opened with your key")
			if got := w.exact("#result-text"); got != fmt.Sprint("kept ", n) {
				w.t.Errorf("item %d opened as %q", n, got)
			}
		}
	}
	opens()
	w.open(key)
	w.follow("form[action='/keys/rewrap'] button")
	w.at("/keys")
	w.done()
	w.look("keys-rewrapped")
	opens()
	w.open(key)
	w.unfold("Change version 1")
	w.fill("#version-1-current", w.password)
	w.follow("form[action$='/versions/1/delete'] button[type=submit]")
	w.reads(".notice", "version is deleted")
	opens()
}

// done waits until the page says that the rewrap is over; without a script a person looks again. The script swaps
// the element meanwhile, so that it is looked up and read at once.
func (w *walk) done() {
	w.t.Helper()
	eventually(w.t, actionTimeout, "the page says that the rewrap is over", func() bool {
		if !w.script {
			w.open("/keys")
		}
		return strings.Contains(in(w.tab, "read #rewrap", chromedp.Evaluate[string](`document.querySelector("#rewrap")?.textContent || ""`)), "rewrapped")
	})
}

// keyPages are the states of the ring's pages.
func keyPages(t *testing.T, s *server, tab *tab) {
	c := s.client()
	c.register("keeps-keys", walkPassword)
	tab.adopt(c)
	tab.open("/keys")
	tab.sound("keys")
	tab.open("/keys?new=1")
	tab.sound("keys-new")
	tab.click("label:has(> [name=kind][value=pgp])")
	tab.sound("keys-new-pgp")
	tab.fill("#user_name", "<b>")
	tab.follow("#submit")
	tab.sound("keys-new-error")
	tab.open("/keys?import=1")
	tab.sound("keys-import")
	tab.fill("#text", "nothing of the kind")
	tab.follow("#submit")
	tab.sound("keys-import-error")
	paths := map[string]string{}
	for _, kind := range []string{"age", "age-pq", "pgp", "fernet"} {
		a := c.must(c.post("/keys", "kind", kind, "name", strings.Repeat("a long name for "+kind+" ", 4), "user_name", "Mira Example", "expires", time.Now().Add(20*24*time.Hour).Format(time.DateOnly)), http.StatusSeeOther)
		paths[kind] = shownKey.FindString(a.location())
		c.must(c.post(paths[kind]+"/describe", "name", strings.Repeat("a long name for "+kind+" ", 4), "description", "one line\nand another"), http.StatusSeeOther)
		for range 4 {
			c.must(c.post(paths[kind]+"/rotate"), http.StatusSeeOther)
		}
		c.must(c.post(paths[kind]+"/versions/2/revoke"), http.StatusSeeOther)
	}
	export := c.must(c.post(paths["age"]+"/export", "current", walkPassword), http.StatusOK).body
	tab.open("/keys?import=1")
	tab.fill("#text", export)
	tab.follow("#submit")
	tab.reads(".notice", "was there already")
	tab.sound("keys-imported")
	for range 2 {
		c.must(c.upload("/encrypt", field("to", "me"), field("save", "1"), field("text", "kept")), http.StatusOK)
	}
	first := shownKey.FindAllString(c.get("/keys").body, 2)
	for _, path := range first {
		c.must(c.post(path+"/rotate"), http.StatusSeeOther)
	}
	tab.open("/keys")
	tab.sound("keys-rewrap")
	tab.follow("form[action='/keys/rewrap'] button")
	(&walk{tab: tab}).done()
	tab.sound("keys-rewrapped")
	for i := range 8 {
		c.must(c.post("/keys", "kind", "age", "name", fmt.Sprintf("spare key %d", i)), http.StatusSeeOther)
	}
	tab.open("/keys")
	tab.sound("keys-long")
	tab.fill(".search [name=q]", "SPARE")
	tab.follow(".search button")
	if n := tab.count(".keys .card"); n != 8 {
		t.Errorf("a search found %d keys", n)
	}
	tab.sound("keys-search")
	tab.fill(".search [name=q]", "no such key")
	tab.follow(".search button")
	tab.sound("keys-search-none")
	keptItems(t, c, tab)
	for kind, path := range paths {
		tab.open(path)
		tab.sound("key-" + kind)
		tab.do("open every form", evaluate(`document.querySelectorAll("main details").forEach(d => d.open = true)`))
		tab.sound("key-" + kind + "-open")
	}
	for form, field := range map[string]string{"describe": "#describe-name", "expiry": "#expiry-expires", "export": "#export-current", "delete": "#delete-current"} {
		tab.open(paths["age"])
		tab.do("open every form", evaluate(`document.querySelectorAll("main details").forEach(d => d.open = true);
			document.querySelectorAll("main form").forEach(f => f.noValidate = true)`))
		if form == "expiry" {
			tab.do("choose a day that has passed", evaluate(`document.querySelector("#expiry-expires").value = "2001-01-01"`))
		} else {
			tab.fill(field, "")
		}
		tab.follow("form[action$='/" + form + "'] button[type=submit]")
		if tab.count(".problem") == 0 {
			t.Errorf("the form %s took what is wrong: %s", form, tab.path())
		}
		tab.sound("key-" + form + "-error")
	}
	c.must(c.post(paths["pgp"]+"/versions/5/revoke", "reason", "1"), http.StatusSeeOther)
	tab.open(paths["pgp"])
	tab.sound("key-revoked")
	c.must(c.post(paths["age"]+"/versions/5/retire"), http.StatusSeeOther)
	tab.open(paths["age"])
	tab.sound("key-retired")
	s.change("zencrypt.db", fmt.Sprintf(`UPDATE keys SET sealed_key = randomblob(200) WHERE hex(id) = upper('%s')`, strings.TrimPrefix(paths["fernet"], "/keys/")))
	s.change("zencrypt.db", fmt.Sprintf(`UPDATE key_versions SET public = 'age1' WHERE n = 5 AND hex(key_id) = upper('%s')`, strings.TrimPrefix(paths["age-pq"], "/keys/")))
	tab.open(paths["fernet"])
	tab.sound("key-unreadable")
	tab.open(paths["age-pq"])
	tab.reads("main", "somebody changed the database")
	tab.sound("key-differs")
	tab.open("/keys")
	tab.sound("keys-warnings")
	for _, path := range shownKey.FindAllString(c.get("/keys").body, -1) {
		if a := c.post(path+"/delete", "current", walkPassword); a.status == http.StatusUnprocessableEntity {
			continue // what items depend on
		}
	}
	tab.open("/keys")
	tab.sound("keys-few")
}

// keptItems are what a rewrap leaves as it is: the ring and the key say what, why and what to do.
func keptItems(t *testing.T, c *client, tab *tab) {
	made := c.must(c.post("/keys", "kind", "pgp", "name", "For the office", "user_name", "Mira"), http.StatusSeeOther)
	path := shownKey.FindString(made.location())
	c.must(c.post(path+"/default"), http.StatusSeeOther)
	page := c.must(c.get(path), http.StatusOK).body
	public := html.UnescapeString(between(page, "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END"))
	certs, err := pgp.ReadCertificates(strings.NewReader("-----BEGIN PGP PUBLIC KEY BLOCK-----"+public+"-----END PGP PUBLIC KEY BLOCK-----\n"), pgp.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stranger := newPGPKey(t, "Stranger", time.Now())
	for title, o := range map[string]pgp.EncryptOptions{
		"minutes of the meeting.asc": {To: []*pgp.Certificate{certs[0], stranger.Certificate()}, Armor: true},
		"contract, signed.asc":       {To: certs, Sign: []*pgp.Key{stranger}, Armor: true},
		"a letter.asc":               {To: certs, Armor: true},
	} {
		var b bytes.Buffer
		w, err := pgp.Encrypt(&b, o)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, title)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		c.must(c.upload("/vault", field("kind", "ciphertext"), field("title", title), field("encoding", "base64"), field("text", base64.StdEncoding.EncodeToString(b.Bytes()))), http.StatusSeeOther)
	}
	c.must(c.post(path+"/rotate"), http.StatusSeeOther)
	tab.open(path)
	tab.sound("key-held")
	tab.follow("form[action='/keys/rewrap'] button")
	(&walk{tab: tab}).done()
	tab.reads("#rewrap", "2 items stay under an older version")
	tab.sound("keys-left")
	tab.follow("#rewrap a")
	tab.reads(".held", "minutes of the meeting.asc")
	tab.sound("key-held-left")
	// What the page says to do leads to a version that can be deleted.
	for range 2 {
		tab.open(path)
		tab.follow(".held li a")
		tab.follow("form[action^='/decrypt'] button")
		tab.reads("#result h2", "Opened with")
		tab.open(path)
		tab.follow(".held li a")
		tab.follow("form[action$='/delete'] button")
	}
	tab.open(path)
	tab.reads(".held", "Deleted")
	tab.sound("key-held-deleted")
}

// A stranger's key may call itself anything: the ring shows it as text in one line, and it opens what is for it.
func TestKeys_ForeignUserID(t *testing.T) {
	t.Parallel()
	g := newGnuPG(t)
	s := newServer(t)
	c := s.client()
	c.register("imports-anything", walkPassword)
	const evil = "<script>alert(1)</script> \u202egpj.exe \u2066& \"quoted\""
	g.run("", "--passphrase", "", "--allow-freeform-uid", "--quick-gen-key", evil, "future-default", "default", "never")
	message := g.run("for anybody", "--armor", "--encrypt", "-r", "script")
	page := c.must(c.upload("/keys/import", field("text", g.run("", "--armor", "--export-secret-keys", "script"))), http.StatusOK)
	path := shownKey.FindString(page.body)
	for _, a := range []answer{page, c.must(c.get("/keys"), http.StatusOK), c.must(c.get(path), http.StatusOK), c.must(c.upload("/decrypt", field("text", message)), http.StatusOK)} {
		if strings.Contains(a.body, "<script>alert") || strings.ContainsAny(a.body, "\u202e\u2066") {
			t.Errorf("the user id reaches the page as it is:\n%s", words(a.body))
		}
		if !strings.Contains(a.body, "&lt;script&gt;alert(1)&lt;/script&gt;") {
			t.Errorf("the key has another name:\n%s", words(a.body))
		}
	}
}
