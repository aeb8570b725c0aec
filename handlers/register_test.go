package handlers

import (
	"testing"
	"time"

	"zencrypt/limits"
)

// TestRegister_Typo: what is cheap to refuse waits for no slow hash, and is no registration.
func TestRegister_Typo(t *testing.T) {
	register := func(c *client, login, password, again string) answer {
		return c.post("/register", "login", login, "password", password, "password2", again)
	}
	typos := map[string][4]string{ // login, password, again, what it says
		"Login":    {"a b", testPassword, testPassword, "login-error"},
		"Taken":    {"first", testPassword, testPassword, "taken"},
		"Weak":     {"weak", "password", "password", "password-error"},
		"Mismatch": {"other", testPassword, testPassword + "x", "password2-error"},
	}
	start := func(t *testing.T) *server {
		s := newServer(t)
		s.client(t).register("first")
		return s
	}
	t.Run("Budget", func(t *testing.T) {
		s := start(t)
		s.budget = limits.NewBudget(4<<20, 2<<20, 0, 0)
		release, err := s.budget.Acquire(t.Context(), limits.User, 2<<20) // all but the log-in's part
		if err != nil {
			t.Fatal(err)
		}
		for name, f := range typos {
			if a := register(s.client(t), f[0], f[1], f[2]); a.StatusCode != 422 {
				t.Errorf("%s: %d, want 422", name, a.StatusCode)
			} else {
				a.want(t, 422, f[3])
			}
		}
		if a := register(s.client(t), "second", testPassword, testPassword).want(t, 503, "The server is busy"); a.Header.Get("Retry-After") == "" {
			t.Error("it does not say when to come back")
		}
		s.client(t).post("/login", "login", "first", "password", testPassword).want(t, 303)
		release()
		s.client(t).register("second")
	})
	t.Run("Limit", func(t *testing.T) {
		s := start(t)
		s.rates.register = limits.NewLimiter(1, time.Hour, 8, time.Now)
		for range 3 {
			for _, f := range typos {
				register(s.client(t), f[0], f[1], f[2]).want(t, 422, f[3])
			}
		}
		s.client(t).register("second")
		register(s.client(t), "third", testPassword, testPassword).want(t, 429, "Many accounts were made from here")
		register(s.client(t), "first", testPassword, testPassword).want(t, 422, "taken")
	})
	t.Run("TypoLimit", func(t *testing.T) {
		s := start(t)
		s.rates.typo = limits.NewLimiter(2, time.Hour, 8, time.Now)
		for range 2 {
			register(s.client(t), "first", testPassword, testPassword).want(t, 422, "taken")
		}
		register(s.client(t), "first", testPassword, testPassword).want(t, 429, "refused")
		s.client(t).post("/login", "login", "first", "password", testPassword).want(t, 303)
	})
}
