//go:build linux

package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// TestDisk_Pages starts a server on a disk with less room than half of its floor: it is read-only from the first page
// on, says so, and gives back what was typed; htmx leaves it where it is.
func TestDisk_Pages(t *testing.T) {
	b := openBrowser(t)
	s := newServer(t)
	c := s.client()
	c.register("keeps", walkPassword)
	kept := c.must(c.post("/vault", "title", "kept", "text", "kept before"), http.StatusSeeOther).location()
	s.stop()
	s.args = []string{"--min-free-disk", "4000TiB"}
	s.start()
	eventually(t, startTimeout, "the server is read-only", func() bool { return c.get("/readyz").body == "read-only: free disk below floor\n" })

	tab := (&browser{t, b.ctx}).tab(s.url, true)
	tab.allow("status of 507")
	tab.open("/hash")
	tab.reads(".banner", "Nothing can be saved at present: this server's disk is full.")
	tab.sound("readonly-guest")
	tab.adopt(c)
	tab.open(kept)
	tab.reads(".banner", "What you saved is safe")
	tab.reads("main", "kept before")
	tab.open("/vault?new=1")
	tab.fill("#text", "Bread\nButter")
	tab.sound("readonly-form")
	tab.answer()
	tab.reads("#result", "The server can't save at present")
	if got := tab.value("#text"); got != "Bread\nButter" {
		t.Errorf("the form holds %q", got)
	}
	tab.sound("readonly-refused")
	tab.whole()
	tab.reads("h1", "The server can't save at present")
	if got := tab.value("#typed-text"); got != "Bread\nButter" {
		t.Errorf("what was typed is %q", got)
	}
	tab.sound("readonly-typed")
	c.must(c.post(kept+"/delete"), http.StatusSeeOther) // makes room

	// The same without a script, and on from there when there is room.
	plain := (&browser{t, b.ctx}).tab(s.url, false)
	plain.allow("status of 507")
	plain.adopt(c)
	plain.open("/vault?new=1")
	plain.fill("#text", "\n Bread\n<b>Butter</b>")
	plain.follow("#submit")
	plain.reads("h1", "The server can't save at present")
	plain.narrowAndWide("readonly-plain", "light")
	s.stop()
	s.args = nil
	s.start()
	plain.follow("form.card button")
	plain.reads("main", "Butter")
	if a := c.get("/vault"); strings.Contains(a.body, diskBanner) || !strings.Contains(a.body, "Bread") {
		t.Errorf("the vault: %s", words(a.body))
	}
}
