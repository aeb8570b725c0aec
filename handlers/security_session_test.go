package handlers

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"zencrypt/models"
)

// token is the client's session cookie.
func (c *client) token() string { return c.named("zencrypt") }

func (c *client) named(name string) string {
	u, _ := url.Parse(c.base)
	for _, k := range c.Jar.Cookies(u) {
		if k.Name == name {
			return k.Value
		}
	}
	return ""
}

// opens tells whether a session token still opens the account page.
func (s *server) opens(t *testing.T, token string) bool {
	t.Helper()
	a := s.ask(t, "GET", "/account", "", "Cookie", "zencrypt="+token)
	if a.StatusCode != 200 && a.StatusCode != 303 {
		t.Fatalf("account page: %d", a.StatusCode)
	}
	return a.StatusCode == 200
}

const otherPassword = "a wholly different sentence 4"

func TestSecurity_Sessions(t *testing.T) {
	login := func(t *testing.T, s *server, name, password string) *client {
		c := s.client(t)
		c.post("/login", "login", name, "password", password).want(t, 303)
		return c
	}
	t.Run("NewTokenAtLogin", func(t *testing.T) {
		s := newServer(t)
		c := s.client(t)
		c.register("fresh")
		first := c.token()
		c.post("/login", "login", "fresh", "password", testPassword).want(t, 303)
		if second := c.token(); second == first || s.opens(t, first) || !s.opens(t, second) {
			t.Error("log-in kept the old token alive")
		}
		// A token that somebody else put there is not taken over.
		planted := s.client(t)
		planted.register("planter")
		a := s.ask(t, "POST", "/login", "login=fresh&password="+url.QueryEscape(testPassword), "Sec-Fetch-Site", "same-origin", "Cookie", "zencrypt="+planted.token())
		a.want(t, 303)
		for _, k := range a.Cookies() {
			if k.Name == "zencrypt" && k.Value == planted.token() {
				t.Error("the planted token became the session")
			}
		}
	})
	t.Run("GuestEndsAtLogin", func(t *testing.T) {
		s := newServer(t)
		s.client(t).register("guest-before")
		c := s.client(t)
		result := resultPath(t, c.upload("/encrypt", []string{"passphrase", "p", "mode", "files"}, [2]string{"a", "b"}).want(t, 200).body)
		guest := c.named("zencrypt-guest")
		if guest == "" {
			t.Fatal("a guest's file result opened no session")
		}
		c.post("/login", "login", "guest-before", "password", testPassword).want(t, 303)
		if c.token() == guest || c.named("zencrypt-guest") != "" {
			t.Error("the guest's token lives on")
		}
		c.get(result).want(t, 404)
		if a := s.ask(t, "GET", result, "", "Cookie", "zencrypt-guest="+guest); a.StatusCode != 404 {
			t.Errorf("the guest's result: %d", a.StatusCode)
		}
	})
	t.Run("GuestEndsAtLogout", func(t *testing.T) { // its own, and the one beside a person's
		for _, loggedIn := range []bool{false, true} {
			s := newServer(t)
			c, before := s.client(t), s.client(t)
			c.register("guest-beside")
			result := resultPath(t, before.upload("/encrypt", []string{"passphrase", "p", "mode", "files"}, [2]string{"a", "b"}).want(t, 200).body)
			cookie := "zencrypt-guest=" + before.named("zencrypt-guest")
			if s.ask(t, "GET", result, "", "Cookie", cookie).StatusCode != 200 {
				t.Fatal("the guest does not see the result")
			}
			all := cookie
			if loggedIn {
				all += "; zencrypt=" + c.token()
			}
			a := s.ask(t, "POST", "/logout", "", "Sec-Fetch-Site", "same-origin", "Cookie", all).want(t, 303)
			if set := strings.Join(a.Header.Values("Set-Cookie"), " "); !strings.Contains(set, "zencrypt-guest=;") {
				t.Errorf("logged in %v: the guest's cookie stays: %s", loggedIn, set)
			}
			if a := s.ask(t, "GET", result, "", "Cookie", cookie); a.StatusCode != 404 {
				t.Errorf("logged in %v: the guest's result is there for the cookie's copy: %d", loggedIn, a.StatusCode)
			}
		}
	})
	t.Run("DeadAfter", func(t *testing.T) {
		for name, act := range map[string]func(t *testing.T, s *server, c *client, code string){
			"Logout": func(t *testing.T, s *server, c *client, _ string) { c.post("/logout").want(t, 303) },
			"Password": func(t *testing.T, s *server, c *client, _ string) {
				c.post("/account/password", "current", testPassword, "password", otherPassword, "password2", otherPassword).want(t, 303)
			},
			"Renew": func(t *testing.T, s *server, c *client, _ string) {
				c.post("/account/renew", "current", testPassword).want(t, 303)
			},
			"Recover": func(t *testing.T, s *server, c *client, code string) {
				s.client(t).post("/recover", "login", "dead", "code", code, "password", otherPassword, "password2", otherPassword).want(t, 303)
			},
			"Delete": func(t *testing.T, s *server, c *client, _ string) {
				c.post("/account/delete", "current", testPassword, "login", "dead").want(t, 303)
			},
			"EndAll": func(t *testing.T, s *server, c *client, _ string) {
				login(t, s, "dead", testPassword).post("/account/sessions", "current", testPassword, "all", "1").want(t, 303)
			},
		} {
			t.Run(name, func(t *testing.T) {
				s := newServer(t)
				c := s.client(t)
				code := c.register("dead")
				item := c.post("/vault", "text", "mine").want(t, 303).Header.Get("Location")
				other := login(t, s, "dead", testPassword)
				mine, theirs := c.token(), other.token()
				act(t, s, c, code)
				if s.opens(t, mine) {
					t.Error("the old token still opens the account")
				}
				// All others end too, but where it is about one session alone.
				if got := s.opens(t, theirs); got != (name == "Logout") {
					t.Errorf("the other session is open: %v", got)
				}
				if a := s.ask(t, "GET", item, "", "Cookie", "zencrypt="+mine); a.StatusCode != 303 {
					t.Errorf("the old token gets %d for an item", a.StatusCode)
				}
				a := s.ask(t, "GET", "/account", "", "Cookie", "zencrypt="+mine)
				if set := a.Header.Get("Set-Cookie"); !strings.HasPrefix(set, "zencrypt=;") {
					t.Errorf("the dead cookie is not taken back: %q", set)
				}
				if now := c.token(); (name == "Password" || name == "Renew") && (now == mine || now == "" || now == theirs) {
					t.Error("the person has no new token")
				}
			})
		}
	})
	t.Run("Garbage", func(t *testing.T) {
		s := newServer(t)
		c := s.client(t)
		c.register("garbage")
		good := c.token()
		for _, bad := range []string{"x", good[:42], good + "A", strings.ToUpper(good), good[1:] + good[:1], strings.Repeat("A", 43), good + "=", "' OR 1=1 --", "%00", strings.Repeat("a", 4000)} {
			a := s.ask(t, "GET", "/account", "", "Cookie", "zencrypt="+bad)
			if a.StatusCode != 303 {
				t.Errorf("token %.50q: %d", bad, a.StatusCode)
			}
		}
		if !s.opens(t, good) {
			t.Error("the good one is closed")
		}
	})
	t.Run("Unconfirmed", func(t *testing.T) {
		s := newServer(t)
		c := s.client(t)
		c.post("/register", "login", "unconfirmed", "password", testPassword, "password2", testPassword).want(t, 303)
		// To who is no administrator, those pages do not exist at all (TestAdmin_Refused).
		if err := s.db.Accounts.SetRole(t.Context(), s.idOf(t, "unconfirmed"), models.RoleAdmin, false); err != nil {
			t.Fatal(err)
		}
		for _, r := range s.Routes() {
			if r.Access == Public || r.Access == Unconfirmed || r.Access == Pending {
				continue
			}
			for _, c.htmx = range []bool{false, true} {
				a := c.do(r.Method, path(r), "application/x-www-form-urlencoded", strings.NewReader("text=x&current="+url.QueryEscape(testPassword)))
				to := a.Header.Get("Location") + a.Header.Get("HX-Redirect")
				if to != "/register/confirm" || a.body != "" && a.body != "OK" {
					t.Errorf("%s %s before the code is confirmed: %d to %q with %d bytes", r.Method, r.Path, a.StatusCode, to, len(a.body))
				}
			}
			c.htmx = false
		}
		if err := s.db.Accounts.SetRole(t.Context(), s.idOf(t, "unconfirmed"), models.RoleUser, true); err != nil {
			t.Fatal(err) // the last administrator can't delete the account, as is tried below
		}
		if code := codePattern.FindString(c.get("/register/confirm").want(t, 200).body); code == "" {
			t.Error("no code to confirm")
		}
		out := s.client(t)
		out.post("/login", "login", "unconfirmed", "password", testPassword).want(t, 303)
		out.post("/logout").want(t, 303)
		if out.get("/register/confirm").StatusCode != 303 {
			t.Error("log-out did not end the session")
		}
		a := c.post("/account/delete", "current", testPassword, "login", "unconfirmed").want(t, 303)
		if a.Header.Get("Location") != "/login?deleted=1" {
			t.Errorf("deleting leads to %q", a.Header.Get("Location"))
		}
	})
}

// clock is one that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// tries logs in with a wrong password until it is refused and says how many tries there were.
func (c *client) tries(path string, login func(i int) string, most int) (n int, last answer) {
	c.t.Helper()
	for n = 0; n <= most; n++ {
		last = c.post(path, "login", login(n), "password", otherPassword, "password2", otherPassword, "code", "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA")
		if last.StatusCode == 429 {
			return n, last
		}
		if last.StatusCode != 422 {
			c.t.Fatalf("try %d: %d\n%s", n, last.StatusCode, last.body)
		}
	}
	return n, last
}

// wantRetry fails unless a 429 says when to come back, both for programs and for people.
func wantRetry(t *testing.T, a answer, most int) {
	t.Helper()
	if n, err := strconv.Atoi(a.Header.Get("Retry-After")); a.StatusCode != 429 || err != nil || n < 1 || n > most {
		t.Errorf("%d with Retry-After %q, want 429 with 1 to %d", a.StatusCode, a.Header.Get("Retry-After"), most)
	}
	if !strings.Contains(a.body, "Too many tries") || !strings.Contains(a.body, "Wait ") {
		t.Errorf("the page does not say what to do:\n%s", a.body)
	}
}

func TestSecurity_LoginLimits(t *testing.T) {
	always := func(login string) func(int) string { return func(int) string { return login } }
	limited := func(t *testing.T) (*server, *clock) {
		clk := &clock{now: time.Unix(1_800_000_000, 0)}
		// The test's own address is a proxy's, so that clients are told apart by what it says.
		return newServer(t, func(o *Options) {
			o.Now, o.TrustedProxies = clk.Now, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		}), clk
	}
	from := func(s *server, t *testing.T, address string) *client {
		c := s.client(t)
		c.Transport = forwarded{c.Transport, address}
		return c
	}
	t.Run("PerLogin", func(t *testing.T) {
		s, clk := limited(t)
		from(s, t, "192.0.2.1").register("victim")
		from(s, t, "192.0.2.1").register("bystander")
		// Each try from a client of its own, in any spelling.
		n := 0
		for ; n < 50; n++ {
			a := from(s, t, fmt.Sprintf("198.51.100.%d", n)).post("/login", "login", []string{"victim", "VICTIM", " victim "}[n%3], "password", otherPassword)
			if a.StatusCode == 429 {
				wantRetry(t, a, 61)
				break
			}
		}
		if n != freeGuesses {
			t.Errorf("%d tries for one login at once, want %d", n, freeGuesses)
		}
		owner := from(s, t, "203.0.113.5")
		wantRetry(t, owner.post("/login", "login", "victim", "password", testPassword), 2)
		wantRetry(t, owner.post("/recover", "login", "victim", "code", "x", "password", otherPassword, "password2", otherPassword), 2)
		owner.post("/login", "login", "bystander", "password", testPassword).want(t, 303)
		// The wait grows, and is never longer than a minute.
		for want := 2; want <= 32; want *= 2 {
			clk.add(time.Duration(want/2)*time.Second + time.Millisecond)
			from(s, t, fmt.Sprintf("198.51.100.%d", 100+want)).post("/login", "login", "victim", "password", otherPassword).want(t, 422)
			wantRetry(t, owner.post("/login", "login", "victim", "password", testPassword), want+1)
		}
		clk.add(32*time.Second + time.Millisecond)
		owner.post("/login", "login", "victim", "password", testPassword).want(t, 303)
	})
	t.Run("PerClient", func(t *testing.T) {
		s, clk := limited(t)
		from(s, t, "192.0.2.1").register("somebody")
		c := from(s, t, "2001:db8:1:2::1")
		n, last := c.tries("/login", func(i int) string { return fmt.Sprintf("nobody%d", i) }, 100)
		if n != 60 {
			t.Errorf("%d tries from one client, want 60", n)
		}
		wantRetry(t, last, 11)
		// The same /64 is the same client; its neighbour is not.
		wantRetry(t, from(s, t, "2001:db8:1:2:ffff::9").post("/login", "login", "somebody", "password", testPassword), 11)
		from(s, t, "2001:db8:1:3::1").post("/login", "login", "somebody", "password", testPassword).want(t, 303)
		clk.add(11 * time.Second)
		c.post("/login", "login", "somebody", "password", testPassword).want(t, 303)
	})
	t.Run("RightOnesCostNothing", func(t *testing.T) {
		s, _ := limited(t)
		from(s, t, "192.0.2.1").register("often")
		for range 25 {
			from(s, t, "192.0.2.1").post("/login", "login", "often", "password", testPassword).want(t, 303)
		}
	})
	t.Run("Device", func(t *testing.T) {
		s, clk := limited(t)
		from(s, t, "192.0.2.1").register("owner")
		device := from(s, t, "192.0.2.9")
		device.post("/login", "login", "owner", "password", testPassword).want(t, 303)
		device.post("/logout").want(t, 303)
		// An attacker at the same address uses up the client's budget and the login's.
		attacker := from(s, t, "192.0.2.9")
		attacker.tries("/login", always("owner"), 20)
		attacker.tries("/login", func(i int) string { return fmt.Sprintf("nobody%d", i) }, 100)
		wantRetry(t, from(s, t, "192.0.2.9").post("/login", "login", "owner", "password", testPassword), 61)
		device.post("/login", "login", "owner", "password", testPassword).want(t, 303)
		device.post("/logout").want(t, 303)
		// The device has a budget of its own, and for that login alone.
		if n, last := device.tries("/login", always("owner"), 50); n != freeGuesses {
			t.Errorf("%d tries from a device at once, want %d", n, freeGuesses)
		} else {
			wantRetry(t, last, 2)
		}
		wantRetry(t, device.post("/login", "login", "another", "password", testPassword), 61)
		// A made-up cookie, or one for another login, is as good as none.
		from(s, t, "192.0.2.77").register("forger")
		forger := from(s, t, "192.0.2.78")
		forger.post("/login", "login", "forger", "password", testPassword).want(t, 303)
		wantRetry(t, forger.post("/login", "login", "owner", "password", otherPassword), 61)
		clk.add(2 * time.Minute)
		device.post("/login", "login", "owner", "password", testPassword).want(t, 303)
	})
	t.Run("Recover", func(t *testing.T) {
		s, _ := limited(t)
		from(s, t, "192.0.2.1").register("lost")
		n, last := from(s, t, "192.0.2.2").tries("/recover", always("lost"), 50)
		if n != freeGuesses {
			t.Errorf("%d recovery codes could be tried at once, want %d", n, freeGuesses)
		}
		wantRetry(t, last, 61)
	})
	t.Run("CurrentPassword", func(t *testing.T) {
		s, clk := limited(t)
		c := from(s, t, "192.0.2.1")
		c.register("current")
		n := 0
		for ; n < 50; n++ {
			a := c.post([]string{"/account/recovery", "/account/renew", "/account/password", "/account/sessions"}[n%4], "current", otherPassword, "password", otherPassword, "password2", otherPassword)
			if a.StatusCode == 429 {
				wantRetry(t, a, 61)
				break
			}
		}
		if n != 10 {
			t.Errorf("%d wrong current passwords, want 10", n)
		}
		wantRetry(t, c.post("/account/recovery", "current", testPassword), 61)
		clk.add(time.Minute + time.Second)
		c.post("/account/recovery", "current", testPassword).want(t, 303)
	})
}

// forwarded is what a proxy adds: the address that a request came from.
type forwarded struct {
	http.RoundTripper
	address string
}

func (f forwarded) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", f.address)
	return f.RoundTripper.RoundTrip(r)
}

// TestSecurity_SameAnswer: nothing in an answer tells a login that exists from one that does not.
func TestSecurity_SameAnswer(t *testing.T) {
	clk := &clock{now: time.Unix(1_800_000_000, 0)}
	s := newServer(t, func(o *Options) { o.Now = clk.Now })
	const code = "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"
	posts := map[string][]string{
		"Login":    {"/login", "login", "Ghost", "password", otherPassword, "next", "/vault"},
		"TooLong":  {"/login", "login", "Ghost", "password", strings.Repeat("a", 5000)},
		"NotUTF8":  {"/login", "login", "Ghost", "password", "\xff\xfe"},
		"Empty":    {"/login", "login", "Ghost", "password", ""},
		"Recover":  {"/recover", "login", "Ghost", "code", code, "password", otherPassword, "password2", otherPassword},
		"NoCode":   {"/recover", "login", "Ghost", "code", "x", "password", otherPassword, "password2", otherPassword},
		"Weak":     {"/recover", "login", "Ghost", "code", code, "password", "short", "password2", "short"},
		"Mismatch": {"/recover", "login", "Ghost", "code", code, "password", otherPassword, "password2", "x"},
	}
	take := func(p []string) string {
		clk.add(time.Hour) // the limits on guessing are another test's
		a := s.client(t).post(p[0], p[1:]...)
		a.Header.Del("Date")
		return fmt.Sprint(a.StatusCode, a.Header, a.body)
	}
	before := map[string]string{}
	for name, p := range posts {
		before[name] = take(p)
	}
	s.client(t).register("ghost")
	for name, p := range posts {
		if after := take(p); after != before[name] {
			t.Errorf("%s: an unknown login gets\n%s\na known one\n%s", name, before[name], after)
		}
		if !strings.HasPrefix(before[name], "422 ") {
			t.Errorf("%s: %.40s", name, before[name])
		}
	}
}
