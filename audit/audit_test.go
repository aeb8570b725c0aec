package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// world is a log with a second place, under a clock that goes on by a second with each line.
type world struct {
	t     *testing.T
	o     Options
	heads string
	at    time.Time
	told  []error
}

func newWorld(t *testing.T) *world {
	dir := t.TempDir()
	w := &world{t: t, heads: filepath.Join(dir, "second", "heads"), at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	w.o = Options{Path: filepath.Join(dir, "log"), Places: []Place{File{Path: w.heads}}, Every: 10,
		Keys: Keys{Active: "aa", All: map[string]Key{"aa": {MAC: [32]byte{1}, Seed: [32]byte{2}}, "bb": {MAC: [32]byte{3}, Seed: [32]byte{4}}}},
		Now:  func() time.Time { w.at = w.at.Add(time.Second); return w.at }, Report: func(err error) { w.told = append(w.told, err) }}
	return w
}

func (w *world) open() *Log {
	w.t.Helper()
	l, err := Open(w.o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = l.Close() })
	return l
}

func (w *world) add(l *Log, n int) {
	w.t.Helper()
	for i := range n {
		if err := l.Append(Event{Name: "login", Account: fmt.Sprintf("%032x", i), Counts: map[string]int64{"tries": int64(i)}}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// filled is a closed log of 25 lines and more: three heads are in the second place, the last of them of the last line.
func (w *world) filled() [][]byte {
	w.t.Helper()
	l := w.open()
	w.add(l, 25)
	if err := l.Close(); err != nil {
		w.t.Fatal(err)
	}
	r := w.check()
	if len(r.Findings) > 0 || r.Heads != 3 || r.Anchored != r.Last || r.First != 1 || uint64(r.Lines) != r.Last {
		w.t.Fatalf("before anything was touched: %+v", r)
	}
	return w.lines()
}

func (w *world) check() *Report {
	w.t.Helper()
	r, err := Check(w.o.Data, w.o.Path, w.o.Keys, []string{w.heads})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *world) lines() [][]byte {
	b, err := os.ReadFile(w.o.Path)
	if err != nil {
		w.t.Fatal(err)
	}
	return slices.DeleteFunc(bytes.SplitAfter(b, []byte("\n")), func(l []byte) bool { return len(l) == 0 })
}

func (w *world) put(lines ...[]byte) {
	w.t.Helper()
	if err := os.WriteFile(w.o.Path, bytes.Join(lines, nil), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// found are the kinds and numbers of what was found.
func found(r *Report) string {
	var all []string
	for _, f := range r.Findings {
		s := fmt.Sprintf("%s %d", f.Kind, f.First)
		if f.Last != f.First {
			s += fmt.Sprintf("-%d", f.Last)
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

func TestCheck_EveryByte(t *testing.T) {
	w := newWorld(t)
	lines := w.filled()
	const at = 12
	for i := range lines[at] {
		for _, bit := range []byte{1, 0x20, 0x80} {
			changed := slices.Clone(lines)
			changed[at] = bytes.Clone(lines[at])
			changed[at][i] ^= bit
			w.put(changed...)
			r := w.check()
			if len(r.Findings) == 0 {
				t.Fatalf("byte %d of line %d xor %#x: nothing was found", i, at+1, bit)
			}
			f := r.Findings[0]
			named := f.Kind == Changed || f.Kind == NoKey
			if i == len(lines[at])-1 { // its end: it runs into the next
				named = named && f.First == at+1
			} else {
				named = named && f.First == at+1 && f.Line == at+1 && len(r.Findings) == 1
			}
			if changed[at][i] == '\n' { // one line became two
				named = len(r.Findings) > 0 && r.Findings[0].Kind == Changed
			}
			if !named {
				t.Errorf("byte %d of line %d xor %#x: found %s: %+v", i, at+1, bit, found(r), r.Findings)
			}
		}
	}
}

// TestCheck_Pipe: a pipe in the place of the log or of heads is refused, and not waited for, by who adds lines either.
// Heads that a person named may come through one.
func TestCheck_Pipe(t *testing.T) {
	w := newWorld(t)
	pipe, outside := filepath.Join(t.TempDir(), "pipe"), filepath.Join(t.TempDir(), "endless")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Symlink("/dev/zero", outside)); err != nil {
		t.Fatal(err)
	}
	w.filled()
	heads, err := os.ReadFile(w.heads)
	if err != nil {
		t.Fatal(err)
	}
	for _, odd := range []string{pipe, outside} {
		if _, err := Check("", odd, w.o.Keys, nil); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("the log: %v", err)
		}
		if _, err := Check("", w.o.Path, w.o.Keys, []string{odd}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("heads: %v", err)
		}
		o, told := w.o, ""
		o.Places, o.Report = []Place{File{Path: odd}}, func(err error) { told += err.Error() }
		l, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Append(Event{Name: "login"}); err != nil || !strings.Contains(told, "not a regular file") {
			t.Errorf("a line: %v, told %q", err, told)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if _, err := to.Write(heads); err != nil {
		t.Fatal(err)
	}
	_ = to.Close()
	if r, err := Check("", w.o.Path, w.o.Keys, nil, fmt.Sprintf("/dev/fd/%d", from.Fd())); err != nil || r.Heads != 3 {
		t.Errorf("heads through a pipe: %+v, %v", r, err)
	}
}

func TestCheck_Removed(t *testing.T) {
	w := newWorld(t)
	lines := w.filled()
	last := len(lines)
	for i := range lines {
		w.put(slices.Delete(slices.Clone(lines), i, i+1)...)
		want := fmt.Sprintf("missing %d", i+1)
		if i == last-1 {
			want = fmt.Sprintf("cut-off %d", last)
		}
		if got := found(w.check()); got != want {
			t.Errorf("line %d removed: found %q, want %q", i+1, got, want)
		}
	}
	t.Run("Ten", func(t *testing.T) {
		w.put(slices.Delete(slices.Clone(lines), 5, 15)...)
		if got := found(w.check()); got != "missing 6-15" {
			t.Errorf("found %q", got)
		}
	})
	t.Run("TheEnd", func(t *testing.T) {
		for n := 1; n < last; n++ {
			w.put(lines[:n]...)
			want := fmt.Sprintf("cut-off %d-%d", n+1, last)
			if n == last-1 {
				want = fmt.Sprintf("cut-off %d", last)
			}
			if got := found(w.check()); got != want {
				t.Errorf("cut behind line %d: found %q, want %q", n, got, want)
			}
		}
	})
	t.Run("AnyByteOfTheEnd", func(t *testing.T) {
		whole := bytes.Join(lines, nil)
		for n := len(whole) - 2; n > len(whole)-1500; n-- {
			w.put(whole[:n])
			if got := found(w.check()); !strings.HasPrefix(got, "cut-off") || !strings.HasSuffix(got, fmt.Sprint(last)) {
				t.Errorf("cut to %d of %d bytes: found %q", n, len(whole), got)
			}
		}
	})
	t.Run("All", func(t *testing.T) {
		w.put()
		if got := found(w.check()); got != fmt.Sprintf("cut-off 1-%d", last) {
			t.Errorf("emptied: found %q", got)
		}
		if err := os.Remove(w.o.Path); err != nil {
			t.Fatal(err)
		}
		if got := found(w.check()); got != fmt.Sprintf("cut-off 1-%d", last) {
			t.Errorf("deleted: found %q", got)
		}
	})
}

func TestCheck_Swapped(t *testing.T) {
	w := newWorld(t)
	lines := w.filled()
	for i := range lines {
		for j := i + 1; j < len(lines); j++ {
			swapped := slices.Clone(lines)
			swapped[i], swapped[j] = swapped[j], swapped[i]
			w.put(swapped...)
			got := found(w.check())
			one, other := fmt.Sprintf("moved %d", i+1), fmt.Sprintf("moved %d", j+1)
			if got != one+", "+other {
				t.Errorf("lines %d and %d exchanged: found %q", i+1, j+1, got)
			}
		}
	}
	t.Run("Repeated", func(t *testing.T) {
		w.put(slices.Insert(slices.Clone(lines), 20, lines[3])...)
		if got := found(w.check()); got != "repeated 4" {
			t.Errorf("found %q", got)
		}
	})
}

// Who has the server key writes a chain that fits. A head out of reach tells.
func TestCheck_WrittenAnew(t *testing.T) {
	w := newWorld(t)
	w.filled()
	if err := os.Remove(w.o.Path); err != nil {
		t.Fatal(err)
	}
	o := w.o
	o.Places = nil
	forged, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	w.add(forged, 40)
	if err := forged.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := Check(w.o.Data, w.o.Path, w.o.Keys, nil); err != nil || len(r.Findings) > 0 || len(r.Notes) == 0 {
		t.Fatalf("without heads: %+v, %v", r, err)
	}
	if got := found(w.check()); !strings.HasPrefix(got, "replaced 11") {
		t.Fatalf("found %q", got)
	}
	t.Run("HeadChanged", func(t *testing.T) {
		b, err := os.ReadFile(w.heads)
		if err != nil {
			t.Fatal(err)
		}
		b[9] ^= 1 // the first head's number
		if err := os.WriteFile(w.heads, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := found(w.check()); !strings.HasPrefix(got, BadHead) {
			t.Fatalf("found %q", got)
		}
	})
	t.Run("HeadsGone", func(t *testing.T) {
		w := newWorld(t)
		w.filled()
		if err := os.Remove(w.heads); err != nil {
			t.Fatal(err)
		}
		if got := found(w.check()); got != "no-heads 0" {
			t.Fatalf("found %q", got)
		}
	})
}

// A line that a crash cut is told, and the chain goes on.
func TestLog_Torn(t *testing.T) {
	whole := newWorld(t)
	last := whole.filled()
	last = last[len(last)-1:]
	for n := 1; n < len(last[0]); n++ {
		w := newWorld(t)
		w.o.Places = nil
		l := w.open()
		w.add(l, 3)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		lines := w.lines()
		cut := lines[2][:len(lines[2])*n/len(last[0])]
		w.put(lines[0], lines[1], cut)
		before, err := Check(w.o.Data, w.o.Path, w.o.Keys, nil)
		if err != nil || len(before.Findings) > 0 {
			t.Fatalf("cut to %d bytes, before the next start: %s, %v", len(cut), found(before), err)
		}
		l = w.open()
		w.add(l, 2)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := Check(w.o.Data, w.o.Path, w.o.Keys, nil)
		if err != nil || len(r.Findings) > 0 {
			t.Fatalf("cut to %d bytes: %s, %v", len(cut), found(r), err)
		}
		want := uint64(5) // two, the one that tells, two
		switch {
		case len(cut) == 0:
			want = 4
		case len(cut) == len(lines[2])-1: // only its end was lacking
			want = 5
		default:
			if len(r.Notes) == 0 || !strings.Contains(strings.Join(r.Notes, "\n"), "a write that was cut") {
				t.Fatalf("cut to %d bytes: it is not told: %q", len(cut), r.Notes)
			}
		}
		if r.Last != want {
			t.Fatalf("cut to %d bytes: %d lines, want %d", len(cut), r.Last, want)
		}
	}
	t.Run("ChangedLater", func(t *testing.T) {
		w := newWorld(t)
		l := w.open()
		w.add(l, 3)
		_ = l.Close()
		lines := w.lines()
		w.put(append(slices.Clone(lines), []byte(`{"seq":5,"ti`))...)
		l = w.open()
		w.add(l, 1)
		_ = l.Close()
		if r := w.check(); len(r.Findings) > 0 {
			t.Fatalf("found %s", found(r))
		}
		b := bytes.Join(w.lines(), nil)
		w.put(bytes.Replace(b, []byte(`{"seq":5,"ti`+"\n"), []byte(`{"seq":5,"tj`+"\n"), 1))
		if got := found(w.check()); !strings.HasPrefix(got, "changed") {
			t.Fatalf("a torn line that was changed later: found %q", got)
		}
	})
}

// What is done while a line was changed goes on, and the change stays to be found.
func TestLog_GoesOnBehindDamage(t *testing.T) {
	t.Run("LastChanged", func(t *testing.T) {
		w := newWorld(t)
		lines := w.filled()
		last := len(lines)
		changed := slices.Clone(lines)
		changed[last-1] = bytes.Replace(lines[last-1], []byte(`"head"`), []byte(`"heap"`), 1)
		w.put(changed...)
		l := w.open()
		w.add(l, 3)
		_ = l.Close()
		got := found(w.check())
		if !strings.Contains(got, fmt.Sprintf("changed %d", last)) {
			t.Fatalf("found %q", got)
		}
	})
	t.Run("Shortened", func(t *testing.T) {
		w := newWorld(t)
		lines := w.filled()
		last := len(lines)
		w.put(lines[:12]...)
		w.told = nil
		l := w.open()
		w.add(l, 3)
		_ = l.Close()
		if got := found(w.check()); got != fmt.Sprintf("missing 13-%d", last) {
			t.Fatalf("found %q", got)
		}
		if len(w.told) == 0 || !strings.Contains(w.told[0].Error(), "lines were taken away") {
			t.Fatalf("told %v", w.told)
		}
	})
	t.Run("Garbage", func(t *testing.T) {
		w := newWorld(t)
		lines := w.filled()
		last := len(lines)
		w.put(append(slices.Clone(lines), bytes.Repeat([]byte("x"), 300<<10))...)
		l := w.open()
		w.add(l, 3)
		_ = l.Close()
		r := w.check()
		if r.Last != uint64(last+5) || len(r.Findings) > 0 || len(r.Notes) == 0 {
			t.Fatalf("%d lines, found %q, notes %q", r.Last, found(r), r.Notes)
		}
	})
}

func TestLog_KeyRotated(t *testing.T) {
	w := newWorld(t)
	w.filled()
	w.o.Keys.Active = "bb"
	l := w.open()
	w.add(l, 12)
	_ = l.Close()
	if r := w.check(); len(r.Findings) > 0 || r.Heads < 4 {
		t.Fatalf("found %s", found(r))
	}
	delete(w.o.Keys.All, "aa")
	r := w.check()
	if len(r.Findings) == 0 || !strings.Contains(found(r), NoKey) {
		t.Fatalf("without the older key: found %q", found(r))
	}
}

func TestLog_Pruned(t *testing.T) {
	w := newWorld(t)
	lines := w.filled()
	w.o.Keep = time.Hour
	l := w.open()
	l.Tick()
	if len(w.lines()) != len(lines) {
		t.Fatal("lines were forgotten too early")
	}
	w.at = w.at.Add(50 * time.Minute)
	w.add(l, 12)
	w.at = w.at.Add(20 * time.Minute) // the first 28 are older than an hour and an eighth
	l.Tick()
	w.add(l, 5)
	left := w.lines()
	if len(left) >= len(lines) {
		t.Fatalf("%d lines are left", len(left))
	}
	r := w.check()
	if len(r.Findings) > 0 || r.First <= 20 {
		t.Fatalf("found %s; first is %d", found(r), r.First)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Run("MoreTakenFromTheBeginning", func(t *testing.T) {
		all := w.lines()
		w.put(all[2:]...)
		if got := found(w.check()); !strings.HasPrefix(got, "missing") {
			t.Fatalf("found %q", got)
		}
	})
}

// Several processes add to one file: each here has its own open log.
func TestLog_Shared(t *testing.T) {
	w := newWorld(t)
	w.o.Now = time.Now
	var logs [3]*Log
	for i := range logs {
		logs[i] = w.open()
	}
	var all sync.WaitGroup
	for _, l := range logs {
		for range 2 {
			all.Go(func() {
				for range 40 {
					if err := l.Append(Event{Name: "login"}); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	for _, l := range logs {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	r := w.check()
	if len(r.Findings) > 0 || r.Lines < 240 {
		t.Fatalf("%d lines, found %s", r.Lines, found(r))
	}
}

// A log that can't be written says so, takes nothing down, and tells later how much is lost.
func TestLog_CannotWrite(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	w.add(l, 1)
	good := l.file
	readOnly, err := os.Open(w.o.Path)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	l.file = readOnly
	l.mu.Unlock()
	for range 3 {
		if err := l.Append(Event{Name: "login"}); err == nil {
			t.Fatal("it was written to a file open for reading")
		}
	}
	if len(w.told) != 1 || !strings.Contains(w.told[0].Error(), "write server log") {
		t.Fatalf("told %v, want it once", w.told)
	}
	l.mu.Lock()
	l.file = good
	l.mu.Unlock()
	w.add(l, 1)
	_ = l.Close()
	if r := w.check(); len(r.Findings) > 0 {
		t.Fatalf("found %s", found(r))
	}
	if b := bytes.Join(w.lines(), nil); !bytes.Contains(b, []byte(`"event":"lost","counts":{"lines":3}`)) {
		t.Fatalf("the loss is not told: %s", b)
	}
	t.Run("NotThere", func(t *testing.T) {
		w := newWorld(t)
		folder := filepath.Dir(w.o.Path)
		w.o.Path = filepath.Join(folder, "file", "log")
		if err := os.WriteFile(filepath.Join(folder, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		l := w.open()
		if err := l.Append(Event{Name: "login"}); err == nil || len(w.told) == 0 {
			t.Fatal("a folder that is a file was taken")
		}
		if err := os.Remove(filepath.Join(folder, "file")); err != nil {
			t.Fatal(err)
		}
		w.add(l, 1)
		_ = l.Close()
		if b := bytes.Join(w.lines(), nil); !bytes.Contains(b, []byte(`"event":"lost","counts":{"lines":1}`)) {
			t.Fatalf("%s", b)
		}
	})
	t.Run("SecondPlace", func(t *testing.T) {
		w := newWorld(t)
		w.o.Places = []Place{broken{}, File{Path: w.heads}}
		l := w.open()
		w.add(l, 11)
		_ = l.Close()
		if !bytes.Contains(bytes.Join(w.lines(), nil), []byte("head-failed")) {
			t.Fatal("the log does not tell that a head failed")
		}
		r := w.check()
		if len(r.Findings) > 0 || r.Heads == 0 || len(w.told) == 0 {
			t.Fatalf("found %s, %d heads, told %v", found(r), r.Heads, w.told)
		}
	})
	t.Run("Hangs", func(t *testing.T) {
		w := newWorld(t)
		release := make(chan struct{})
		w.o.Places = []Place{stuck(release)}
		l := w.open()
		w.add(l, 2*DefaultEvery) // nobody waits for the place
		close(release)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if r, err := Check(w.o.Data, w.o.Path, w.o.Keys, nil); err != nil || len(r.Findings) > 0 {
			t.Fatalf("found %s, %v", found(r), err)
		}
	})
}

// stuck takes nothing until it is released.
type stuck chan struct{}

func (s stuck) Write([]byte) error { <-s; return nil }
func (s stuck) String() string     { return "a place that hangs" }

type broken struct{}

func (broken) Write([]byte) error { return errors.New("not reachable") }
func (broken) String() string     { return "a broken place" }

// What the package's comments and docs/FORMAT.md say, put together by hand.
func TestLog_Layout(t *testing.T) {
	w := newWorld(t)
	l := w.open()
	if err := l.Append(Event{Name: "server-started", Info: map[string]string{"version": "7"}}); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	text := strings.TrimSuffix(string(w.lines()[0]), "\n")
	zeros := strings.Repeat("A", 43)
	body := `{"seq":1,"time":"2026-03-01T12:00:02Z","event":"server-started","info":{"version":"7"},"key":"aa","prev":"` + zeros + `"}`
	m := macOf(w.o.Keys.All["aa"], []byte(body))
	if want := strings.TrimSuffix(body, "}") + `,"mac":"` + m.String() + `"}`; text != want {
		t.Fatalf("the line is\n%s, want\n%s", text, want)
	}
	var any map[string]any
	if err := json.Unmarshal([]byte(text), &any); err != nil {
		t.Fatal(err)
	}
}

func TestKey_Redacts(t *testing.T) {
	k := Key{MAC: [32]byte{83, 83, 83}, Seed: [32]byte{83, 83}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%d"} {
		if s := fmt.Sprintf(verb, k); strings.Contains(s, "83") || strings.Contains(s, "53") {
			t.Errorf("%s prints %s", verb, s)
		}
	}
	if b, err := json.Marshal(map[string]any{"k": k}); err != nil || bytes.Contains(b, []byte("83")) {
		t.Errorf("%s, %v", b, err)
	}
}
