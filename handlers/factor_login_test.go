package handlers

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFactor_LoginTwice: who sends the password twice in one browser did not stop at the second factor.
func TestFactor_LoginTwice(t *testing.T) {
	s, clk := clocked(t)
	c := s.client(t)
	c.register("twice")
	phone, _ := c.turnOn(clk.Now)
	c.post("/logout")
	clk.add(2 * time.Minute)
	c.post("/login", "login", "twice", "password", testPassword).want(t, 303)
	c.post("/login", "login", "twice", "password", testPassword).want(t, 303)
	c.post("/login/factor", "code", phone.code()).want(t, 303)
	s.Clean(t.Context())
	if page := c.get("/activity").want(t, 200); strings.Contains(page.body, "stopped at the second factor") {
		t.Error("the person's own second try is told as somebody else's")
	}
}

// TestFactor_LoginAsAnother: who tries somebody's password and then logs in to an account of their own in the same browser
// leaves the alarm where it belongs, with or without a second factor of their own.
func TestFactor_LoginAsAnother(t *testing.T) {
	for name, own := range map[string]bool{"WithoutFactor": false, "WithFactor": true} {
		t.Run(name, func(t *testing.T) {
			s, clk := clocked(t)
			victim, thief := s.client(t), s.client(t)
			victim.register("victim")
			phone, _ := victim.turnOn(clk.Now)
			thief.register("thief")
			to := "/encrypt"
			if own {
				thief.turnOn(clk.Now)
				to = "/login/factor"
			}
			thief.post("/logout").want(t, 303)
			clk.add(2 * time.Minute)
			thief.post("/login", "login", "victim", "password", testPassword).leads(t, "/login/factor")
			thief.post("/login", "login", "thief", "password", testPassword).leads(t, to)
			s.Clean(t.Context())

			victim.post("/logout").want(t, 303)
			victim.post("/login", "login", "victim", "password", testPassword).leads(t, "/login/factor")
			victim.post("/login/factor", "code", phone.code()).leads(t, "/encrypt")
			victim.get("/activity").want(t, 200, "stopped at the second factor")
		})
	}
}

// TestFactor_OthersStay: a second factor that is on is told with its one-time codes, though other sessions can't be ended.
func TestFactor_OthersStay(t *testing.T) {
	s, clk := clocked(t)
	c := s.client(t)
	c.register("coder")
	other := s.client(t)
	other.post("/login", "login", "coder", "password", testPassword).want(t, 303)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "sessions.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c.post("/account/factor", "current", testPassword).want(t, 303)
	phone := newApp(t, c.get("/account/factor").want(t, 200, "otpauth://totp/").body, clk.Now)
	if _, err := db.Exec("CREATE TRIGGER kept BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'kept'); END"); err != nil {
		t.Fatal(err)
	}
	c.post("/account/factor/confirm", "code", phone.code(), "others", "1").want(t, 200, "Keep these codes")
	if other.get("/account").StatusCode == 200 {
		t.Error("the other session goes on")
	}
}

// TestFactor_OthersUnknown: where it can't be known which other sessions there are, the page after a change says that they
// go on: with the one-time codes, and on the page of the second factor.
func TestFactor_OthersUnknown(t *testing.T) {
	s, clk := clocked(t)
	c := s.client(t)
	c.register("coder")
	other := s.client(t)
	other.post("/login", "login", "coder", "password", testPassword).want(t, 303)
	c.post("/account/factor", "current", testPassword).want(t, 303)
	phone := newApp(t, c.get("/account/factor").want(t, 200, "otpauth://totp/").body, clk.Now)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "sessions.db")+"?_pragma=ignore_check_constraints(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	u := s.unlock(t, "coder").Account.ID
	if _, err := db.Exec(`INSERT INTO sessions (id, token_hash, account_id, epoch, pending, tries, created, touched, expires)
		SELECT x'00', x'00', account_id, epoch, 0, 0, created, touched, expires FROM sessions WHERE account_id = ? LIMIT 1`, u[:]); err != nil {
		t.Fatal(err)
	}
	const says = "could not be ended, and go on"
	a := c.post("/account/factor/confirm", "code", phone.code(), "others", "1").want(t, 200, "Keep these codes", says, `href="/account#sessions-title"`)
	if n := len(oneTime.FindAllString(a.body, -1)); n != 10 {
		t.Errorf("%d codes are shown", n)
	}
	other.get("/vault").want(t, 200)
	c.post("/account/factor/off", "current", testPassword, "others", "1").leads(t, "/account/factor?done=off&others=stay")
	c.get("/account/factor?done=off&others=stay").want(t, 200, says)
	if strings.Contains(c.get("/account/factor?done=off").want(t, 200).body, says) {
		t.Error("it is said unasked")
	}
}

// TestFactor_PendingEnds: who has the password and waits for the second factor is ended with the other sessions, by a
// change of a factor as on the account page, which tells of it; and the alarm is kept.
func TestFactor_PendingEnds(t *testing.T) {
	s, clk := clocked(t)
	c := s.client(t)
	c.register("owner")
	c.turnOn(clk.Now)
	for _, end := range []func(){
		func() {
			c.get("/account").want(t, 200, "1 log-in waits for its second factor", `name="all" value="1"`)
			c.post("/account/sessions", "all", "1", "current", testPassword).leads(t, "/account?done=sessions")
		},
		func() { c.post("/account/factor/off", "current", testPassword, "others", "1").want(t, 303) },
	} {
		thief := s.client(t)
		thief.post("/login", "login", "owner", "password", testPassword).leads(t, "/login/factor")
		thief.get("/login/factor").want(t, 200)
		end()
		thief.get("/login/factor").leads(t, "/login?next=%2Flogin%2Ffactor")
		if strings.Contains(c.get("/account").want(t, 200).body, "waits for its second factor") {
			t.Error("a log-in waits still")
		}
	}
	s.Clean(t.Context())
	c.get("/activity").want(t, 200, "2 log-ins stopped at the second factor")
}
