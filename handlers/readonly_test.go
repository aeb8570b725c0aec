package handlers

import (
	"database/sql"
	"html"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"filippo.io/age"

	"zencrypt/blobs"
	"zencrypt/crypto/pgp"
	"zencrypt/limits"
	"zencrypt/models"
)

// full makes a server read-only, until room is called.
func (s *server) full(t *testing.T) (room func()) {
	t.Helper()
	var free atomic.Int64
	s.db.SetDisk(models.Disk{Free: func() (int64, error) { return free.Load(), nil }, Floor: 1 << 30})
	if s.db.Look(t.Context()); s.db.Why() == "" {
		t.Fatal("the server saves")
	}
	return func() {
		t.Helper()
		free.Store(1 << 40)
		if s.db.Look(t.Context()); s.db.Why() != "" {
			t.Fatalf("the server saves nothing: %s", s.db.Why())
		}
	}
}

var (
	typedForm  = regexp.MustCompile(`(?s)<form class="card" method="post" action="([^"]*)" enctype="multipart/form-data">(.*?)</form>`)
	typedInput = regexp.MustCompile(`(?s)<(input|textarea)\b[^>]*? name="([^"]*)"(?:[^>]*? value="([^"]*)")?[^>]*>(?:\n?([^<]*)</textarea>)?`)
)

// typed are the fields of the form in which a page gives back what was typed, and where it goes, as a browser sends them:
// each line end as CRLF.
func (a answer) typed(t *testing.T) (action string, fields []string) {
	t.Helper()
	form := typedForm.FindStringSubmatch(a.body)
	if form == nil {
		t.Fatalf("what was typed is not given back: %d\n%s", a.StatusCode, a.body)
	}
	for _, m := range typedInput.FindAllStringSubmatch(form[2], -1) {
		value := m[3]
		if m[1] == "textarea" {
			value = m[4]
		}
		fields = append(fields, m[2], strings.ReplaceAll(lf(html.UnescapeString(value)), "\n", "\r\n"))
	}
	return html.UnescapeString(form[1]), fields
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

// TestReadOnly_Fault: a disk that can't be read makes no server read-only, and is a fault that has a line and an alarm. A
// bound that holds, and a server that says that it is read-only, are none.
func TestReadOnly_Fault(t *testing.T) {
	s := newServer(t)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "none", "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	unreadable := &models.Error{Code: models.Unavailable, Err: db.Ping()}
	if !models.ReadOnly(unreadable) {
		t.Fatalf("%v is of another kind", unreadable.Err)
	}
	if s.foreseen(unreadable) {
		t.Error("what can't be read is taken for a server that is read-only")
	}
	for _, err := range []error{&refusal{}, &limits.BusyError{}, blobs.ErrSpoolFull} {
		if !s.foreseen(err) {
			t.Errorf("%v is a fault", err)
		}
	}
	s.full(t)
	if !s.foreseen(unreadable) {
		t.Error("a read-only server's refusal is a fault")
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

// TestTyped_Values: what a form gives back is what was typed, to the last line and character, and does the same when it
// is sent again.
func TestTyped_Values(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("mira")
	key := keyLink.FindString(c.get("/keys").want(t, 200).body)
	sentence := "A line with <b>, \"quotes\" & more.\r\n"
	description := strings.TrimSpace(strings.Repeat(sentence, 1000/len(sentence)))
	armor := newPGP(t, pgp.KeyParams{Name: "Mira"}).Certificate().Armor()
	recipient := "age1pq" + strings.Repeat("0123456789", 195)
	type sending struct {
		path   string
		fields []string
	}
	var waiting []sending
	room := s.full(t)
	for _, sent := range []sending{
		{key + "/describe", []string{"name", "a name", "description", description}},
		// What a page sends unseen, be it of this form or not.
		{"/vault", []string{"title", "a title", "text", "\r\na text\r\n", "certificate", armor, "signature", armor, "recipient", recipient, "sign_other", "a\nb"}},
	} {
		action, fields := c.post(sent.path, sent.fields...).want(t, 507).typed(t)
		if action != sent.path || len(fields) != len(sent.fields) {
			t.Errorf("%s: %d fields go to %s, want %d", sent.path, len(fields)/2, action, len(sent.fields)/2)
		}
		for i := 0; i < len(sent.fields); i += 2 {
			if got := value(fields, sent.fields[i]); lf(got) != lf(sent.fields[i+1]) {
				t.Errorf("%s gives back %s as %q, want %q", sent.path, sent.fields[i], got, sent.fields[i+1])
			}
		}
		waiting = append(waiting, sending{action, fields})
	}
	room()
	for _, again := range waiting {
		c.upload(again.path, again.fields).want(t, 303)
	}
	if page := html.UnescapeString(c.get(key).want(t, 200).body); !strings.Contains(page, lf(description)) {
		t.Errorf("the description is not on the key's page\n%s", page)
	}
}

func lf(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// value is what a form's field has.
func value(fields []string, name string) string {
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == name {
			return fields[i+1]
		}
	}
	return ""
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
