package blobs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestStore_Move(t *testing.T) {
	for _, link := range []struct {
		name string
		err  error
	}{{"Link", nil}, {"OtherFileSystem", syscall.EXDEV}, {"NoLinks", syscall.EOPNOTSUPP}} {
		t.Run(link.name, func(t *testing.T) {
			s := newStore(t)
			if link.err != nil {
				s.link = func(from, to string) error { return &os.LinkError{Op: "link", Old: from, New: to, Err: link.err} }
			}
			synced := 0
			s.syncDir = func(f *os.File) error { synced++; return f.Sync() }
			want := randomBytes(chunk + 3)
			ref := put(t, s, Spool, want)
			hourAgo := time.Now().Add(-time.Hour)
			if err := os.Chtimes(filePath(s, Spool, ref.ID), hourAgo, hourAgo); err != nil {
				t.Fatal(err)
			}
			var kept Ref
			for range 2 { // each link is a file of its own
				synced = 0
				last := kept
				var err error
				if kept, err = s.Link(ref, Spool, Blobs); err != nil {
					t.Fatal(err)
				}
				if synced == 0 {
					t.Error("the folder was not synced")
				}
				if last != (Ref{}) {
					if err := s.Remove(Blobs, last.ID); err != nil {
						t.Fatal(err)
					}
				}
				for _, at := range []struct {
					Area
					Ref
				}{{Spool, ref}, {Blobs, kept}} {
					if got, err := get(s, at.Area, at.Ref); err != nil || !bytes.Equal(got, want) {
						t.Fatalf("in %s: %v", at.Area, err)
					}
				}
			}
			// The row is not there yet: the file must count as new.
			if n, err := s.Sweep(Blobs, func(ID) bool { return false }, time.Minute); n != 0 || err != nil {
				t.Fatalf("Sweep removed %d (%v) right after Move", n, err)
			}
			if err := s.Remove(Spool, ref.ID); err != nil {
				t.Fatal(err)
			}
			if got, err := get(s, Blobs, kept); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("after Remove of the source: %v", err)
			}
		})
	}
	t.Run("Missing", func(t *testing.T) {
		if _, err := newStore(t).Link(Ref{ID: newID()}, Spool, Blobs); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v, want fs.ErrNotExist", err)
		}
	})
}

func TestStore_Sweep(t *testing.T) {
	s := newStore(t)
	none := func(ID) bool { return false }
	kept, lost := put(t, s, Spool, []byte("kept")), put(t, s, Spool, []byte("lost"))
	stale := filepath.Join(s.areas[Spool].path, newID().String()+partSuffix)
	foreign := filepath.Join(s.areas[Spool].path, "lost+found")
	for _, path := range []string{stale, foreign} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writing, err := s.Create(Spool)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(Spool, none, time.Hour); n != 0 || err != nil {
		t.Errorf("removed %d young files, %v", n, err)
	}
	if n, err := s.Sweep(Spool, func(id ID) bool { return id == kept.ID }, 0); n != 2 || err != nil {
		t.Errorf("removed %d, %v; want the lost and the stale one", n, err)
	}
	if _, err := s.Open(Spool, lost); err == nil {
		t.Error("the lost file is still there")
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error("a name that is not ours was removed")
	}
	if got := names(t, s, Spool); len(got) != 3 {
		t.Errorf("left: %v; want the kept, the one being written and the foreign one", got)
	}
	ref, err := writing.Commit()
	if err != nil {
		t.Fatalf("a sweep broke an upload: %v", err)
	}
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(filePath(s, Spool, ref.ID), old, old); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Sweep(Spool, none, time.Hour); n != 1 || err != nil {
		t.Errorf("removed %d, %v; want the old one", n, err)
	}
	t.Run("Many", func(t *testing.T) {
		for range 600 { // more than the folder gives at once
			if err := os.WriteFile(filePath(s, Blobs, newID()), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := s.Sweep(Blobs, none, 0); n != 600 || err != nil {
			t.Errorf("removed %d, %v", n, err)
		}
	})
}
