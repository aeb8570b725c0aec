package blobs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestWriter_CommitOrder(t *testing.T) {
	s := newStore(t)
	var order []string
	record := func(f *os.File) error {
		now := names(t, s, Spool)
		order = append(order, fmt.Sprintf("%s while %d part=%t", filepath.Base(f.Name()), len(now), strings.HasSuffix(now[0], partSuffix)))
		return f.Sync()
	}
	s.syncFile, s.syncDir = record, record
	ref := put(t, s, Spool, []byte("content"))
	// Synced under its first name, then renamed, then the folder.
	want := []string{ref.ID.String() + partSuffix + " while 1 part=true", "spool while 1 part=false"}
	if !slices.Equal(order, want) {
		t.Errorf("synced %q, want %q", order, want)
	}
	for _, fail := range []string{"file", "folder"} {
		t.Run("Err"+fail, func(t *testing.T) {
			s := newStore(t)
			broken := func(*os.File) error { return syscall.EIO }
			if fail == "file" {
				s.syncFile = broken
			} else {
				s.syncDir = broken
			}
			w, err := s.Create(Spool)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Commit(); !errors.Is(err, syscall.EIO) {
				t.Errorf("Commit = %v, want the sync's error", err)
			}
			if got := names(t, s, Spool); len(got) != 0 {
				t.Errorf("left: %v", got)
			}
		})
	}
}

func childCommit(dir string) {
	s := must(Open(Options{Dir: dir}))
	w := must(s.Create(Spool))
	must(w.Write(randomBytes(2 * chunk)))
	must(w.Commit())
	fmt.Println("acknowledged")
}

// TestWriter_Strace asks the kernel's side: what was synced, in which order,
// before the child says that the file is safe.
func TestWriter_Strace(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed; TestWriter_CommitOrder checks the order from inside")
	}
	if err := exec.CommandContext(t.Context(), strace, "-o", os.DevNull, "true").Run(); err != nil {
		t.Skipf("strace may not trace here: %v", err)
	}
	dir := t.TempDir()
	log := filepath.Join(t.TempDir(), "strace")
	out, err := child(t, "commit", dir, strace, "-f", "-y", "-s", "64", "-o", log,
		"-e", "trace=write,fsync,fdatasync,rename,renameat,renameat2").Output()
	if err != nil || string(out) != "acknowledged\n" {
		t.Fatalf("child: %q, %v", out, err)
	}
	raw, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	steps := []*regexp.Regexp{
		regexp.MustCompile(`write\(\d+<.*/spool/[0-9a-f]{32}\.part>.*`),
		regexp.MustCompile(`f(data)?sync\(\d+<.*/spool/[0-9a-f]{32}\.part>`),
		regexp.MustCompile(`rename(at2?)?\(.*[0-9a-f]{32}\.part.*[0-9a-f]{32}"`),
		regexp.MustCompile(`fsync\(\d+<.*/spool>`),
		regexp.MustCompile(`write\(1<.*"acknowledged`),
	}
	next := 0
	for line := range strings.Lines(string(raw)) {
		if next < len(steps) && steps[next].MatchString(line) {
			next++
		}
		if next > 1 && steps[0].MatchString(line) {
			t.Errorf("written after the sync: %s", line)
		}
	}
	if next != len(steps) {
		t.Errorf("step %d (%s) is missing or out of order in:\n%s", next, steps[min(next, len(steps)-1)], raw)
	}
}
