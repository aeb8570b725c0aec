//go:build linux

package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestLoggedOut_Typed: without a script, what was typed for longer than a session lives is not lost. The page that gives
// it back is looked at as all are.
func TestLoggedOut_Typed(t *testing.T) {
	b := openBrowser(t)
	s := newServer(t)
	const note = "\n First line\n<b>second</b> line"
	tab := (&browser{t, b.ctx}).tab(s.url, true)
	c := tab.member(s, "writes-long")
	tab.allow("status of 401")
	tab.open("/vault?new=1")
	tab.fill("#title", "A long letter")
	tab.fill("#text", note)
	c.logout()
	tab.whole()
	tab.reads("h1", "You are logged out")
	if got := tab.value("#typed-text"); got != note {
		t.Errorf("what was typed is %q", got)
	}
	tab.sound("logged-out-typed")

	c.login("writes-long", walkPassword)
	plain := (&browser{t, b.ctx}).tab(s.url, false)
	plain.allow("status of 401")
	plain.adopt(c)
	plain.open("/vault?new=1")
	plain.fill("#title", "A long letter")
	plain.fill("#text", note)
	c.logout()
	plain.follow("#submit")
	plain.reads("h1", "You are logged out")
	plain.narrowAndWide("logged-out-typed", "light")
	plain.narrowAndWide("logged-out-typed", "dark")
	c.login("writes-long", walkPassword)
	plain.adopt(c) // as from another tab
	plain.follow("form.card button")
	plain.reads("main h1", "A long letter")
	if got := plain.exact("#item-text"); "\n"+got != note { // browsers leave a pre's first line end out
		t.Errorf("the vault holds %q", got)
	}
	if a := words(c.must(c.get("/vault"), http.StatusOK).body); strings.Count(a, "A long letter") != 1 {
		t.Errorf("the vault: %s", a)
	}
}
