package handlers

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zencrypt/models"
)

// rewrapped waits until no renewal runs.
func (s *server) rewrapped(t *testing.T, c *client) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		running := false
		s.rewraps.Range(func(_, job any) bool {
			running = running || !job.(*rewrapJob).over()
			return true
		})
		if !running {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it runs still\n%s", c.get("/keys").body)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// stored are the vault's files on the disk.
func (s *server) stored(t *testing.T) (names []string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(s.dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

// What was asked for goes on at the next log-in, also in another process; a cancelled one does not.
func TestRewrap_Resumes(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ring")
	path := keyLink.FindString(c.get("/keys").body)
	if !strings.Contains(c.get(path).body, "age1") {
		path = keyLink.FindAllString(c.get("/keys").body, -1)[1]
	}
	for range 3 {
		c.upload("/encrypt", []string{"to", "me", "save", "1", "text", "to be renewed"}).want(t, 200)
	}
	c.post(path+"/rotate").want(t, 303)
	user := func() *rewrapJob {
		found := 0
		var job *rewrapJob
		s.rewraps.Range(func(_, j any) bool { found++; job = j.(*rewrapJob); return true })
		if found > 1 {
			t.Fatalf("%d jobs", found)
		}
		return job
	}
	if user() != nil {
		t.Fatal("it runs unasked")
	}
	// Asked for, and nothing done yet: as if the process had ended at once.
	_, u, err := s.db.Sessions.Lookup(t.Context(), sessionToken(t, c))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.Keys.AskRewrap(t.Context(), u, true, all); err != nil {
		t.Fatal(err)
	}
	other := s.client(t)
	other.post("/login", "login", "ring", "password", testPassword).want(t, 303)
	s.rewrapped(t, other)
	other.get("/keys").want(t, 200, "3 items were rewrapped")
	other.get(path).want(t, 200, "version 2", "3 items")
	other.htmx = true
	if a := other.get("/keys?rewrap=1").want(t, 200, `id="rewrap"`); strings.Contains(a.body, "<html") || strings.Contains(a.body, "every 1s") {
		t.Error("the fragment is a page, or asks again though it is over")
	}
	other.htmx = false

	c.post(path+"/rotate").want(t, 303)
	if err := s.db.Keys.AskRewrap(t.Context(), u, true, all); err != nil {
		t.Fatal(err)
	}
	c.post("/keys/rewrap", "cancel", "1").want(t, 303)
	again := s.client(t)
	again.post("/login", "login", "ring", "password", testPassword).want(t, 303)
	s.rewrapped(t, again)
	again.get("/keys").want(t, 200, "Rewrap 3 items")
}

// sessionToken is the client's session cookie.
func sessionToken(t testing.TB, c *client) string {
	t.Helper()
	u, err := url.Parse(c.base)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range c.Jar.Cookies(u) {
		if k.Name == "zencrypt" {
			return k.Value
		}
	}
	t.Fatal("no session cookie")
	return ""
}

func all(*models.Key) bool { return true }
