package handlers

import (
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"zencrypt/models"
)

// full makes a server read-only.
func (s *server) full(t *testing.T) {
	t.Helper()
	s.db.SetDisk(models.Disk{Free: func() (int64, error) { return 0, nil }, Floor: 1 << 30})
	if s.db.Look(t.Context()); s.db.Why() == "" {
		t.Fatal("the server saves")
	}
}

// TestReadOnly_Routes goes to every route of a server that can't save: each page is there, under the banner, and what
// is refused is refused in words.
func TestReadOnly_Routes(t *testing.T) {
	s := newServer(t)
	person := s.client(t)
	person.register("mira")
	s.full(t)
	guest := s.client(t)
	for _, r := range s.Routes() {
		for who, c := range map[string]*client{"guest": guest, "person": person} {
			if r.Path == "/logout" || r.Path == "/account/delete" {
				continue
			}
			var a answer
			if r.Method == http.MethodGet {
				a = c.get(path(r))
			} else {
				a = c.post(path(r), "text", "what was typed", "title", "a title", "name", "a name", "login", "nobody.here", "password", "p", "kind", "age",
					"to", "passphrase", "passphrase", "p", "theme", "dark", "current", testPassword)
			}
			switch {
			case a.StatusCode == http.StatusServiceUnavailable && r.Path == "/readyz":
			case a.StatusCode == http.StatusInsufficientStorage:
				if !strings.Contains(a.body, "Nothing was stored") || a.Header.Get("Retry-After") == "" {
					t.Errorf("%s %s for a %s: %s", r.Method, r.Path, who, a.body)
				}
			case a.StatusCode >= 500:
				t.Errorf("%s %s for a %s: %d", r.Method, r.Path, who, a.StatusCode)
			}
			if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") && strings.Contains(a.body, "<main") && !strings.Contains(a.body, "Nothing can be saved at present") {
				t.Errorf("%s %s for a %s has no banner: %d", r.Method, r.Path, who, a.StatusCode)
			}
		}
	}
	person.post("/vault", "title", "a title", "text", "<b>what was typed").want(t, 507, "save at present", "&lt;b&gt;what was typed", "a title", "Send it again")
	private, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	secret := person.post("/keys/import", "text", private.String(), "name", "a name").want(t, 507, "save at present")
	if strings.Contains(secret.body, "AGE-SECRET-KEY") {
		t.Errorf("a private key comes back: %s", secret.body)
	}
	person.post("/logout").want(t, 303)
	person.get("/vault").want(t, 303)
	if n := strings.Count(s.log.String(), `"level":"ERROR"`) + strings.Count(s.log.String(), `"level":"WARN"`); n > 0 {
		t.Errorf("%d lines are not about requests: %s", n, s.log.String())
	}
}

// TestBusy_Database: while another process holds the database, who writes gets 503 with what was typed, who reads
// reads, and then all goes on.
func TestBusy_Database(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("mira")
	other, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "zencrypt.db")+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 { // the first waits in SQLite, the others for their turn
		wg.Go(func() {
			a := c.post("/vault", "title", "a title", "text", "what was typed")
			if a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "The server is busy") || !strings.Contains(a.body, "what was typed") {
				t.Errorf("%d, %q: %s", a.StatusCode, a.Header.Get("Retry-After"), a.body)
			}
		})
	}
	c.get("/vault").want(t, 200)
	wg.Wait()
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	c.post("/vault", "title", "a title", "text", "what was typed").want(t, 303)
	if s.db.Why() != "" {
		t.Error("a database that is busy made the server read-only")
	}
	if w := s.db.Stats().WriteWait; w.Total == 0 {
		t.Errorf("%+v", w)
	}
}

// TestTyped_Fields: a form that is given back holds whatever handlers read, but for secrets and for forms in which nothing
// is written: what is missing would be sent again as if it had not been chosen.
func TestTyped_Fields(t *testing.T) {
	secrets := []string{"current", "password", "password2", "passphrase", "passphrase2", "code", "identity", "hmac_key", "salt", "credential", "prf", "state"}
	buttons := []string{ // of forms with a password, or without anything that is typed
		"others", "undo", "what", "quota", "session", "lock", "item", "listed", "generate", "cancel", "all", "uses", "theme", "role", "reason", "min_version",
		"language", "id", "days", "signature_file",
	}
	known := append(append(keptFields(), secrets...), buttons...)
	for _, f := range typedFields() {
		known = append(known, f.name)
	}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	read, n := regexp.MustCompile(`\bf\.(?:get|on|all)\("([a-z_0-9]+)"`), 0
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range read.FindAllStringSubmatch(string(src), -1) {
			if n++; !slices.Contains(known, m[1]) {
				t.Errorf("%s reads %s, which is lost when a form is given back", name, m[1])
			}
		}
	}
	if n < 100 {
		t.Errorf("%d fields are read: this test looks at the wrong place", n)
	}
}
