package handlers

import (
	"regexp"
	"strings"
	"testing"
)

// declared is who may use which route. A route that is missing here fails TestRoutes/Declared.
var declared = map[string]Access{
	"GET /": Public, "GET /about": Public, "GET /help": Public, "GET /help/:topic": Public, "GET /healthz": Public, "GET /readyz": Public, "GET /static/*": Public,
	"GET /favicon.ico": Public, "GET /robots.txt": Public, "POST /theme": Public, "POST /language": Public, "POST /meter": Public,
	"GET /invite/:token": Public, "POST /invite/:token": Public,
	"GET /admin": Admin, "GET /admin/server": Admin, "GET /admin/invites": Admin, "POST /admin/invites": Admin, "POST /admin/invites/:id/delete": Admin,
	"GET /admin/people/:id": Admin, "POST /admin/people/:id/suspend": Admin, "POST /admin/people/:id/resume": Admin,
	"POST /admin/people/:id/sessions": Admin, "POST /admin/people/:id/quota": Admin, "POST /admin/people/:id/role": Admin,
	"POST /admin/people/:id/factor": Admin, "POST /admin/people/:id/delete": Admin,
	"GET /register": Public, "POST /register": Public, "GET /register/confirm": Unconfirmed, "POST /register/confirm": Unconfirmed,
	"GET /login": Public, "POST /login": Public, "GET /login/factor": Pending, "POST /login/factor": Pending,
	"POST /login/passkey": Public,
	"GET /account/factor": Setup, "POST /account/factor": Setup, "POST /account/factor/confirm": Setup, "POST /account/factor/cancel": Setup,
	"POST /account/factor/codes": Setup, "POST /account/factor/off": Setup,
	"POST /passkeys/new": Setup, "POST /passkeys": Setup, "POST /passkeys/:id/unlock": Setup, "POST /passkeys/:id/delete": Setup,
	"GET /recover": Public, "POST /recover": Public, "POST /logout": Public,
	"GET /hash": Guest, "POST /hash": Guest, "GET /encrypt": Guest, "POST /encrypt": Guest, "GET /decrypt": Guest, "POST /decrypt": Guest,
	"GET /sign": User, "POST /sign": User, "GET /verify": Guest, "POST /verify": Guest,
	"POST /results/download": Guest, "GET /results/:id": Visitor, "GET /results/:id/file": Visitor,
	"POST /results/:id/open": Visitor, "POST /results/:id/delete": Visitor, "POST /results/:id/save": User,
	"GET /vault": User, "POST /vault": User, "POST /vault/delete": User, "POST /vault/restore": User,
	"GET /vault/:id": User, "GET /vault/:id/file": User, "POST /vault/:id/rename": User, "POST /vault/:id/delete": User,
	"GET /people": User, "POST /people": User, "POST /people/find": User, "GET /people/:id": User,
	"POST /people/:id/describe": User, "POST /people/:id/accept": User, "POST /people/:id/verify": User, "POST /people/:id/delete": User, "POST /account/listed": User,
	"GET /account": User, "POST /account/password": User, "POST /account/recovery": User, "POST /account/renew": User,
	"POST /account/sessions": User, "POST /account/delete": Unconfirmed,
	"GET /account/unlock": Locked, "POST /account/unlock": Locked,
	"GET /activity": User, "GET /settings": User, "POST /settings": User,
	"GET /account/export": User, "POST /account/export": User,
	"GET /keys": User, "POST /keys": User, "POST /keys/import": User, "POST /keys/rewrap": User, "GET /keys/:id": User,
	"POST /keys/:id/rotate": User, "POST /keys/:id/default": User, "POST /keys/:id/describe": User, "POST /keys/:id/expiry": User,
	"POST /keys/:id/export": User, "POST /keys/:id/delete": User, "POST /keys/:id/versions/:n/retire": User,
	"POST /keys/:id/versions/:n/revoke": User, "POST /keys/:id/versions/:n/delete": User,
}

const strangerID = "00112233445566778899aabbccddeeff"

func path(r Route) string {
	return strings.NewReplacer(":token", strings.Repeat("A", 43), ":id", strangerID, ":n", "1", "*", "none").Replace(r.Path)
}

func TestRoutes(t *testing.T) {
	s := newServer(t)

	t.Run("Declared", func(t *testing.T) {
		served := map[string]bool{}
		for _, r := range s.fiber.GetRoutes(true) { // true leaves out the middleware
			if r.Method != "HEAD" {
				served[r.Method+" "+r.Path] = true
			}
		}
		for _, r := range s.Routes() {
			name := r.Method + " " + r.Path
			want, ok := declared[name]
			if !ok {
				t.Errorf("%s is not declared in this test: say who may use it", name)
			} else if want != r.Access {
				t.Errorf("%s has access %d, declared is %d", name, r.Access, want)
			}
			delete(served, name)
		}
		for name := range served {
			t.Errorf("%s is served but not in the table", name)
		}
		if len(declared) != len(s.Routes()) {
			t.Errorf("%d routes are declared, %d exist", len(declared), len(s.Routes()))
		}
	})

	t.Run("WithoutSession", func(t *testing.T) {
		for _, r := range s.Routes() {
			c := s.client(t)
			a := c.do(r.Method, path(r), "", nil)
			toLogin := a.StatusCode == 303 && strings.HasPrefix(a.Header.Get("Location"), "/login") && r.Path != "/logout"
			c.htmx = true
			h := c.do(r.Method, path(r), "", nil)
			switch r.Access {
			case User, Unconfirmed, Pending, Setup, Locked:
				if !toLogin {
					t.Errorf("%s %s without a session: %d to %q, want 303 to /login", r.Method, r.Path, a.StatusCode, a.Header.Get("Location"))
				}
				// A page that is asked for is left for the log-in; one that sends something keeps what was typed.
				card := strings.Contains(h.body, "You are logged out") && strings.Contains(h.body, `href="/login"`) && strings.Contains(h.body, `target="_blank"`)
				away := h.Header.Get("HX-Redirect") != ""
				if h.StatusCode != 401 || strings.Contains(h.body, "<html") || card != (r.Method == "POST") || away != (r.Method == "GET") || away && h.body != "Unauthorized" && h.body != "" {
					t.Errorf("%s %s without a session under htmx: %d to %q, %q, want 401", r.Method, r.Path, h.StatusCode, h.Header.Get("HX-Redirect"), h.body)
				}
			case Visitor, Admin:
				if a.StatusCode != 404 || h.StatusCode != 404 {
					t.Errorf("%s %s without a session: %d and %d, want 404", r.Method, r.Path, a.StatusCode, h.StatusCode)
				}
			default:
				if toLogin || h.StatusCode == 401 || a.StatusCode >= 500 {
					t.Errorf("%s %s is public: %d to %q", r.Method, r.Path, a.StatusCode, a.Header.Get("Location"))
				}
			}
		}
	})

	t.Run("GuestsOff", func(t *testing.T) {
		s := newServer(t, func(o *Options) { o.Guests = false })
		for _, r := range s.Routes() {
			if r.Access != Guest {
				continue
			}
			if a := s.client(t).do(r.Method, path(r), "", nil); a.StatusCode != 303 || !strings.HasPrefix(a.Header.Get("Location"), "/login") {
				t.Errorf("%s %s with guests off: %d", r.Method, r.Path, a.StatusCode)
			}
		}
	})

	t.Run("CrossSite", func(t *testing.T) {
		in := s.client(t)
		in.register("crossed")
		for _, r := range s.Routes() {
			if r.Method == "GET" {
				continue
			}
			for _, site := range []string{"cross-site", "same-site", ""} {
				for _, c := range []*client{s.client(t), in} {
					c.site = site
					if a := c.do(r.Method, path(r), "application/x-www-form-urlencoded", strings.NewReader("theme=dark")); a.StatusCode != 403 {
						t.Errorf("%s %s from %q: %d, want 403", r.Method, r.Path, site, a.StatusCode)
					}
				}
			}
		}
		in.site = "same-origin"
		in.get("/account").want(t, 200) // not one of them logged the person out
	})

	t.Run("OthersIDs", func(t *testing.T) {
		owner, other := s.client(t), s.client(t)
		owner.register("owner")
		other.register("other")
		item := owner.post("/vault", "title", "mine", "text", "mine").want(t, 303).Header.Get("Location")
		page := owner.upload("/encrypt", []string{"to", "me", "mode", "files"}, [2]string{"a.txt", "zq-own-content"}).want(t, 200)
		result := regexp.MustCompile(`/results/[0-9a-f]{32}`).FindString(page.body)
		key := regexp.MustCompile(`/keys/[0-9a-f]{32}`).FindString(owner.get("/keys").want(t, 200).body)
		person := owner.post("/people", "login", "other").want(t, 303).Header.Get("Location")
		person, _, _ = strings.Cut(person, "?")
		if item == "" || result == "" || key == "" {
			t.Fatalf("nothing to try: %q %q %q", item, result, key)
		}
		passkey := "/passkeys/" + s.addPasskey(t, "owner").String()
		ids := map[string]string{"/passkeys/": passkey, "/vault/": item, "/results/": result, "/keys/": key, "/people/": person}
		tried := 0
		for _, r := range s.Routes() {
			prefix, rest, ok := strings.Cut(strings.ReplaceAll(r.Path, ":n", "1"), ":id")
			if !ok {
				continue
			}
			if r.Access == Admin {
				continue // TestAdmin_Refused
			}
			own, ok := ids[prefix]
			if !ok {
				t.Fatalf("no id of a kind to try for %s", r.Path)
			}
			tried++
			body := "current=" + strings.ReplaceAll(testPassword, " ", "+") + "&title=stolen&passphrase=x"
			for _, c := range []*client{other, s.client(t)} {
				a := c.do(r.Method, own+rest, "application/x-www-form-urlencoded", strings.NewReader(body))
				if c == other && a.StatusCode != 404 || a.StatusCode == 200 || strings.Contains(a.body, "zq-own-content") {
					t.Errorf("%s %s of another user: %d, want 404", r.Method, r.Path, a.StatusCode)
				}
			}
		}
		if tried < 8 {
			t.Errorf("only %d routes with an id were tried", tried)
		}
		other.post("/vault/delete", "id", strings.TrimPrefix(item, "/vault/"))
		owner.get(item).want(t, 200, "mine")
		owner.get(result+"/file").want(t, 200)
		owner.get(person).want(t, 200, "other", "Compare, once")
	})
}
