//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWalkImport: somebody of an older Zencrypt comes with the old password, gets a recovery code, opens an old text and
// an old file, sees the versions of the key and chooses a better password; with scripts and without.
func TestWalkImport(t *testing.T) {
	old := oldV6(t, false)
	b := openBrowser(t)
	for _, c := range []struct {
		name   string
		script bool
	}{{"WithScript", true}, {"WithoutScript", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := stopped(t)
			s.bring(old.args...)
			s.start()
			w := &importWalk{tab: (&browser{t, b.ctx}).tab(s.url, c.script), old: old}
			w.comes("IMPORT1.a121@example.org ", "import-1")
			w.text()
			w.file()
			w.versions()
			w.improves("import-1")
			w.follow("form[action='/logout'] button")
			w.renamed()
		})
	}
}

type importWalk struct {
	*tab
	old *oldSource
}

// comes logs in for the first time.
func (w *importWalk) comes(login, password string) {
	w.t.Helper()
	w.open("/recover")
	w.reads("main", "An account that was brought along gets its recovery code when you log in for the first time")
	w.look("walk-import-recover")
	w.open("/login")
	w.fill("#login", login)
	w.fill("#password", "wrong "+password)
	w.follow("#submit")
	w.reads("main", "do not go together")
	w.fill("#password", password)
	w.follow("#submit")
	w.at("/register/confirm")
	w.reads(".lead", "Welcome back")
	w.look("walk-import-code")
	w.fill("#code", w.tab.text("#recovery-code"))
	w.follow("#submit")
	w.at("/encrypt")
	w.reads(".banner", "Choose a better one")
	w.look("walk-import-banner")
}

// text opens every old text in the vault's list.
func (w *importWalk) text() {
	w.t.Helper()
	p := w.old.people[slices.IndexFunc(w.old.people, func(p *oldPerson) bool { return strings.HasPrefix(p.Login, "import1") })]
	var got []string
	for i := range p.Notes {
		w.open("/vault?kind=note")
		w.rows(len(p.Notes))
		if i == 0 {
			w.look("walk-import-vault")
		}
		w.follow(fmt.Sprintf("table.vault tbody tr:nth-child(%d) td.name a", i+1))
		got = append(got, w.exact("#item-text"))
	}
	slices.Sort(got)
	if want := slices.Sorted(slices.Values(p.Notes)); !slices.Equal(got, want) {
		w.t.Errorf("the vault shows %q, want %q", got, want)
	}
	w.open("/vault?kind=digest")
	w.rows(len(p.Digests))
	w.follow("table.vault tbody tr:nth-child(1) td.name a")
	w.reads("#item-text", "SHA256 (text) = ")
	w.look("walk-import-digest")
}

// file opens what the old file page wrote under a key that was replaced since.
func (w *importWalk) file() {
	w.t.Helper()
	want, err := os.ReadFile(filepath.Join(oldData, "v62", "plain", "01_notes.txt.b64.plain"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.open("/decrypt")
	w.mode("files")
	w.choose("#file", absolute(w.t, filepath.Join(oldData, "v62", "web_files", "01_notes.txt.b64")))
	w.answer()
	w.reads("#result", "version 1")
	_, path := w.download("#result a[download]")
	if got, err := os.ReadFile(path); err != nil || string(got) != string(want) {
		w.t.Errorf("the old file opened as %q, %v", got, err)
	}
}

func (w *importWalk) versions() {
	w.t.Helper()
	w.open("/keys")
	w.reads("main", "Fernet, from before")
	w.look("walk-import-keys")
	w.follow("main section:has(ol.versions > li:nth-child(2)) h2 a")
	w.reads("main h1", "Fernet, from before")
	w.reads("main", "version 1")
	w.reads("main", "version 2")
	w.look("walk-import-key")
}

// improves follows the banner, which is gone when a better password was chosen.
func (w *importWalk) improves(password string) {
	w.t.Helper()
	w.open("/vault")
	w.follow(".banner a")
	w.wait("#password-current")
	w.look("walk-import-password")
	w.fill("#password-current", password)
	w.fill("#password-password", walkPassword)
	w.fill("#password-password2", walkPassword)
	w.follow("form[action='/account/password'] button[type=submit]")
	w.reads("main", "Your password is changed")
	if w.count(".banner") != 0 {
		w.t.Errorf("it still asks: %s", w.tab.text(".banner"))
	}
}

// renamed is somebody whose login was another's in other letters.
func (w *importWalk) renamed() {
	w.t.Helper()
	w.open("/login")
	w.fill("#login", "Mixed.Case.a121@Example.ORG")
	w.fill("#password", "Mixed-Pass-1")
	w.follow("#submit")
	w.at("/register/confirm")
	w.fill("#code", w.tab.text("#recovery-code"))
	w.follow("#submit")
	w.open("/account")
	w.reads(".notice", "Mixed.Case.a121@Example.ORG-2")
	w.look("walk-import-renamed")
}

// look takes pictures, and where scripts run asks axe.
func (w *importWalk) look(name string) {
	w.t.Helper()
	if w.script {
		w.sound(name)
		return
	}
	w.narrowAndWide(name, "dark")
}
