//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// diagnosis is a line of what the doctor says.
type diagnosis struct {
	Check, Level, Kind, Text string
	Line                     int
	First, Last              uint64
}

// doctor runs 'zencrypt doctor --log --json' and returns its exit code and lines.
func (s *server) doctor(args ...string) (code int, lines []diagnosis) {
	s.t.Helper()
	cmd := exec.Command(binary(s.t), append([]string{"doctor", "--log", "--json", "--data", s.data, "--secrets", s.secrets}, args...)...)
	cmd.Env = append(os.Environ(), s.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(out))
	for d.More() {
		var one diagnosis
		if err := d.Decode(&one); err != nil {
			s.t.Fatalf("%v\n%s", err, out)
		}
		lines = append(lines, one)
	}
	code = cmd.ProcessState.ExitCode()
	if code == 1 || code == 2 {
		s.t.Fatalf("the doctor failed: %s", stderr.String())
	}
	return code, lines
}

// bad are the kinds and numbers of what is wrong.
func bad(lines []diagnosis) string {
	var all []string
	for _, d := range lines {
		if d.Level == "bad" {
			all = append(all, strings.TrimSuffix(fmt.Sprintf("%s %d-%d", d.Kind, d.First, d.Last), fmt.Sprintf("-%d", d.First)))
		}
	}
	return strings.Join(all, ", ")
}

// busy makes events: log-ins and failures, as many as are asked for, and a key.
func (s *server) busy(login string, rounds int) {
	s.t.Helper()
	const password = "four quiet horses 1852"
	c := s.client()
	c.register(login, password)
	for i := range rounds {
		c.logout()
		if i < 3 { // from the fifth on the server makes a guesser wait
			c.must(c.post("/login", "login", login, "password", "wrong"), http.StatusUnprocessableEntity)
		}
		c.login(login, password)
	}
	c.must(c.post("/keys", "kind", "age", "name", "zq-name"), http.StatusSeeOther)
}

func logLines(t *testing.T, path string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(bytes.SplitAfter(b, []byte("\n")), func(l []byte) bool { return len(l) == 0 })
}

// TestServerLog_Tampering changes the log that a server wrote, in each way there is, and the doctor names it.
func TestServerLog_Tampering(t *testing.T) {
	t.Parallel()
	heads := filepath.Join(t.TempDir(), "elsewhere", "heads")
	s := newServer(t, "--log-anchor", heads, "--log-anchor-every", "8")
	s.env = append(s.env, "ZENCRYPT_LOG_ANCHOR="+heads)
	s.busy("tampered", 6)
	if code, lines := s.doctor(); code != 0 || bad(lines) != "" { // while it runs
		t.Fatalf("exit %d: %+v", code, lines)
	}
	s.stop()
	path := filepath.Join(s.data, "log", "server.jsonl")
	lines := logLines(t, path)
	last := len(lines)
	if last < 20 {
		t.Fatalf("only %d lines", last)
	}
	if code, said := s.doctor(); code != 0 || bad(said) != "" {
		t.Fatalf("exit %d: %+v", code, said)
	}
	put := func(lines ...[]byte) {
		t.Helper()
		if err := os.WriteFile(path, bytes.Join(lines, nil), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		tamper func() [][]byte
		want   string
		says   string
	}{
		"OneByte": {func() [][]byte {
			l := slices.Clone(lines)
			l[11] = bytes.Replace(l[11], []byte(`"time":"2`), []byte(`"time":"3`), 1)
			return l
		}, "changed 12", "line 12 (number 12) was changed"},
		"OneByteOfAMAC": {func() [][]byte {
			l := slices.Clone(lines)
			l[11] = bytes.Clone(l[11])
			at := len(l[11]) - 10
			if l[11][at] ^= 1; l[11][at] == '"' {
				l[11][at] = 'A'
			}
			return l
		}, "changed 12", "line 12"},
		"OneRemoved": {func() [][]byte { return slices.Delete(slices.Clone(lines), 11, 12) }, "missing 12", "number 12 is missing"},
		"TenRemoved": {func() [][]byte { return slices.Delete(slices.Clone(lines), 5, 15) }, "missing 6-15", "10 lines are missing, numbers 6 to 15"},
		"TwoSwapped": {func() [][]byte {
			l := slices.Clone(lines)
			l[7], l[15] = l[15], l[7]
			return l
		}, "moved 8, moved 16", "were exchanged"},
		"NeighboursSwapped": {func() [][]byte {
			l := slices.Clone(lines)
			l[7], l[8] = l[8], l[7]
			return l
		}, "moved 8, moved 9", "were exchanged"},
		"CutOff":    {func() [][]byte { return lines[:last-3] }, fmt.Sprintf("cut-off %d-%d", last-2, last), "3 lines were cut off at the end"},
		"CutInside": {func() [][]byte { return append(slices.Clone(lines[:last-3]), lines[last-3][:40]) }, fmt.Sprintf("cut-off %d-%d", last-2, last), "3 lines were cut off at the end"},
		"Emptied":   {func() [][]byte { return nil }, fmt.Sprintf("cut-off 1-%d", last), "were cut off"},
		"Repeated":  {func() [][]byte { return slices.Insert(slices.Clone(lines), 11, lines[4]) }, "repeated 5", "repeats number 5"},
	} {
		t.Run(name, func(t *testing.T) {
			put(tt.tamper()...)
			code, said := s.doctor()
			if code != 4 || bad(said) != tt.want {
				t.Fatalf("exit %d, found %q, want 4 and %q", code, bad(said), tt.want)
			}
			if !strings.Contains(fmt.Sprintf("%+v", said), tt.says) {
				t.Errorf("it does not say %q: %+v", tt.says, said)
			}
		})
	}
	t.Run("Deleted", func(t *testing.T) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if code, said := s.doctor(); code != 4 || bad(said) != fmt.Sprintf("cut-off 1-%d", last) {
			t.Fatalf("exit %d, found %q", code, bad(said))
		}
	})
	t.Run("GoesOn", func(t *testing.T) {
		put(lines[:last-3]...)
		s.start() // says so, and serves
		s.busy("later", 1)
		s.stop()
		if !strings.Contains(s.output(), "lines were taken away") {
			t.Error("the start does not tell that lines were taken away")
		}
		if code, said := s.doctor(); code != 4 || bad(said) != fmt.Sprintf("missing %d-%d", last-2, last) {
			t.Fatalf("exit %d, found %q", code, bad(said))
		}
	})
	t.Run("NothingTyped", func(t *testing.T) {
		all := bytes.Join(lines, nil)
		for _, no := range []string{"tampered", "zq-name", "key-made", "127.0.0.1"} {
			if bytes.Contains(all, []byte(no)) {
				t.Errorf("the log holds %q", no)
			}
		}
		for _, yes := range []string{"server-started", "server-stopped", "login-failed", "account-made", `"event":"login"`} {
			if !bytes.Contains(all, []byte(yes)) {
				t.Errorf("the log lacks %s:\n%s", yes, all)
			}
		}
	})
}

// TestServerLog_Killed: a line that a kill cut is recognised and noted, and the chain goes on. The commands that work
// beside a server write into the same log.
func TestServerLog_Killed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.busy("killed", 1)
	s.kill()
	path := filepath.Join(s.data, "log", "server.jsonl")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"seq":99,"time":"2026-`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if code, said := s.doctor(); code != 0 {
		t.Fatalf("before the next start: exit %d, %+v", code, said)
	}
	s.start()
	cmd := exec.Command(binary(t), "user", "add", "--password-file", "-", "--data", s.data, "--secrets", s.secrets, "from-outside")
	cmd.Stdin = strings.NewReader("four quiet horses 1852\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.busy("after", 1)
	s.stop()
	code, said := s.doctor()
	if code != 0 || !strings.Contains(fmt.Sprintf("%+v", said), "a write that was cut, as by a crash") {
		t.Fatalf("exit %d: %+v", code, said)
	}
	b := bytes.Join(logLines(t, path), nil)
	if !bytes.Contains(b, []byte(`"event":"torn"`)) || !bytes.Contains(b, []byte(`"event":"account-made","account":"`)) || !bytes.Contains(b, []byte(`"by":"command line"`)) {
		t.Fatalf("the log lacks what happened:\n%s", b)
	}
}

// TestServerLog_Full: a log that can't be written takes nothing down and is told.
func TestServerLog_Full(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--server-log", "/dev/full")
	s.busy("full", 1)
	if !strings.Contains(s.output(), "the server log is not complete") {
		t.Error("it is not told")
	}
	s.stop()
}

// TestServerLog_Syslog takes heads to a syslog's socket, and the doctor reads what that kept.
func TestServerLog_Syslog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	socket := filepath.Join(dir, "dev-log")
	conn, err := net.ListenPacket("unixgram", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	kept := filepath.Join(dir, "kept")
	done := make(chan int)
	const end = "all has come"
	go func() {
		n, b := 0, make([]byte, 4096)
		for {
			k, _, err := conn.ReadFrom(b)
			if err != nil || string(b[:k]) == end {
				done <- n
				return
			}
			f, err := os.OpenFile(kept, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err == nil {
				_, err = f.Write(append(bytes.TrimRight(b[:k], "\n"), '\n'))
				f.Close()
			}
			if err != nil {
				t.Error(err)
			}
			n++
		}
	}()
	s := newServer(t, "--log-anchor", "syslog:"+socket, "--log-anchor-every", "4")
	s.env = append(s.env, "ZENCRYPT_LOG_ANCHOR=syslog:"+socket)
	s.busy("syslogged", 3)
	s.stop()
	last, err := net.Dial("unixgram", socket) // behind all that the server sent
	if err != nil {
		t.Fatal(err)
	}
	if _, err := last.Write([]byte(end)); err != nil {
		t.Fatal(err)
	}
	last.Close()
	if n := <-done; n < 3 {
		t.Fatalf("%d heads came", n)
	}
	if code, said := s.doctor("--heads", kept); code != 0 || !strings.Contains(fmt.Sprintf("%+v", said), "heads in a second place") {
		t.Fatalf("exit %d: %+v", code, said)
	}
	path := filepath.Join(s.data, "log", "server.jsonl")
	lines := logLines(t, path)
	if err := os.WriteFile(path, bytes.Join(lines[:6], nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, said := s.doctor("--heads", kept); code != 4 || bad(said) != fmt.Sprintf("cut-off 7-%d", len(lines)) {
		t.Fatalf("exit %d, found %q", code, bad(said))
	}
	if code, said := s.doctor(); code != 0 || !strings.Contains(fmt.Sprintf("%+v", said), "no second place of heads was read") {
		t.Fatalf("without what the syslog kept: exit %d: %+v", code, said)
	}
}
