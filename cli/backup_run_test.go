package cli

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"zencrypt/backup"
	"zencrypt/models"
)

// firstData is a data folder with three files in the vault, see e2e's TestUpgrade_First.
const firstData = "../e2e/testdata/first/data"

// vault copies it, and returns its folder and the names of its files.
func vault(t *testing.T) (dir string, ids []string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(dir, os.DirFS(firstData)); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	if len(ids) != 3 {
		t.Fatalf("the fixture has %d files", len(ids))
	}
	return dir, ids
}

// meddling does something to the data whenever a file is added; n counts from 1.
type meddling struct {
	sink
	n  int
	do func(n int, name string)
}

func (m *meddling) Add(name string, size int64, src io.Reader) error {
	m.n++
	m.do(m.n, name)
	return m.sink.Add(name, size, src)
}

// changeRow changes the database as a server does.
func changeRow(t *testing.T, dir, query string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "zencrypt.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	res, err := db.ExecContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		t.Fatalf("%d rows were changed: %v", n, err)
	}
}

// rewrap puts an item under another file, as a rewrap does: the new one is on the disk before the row, the old one goes
// after it.
func rewrap(t *testing.T, dir, from, to string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "blobs", to), []byte("under another key"), 0o600); err != nil {
		t.Fatal(err)
	}
	changeRow(t, dir, "UPDATE items SET blob_id = unhex(?) WHERE blob_id = unhex(?)", to, from)
	if err := os.Remove(filepath.Join(dir, "blobs", from)); err != nil {
		t.Fatal(err)
	}
}

func newRun(t *testing.T, dir string) (*backupRun, *bytes.Buffer) {
	t.Helper()
	var stderr bytes.Buffer
	run, err := newBackupRun(&env{ctx: t.Context(), stderr: &stderr}, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(run.close)
	return run, &stderr
}

// add saves another file.
func add(t *testing.T, dir, id string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "blobs", id), []byte("a new one"), 0o600); err != nil {
		t.Fatal(err)
	}
	changeRow(t, dir, `INSERT INTO items (id, account_id, kind, size, disk, created, seal_version, blob_id, sealed_title, sealed_meta)
		SELECT unhex(?1), id, 'file', 1, 1, 1, 1, unhex(?1), x'00', x'00' FROM accounts LIMIT 1`, id)
}

// TestBackupRun_Meanwhile changes the data between the steps of a backup: what it holds fits together all the same.
func TestBackupRun_Meanwhile(t *testing.T) {
	const fresh = "00112233445566778899aabbccddeeff"
	late := [2]string{strings.Repeat("a", 32), strings.Repeat("b", 32)}
	type change func(t *testing.T, dir string, ids []string, name string)
	// The two late files are copied in the second round, after the database; while one is, something happens to the other.
	both := func(t *testing.T, dir string, _ []string, _ string) { add(t, dir, late[0]); add(t, dir, late[1]) }
	other := func(name string) string {
		if strings.HasSuffix(name, late[0]) {
			return late[1]
		}
		return late[0]
	}
	for name, tt := range map[string]struct {
		at   map[int]change // by the number of the file that is added: 1 to 3 are those that are there at the beginning
		want int            // files of the vault
	}{
		"Nothing":             {nil, 3},
		"Saved":               {map[int]change{2: both}, 5},
		"Rewrapped":           {map[int]change{1: func(t *testing.T, dir string, ids []string, _ string) { rewrap(t, dir, ids[2], fresh) }}, 3},
		"RewrappedWhenCopied": {map[int]change{3: func(t *testing.T, dir string, ids []string, _ string) { rewrap(t, dir, ids[0], fresh) }}, 3},
		"RewrappedAtTheEnd":   {map[int]change{4: func(t *testing.T, dir string, ids []string, _ string) { rewrap(t, dir, ids[0], fresh) }}, 3},
		"Deleted":             {map[int]change{1: func(t *testing.T, dir string, ids []string, _ string) { remove(t, dir, ids[1]) }}, 2},
		"DeletedWhenCopied":   {map[int]change{3: func(t *testing.T, dir string, ids []string, _ string) { remove(t, dir, ids[0]) }}, 2},
		"RewrappedAfterTheDatabase": {map[int]change{1: both,
			4: func(t *testing.T, dir string, _ []string, name string) { rewrap(t, dir, other(name), fresh) }}, 5},
		"DeletedAfterTheDatabase": {map[int]change{1: both,
			4: func(t *testing.T, dir string, _ []string, name string) { remove(t, dir, other(name)) }}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			dir, ids := vault(t)
			run, _ := newRun(t, dir)
			var b bytes.Buffer
			m, err := run.write(&meddling{sink: backup.NewArchive(&b, run.began), do: func(n int, name string) {
				if change := tt.at[n]; change != nil {
					change(t, dir, ids, name)
				}
			}})
			if err != nil || len(run.lost) > 0 {
				t.Fatal(err, run.lost)
			}
			if n := strings.Count(summary(m), fmt.Sprintf("%d files", tt.want)); n != 1 {
				t.Errorf("it holds %s", summary(m))
			}
			src := filepath.Join(t.TempDir(), "b.tar")
			if err := os.WriteFile(src, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			restored := filepath.Join(t.TempDir(), "new")
			// Fails when a row's file is not there.
			if code := Run(t.Context(), []string{"restore", src, "--data", restored}, strings.NewReader(""), io.Discard, os.Stderr); code != 0 {
				t.Errorf("restore: exit %d", code)
			}
			entries, err := os.ReadDir(filepath.Join(restored, "blobs"))
			if err != nil || len(entries) != tt.want {
				t.Errorf("%d files are restored: %v", len(entries), err)
			}
			if _, err := os.Stat(filepath.Join(dir, backupWork, backup.Database)); err == nil {
				t.Error("a copy of the database is left in the data directory")
			}
		})
	}
}

// remove deletes an item as the server does, the row first.
func remove(t *testing.T, dir, id string) {
	t.Helper()
	changeRow(t, dir, "DELETE FROM items WHERE blob_id = unhex(?)", id)
	if err := os.Remove(filepath.Join(dir, "blobs", id)); err != nil {
		t.Fatal(err)
	}
}

// TestBackup_Missing: a file that is lost in the data itself does not keep all else from being backed up. It is said, at
// each step, and the exit code tells a timer.
func TestBackup_Missing(t *testing.T) {
	dir, ids := vault(t)
	if err := os.Remove(filepath.Join(dir, "blobs", ids[1])); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{filepath.Join(t.TempDir(), "b.tar"), filepath.Join(t.TempDir(), "folder") + "/"} {
		var stdout, stderr bytes.Buffer
		if code := Run(t.Context(), []string{"backup", "--data", dir, "-o", target}, nil, &stdout, &stderr); code != exitError {
			t.Errorf("exit %d", code)
		}
		if !strings.Contains(stderr.String(), "it is made, but 1 files that the database names are not in") || !strings.Contains(stderr.String(), ids[1]) {
			t.Errorf("it says %q", stderr.String())
		}
		stderr.Reset()
		restored := filepath.Join(t.TempDir(), "new")
		if code := Run(t.Context(), []string{"restore", strings.TrimSuffix(target, "/"), "--data", restored}, nil, &stdout, &stderr); code != 0 {
			t.Errorf("restore: exit %d: %s", code, stderr.String())
		}
		if !strings.Contains(stderr.String(), "warning: 1 files of the vault were missing already") {
			t.Errorf("it says %q", stderr.String())
		}
	}
}

// TestBackup_Planted: what somebody put in the place of a file or of their folder is not copied, nor a pipe waited for, and
// the message says what it is.
func TestBackup_Planted(t *testing.T) {
	asRoot(t)
	outside := t.TempDir()
	for what, plant := range map[string]func(dir, id string) error{
		"is a link": func(dir, id string) error {
			at := filepath.Join(dir, "blobs", id)
			return errors.Join(os.WriteFile(filepath.Join(outside, "root"), []byte("root's"), 0o600), os.Remove(at), os.Symlink(filepath.Join(outside, "root"), at))
		},
		"blobs is a link": func(dir, _ string) error {
			return errors.Join(os.Rename(filepath.Join(dir, "blobs"), filepath.Join(outside, "blobs")), os.Symlink(filepath.Join(outside, "blobs"), filepath.Join(dir, "blobs")))
		},
		"has another name": func(dir, id string) error {
			at, other := filepath.Join(dir, "blobs", id), filepath.Join(outside, "hard")
			return errors.Join(os.WriteFile(other, []byte("root's"), 0o600), os.Remove(at), os.Link(other, at))
		},
		"not a regular file": func(dir, id string) error {
			at := filepath.Join(dir, "blobs", id)
			return errors.Join(os.Remove(at), syscall.Mkfifo(at, 0o600))
		},
	} {
		dir, ids := vault(t)
		hand(t, dir)
		if err := plant(dir, ids[1]); err != nil {
			t.Fatal(err)
		}
		if what != "has another name" {
			hand(t, dir) // links and pipes are theirs
		}
		out := filepath.Join(t.TempDir(), "b.tar")
		var said bytes.Buffer
		if code := Run(t.Context(), []string{"backup", "--data", dir, "-o", out, "--min-free-disk", "0"}, nil, &said, &said); code != exitError || !strings.Contains(said.String(), what) {
			t.Errorf("%s: exit %d: %s", what, code, said.String())
		}
		if _, err := os.Lstat(out); err == nil {
			t.Errorf("%s: there is a backup", what)
		}
	}
}

// TestBackup_OnlyHere: a folder goes on to hold a file that the data lost, and the next run tells of it.
func TestBackup_OnlyHere(t *testing.T) {
	dir, ids := vault(t)
	target := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(target, 0o700); err != nil {
		t.Fatal(err)
	}
	run := func() (code int, said string) {
		var stderr bytes.Buffer
		code = Run(t.Context(), []string{"backup", "--data", dir, "-o", target, "--min-free-disk", "0"}, nil, io.Discard, &stderr)
		return code, stderr.String()
	}
	if code, said := run(); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	if err := os.Remove(filepath.Join(dir, "blobs", ids[1])); err != nil {
		t.Fatal(err)
	}
	if code, said := run(); code != exitError || !strings.Contains(said, "it is made, but has 1 files") || !strings.Contains(said, ids[1]) {
		t.Errorf("exit %d: %s", code, said)
	}
	if code := Run(t.Context(), []string{"restore", "--check", target}, nil, io.Discard, io.Discard); code != 0 {
		t.Errorf("the folder: exit %d", code)
	}
	if err := os.Rename(filepath.Join(target, "blobs", ids[1]), filepath.Join(dir, "blobs", ids[1])); err != nil {
		t.Fatal(err)
	}
	if code, said := run(); code != 0 {
		t.Errorf("put back: exit %d: %s", code, said)
	}
}

// TestBackup_OneAtATime: a second one is refused, and what a killed one left is removed, by the next and by a server.
func TestBackup_OneAtATime(t *testing.T) {
	dir, _ := vault(t)
	run, _ := newRun(t, dir)
	if _, err := newBackupRun(&env{ctx: t.Context()}, dir); err == nil || !strings.Contains(err.Error(), "another backup") {
		t.Errorf("two at a time: %v", err)
	}
	left := filepath.Join(dir, backupWork, backup.Database)
	if err := os.WriteFile(left, []byte("a copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sweepBackupWork(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Error("a server that starts has disturbed a backup")
	}
	_ = run.lock.Close() // as if it had been killed
	if err := sweepBackupWork(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("the copy is still there")
	}
	// What can't be removed is told.
	if err := os.Remove(filepath.Join(dir, "backup.lock")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "backup.lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := sweepBackupWork(dir); err == nil {
		t.Error("a lock that can't be had is no failure")
	}
}

// TestBackup_Room: a copy that would leave the server less free disk than it wants is not begun.
func TestBackup_Room(t *testing.T) {
	dir, _ := vault(t)
	var stderr bytes.Buffer
	out := filepath.Join(t.TempDir(), "b.tar")
	if code := Run(t.Context(), []string{"backup", "--data", dir, "-o", out, "--min-free-disk", "4000TiB"}, nil, io.Discard, &stderr); code != exitError {
		t.Errorf("exit %d", code)
	}
	if said := stderr.String(); !strings.Contains(said, "2.4 PiB are to stay so, of the 3.9 PiB of --min-free-disk") || !strings.Contains(said, "KiB in "+dir) {
		t.Errorf("it says %q", said)
	}
	for _, path := range []string{out, filepath.Join(dir, backupWork)} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is there", path)
		}
	}
}

// TestBackup_Ahead: names of a time to come, which a wrong clock left, sort after every new one. They take no place of it,
// and the exit code tells a timer.
func TestBackup_Ahead(t *testing.T) {
	dir, _ := vault(t)
	dated := t.TempDir()
	const older, old = "zencrypt-20260101T000000Z.tar", "zencrypt-20260102T000000Z.tar"
	others := []string{"zencrypt-29990101T000000Z.tar", "zencrypt-29990102T000000Z.tar.age", "zencrypt-29990103T000000Z.tar", "zencrypt-20261301T000000Z.tar"}
	for _, name := range append([]string{older, old}, others...) {
		if err := os.WriteFile(filepath.Join(dated, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var stderr bytes.Buffer
	if code := Run(t.Context(), []string{"backup", "--data", dir, "-o", dated, "--keep", "2", "--min-free-disk", "0"}, nil, io.Discard, &stderr); code != exitError {
		t.Errorf("exit %d", code)
	}
	if !strings.Contains(stderr.String(), "it is made, but 3 others beside it have names of a time to come, the first is "+others[0]) {
		t.Errorf("it says %q", stderr.String())
	}
	entries, err := os.ReadDir(dated)
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, e := range entries {
		left[e.Name()] = true
	}
	for _, name := range append(others, old) {
		if !left[name] {
			t.Errorf("%s is gone", name)
		}
	}
	if left[older] || len(left) != len(others)+2 {
		t.Errorf("left are %v", left)
	}
}

// TestBackup_Noted: the database knows when it was backed up, for who asks.
func TestBackup_Noted(t *testing.T) {
	dir, _ := vault(t)
	var stderr bytes.Buffer
	before := time.Now().Add(-time.Second)
	if code := Run(t.Context(), []string{"backup", "--data", dir, "-o", filepath.Join(t.TempDir(), "b.tar")}, nil, io.Discard, &stderr); code != 0 {
		t.Fatal(stderr.String())
	}
	use, active, err := models.KeyUses(t.Context(), dir)
	if err != nil || len(use) != 1 || active == "" {
		t.Fatal(use, active, err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "zencrypt.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var at string
	if err := db.QueryRowContext(t.Context(), "SELECT json_extract(value, '$.Time') FROM meta WHERE name = 'backup'").Scan(&at); err != nil {
		t.Fatal(err)
	}
	if noted, err := time.Parse(time.RFC3339, at); err != nil || noted.Before(before.Truncate(time.Second)) {
		t.Errorf("noted %s: %v", at, err)
	}
}

// firstServer is a copy of the first version's data and of its server key's folder.
func firstServer(t *testing.T) (data, keys string) {
	data, _ = vault(t)
	keys = filepath.Join(t.TempDir(), "secrets")
	if err := os.CopyFS(keys, os.DirFS(filepath.Join(firstData, "..", "keys"))); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{data, filepath.Join(keys, "zencrypt_key")} {
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return data, keys
}

// TestUser_OlderServer: a command of a newer version does not change the schema under a server of an older one.
func TestUser_OlderServer(t *testing.T) {
	dir, keys := firstServer(t)
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	list := func() (int, string) {
		var out bytes.Buffer
		code := Run(t.Context(), []string{"user", "list", "--data", dir, "--secrets", keys}, nil, &out, &out)
		return code, out.String()
	}
	if code, said := list(); code != exitError || !strings.Contains(said, "is of an older version") {
		t.Errorf("exit %d: %s", code, said)
	}
	unlock()
	if code, said := list(); code != 0 || !strings.Contains(said, "First@Example.org") {
		t.Errorf("exit %d: %s", code, said)
	}
}
