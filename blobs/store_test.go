package blobs

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const chunk = 64 << 10 // plaintext bytes in a chunk of the wrap

func newStore(t *testing.T, change ...func(*Options)) *Store {
	t.Helper()
	o := Options{Dir: filepath.Join(t.TempDir(), "data")}
	for _, f := range change {
		f(&o)
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func put(t *testing.T, s *Store, a Area, content []byte) Ref {
	t.Helper()
	w, err := s.Create(a)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	ref, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func get(s *Store, a Area, ref Ref) ([]byte, error) {
	r, err := s.Open(a, ref)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// names lists an area's folder.
func names(t *testing.T, s *Store, a Area) []string {
	t.Helper()
	entries, err := os.ReadDir(s.areas[a].path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func filePath(s *Store, a Area, id ID) string {
	return filepath.Join(s.areas[a].path, id.String())
}

func TestStore_RoundTrip(t *testing.T) {
	s := newStore(t)
	for _, n := range []int{0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 20*chunk + 17} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			want := randomBytes(n)
			ref := put(t, s, Blobs, want)
			if ref.Size != int64(n) {
				t.Errorf("Ref.Size = %d, want %d", ref.Size, n)
			}
			info, err := os.Stat(filePath(s, Blobs, ref.ID))
			if err != nil {
				t.Fatal(err)
			}
			if info.Size() != ref.Disk {
				t.Errorf("Ref.Disk = %d, the file has %d", ref.Disk, info.Size())
			}
			got, err := get(s, Blobs, ref)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("read %d bytes, err %v; want the %d written", len(got), err, n)
			}
			r, err := s.Open(Blobs, ref)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if r.Size() != int64(n) {
				t.Errorf("Reader.Size = %d, want %d", r.Size(), n)
			}
			// From the end to the start, across chunk borders.
			for off := n - 1; off >= 0; off -= max(1, n/7) {
				p := make([]byte, min(chunk+5, n-off))
				if m, err := r.ReadAt(p, int64(off)); m != len(p) || (err != nil && err != io.EOF) {
					t.Fatalf("ReadAt(%d bytes, %d) = %d, %v", len(p), off, m, err)
				}
				if !bytes.Equal(p, want[off:off+len(p)]) {
					t.Fatalf("ReadAt(%d) gives other bytes", off)
				}
			}
			if _, err := r.ReadAt(make([]byte, 1), int64(n)); err != io.EOF {
				t.Errorf("ReadAt at the end: %v, want EOF", err)
			}
			if n > 32 {
				raw, _ := os.ReadFile(filePath(s, Blobs, ref.ID))
				if bytes.Contains(raw, want[:32]) || bytes.Contains(raw, ref.Key[:]) {
					t.Error("content or key in the file")
				}
			}
		})
	}
}

func TestStore_Modes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(filepath.Join(dir, "spool"), 0o777); err != nil {
		t.Fatal(err)
	}
	s := newStore(t, func(o *Options) { o.Dir = dir })
	w, err := s.Create(Spool)
	if err != nil {
		t.Fatal(err)
	}
	check := func(path string, want fs.FileMode) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
	check(filepath.Join(dir, "spool"), 0o700)
	check(filepath.Join(dir, "blobs"), 0o700)
	check(filePath(s, Spool, w.ID())+partSuffix, 0o600)
	if _, err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	check(filePath(s, Spool, w.ID()), 0o600)
}

// damaged wants ErrDamaged from Open or from a Read, and no wrong byte before it.
func damaged(t *testing.T, s *Store, a Area, ref Ref, want []byte, what string) {
	t.Helper()
	got, err := get(s, a, ref)
	if !errors.Is(err, ErrDamaged) {
		t.Fatalf("%s: error %v, want ErrDamaged", what, err)
	}
	if !bytes.HasPrefix(want, got) {
		t.Fatalf("%s: gave out bytes that were never written", what)
	}
	if r, err := s.Open(a, ref); err == nil {
		defer r.Close()
		all := make([]byte, r.Size())
		if _, err := r.ReadAt(all, 0); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%s: ReadAt error %v, want ErrDamaged", what, err)
		}
	}
}

func TestStore_Open(t *testing.T) {
	s := newStore(t)
	small := []byte("twelve bytes")
	ref := put(t, s, Spool, small)
	path := filePath(s, Spool, ref.ID)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(t *testing.T, path string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("FlippedBit", func(t *testing.T) {
		for i := range raw {
			for bit := range 8 {
				b := bytes.Clone(raw)
				b[i] ^= 1 << bit
				write(t, path, b)
				damaged(t, s, Spool, ref, small, fmt.Sprintf("bit %d of byte %d", bit, i))
			}
		}
	})
	t.Run("Truncated", func(t *testing.T) {
		for n := range raw {
			write(t, path, raw[:n])
			damaged(t, s, Spool, ref, small, fmt.Sprintf("%d bytes left", n))
		}
	})
	t.Run("Longer", func(t *testing.T) {
		write(t, path, append(bytes.Clone(raw), 0))
		damaged(t, s, Spool, ref, small, "a byte added")
	})
	t.Run("Swapped", func(t *testing.T) {
		other := put(t, s, Spool, []byte("other twelve"))
		b, err := os.ReadFile(filePath(s, Spool, other.ID))
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, b)
		damaged(t, s, Spool, ref, small, "another file")
		write(t, path, raw)
		wrong := ref
		wrong.Key = other.Key
		damaged(t, s, Spool, wrong, small, "another key")
		wrong = ref
		wrong.Size++
		damaged(t, s, Spool, wrong, small, "another size")
	})
	t.Run("Whole", func(t *testing.T) {
		write(t, path, raw)
		if got, err := get(s, Spool, ref); err != nil || !bytes.Equal(got, small) {
			t.Fatalf("%q, %v", got, err)
		}
	})
	t.Run("Chunks", func(t *testing.T) {
		want := randomBytes(3*chunk + 9)
		ref := put(t, s, Spool, want)
		path := filePath(s, Spool, ref.ID)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		const sealed = chunk + 16
		header := len(raw) - 3*sealed - 9 - 16
		b := bytes.Clone(raw)
		copy(b[header:], raw[header+sealed:header+2*sealed])
		copy(b[header+sealed:], raw[header:header+sealed])
		write(t, path, b)
		damaged(t, s, Spool, ref, want, "two chunks exchanged")
		for n := 1; n <= 3; n++ {
			write(t, path, raw[:header+n*sealed])
			damaged(t, s, Spool, ref, want, fmt.Sprintf("cut after chunk %d", n))
		}
		b = bytes.Clone(raw)
		b[header+2*sealed+5] ^= 1
		write(t, path, b)
		got, err := get(s, Spool, ref)
		if !errors.Is(err, ErrDamaged) || len(got) != 2*chunk || !bytes.HasPrefix(want, got) {
			t.Errorf("third chunk changed: %d bytes, %v; want the two whole chunks and ErrDamaged", len(got), err)
		}
	})
	t.Run("Missing", func(t *testing.T) {
		if _, err := s.Open(Blobs, ref); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrDamaged) {
			t.Errorf("error %v, want fs.ErrNotExist", err)
		}
	})
	t.Run("TouchedWhileOpen", func(t *testing.T) {
		want := randomBytes(12 * chunk) // more than is read ahead
		ref := put(t, s, Spool, want)
		r, err := s.Open(Spool, ref)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := io.ReadFull(r, make([]byte, chunk)); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filePath(s, Spool, ref.ID), 2*chunk); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); !errors.Is(err, ErrDamaged) {
			t.Errorf("error %v, want ErrDamaged", err)
		}
	})
}

func TestStore_Remove(t *testing.T) {
	s := newStore(t)
	want := randomBytes(3 * chunk)
	ref := put(t, s, Spool, want)
	r, err := s.Open(Spool, ref)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 2 {
		if err := s.Remove(Spool, ref.ID); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, s, Spool); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
		t.Errorf("a reader that was open: %d bytes, %v", len(got), err)
	}
}

func TestRef_Format(t *testing.T) {
	ref := Ref{ID: newID(), Size: 3}
	copy(ref.Key[:], "unique-key-bytes")
	row := struct{ R *Ref }{&ref}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		out := fmt.Sprintf(verb, ref) + fmt.Sprintf(verb, row)
		for _, bad := range []string{"unique-key", fmt.Sprintf("%x", ref.Key), fmt.Sprintf("%d", ref.Key), "0x75, 0x6e"} {
			if strings.Contains(out, bad) {
				t.Errorf("%s prints the key: %s", verb, out)
			}
		}
	}
}

func TestParseID(t *testing.T) {
	id := newID()
	if got, err := ParseID(id.String()); err != nil || got != id {
		t.Errorf("ParseID(%s) = %s, %v", id, got, err)
	}
	for _, bad := range []string{"", "00", "../../../../../../../etc/passwd", strings.Repeat("0", 33), strings.Repeat("g", 32), strings.Repeat("A", 32)} {
		if _, err := ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) accepts it", bad)
		}
	}
}
