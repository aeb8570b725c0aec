package handlers

import (
	"net/netip"
	"testing"
	"time"
)

// behindProxy is a server that believes its clients which address they come from, under a clock that stands.
func behindProxy(t *testing.T) (*server, *clock) {
	t.Helper()
	clk := &clock{now: time.Unix(1_800_000_000, 0)}
	return newServer(t, func(o *Options) {
		o.Now, o.TrustedProxies = clk.Now, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}), clk
}

func (s *server) from(t *testing.T, address string) *client {
	t.Helper()
	c := s.client(t)
	c.Transport = forwarded{c.Transport, address}
	return c
}

func always(login string) func(int) string { return func(int) string { return login } }

// A device is known by the account: under the spelling of before, and after the login was changed.
func TestGuess_DeviceKnown(t *testing.T) {
	s, clk := behindProxy(t)
	s.from(t, "192.0.2.1").register("before")
	device := s.from(t, "192.0.2.9")
	device.post("/login", "login", "before", "password", testPassword).want(t, 303)
	// Another browser changes the login; this one never logged in by the new one.
	other := s.from(t, "192.0.2.8")
	other.post("/login", "login", "before", "password", testPassword).want(t, 303)
	other.post("/settings", "what", "login", "login", "afterwards", "current", testPassword).want(t, 303)
	device.post("/logout").want(t, 303)
	s.from(t, "192.0.2.7").tries("/login", always("afterwards"), 20)
	wantRetry(t, s.from(t, "192.0.2.6").post("/login", "login", "afterwards", "password", testPassword), 61)
	device.post("/login", "login", "afterwards", "password", testPassword).want(t, 303)

	s.comes(t, "1", "ada", "first password", 0)
	s.comes(t, "2", "ADA", "second password", 1)
	clk.add(time.Hour)
	second := s.from(t, "192.0.2.5")
	second.post("/login", "login", "ada", "password", "second password").want(t, 303)
	second.post("/logout").want(t, 303)
	s.from(t, "192.0.2.4").tries("/login", always("ada"), 20)
	for _, login := range []string{"ada", "ADA-2"} {
		second.post("/login", "login", login, "password", "second password").want(t, 303)
		second.post("/logout").want(t, 303)
	}
	// It is known to its own account, and tries no password of another's by the spelling that both have.
	second.post("/login", "login", "ada", "password", "first password").want(t, 422)
	clk.add(2 * time.Minute)
	first := s.from(t, "192.0.2.3")
	first.post("/login", "login", "ada", "password", "first password").want(t, 303)
}

// The ways to one account have one budget, and logins that nobody has are counted in the same way.
func TestGuess_OneBudget(t *testing.T) {
	s, _ := behindProxy(t)
	s.comes(t, "1", "ada", "first password", 0)
	s.comes(t, "2", "ADA", "second password", 1)
	for _, name := range []string{"ada", "nobody"} {
		a := s.from(t, "192.0.2.1")
		if n, _ := a.tries("/login", always(name), 20); n != freeGuesses {
			t.Errorf("%d tries as %s, want %d", n, name, freeGuesses)
		}
		for _, login := range []string{name + "-2", name + "-17", " " + name + "-2"} {
			wantRetry(t, s.from(t, "192.0.2.2").post("/login", "login", login, "password", "second password"), 61)
		}
		for _, login := range []string{name + "-1", name + "-02", name + "-x", name + "-99999", "-2"} {
			s.from(t, "192.0.2.3").post("/login", "login", login, "password", "second password").want(t, 422)
		}
	}
	// Without spellings that lead to several there is nothing to count together.
	s, _ = behindProxy(t)
	s.from(t, "192.0.2.1").register("class-2")
	s.from(t, "192.0.2.2").tries("/login", always("class-3"), 20)
	s.from(t, "192.0.2.4").post("/login", "login", "class-2", "password", testPassword).want(t, 303)
}
