package audit

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// removed is a log whose older server key went after it was vouched for, and that went on under the newer one. Its first
// lines are of the key that is gone.
func removed(t *testing.T) *world {
	w := newWorld(t)
	w.filled()
	w.o.Keys.Active = "bb"
	l := w.open()
	w.add(l, 3)
	if err := l.Vouch("aa"); err != nil {
		t.Fatal(err)
	}
	if err := l.Vouch("cc"); err != nil { // of which there are no lines
		t.Fatal(err)
	}
	delete(w.o.Keys.All, "aa")
	w.add(l, 3)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestVouch(t *testing.T) {
	w := removed(t)
	r := w.check()
	if len(r.Findings) > 0 || r.First != 1 || uint64(r.Lines) != r.Last || r.Anchored != r.Last {
		t.Fatalf("found %q in %+v", found(r), r)
	}
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "numbers 1 to 28 are as they were when their server key aa was removed") ||
		!strings.Contains(notes, "3 heads in ") || strings.Contains(notes, "cc") {
		t.Errorf("notes: %s", notes)
	}
	lines := w.lines()
	for name, change := range map[string]func(lines [][]byte) [][]byte{
		"changed":   func(l [][]byte) [][]byte { l[5] = bytes.Replace(l[5], []byte("login"), []byte("logim"), 1); return l },
		"taken":     func(l [][]byte) [][]byte { return slices.Delete(l, 5, 6) },
		"firsts":    func(l [][]byte) [][]byte { return l[3:] },
		"exchanged": func(l [][]byte) [][]byte { l[5], l[6] = l[6], l[5]; return l },
		"doubled":   func(l [][]byte) [][]byte { return slices.Insert(l, 5, l[4]) },
		"madeup": func(l [][]byte) [][]byte {
			return slices.Insert(l, 5, bytes.Replace(l[4], []byte("login"), []byte("lagin"), 1))
		},
		"voucher": func(l [][]byte) [][]byte {
			return slices.DeleteFunc(l, func(x []byte) bool { return bytes.Contains(x, []byte(eventKeyGone)) })
		},
	} {
		changed := change(slices.Clone(lines))
		for i := range changed {
			changed[i] = slices.Clone(changed[i])
		}
		w.put(changed...)
		if got := found(w.check()); got == "" {
			t.Errorf("%s: nothing found", name)
		} else if name == "changed" && !strings.Contains(got, "changed 1-28") {
			t.Errorf("%s: found %q", name, got)
		}
	}
}

// Lines whose key went are forgotten at their time, some at a time, and what is left is proven all the while.
func TestVouch_Pruned(t *testing.T) {
	w := removed(t)
	l := w.open()
	all := len(w.lines())
	// The lines of the older key have a second between them: the limit moves into the middle of them.
	first, err := l.oldest()
	if err != nil || first.IsZero() {
		t.Fatal(first, err)
	}
	l.o.Now = func() time.Time { return w.at }
	w.at = first.Add(20 * time.Second)
	if at, last, err := l.cut(first.Add(10*time.Second), nil); err == nil {
		t.Fatalf("lines whose key is gone are forgotten without one that vouches for them: %d, %v", at, last)
	}
	l.o.Keep = 10 * time.Second
	l.Tick()
	left := len(w.lines())
	r := w.check()
	if left >= all || len(r.Findings) > 0 || r.First <= 5 || r.First >= 25 {
		t.Fatalf("%d of %d lines are left, first is %d, found %q; told %v", left, all, r.First, found(r), w.told)
	}
	lines := w.lines()
	changed := slices.Clone(lines)
	changed[1] = bytes.Replace(changed[1], []byte("login"), []byte("logim"), 1)
	w.put(changed...)
	if got := found(w.check()); !strings.Contains(got, "changed") {
		t.Errorf("a line changed after that: found %q", got)
	}
	w.put(lines...)
	// All of them.
	w.at = w.at.Add(time.Hour)
	w.add(l, 3)
	l.Tick()
	w.at = w.at.Add(time.Hour) // what vouched for them goes, too
	w.add(l, 3)
	l.Tick()
	if r = w.check(); len(r.Findings) > 0 || r.First <= 28 || r.Lines == 0 {
		t.Fatalf("first is %d of %d, found %q; told %v", r.First, r.Lines, found(r), w.told)
	}
}

// Keys go one after another, and a lost one: what vouches for the first stands among the lines of the second.
func TestVouch_OneAfterAnother(t *testing.T) {
	w := removed(t)
	w.o.Keys.All["cc"] = Key{MAC: [32]byte{5}, Seed: [32]byte{6}}
	w.o.Keys.Active = "cc"
	l := w.open()
	if err := l.Vouch("bb"); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	delete(w.o.Keys.All, "bb")
	if r := w.check(); len(r.Findings) > 0 || r.First != 1 || uint64(r.Lines) != r.Last {
		t.Fatalf("found %q in %+v", found(r), r)
	}
	// The last key is lost: the numbers go on, and it is told that nobody could check its lines.
	delete(w.o.Keys.All, "cc")
	w.o.Keys = Keys{Active: "dd", All: map[string]Key{"dd": {MAC: [32]byte{7}, Seed: [32]byte{8}}}, Lost: []string{"cc"}}
	before := w.check()
	if len(before.Findings) == 0 {
		t.Fatal("nothing found without the key")
	}
	l = w.open()
	if err := l.Vouch("cc"); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	w.o.Keys.Lost = nil
	r := w.check()
	if found(r) == "" || strings.Contains(found(r), Changed) || strings.Contains(found(r), Repeated) || uint64(r.Lines) != r.Last || r.First != 1 {
		t.Fatalf("found %q in %+v", found(r), r)
	}
}
