package handlers

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/passkey"
	"zencrypt/crypto/totp"
	"zencrypt/limits"
	"zencrypt/models"
)

// addPasskey gives an account a passkey that no device has.
func (s *server) addPasskey(t testing.TB, login string) models.ID {
	t.Helper()
	b, _ := json.Marshal(map[string]any{"id": []byte("of nobody's device"), "publicKey": []byte("a public key")})
	c, err := passkey.ParseCredential(b)
	if err != nil {
		t.Fatal(err)
	}
	u := s.unlock(t, login)
	if _, err := s.db.Passkeys.Add(t.Context(), u, "Phone", c, nil); err != nil {
		t.Fatal(err)
	}
	all, err := s.db.Passkeys.List(t.Context(), u)
	if err != nil || len(all) != 1 {
		t.Fatal(err)
	}
	return all[0].ID
}

var (
	oneTime     = regexp.MustCompile(`[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}`)
	shownSecret = regexp.MustCompile(`id="secret"[^>]*>([A-Z2-7 ]{39})<`)
)

// app is an authenticator app.
type app struct {
	t    testing.TB
	seed []byte
	now  func() time.Time
}

func newApp(t testing.TB, page string, now func() time.Time) *app {
	t.Helper()
	m := shownSecret.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no key for an app on the page:\n%s", page)
	}
	seed, err := base32.StdEncoding.DecodeString(strings.ReplaceAll(m[1], " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return &app{t, seed, now}
}

func (a *app) code() string {
	a.t.Helper()
	code, err := totp.Code(a.seed, totp.Step(a.now()))
	if err != nil {
		a.t.Fatal(err)
	}
	return code
}

// turnOn sets up an app as a person does, and gives it with the one-time codes.
func (c *client) turnOn(now func() time.Time) (*app, []string) {
	c.t.Helper()
	if a := c.post("/account/factor", "current", testPassword).want(c.t, 303); a.Header.Get("Location") != "/account/factor#setup" {
		c.t.Fatalf("it leads to %s", a.Header.Get("Location"))
	}
	page := c.get("/account/factor").want(c.t, 200, "otpauth://totp/", "data:image/png;base64,")
	phone := newApp(c.t, html.UnescapeString(page.body), now)
	codes := oneTime.FindAllString(c.post("/account/factor/confirm", "code", phone.code()).want(c.t, 200, "shown now, and never again").body, -1)
	if len(codes) != 10 {
		c.t.Fatalf("%d codes on the page", len(codes))
	}
	return phone, codes
}

func (a answer) leads(t testing.TB, to string) answer {
	t.Helper()
	if a.want(t, 303); a.Header.Get("Location") != to {
		t.Fatalf("it leads to %q, want %q", a.Header.Get("Location"), to)
	}
	return a
}

func clocked(t *testing.T, change ...func(*Options)) (*server, *clock) {
	clk := &clock{now: time.Unix(1_800_000_000, 0)}
	return newServer(t, append(change, func(o *Options) { o.Now = clk.Now })...), clk
}

func TestFactor_Login(t *testing.T) {
	s, clk := clocked(t)
	c := s.client(t)
	c.register("ada")
	c.post("/account/factor", "current", otherPassword).want(t, 422, "The password is wrong")
	c.get("/account").want(t, 200, "Off. With it")
	phone, codes := c.turnOn(clk.Now)
	c.get("/account").want(t, 200, "Asked for after the password")
	page := c.get("/account/factor").want(t, 200, "10 codes")
	if strings.Contains(page.body, "otpauth:") {
		t.Error("the key is shown again")
	}
	before := c.token()
	c.post("/logout").want(t, 303)

	clk.add(time.Minute)
	c.post("/login", "login", "ada", "password", testPassword, "next", "/vault").leads(t, "/login/factor?next=%2Fvault")
	pending := c.token()
	if pending == before {
		t.Error("the token is the old one")
	}
	// It serves the second step and nothing else.
	c.get("/vault").leads(t, "/login/factor")
	c.get("/account/factor").leads(t, "/login/factor")
	c.post("/passkeys/new", "current", testPassword).leads(t, "/login/factor")
	c.get("/login/factor?next=/vault").want(t, 200, "Code from your app", "5 tries left", `name="next" value="/vault"`)
	c.post("/login/factor", "code", "000000", "next", "/vault").want(t, 422, "This code is not right", "4 tries left", `value="/vault"`)
	code := phone.code()
	c.post("/login/factor", "code", code[:3]+" "+code[3:], "next", "/vault").leads(t, "/vault")
	if c.token() == pending {
		t.Error("the token was not replaced")
	}
	if s.opens(t, pending) {
		t.Error("the pending session's token opens the vault")
	}
	c.get("/vault").want(t, 200)

	// The same code again, in another log-in.
	other := s.client(t)
	other.post("/login", "login", "ada", "password", testPassword).leads(t, "/login/factor")
	other.post("/login/factor", "code", code).want(t, 422, "used already")
	// A lost device.
	other.post("/login/factor", "code", strings.ToLower(codes[0]), "next", "//evil.example").leads(t, "/encrypt")
	other.get("/account/factor").want(t, 200, "9 codes")
	again := s.client(t)
	again.post("/login", "login", "ada", "password", testPassword)
	again.post("/login/factor", "code", codes[0]).want(t, 422, "This code is not right")

	// Off.
	other.post("/account/factor/codes", "current", otherPassword).want(t, 422, "The password is wrong")
	if next := oneTime.FindAllString(other.post("/account/factor/codes", "current", testPassword).want(t, 200).body, -1); len(next) != 10 || next[0] == codes[0] {
		t.Error("no new codes")
	}
	other.post("/account/factor/off", "current", otherPassword).want(t, 422, "The password is wrong")
	other.post("/account/factor/off", "current", testPassword).leads(t, "/account/factor?done=off")
	s.client(t).post("/login", "login", "ada", "password", testPassword).leads(t, "/encrypt")
}

// Five tries a session, whatever comes at once; and a wait that grows over the sessions of an account.
func TestFactor_Tries(t *testing.T) {
	s, clk := clocked(t)
	c := s.client(t)
	c.register("ada")
	phone, _ := c.turnOn(clk.Now)
	owner := s.client(t)
	clk.add(time.Minute)
	owner.post("/login", "login", "ada", "password", testPassword)
	owner.post("/login/factor", "code", phone.code()).leads(t, "/encrypt")
	owner.post("/logout")

	thief := s.client(t)
	thief.post("/login", "login", "ada", "password", testPassword).leads(t, "/login/factor")
	for left := 4; left > 0; left-- {
		thief.post("/login/factor", "code", "000000").want(t, 422, fmt.Sprintf("%d t", left))
	}
	thief.post("/login/factor", "code", "000000").leads(t, "/login?tries=1")
	thief.get("/login?tries=1").want(t, 200, "Five codes were wrong")
	thief.get("/login/factor").leads(t, "/login?next=%2Flogin%2Ffactor")
	// The right password gives a session again, but no tries at once.
	tested := 0
	for range 40 {
		thief.post("/login", "login", "ada", "password", testPassword).leads(t, "/login/factor")
		a := thief.post("/login/factor", "code", "000000")
		if a.StatusCode != 429 {
			tested++
			continue
		}
		wantRetry(t, a, 61)
		clk.add(10 * time.Second)
	}
	if tested > 12 {
		t.Errorf("%d codes were tested in 400 s", tested)
	}
	// The owner's device has a budget of its own.
	owner.post("/login", "login", "ada", "password", testPassword).leads(t, "/login/factor")
	owner.post("/login/factor", "code", phone.code()).leads(t, "/encrypt")
	// The thief's device is none that is known: it was never let in.
	if thief.named("zencrypt-device") != "" {
		t.Error("the right password alone made the device a known one")
	}
}

func TestFactor_FiveMinutes(t *testing.T) {
	s, clk := clocked(t)
	c := s.client(t)
	c.register("ada")
	phone, _ := c.turnOn(clk.Now)
	late := s.client(t)
	late.post("/login", "login", "ada", "password", testPassword)
	clk.add(5 * time.Minute)
	late.post("/login/factor", "code", phone.code()).leads(t, "/login")
}

// A recovery asks for the factor, and changes nothing before.
func TestFactor_Recover(t *testing.T) {
	s, clk := clocked(t)
	c := s.client(t)
	recovery := c.register("ada")
	_, codes := c.turnOn(clk.Now)
	lost := s.client(t)
	lost.post("/recover", "login", "ada", "code", recovery, "password", otherPassword, "password2", otherPassword).leads(t, "/login/factor")
	lost.get("/login/factor").want(t, 200, "Your recovery code was right")
	lost.get("/register/confirm").leads(t, "/login/factor")
	s.client(t).post("/login", "login", "ada", "password", testPassword).want(t, 303) // the old password still is the password
	c.get("/vault").want(t, 200)
	lost.post("/login/factor", "code", "123456").want(t, 422)
	lost.post("/login/factor", "code", codes[1]).leads(t, "/register/confirm")
	if next := codePattern.FindString(lost.get("/register/confirm").want(t, 200).body); next == "" || next == recovery {
		t.Error("no new recovery code")
	}
	c.get("/vault").want(t, 303) // the other sessions have ended
	clk.add(time.Hour)
	s.client(t).post("/login", "login", "ada", "password", testPassword).want(t, 422)
	s.client(t).post("/login", "login", "ada", "password", otherPassword).leads(t, "/login/factor")
}

func TestFactor_Required(t *testing.T) {
	s, clk := clocked(t, func(o *Options) { o.RequireFactor = true })
	c := s.client(t)
	c.post("/register", "login", "ada", "password", testPassword, "password2", testPassword).want(t, 303)
	// The recovery code comes first.
	c.get("/account/factor").leads(t, "/register/confirm")
	code := codePattern.FindString(c.get("/register/confirm").body)
	c.post("/register/confirm", "code", code).leads(t, "/encrypt")
	for _, r := range s.Routes() {
		switch r.Access {
		case Public, Unconfirmed, Setup, Pending, Locked, Admin: // an administrator's pages are not there for others
			continue
		}
		if a := c.do(r.Method, path(r), "application/x-www-form-urlencoded", strings.NewReader("text=x")); a.Header.Get("Location") != "/account/factor" {
			t.Errorf("%s %s without a factor: %d to %q", r.Method, r.Path, a.StatusCode, a.Header.Get("Location"))
		}
	}
	c.get("/account/factor").want(t, 200, "One step before you go on", "Log out instead")
	phone, _ := c.turnOn(clk.Now)
	c.get("/encrypt").want(t, 200)
	c.post("/account/factor/off", "current", testPassword).want(t, 422, "asks everybody for a second factor")
	c.post("/logout")
	clk.add(time.Minute)
	c.post("/login", "login", "ada", "password", testPassword).leads(t, "/login/factor")
	c.post("/login/factor", "code", phone.code()).leads(t, "/encrypt")

	// Leaving is possible without one.
	gone := s.client(t)
	gone.register("bob")
	gone.get("/vault").leads(t, "/account/factor")
	gone.post("/account/delete", "current", testPassword, "login", "bob").leads(t, "/login?deleted=1")
	guest := s.client(t)
	guest.get("/encrypt").want(t, 200)
}

func TestFactor_Setup(t *testing.T) {
	s, clk := clocked(t)
	c := s.client(t)
	c.register("ada")
	c.post("/account/factor/confirm", "code", "123456").want(t, 422, "begin again")
	c.post("/account/factor", "current", testPassword).want(t, 303)
	page := c.get("/account/factor").want(t, 200, "otpauth://totp/")
	c.post("/account/factor/confirm", "code", "12345").want(t, 422, "This code is not right", "otpauth://")
	c.post("/account/factor/cancel").leads(t, "/account/factor?done=cancelled")
	if strings.Contains(c.get("/account/factor").want(t, 200).body, "otpauth:") {
		t.Error("it is still being set up")
	}
	c.post("/account/factor", "current", testPassword).want(t, 303)
	again := c.get("/account/factor").want(t, 200)
	if shownSecret.FindString(again.body) == shownSecret.FindString(page.body) {
		t.Error("the key is the old one")
	}
	clk.add(16 * time.Minute)
	c.post("/account/factor/confirm", "code", newApp(t, again.body, clk.Now).code()).want(t, 422, "longer than 15 minutes")
	c.post("/logout")
	c.post("/login", "login", "ada", "password", testPassword).leads(t, "/encrypt")
}

// What no browser would send is refused like what does not fit, and never a failure of the server.
func TestPasskeys_Garbage(t *testing.T) {
	var name string
	s := newServer(t, func(o *Options) {
		name = strings.Replace(o.Origins[0], "127.0.0.1", "localhost", 1)
		o.Origins = []string{o.Origins[0], name}
	})
	s.rates.loginClient = limits.NewLimiter(1000, time.Second, 8, time.Now) // the limit is another test's
	c := s.client(t)
	c.base = name
	c.register("ada")
	state := regexp.MustCompile(`name="state" value="([^"]+)"`)
	page := s.client(t)
	page.base = name
	question := state.FindStringSubmatch(page.get("/login").want(t, 200, "Log in with a passkey").body)[1]
	for _, credential := range []string{"", "{}", "null", "[", `{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{}}`, strings.Repeat("{", 5000), "\x00\xff", strings.Repeat("a", 40<<10)} {
		for _, prf := range []string{"", "AAAA", strings.Repeat("A", 43)} {
			for _, st := range []string{"", "AAAA", question} {
				if a := page.post("/login/passkey", "credential", credential, "prf", prf, "state", st); a.StatusCode != 422 && a.StatusCode != 429 {
					t.Fatalf("%.40q: %d", credential, a.StatusCode)
				}
			}
		}
		ask := state.FindStringSubmatch(c.post("/passkeys/new", "current", testPassword, "name", "x").want(t, 200, "data-passkey=\"create\"").body)[1]
		c.post("/passkeys", "credential", credential, "state", ask).want(t, 422)
		c.post("/passkeys", "credential", credential, "state", question).want(t, 422)
	}
	c.post("/passkeys/new", "current", otherPassword).want(t, 422, "The password is wrong")
	c.post("/passkeys/new", "current", testPassword, "name", strings.Repeat("x", 100)).want(t, 422, "the limit")
	c.get("/account/factor").want(t, 200, "Add a passkey")
	// By address there are none.
	c.base = s.url
	c.post("/login", "login", "ada", "password", testPassword).want(t, 303)
	c.get("/account/factor").want(t, 200, "Browsers keep passkeys for a name", name)
	c.post("/passkeys/new", "current", testPassword).want(t, 422)
	if strings.Contains(s.client(t).get("/login").body, "passkey") {
		t.Error("the log-in page offers passkeys under an address")
	}
}

// A passkey that no device has: its page, removal and limits.
func TestPasskeys_List(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ada")
	id := s.addPasskey(t, "ada").String()
	c.get("/account/factor").want(t, 200, "Phone", "second factor only")
	c.post("/passkeys/"+id+"/delete", "current", otherPassword).want(t, 422, "The password is wrong")
	c.post("/passkeys/"+id+"/unlock", "current", testPassword).want(t, 422) // not under an address
	other := s.client(t)
	other.post("/login", "login", "ada", "password", testPassword).leads(t, "/login/factor")
	other.get("/login/factor").want(t, 200, "Your passkey does not work under this address", "One-time code")
	other.post("/login/factor", "credential", "{}", "state", "x").want(t, 422, "took too long", "4 tries left")
	c.post("/passkeys/"+id+"/delete", "current", testPassword).leads(t, "/account/factor?done=removed")
	s.client(t).post("/login", "login", "ada", "password", testPassword).leads(t, "/encrypt")
}

// flipped is a text with one letter changed.
func flipped(s string) string {
	b := []byte(s)
	if b[60]++; b[60] == 'A' || b[60] == 'z'+1 || b[60] == 'Z'+1 || b[60] == '9'+1 || b[60] == '_'+1 || b[60] == '-'+1 {
		b[60] = 'A'
	}
	return string(b)
}

// The question to a passkey counts once, for one purpose and one session, and not for long.
func TestCeremonies(t *testing.T) {
	clk := &clock{now: time.Unix(1_800_000_000, 0)}
	c := newCeremonies(clk.Now)
	session, id := models.NewID(), models.NewID()
	text, err := c.put("unlock", session, ceremony{State: []byte("state"), Passkey: id})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.get("unlock", session, text); err != nil || string(got.State) != "state" || got.Passkey != id {
		t.Fatalf("%v, %v", got, err)
	}
	refused := func(what, purpose string, session models.ID, text string) {
		t.Helper()
		if _, err := c.get(purpose, session, text); models.ErrorCode(err) != models.Gone {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("another purpose", "create", session, text)
	refused("another session", "unlock", models.NewID(), text)
	refused("changed", "unlock", session, flipped(text))
	refused("nothing", "unlock", session, "")
	if _, err := newCeremonies(clk.Now).get("unlock", session, text); err == nil {
		t.Error("another server takes it")
	}
	if !c.take(text) || c.take(text) {
		t.Error("it counts twice, or not once")
	}
	refused("a second time", "unlock", session, text)
	late, _ := c.put("unlock", session, ceremony{})
	clk.add(ceremonyLife)
	refused("late", "unlock", session, late)
	c.take(late)
	if len(c.taken) != 1 {
		t.Errorf("%d questions are remembered", len(c.taken))
	}
}

func TestRelyingParty(t *testing.T) {
	for want, origins := range map[string][]string{
		"http://localhost:8080":    {"http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"},
		"https://zen.example":      {"https://zen.example"},
		"https://zen.example:8443": {"https://zen.example:8443"},
		"http://abc.onion":         {"http://abc.onion"},
		"":                         {"http://10.0.0.1", "https://10.0.0.1", "https://[2001:db8::1]", "http://zen.example"},
	} {
		got := ""
		if rp := relyingParty(origins); rp != nil {
			got = rp.Origin()
		}
		if got != want {
			t.Errorf("%v: %q, want %q", origins, got, want)
		}
	}
}
