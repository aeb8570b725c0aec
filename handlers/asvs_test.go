package handlers

import (
	"slices"
	"strings"
	"testing"
	"time"

	"zencrypt/models"
)

// Who changes a factor is offered to end all other sessions, and a ticked box does it.
func TestFactor_EndsOthers(t *testing.T) {
	for _, tick := range []bool{false, true} {
		s, clk := clocked(t)
		c := s.client(t)
		c.register("ada")
		box := func(fields ...string) []string {
			if tick {
				fields = append(fields, "others", "1")
			}
			return fields
		}
		another := func(codes ...string) *client {
			t.Helper()
			o := s.client(t)
			o.post("/login", "login", "ada", "password", testPassword).want(t, 303)
			for _, code := range codes {
				o.post("/login/factor", "code", code).want(t, 303)
			}
			o.get("/vault").want(t, 200)
			return o
		}
		lives := func(o *client, what string) {
			t.Helper()
			if a := o.get("/vault"); (a.StatusCode == 200) == tick {
				t.Errorf("%s, ticked %v: the other session answers %d", what, tick, a.StatusCode)
			}
			c.get("/vault").want(t, 200)
		}
		o := another()
		c.post("/account/factor", "current", testPassword).want(t, 303)
		page := c.get("/account/factor").want(t, 200, `name="others" value="1" checked`)
		phone := newApp(t, page.body, clk.Now)
		o.get("/vault").want(t, 200)
		a := c.post("/account/factor/confirm", box("code", phone.code())...).want(t, 200)
		codes := oneTime.FindAllString(a.body, -1)
		lives(o, "an app set up")
		o = another(codes[0])
		id := s.addPasskey(t, "ada").String()
		c.post("/passkeys/"+id+"/delete", box("current", otherPassword)...).want(t, 422)
		o.get("/vault").want(t, 200) // a wrong password ends nothing
		c.post("/passkeys/"+id+"/delete", box("current", testPassword)...).want(t, 303)
		lives(o, "a passkey removed")
		o = another(codes[1])
		c.post("/account/factor/off", box("current", testPassword)...).want(t, 303)
		lives(o, "the app switched off")
	}
}

// The right password that is not followed by the second factor is told, whether it was given up, ran out of time or of
// tries; and one that was followed by it is not.
func TestFactor_Missing(t *testing.T) {
	s, clk := clocked(t)
	c := s.client(t)
	c.register("ada")
	phone, _ := c.turnOn(clk.Now)
	clk.add(time.Minute)
	thief := s.client(t)
	thief.post("/login", "login", "ada", "password", testPassword).leads(t, "/login/factor")
	thief.post("/logout").want(t, 303) // given up
	late := s.client(t)
	late.post("/login", "login", "ada", "password", testPassword).leads(t, "/login/factor")
	clk.add(6 * time.Minute) // too late, and nobody comes back
	s.Clean(t.Context())
	back := s.client(t)
	back.post("/login", "login", "ada", "password", testPassword).leads(t, "/login/factor")
	clk.add(6 * time.Minute)
	back.get("/login/factor") // too late
	owner := s.client(t)
	owner.post("/login", "login", "ada", "password", testPassword).leads(t, "/login/factor")
	owner.post("/login/factor", "code", phone.code()).want(t, 303)
	owner.get("/vault").want(t, 200, "3 log-ins stopped at the second factor, after the right password")
	owner.get("/activity").want(t, 200, "3 log-ins stopped at the second factor")
}

// The server log says what each log-in was done with, and how many passkeys were refused at its page.
func TestFactor_Logged(t *testing.T) {
	s, lines := newAudited(t)
	c := s.client(t)
	code := c.register("ada")
	c.post("/logout").want(t, 303)
	c.post("/login", "login", "ada", "password", testPassword).want(t, 303)
	_, codes := c.turnOn(time.Now)
	c.post("/logout").want(t, 303)
	c.post("/login", "login", "ada", "password", testPassword).want(t, 303)
	c.post("/login/factor", "code", codes[0]).want(t, 303)
	lost := s.client(t)
	lost.post("/recover", "login", "ada", "code", code, "password", otherPassword, "password2", otherPassword).want(t, 303)
	lost.post("/login/factor", "code", codes[1]).want(t, 303)
	s.client(t).post("/login/passkey", "state", "none", "credential", "{}").want(t, 422)
	s.Clean(t.Context())
	var by []string
	passkeys := 0.0
	for _, l := range lines() {
		info, _ := l["info"].(map[string]any)
		switch l["event"] {
		case models.EventLogin:
			by = append(by, info["by"].(string))
		case models.EventPasskeyFailed:
			passkeys += l["counts"].(map[string]any)["tries"].(float64)
		}
	}
	if want := []string{"password", "password", "password, one-time code", "recovery code, one-time code"}; !slices.Equal(by, want) || passkeys != 1 {
		t.Errorf("log-ins by %q, %v passkeys refused", by, passkeys)
	}
}

// A form sets what it has fields for, and nothing besides: roles, quotas, ids and states that are sent along change nothing.
func TestSecurity_FieldsOfOthers(t *testing.T) {
	s := newServer(t)
	extra := []string{"role", "admin", "admin", "1", "is_admin", "true", "quota", "1", "suspended", "1", "account_id", strings.Repeat("0", 32),
		"id", strings.Repeat("0", 32), "epoch", "9", "verifier", "x", "confirmed", "1", "key_version", "9", "created", "0"}
	c := s.client(t)
	c.register("ada")
	c.post("/logout").want(t, 303)
	before := s.unlock(t, "ada").Account
	post := func(path string, fields ...string) answer {
		t.Helper()
		return c.post(path, append(slices.Clone(fields), extra...)...)
	}
	post("/login", "login", "ada", "password", testPassword).want(t, 303)
	c.get("/admin").want(t, 404)
	post("/settings", "what", "session", "session", "60", "lock", "10", "current", testPassword).want(t, 303)
	post("/account/listed", "listed", "1").want(t, 303)
	post("/vault", "title", "mine", "text", "a note").want(t, 303)
	post("/keys", "kind", "age", "name", "another").want(t, 303)
	other := s.client(t)
	other.post("/register", append([]string{"login", "bob", "password", testPassword, "password2", testPassword}, extra...)...).want(t, 303)
	for login, role := range map[string]string{"ada": models.RoleUser, "bob": models.RoleUser} {
		a := s.unlock(t, login).Account
		if a.Role != role || a.Suspended {
			t.Errorf("%s is %q, suspended %v", login, a.Role, a.Suspended)
		}
	}
	after := s.unlock(t, "ada").Account
	if after.ID != before.ID || after.Epoch != before.Epoch || !after.Created.Equal(before.Created) || after.KeyVersion != before.KeyVersion {
		t.Errorf("%+v became %+v", before, after)
	}
}
