//go:build linux

package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	cdbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// TestScripts is what the pages gain with a script. That they work without one is TestWalk's matter.
func TestScripts(t *testing.T) {
	b := openBrowser(t)
	s := newServer(t)
	for _, part := range []struct {
		name string
		do   func(*testing.T, *server, *tab)
	}{
		{"Upload", scriptUpload}, {"Drop", scriptDrop}, {"Copy", scriptCopy}, {"Keyboard", scriptKeyboard},
		{"Errors", scriptErrors}, {"Passphrase", scriptPassphrase}, {"Twice", scriptTwice}, {"Back", scriptBack},
		{"LoggedOut", scriptLoggedOut}, {"Vault", scriptVault},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.do(t, s.with(t), (&browser{t, b.ctx}).tab(s.url, true))
		})
	}
	t.Run("ServerGone", func(t *testing.T) {
		t.Parallel()
		s := newServer(t)
		scriptServerGone(s, (&browser{t, b.ctx}).tab(s.url, true))
	})
	t.Run("Limits", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, "--max-upload", "1MiB")
		scriptLimits(s, (&browser{t, b.ctx}).tab(s.url, true))
	})
}

// member is a new account that the tab is logged in to.
func (t *tab) member(s *server, login string) *client {
	t.t.Helper()
	c := s.client()
	c.register(login, walkPassword)
	t.adopt(c)
	return c
}

// throttle bounds what the tab sends, in bytes a second. Zero lifts it.
func (t *tab) throttle(upload float64) {
	t.t.Helper()
	t.call("throttle the network", func(ctx context.Context) error {
		p := network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{}}
		if upload > 0 {
			p.MatchedNetworkConditions = append(p.MatchedNetworkConditions, &network.Conditions{DownloadThroughput: -1, UploadThroughput: upload})
		}
		_, err := chromedp.Call(ctx, network.EmulateNetworkConditionsByRule, p)
		return err
	})
}

// waitText waits until css's text fits a pattern.
func (t *tab) waitText(css, pattern string) (text string) {
	t.t.Helper()
	want := regexp.MustCompile(pattern)
	eventually(t.t, actionTimeout, css+" reads "+pattern, func() bool {
		text = in(t, "read "+css, chromedp.Evaluate[string](fmt.Sprintf(`(document.querySelector(%q) || {textContent: ""}).textContent.trim()`, css)))
		return want.MatchString(text)
	})
	return text
}

// is asks a question of the page.
func (t *tab) is(question string) bool {
	t.t.Helper()
	return in(t, question, chromedp.Evaluate[bool](question))
}

// results counts the file results that the server knows of.
func (s *server) results() (n int) {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.data, "sessions.db")+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT count(*) FROM results").Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *server) spooled() int {
	s.t.Helper()
	files, err := os.ReadDir(filepath.Join(s.data, "spool"))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(files)
}

// A slow upload shows where it stands, and Cancel leaves nothing on either side.
func scriptUpload(t *testing.T, _ *server, tab *tab) {
	s := newServer(t) // of its own: its spool is counted
	tab.base = s.url
	tab.member(s, "uploads")
	tab.open("/encrypt")
	tab.mode("files")
	tab.choose("#file", small(tab, "big.bin", strings.Repeat("0123456789abcdef", 1<<20)))
	tab.allow("[object HTMLElement]") // htmx's own lines for a request that was aborted
	tab.throttle(2 << 20)
	tab.click("#submit")
	tab.waitText("[data-upload-text]", `^[\d.]+ (KiB|MiB) of 16 MiB · [\d.]+ [KM]iB/s · \d+ s left$`)
	if !tab.is(`document.querySelector("#submit").disabled && document.querySelector("[data-upload] progress").value > 0`) {
		t.Error("while it uploads the button can be pressed again, or the bar is empty")
	}
	eventually(t, actionTimeout, "the server has begun to spool", func() bool { return s.spooled() == 1 })
	tab.sound("uploading")
	tab.click("[data-cancel]")
	tab.waitText("#result h2", "^Cancelled$")
	tab.sound("cancelled")
	eventually(t, actionTimeout, "nothing is left of a cancelled upload", func() bool { return s.spooled() == 0 })
	if n := s.results(); n != 0 {
		t.Errorf("%d results are left of a cancelled upload", n)
	}
	if tab.is(`document.querySelector("#submit").disabled || document.querySelector("#file").files.length != 1`) {
		t.Error("after Cancel the form is not as it was")
	}
	// The space is free again, and the place among the uploads too.
	tab.throttle(0)
	tab.answer()
	tab.reads("#result h2", "Encrypted for you")
	if s.spooled() != 1 || s.results() != 1 {
		t.Errorf("%d files and %d results after one upload", s.spooled(), s.results())
	}
}

func scriptDrop(t *testing.T, _ *server, tab *tab) {
	tab.open("/hash")
	tab.do("drop two files", evaluate(`
		const d = new DataTransfer();
		d.items.add(new File(["abc"], "a.txt"));
		d.items.add(new File(["0123456789"], "b.txt"));
		for (const kind of ["dragover", "drop"])
			document.querySelector("main").dispatchEvent(new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: d}))`))
	tab.wait("#file")
	tab.waitText("[data-files]", `^a\.txt3 bytesb\.txt10 bytes$`)
	tab.answer()
	if n := tab.count("#result .card"); n != 2 {
		t.Errorf("%d results of two dropped files", n)
	}
	tab.reads("#digest-0-0", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
	// Back to text, the files are not sent.
	tab.mode("text")
	tab.fill("#text", "abc")
	tab.answer()
	tab.reads("#result h2", "Text")
}

// scriptCopy presses every Copy button there is, and compares with what stands beside it.
func scriptCopy(t *testing.T, s *server, tab *tab) {
	tab.member(s, "copies")
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		tab.call("allow the clipboard", func(ctx context.Context) error {
			_, err := chromedp.CallBrowser(ctx, cdbrowser.SetPermission, cdbrowser.SetPermissionParams{
				Permission: &cdbrowser.PermissionDescriptor{Name: name}, Setting: cdbrowser.PermissionSettingGranted,
				BrowserContextID: chromedp.FromContext(ctx).BrowserContextID,
			})
			return err
		})
	}
	all := func(where string, least int) {
		t.Helper()
		tab.do("unfold all", evaluate(`document.querySelectorAll("main details").forEach(d => d.open = true)`))
		targets := in(tab, "find the buttons", chromedp.Evaluate[[]string](`[...document.querySelectorAll("main [data-copy]")].filter(b => b.getClientRects().length).map(b => b.dataset.copy)`))
		if len(targets) < least {
			t.Errorf("%s: copy buttons of %q, want %d", where, targets, least)
		}
		for _, id := range targets {
			tab.do("copy an old value", evaluate(`navigator.clipboard.writeText("old")`))
			tab.click(`[data-copy="` + id + `"]`)
			tab.waitText(`[data-copy="`+id+`"]`, "^Copied$")
			got := in(tab, "read the clipboard", chromedp.Evaluate[string](`navigator.clipboard.readText()`, chromedp.EvalAwaitPromise))
			want := in(tab, "read "+id, chromedp.Evaluate[string](fmt.Sprintf(`(e => "value" in e ? e.value : e.textContent)(document.getElementById(%q))`, id)))
			if got != want || got == "" {
				t.Errorf("%s: copied %q, want %q", where, got, want)
			}
			if strings.HasPrefix(got, " ") || strings.HasPrefix(got, "\n") || strings.HasSuffix(got, "\n\n") {
				t.Errorf("%s: %s is copied with blanks around it: %q", where, id, got)
			}
		}
	}
	tab.open("/encrypt")
	tab.fill("#text", "something")
	tab.answer()
	all("encrypt", 2)
	tab.click("label:has(> [name=to][value=passphrase])")
	tab.click("#passphrase-field [name=generate]")
	tab.wait("#passphrase-field .made")
	all("passphrase", 1)
	tab.open("/hash")
	tab.fill("#text", "something")
	tab.answer()
	all("hash", 2)
	tab.open("/keys")
	tab.follow(".keys h2 a")
	all("key", 3)
	// Where the clipboard API is not (plain http, some browsers), the old way does it.
	tab.do("take the clipboard API away", evaluate(`
		window.read = navigator.clipboard.readText.bind(navigator.clipboard);
		Object.defineProperty(window, "isSecureContext", {value: false}); void 0`))
	tab.click(`[data-copy=recipient]`)
	eventually(t, actionTimeout, "the old way copies", func() bool {
		return strings.HasPrefix(in(tab, "read the clipboard", chromedp.Evaluate[string](`window.read()`, chromedp.EvalAwaitPromise)), "age1")
	})
}

// A second press of a button sends nothing twice.
func scriptTwice(t *testing.T, s *server, tab *tab) {
	tab.member(s, "presses-twice")
	tab.open("/vault?new=1")
	tab.fill("#title", "Once")
	tab.fill("#text", "once")
	tab.followed("press Save twice", evaluate(`const b = document.getElementById("submit"); b.click(); b.click()`))
	tab.open("/vault")
	tab.rows(1)
	tab.click("form[action='/vault/delete'] .tick input")
	tab.followed("press Delete twice", evaluate(later(`const b = document.querySelector("[data-many] .danger"); b.click(); b.click()`)))
	if n := len(tab.requested("^POST /vault/delete")); n != 1 {
		t.Errorf("a double click sent %d posts", n)
	}
	tab.reads(".notice", "1 item deleted")
}

// Back and forward lead to pages that work.
func scriptBack(_ *testing.T, _ *server, tab *tab) {
	tab.open("/hash")
	tab.fill("#text", "abc")
	tab.answer()
	tab.follow(".tools a[href='/encrypt']")
	tab.travel("back", "/hash")
	tab.fill("#text", "abd")
	tab.answer()
	tab.reads("#digest-0-0", "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9")
	tab.travel("forward", "/encrypt")
	tab.wait("#verb")
	// The answer to a post without htmx can be left and come back to as well.
	tab.allow("status of 404")
	tab.open("/nothing")
	tab.travel("back", "/encrypt")
}

// travel goes through the history.
func (t *tab) travel(direction, path string) {
	t.t.Helper()
	t.do("go "+direction, evaluate(later("history."+direction+"()")))
	eventually(t.t, actionTimeout, direction+" leads to "+path, func() bool { return t.path() == path })
	t.wait("main")
}

// Who logged out in one tab is told so by the next thing done in another, which keeps what was typed.
func scriptLoggedOut(t *testing.T, s *server, tab *tab) {
	c := tab.member(s, "logs-out-elsewhere")
	tab.open("/vault?new=1")
	tab.fill("#title", "Title")
	tab.fill("#text", "Text")
	c.logout()
	tab.allow("status of 401")
	tab.click("#submit")
	tab.reads("#result .problem", "You are logged out")
	if tab.value("#text") != "Text" {
		t.Errorf("what was typed is %q now", tab.value("#text"))
	}
	tab.open("/login")
	tab.fill("#login", "logs-out-elsewhere")
	tab.fill("#password", walkPassword)
	tab.follow("#submit")
	tab.at("/encrypt")
	// A guest may encrypt too, but not for an account: the page says why, and keeps what was typed.
	tab.fill("#text", "for me")
	elsewhere := s.client()
	elsewhere.login("logs-out-elsewhere", walkPassword)
	elsewhere.must(elsewhere.post("/account/sessions", "all", "1", "current", walkPassword), 303)
	tab.answer()
	tab.reads("#result", "logged out")
	if tab.value("#text") != "for me" {
		t.Errorf("what was typed is %q now", tab.value("#text"))
	}
}

func scriptVault(t *testing.T, s *server, tab *tab) {
	c := tab.member(s, "chooses-all")
	for i := range 3 {
		c.must(c.post("/vault", "title", fmt.Sprint(i), "text", "x"), 303)
	}
	tab.open("/vault")
	tab.click("[data-all]")
	if !tab.is(`[...document.querySelectorAll(".tick input")].every(b => b.checked)`) {
		t.Error("Choose all does not choose all")
	}
	tab.follow("[data-many] .danger")
	tab.reads(".notice", "3 items deleted")
	tab.follow(".notice button")
	tab.rows(3)
}
