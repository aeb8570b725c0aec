//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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
	eventually(t, time.Minute, "the server takes no new connections", func() bool {
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

// TestLife_DrainEnds: a download that is slow is cut after 10 s, and the end is a good one. A second signal
// does not wait for that.
func TestLife_DrainEnds(t *testing.T) {
	for name, impatient := range map[string]bool{"Cut": false, "SecondSignal": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			c := s.client()
			c.register("slow", "four quiet horses 1852")
			const size = 24 << 20
			kept := c.must(c.upload("/vault", part{field: "file", name: "f.bin", content: &repeated{text: "slow. ", left: size}, size: size}), http.StatusSeeOther)
			res := c.send(c.request(http.MethodGet, kept.location()+"/file", nil))
			defer res.Body.Close()
			if n, err := io.CopyN(io.Discard, res.Body, 1<<20); err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			start := time.Now()
			if impatient {
				if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					t.Fatal(err)
				}
				eventually(t, time.Minute, "the server takes no new connections", func() bool {
					conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
					if err == nil {
						conn.Close()
					}
					return err != nil
				})
				err := s.signal(os.Interrupt)
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
					t.Errorf("%v after %v, want an end by the second signal: the drain's own is a good one", err, time.Since(start))
				}
			} else {
				s.stop() // with exit code 0
				if took := time.Since(start); took < 9*time.Second || took > 45*time.Second {
					t.Errorf("ended after %v, want 10 s", took)
				}
				if !strings.Contains(s.output(), "requests were cut") {
					t.Error("the log does not say that a request was cut")
				}
			}
			if n, err := io.Copy(io.Discard, res.Body); err == nil {
				t.Errorf("%d bytes more and a good end: the test shows nothing", n)
			}
			s.start()
			if a := c.get(kept.location() + "/file"); a.status != http.StatusOK || len(a.body) != size {
				t.Errorf("after the next start: %d, %d bytes", a.status, len(a.body))
			}
		})
	}
}

// TestLife_Preconnected: browsers open connections in advance, which are no reason to wait at the end.
func TestLife_Preconnected(t *testing.T) {
	s := newServer(t)
	idle(t, s, 2)
	s.client().get("/") // and one that is kept for the next request
	start := time.Now()
	s.stop()
	if took := time.Since(start); took > 9*time.Second { // the drain has 10 s, and is told of
		t.Errorf("ended after %v", took)
	}
	if strings.Contains(s.output(), "cut") {
		t.Errorf("the log speaks of requests that were cut:\n%s", s.output())
	}
}

// idle opens connections that say nothing.
func idle(t *testing.T, s *server, n int) []net.Conn {
	t.Helper()
	var all []net.Conn
	for range n {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatalf("after %d connections: %v", len(all), err)
		}
		t.Cleanup(func() { c.Close() })
		all = append(all, c)
	}
	return all
}

// sockets counts the server's connections, with the one that listens.
func (s *server) sockets() int { return strings.Count(strings.Join(s.openFiles(), "\n"), "socket:") }

// TestLife_NoDescriptors: with more connections than file descriptors the server lives, without spinning,
// and answers once they are gone.
func TestLife_NoDescriptors(t *testing.T) {
	s := newServer(t)
	if err := unix.Prlimit(s.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 120, Max: 120}, nil); err != nil {
		t.Fatal(err)
	}
	all := idle(t, s, 150)
	eventually(t, time.Minute, "the server says that it has no descriptors left", func() bool {
		return strings.Contains(s.output(), "too many open files")
	})
	before := s.cpu()
	select {
	case err := <-s.done:
		s.ended()
		t.Fatalf("the server ended: %v\n%s", err, s.output())
	case <-time.After(3 * time.Second): // several tries long
	}
	if used := s.cpu() - before; used > time.Second {
		t.Errorf("%v of processor time in 3 s of waiting", used)
	}
	if n := len(s.openFiles()); n < 110 {
		t.Errorf("%d descriptors are open: the test shows nothing", n)
	}
	for _, c := range all {
		c.Close()
	}
	s.waitReady()
	if a := s.client().get("/"); a.status != http.StatusOK {
		t.Errorf("afterwards: %d", a.status)
	}
	s.stop()
}

// cpu is the processor time that the server has used.
func (s *server) cpu() time.Duration {
	s.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest) // from the third field of proc(5) on
	user, err := strconv.Atoi(f[11])
	system, serr := strconv.Atoi(f[12])
	if err != nil || serr != nil {
		s.t.Fatalf("read the server's processor time: %v, %v", err, serr)
	}
	return time.Duration(user+system) * time.Second / 100 // clock ticks
}

// TestLife_Connections: one connection more than the server keeps open gets an answer that says so, and
// the others are as good as before.
func TestLife_Connections(t *testing.T) {
	const most = 4096
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &own); err != nil || own.Cur < most+500 {
		missing(t, "4,600 open files (ulimit -n)", "what happens to one connection too many")
	}
	s := newServer(t)
	all := idle(t, s, most)
	eventually(t, time.Minute, "all connections are taken", func() bool { return s.sockets() > most })
	over := idle(t, s, 1)[0]
	over.SetDeadline(time.Now().Add(time.Minute))
	if b, err := io.ReadAll(over); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 503 ") {
		t.Errorf("%q, %v; want 503", b, err)
	}
	first := all[0]
	first.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(first, "GET /readyz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", strings.TrimPrefix(s.url, "http://"))
	if b, err := io.ReadAll(first); err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 200 ") {
		t.Errorf("%q, %v; want an answer on a connection that was there before", b, err)
	}
	if rss, _ := s.memory(); rss > 192<<20 {
		t.Errorf("%d MiB for idle connections", rss>>20)
	}
	s.stop()
}

// TestLife_Says: the start says where everything is.
func TestLife_Says(t *testing.T) {
	s := newServer(t)
	for _, want := range []string{s.data, s.secrets} {
		if !strings.Contains(s.output(), " "+want+"\n") {
			t.Errorf("the output lacks %s:\n%s", want, s.output())
		}
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
