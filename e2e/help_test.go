//go:build linux

package e2e

import (
	"html"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"
)

var (
	helpPage     = regexp.MustCompile(`/help/[a-z-]+`)
	helpCommands = regexp.MustCompile(`(?s)<pre class="run"[^>]*aria-label="Commands: ([^"]*)"[^>]*>(.*?)</pre>`)
	ownLink      = regexp.MustCompile(`href="(/[^"#]*)"`)
)

// helpPlace is a folder with what the help's commands speak of.
func helpPlace(t *testing.T) string {
	dir := t.TempDir()
	for _, name := range []string{"age", "gpg", "python3", "tar"} {
		program(t, name, "the help's commands")
	}
	shell(t, dir, `umask 077; mkdir .gnupg photos; echo hello > letter.txt; echo x > photos/a.jpg
		age-keygen -o key.txt; age-keygen -y key.txt > friends.txt; zencrypt encrypt -R friends.txt -o letter.age letter.txt
		zencrypt keygen --type pgp --name Mira -o my-key.asc; zencrypt keygen -y my-key.asc > cert.asc; zencrypt encrypt -R cert.asc -a -o letter.asc letter.txt
		zencrypt keygen --type fernet -o fernet.key; zencrypt encrypt -i fernet.key --format fernet -o letter.fernet letter.txt`)
	return dir
}

// Every command of the help that needs no person is run as it stands there.
func TestHelp_Commands(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client()
	index := c.must(c.get("/help"), http.StatusOK)
	ran := 0
	for _, path := range helpPage.FindAllString(index.body, -1) {
		page := c.must(c.get(path), http.StatusOK)
		for _, found := range helpCommands.FindAllStringSubmatch(page.body, -1) {
			ran++
			t.Run(found[1], func(t *testing.T) {
				dir := helpPlace(t)
				script := html.UnescapeString(found[2])
				if strings.Contains(script, "-o letter.txt") {
					shell(t, dir, "rm letter.txt") // gpg asks before it replaces one
				}
				if strings.Contains(script, "zencrypt-export") {
					m := newMover(t)
					c := s.client()
					c.register("leaves", exportPassword)
					m.export(c, "zencrypt-export.tar.age")
					dir = m.dir
					if err := os.Rename(filepath.Join(dir, "key"), filepath.Join(dir, "key.txt")); err != nil {
						t.Fatal(err)
					}
				}
				if strings.Contains(script, "python3") {
					if out := shell(t, dir, "python3 -c 'import cryptography' 2>&1 || echo none"); strings.Contains(out, "none") {
						missing(t, "Python's cryptography", script)
					}
				}
				out := shell(t, dir, script)
				if strings.Contains(script, "-o letter.txt") {
					if b, _ := os.ReadFile(filepath.Join(dir, "letter.txt")); string(b) != "hello\n" {
						t.Errorf("letter.txt is %q", b)
					}
				}
				if strings.Contains(script, "python3") && !strings.Contains(out, "hello") {
					t.Errorf("Python said %q", out)
				}
			})
		}
	}
	if ran < 9 {
		t.Errorf("only %d commands were found to run", ran)
	}
}

// No link of the help, of the page that exports or of the account leads nowhere.
func TestHelp_Links(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client()
	c.register("reads", exportPassword)
	seen := map[string]bool{}
	for _, start := range []string{"/help", "/account", "/account/export", "/encrypt", "/decrypt", "/keys", "/people", "/vault"} {
		for _, l := range ownLink.FindAllStringSubmatch(c.must(c.get(start), http.StatusOK).body, -1) {
			seen[html.UnescapeString(l[1])] = true
		}
	}
	for path := range seen {
		if !strings.HasPrefix(path, "/help") {
			continue
		}
		page := c.get(path)
		if page.status != http.StatusOK {
			t.Errorf("%s: %d", path, page.status)
		}
		for _, l := range ownLink.FindAllStringSubmatch(page.body, -1) {
			if to := html.UnescapeString(l[1]); !seen[to] && !strings.HasPrefix(to, "/static/") {
				if a := c.get(to); a.status != http.StatusOK && a.status != http.StatusSeeOther {
					t.Errorf("%s on %s: %d", to, path, a.status)
				}
			}
		}
	}
	if len(seen) < 12 {
		t.Errorf("only %d links were found", len(seen))
	}
	c.must(c.get("/help/nothing"), http.StatusNotFound)
}

// takeAlong is what the page advises before an account is deleted: everything in one archive, with the passphrase that
// the page suggests.
func (w *walk) takeAlong() {
	w.t.Helper()
	w.follow("form[action='/account/delete'] a[href='/account/export']")
	phrase := w.text("#export-suggestion")
	w.fill("#export-current", w.password)
	w.fill("#export-passphrase", phrase)
	w.fill("#export-passphrase2", phrase+"x")
	w.look("export")
	w.follow("form.exportform button.end")
	w.reads("#export-passphrase2-error", "differ")
	w.look("export-error")
	w.fill("#export-current", w.password)
	w.fill("#export-passphrase", phrase)
	w.fill("#export-passphrase2", phrase)
	name, path := w.download("form.exportform button.end")
	if name != "zencrypt-export.tar.age" {
		w.t.Errorf("the archive is named %q", name)
	}
	f, err := os.Open(path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	id, err := age.NewScryptIdentity(phrase)
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := age.Decrypt(f, id)
	if err != nil {
		w.t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || !strings.Contains(string(b), "tannenzapfen") {
		w.t.Errorf("the archive holds %d bytes without the note (%v)", len(b), err)
	}
}

// helpPages looks at each page of the help.
func helpPages(_ *testing.T, s *server, tab *tab) {
	tab.open("/help")
	tab.sound("help")
	for _, path := range helpPage.FindAllString(s.client().get("/help").body, -1) {
		tab.open(path)
		tab.sound(strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "-"))
	}
}

// exportPages looks at the page that takes everything along, in each choice and with what was wrong.
func exportPages(_ *testing.T, s *server, tab *tab) {
	c := s.client()
	c.register("takes-all-along", walkPassword)
	tab.adopt(c)
	tab.open("/account")
	tab.follow("a.button[href='/account/export']")
	tab.sound("export")
	for _, to := range []string{"key", "recipient"} {
		tab.click("label:has(> [name=to][value=" + to + "])")
		tab.sound("export-" + to)
	}
	tab.allow("status of 422")
	tab.click("label:has(> [name=to][value=passphrase])")
	tab.fill("#export-passphrase", "password1234")
	tab.fill("#export-passphrase2", "password1234")
	tab.fill("#export-current", "wrong")
	tab.follow("form.exportform button.end")
	tab.reads(".problem", "too easy")
	tab.sound("export-error")
}
