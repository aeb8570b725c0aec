package cli

import (
	"strings"
	"testing"

	"zencrypt/crypto/password"
	"zencrypt/models"
)

// An old login may hold what would move the cursor of a terminal, or can't be typed.
func TestUser_OddLogin(t *testing.T) {
	c := newCommand(t)
	const login, method = "od\x1b[2Jd\u202e\n", "pbkdf2:sha256:1000"
	digest, err := password.Werkzeug(method, "salt", "x")
	if err != nil {
		t.Fatal(err)
	}
	db, _, err := place{Data: "data", Secrets: "secrets"}.open(&env{ctx: t.Context(), stderr: c.t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Imports.Import(t.Context(), &models.Incoming{Origin: []string{"1"}, Login: login, Method: method, Salt: "salt", Digest: digest}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{
		c.must(0, "", "user", "list"), c.must(0, "", "user", "suspend", login), c.must(1, "no\n", "user", "delete", login),
		c.must(0, strings.TrimSpace(login)+"\n", "user", "delete", login),
	} {
		if strings.ContainsAny(out, "\x1b\u202e") {
			t.Errorf("a terminal would follow it: %q", out)
		}
	}
}
