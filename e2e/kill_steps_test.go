//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// steps runs a command of the build that a seed kills at one in three of its points, and tells whether it was.
func steps(t *testing.T, s seed, n int, args ...string) (killed bool, at string) {
	t.Helper()
	bin, err := failpointBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, args...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("ZENCRYPT_FAILPOINT=%x-%d:3", s, n))
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return false, ""
	case errors.As(err, &ended):
		if state, ok := ended.Sys().(syscall.WaitStatus); ok && state.Signaled() && state.Signal() == syscall.SIGKILL {
			_, at, _ := strings.Cut(string(out), "failpoint ")
			at, _, _ = strings.Cut(at, ",")
			return true, at
		}
	}
	t.Fatalf("%q: %v: %s", args, err, out)
	return false, ""
}

// stepKills is how often a command is killed, and how often it may be tried for that.
const (
	stepKills = 3
	stepTries = 60
)

// TestRestore_Killed kills a restore at its last steps: no server starts on half of it, and the next restore, into the
// emptied directory, goes through.
func TestRestore_Killed(t *testing.T) {
	s := newServer(t)
	c := s.client()
	c.register("keeps", killPassword)
	content := strings.Repeat("a file\n", 9000)
	path := c.must(c.upload("/vault", file("f", content)), http.StatusSeeOther).location()
	dir := t.TempDir()
	runTool(t, dir, 0, "", "backup", "--data", s.data, "-o", "b.tar")
	s.stop()
	seed, data, seen := newSeed(t), filepath.Join(dir, "data"), map[string]int{}
	opens := func() {
		t.Helper()
		again := copied(t, data, s.secrets)
		back := again.client()
		back.login("keeps", killPassword)
		if got := back.must(back.get(path+"/file"), http.StatusOK); got.body != content {
			t.Errorf("%d bytes, want %d", len(got.body), len(content))
		}
		again.tidy()
		again.stop()
		if _, err := os.Stat(filepath.Join(data, "restoring")); err == nil {
			t.Error("the folder of the restore is left")
		}
	}
	kills := 0
	for n := 0; kills < stepKills; n++ {
		if n == stepTries {
			t.Fatalf("it was killed %d times in %d tries", kills, n)
		}
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		killed, at := steps(t, seed, n, "restore", filepath.Join(dir, "b.tar"), "--data", data)
		if !killed {
			continue
		}
		kills++
		if _, err := os.Stat(filepath.Join(data, "zencrypt.db")); err == nil { // all is in its place
			if seen[at]++; seen[at] == 1 {
				opens()
			}
			continue
		}
		seen[at]++
		serve := runTool(t, dir, 1, "", "serve", "--addr", "127.0.0.1:0", "--data", data, "--secrets", s.secrets)
		if !strings.Contains(serve.stderr.String(), "is being restored to it, or that was cut short") {
			t.Errorf("the server says %q", serve.stderr.String())
		}
		runTool(t, dir, 1, "", "restore", "b.tar", "--data", data)
		if _, err := os.Stat(filepath.Join(data, "zencrypt.db")); err == nil {
			t.Error("there is a database")
		}
	}
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	runTool(t, dir, 0, "", "restore", "b.tar", "--data", data)
	opens()
	t.Logf("killed at %v", seen)
}

const otherUser = 65534

// handTo gives a folder with all that is in it to a user.
func handTo(t *testing.T, dir string, uid int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, uid, uid))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMigrate_Killed kills steps up and down: whatever was cut short, the next one goes on from there, nothing that was
// kept is changed, and no copy that was not finished stays.
func TestMigrate_Killed(t *testing.T) {
	s := newServer(t)
	s.stop()
	for from, to := range map[string]string{"data": s.data, "keys": s.secrets} {
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		copyPrivate(t, filepath.Join(firstVersion, from), to)
	}
	if os.Geteuid() == 0 { // as an operator types it, on the data of the server's user
		handTo(t, s.data, otherUser)
	}
	const items = "SELECT hex(id) || hex(sealed_title) || hex(sealed_meta) FROM items ORDER BY id"
	want := s.query("zencrypt.db", items)
	seed, seen, kills := newSeed(t), map[string]int{}, 0
	for n := 0; kills < 2*stepKills; n++ {
		if n == stepTries {
			t.Fatalf("they were killed %d times in %d tries", kills, n)
		}
		args := []string{"migrate", "up", "--data", s.data}
		if n%2 == 1 {
			args = []string{"migrate", "down", "--yes", "--data", s.data}
			runTool(t, filepath.Dir(s.data), 0, "", "migrate", "up", "--data", s.data)
		}
		if killed, at := steps(t, seed, n, args...); killed {
			kills++
			seen[at]++
			if info, err := os.Stat(filepath.Join(s.data, "upgrades")); os.Geteuid() == 0 && err == nil && info.Sys().(*syscall.Stat_t).Uid != otherUser {
				t.Errorf("killed at %s: the folder of the copies is root's, and the next upgrade fails", at)
			}
		}
		if got := s.query("zencrypt.db", "PRAGMA integrity_check"); !slices.Equal(got, []string{"ok"}) {
			t.Fatalf("integrity: %q", got)
		}
		if got := s.query("zencrypt.db", items); !slices.Equal(got, want) {
			t.Fatal("items were changed")
		}
	}
	runTool(t, filepath.Dir(s.data), 0, "", "migrate", "up", "--data", s.data)
	s.start()
	s.client().login("First@Example.org", "four quiet horses 1852")
	s.stop()
	left, err := filepath.Glob(filepath.Join(s.data, "upgrades", "*.part*"))
	if err != nil || len(left) > 0 {
		t.Errorf("unfinished copies are left: %q, %v", left, err)
	}
	status := newTool(t, filepath.Dir(s.data), "migrate", "status", "--data", s.data)
	var out bytes.Buffer
	status.cmd.Stdout = &out
	status.start()
	status.ends(0)
	if strings.Contains(out.String(), "not applied") {
		t.Errorf("after all: %s", out.String())
	}
	t.Logf("killed at %v", seen)
}
