//go:build linux

package e2e

import (
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/chromedp/chromedp"
)

// widths are those of a small phone and of an ordinary window, in CSS pixels.
var widths = []int{360, 1280}

// narrowAndWide checks that the page fits both widths and that, without scripts, nothing that only works
// with one is shown. It takes a picture of each.
func (t *tab) narrowAndWide(name, scheme string) {
	t.t.Helper()
	for _, width := range widths {
		t.view(width, scheme)
		t.fits(name, scheme, width)
	}
	if !t.script {
		if shown := in(t, "look for what needs a script", chromedp.Evaluate[[]string](
			`[...document.querySelectorAll(".js-only, [data-upload]")].filter(e => e.getClientRects().length).map(e => e.outerHTML.slice(0, 120))`)); len(shown) > 0 {
			t.t.Errorf("%s shows without a script what needs one: %q", name, shown)
		}
	}
}

func (t *tab) fits(name, scheme string, width int) {
	t.t.Helper()
	if n := t.overflow(); n > 0 {
		t.t.Errorf("%s is %d pixels wider than a window of %d: %s", name, n, width, strings.Join(t.wide(), ", "))
	}
	kind := "plain"
	if t.script {
		kind = "script"
	}
	t.picture(fmt.Sprintf("%s-%s-%s-%d", name, kind, scheme, width))
}

// wide names the elements that stand out of the window.
func (t *tab) wide() []string {
	return in(t, "find what is too wide", chromedp.Evaluate[[]string](
		`[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest(".vh")).map(e => e.tagName + "." + e.className).slice(-4)`))
}

// sound runs axe in both themes at both widths, and checks that the page fits.
func (t *tab) sound(name string) {
	t.t.Helper()
	for _, scheme := range []string{"dark", "light"} {
		for _, width := range widths {
			t.view(width, scheme)
			t.fits(name, scheme, width)
			for _, v := range t.axe() {
				t.t.Errorf("%s, %s, %d: %s", name, scheme, width, v)
			}
		}
	}
}

// whole sends the verb's form as a browser without scripts does, so that a whole page answers.
func (t *tab) whole() {
	t.t.Helper()
	t.followed("send the form without htmx", evaluate(later(`HTMLFormElement.prototype.submit.call(document.getElementById("verb"))`)))
}

// problem opens what answers with a status of its own, of which Chromium writes a line.
func (t *tab) problem(status int, path string) {
	t.t.Helper()
	t.allow(fmt.Sprintf("status of %d", status))
	t.open(path)
}

// TestPages looks at every page in every state that it has.
func TestPages(t *testing.T) {
	b := openBrowser(t)
	s := newServer(t)
	for _, part := range []struct {
		name string
		see  func(*testing.T, *server, *tab)
	}{
		{"Guest", guestPages}, {"Refusals", refusalPages}, {"Enter", enterPages}, {"Encrypt", encryptPages},
		{"Decrypt", decryptPages}, {"Hash", hashPages}, {"Vault", vaultPages}, {"Account", accountPages},
		{"Keys", keyPages}, {"Activity", activityPages}, {"Export", exportPages}, {"Help", helpPages},
		{"People", peoplePages}, {"Sign", signPages}, {"Admin", adminPages}, {"SecondFactor", secondFactorPages},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.see(t, s.with(t), (&browser{t, b.ctx}).tab(s.url, true))
		})
	}
	t.Run("Closed", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, "--registration", "closed", "--guests", "off")
		tab := (&browser{t, b.ctx}).tab(s.url, true)
		for _, path := range []string{"/", "/login", "/register"} {
			tab.open(path)
			tab.sound("closed" + strings.ReplaceAll(path, "/", "-"))
		}
		tab.open("/encrypt")
		tab.at("/login?next=%2Fencrypt")
		tab.sound("closed-login-next")
	})
	t.Run("ByInvitation", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, "--registration", "invite")
		tab := (&browser{t, b.ctx}).tab(s.url, true)
		tab.open("/register")
		tab.sound("register-by-invitation")
		tab.open(s.firstLink())
		tab.sound("first-administrator")
	})
}

// Over plain http beyond this machine browsers send no Sec-Fetch-Site, take no Secure cookie and give no
// clipboard: everything works all the same, under a banner.
func TestPages_PlainHTTP(t *testing.T) {
	b := openBrowser(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close()
	dir := t.TempDir()
	s := &server{t: t, data: filepath.Join(dir, "data"), secrets: filepath.Join(dir, "secrets"), origin: fmt.Sprintf("http://%s:%d", otherHost, addr.Port)}
	t.Cleanup(s.kill)
	s.run(exec.Command(binary(t), "serve", "--addr", addr.String(), "--data", s.data, "--secrets", s.secrets, "--origin", s.origin, "--allow-http", "on"))
	tab := b.tab(s.url, true)
	tab.open("/")
	tab.reads(".banner", "not encrypted")
	tab.sound("plain-http")
	if tab.is("isSecureContext") {
		t.Fatal("the browser trusts " + s.url)
	}
	tab.open("/register")
	tab.fill("#login", "over-http")
	tab.fill("#password", walkPassword)
	tab.fill("#password2", walkPassword)
	tab.follow("#submit")
	tab.fill("#code", tab.text("#recovery-code"))
	tab.click("[data-copy]")
	tab.waitText("[data-copy]", "^Copied$")
	tab.follow("#submit")
	tab.fill("#text", "something")
	tab.answer()
	tab.reads("#result h2", "Encrypted for you")
	tab.click("#result [data-copy=result-text]")
	tab.waitText("#result [data-copy=result-text]", "^Copied$")
	tab.follow("header form[action='/logout'] button")
	tab.at("/login?out=1")
}

func guestPages(_ *testing.T, _ *server, tab *tab) {
	for _, path := range []string{"/", "/about", "/encrypt", "/decrypt", "/hash"} {
		tab.open(path)
		tab.sound("guest" + strings.ReplaceAll(strings.TrimSuffix(path, "/"), "/", "-"))
	}
	tab.open("/encrypt")
	tab.click("label:has(> [name=to][value=people])")
	tab.sound("guest-encrypt-people")
	tab.mode("files")
	tab.sound("guest-encrypt-files")
	// The theme of one's own choice, against what the system says: dark, then light.
	for _, chosen := range []string{"dark", "light"} {
		tab.follow("footer form button")
		tab.reads("footer form button", "Theme: "+chosen)
		tab.sound("theme-" + chosen)
	}
}

// refusalPages are those that stand alone.
func refusalPages(t *testing.T, s *server, tab *tab) {
	tab.problem(http.StatusNotFound, "/nothing/here")
	tab.sound("404")
	// A form on a page of no origin is another site's.
	tab.allow("status of 403")
	tab.do("go nowhere", chromedp.Navigate("about:blank"))
	tab.followed("send a form from elsewhere", evaluate(later(fmt.Sprintf(
		`document.body.innerHTML = '<form method=post action="%s/logout"></form>'; document.forms[0].submit()`, s.url))))
	tab.reads("h1", "another site")
	tab.sound("403")
	tab.allow("status of 413")
	tab.open("/hash")
	tab.do("fill in too much", evaluate(`document.getElementById("text").value = "x".repeat(3 << 20)`))
	tab.whole()
	tab.reads("h1", "too long")
	tab.sound("413")
	tab.allow("status of 429")
	c := s.client()
	tab.open("/login")
	tab.fill("#login", "nobody-at-all")
	tab.fill("#password", "no")
	eventually(t, 2*actionTimeout, "a log-in has to wait for more than ten seconds", func() bool {
		after, _ := strconv.Atoi(c.post("/login", "login", "nobody-at-all", "password", "no").header.Get("Retry-After"))
		return after > 10
	})
	tab.follow("#submit")
	tab.reads("h1", "Too many")
	tab.sound("429")
	busyPage(t, s, tab)
}

// busyPage keeps the guests' queue for slow hashes full until the browser is turned away.
func busyPage(t *testing.T, s *server, tab *tab) {
	tab.allow("status of 503")
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 16 {
		c := s.client()
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				resp, err := c.http.Do(c.multipart("/encrypt", field("to", "passphrase"), field("passphrase", "p"), field("text", "t")))
				if err != nil {
					t.Errorf("keep the server busy: %v", err)
					return
				}
				resp.Body.Close()
			}
		})
	}
	for range 20 {
		tab.open("/encrypt")
		tab.fill("#passphrase", "some passphrase")
		tab.fill("#text", "some text")
		tab.whole()
		if tab.count("#verb") == 0 {
			break
		}
	}
	close(stop)
	all.Wait()
	tab.reads("h1", "busy")
	tab.sound("503")
}

// enterPages lead in: log-in, registration, recovery.
func enterPages(_ *testing.T, s *server, tab *tab) {
	tab.open("/login?next=/vault")
	tab.sound("login")
	tab.fill("#login", "nobody")
	tab.fill("#password", "wrong")
	tab.follow("#submit")
	tab.sound("login-error")
	tab.open("/recover")
	tab.sound("recover")
	tab.fill("#login", "nobody")
	tab.fill("#code", "ABCD")
	tab.fill("#password", "correct horse battery 7 staple")
	tab.fill("#password2", "correct horse battery 7 staple")
	tab.follow("#submit")
	tab.sound("recover-error")
	tab.fill("#code", "ABCD")
	tab.fill("#password", "one")
	tab.fill("#password2", "two")
	tab.follow("#submit")
	tab.sound("recover-field-error")
	tab.open("/register")
	tab.sound("register")
	tab.fill("#login", "x")
	tab.fill("#password", "password")
	tab.wait("#strength progress")
	tab.sound("register-weak")
	tab.fill("#password2", "password")
	tab.follow("#submit")
	tab.sound("register-error")
	tab.fill("#login", "enters")
	tab.fill("#password", walkPassword)
	tab.fill("#password2", walkPassword)
	tab.follow("#submit")
	tab.sound("recovery")
	tab.fill("#code", "AAAA")
	tab.follow("#submit")
	tab.sound("recovery-error")
}

// with is the same running server as part of a subtest. It can be asked, not stopped.
func (s *server) with(t testing.TB) *server {
	return &server{t: t, data: s.data, secrets: s.secrets, url: s.url}
}

// change changes a database behind the server's back, as somebody with the disk could.
func (s *server) change(database, statement string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.data, database)+"?_pragma=busy_timeout(5000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	r, err := db.Exec(statement)
	if err != nil {
		s.t.Fatalf("change %s: %v", database, err)
	}
	if n, _ := r.RowsAffected(); n == 0 {
		s.t.Fatalf("change %s: no row fits: %s", database, statement)
	}
}
