package blobs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// childEnv makes the test binary do one job in a process of its own.
const childEnv = "BLOBS_TEST_CHILD"

func TestMain(m *testing.M) {
	job, dir, _ := strings.Cut(os.Getenv(childEnv), ":")
	switch job {
	case "":
		os.Exit(m.Run())
	case "disk-full":
		childDiskFull(dir)
	case "killed":
		childKilled(dir)
	case "commit":
		childCommit(dir)
	}
	os.Exit(0)
}

func child(t *testing.T, job, dir string, before ...string) *exec.Cmd {
	t.Helper()
	args := append(slices.Clone(before), os.Args[0])
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childEnv+"="+job+":"+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return v
}

func TestWriter_Abort(t *testing.T) {
	s := newStore(t)
	w, err := s.Create(Spool)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(randomBytes(5 * chunk)); err != nil {
		t.Fatal(err)
	}
	if got := names(t, s, Spool); len(got) != 1 || got[0] != w.ID().String()+partSuffix {
		t.Fatalf("while writing the folder has %v", got)
	}
	for range 2 {
		if err := w.Abort(); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, s, Spool); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after Abort: %v", err)
	}
	if _, err := w.Commit(); !errors.Is(err, ErrClosed) {
		t.Errorf("Commit after Abort: %v", err)
	}
	t.Run("AfterCommit", func(t *testing.T) {
		w, err := s.Create(Spool)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := w.Commit()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Abort(); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit(); !errors.Is(err, ErrClosed) {
			t.Errorf("second Commit: %v", err)
		}
		if got, err := get(s, Spool, ref); err != nil || len(got) != 0 {
			t.Errorf("the file is gone: %v", err)
		}
	})
}

func childKilled(dir string) {
	s := must(Open(Options{Dir: dir}))
	for _, a := range []Area{Spool, Blobs} {
		w := must(s.Create(a))
		must(w.Write(randomBytes(5 * chunk)))
	}
	fmt.Println("writing")
	select {}
}

func TestWriter_Killed(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, "killed", dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "writing\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	s := newStore(t, func(o *Options) { o.Dir = dir })
	for _, a := range []Area{Spool, Blobs} {
		if got := names(t, s, a); len(got) != 1 {
			t.Fatalf("the crash left %v in %s, the test wants one", got, a)
		}
		if n, err := s.Sweep(a, func(ID) bool { return true }, 0); n != 1 || err != nil {
			t.Errorf("Sweep of %s: %d, %v", a, n, err)
		}
		if got := names(t, s, a); len(got) != 0 {
			t.Errorf("left in %s: %v", a, got)
		}
	}
}

// assign sets a field of a resource limit, which is signed on FreeBSD and unsigned elsewhere.
func assign[T int64 | uint64](field *T, n int) { *field = T(n) }

// childDiskFull writes under a file size limit, which gives EFBIG as a full
// disk gives ENOSPC. SIGXFSZ, which comes with it, is ignored.
func childDiskFull(dir string) {
	s := must(Open(Options{Dir: dir}))
	signal.Ignore(syscall.SIGXFSZ)
	report := func(what string, err error) {
		left := 0
		for _, a := range []Area{Spool, Blobs} {
			left += len(must(os.ReadDir(s.areas[a].path)))
		}
		fmt.Printf("%s full=%t left=%d\n", what, errors.Is(err, ErrDisk), left)
	}
	var old syscall.Rlimit
	must(0, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	limit := func(n int) {
		now := old
		assign(&now.Cur, n)
		must(0, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now))
	}

	limit(3 * chunk)
	w := must(s.Create(Spool))
	_, err := io.CopyN(w, zeros{}, 10*chunk)
	report("write", err)
	if _, again := w.Write([]byte("x")); again != err {
		fmt.Println("a second write has another error:", again)
	}
	_, err = w.Commit()
	report("commit-after-write", err)

	// The last chunk is written by Commit alone.
	limit(1000)
	w = must(s.Create(Blobs))
	must(w.Write(make([]byte, chunk)))
	_, err = w.Commit()
	report("commit", err)

	limit(10)
	_, err = s.Create(Spool)
	report("create", err)
}

// zeros is an endless reader that costs nothing.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestWriter_DiskFull(t *testing.T) {
	out, err := child(t, "disk-full", t.TempDir()).Output()
	if err != nil {
		t.Fatalf("child: %v", err)
	}
	const want = "write full=true left=0\ncommit-after-write full=true left=0\ncommit full=true left=0\ncreate full=true left=0\n"
	if string(out) != want {
		t.Errorf("child said:\n%swant:\n%s", out, want)
	}
}

// TestStore_FlatMemory writes and reads 256 MiB and looks at the heap on the way.
func TestStore_FlatMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 256 MiB")
	}
	const size, step, bound = 256 << 20, 16 << 20, 8 << 20
	s := newStore(t)
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	base := heap()
	var peak int64
	w, err := s.Create(Spool)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for range size / step {
		if _, err := io.CopyN(w, zeros{}, step); err != nil {
			t.Fatal(err)
		}
		peak = max(peak, heap()-base)
	}
	ref, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(Spool, ref)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range size / step {
		if _, err := io.CopyN(io.Discard, r, step); err != nil {
			t.Fatal(err)
		}
		peak = max(peak, heap()-base)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
	t.Logf("heap grew by at most %d KiB", peak>>10)
	if peak > bound {
		t.Errorf("heap grew by %d bytes over %d bytes of content, want at most %d", peak, size, bound)
	}
}
