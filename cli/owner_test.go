package cli

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"zencrypt/nofollow"
)

// nobody is a user that owns a server's data while root types commands.
const nobody = 65534

// asRoot skips a test for want of root.
func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("these tests need root, so that they look at what root makes in the data of others")
	}
	t.Skip("left out, for want of root: that what root makes in the data is handed over")
}

// hand gives a directory with all that is in it to nobody.
func hand(t *testing.T, dir string) {
	t.Helper()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// rootsIn lists what is root's below a directory.
func rootsIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Sys().(*syscall.Stat_t).Uid == 0 {
			names = append(names, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func areThere(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
}

// TestHandOver: what root's commands make in a data directory is its owner's afterwards.
func TestHandOver(t *testing.T) {
	asRoot(t)
	dir, _ := vault(t)
	hand(t, dir)
	out := t.TempDir()
	run := func(data string, args ...string) {
		t.Helper()
		var said bytes.Buffer
		if code := Run(t.Context(), append(args, "--data", data), nil, &said, &said); code != 0 {
			t.Fatalf("%q: exit %d: %s", args, code, said.String())
		}
		if roots := rootsIn(t, data); len(roots) > 0 {
			t.Errorf("after %q these are root's: %q", args, roots)
		}
	}
	archive := filepath.Join(out, "b.tar")
	run(dir, "backup", "-o", archive, "--min-free-disk", "0")
	areThere(t, filepath.Join(dir, "backup.lock"))
	if err := os.Remove(filepath.Join(dir, lockFile)); err != nil {
		t.Fatal(err)
	}
	run(dir, "migrate", "up")
	areThere(t, filepath.Join(dir, "upgrades"), filepath.Join(dir, lockFile))
	run(dir, "migrate", "down", "--yes")
	for _, name := range []string{"empty", "fresh"} {
		if err := os.Mkdir(filepath.Join(out, name), 0o700); err != nil {
			t.Fatal(err)
		}
		hand(t, filepath.Join(out, name))
	}
	run(filepath.Join(out, "empty"), "restore", archive)
	areThere(t, filepath.Join(out, "empty", "zencrypt.db"))
	pw := filepath.Join(out, "pw")
	if err := os.WriteFile(pw, []byte("four quiet horses 1852"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(filepath.Join(out, "fresh"), "user", "add", "--secrets", filepath.Join(out, "secrets"), "--password-file", pw, "ada")
	areThere(t, filepath.Join(out, "fresh", "zencrypt.db"), filepath.Join(out, "fresh", "log"))
}

// TestHandOver_Killed: what a kill leaves is the owner's from the moment it is made.
func TestHandOver_Killed(t *testing.T) {
	asRoot(t)
	dir, _ := vault(t)
	if err := os.Remove(filepath.Join(dir, lockFile)); err != nil {
		t.Fatal(err)
	}
	hand(t, dir)
	newRun(t, dir)
	unlock, err := lock(filepath.Join(dir, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	areThere(t, filepath.Join(dir, "backup.lock"), filepath.Join(dir, backupWork), filepath.Join(dir, lockFile))
	if roots := rootsIn(t, dir); len(roots) > 0 {
		t.Errorf("these are root's: %q", roots)
	}
}

// TestHandOver_Log: so are a server log and heads of other names in the data, with the folders that lead there, and
// nothing beside them.
func TestHandOver_Log(t *testing.T) {
	asRoot(t)
	out := t.TempDir()
	dir, pw := filepath.Join(out, "data"), filepath.Join(out, "pw")
	if err := os.WriteFile(pw, []byte("four quiet horses 1852"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	hand(t, dir)
	for _, name := range []string{"audit.txt", "audit/other"} { // root's own, and no log
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(dir, "audit"), nobody, nobody); err != nil {
		t.Fatal(err)
	}
	log, heads := filepath.Join(dir, "audit", "sub", "server.jsonl"), filepath.Join(dir, "heads")
	var said bytes.Buffer
	if code := Run(t.Context(), []string{"user", "add", "--data", dir, "--secrets", filepath.Join(out, "keys"), "--server-log", log, "--log-anchor", heads,
		"--password-file", pw, "ada"}, nil, &said, &said); code != 0 {
		t.Fatalf("exit %d: %s", code, said.String())
	}
	areThere(t, log, heads)
	if roots := rootsIn(t, dir); !slices.Equal(roots, []string{"audit/other", "audit.txt"}) {
		t.Errorf("these are root's: %q", roots)
	}
}

// TestHandOver_Upgrade: so is what a command leaves that was killed while it brought the database up to date, or worked on
// it afterwards. The server could not copy, or not open, what is root's, and would not start.
func TestHandOver_Upgrade(t *testing.T) {
	asRoot(t)
	for _, copied := range []bool{false, true} { // by an earlier upgrade
		dir, keys := firstServer(t)
		if copied {
			if err := os.Mkdir(filepath.Join(dir, "upgrades"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		hand(t, dir)
		db, err := openWithKeys(&env{ctx: t.Context(), stderr: io.Discard}, place{Data: dir, Secrets: keys}.config())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		areThere(t, filepath.Join(dir, "upgrades"))
		if roots := rootsIn(t, dir); slices.Contains(roots, "upgrades") {
			t.Errorf("these are root's: %q", roots)
		}
	}
	// Nothing is copied through a link that was planted.
	dir, keys := firstServer(t)
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "upgrades")); err != nil {
		t.Fatal(err)
	}
	hand(t, dir)
	if _, err := openWithKeys(&env{ctx: t.Context(), stderr: io.Discard}, place{Data: dir, Secrets: keys}.config()); !errors.Is(err, nofollow.ErrPlanted) {
		t.Errorf("upgrades is a link: %v", err)
	}
	if left, err := os.ReadDir(outside); len(left) > 0 || err != nil {
		t.Errorf("outside are %v (%v)", left, err)
	}
	for name, open := range map[string]func(*env, place) (func(), error){
		"zencrypt.db": func(e *env, p place) (func(), error) {
			_, done, err := (&importOptions{place: p}).openForImport(e)
			return done, err
		},
		"blobs": func(e *env, p place) (func(), error) {
			return (&taking{env: e, cmd: &importExportCmd{place: p}}).open()
		},
	} {
		fresh := filepath.Join(t.TempDir(), "fresh")
		if err := os.Mkdir(fresh, 0o700); err != nil {
			t.Fatal(err)
		}
		hand(t, fresh)
		done, err := open(&env{ctx: t.Context(), stderr: io.Discard}, place{Data: fresh, Secrets: filepath.Join(t.TempDir(), "keys")})
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		areThere(t, filepath.Join(fresh, name))
		if roots := rootsIn(t, fresh); len(roots) > 0 {
			t.Errorf("these are root's: %q", roots)
		}
	}
}

// TestHandOver_Planted: the data's owner gets nothing else handed over, whatever they plant there.
func TestHandOver_Planted(t *testing.T) {
	asRoot(t)
	dir, _ := vault(t)
	hand(t, dir)
	outside := t.TempDir()
	for _, name := range []string{"linked", "hard", "folder/file"} {
		path := filepath.Join(outside, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("root's"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	in := filepath.Join(dir, "blobs")
	must(os.MkdirAll(in, 0o700))
	must(os.Symlink(filepath.Join(outside, "linked"), filepath.Join(in, "planted")))
	must(os.Symlink(filepath.Join(outside, "folder"), filepath.Join(in, "planted-folder")))
	must(os.Link(filepath.Join(outside, "hard"), filepath.Join(in, "planted-hard")))
	must(syscall.Mkfifo(filepath.Join(in, "planted-pipe"), 0o600))
	must(os.WriteFile(filepath.Join(in, "left"), nil, 0o600)) // what root has left there, and all that is handed over
	must(os.WriteFile(filepath.Join(dir, "upgrades"), nil, 0o600))
	must(os.Symlink(filepath.Join(outside, "folder"), filepath.Join(dir, "acme")))
	must(os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600)) // nothing of ours
	must(os.Mkdir(filepath.Join(dir, "lost+found"), 0o700))
	must(handOver(dir))
	want := []string{"acme", "blobs/planted", "blobs/planted-folder", "blobs/planted-hard", "blobs/planted-pipe", "lost+found", "notes.txt"}
	if roots := rootsIn(t, dir); !slices.Equal(roots, want) {
		t.Errorf("%q are root's, want %q", roots, want)
	}
	if roots := rootsIn(t, outside); len(roots) != 5 { // two folders and three files
		t.Errorf("outside %q are root's", roots)
	}
	// Nor is a lock looked for behind a link.
	for _, name := range []string{"backup.lock", lockFile} {
		_ = os.Remove(filepath.Join(dir, name))
		must(os.Symlink(filepath.Join(outside, "linked"), filepath.Join(dir, name)))
	}
	if f, err := lockBackup(dir); err == nil {
		_ = f.Close()
		t.Error("backup.lock is a link, and was followed")
	}
	if unlock, err := lock(filepath.Join(dir, lockFile)); err == nil {
		unlock()
		t.Error("lock is a link, and was followed")
	}
	if roots := rootsIn(t, outside); len(roots) != 5 {
		t.Errorf("outside %q are root's", roots)
	}
}

// runAs runs the built program as another user.
func runAs(t *testing.T, uid uint32, args ...string) (code int, said string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(built(t), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	var ended *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

// TestData_Shut: whoever may not look into the data is told so, and not that nothing is there: a new key would be made for
// it, and nothing seem to need the old one. Data that can only be read is told of as it is.
func TestData_Shut(t *testing.T) {
	asRoot(t)
	dir, _ := vault(t)
	for _, open := range []string{filepath.Dir(dir), filepath.Dir(filepath.Dir(dir))} {
		if err := os.Chmod(open, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	own := filepath.Join(filepath.Dir(dir), "own")
	if err := errors.Join(os.Mkdir(own, 0o700), os.Chmod(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	hand(t, own)
	keys := filepath.Join(own, "keys")
	shut := func(args ...string) {
		t.Helper()
		if code, said := runAs(t, nobody, append(args, "--data", dir)...); code != exitError || !strings.Contains(said, "permission denied") || strings.Contains(said, "none") {
			t.Errorf("%q: exit %d: %s", args, code, said)
		}
	}
	shut("secrets", "init", "--secrets", keys)
	if _, err := os.Lstat(keys); err == nil {
		t.Error("a key was made for data that may have one")
	}
	if code, said := runAs(t, nobody, "secrets", "init", "--secrets", keys, "--data", filepath.Join(own, "data")); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	shut("secrets", "check", "--secrets", keys)
	shut("migrate", "status")
	shut("backup", "-o", filepath.Join(own, "b.tar"))
	shut("user", "list", "--secrets", keys)

	hand(t, dir)
	before := countIn(t, dir)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if code, said := runAs(t, nobody, "migrate", "status", "--data", dir); code != 0 || !strings.Contains(said, "vault       applied") {
		t.Errorf("status of what can only be read: exit %d: %s", code, said)
	}
	if code, said := runAs(t, nobody, "secrets", "check", "--data", dir, "--secrets", keys); code != exitError || !strings.Contains(said, "depends on server key 2a685cc42a212e3b") {
		t.Errorf("check of what can only be read: exit %d: %s", code, said)
	}
	if code, said := runAs(t, nobody, "migrate", "up", "--data", dir); code != exitError {
		t.Errorf("up in what can only be read: exit %d: %s", code, said)
	}
	if after := countIn(t, dir); after != before {
		t.Errorf("%d files and folders, %d before", after, before)
	}

	if err := errors.Join(os.Chmod(dir, 0o700), os.Chown(filepath.Join(dir, "sessions.db"), 0, 0)); err != nil {
		t.Fatal(err)
	}
	if code, said := runAs(t, nobody, "migrate", "up", "--data", dir); code != exitError || !strings.Contains(said, "sessions.db: permission denied. Make it a file of the user") {
		t.Errorf("with a file of root's: exit %d: %s", code, said)
	}
}

func countIn(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestMigrate_Full: on a disk without any room, what opens the database says that it is full.
func TestMigrate_Full(t *testing.T) {
	asRoot(t)
	dir, _ := vault(t)
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	data := filepath.Join(disk, "data")
	if err := errors.Join(os.CopyFS(data, os.DirFS(dir)), os.Chmod(data, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(disk, "other"), make([]byte, 4<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk took all: %v", err)
	}
	for _, args := range [][]string{{"migrate", "up"}, {"migrate", "status"}, {"user", "list", "--secrets", "../e2e/testdata/first/keys"}} {
		var said bytes.Buffer
		if code := Run(t.Context(), append(args, "--data", data), nil, &said, &said); code != exitError || !strings.Contains(said.String(), "the disk is full") {
			t.Errorf("%q: exit %d: %s", args, code, said.String())
		}
	}
}

// TestPlanted: a link that the data's owner puts in the place of the vault's files, or of the server log, leads no command
// of root's anywhere.
func TestPlanted(t *testing.T) {
	asRoot(t)
	out := t.TempDir()
	dir, outside, pw := filepath.Join(out, "data"), filepath.Join(out, "outside"), filepath.Join(out, "pw")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	run := func(want int, args ...string) string {
		t.Helper()
		var said bytes.Buffer
		if code := Run(t.Context(), append(args, "--data", dir, "--secrets", filepath.Join(out, "secrets")), nil, &said, &said); code != want {
			t.Fatalf("%q: exit %d: %s", args, code, said.String())
		}
		return said.String()
	}
	must(os.Mkdir(dir, 0o700))
	must(os.Mkdir(outside, 0o755))
	must(os.WriteFile(pw, []byte("four quiet horses 1852"), 0o600))
	hand(t, dir)
	run(0, "user", "add", "--password-file", pw, "ada")
	plant := func(to, name string) {
		t.Helper()
		must(os.RemoveAll(filepath.Join(dir, name)))
		must(os.Symlink(to, filepath.Join(dir, name)))
		must(os.Lchown(filepath.Join(dir, name), nobody, nobody))
	}
	plant(filepath.Join(outside, "nologin"), "log/server.jsonl")
	plant(filepath.Join(outside, "nologin"), "log/heads.jsonl")
	has(t, run(0, "user", "suspend", "ada"), "could not be noted", "server.jsonl is a link")
	plant(outside, "log")
	has(t, run(0, "user", "resume", "ada"), "could not be noted", "log is a link")
	plant(outside, "blobs")
	has(t, run(1, "user", "delete", "--yes", "ada"), "blobs is a link", "chown -h root")
	has(t, run(0, "user", "list"), "ada")
	if info, err := os.Stat(outside); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the folder outside has mode %v: %v", info.Mode(), err)
	}
	if left, err := os.ReadDir(outside); len(left) > 0 || err != nil {
		t.Errorf("outside are %v (%v)", left, err)
	}
	// One that root vouches for is followed: another disk.
	must(os.Lchown(filepath.Join(dir, "blobs"), 0, 0))
	must(os.Lchown(outside, nobody, nobody))
	run(0, "user", "delete", "--yes", "ada")
}
