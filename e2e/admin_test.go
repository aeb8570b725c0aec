//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// user runs `zencrypt user` on the server's data while it runs, and returns what it says.
func (s *server) user(args ...string) string {
	s.t.Helper()
	cmd := exec.Command(binary(s.t), append(append([]string{"user"}, args...), "--data", s.data, "--secrets", s.secrets)...)
	out, err := cmd.Output()
	if err != nil {
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			s.t.Fatalf("user %q: %v: %s", args, err, ended.Stderr)
		}
		s.t.Fatalf("user %q: %v", args, err)
	}
	return string(out)
}

// firstLink is the path of the link that a first start left for the administrator.
func (s *server) firstLink() string {
	s.t.Helper()
	file := filepath.Join(s.secrets, "first_admin")
	text, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		s.t.Errorf("the link has mode %v: %v", info.Mode(), err)
	}
	path, ok := strings.CutPrefix(strings.TrimSpace(string(text)), s.url)
	if !ok || !inviteToken.MatchString(path) {
		s.t.Fatalf("the file holds no link of this server: %d bytes", len(text))
	}
	return path
}

var inviteToken = regexp.MustCompile(`/invite/([\w-]{43})`)

// TestWalkAdmin: the first start's link makes the administrator, who invites somebody, looks them up, suspends them,
// lets them in again, gives them less space and deletes them; with scripts and without.
func TestWalkAdmin(t *testing.T) {
	b := openBrowser(t)
	for _, c := range []struct {
		name   string
		script bool
	}{{"WithScript", true}, {"WithoutScript", false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			walkAdmin(t, newServer(t, "--registration", "invite"), (&browser{t, b.ctx}).tab, c.script)
		})
	}
}

func walkAdmin(t *testing.T, s *server, open func(string, bool) *tab, script bool) {
	link := s.firstLink()
	admin, guest := open(s.url, script), open(s.url, script)
	admin.open(link)
	admin.reads(".lead", "administers it")
	admin.joins("Ada")
	admin.open("/admin")
	admin.reads("table.members", "Ada")
	guest.allow("status of 404")
	guest.open(link)
	guest.reads("h1", "does not work")

	admin.open("/admin/invites")
	admin.fill("#invite-current", walkPassword)
	admin.follow("form[action='/admin/invites'] button[type=submit]")
	admin.narrowAndWide("walk-admin-invite", "dark")
	guest.open(inviteToken.FindString(admin.text("#invite-link")))
	guest.reads(".lead", "invited")
	guest.joins("Mira")
	guest.open("/vault")

	admin.open("/admin")
	admin.fill(".search input", "MIR")
	admin.follow(".search button")
	admin.follow("table.members .name a")
	act := func(name string, fill ...string) {
		t.Helper()
		form := fmt.Sprintf("form[action$='/%s']", name)
		admin.do("unfold "+name, evaluate(fmt.Sprintf(`document.querySelector("%s").closest("details").open = true`, form)))
		for i := 0; i < len(fill); i += 2 {
			admin.fill(fill[i], fill[i+1])
		}
		admin.fill("#"+name+"-current", walkPassword)
		admin.follow(form + " button[type=submit]")
	}
	act("suspend")
	admin.reads(".notice", "suspended")
	guest.open("/vault")
	guest.at("/login?next=%2Fvault")
	guest.allow("status of 403")
	guest.fill("#login", "mira")
	guest.fill("#password", walkPassword)
	guest.follow("#submit")
	guest.reads("h1", "suspended")
	act("resume")
	guest.open("/login")
	guest.fill("#login", "mira")
	guest.fill("#password", walkPassword)
	guest.follow("#submit")
	guest.at("/encrypt")
	act("quota", "#quota-quota", "50 MiB")
	guest.open("/account")
	guest.reads(".quota", "of 50 MiB")
	act("sessions")
	guest.open("/vault")
	guest.at("/login?next=%2Fvault")
	act("delete", "#delete-login", "mira")
	admin.reads(".notice", "deleted")
	if admin.count("table.members tbody tr") != 1 {
		t.Error("somebody deleted is listed")
	}

	if log := s.output(); strings.Contains(log, inviteToken.FindStringSubmatch(link)[1]) || strings.Contains(log, "Mira") {
		t.Error("the log holds the first administrator's link, or names somebody")
	}
	s.restart()
	if _, err := os.Stat(filepath.Join(s.secrets, "first_admin")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link that was used stays: %v", err)
	}
}

// joins fills in a registration and confirms the recovery code.
func (t *tab) joins(login string) {
	t.t.Helper()
	t.fill("#login", login)
	t.fill("#password", walkPassword)
	t.fill("#password2", walkPassword)
	t.follow("#submit")
	t.fill("#code", t.text("#recovery-code"))
	t.follow("#submit")
	t.at("/encrypt")
}

// TestAdmin_FirstLink: a start without accounts renews the link, and a command beside the server takes its place.
func TestAdmin_FirstLink(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--registration", "closed")
	before := s.firstLink()
	s.restart()
	link := s.firstLink()
	c := s.client()
	c.must(c.get(before), http.StatusNotFound)
	c.must(c.get(link), http.StatusOK)
	c.must(c.post("/register", "login", "mira", "password", walkPassword, "password2", walkPassword), http.StatusForbidden)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(walkPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.user("add", "--admin", "ada", "--password-file", file)
	c.must(c.get(link), http.StatusNotFound)
	c.must(c.post(link, "login", "mira", "password", walkPassword, "password2", walkPassword), http.StatusNotFound)
	c.login("ada", walkPassword)
	c.confirm()
	c.must(c.get("/admin"), http.StatusOK)
	// What the command changes beside it counts at the next request.
	s.user("add", "--admin", "bob", "--password-file", file)
	s.user("suspend", "ada")
	c.must(c.get("/admin"), http.StatusNotFound)
	c.must(c.get("/account"), http.StatusSeeOther)
}

// adminPages are an administrator's, in each of their states.
func adminPages(_ *testing.T, s *server, tab *tab) {
	c := s.client()
	c.register("administrator", walkPassword)
	other := s.client()
	other.register("somebody.with-a-rather-long-login@a-rather-long-name.example", walkPassword)
	s.user("admin", "administrator")
	tab.adopt(c)
	tab.open("/admin")
	tab.sound("admin")
	tab.open("/admin?q=nobody-has-this")
	tab.sound("admin-nobody")
	tab.open("/admin?q=rather-long")
	tab.follow("table.members .name a")
	person := tab.path()
	tab.sound("admin-person")
	tab.do("open every form", evaluate(`document.querySelectorAll("main details").forEach(d => d.open = true)`))
	tab.sound("admin-person-open")
	for _, form := range []string{"suspend", "sessions", "quota", "role", "delete"} {
		tab.open(person)
		tab.do("fill in every field wrongly", evaluate(fmt.Sprintf(
			`const f = document.querySelector("form[action$='/%s']");
			f.closest("details").open = true;
			f.querySelectorAll("[name]").forEach(i => { if (i.type !== "hidden" && i.type !== "submit") i.value = "wrong" });
			f.id = "wrong"`, form)))
		tab.follow("#wrong button[type=submit]")
		tab.reads(".problem", "needs a change")
		tab.sound("admin-" + form + "-error")
	}
	c.must(c.post(person+"/suspend", "current", walkPassword), http.StatusSeeOther)
	tab.open(person)
	tab.sound("admin-person-suspended")
	c.must(c.post(person+"/resume", "current", walkPassword), http.StatusSeeOther)
	tab.open("/admin?q=administrator")
	tab.follow("table.members .name a")
	tab.sound("admin-person-self")

	tab.open("/admin/invites")
	tab.sound("admin-invites")
	tab.fill("#invite-uses", "20")
	tab.fill("#invite-current", walkPassword)
	tab.follow("form[action='/admin/invites'] button[type=submit]")
	tab.sound("admin-invites-made")
	link := inviteToken.FindString(tab.text("#invite-link"))
	tab.fill("#invite-uses", "0")
	tab.fill("#invite-current", walkPassword)
	tab.follow("form[action='/admin/invites'] button[type=submit]")
	tab.reads(".problem", "from 1 to 1000")
	tab.sound("admin-invites-error")
	tab.open("/admin/server")
	tab.sound("admin-server")
	tab.do("unfold the migrations", evaluate(`document.querySelector("main details").open = true`))
	tab.sound("admin-server-open")
	tab.allow("status of 409")
	tab.open(link)
	tab.sound("invite-logged-in")
	tab.open("/account")
	tab.follow("header form[action='/logout'] button")
	tab.open(link)
	tab.sound("invite")
	tab.problem(http.StatusNotFound, strings.TrimSuffix(link, link[len(link)-2:])+"xx")
	tab.sound("invite-used")
}

// admin administers: what is typed there is stored nowhere, and neither is the token of an invitation.
func (p *planted) admin(c *client, login string) {
	p.user("admin", login)
	c.must(c.get("/admin?q="+p.value("login that an administrator looked for")), http.StatusOK)
	c.must(c.post("/admin/invites", "uses", p.value("number of uses"), "days", "1", "current", p.value("password")), http.StatusUnprocessableEntity)
	c.must(c.post("/admin/invites", "uses", "2", "days", "1", "current", p.value("an administrator's wrong password")), http.StatusUnprocessableEntity)
	page := c.must(c.post("/admin/invites", "uses", "2", "days", "1", "current", p.value("password")), http.StatusOK)
	token := inviteToken.FindStringSubmatch(page.body)
	if token == nil {
		p.t.Fatal("no invitation was made")
	}
	p.plantText("token of an invitation", token[1])
	by := inviteToken.FindStringSubmatch(p.user("invite"))
	p.plantText("token of the command line's invitation", by[1])
	guest := p.client()
	guest.must(guest.get("/invite/"+p.value("no invitation")), http.StatusNotFound)
	password := p.value("invited person's password")
	guest.must(guest.post(token[0], "login", "invited", "password", password, "password2", p.value("mistyped invited password")), http.StatusUnprocessableEntity)
	guest.must(guest.post(token[0], "login", "invited", "password", password, "password2", password), http.StatusSeeOther)
	p.plantCode("invited person's recovery code", guest.confirm())
	person := regexp.MustCompile(`/admin/people/[0-9a-f]{32}`).FindString(c.must(c.get("/admin?q=invited"), http.StatusOK).body)
	c.must(c.post(person+"/quota", "quota", p.value("space"), "current", p.value("password")), http.StatusUnprocessableEntity)
	c.must(c.post(person+"/suspend", "current", p.value("password")), http.StatusSeeOther)
	guest.must(guest.post("/login", "login", "invited", "password", password), http.StatusForbidden)
	c.must(c.post(person+"/delete", "login", p.value("login typed to delete"), "current", p.value("password")), http.StatusUnprocessableEntity)
	c.must(c.post(person+"/delete", "login", "invited", "current", p.value("password")), http.StatusSeeOther)
	c.must(c.get("/admin/server"), http.StatusOK)
	p.user("admin", "--remove", login)
}
