package handlers

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
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

// A person who logs in again in the same browser, or changes the password, ends the session whose job runs: the next
// one takes over.
func TestRewrap_TakenOver(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ring")
	const n = 60
	for range n {
		c.upload("/encrypt", []string{"to", "me", "save", "1", "text", "to be renewed"}).want(t, 200)
	}
	rotated := func() {
		t.Helper()
		for _, path := range keyLink.FindAllString(c.get("/keys").body, 2) {
			c.post(path+"/rotate").want(t, 303)
		}
		c.post("/keys/rewrap").want(t, 303)
	}
	rotated()
	c.post("/login", "login", "ring", "password", testPassword).want(t, 303)
	s.rewrapped(t, c)
	if a := c.get("/keys").want(t, 200, "rewrapped"); strings.Contains(a.body, "Rewrap ") {
		t.Error("after another log-in something is left")
	}
	rotated()
	const other = "another horse another 8 staple"
	c.post("/account/password", "current", testPassword, "password", other, "password2", other).want(t, 303)
	s.rewrapped(t, c)
	if a := c.get("/keys").want(t, 200, "rewrapped"); strings.Contains(a.body, "Rewrap ") {
		t.Error("after another password something is left")
	}
	all, err := s.db.Items.Standing(t.Context(), lookup(t, s, c))
	if err != nil || len(all) != n {
		t.Fatalf("%d items, %v", len(all), err)
	}
	for _, one := range all {
		if one.Version != 3 {
			t.Fatalf("an item stands under version %d", one.Version)
		}
	}
}

// A rewrap ends with its session, also when that was only idle for too long, and does not keep it alive; the next log-in
// goes on.
func TestRewrap_SessionEnds(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ring")
	const n = 5
	for range n {
		c.upload("/encrypt", []string{"to", "me", "save", "1", "text", "to be renewed"}).want(t, 200)
	}
	for _, path := range keyLink.FindAllString(c.get("/keys").body, 2) {
		c.post(path+"/rotate").want(t, 303)
	}
	session, u, err := s.db.Sessions.Lookup(t.Context(), sessionToken(t, c))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.Keys.AskRewrap(t.Context(), u, true, all); err != nil {
		t.Fatal(err)
	}
	older := func() (n int) {
		t.Helper()
		all, err := s.db.Items.Standing(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if one.Version == 1 {
				n++
			}
		}
		return n
	}
	idle := time.Now().Add(-31 * time.Minute).UnixMilli()
	s.changeSessions(t, "UPDATE sessions SET touched = ?", idle)
	s.startRewrap(u, session)
	s.rewrapped(t, c)
	if got := older(); got != n {
		t.Errorf("%d of %d items are left: it went on with the key of a session that has ended", got, n)
	}
	if state := s.rewrapState(t.Context(), u.Account.ID); state.Running || !strings.Contains(state.Problem, "has ended") {
		t.Errorf("it says %+v", state)
	}
	c.get("/keys").want(t, 303) // the session is over, and the rewrap was no use of it
	c.post("/login", "login", "ring", "password", testPassword).want(t, 303)
	s.rewrapped(t, c)
	if got := older(); got != 0 {
		t.Errorf("%d items are left after the log-in", got)
	}
	// It is no use of a session that lives either.
	for _, path := range keyLink.FindAllString(c.get("/keys").body, 2) {
		c.post(path+"/rotate").want(t, 303)
	}
	if session, u, err = s.db.Sessions.Lookup(t.Context(), sessionToken(t, c)); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Keys.AskRewrap(t.Context(), u, true, all); err != nil {
		t.Fatal(err)
	}
	before := time.Now().Add(-29 * time.Minute).UnixMilli()
	s.changeSessions(t, "UPDATE sessions SET touched = ?", before)
	s.startRewrap(u, session)
	s.rewrapped(t, c)
	s.changeSessions(t, "UPDATE sessions SET touched = touched WHERE touched = ?", before)
	c.get("/keys").want(t, 200, "5 items were rewrapped")
}

// When the session ends in which it was asked for, another one of the account that has asked as well goes on.
func TestRewrap_Heir(t *testing.T) {
	s := newServer(t)
	first, second := s.client(t), s.client(t)
	first.register("ring")
	second.post("/login", "login", "ring", "password", testPassword).want(t, 303)
	const n = 150
	for range n {
		first.upload("/encrypt", []string{"to", "me", "save", "1", "text", "to be renewed"}).want(t, 200)
	}
	for _, path := range keyLink.FindAllString(first.get("/keys").body, 2) {
		first.post(path+"/rotate").want(t, 303)
	}
	session, u, err := s.db.Sessions.Lookup(t.Context(), sessionToken(t, second))
	if err != nil {
		t.Fatal(err)
	}
	first.post("/keys/rewrap").want(t, 303)
	s.startRewrap(u, session) // as a log-in and the form do
	first.post("/logout").want(t, 303)
	s.rewrapped(t, second)
	if found, ok := s.rewraps.Load(u.Account.ID); !ok || found.(*rewrapJob).session != session.ID {
		t.Error("the other session has not gone on")
	}
	if a := second.get("/keys").want(t, 200, "rewrapped"); strings.Contains(a.body, "Rewrap ") || strings.Contains(a.body, "Stopped") {
		t.Errorf("something is left\n%s", a.body)
	}
	// Cancelled, nobody goes on.
	for _, path := range keyLink.FindAllString(second.get("/keys").body, 2) {
		second.post(path+"/rotate").want(t, 303)
	}
	first.post("/login", "login", "ring", "password", testPassword).want(t, 303)
	second.post("/keys/rewrap").want(t, 303)
	first.post("/keys/rewrap").want(t, 303)
	first.post("/keys/rewrap", "cancel", "1").want(t, 303)
	s.rewrapped(t, second)
	first.get("/keys").want(t, 200, "Cancelled", "Rewrap ")
}

// An item that changes while it is renewed is taken up again, and its other change stays.
func TestRewrap_Meanwhile(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ring")
	a := c.upload("/encrypt", []string{"to", "me", "save", "1", "text", "to be renewed"}).want(t, 200)
	item := regexp.MustCompile(`/vault/[0-9a-f]{32}`).FindString(a.body)
	for _, path := range keyLink.FindAllString(c.get("/keys").body, 2) {
		c.post(path+"/rotate").want(t, 303)
	}
	stop := make(chan struct{})
	ended := make(chan struct{})
	u := lookup(t, s, c)
	go func() { // deletes and restores it all the time
		defer close(ended)
		id, _ := models.ParseID(strings.TrimPrefix(item, "/vault/"))
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = s.db.Items.Trash(context.Background(), u, id)
				_, _ = s.db.Items.Restore(context.Background(), u, id)
			}
		}
	}()
	c.post("/keys/rewrap").want(t, 303)
	s.rewrapped(t, c)
	close(stop)
	<-ended
	c.get("/keys").want(t, 200, "1 item was rewrapped")
	c.upload("/decrypt", []string{"text", c.get(item+"/file").want(t, 200).body}).want(t, 200, "to be renewed", "version 2")
}

func lookup(t testing.TB, s *server, c *client) *models.Unlocked {
	t.Helper()
	_, u, err := s.db.Sessions.Lookup(context.Background(), sessionToken(t, c))
	if err != nil {
		t.Fatal(err)
	}
	return u
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
