package handlers

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zencrypt/models"
)

var inviteLink = regexp.MustCompile(`http://[^"<\s]+(/invite/[\w-]{43})`)

func TestInvites(t *testing.T) {
	byInvitation := func(o *Options) { o.Registration, o.Invites = false, true }
	s := newServer(t, byInvitation)
	// With registration closed there is no other way to the first account.
	token, ok, err := s.db.Invitations.CreateFirst(t.Context(), time.Hour)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	admin := s.client(t)
	admin.get("/invite/"+token).want(t, 200, "administers it")
	admin.join("/invite/"+token, "ada")
	admin.get("/admin").want(t, 200)
	s.client(t).get("/invite/"+token).want(t, 404, "does not work")

	admin.post("/admin/invites", "uses", "1", "days", "7", "current", "not it").want(t, 422, "The password is wrong")
	for _, bad := range [][2]string{{"0", "7"}, {"1001", "7"}, {"x", "7"}, {"1", "0"}, {"1", "91"}, {"1", "99999999999"}, {"-1", "7"}} {
		admin.post("/admin/invites", "uses", bad[0], "days", bad[1], "current", testPassword).want(t, 422)
	}
	link := inviteLink.FindStringSubmatch(admin.post("/admin/invites", "uses", "2", "days", "7", "current", testPassword).want(t, 200, "shown only now").body)
	if link == nil {
		t.Fatal("no link on the page")
	}
	path := link[1]
	if again := admin.get("/admin/invites").want(t, 200, "2 accounts of 2 left").body; strings.Contains(again, path) {
		t.Error("the link is shown again")
	}
	admin.get(path).want(t, 409, "You are logged in")

	s.client(t).get("/register").want(t, 200, "by invitation")
	s.client(t).post("/register", "login", "uninvited", "password", testPassword, "password2", testPassword).want(t, 403)
	c := s.client(t)
	c.get(path).want(t, 200, "You are invited", `action="`+path+`"`)
	c.post(path, "login", "mira", "password", testPassword, "password2", "another").want(t, 422, "differ", `value="mira"`)
	c.post(path, "login", "ada", "password", testPassword, "password2", testPassword).want(t, 422, "taken")
	c.post(path, "login", "mira", "password", "short", "password2", "short").want(t, 422)
	c.join(path, "mira")
	c.get("/admin").want(t, 404)
	admin.get("/admin/invites").want(t, 200, "1 account of 2 left")
	s.client(t).join(path, "jonas")
	s.client(t).get(path).want(t, 404)
	s.client(t).post(path, "login", "third", "password", testPassword, "password2", testPassword).want(t, 404)
	if _, err := s.db.Accounts.ByLogin(t.Context(), "third"); models.ErrorCode(err) != models.NotFound {
		t.Errorf("an account was made by a used invitation: %v", err)
	}
	if strings.Contains(s.log.String(), strings.TrimPrefix(path, "/invite/")) || strings.Contains(s.log.String(), token) {
		t.Error("the log holds the token of an invitation")
	}

	link = inviteLink.FindStringSubmatch(admin.post("/admin/invites", "uses", "1", "days", "7", "current", testPassword).want(t, 200).body)
	take := regexp.MustCompile(`/admin/invites/[0-9a-f]{32}/delete`).FindString(admin.get("/admin/invites").body)
	admin.post(take, "current", "not it").want(t, 422, "The password is wrong")
	s.client(t).get(link[1]).want(t, 200)
	admin.post(take, "current", testPassword).want(t, 303)
	admin.post(take, "current", testPassword).want(t, 404)
	s.client(t).get(link[1]).want(t, 404)
}

// Closed takes no invitation, but the first administrator's; open takes both.
func TestInvites_Modes(t *testing.T) {
	for name, status := range map[string]int{"open": 200, "invite": 200, "closed": 404} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(o *Options) { o.Registration, o.Invites = name == "open", name != "closed" })
			token, _, err := s.db.Invitations.CreateFirst(t.Context(), time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			s.client(t).get("/invite/"+token).want(t, 200)
			plain, _, err := s.db.Invitations.Create(t.Context(), nil, 1, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			s.client(t).get("/invite/"+plain).want(t, status)
			s.client(t).post("/invite/"+plain, "login", "mira", "password", testPassword, "password2", testPassword).want(t, map[int]int{200: 303, 404: 404}[status])
			admin := s.client(t)
			admin.join("/invite/"+token, "ada")
			admin.get("/admin/invites").want(t, 200, "ZENCRYPT_REGISTRATION="+name)
			admin.get("/admin/server").want(t, 200, "<dd>"+name+"</dd>")
		})
	}
}

// join registers by an invitation and confirms the recovery code.
func (c *client) join(path, login string) {
	c.t.Helper()
	if a := c.post(path, "login", login, "password", testPassword, "password2", testPassword); a.StatusCode != 303 || a.Header.Get("Location") != "/register/confirm" {
		c.t.Fatalf("join: %d\n%s", a.StatusCode, a.body)
	}
	code := codePattern.FindString(c.get("/register/confirm").body)
	c.post("/register/confirm", "code", code).want(c.t, 303)
}

var newBrowser = regexp.MustCompile(`from a browser that was new`)

// Who comes in by an invitation is noted, and its browser known, as of any registration.
func TestInvites_Noted(t *testing.T) {
	s, lines := newAudited(t, func(o *Options) { o.Invites = true })
	token, _, err := s.db.Invitations.Create(t.Context(), nil, 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c := s.client(t)
	c.join("/invite/"+token, "mira")
	c.get("/activity").want(t, 200, "The account was made")
	if newBrowser.MatchString(c.get("/activity").body) {
		t.Error("the browser in which the account was made is told as new")
	}
	if !slices.ContainsFunc(lines(), func(l map[string]any) bool { return l["event"] == models.EventMade }) {
		t.Error("the server log says nothing")
	}
	c.post("/logout").want(t, 303)
	c.post("/login", "login", "mira", "password", testPassword).want(t, 303)
	if newBrowser.MatchString(c.get("/activity").want(t, 200).body) {
		t.Error("the browser is new at its second log-in")
	}
}
