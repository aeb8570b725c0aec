package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"zencrypt/backup"
)

// archived backs a data directory up and returns the archive.
func archived(t *testing.T, dir string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.tar")
	if code := Run(t.Context(), []string{"backup", "--data", dir, "-o", path, "--min-free-disk", "0"}, nil, io.Discard, io.Discard); code != 0 {
		t.Fatalf("backup: exit %d", code)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// restored restores from standard input.
func restored(t *testing.T, in io.Reader, args ...string) (code int, said string) {
	t.Helper()
	var out bytes.Buffer
	code = Run(t.Context(), append([]string{"restore", "-"}, args...), in, &out, &out)
	return code, out.String()
}

// firstRead does something when it is read from.
type firstRead struct {
	io.Reader
	once sync.Once
	do   func()
}

func (r *firstRead) Read(p []byte) (int, error) {
	r.once.Do(r.do)
	return r.Reader.Read(p)
}

// TestRestore_Alone: while a directory is restored to no server starts on it, and none may run when that begins. After a
// kill none starts either.
func TestRestore_Alone(t *testing.T) {
	dir, _ := vault(t)
	b := archived(t, dir)
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	unlock, err := lock(filepath.Join(data, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	if code, said := restored(t, bytes.NewReader(b), "--data", data); code != exitError || !strings.Contains(said, "another server runs") {
		t.Errorf("under a server: exit %d: %s", code, said)
	}
	unlock()
	meanwhile := func() {
		if unlock, err := lock(filepath.Join(data, lockFile)); err == nil {
			unlock()
			t.Error("a server can take the directory while it is restored to")
		}
		if err := makeData(data); err == nil || !strings.Contains(err.Error(), "is being restored to it") {
			t.Errorf("a command uses it meanwhile: %v", err)
		}
	}
	if code, said := restored(t, &firstRead{Reader: bytes.NewReader(b), do: meanwhile}, "--data", data); code != 0 {
		t.Errorf("exit %d: %s", code, said)
	}
	if err := makeData(data); err != nil {
		t.Errorf("after it: %v", err)
	}

	// A database that appears meanwhile stays, and so does what a kill left, until somebody empties the directory.
	data = filepath.Join(t.TempDir(), "other")
	appears := func() {
		if err := os.WriteFile(filepath.Join(data, "zencrypt.db"), []byte("another"), 0o600); err != nil {
			t.Error(err)
		}
	}
	if code, said := restored(t, &firstRead{Reader: bytes.NewReader(b), do: appears}, "--data", data); code != exitError || !strings.Contains(said, "not empty") {
		t.Errorf("over a database: exit %d: %s", code, said)
	}
	if got, err := os.ReadFile(filepath.Join(data, "zencrypt.db")); err != nil || string(got) != "another" {
		t.Errorf("the database that appeared is %q: %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(data, restoring)); err == nil {
		t.Error("what was restored is left")
	}
	if err := os.Mkdir(filepath.Join(data, restoring), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := makeData(data); err != nil {
		t.Errorf("cut short when all was in its place: %v", err)
	}
	if _, err := os.Stat(filepath.Join(data, restoring)); err == nil {
		t.Error("the empty folder is left")
	}
}

// TestRestore_Volume: the top of a volume that was just made is empty, and what stops a restore is all that it says.
func TestRestore_Volume(t *testing.T) {
	dir, _ := vault(t)
	b := archived(t, dir)
	data := filepath.Join(t.TempDir(), "data")
	if code, said := restored(t, bytes.NewReader(b[:len(b)/2]), "--data", data); code != exitDamaged || strings.Contains(said, "warning") {
		t.Errorf("half a backup: exit %d: %s", code, said)
	}
	if err := os.MkdirAll(filepath.Join(data, lostAndFound), 0o700); err != nil {
		t.Fatal(err)
	}
	if code, said := restored(t, bytes.NewReader(b), "--data", data); code != 0 {
		t.Errorf("a volume: exit %d: %s", code, said)
	}
	areThere(t, filepath.Join(data, lostAndFound), filepath.Join(data, backup.Database))
}

// TestRestore_CheckDatabase: a backup whose digests are right is refused all the same when its database is damaged, is
// newer or names files that are not in it, by --check as by a restore.
func TestRestore_CheckDatabase(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	for name, tt := range map[string]struct {
		change func(t *testing.T, path string)
		code   int
		says   string
	}{
		"Damaged": {func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := len(b) / 2; i < len(b); i++ {
				b[i] ^= 0xff
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}, exitDamaged, "damaged"},
		"NoDatabase": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 999)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, exitDamaged, "damaged"},
		"Newer": {func(t *testing.T, path string) {
			changeRow(t, filepath.Dir(path), "INSERT INTO bun_migrations (name, group_id, migrated_at) VALUES ('29990101000000', 99, '2999-01-01')")
		}, exitError, "newer version"},
		"FilesMissing": {func(*testing.T, string) {}, exitDamaged, "3 files that the database names are missing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := vault(t)
			path := filepath.Join(dir, backup.Database)
			tt.change(t, path)
			db, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			a := backup.NewArchive(&b, time.Now())
			if err := a.Add(backup.Database, int64(len(db)), bytes.NewReader(db)); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Finish(backup.Head{Version: "test"}, func(string) bool { return true }); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"--check"}, {"--data", filepath.Join(t.TempDir(), "new")}} {
				if code, said := restored(t, bytes.NewReader(b.Bytes()), args...); code != tt.code || !strings.Contains(said, tt.says) {
					t.Errorf("%s: exit %d: %s", args[0], code, said)
				}
			}
		})
	}
	dir, _ := vault(t)
	if code, said := restored(t, bytes.NewReader(archived(t, dir)), "--check"); code != 0 || !strings.Contains(said, "Whole: the database and 3 files") {
		t.Errorf("a sound one: exit %d: %s", code, said)
	}
	left, err := filepath.Glob(filepath.Join(temp, "zencrypt-check-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("copies of databases are left: %q, %v", left, err)
	}
}
