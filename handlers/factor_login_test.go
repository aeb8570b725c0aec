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
