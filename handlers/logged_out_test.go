package handlers

import (
	"strings"
	"testing"

	"zencrypt/crypto/agefile"
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
