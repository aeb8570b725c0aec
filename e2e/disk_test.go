//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// namespaced runs a test again in a mount namespace of its own and tells whether this is that run, which may mount.
func namespaced(t *testing.T, leftOut string) bool {
	t.Helper()
	if os.Getenv(insideEnv) != "" {
		return true
	}
	unshare, as := program(t, "unshare", leftOut), "-m"
	if exec.Command(unshare, as, "true").Run() != nil {
		as = "-rm" // who is not root is so there
	}
	if out, err := exec.Command(unshare, as, "true").CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("a machine that lets somebody mount (%v, %s)", err, bytes.TrimSpace(out)), leftOut)
	}
	cmd := exec.Command(unshare, as, os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	out, err := cmd.CombinedOutput()
	t.Logf("in a mount namespace:\n%s", tail(string(out), 20_000))
	if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Error(err)
	}
	return false
}

// mount puts a file system of its own on a folder.
func mount(t *testing.T, dir, options string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options+",mode=0700"); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
}

// diskRun is people who save until the disk is full, and know what the server acknowledged.
type diskRun struct {
	*server
	people []*client
	acked  []map[string]string // of each person: path to content, "" for a key
	keys   int                 // that there were before
	n      int
}

const diskBanner = "Nothing can be saved at present"

// save lets everybody save, each another kind of thing, until none of it is taken any more.
func (r *diskRun) save(size int) {
	r.t.Helper()
	r.n++
	var wg sync.WaitGroup
	for i, c := range r.people {
		wg.Go(func() {
			for n := range 100_000 {
				content := strings.Repeat(fmt.Sprintf("%d of round %d of person %d\n", n, r.n, i), size)
				var a answer
				switch i {
				case 0:
					a = c.post("/vault", "title", "text", "text", content)
				case 1:
					a = c.upload("/vault", file("file.bin", content))
				case 2:
					if n >= 40 { // keys are sealed in one ring, which grows: they are few
						content = content[:len(content)/2]
						a = c.post("/vault", "title", "text", "text", content)
						break
					}
					a = c.post("/keys", "kind", "age", "name", fmt.Sprintf("key %d of %d", n, r.n))
					content = ""
				}
				switch a.status {
				case http.StatusSeeOther:
					r.acked[i][a.location()] = content
					continue
				case http.StatusInsufficientStorage:
					if i != 1 && content != "" && !strings.Contains(a.body, html.EscapeString(content[:30])) {
						r.t.Errorf("what was typed is gone: %s", words(a.body))
					}
				default:
					r.t.Errorf("person %d, %d: %d: %s", i, n, a.status, words(a.body))
				}
				if !strings.Contains(a.body, "disk is full") || !strings.Contains(a.body, "Nothing was stored") {
					r.t.Errorf("person %d, %d: %s", i, n, words(a.body))
				}
				return
			}
		})
	}
	wg.Wait()
}

// closed expects a server that is read-only, says so everywhere, and does what needs no write.
func (r *diskRun) closed(why ...string) {
	r.t.Helper()
	c := r.people[0]
	eventually(r.t, time.Minute, fmt.Sprintf("the server is read-only: %q", why), func() bool {
		return slices.ContainsFunc(why, func(w string) bool { return c.get("/readyz").body == "read-only: "+w+"\n" })
	})
	if a := c.get("/readyz"); a.status != http.StatusServiceUnavailable {
		r.t.Errorf("/readyz: %d", a.status)
	}
	c.must(c.get("/healthz"), http.StatusOK)
	for _, path := range []string{"/", "/about", "/help", "/login", "/recover", "/register", "/hash", "/decrypt"} {
		if a := r.client().get(path); a.status != http.StatusOK && a.status != http.StatusSeeOther || a.status == http.StatusOK && !strings.Contains(a.body, diskBanner) {
			r.t.Errorf("%s for a guest: %d: %s", path, a.status, words(a.body))
		}
	}
	for _, path := range []string{"/encrypt", "/decrypt", "/hash", "/sign", "/verify", "/vault", "/keys", "/people", "/activity", "/settings", "/account", "/account/factor", "/account/export"} {
		if a := c.get(path); a.status != http.StatusOK || !strings.Contains(a.body, diskBanner) {
			r.t.Errorf("%s: %d: %s", path, a.status, words(a.body))
		}
	}
	c.must(c.post("/hash", "text", "x"), http.StatusOK)
	c.must(c.upload("/hash", file("x", "x")), http.StatusOK)
	c.must(c.post("/encrypt", "to", "me", "text", "x"), http.StatusOK)
	c.must(r.client().post("/encrypt", "to", "passphrase", "passphrase", "p", "text", "x"), http.StatusOK)
	for what, a := range map[string]answer{
		"note":   c.post("/vault", "title", "a title", "text", "what I typed"),
		"file":   c.upload("/vault", file("x", "x")),
		"result": c.upload("/encrypt", field("to", "me"), file("x", "x")),
		"key":    c.post("/keys", "kind", "age", "name", "another"),
		"person": r.client().post("/register", "login", "another", "password", crowdPassword, "password2", crowdPassword),
	} {
		if a.status != http.StatusInsufficientStorage || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "The server can&#39;t save at present") {
			r.t.Errorf("%s: %d, retry after %q: %s", what, a.status, a.header.Get("Retry-After"), words(a.body))
		}
		if what == "note" && (!strings.Contains(a.body, "what I typed") || !strings.Contains(a.body, "a title")) {
			r.t.Errorf("what was typed is gone: %s", words(a.body))
		}
	}
}

// again waits until the server saves again, by itself, and reads back all that was acknowledged.
func (r *diskRun) again() {
	r.t.Helper()
	r.waitReady()
	for i, c := range r.people {
		where := c.must(c.post("/vault", "title", "room again", "text", "room again"), http.StatusSeeOther).location()
		r.acked[i][where] = "room again"
		if a := c.get("/vault"); strings.Contains(a.body, diskBanner) {
			r.t.Error("the banner stays")
		}
	}
	r.whole()
}

func (r *diskRun) whole() {
	r.t.Helper()
	total := 0
	for i, c := range r.people {
		for path, content := range r.acked[i] {
			total++
			if content == "" {
				c.must(c.get(path), http.StatusOK)
			} else if a := c.must(c.get(path+"/file"), http.StatusOK); a.body != content {
				r.t.Errorf("%s of person %d has %d bytes that are not the %d that were acknowledged", path, i, len(a.body), len(content))
			}
		}
	}
	for _, name := range []string{"zencrypt.db", "sessions.db"} {
		if got := r.query(name, "PRAGMA integrity_check"); !slices.Equal(got, []string{"ok"}) {
			r.t.Errorf("integrity of %s: %q", name, got)
		}
	}
	rows := len(r.query("zencrypt.db", "SELECT 1 FROM items WHERE blob_id IS NOT NULL"))
	if files := r.files(); len(files) != rows || slices.ContainsFunc(files, func(f string) bool { return strings.HasSuffix(f, ".part") }) {
		r.t.Errorf("%d rows name a file, and there are %d: %q", rows, len(files), files)
	}
	// Every answer has come: what was not acknowledged was refused, with "Nothing was stored".
	made := 0
	for _, acked := range r.acked {
		for _, content := range acked {
			if content == "" {
				made++
			}
		}
	}
	if n := len(r.query("zencrypt.db", "SELECT 1 FROM items WHERE trashed IS NULL")); n != total-made {
		r.t.Errorf("there are %d items, and %d were acknowledged", n, total-made)
	}
	if n := len(r.query("zencrypt.db", "SELECT 1 FROM keys")) - r.keys; n != made {
		r.t.Errorf("there are %d new keys, and %d were acknowledged", n, made)
	}
	if n := len(r.query("zencrypt.db", "SELECT 1 FROM accounts")); n != len(r.people) {
		r.t.Errorf("there are %d accounts, and %d were acknowledged", n, len(r.people))
	}
	r.t.Logf("%d acknowledged writes are there", total)
}

// TestBulkDisk fills the server's disk while people save, from inside and from outside, its spool, and its inodes. Each
// time the server says so, loses nothing, and goes on by itself when there is room again.
func TestBulkDisk(t *testing.T) {
	if !namespaced(t, "a disk that is full") {
		return
	}
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	mount(t, data, "size=56m,nr_inodes=3000")
	mount(t, filepath.Join(data, "spool"), "size=8m")
	s := &server{t: t, data: data, secrets: filepath.Join(dir, "secrets"), args: []string{"--min-free-disk", "24MiB", "--log-level", "info"}}
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			var lines []string
			for line := range strings.Lines(s.output()) {
				if !strings.Contains(line, `"msg":"request"`) {
					lines = append(lines, line)
				}
			}
			t.Logf("the server's output:\n%s", tail(strings.Join(lines, ""), 6000))
		}
	})
	s.start()
	r := &diskRun{server: s}
	for i := range 3 {
		c := s.client()
		c.register(fmt.Sprintf("person-%d", i), crowdPassword)
		r.people, r.acked = append(r.people, c), append(r.acked, map[string]string{})
	}
	r.keys = len(s.query("zencrypt.db", "SELECT 1 FROM keys"))
	grow := func(mib int) {
		t.Helper()
		if err := syscall.Mount("tmpfs", data, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%dm,nr_inodes=3000", mib)); err != nil {
			t.Fatal(err)
		}
	}
	free := func(path string) {
		t.Helper()
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	outside, begun := filepath.Join(data, "outside"), time.Now()
	step := func(what string) {
		t.Logf("%s after %v", what, time.Since(begun).Round(100*time.Millisecond))
		if t.Failed() {
			t.FailNow()
		}
	}

	// By what people save, twice in a row: files stop at the floor, the rest at half of it.
	for _, size := range []int{80, 110} {
		r.save(4000)
		r.closed("free disk below floor")
		late := s.client()
		late.login("person-0", crowdPassword) // there is room for that
		late.logout()
		grow(size)
		r.again()
		step("filled by people")
	}

	// A start on a full disk: what is there can be read.
	fill(t, outside)
	r.closed("disk full")
	s.stop()
	fill(t, outside) // also what the end of the logs gave back
	s.start()
	r.closed("disk full", "free disk below floor") // the reserve is given up for the start
	free(outside)
	r.again()
	step("started on a full disk")

	// From outside, to the last byte, twice in a row.
	for range 2 {
		filled := make(chan struct{})
		go func() { fill(t, outside); close(filled) }()
		r.save(400)
		<-filled
		r.closed("disk full")
		// Whoever deletes makes room, out of the reserve; who logs in is let in, or told why not.
		for path, content := range r.acked[0] {
			if len(content) > 10_000 {
				r.people[0].must(r.people[0].post(path+"/delete"), http.StatusSeeOther)
				delete(r.acked[0], path)
				break
			}
		}
		late := s.client()
		if a := late.post("/login", "login", "person-0", "password", crowdPassword); a.status != http.StatusSeeOther && !strings.Contains(a.body, "Nobody can be logged in at present") {
			t.Errorf("a log-in: %d: %s", a.status, words(a.body))
		}
		free(outside)
		r.again()
		step("filled from outside")
	}

	// The spool alone, which is a disk of its own here.
	spool := filepath.Join(data, "spool", "outside")
	fill(t, spool)
	c := r.people[0]
	if a := c.upload("/encrypt", field("to", "me"), file("x", strings.Repeat("x", 100_000))); a.status != http.StatusInsufficientStorage || !strings.Contains(a.body, "disk is full") {
		t.Errorf("a result: %d: %s", a.status, words(a.body))
	}
	part := part{field: "file", name: "x.bin", content: noise(100_000), size: -1} // of a length that nobody knows
	if a := c.upload("/encrypt", field("to", "me"), part); a.status != http.StatusInsufficientStorage || !strings.Contains(a.body, "disk is full") {
		t.Errorf("a result: %d: %s", a.status, words(a.body))
	}
	free(spool)
	r.again()
	step("the spool")

	// No inode is left: the databases can be written, and files can't.
	many := filepath.Join(data, "many")
	for i := 0; ; i++ {
		err := os.MkdirAll(filepath.Join(many, fmt.Sprint(i)), 0o700)
		if errors.Is(err, syscall.ENOSPC) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if a := c.upload("/vault", file("x", "x")); a.status != http.StatusInsufficientStorage || !strings.Contains(a.body, "disk is full") {
		t.Errorf("a file: %d: %s", a.status, words(a.body))
	}
	r.closed("disk full")
	free(many)
	r.again()
	step("inodes")

	s.restart()
	step("restarted")
	r.whole()
	step("read again")
	s.stop()
	// Lines that found no room are counted in the next one, and the chain holds.
	if code, lines := s.doctor(); code != 0 {
		t.Errorf("the server log: %d, %+v", code, lines)
	}
	step("stopped")
	if n := strings.Count(s.output(), "nothing can be saved"); n < 6 || n > 60 { // once a change, and not for each request, of which there were hundreds
		t.Errorf("the log says %d times that nothing can be saved", n)
	}
}
