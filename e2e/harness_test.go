//go:build linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 2 * time.Minute // from exec to the line with the address
	stopTimeout  = time.Minute     // the program itself gives running requests 10 s
)

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(binaryDir())
	os.Exit(code)
}

// binaryDir is this test process's own place for the program.
func binaryDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("zencrypt-e2e-%d", os.Getpid()))
}

// builtBinary builds the program once for all tests, as `./task build` does.
var builtBinary = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(binaryDir(), "zencrypt")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", bin, "zencrypt")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return bin, nil
})

// binary is the path of the built program.
func binary(t testing.TB) string {
	t.Helper()
	bin, err := builtBinary()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// missing says which program or file a test can't do without: it skips, but fails under CI.
func missing(t testing.TB, what, leftOut string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not here, and CI needs it for: %s", what, leftOut)
	}
	t.Skipf("left out, for want of %s: %s", what, leftOut)
}

// program returns the path of a program that a test drives, or ends the test with [missing].
func program(t testing.TB, name, leftOut string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name, leftOut)
	}
	return path
}

// server is one installation, whose process may be stopped, killed and started
// again: data and secrets stay. Its address stays the same too.
type server struct {
	t             testing.TB
	data, secrets string
	url           string // http://127.0.0.1:PORT, known after the first start
	args, env     []string
	bin           string   // the program, where it is another build than people get
	under         []string // a program that starts the server, with its arguments: prlimit
	origin        string   // what --origin says instead, where a test gives it
	metrics       string   // the socket that tells its metrics, where a test asked for one

	cmd  *exec.Cmd
	out  *output
	done chan error // gets the process's end
	logs strings.Builder
}

// newServer starts the program in fresh folders. args are further flags of serve.
func newServer(t testing.TB, args ...string) *server {
	t.Helper()
	dir := t.TempDir()
	s := &server{
		t: t, data: filepath.Join(dir, "data"), secrets: filepath.Join(dir, "secrets"), args: args,
		// All stacks, for quit. And nothing of the caller's own configuration.
		env: []string{"GOTRACEBACK=all"},
	}
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("the server's output:\n%s", tail(s.output(), 8000))
		}
	})
	s.start()
	return s
}

// start runs the program and waits until it has said where it listens.
func (s *server) start() {
	s.t.Helper()
	if s.cmd != nil {
		s.t.Fatal("start: it runs already")
	}
	s.run(s.command())
}

// command is what starts the program.
func (s *server) command() *exec.Cmd {
	s.t.Helper()
	addr := "127.0.0.1:0"
	if s.url != "" {
		addr = strings.TrimPrefix(s.url, "http://")
	}
	bin := s.bin
	if bin == "" {
		bin = binary(s.t)
	}
	line := slices.Concat(s.under, []string{bin, "serve", "--addr", addr, "--data", s.data, "--secrets", s.secrets}, s.args)
	return exec.Command(line[0], line[1:]...)
}

// dress gives cmd what every process of this server has.
func (s *server) dress(cmd *exec.Cmd, out io.Writer) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "ZENCRYPT_") && !strings.HasPrefix(v, "CREDENTIALS_DIRECTORY=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, s.env...)
	cmd.Dir = filepath.Dir(s.data)
	cmd.Stdout, cmd.Stderr = out, out
	// No server outlives a test process that was killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// run starts cmd as this server's process. Apart from start only for tests of this harness.
func (s *server) run(cmd *exec.Cmd) {
	s.t.Helper()
	s.out = &output{found: make(chan string, 1), origin: s.origin}
	s.dress(cmd, s.out)
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start the server: %v", err)
	}
	s.cmd, s.done = cmd, make(chan error, 1)
	go func(done chan<- error) { done <- cmd.Wait() }(s.done)
	select {
	case s.url = <-s.out.found:
	case err := <-s.done:
		s.ended()
		s.t.Fatalf("the server ended before it listened: %v\n%s", err, s.output())
	case <-time.After(startTimeout):
		s.kill()
		s.t.Fatalf("the server said no address within %v:\n%s", startTimeout, s.output())
	}
}

// signal sends sig and waits for the process to end; its error is that of [exec.Cmd.Wait].
func (s *server) signal(sig os.Signal) error {
	s.t.Helper()
	if s.cmd == nil {
		s.t.Fatal("the server does not run")
	}
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Fatalf("signal the server: %v", err)
	}
	select {
	case err := <-s.done:
		s.ended()
		return err
	case <-time.After(stopTimeout):
		s.kill()
		s.t.Fatalf("the server was still there %v after %v", stopTimeout, sig)
		return nil
	}
}

// stop ends the server with SIGTERM. Anything but exit code 0 fails the test.
func (s *server) stop() {
	s.t.Helper()
	if err := s.signal(syscall.SIGTERM); err != nil {
		s.t.Fatalf("the server did not stop well: %v\n%s", err, s.output())
	}
}

// kill ends the server with SIGKILL, if it runs.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Kill()
	<-s.done
	s.ended()
}

// quit ends the server with SIGQUIT and returns how many goroutines it had and all their stacks.
func (s *server) quit() (goroutines int, stacks string) {
	s.t.Helper()
	before := len(s.output())
	_ = s.signal(syscall.SIGQUIT) // exit code 2 is how Go ends here
	stacks = s.output()[before:]
	return len(regexp.MustCompile(`(?m)^goroutine \d+ .*\[`).FindAllString(stacks, -1)), stacks
}

// restart stops and starts the server: same data, same address, empty memory.
func (s *server) restart() {
	s.t.Helper()
	s.stop()
	s.start()
}

func (s *server) ended() {
	s.logs.WriteString(s.out.String())
	s.cmd, s.out = nil, nil
}

// output is all that the server has written since newServer, to both streams and over restarts.
func (s *server) output() string {
	if s.out == nil {
		return s.logs.String()
	}
	return s.logs.String() + s.out.String()
}

// waitReady waits until the server answers GET /readyz with 200.
func (s *server) waitReady() {
	s.t.Helper()
	eventually(s.t, startTimeout, "GET /readyz is 200", func() bool {
		resp, err := http.Get(s.url + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// memory returns the process's resident memory in bytes: now, and at its highest since it started.
func (s *server) memory() (rss, peak int64) {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatalf("read the server's memory: %v", err)
	}
	field := func(name string) (kib int64) {
		_, rest, ok := strings.Cut(string(status), "\n"+name+":")
		if _, err := fmt.Sscanf(rest, "%d kB", &kib); !ok || err != nil {
			s.t.Fatalf("read the server's memory: no %s (%v)", name, err)
		}
		return kib << 10
	}
	return field("VmRSS"), field("VmHWM")
}

// openFiles is what the server's descriptors point at, sorted: paths, sockets, pipes.
func (s *server) openFiles() []string {
	s.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrPermission) {
		missing(s.t, "root (the process lets nobody else look)", "which files the server has open")
	}
	if err != nil {
		s.t.Fatalf("list the server's open files: %v", err)
	}
	var names []string
	for _, e := range entries {
		if name, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// output collects both streams of a process and finds the address in them.
type output struct {
	mu    sync.Mutex
	text  strings.Builder
	found chan string
	said  bool

	origin string // to wait for in place of an address of this machine
}

var addressLine = regexp.MustCompile(`http://127\.0\.0\.1:[1-9]\d*\b[^\n]*\n`)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(p)
	if o.origin != "" {
		if !o.said && strings.Contains(o.text.String(), o.origin+"\n") {
			o.said = true
			o.found <- o.origin
		}
	} else if line := addressLine.FindString(o.text.String()); line != "" && !o.said {
		o.said = true
		o.found <- regexp.MustCompile(`^http://127\.0\.0\.1:\d+`).FindString(line)
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// eventually asks until ok, and fails the test with what when that takes longer than limit.
func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not so after %v: %s", limit, what)
		case <-tick.C:
		}
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

var _ io.Writer = (*output)(nil)
