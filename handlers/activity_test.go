package handlers

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"zencrypt/audit"
	"zencrypt/models"
)

// newAudited is a server with a server log.
func newAudited(t *testing.T, change ...func(*Options)) (*server, func() []map[string]any) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	keys := audit.Keys{Active: "aa", All: map[string]audit.Key{"aa": {MAC: [32]byte{1}, Seed: [32]byte{2}}}}
	log, err := audit.Open(audit.Options{Path: path, Keys: keys, Now: time.Now, Report: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	s := newServer(t, append(change, func(o *Options) { o.Audit, o.ActivityKeep = log, 365*24*time.Hour })...)
	return s, func() (lines []map[string]any) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for text := range bytes.Lines(b) {
			var one map[string]any
			if err := json.Unmarshal(text, &one); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, one)
		}
		return lines
	}
}

// logIn is a new browser in which somebody logs in.
func logIn(t *testing.T, s *server, name, password string) *client {
	t.Helper()
	c := s.client(t)
	c.post("/login", "login", name, "password", password).want(t, 303)
	return c
}

// idle makes all sessions as if they were not used for a time.
func (s *server) idle(t *testing.T, d time.Duration) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "sessions.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("UPDATE sessions SET touched = touched - ?", d.Milliseconds()); err != nil {
		t.Fatal(err)
	}
}

// Every event of an account reaches its list in plain words, and its kind the server log without a login or a name.
func TestActivity_EveryEvent(t *testing.T) {
	s, lines := newAudited(t)
	c := s.client(t)
	c.register("zq-eventful")
	key := regexp.MustCompile(`/keys/[0-9a-f]{32}`)
	c.post("/keys", "kind", "age", "name", "zq-key").want(t, 303)
	made := key.FindString(c.get("/keys").want(t, 200, "zq-key").body)
	ring := c.get("/keys").body
	for _, k := range key.FindAllString(ring, -1) {
		if strings.Contains(c.get(k).body, "zq-key") {
			made = k
		}
	}
	c.post(made+"/rotate").want(t, 303)
	c.post(made+"/versions/1/revoke").want(t, 303)
	c.post(made+"/export", "current", testPassword).want(t, 200)
	c.post(made+"/export", "current", "not the password").want(t, 422)
	c.post(made+"/delete", "current", testPassword).want(t, 303)
	c.post("/keys/import", "name", "zq-import", "text", "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX").want(t, 200)
	item := c.post("/vault", "title", "zq-item", "text", "mine").want(t, 303).Header.Get("Location")
	for range 3 { // one event an hour and session
		c.get(item+"/file").want(t, 200)
	}
	c.post("/account/listed", "listed", "0").want(t, 303)
	c.post("/account/listed", "listed", "1").want(t, 303)
	other := logIn(t, s, "zq-eventful", testPassword)
	c.post("/account/sessions", "current", testPassword, "all", "1").want(t, 303)
	_ = other
	c.post("/account/password", "current", testPassword, "password", "umber otter glacier pivot", "password2", "umber otter glacier pivot").want(t, 303)
	c.post("/account/recovery", "current", "umber otter glacier pivot").want(t, 303)
	c.post("/register/confirm", "code", codePattern.FindString(c.get("/register/confirm").body)).want(t, 303)
	c.post("/account/renew", "current", "umber otter glacier pivot").want(t, 303)
	code := codePattern.FindString(c.get("/register/confirm").body)
	c.post("/register/confirm", "code", code).want(t, 303)
	c.post("/logout").want(t, 303)
	c.post("/recover", "login", "zq-eventful", "code", strings.Repeat("AAAA-", 7)+"AAAA", "password", testPassword, "password2", testPassword).want(t, 422)
	c.post("/recover", "login", "zq-eventful", "code", code, "password", testPassword, "password2", testPassword).want(t, 303)
	c.post("/register/confirm", "code", codePattern.FindString(c.get("/register/confirm").body)).want(t, 303)
	c.post("/settings", "what", "session", "session", "60", "lock", "10", "current", testPassword).want(t, 303)
	c.post("/settings", "what", "login", "login", "zq-renamed", "current", testPassword).want(t, 303)

	var all strings.Builder
	for next := "/activity"; next != ""; {
		page := c.get(next).want(t, 200)
		all.WriteString(page.body)
		next = strings.ReplaceAll(firstMatch(`href="(/activity\?before=[^"]+)"`, page.body), "&amp;", "&")
	}
	body := regexp.MustCompile(`\s+`).ReplaceAllString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(all.String(), " "), " ")
	for _, want := range []string{
		"The account was made", "Logged in", "A key was made “zq-key”", "A key got a new version “zq-key”", "A version of a key was revoked “zq-key”",
		"A private key was exported “zq-key”", "The password was wrong when it was asked again", "A key was deleted “zq-key”", "A key was imported “zq-import”",
		"An item was downloaded from the vault “zq-item”", "You were hidden", "Others find you by your login again", "Another session was ended",
		"The password was changed", "A new recovery code was made", "The account key was renewed", "Logged out", "A recovery failed: wrong code",
		"The recovery code was used", "Session length or lock was changed", "The login was changed", "this session",
	} {
		if n := strings.Count(body, want); n == 0 || strings.HasPrefix(want, "An item") && n != 1 {
			t.Errorf("the list has %q %d times:\n%s", want, n, body)
		}
	}
	s.Clean(t.Context())
	kinds := map[string]int{}
	account := ""
	for _, l := range lines() {
		kinds[l["event"].(string)]++
		if id, ok := l["account"].(string); ok {
			account = id
		}
		for _, v := range l {
			if text, ok := v.(string); ok && (strings.Contains(text, "zq-") || strings.Contains(text, "127.0.0.1")) {
				t.Errorf("the server log holds %q", text)
			}
		}
	}
	for _, kind := range []string{models.EventMade, models.EventLogin, models.EventCurrentFailed, models.EventRecoveryFailed, models.EventRecovery,
		models.EventLoginChanged, models.EventPassword, models.EventRenewed} {
		if kinds[kind] == 0 {
			t.Errorf("the server log has no %s: %v", kind, kinds)
		}
	}
	for _, kind := range []string{models.EventKeyMade, models.EventKeyExported, models.EventItemExported, models.EventUnlisted, models.EventSettings} {
		if kinds[kind] != 0 {
			t.Errorf("the server log tells what a person did: %s", kind)
		}
	}
	c.post("/account/delete", "current", testPassword, "login", "zq-renamed").want(t, 303)
	if l := lines(); l[len(l)-1]["event"] != "account-deleted" || l[len(l)-1]["account"] != account {
		t.Errorf("the last line is %v", l[len(l)-1])
	}
}

func firstMatch(pattern, s string) string {
	if m := regexp.MustCompile(pattern).FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
}

// Failed log-ins are one entry an hour, are told once when the person logs in, and the server log does not hold what
// was typed: it may be a password.
func TestActivity_Failures(t *testing.T) {
	s, lines := newAudited(t)
	c := s.client(t)
	c.register("victim")
	c.post("/logout").want(t, 303)
	thief := s.client(t)
	for range 5 {
		thief.post("/login", "login", "VICTIM", "password", "wrong").want(t, 422)
		thief.post("/login", "login", "no-such-person", "password", "wrong").want(t, 422)
	}
	c.post("/login", "login", "victim", "password", testPassword).want(t, 303)
	c.get("/encrypt").want(t, 200, "5 wrong passwords or codes were tried on your account")
	if again := c.get("/encrypt").want(t, 200); strings.Contains(again.body, "wrong passwords") {
		t.Error("it is shown twice")
	}
	c.get("/activity").want(t, 200, "5 log-ins failed: wrong password")
	s.Clean(t.Context())
	tries := map[bool]float64{}
	for _, l := range lines() {
		if l["event"] == models.EventLoginFailed {
			_, of := l["account"]
			tries[of] += l["counts"].(map[string]any)["tries"].(float64)
		}
	}
	if tries[true] != 5 || tries[false] != 5 {
		t.Errorf("the server log counts %v", tries)
	}
	for range 11 {
		thief.post("/login", "login", "victim", "password", "wrong")
	}
	s.Clean(t.Context())
	l := lines()
	refused := false
	for _, one := range l {
		if one["event"] == "refused" {
			refused = one["counts"].(map[string]any)["429"].(float64) > 0
		}
	}
	if !refused {
		t.Error("refusals are not counted in the server log")
	}
}

// A sign-in from a new browser is told in every other one, once, and who signed in takes that from nobody.
func TestAlerts_NewSignIn(t *testing.T) {
	s, _ := newAudited(t)
	c := s.client(t)
	c.register("watched")
	c.get("/encrypt").want(t, 200)
	const text = "Logged in from a browser that was new here"
	thief := logIn(t, s, "watched", testPassword)
	if a := thief.get("/vault").want(t, 200, "Your last log-in before this one was"); strings.Contains(a.body, text) {
		t.Error("a browser is told of itself")
	}
	thief.get("/vault")
	c.htmx = true
	if a := c.get("/vault").want(t, 200); strings.Contains(a.body, text) {
		t.Error("a fragment shows it")
	}
	c.htmx = false
	c.get("/vault").want(t, 200, text)
	if a := c.get("/vault").want(t, 200); strings.Contains(a.body, text) {
		t.Error("it is shown twice")
	}
	// The thief logs out and in again, now from a browser that was here: the owner's browser still is told what it has
	// not shown.
	again := logIn(t, s, "watched", testPassword)
	again.get("/vault")
	again.post("/logout").want(t, 303)
	c.post("/logout").want(t, 303)
	c.post("/login", "login", "watched", "password", testPassword).want(t, 303)
	c.get("/encrypt").want(t, 200, text)
	t.Run("HistoryOff", func(t *testing.T) {
		c.post("/settings", "what", "off", "current", "wrong").want(t, 422, "Keep no history")
		c.post("/settings", "what", "off", "current", testPassword).want(t, 303)
		logIn(t, s, "watched", testPassword)
		if a := c.get("/vault").want(t, 200); strings.Contains(a.body, text) {
			t.Error("it was kept")
		}
		c.get("/activity").want(t, 200, "This list is turned off", "turned off")
		c.post("/settings", "what", "on").want(t, 303)
		c.get("/activity").want(t, 200, "This list was turned on")
		c.post("/settings", "what", "clear", "current", testPassword).want(t, 303)
		if a := c.get("/activity").want(t, 200, "This list was emptied"); strings.Contains(a.body, "The account was made") {
			t.Error("it was not emptied")
		}
	})
	t.Run("OtherAccountsCookie", func(t *testing.T) {
		logIn(t, s, "watched", testPassword)
		other := s.client(t)
		other.register("another")
		other.get("/vault").want(t, 200)
		other.post("/logout")
		other.post("/login", "login", "watched", "password", testPassword).want(t, 303)
		other.get("/vault").want(t, 200, "Your last log-in before this one was")
	})
}

func TestUnlock(t *testing.T) {
	s, lines := newAudited(t)
	c := s.client(t)
	c.register("sleeper")
	c.post("/settings", "what", "session", "session", "0", "lock", "10", "current", testPassword).want(t, 303)
	item := c.post("/vault", "title", "mine", "text", "zq-locked-content").want(t, 303).Header.Get("Location")
	result := firstMatch(`(/results/[0-9a-f]{32})`, c.upload("/encrypt", []string{"to", "me", "mode", "files"}, [2]string{"a.txt", "zq-own"}).want(t, 200).body)
	s.idle(t, 11*time.Minute)
	t.Run("NothingElseIsServed", func(t *testing.T) {
		for _, r := range s.Routes() {
			if r.Access == Public || r.Access == Locked || r.Access == Pending {
				continue
			}
			p := strings.Replace(path(r), strangerID, item[len(item)-32:], 1)
			if strings.HasPrefix(r.Path, "/results/:id") {
				p = strings.Replace(path(r), "/results/"+strangerID, result, 1)
			}
			for _, c.htmx = range []bool{false, true} {
				a := c.do(r.Method, p, "application/x-www-form-urlencoded", strings.NewReader("current="+strings.ReplaceAll(testPassword, " ", "+")))
				to := a.Header.Get("Location") + a.Header.Get("HX-Redirect")
				card := c.htmx && r.Method == "POST" && a.StatusCode == 401 && strings.Contains(a.body, "This session is locked")
				if !card && !strings.HasPrefix(to, "/account/unlock") || strings.Contains(a.body, "zq-") {
					t.Errorf("%s %s of a locked session: %d to %q", r.Method, p, a.StatusCode, to)
				}
			}
			c.htmx = false
		}
		if a := c.get("/"); a.Header.Get("Location") != "/account/unlock" {
			t.Errorf("the start leads to %q", a.Header.Get("Location"))
		}
		c.get("/about").want(t, 200, "Unlock", "Log out")
	})
	t.Run("KeyIsGone", func(t *testing.T) {
		var n int
		db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "sessions.db")+"?mode=ro")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.QueryRow("SELECT count(*) FROM sessions WHERE sealed_account_key IS NOT NULL").Scan(&n); err != nil || n != 0 {
			t.Fatalf("%d sealed account keys are there, %v", n, err)
		}
	})
	t.Run("PlaceOfAForm", func(t *testing.T) {
		for referer, want := range map[string]string{
			s.url + "/vault?new=1": "/account/unlock?next=%2Fvault%3Fnew%3D1", "": "/account/unlock", "https://evil.example/vault": "/account/unlock",
			s.url + "//evil.example/": "/account/unlock", s.url: "/account/unlock",
		} {
			a := s.ask(t, "POST", "/vault", "text=x", "Cookie", "zencrypt="+c.token(), "Referer", referer, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
			if !strings.Contains(a.want(t, 401, "This session is locked").body, `href="`+want+`" target="_blank"`) {
				t.Errorf("from %q not to %q: %s", referer, want, a.body)
			}
			if a = s.ask(t, "POST", "/keys/rewrap", "", "Cookie", "zencrypt="+c.token(), "Referer", referer, "Sec-Fetch-Site", "same-origin"); a.Header.Get("Location") != want {
				t.Errorf("from %q, with nothing typed, to %q, want %q", referer, a.Header.Get("Location"), want)
			}
		}
	})
	t.Run("Typed", func(t *testing.T) {
		action, fields := c.post("/vault", "title", "typed", "text", "while\nit locked").want(t, 401, "This session is locked", "Unlock in another tab", `target="_blank"`).typed(t)
		c.post("/account/unlock", "password", testPassword).want(t, 303)
		c.get(c.upload(action, fields).want(t, 303).Header.Get("Location")).want(t, 200, "typed", "while\nit locked")
		s.idle(t, 11*time.Minute)
	})
	t.Run("Password", func(t *testing.T) {
		to := c.get(item+"?x=1").want(t, 303).Header.Get("Location")
		page := c.get(to).want(t, 200, "sleeper", `name="next"`)
		next := firstMatch(`name="next" value="([^"]*)"`, page.body)
		c.post("/account/unlock", "password", "wrong", "next", next).want(t, 422, "The password is wrong", next)
		c.post("/account/unlock", "password", testPassword, "next", "https://evil.example/").want(t, 303)
		s.idle(t, 11*time.Minute)
		c.get(item).want(t, 303)
		before := c.token()
		if a := c.post("/account/unlock", "password", testPassword, "next", next).want(t, 303); a.Header.Get("Location") != item+"?x=1" {
			t.Errorf("back to %q", a.Header.Get("Location"))
		}
		if c.token() == before || s.opens(t, before) {
			t.Error("the token is the one of before")
		}
		c.get(item).want(t, 200, "zq-locked-content")
		c.get(result+"/file").want(t, 200)
		c.get("/activity").want(t, 200, "Unlocked with the password", "The password was wrong when it was asked again")
		if a := c.get("/account/unlock?next=/vault").want(t, 303); a.Header.Get("Location") != "/vault" {
			t.Errorf("an open session is sent to %q", a.Header.Get("Location"))
		}
	})
	t.Run("Janitor", func(t *testing.T) {
		s.idle(t, 11*time.Minute)
		s.Clean(t.Context())
		c.get("/vault").want(t, 303)
	})
	t.Run("TooManyTries", func(t *testing.T) {
		for range 10 {
			if a := c.post("/account/unlock", "password", "wrong"); a.StatusCode == 429 {
				return
			}
		}
		c.post("/account/unlock", "password", "wrong").want(t, 429)
	})
	t.Run("Logout", func(t *testing.T) {
		c.post("/logout").want(t, 303)
		if a := c.get("/vault"); !strings.HasPrefix(a.Header.Get("Location"), "/login") {
			t.Errorf("%d to %q", a.StatusCode, a.Header.Get("Location"))
		}
	})
	if l := lines(); len(l) == 0 {
		t.Error("the server log is empty")
	}
}

func TestSettings(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("chooser")
	c.get("/settings").want(t, 200, "Theme", "Sessions", "History", "chooser", "Never")
	c.post("/settings", "what", "session", "session", "60", "lock", "10", "current", "wrong").want(t, 422, `value="60" selected`, `value="10" selected`)
	for _, bad := range [][2]string{{"1", "0"}, {"60", "1"}, {"60", "30"}, {"x", "0"}, {"60", "-5"}, {"999999999", "0"}} {
		c.post("/settings", "what", "session", "session", bad[0], "lock", bad[1], "current", testPassword).want(t, 422)
	}
	c.post("/settings", "what", "session", "session", "60", "lock", "10", "current", testPassword).want(t, 303)
	c.get("/settings").want(t, 200, `value="60" selected`, `value="10" selected`)
	c.post("/settings", "what", "nothing").want(t, 400)
	if a := c.post("/theme", "theme", "light", "next", "/settings").want(t, 303); a.Header.Get("Location") != "/settings" {
		t.Errorf("to %q", a.Header.Get("Location"))
	}
	t.Run("Login", func(t *testing.T) {
		other := s.client(t)
		other.register("neighbour")
		other.post("/people", "login", "chooser").want(t, 303)
		c.post("/settings", "what", "login", "login", "neighbour", "current", testPassword).want(t, 422, "This login is taken")
		c.post("/settings", "what", "login", "login", "x", "current", testPassword).want(t, 422, "at least 3 characters")
		c.post("/settings", "what", "login", "login", "newname", "current", "wrong").want(t, 422, "The password is wrong")
		c.post("/settings", "what", "login", "login", "newname", "current", testPassword).want(t, 303)
		c.get("/account").want(t, 200, "newname")
		s.client(t).post("/register", "login", "Chooser", "password", testPassword, "password2", testPassword).want(t, 422, "This login is taken")
		s.client(t).post("/login", "login", "chooser", "password", testPassword).want(t, 422)
		logIn(t, s, "newname", testPassword)
		// Who added them before encrypts to the pinned keys, by either login.
		for _, name := range []string{"chooser", "newname"} {
			other.post("/encrypt", "to", "people", "recipients", name, "text", "zq-mail").want(t, 200, "BEGIN AGE")
		}
		s.change(t, "UPDATE key_versions SET public = (SELECT public FROM key_versions WHERE public LIKE 'age1%' AND account_id = (SELECT id FROM accounts WHERE login = 'neighbour')) WHERE public LIKE 'age1%' AND account_id = (SELECT id FROM accounts WHERE login = 'newname')")
		for _, name := range []string{"chooser", "newname"} {
			if a := other.post("/encrypt", "to", "people", "recipients", name, "text", "zq-mail"); a.StatusCode == 200 && strings.Contains(a.body, "BEGIN AGE") {
				t.Errorf("encrypted to %s under a key that was exchanged", name)
			}
		}
	})
}

// A locked session opens by the password of its own account, and never tries one on those who share an old spelling.
func TestUnlock_SharedSpelling(t *testing.T) {
	s, _ := newAudited(t)
	c := s.client(t)
	c.register("ada")
	s.comes(t, "2", "ADA", "same password", 1)
	c.post("/settings", "what", "session", "session", "0", "lock", "10", "current", testPassword).want(t, 303)
	s.idle(t, 11*time.Minute)
	c.post("/account/unlock", "password", "same password").want(t, 422, "The password is wrong")
	if _, waiting, err := s.db.Imports.Tally(t.Context()); err != nil || waiting != 1 {
		t.Errorf("%d wait, %v: somebody else's account was moved", waiting, err)
	}
	c.post("/account/unlock", "password", testPassword).want(t, 303)
	c.get("/vault").want(t, 200)
}
