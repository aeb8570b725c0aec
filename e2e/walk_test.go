//go:build linux

package e2e

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	walkPassword  = "correct horse battery 7 staple"
	walkPassword2 = "another horse, another 8 staple"
	walkPassword3 = "third time the charm 9 walrus"
)

// TestWalk is the main job as a person does it, in a real browser, with scripts and without.
func TestWalk(t *testing.T) {
	b := openBrowser(t)
	for _, c := range []struct {
		name   string
		script bool
	}{{"WithScript", true}, {"WithoutScript", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			w := &walk{tab: (&browser{t, b.ctx}).tab(s.url, c.script), s: s, login: "Mira-" + c.name, dir: t.TempDir()}
			w.register()
			w.hash()
			w.message()
			w.file()
			w.vault()
			w.comeBack()
			w.account()
			w.recover()
			w.leave()
		})
	}
}

// walk is one person's way through the program. Each step starts where the one before ended.
type walk struct {
	*tab
	s                     *server
	login, password, code string
	dir                   string
	note                  string // path of the saved note
}

// look checks what has to hold on every page and in every state, at both widths.
func (w *walk) look(name string) {
	w.t.Helper()
	w.narrowAndWide(name, "dark")
}

func (w *walk) register() {
	w.t.Helper()
	w.open("/")
	w.look("home")
	w.follow("main a[href='/register']")
	w.password = walkPassword
	w.fill("#login", w.login)
	w.fill("#password", w.password)
	w.fill("#password2", w.password+"x")
	w.follow("#submit")
	w.reads("#password2-error", "differ")
	if got := w.value("#login"); got != w.login {
		w.t.Errorf("after an error the login is %q", got)
	}
	w.look("register-error")
	w.fill("#password", w.password)
	w.fill("#password2", w.password)
	w.follow("#submit")
	w.at("/register/confirm")
	w.confirm("recovery")
}

// confirm types the recovery code back that is shown, after a wrong one.
func (w *walk) confirm(name string) {
	w.t.Helper()
	w.code = w.text("#recovery-code")
	if !recoveryCode.MatchString(w.code) {
		w.t.Fatalf("the recovery code is %q", w.code)
	}
	w.look(name)
	w.fill("#code", "AAAA-BBBB")
	w.follow("#submit")
	w.wait("#code-error")
	// Nothing else can be reached before.
	w.open("/vault")
	w.at("/register/confirm")
	w.fill("#code", strings.ToLower(strings.ReplaceAll(w.code, "-", " ")))
	w.follow("#submit")
	w.at("/encrypt")
}

func (w *walk) hash() {
	w.t.Helper()
	w.follow(".tools a[href='/hash']")
	w.fill("#text", "abc")
	w.unfold("Compare with")
	// FIPS 180-4's example, as a line of a SHA256SUMS file and in capitals.
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	w.fill("#expected", strings.ToUpper(abc)+"  abc.txt")
	w.look("hash")
	w.answer()
	w.reads("#result h2", "Match")
	w.reads("#digest-0-0", abc)
	w.look("hash-match")
	if !w.script && w.value("#text") != "abc" {
		w.t.Error("what was typed did not stay")
	}
	w.keep("#result form[action='/vault'] button")
	w.reads("main pre", "SHA256 (Text) = "+abc)
}

// message encrypts a text to the own key and for a passphrase, and decrypts both.
func (w *walk) message() {
	w.t.Helper()
	const secret = "Grüße an Zoë 🙂\n  <b>second</b> line & \"third\"\n"
	w.follow(".tools a[href='/encrypt']")
	w.fill("#text", secret)
	w.look("encrypt")
	w.answer()
	w.reads("#result h2", "Encrypted for you")
	sealed := w.text("#result-text")
	if !strings.HasPrefix(sealed, "-----BEGIN AGE ENCRYPTED FILE-----") || !strings.HasSuffix(sealed, "-----END AGE ENCRYPTED FILE-----") {
		w.t.Fatalf("the result is %q", sealed)
	}
	w.look("encrypt-result")
	name, path := w.download("#result form[action='/results/download'] button")
	if name != "message.age" || strings.TrimSpace(read(w.t, path)) != sealed {
		w.t.Errorf("downloaded %q with %q", name, read(w.t, path))
	}
	w.decrypts(sealed, "", secret)

	w.follow(".tools a[href='/encrypt']")
	w.click("label:has(> [name=to][value=passphrase])")
	w.look("encrypt-passphrase")
	made := ""
	if w.script {
		w.click("#passphrase-field [name=generate]")
		w.wait("#passphrase-field .made")
	} else {
		w.fill("#text", "kept while a passphrase is made")
		w.follow("#passphrase-field [name=generate]")
		if got := w.value("#text"); got != "kept while a passphrase is made" {
			w.t.Errorf("after a passphrase was made the text is %q", got)
		}
	}
	made = w.text("#passphrase-field .made")
	if n := strings.Count(made, "-"); n < 9 || w.value("#passphrase") != made {
		w.t.Errorf("the passphrase made is %q, and the field has %q", made, w.value("#passphrase"))
	}
	w.look("encrypt-made")
	w.fill("#text", secret)
	w.answer()
	w.reads("#result h2", "Encrypted with your passphrase")
	sealed = w.text("#result-text")
	w.decrypts(sealed, "wrong "+made, "")
	w.look("decrypt-wrong")
	w.decrypts(sealed, made, secret)
	w.look("decrypt-result")
	// The result goes into the vault.
	w.keep("#result form[action='/vault'] button")
}

// keep presses a result's Save and goes to the item.
func (w *walk) keep(button string) {
	w.t.Helper()
	if w.script {
		w.click(button)
		w.wait("#result a.saved")
		w.follow("#result a.saved")
	} else {
		w.follow(button)
	}
	if !strings.HasPrefix(w.path(), "/vault/") {
		w.t.Errorf("saved to %s", w.path())
	}
}

// decrypts pastes a text and compares what comes out; with want empty it has to fail.
func (w *walk) decrypts(sealed, passphrase, want string) {
	w.t.Helper()
	w.follow(".tools a[href='/decrypt']")
	w.fill("#text", sealed)
	if passphrase != "" {
		w.fill("#passphrase", passphrase)
	}
	w.answer()
	if want == "" {
		w.reads("#result .problem h2", "passphrase is wrong")
		return
	}
	w.reads("#result h2", "Opened with")
	if got := w.exact("#result-text"); got != want {
		w.t.Errorf("decrypted %q, want %q", got, want)
	}
}

// file takes a file up and down, encrypted and decrypted, and compares every byte.
func (w *walk) file() {
	w.t.Helper()
	content := make([]byte, 3<<20+1)
	rng := rand.NewChaCha8([32]byte{7})
	_, _ = rng.Read(content)
	plain := filepath.Join(w.dir, "Ein Bild – 100% \"gut\".bin")
	if err := os.WriteFile(plain, content, 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.follow(".tools a[href='/encrypt']")
	w.mode("files")
	w.choose("#file", plain)
	w.look("encrypt-files")
	w.answer()
	w.reads("#result h2", "Encrypted for you")
	w.look("encrypt-files-result")
	name, path := w.download("#result a[download]")
	if want := filepath.Base(plain) + ".age"; strings.ReplaceAll(name, "_", `"`) != want {
		w.t.Errorf("the file's name is %q instead of %q", name, want)
	}
	sealed, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(sealed, []byte("age-encryption.org/v1\n")) {
		w.t.Fatalf("what was downloaded is no age file (%v): %.40q", err, sealed)
	}
	back := filepath.Join(w.dir, "back.bin.age")
	if err := os.WriteFile(back, sealed, 0o600); err != nil {
		w.t.Fatal(err)
	}

	w.follow(".tools a[href='/decrypt']")
	w.mode("files")
	w.choose("#file", back)
	w.answer()
	w.reads("#result h2", "Opened with")
	w.look("decrypt-files-result")
	name, path = w.download("#result a[download]")
	if got := read(w.t, path); name != "back.bin" || got != string(content) {
		w.t.Errorf("downloaded %q of %d bytes, want back.bin with the %d bytes that went in", name, len(got), len(content))
	}
	// The result can be deleted before its hour is over.
	w.unfold("Delete it now")
	w.follow("#result details form[action$='/delete'] button")
	w.at("/decrypt")
	if got := w.s.client(); got.get("/results/00").status != 404 {
		w.t.Error("an unknown result is not 404")
	}
}

func (w *walk) vault() {
	w.t.Helper()
	w.follow(".mine a[href='/vault']")
	w.look("vault")
	w.follow("a[href='/vault?new=1']")
	w.look("vault-new")
	w.refused("Nothing to keep yet")
	w.fill("#title", "Wi-Fi of the cabin")
	w.fill("#text", "Network: Hütte\nPassword: tannenzapfen")
	w.follow("#submit")
	w.reads("main h1", "Wi-Fi of the cabin")
	w.note = w.path()
	w.look("vault-note")

	w.open("/vault?new=1")
	content := "\x00binary\xff" + strings.Repeat("0123456789abcdef", 5000)
	scan := filepath.Join(w.dir, "passport scan.bin")
	if err := os.WriteFile(scan, []byte(content), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.mode("files")
	w.choose("#file", scan)
	w.follow("#submit")
	w.reads("main h1", "passport scan.bin")
	w.look("vault-file")
	if name, path := w.download("main a[download]"); name != "passport scan.bin" || read(w.t, path) != content {
		w.t.Errorf("downloaded %q, %d bytes", name, len(read(w.t, path)))
	}

	w.sealedFile()

	w.open("/vault")
	all := w.count("table.vault tbody tr")
	w.fill(".search [name=q]", "CABIN")
	w.follow(".search button")
	w.rows(1)
	w.reads("table.vault .name", "Wi-Fi of the cabin")
	w.fill(".search [name=q]", "nothing like it")
	w.follow(".search button")
	w.reads(".empty h2", "No title holds")
	w.open("/vault")
	w.follow(".filters a[href*='kind=file']")
	w.rows(1)
	w.follow("table.vault .name a")
	w.unfold("Rename")
	w.fill("#title", "Passport, page 1")
	w.follow("form[action$='/rename'] button")
	w.reads("main h1", "Passport, page 1")

	w.follow("form[action$='/delete'] button")
	w.rows(all - 1)
	w.reads(".notice", "1 item deleted")
	w.look("vault-undo")
	w.follow(".notice button")
	w.rows(all)

	w.click("table.vault tbody tr:nth-child(1) .tick input")
	w.click("table.vault tbody tr:nth-child(2) .tick input")
	w.follow("[data-many] button.danger")
	w.rows(all - 2)
	w.follow(".notice button")
	w.rows(all)
}

// sealedFile saves an encrypted file as it is, and decrypts it from the vault.
func (w *walk) sealedFile() {
	w.t.Helper()
	content := "kept encrypted\x00" + strings.Repeat("fedcba9876543210", 5000)
	w.open("/encrypt")
	w.mode("files")
	w.choose("#file", small(w.tab, "diary.txt", content))
	w.click("label:has(> [name=save])")
	w.answer()
	w.follow("#result a.saved")
	w.reads("main h1", "diary.txt.age")
	w.look("vault-ciphertext-file")
	w.follow("form[action^='/decrypt'] button")
	w.reads("#result h2", "Opened with")
	if name, path := w.download("#result a[download]"); name != "diary.txt" || read(w.t, path) != content {
		w.t.Errorf("downloaded %q, %d bytes", name, len(read(w.t, path)))
	}
}

// comeBack finds everything again after a restart of the server.
func (w *walk) comeBack() {
	w.t.Helper()
	w.s.restart()
	w.open(w.note) // the session lives on
	w.reads("main pre", "tannenzapfen")
	w.follow("header form[action='/logout'] button")
	w.reads(".notice", "logged out")
	w.open(w.note)
	w.at("/login?next=" + strings.ReplaceAll(w.note, "/", "%2F"))
	w.fill("#login", strings.ToUpper(w.login))
	w.fill("#password", "not "+w.password)
	w.follow("#submit")
	w.reads(".problem", "do not go together")
	w.look("login-error")
	w.fill("#password", w.password)
	w.follow("#submit")
	w.at(w.note)
	if got, want := w.exact("#item-text"), "Network: Hütte\nPassword: tannenzapfen"; got != want {
		w.t.Errorf("the note came back as %q", got)
	}
}

func (w *walk) account() {
	w.t.Helper()
	elsewhere := w.s.client()
	elsewhere.login(w.login, w.password)
	w.follow(".mine a[href='/account']")
	if n := w.count(".sessions li"); n != 2 {
		w.t.Errorf("%d sessions are listed instead of 2", n)
	}
	w.look("account")
	w.fill(".sessions form [name=current]", w.password)
	w.follow(".sessions form button[type=submit]")
	w.reads(".notice", "session is ended")
	if n := w.count(".sessions li"); n != 1 {
		w.t.Errorf("%d sessions are listed instead of 1", n)
	}
	elsewhere.must(elsewhere.get("/vault"), 303)

	elsewhere.login(w.login, w.password)
	w.unfold("Change the password")
	w.fill("#password-current", "wrong "+w.password)
	w.fill("#password-password", walkPassword2)
	w.fill("#password-password2", walkPassword2)
	w.follow("form[action='/account/password'] button[type=submit]")
	w.reads("#password-current-error", "password")
	w.look("account-password-error")
	w.fill("#password-current", w.password)
	w.fill("#password-password", walkPassword2)
	w.fill("#password-password2", walkPassword2)
	w.follow("form[action='/account/password'] button[type=submit]")
	w.reads(".notice", "password is changed")
	w.password = walkPassword2
	elsewhere.must(elsewhere.get("/vault"), 303)
	w.open(w.note)
	w.reads("main pre", "tannenzapfen")
}

func (w *walk) recover() {
	w.t.Helper()
	w.follow("header form[action='/logout'] button")
	w.follow("a[href='/recover']")
	w.fill("#login", w.login)
	w.fill("#code", w.code)
	w.fill("#password", walkPassword3)
	w.fill("#password2", walkPassword3)
	w.look("recover")
	w.follow("#submit")
	w.at("/register/confirm")
	before := w.code
	w.confirm("recovery-used")
	if w.code == before {
		w.t.Error("a used recovery code was not replaced")
	}
	w.password = walkPassword3
	w.open(w.note)
	w.reads("main pre", "tannenzapfen")
}

func (w *walk) leave() {
	w.t.Helper()
	w.follow("header form[action='/logout'] button")
	w.open("/login")
	w.fill("#login", w.login)
	w.fill("#password", w.password)
	w.follow("#submit")
	w.at("/encrypt")
	w.open("/account")
	w.unfold("Delete my account")
	w.takeAlong()
	w.open("/account")
	w.unfold("Delete my account")
	w.fill("#delete-login", w.login)
	w.fill("#delete-current", w.password)
	w.look("account-delete")
	w.follow("form[action='/account/delete'] button[type=submit]")
	w.reads(".notice", "deleted")
	gone := w.s.client()
	gone.must(gone.post("/login", "login", w.login, "password", w.password), 422)
	blobs, err := os.ReadDir(filepath.Join(w.s.data, "blobs"))
	if err != nil || len(blobs) > 0 {
		w.t.Errorf("%d blobs are left of a deleted account (%v)", len(blobs), err)
	}
}
