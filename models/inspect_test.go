package models

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// folderState is the names, sizes, times and content of a folder.
func folderState(t *testing.T, dir string) string {
	t.Helper()
	state := ""
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		content, _ := os.ReadFile(filepath.Join(dir, e.Name()))
		state += fmt.Sprintln(e.Name(), info.Size(), info.ModTime(), sha256.Sum256(content))
	}
	return state
}

// TestInspect looks at a database while it is open, as a killed server leaves it, and at rest: it sees what was saved, and
// changes nothing.
func TestInspect(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	item := saveFile(t, db, u, "first")
	o := InspectOptions{Dir: db.opts.Dir, Running: true, Main: db.opts.Main, Sessions: db.opts.Sessions}
	check := func(o InspectOptions, log bool) {
		t.Helper()
		in, err := Inspect(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range in.Databases {
			if d.Err != nil || d.Missing || len(d.Problems)+d.Orphans+len(d.Pending)+len(d.Newer) > 0 || log && d.Name == mainFile && d.Log == 0 {
				t.Errorf("%+v", d)
			}
		}
		if _, ok := in.Blobs[item.Blob.ID]; !ok || in.Accounts != 1 || in.ActiveKey == "" || in.Backup != nil {
			t.Errorf("not seen: %d accounts, key %q, backup %v, blobs %v", in.Accounts, in.ActiveKey, in.Backup, in.Blobs)
		}
	}
	check(o, false)

	killed := t.TempDir() // what lies on the disk while the server runs
	for _, name := range []string{mainFile, mainFile + "-wal", sessionsFile, sessionsFile + "-wal"} {
		if err := copyFile(filepath.Join(db.opts.Dir, name), filepath.Join(killed, name)); err != nil {
			t.Fatal(err)
		}
	}
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	o.Running, o.Dir = false, killed
	before := folderState(t, killed)
	check(o, true)
	if folderState(t, killed) != before {
		t.Error("looking at what a killed server left changed it")
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("the copy is left: %v", left)
	}

	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	o.Dir, o.Deep = db.opts.Dir, true
	before = folderState(t, o.Dir)
	check(o, false)
	if folderState(t, o.Dir) != before {
		t.Error("looking at a database at rest changed it")
	}
	page := make([]byte, 4096)
	f, err := os.OpenFile(filepath.Join(o.Dir, mainFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(page, 4*4096); err != nil {
		t.Fatal(err)
	}
	f.Close()
	in, err := Inspect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if d := in.Databases[0]; d.Err == nil && len(d.Problems) == 0 {
		t.Error("a page of zeros is no problem")
	}
}

// TestOpenShut: a database that a server works on is read as it changes, and not as it lay there.
func TestOpenShut(t *testing.T) {
	db, _ := newTestDB(t)
	if err := db.main.truncate(t.Context()); err != nil { // nothing is in the log: else a copy would be looked at
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(db.opts.Dir, LockFile))
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	read, done, err := openShut(filepath.Join(db.opts.Dir, mainFile))
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for want := range int64(2) {
		n, err := read.NewSelect().Table("accounts").Count(t.Context())
		if err != nil || n != want {
			t.Errorf("%d accounts, want %d: %v", n, want, err)
		}
		register(t, db, fmt.Sprintf("ada%d", want))
	}
}
