package backup_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zencrypt/backup"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123, time.UTC)

func id(n int) string { return fmt.Sprintf("%032x", n) }

// content is what blob n holds: empty, a little, and more than a block of tar.
func content(n int) string { return strings.Repeat(string(rune('a'+n%26)), n*37) }

type sink interface {
	Has(id string) bool
	Add(name string, size int64, src io.Reader) error
	Finish(h backup.Head, needed func(id string) bool) (*backup.Manifest, error)
}

// fill writes a backup of the blobs from..to, all but the last of which the database names.
func fill(t testing.TB, s sink, from, to int) *backup.Manifest {
	t.Helper()
	for n := from; n < to; n++ {
		if s.Has(id(n)) {
			continue
		}
		if err := s.Add(backup.BlobName(id(n)), int64(len(content(n))), strings.NewReader(content(n))); err != nil {
			t.Fatal(err)
		}
	}
	db := fmt.Sprintf("database of %d", to)
	if err := s.Add(backup.Database, int64(len(db)), strings.NewReader(db)); err != nil {
		t.Fatal(err)
	}
	m, err := s.Finish(backup.Head{Version: "1 <test>", Migration: "20260101", ServerKeys: []string{"0011"}}, func(name string) bool { return name != id(to-1) })
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newArchive(t testing.TB) []byte {
	var b bytes.Buffer
	fill(t, backup.NewArchive(&b, noon), 0, 4)
	return b.Bytes()
}

// taken collects what a reader hands on.
type taken map[string]*bytes.Buffer

func (k taken) accept(name string, _ int64) (io.WriteCloser, error) {
	k[name] = new(bytes.Buffer)
	return struct {
		io.Writer
		io.Closer
	}{k[name], io.NopCloser(nil)}, nil
}

func (k taken) want(t *testing.T, from, to, db int) {
	t.Helper()
	want := map[string]string{backup.Database: fmt.Sprintf("database of %d", db)}
	for n := from; n < to; n++ {
		want[backup.BlobName(id(n))] = content(n)
	}
	if len(k) != len(want) {
		t.Errorf("got %d files, want %d: %q", len(k), len(want), slices.Sorted(maps.Keys(k)))
	}
	for name, text := range want {
		if got := k[name]; got == nil || got.String() != text {
			t.Errorf("%s is not what was backed up", name)
		}
	}
}

func TestArchive(t *testing.T) {
	got := taken{}
	m, err := backup.ReadArchive(bytes.NewReader(newArchive(t)), got.accept)
	if err != nil {
		t.Fatal(err)
	}
	got.want(t, 0, 4, 4)
	if m.Version != "1 <test>" || !slices.Equal(m.ServerKeys, []string{"0011"}) || !m.Time.Equal(noon.Truncate(time.Second)) {
		t.Errorf("head: %+v", m.Head)
	}
	for _, f := range m.Files {
		if f.Spare != (f.Name == backup.BlobName(id(3))) {
			t.Errorf("%s: spare %v", f.Name, f.Spare)
		}
	}
}

// TestArchive_Tar reads an archive as any tar does.
func TestArchive_Tar(t *testing.T) {
	r := tar.NewReader(bytes.NewReader(newArchive(t)))
	var names []string
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	want := []string{"blobs/" + id(0), "blobs/" + id(1), "blobs/" + id(2), "blobs/" + id(3), "zencrypt.db", "manifest.jsonl"}
	if !slices.Equal(names, want) {
		t.Errorf("got %q", names)
	}
}

// TestArchive_EveryByte changes each byte, padding included, by two bits of it one after the other.
func TestArchive_EveryByte(t *testing.T) {
	b := newArchive(t)
	for i := range b {
		for _, bit := range []int{i % 8, 5} { // 5 turns a NUL into a space, which tar takes alike
			b[i] ^= 1 << bit
			if _, err := backup.ReadArchive(bytes.NewReader(b), nil); !refused(err) {
				t.Fatalf("bit %d of byte %d of %d: %v", bit, i, len(b), err)
			}
			b[i] ^= 1 << bit
		}
	}
	if _, err := backup.ReadArchive(bytes.NewReader(b), nil); err != nil {
		t.Fatalf("unchanged: %v", err)
	}
}

// refused tells whether an error is one of a backup that is not what it was.
func refused(err error) bool {
	return errors.Is(err, backup.ErrDamaged) || errors.Is(err, backup.ErrFormat) || errors.Is(err, backup.ErrNewer)
}

func TestArchive_CutOrLonger(t *testing.T) {
	b := newArchive(t)
	for n := range b {
		if _, err := backup.ReadArchive(bytes.NewReader(b[:n]), nil); !refused(err) {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(b), err)
		}
	}
	for _, more := range []string{"\x00", strings.Repeat("\x00", 512), "x", string(b)} {
		if _, err := backup.ReadArchive(strings.NewReader(string(b)+more), nil); !refused(err) {
			t.Errorf("%d bytes more: %v", len(more), err)
		}
	}
	broken := errors.New("the disk broke")
	if _, err := backup.ReadArchive(io.MultiReader(bytes.NewReader(b[:3000]), failing{broken}), nil); !errors.Is(err, broken) {
		t.Errorf("a source that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestArchive_Strange has what an archive of others may: none of it is handed on.
func TestArchive_Strange(t *testing.T) {
	for name, h := range map[string]tar.Header{
		"Absolute": {Name: "/etc/passwd", Typeflag: tar.TypeReg},
		"Above":    {Name: "blobs/../../x", Typeflag: tar.TypeReg},
		"Upper":    {Name: "blobs/" + strings.Repeat("A", 32), Typeflag: tar.TypeReg},
		"Link":     {Name: "zencrypt.db", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		"Hard":     {Name: "zencrypt.db", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"},
		"Folder":   {Name: "blobs/", Typeflag: tar.TypeDir},
		"Records":  {Name: "zencrypt.db", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"VENDOR.x": "y"}},
		"Sessions": {Name: "sessions.db", Typeflag: tar.TypeReg},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			got := taken{}
			if _, err := backup.ReadArchive(&b, got.accept); !refused(err) || len(got) > 0 {
				t.Errorf("%d files, %v", len(got), err)
			}
		})
	}
}

func TestArchive_Changed(t *testing.T) {
	a := backup.NewArchive(io.Discard, noon)
	if err := a.Add(backup.BlobName(id(1)), 5, strings.NewReader("longer")); err == nil {
		t.Error("a file that grew was taken")
	}
	a = backup.NewArchive(io.Discard, noon)
	if err := a.Add(backup.BlobName(id(1)), 5, strings.NewReader("four")); err == nil {
		t.Error("a file that shrank was taken")
	}
}

// openFolder is OpenFolder with a seal that is none, but for the bytes.
func openFolder(t testing.TB, dir, sealedFor string) *backup.Folder {
	t.Helper()
	seal := backup.Seal{For: sealedFor}
	if sealedFor != "" {
		seal.Wrap = func(w io.Writer) (io.WriteCloser, error) { return &shift{w}, nil }
	}
	f, err := backup.OpenFolder(dir, noon, seal)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// shift stands for encryption: what is stored is not what was given, and longer.
type shift struct{ w io.Writer }

func (s *shift) Write(p []byte) (int, error) {
	out := make([]byte, len(p))
	for i := range p {
		out[i] = p[i] + 1
	}
	return s.w.Write(out)
}

func (s *shift) Close() error { _, err := s.w.Write([]byte{0}); return err }

func unshift(r io.Reader) (io.Reader, error) {
	b, err := io.ReadAll(r)
	if err != nil || len(b) == 0 || b[len(b)-1] != 0 {
		return nil, errors.New("no end")
	}
	b = b[:len(b)-1]
	for i := range b {
		b[i]--
	}
	return bytes.NewReader(b), nil
}

func stat(t *testing.T, dir string) map[string]fs.FileInfo {
	t.Helper()
	out := map[string]fs.FileInfo{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		out[rel], err = d.Info()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFolder(t *testing.T) {
	for _, sealed := range []string{"", "people"} {
		t.Run("Sealed="+sealed, func(t *testing.T) {
			dir := t.TempDir()
			f := openFolder(t, dir, sealed)
			fill(t, f, 0, 5)
			f.Close()
			before := stat(t, dir)
			// The next one: blobs 0 and 1 are gone, 5 to 7 are new.
			f = openFolder(t, dir, sealed)
			fill(t, f, 2, 8)
			f.Close()
			after := stat(t, dir)
			for n := range 8 {
				name := "blobs/" + id(n)
				if sealed != "" {
					name += ".age"
				}
				old, was := before[name]
				now, is := after[name]
				switch {
				case n < 2 && is:
					t.Errorf("blob %d is nobody's and is still there", n)
				case n >= 2 && n < 4 && (!was || !is || !os.SameFile(old, now)):
					t.Errorf("blob %d was written again", n)
				case n >= 5 && n < 7 && !is, n == 7 && is: // the last one is spare
					t.Errorf("blob %d: there is %v", n, is)
				}
				if is && now.Mode() != 0o600 {
					t.Errorf("mode %v", now.Mode())
				}
			}
			databases := 0
			for name := range after {
				if strings.HasPrefix(name, "zencrypt-") {
					databases++
				}
			}
			if databases != 1 {
				t.Errorf("%d databases are left", databases)
			}
			got := taken{}
			if _, err := backup.ReadFolder(dir, unshift, got.accept); err != nil {
				t.Fatal(err)
			}
			got.want(t, 2, 7, 8)
			if _, err := backup.ReadFolder(dir, nil, nil); err != nil {
				t.Errorf("checked as it is stored: %v", err)
			}
			if _, err := backup.ReadFolder(dir, nil, got.accept); (sealed != "") != errors.Is(err, backup.ErrSealed) {
				t.Errorf("without a key: %v", err)
			}
		})
	}
}

// TestFolder_Killed leaves a run at each of its steps: the backup before it reads as it did.
func TestFolder_Killed(t *testing.T) {
	dir := t.TempDir()
	f := openFolder(t, dir, "")
	fill(t, f, 0, 5)
	f.Close()
	still := func() {
		t.Helper()
		got := taken{}
		if _, err := backup.ReadFolder(dir, nil, got.accept); err != nil {
			t.Fatal(err)
		}
		got.want(t, 0, 4, 5)
	}
	f = openFolder(t, dir, "")
	still()
	for n := 5; n < 8; n++ {
		if f.Has(id(n)) {
			t.Fatalf("blob %d is there", n)
		}
		if err := f.Add(backup.BlobName(id(n)), int64(len(content(n))), strings.NewReader(content(n))); err != nil {
			t.Fatal(err)
		}
		still()
	}
	if err := f.Add(backup.BlobName(id(9)), 10, failing{errors.New("the disk broke")}); err == nil {
		t.Fatal("no error")
	}
	if err := f.Add(backup.Database, 3, strings.NewReader("new")); err != nil {
		t.Fatal(err)
	}
	still()
	f.Close()
	for _, name := range []string{"manifest.jsonl.part", "blobs/" + id(10) + ".part", "zencrypt-0123456789abcdef.db.part"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	still()
	// What the killed run left is not believed, but written again, and the rest is removed.
	f = openFolder(t, dir, "")
	if f.Has(id(6)) {
		t.Error("a blob that no manifest lists counts as there")
	}
	fill(t, f, 0, 8)
	f.Close()
	got := taken{}
	if _, err := backup.ReadFolder(dir, nil, got.accept); err != nil {
		t.Fatal(err)
	}
	got.want(t, 0, 7, 8)
	if n := len(stat(t, dir)); n != 7+3 { // the blobs; database, manifest and lock
		t.Errorf("%d files are left: %q", n, slices.Sorted(maps.Keys(stat(t, dir))))
	}
}

func TestFolder_EveryByte(t *testing.T) {
	dir := t.TempDir()
	fill(t, openFolder(t, dir, "people"), 0, 4)
	for name := range stat(t, dir) {
		if name == "backup.lock" {
			continue
		}
		path := filepath.Join(dir, name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		try := func(what string, changed []byte) {
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := backup.ReadFolder(dir, nil, nil); !refused(err) {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
		for i := range b {
			b[i] ^= 0x20
			try(fmt.Sprint("byte ", i), b)
			b[i] ^= 0x20
		}
		if len(b) > 0 {
			try("cut", b[:len(b)-1])
		}
		try("longer", append(slices.Clone(b), '\n'))
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := backup.ReadFolder(dir, nil, nil); !refused(err) {
			t.Errorf("%s is missing: %v", name, err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := backup.ReadFolder(dir, nil, nil); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

// TestFolder_OtherRecipients: what was encrypted for others is written anew.
func TestFolder_OtherRecipients(t *testing.T) {
	dir := t.TempDir()
	for _, sealedFor := range []string{"", "ada", "bob", ""} {
		f := openFolder(t, dir, sealedFor)
		if f.Has(id(1)) {
			t.Errorf("for %q: a blob for others counts as there", sealedFor)
		}
		fill(t, f, 0, 4)
		f.Close()
		got := taken{}
		if _, err := backup.ReadFolder(dir, unshift, got.accept); err != nil {
			t.Fatal(err)
		}
		got.want(t, 0, 3, 4)
		if n := len(stat(t, dir)); n != 3+3 {
			t.Errorf("%d files are left: %q", n, slices.Sorted(maps.Keys(stat(t, dir))))
		}
	}
}

func TestFolder_Refused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.OpenFolder(dir, noon, backup.Seal{}); !errors.Is(err, backup.ErrForeign) {
		t.Errorf("a folder of others: %v", err)
	}
	dir = filepath.Join(t.TempDir(), "new")
	openFolder(t, dir, "")
	if _, err := backup.OpenFolder(dir, noon, backup.Seal{}); err == nil || !strings.Contains(err.Error(), "another backup") {
		t.Errorf("a folder that is being written: %v", err)
	}
	if _, err := backup.ReadFolder(t.TempDir(), nil, nil); !errors.Is(err, backup.ErrFormat) {
		t.Errorf("a folder that is none: %v", err)
	}
}

func TestNewer(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "manifest.jsonl"), []byte(`{"zencrypt_backup":2,"other":true}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.ReadFolder(dir, nil, nil); !errors.Is(err, backup.ErrNewer) {
		t.Errorf("got %v", err)
	}
}

func FuzzReadArchive(f *testing.F) {
	b := newArchive(f)
	f.Add(b)
	f.Add(b[:1024])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		got := taken{}
		m, err := backup.ReadArchive(bytes.NewReader(data), got.accept)
		var size int
		for _, b := range got {
			size += b.Len()
		}
		if size > len(data) {
			t.Errorf("%d bytes came out of %d", size, len(data))
		}
		if err == nil && (len(m.Files) != len(got) || got[backup.Database] == nil) {
			t.Errorf("whole with %d of %d files", len(got), len(m.Files))
		}
	})
}
