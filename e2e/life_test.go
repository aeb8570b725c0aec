//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLife_Drain: SIGTERM lets an upload that runs finish, takes nothing new, and the result is there
// after the next start.
func TestLife_Drain(t *testing.T) {
	s := newServer(t)
	c := s.client()
	c.register("drain", "four quiet horses 1852")
	r, w := io.Pipe()
	done := make(chan answer, 1)
	req := c.multipart("/vault", field("title", "late"), part{field: "file", name: "late.txt", content: r, size: 3 << 20})
	go func() { done <- c.read(req) }()
	if _, err := io.WriteString(w, strings.Repeat("a", 2<<20)); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the server takes no new connections", func() bool {
		res, err := http.Get(s.url + "/healthz")
		if err == nil {
			res.Body.Close()
		}
		return err != nil
	})
	if _, err := io.WriteString(w, strings.Repeat("b", 1<<20)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	a := <-done
	c.must(a, http.StatusSeeOther)
	if err := <-s.done; err != nil {
		t.Fatalf("the server ended with %v\n%s", err, s.output())
	}
	s.ended()
	s.start()
	if got := c.get(a.location() + "/file"); got.status != http.StatusOK || len(got.body) != 3<<20 {
		t.Errorf("after the restart: %d, %d bytes", got.status, len(got.body))
	}
}

// TestLife_OneServer: a second server on the same data refuses to start and leaves the first alone.
func TestLife_OneServer(t *testing.T) {
	s := newServer(t)
	out, err := exec.Command(binary(t), "serve", "--addr", "127.0.0.1:0", "--data", s.data, "--secrets", s.secrets).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another server runs") {
		t.Errorf("a second server: %v\n%s", err, out)
	}
	s.waitReady()
}

// TestLife_NoDump: no core file and no reading of the memory by others of the same user.
func TestLife_NoDump(t *testing.T) {
	s := newServer(t)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 5 && strings.HasPrefix(line, "Max core file size") && f[4] != "0" {
			t.Errorf("core files may be written: %s", line)
		}
	}
}

// TestLife_Modes: what the program makes, only its owner may look at.
func TestLife_Modes(t *testing.T) {
	s := newServer(t)
	c := s.client()
	c.register("modes", "four quiet horses 1852")
	c.must(c.upload("/vault", file("a.txt", "a")), http.StatusSeeOther)
	out, err := exec.Command("find", s.data, s.secrets, "-perm", "/077").Output()
	if err != nil {
		t.Fatal(err)
	}
	if len(out) > 0 {
		t.Errorf("others may look at:\n%s", out)
	}
}
