//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// idle makes every session as if it was not used for some minutes.
func (s *server) idle(minutes int) {
	s.t.Helper()
	s.change("sessions.db", fmt.Sprintf(`UPDATE sessions SET touched = touched - %d`, minutes*60_000))
}

// activityPages are a person's list, the settings, what is told above a page, and the lock.
func activityPages(_ *testing.T, s *server, tab *tab) {
	c := s.client()
	c.register("has-a-history", walkPassword)
	tab.adopt(c)
	tab.open("/activity")
	tab.sound("activity-first")
	for range 4 {
		c.must(s.client().post("/login", "login", "has-a-history", "password", "wrong"), http.StatusUnprocessableEntity)
	}
	c.must(c.post("/keys", "kind", "age", "name", strings.Repeat("a-long-name-", 8)), http.StatusSeeOther)
	c.must(c.post("/keys", "kind", "age", "name", "<b>markup</b> עברית"), http.StatusSeeOther)
	s.client().login("has-a-history", walkPassword)
	tab.open("/account")
	tab.reads(".alerts", "new here")
	tab.sound("alerts")
	tab.open("/activity")
	if tab.count(".alerts") != 0 {
		tab.t.Error("what was told is told again")
	}
	tab.reads("main", "4 log-ins failed")
	tab.sound("activity")
	for range 55 {
		c.must(c.post("/account/listed", "listed", "1"), http.StatusSeeOther)
	}
	tab.open("/activity")
	tab.follow("nav[aria-label=Pages] a")
	tab.reads("main", "The account was made")
	tab.sound("activity-older")
	tab.open("/settings")
	tab.sound("settings")
	tab.do("open every form", evaluate(`document.querySelectorAll("main details").forEach(d => d.open = true)`))
	tab.sound("settings-open")
	for _, what := range []string{"session", "off", "clear", "login"} {
		tab.open("/settings")
		tab.do("fill in every field wrongly", evaluate(fmt.Sprintf(
			`const f = document.querySelector("form:has([name=what][value=%s])");
			for (let d = f.closest("details"); d; d = null) d.open = true;
			f.querySelectorAll("input[name]").forEach(i => { if (i.type !== "hidden") i.value = "wrong" });
			f.id = "wrong"`, what)))
		tab.follow("#wrong button[type=submit]")
		if tab.count(".problem") == 0 {
			tab.t.Errorf("the form %s took a wrong password: %s", what, tab.path())
		}
		tab.sound("settings-" + what + "-error")
	}
	c.must(c.post("/settings", "what", "off", "current", walkPassword), http.StatusSeeOther)
	tab.open("/settings")
	tab.sound("settings-history-off")
	tab.open("/activity")
	tab.sound("activity-off")
	c.must(c.post("/settings", "what", "session", "session", "60", "lock", "10", "current", walkPassword), http.StatusSeeOther)
	s.idle(11)
	tab.open("/vault?kind=note")
	tab.at("/account/unlock?next=%2Fvault%3Fkind%3Dnote")
	tab.sound("unlock")
	tab.fill("#password", "wrong")
	tab.follow("#submit")
	tab.sound("unlock-error")
	tab.open("/about")
	tab.sound("about-locked")
}

// TestSettings_Walk changes settings, is locked and comes back to its place, with scripts and without.
func TestSettings_Walk(t *testing.T) {
	b := openBrowser(t)
	for _, script := range []bool{true, false} {
		t.Run(fmt.Sprintf("Script=%v", script), func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			tab := (&browser{t, b.ctx}).tab(s.url, script)
			c := s.client()
			c.register("walks", walkPassword)
			tab.adopt(c)
			tab.open("/account")
			tab.follow("a[href='/settings']")
			tab.at("/settings")
			tab.do("choose a lock", chromedp.SetValue("#session-lock", "10"))
			tab.fill("#session-current", walkPassword)
			tab.follow("form:has(#session-lock) button[type=submit]")
			tab.at("/settings?done=session")
			if tab.value("#session-lock") != "10" {
				t.Fatalf("the lock is after %s minutes", tab.value("#session-lock"))
			}
			tab.narrowAndWide("settings-walk", "dark")
			item := c.must(c.post("/vault", "title", "My place", "text", "here"), http.StatusSeeOther).location()
			s.idle(11)
			tab.open(item)
			tab.reads("h1", "Locked")
			tab.narrowAndWide("unlock-walk", "light")
			tab.fill("#password", walkPassword)
			tab.follow("#submit")
			tab.at(item)
			tab.reads("h1", "My place")
			tab.open("/settings")
			tab.unfold("Change the login")
			tab.fill("#login-login", "walked")
			tab.fill("#login-current", walkPassword)
			tab.follow("form:has(#login-login) button[type=submit]")
			tab.at("/settings?done=login")
			tab.unfold("Keep no history")
			tab.fill("#off-current", walkPassword)
			tab.follow("form:has(#off-current) button[type=submit]")
			tab.at("/settings?done=off")
			tab.follow("form:has([name=what][value=on]) button[type=submit]")
			tab.at("/settings?done=on")
			tab.follow("#theme-title + form button[value=light]")
			tab.at("/settings")
			tab.open("/activity")
			for _, text := range []string{"The login was changed", "This list was turned off", "This list was turned on", "Unlocked with the password", "Session length or lock was changed"} {
				tab.reads("main", text)
			}
			tab.narrowAndWide("activity-walk", "dark")
			tab.open("/settings")
			tab.unfold("Empty the list")
			tab.fill("#clear-current", walkPassword)
			tab.follow("form:has(#clear-current) button[type=submit]")
			tab.open("/activity")
			tab.reads("main", "This list was emptied")
		})
	}
}

// settings types secrets into the forms of the settings and the lock, where they are refused.
func (p *planted) settings(c *client, login string) {
	password := p.values["password"]
	c.must(c.post("/settings", "what", "login", "login", p.value("login that was refused"), "current", p.value("wrong current password of a setting")), http.StatusUnprocessableEntity)
	c.must(c.post("/settings", "what", "login", "login", password, "current", password), http.StatusUnprocessableEntity)
	c.must(c.post("/settings", "what", "session", "session", p.value("session length"), "lock", "10", "current", password), http.StatusUnprocessableEntity)
	c.must(c.post("/settings", "what", "session", "session", "60", "lock", "10", "current", password), http.StatusSeeOther)
	title := p.value("title of an exported item")
	item := c.must(c.post("/vault", "title", title, "text", p.value("text of an exported item")), http.StatusSeeOther).location()
	c.must(c.get(item+"/file"), http.StatusOK)
	if a := c.must(c.get("/activity"), http.StatusOK); !strings.Contains(a.body, title) {
		p.t.Error("the activity does not tell which item was taken out")
	}
	other := p.client()
	other.login(login, password)
	p.cookies("locked session", other)
	p.idle(11)
	other.must(other.post("/account/unlock", "password", p.value("wrong password of the lock"), "next", "/vault?q="+p.value("place of the lock")), http.StatusUnprocessableEntity)
	p.search("while a session is locked")
	for _, who := range []*client{c, other} {
		who.must(who.post("/account/unlock", "password", password), http.StatusSeeOther)
	}
}
