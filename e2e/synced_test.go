//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// syncedCalls are the system calls that bring what was written to the disk.
const syncedCalls = "fsync,fdatasync,sync_file_range,msync,sync,syncfs"

var syncedLine = regexp.MustCompile(`(?m)^(?:fsync|fdatasync)\(\d+<([^>]+)>\) += 0`)

// TestSynced: each write that is acknowledged has been on the disk by then, the log of the database and, for a file, the
// file and its folder. One write follows the other, so that none can rest on another's sync.
func TestSynced(t *testing.T) {
	strace := program(t, "strace", "that each acknowledged write was synced")
	trace := filepath.Join(t.TempDir(), "strace")
	if out, err := exec.Command(strace, "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		missing(t, "the right to trace a process", fmt.Sprintf("that each acknowledged write was synced (%s)", out))
	}
	s := newServer(t)
	c := s.client()
	c.register("synced", killPassword)
	s.stop() // the account is no subject, and argon2id is slow enough without
	s.under = []string{strace, "-ff", "-y", "-qq", "-s", "0", "--seccomp-bpf", "-e", "trace=" + syncedCalls, "-e", "signal=none", "-o", trace}
	s.start()
	t.Cleanup(s.killBelow)

	seen := map[string]int{}
	synced := func() (all []string) { // since the last time
		files, err := filepath.Glob(trace + ".*") // one of each thread, so that no line cuts another
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			b := read(t, name)
			b = b[:strings.LastIndexByte(b, '\n')+1]
			for _, m := range syncedLine.FindAllStringSubmatch(b[seen[name]:], -1) {
				all = append(all, m[1])
			}
			seen[name] = len(b)
		}
		return all
	}
	wal, blobs := filepath.Join(s.data, "zencrypt.db-wal"), filepath.Join(s.data, "blobs")
	var key string
	writes, syncs := 0, 0
	for i, w := range []struct {
		what  string
		times int
		path  func(i int) answer
		file  bool
	}{
		{"texts", 20, func(i int) answer {
			return c.upload("/vault", field("title", "t"), field("text", fmt.Sprint("text ", i)))
		}, false},
		{"files", 20, func(i int) answer { return c.upload("/vault", file("f", strings.Repeat(fmt.Sprint(i), 1+i*3000))) }, true},
		{"keys", 20, func(i int) answer {
			a := c.post("/keys", "kind", "age", "name", fmt.Sprint("key ", i))
			key = shownKey.FindString(a.location())
			return a
		}, false},
		{"rotations", 5, func(int) answer { return c.post(key + "/rotate") }, false},
		{"renames and deletions", 5, func(i int) answer {
			path := savedLink.FindString(c.upload("/vault", field("title", "t"), field("text", "short-lived")).location())
			synced()
			if i%2 == 0 {
				return c.post(path+"/rename", "title", "other")
			}
			return c.post(path + "/delete")
		}, false},
	} {
		for j := range w.times {
			synced()
			c.must(w.path(j), http.StatusSeeOther)
			got := synced()
			writes, syncs = writes+1, syncs+len(got)
			has := func(what string, ok func(path string) bool) {
				for _, path := range got {
					if ok(path) {
						return
					}
				}
				t.Errorf("%s, number %d was acknowledged without a sync of %s; synced were %q", w.what, j, what, got)
			}
			has("the database's log", func(p string) bool { return p == wal })
			if w.file {
				has("the file", func(p string) bool { return filepath.Dir(p) == blobs })
				has("its folder", func(p string) bool { return p == blobs })
			}
		}
		if t.Failed() {
			t.Fatalf("after %d kinds of writes", i+1)
		}
	}
	t.Logf("%d acknowledged writes, one after the other: %d syncs", writes, syncs)
	if a := c.get("/vault"); a.status != http.StatusOK {
		t.Errorf("/vault: status %d", a.status)
	}
}

// killBelow ends what a server's tracer has below it: killed alone, a tracer leaves its child running.
func (s *server) killBelow() {
	if s.cmd == nil {
		return
	}
	pid := fmt.Sprint(s.cmd.Process.Pid)
	b, _ := os.ReadFile(filepath.Join("/proc", pid, "task", pid, "children"))
	for child := range strings.FieldsSeq(string(b)) {
		var n int
		if _, err := fmt.Sscan(child, &n); err == nil {
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
	}
}
