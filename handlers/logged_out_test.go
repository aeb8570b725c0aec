package handlers

import (
	"bytes"
	"html"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/pgp"
)

// TestLoggedOut_Form: what only an account can do is not left out in silence when the session has ended
// under a form.
func TestLoggedOut_Form(t *testing.T) {
	s := newServer(t)
	_, recipient := ageKey(t)
	for name, tc := range map[string]struct {
		path   string
		fields []string
		says   string
		box    string
	}{
		"Encrypt": {"/encrypt", []string{"to", "passphrase", "passphrase", "a long passphrase", "save", "1"}, "can&#39;t be saved", `name="save" value="1" checked`},
		"Decrypt": {"/decrypt", []string{"save", "1"}, "can&#39;t be saved", `name="save" value="1" checked`},
		"Hash":    {"/hash", []string{"save", "1"}, "can&#39;t be saved", `name="save" value="1" checked`},
		"AlsoMe":  {"/encrypt", []string{"to", "people", "recipients", recipient, "also_me", "1"}, "can&#39;t be encrypted to you too", `name="also_me" value="1" checked`},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.client(t)
			// The page keeps the choice, so that it counts when the same is sent after a log-in.
			page := c.upload(tc.path, append(tc.fields, "text", "the text")).want(t, 422, tc.says, "Log in in another tab", "the text</textarea>")
			if !strings.Contains(page.body, tc.box) {
				t.Errorf("the page lost the choice %s", tc.box)
			}
			c.upload(tc.path, append(tc.fields, "mode", "files"), [2]string{"a.txt", "content"}).want(t, 422, tc.says)
			c.htmx = true
			c.upload(tc.path, append(tc.fields, "text", "the text")).want(t, 422, tc.says)
		})
	}
	t.Run("Guest", func(t *testing.T) {
		for _, path := range []string{"/encrypt", "/decrypt", "/hash"} {
			if body := s.client(t).get(path).want(t, 200).body; strings.Contains(body, `name="save"`) || strings.Contains(body, `name="also_me"`) {
				t.Errorf("%s offers a guest what needs an account", path)
			}
		}
	})
}

func ageKey(t *testing.T) (identity, recipient string) {
	t.Helper()
	identity, recipient, err := agefile.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return identity, recipient
}

// TestLoggedOut_Post: the page that holds what was typed is neither left nor swapped away.
func TestLoggedOut_Post(t *testing.T) {
	s := newServer(t)
	for target, swap := range map[string]string{"main": "afterbegin", "": "afterbegin", "result": ""} {
		a := s.ask(t, "POST", "/vault", "title=a&text=typed", "Sec-Fetch-Site", "same-origin", "HX-Request", "true", "HX-Target", target)
		a.want(t, 401, "You are logged out", "what you typed is still here", `href="/login"`, `target="_blank"`, `rel="noopener"`)
		if got := a.Header.Get("HX-Reswap"); got != swap {
			t.Errorf("into %q it is swapped %q, want %q", target, got, swap)
		}
		if a.Header.Get("HX-Redirect") != "" || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			t.Errorf("redirect %q, type %q", a.Header.Get("HX-Redirect"), a.Header.Get("Content-Type"))
		}
	}
}

// TestLoggedOut_Typed: without a script the page has gone on which something was typed, and its session has ended
// meanwhile. It is given back, and goes where it was meant to after a log-in in another tab. Secrets are not, and what
// holds nothing that was typed leads to the log-in.
func TestLoggedOut_Typed(t *testing.T) {
	s, clk := clocked(t, func(o *Options) { o.Guests = false })
	c := s.client(t)
	c.register("mira")
	s.client(t).register("bob")
	bob := c.befriend("bob")
	key := newPGP(t, pgp.KeyParams{Name: "Ada", Now: clk.Now})
	var signature bytes.Buffer
	w, err := pgp.SignDetached(&signature, []*pgp.Key{key}, pgp.SignOptions{Armor: true, Now: clk.Now})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("the words"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("A line with <b>, \"quotes\" & more.\n", 1000) // more than a handler is given at once
	away := func() {
		clk.add(2 * time.Hour)
		c.get("/vault").leads(t, "/login?next=%2Fvault")
	}
	back := func() { c.post("/login", "login", "mira", "password", testPassword).leads(t, "/encrypt") }
	for name, tt := range map[string]struct {
		path   string
		fields []string
		status int // of the same after the log-in
		says   string
	}{
		"Note":     {"/vault", []string{"title", "kept", "text", "\n" + long}, 303, ""},
		"Describe": {bob + "/describe", []string{"name", "Bob of the hill", "note", "one\ntwo"}, 303, ""},
		"Verify": {"/verify", []string{"mode", "text", "certificate", key.Certificate().Armor(), "signature", signature.String(), "text", "the words"},
			200, "Good signature"},
	} {
		for kind, send := range map[string]func() answer{
			"UrlEncoded": func() answer { return c.post(tt.path, tt.fields...) },
			"Multipart":  func() answer { return c.upload(tt.path, tt.fields) },
		} {
			t.Run(name+kind, func(t *testing.T) {
				away()
				a := send().want(t, 401, "You are logged out", "what you typed is still here", `href="/login"`, `target="_blank"`, "Send it again")
				if a.Header.Get("HX-Reswap") != "" || a.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%v", a.Header)
				}
				action, fields := a.typed(t)
				for i := 0; i < len(tt.fields); i += 2 {
					if got := lf(value(fields, tt.fields[i])); got != tt.fields[i+1] {
						t.Errorf("%s comes back as %.100q, want %.100q", tt.fields[i], got, tt.fields[i+1])
					}
				}
				if action != tt.path || len(fields) != len(tt.fields) {
					t.Errorf("%d fields go to %s", len(fields)/2, action)
				}
				back()
				again := c.upload(action, fields).want(t, tt.status, tt.says)
				if name == "Note" {
					if page := c.get(again.Header.Get("Location")).want(t, 200, "kept"); !strings.Contains(html.UnescapeString(page.body), long) {
						t.Error("the vault holds something else")
					}
				}
			})
		}
	}
	t.Run("Secrets", func(t *testing.T) {
		away()
		identity, _ := ageKey(t)
		for path, fields := range map[string][]string{
			"/encrypt": {"to", "passphrase", "passphrase", "zq-a-secret", "text", "words", "recipients", identity},
			"/decrypt": {"identity", identity, "passphrase", "zq-a-secret", "text", "words"},
			"/hash":    {"salt", "zq-a-secret", "hmac_key", "zq-a-secret", "text", "words"},
			"/people":  {"name", "words", "public_key", identity},
			"/verify":  {"certificate", identity, "text", "words"},
		} {
			a := c.post(path, fields...).want(t, 401, "words")
			if strings.Contains(a.body, "zq-") || strings.Contains(a.body, identity) {
				t.Errorf("%s gives back a secret: %s", path, a.body)
			}
		}
		for path, fields := range map[string][]string{
			"/keys/import":      {"name", "words", "text", identity},
			"/account/password": {"current", "zq-a-secret", "password", "zq-a-secret", "password2", "zq-a-secret"},
			"/account/delete":   {"current", "zq-a-secret", "login", "mira"},
			"/vault/delete":     {"item", strangerID},
			"/keys/rewrap":      nil,
		} {
			if a := c.post(path, fields...).leads(t, "/login"); a.body != "" {
				t.Errorf("%s says %s", path, a.body)
			}
		}
	})
	t.Run("File", func(t *testing.T) {
		away()
		c.upload("/vault", []string{"title", "words"}, [2]string{"a.txt", long}).leads(t, "/login")
	})
	t.Run("TooLong", func(t *testing.T) {
		away()
		c.upload("/vault", []string{"title", "words", "text", strings.Repeat("x", maxEncoded)}).leads(t, "/login")
	})
}
