//go:build linux

package e2e

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// maxExposure is the highest score of systemd-analyze security that the unit may have.
const maxExposure = 1.5

// cleanDebian is a new Debian system below a folder.
func cleanDebian(t testing.TB) string {
	t.Helper()
	debootstrap := program(t, "debootstrap", "the package and the installation in a clean system")
	if os.Geteuid() != 0 {
		missing(t, "root", "the package and the installation in a clean system")
	}
	root := filepath.Join(t.TempDir(), "root")
	if out, err := exec.Command(debootstrap, "--variant=minbase", "--include=systemd", "bookworm", root).CombinedOutput(); err != nil {
		t.Fatalf("debootstrap: %v\n%s", err, tail(string(out), 2000))
	}
	return root
}

// inRoot runs a command of the system below root.
func inRoot(t testing.TB, root string, line ...string) string {
	t.Helper()
	cmd := exec.Command(line[0], line[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "HOME=/root"}
	var err error
	if cmd.Path, err = lookBelow(root, line[0]); err != nil {
		t.Fatal(err)
	}
	cmd.Err = nil // it was looked for outside
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", line, err, out)
	}
	return string(out)
}

func lookBelow(root, name string) (string, error) {
	for _, dir := range []string{"/usr/sbin", "/usr/bin"} {
		if _, err := os.Stat(filepath.Join(root, dir, name)); err == nil {
			return filepath.Join(dir, name), nil
		}
	}
	return "", fs.ErrNotExist
}

// checkUnit has systemd-analyze verify the units and score those that run something.
func checkUnit(t testing.TB, root string) {
	t.Helper()
	analyze := program(t, "systemd-analyze", "what systemd says of the unit")
	if out, err := exec.Command(analyze, "--root="+root, "verify", "zencrypt.service", "zencrypt.socket", "zencrypt-backup.service", "zencrypt-backup.timer").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	for _, unit := range []string{"zencrypt.service", "zencrypt-backup.service"} {
		out, err := exec.Command(analyze, "--root="+root, "security", "--offline=true", unit).CombinedOutput()
		m := regexp.MustCompile(`Overall exposure level for ` + unit + `: ([0-9.]+)`).FindSubmatch(out)
		if err != nil || m == nil {
			t.Fatalf("systemd-analyze security: %v\n%s", err, out)
		}
		score, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil || score > maxExposure {
			t.Errorf("the exposure of %s is %s, at most %g\n%s", unit, m[1], maxExposure, out)
		}
		t.Logf("%s: exposure %s", unit, m[1])
	}
}

// TestBulkInstall installs into a clean Debian system, by the package and by the command, and takes it off again.
func TestBulkInstall(t *testing.T) {
	clean := cleanDebian(t)
	copyOf := func(t *testing.T) string {
		root := filepath.Join(t.TempDir(), "root")
		if out, err := exec.Command("cp", "-a", clean, root).CombinedOutput(); err != nil {
			t.Fatalf("copy the system: %v\n%s", err, out)
		}
		return root
	}
	const timer = "etc/systemd/system/timers.target.wants/zencrypt-backup.timer"
	const key, env, data, backups = "etc/secrets/zencrypt_key", "etc/zencrypt.env", "var/lib/zencrypt", "var/lib/zencrypt-backup"
	edits := []string{"etc/systemd/system/zencrypt.service.d/override.conf", "etc/systemd/system/zencrypt-backup.service.d/override.conf"}
	there := func(t *testing.T, root string, want bool, paths ...string) {
		t.Helper()
		for _, p := range paths {
			if _, err := os.Lstat(filepath.Join(root, p)); (err == nil) != want {
				t.Errorf("/%s is there: %t, want %t", p, err == nil, want)
			}
		}
	}
	modeOf := func(t *testing.T, root, path string, want fs.FileMode) {
		t.Helper()
		if info, err := os.Stat(filepath.Join(root, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("/%s: %v, %v, want %v", path, info, err, want)
		}
	}
	const wanted, socket = "etc/systemd/system/multi-user.target.wants/zencrypt.service", "etc/systemd/system/sockets.target.wants/zencrypt.socket"
	// The data on a file system of its own, as on a volume.
	volume := func(t *testing.T, root string) {
		t.Helper()
		dir := filepath.Join(root, data)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("none", dir, "tmpfs", 0, ""); err != nil {
			t.Logf("nothing may be mounted here (%v): the data is a plain folder", err)
		} else {
			t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
		}
		if err := os.WriteFile(filepath.Join(dir, "zencrypt.db"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	backup := func(t *testing.T, root string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(root, backups), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, backups, "b.tar"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The data is there again, as from a backup that was put back first.
	withoutBackup := func(t *testing.T, root string) {
		t.Helper()
		err := os.RemoveAll(filepath.Join(root, backups))
		if err == nil {
			err = os.MkdirAll(filepath.Join(root, data), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(root, data, "zencrypt.db"), []byte("x"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	user := func(root string) bool {
		passwd, _ := os.ReadFile(filepath.Join(root, "etc/passwd"))
		return strings.Contains(string(passwd), "\nzencrypt:")
	}

	t.Run("Command", func(t *testing.T) {
		root := copyOf(t)
		install := func(args ...string) string {
			out, err := exec.Command(binary(t), append(args, "--root", root)...).CombinedOutput()
			if err != nil {
				t.Fatalf("%q: %v\n%s", args, err, out)
			}
			return string(out)
		}
		install("install", "--dry-run")
		there(t, root, false, key, env, "usr/local/bin/zencrypt", "etc/systemd/system/zencrypt.service")
		install("install")
		there(t, root, true, env, "usr/local/bin/zencrypt", wanted, timer, "etc/systemd/system/zencrypt-backup.service", "etc/systemd/system/zencrypt.socket")
		there(t, root, false, socket)
		modeOf(t, root, key, 0o400)
		modeOf(t, root, "etc/secrets", 0o700)
		checkUnit(t, root)
		before, err := os.ReadFile(filepath.Join(root, key))
		if err != nil {
			t.Fatal(err)
		}
		// An older key beside it, and a setting that somebody made: both stay, and the unit hears of the key.
		if err := os.WriteFile(filepath.Join(root, key+".1"), before, 0o400); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, env), []byte("ZENCRYPT_GUESTS=off\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		// Who switched the timer off wants it so.
		if err := os.Remove(filepath.Join(root, timer)); err != nil {
			t.Fatal(err)
		}
		if again := install("install"); strings.Contains(again, "make the server key") || strings.Contains(again, "useradd") {
			t.Errorf("the second time did it again:\n%s", again)
		}
		if now, err := os.ReadFile(filepath.Join(root, key)); err != nil || string(now) != string(before) {
			t.Error("the server key was changed")
		}
		if now, _ := os.ReadFile(filepath.Join(root, env)); string(now) != "ZENCRYPT_GUESTS=off\n" {
			t.Errorf("the settings were changed: %s", now)
		}
		there(t, root, false, timer)
		drop, _ := os.ReadFile(filepath.Join(root, "etc/systemd/system/zencrypt.service.d/keys.conf"))
		if !strings.Contains(string(drop), "LoadCredential=zencrypt_key.1:/etc/secrets/zencrypt_key.1\n") {
			t.Errorf("the unit does not hear of the older key: %q", drop)
		}
		checkUnit(t, root)
		volume(t, root)
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(socket)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/etc/systemd/system/zencrypt.socket", filepath.Join(root, socket)); err != nil {
			t.Fatal(err)
		}
		// What somebody changed with systemctl edit is theirs, and goes only with all the rest.
		for _, edit := range edits {
			if err := os.MkdirAll(filepath.Join(root, filepath.Dir(edit)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, edit), []byte("[Service]\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		install("uninstall")
		there(t, root, true, slices.Concat(edits, []string{key, env, data})...)
		there(t, root, false, "etc/systemd/system/zencrypt.service.d/keys.conf", "usr/local/bin/zencrypt", "etc/systemd/system/zencrypt.service", "etc/systemd/system/zencrypt-backup.service", "etc/systemd/system/zencrypt-backup.timer", wanted,
			socket, "etc/systemd/system/zencrypt.socket")
		// Backups keep their key and their owner until they are gone.
		backup(t, root)
		install("uninstall", "--purge", "--yes")
		there(t, root, true, slices.Concat(edits, []string{key, key + ".1", env, backups + "/b.tar"})...)
		there(t, root, false, data+"/zencrypt.db")
		if !user(root) {
			t.Error("the user went before the backups")
		}
		withoutBackup(t, root)
		install("uninstall", "--purge", "--yes")
		there(t, root, false, filepath.Dir(edits[0]), filepath.Dir(edits[1]), key, key+".1", env, data+"/zencrypt.db")
		if user(root) {
			t.Error("the user is still there")
		}
	})
	t.Run("Package", func(t *testing.T) {
		root := copyOf(t)
		deb := filepath.Join(root, "zencrypt.deb")
		pack := exec.Command("go", "tool", "-modfile=tools/go.mod", "nfpm", "package", "-f", "deploy/nfpm.yaml", "-p", "deb", "-t", deb)
		pack.Dir = ".."
		pack.Env = append(os.Environ(), "ARCH=amd64", "VERSION=1.0", "BINARY="+binary(t))
		if out, err := pack.CombinedOutput(); err != nil {
			t.Fatalf("nfpm: %v\n%s", err, out)
		}
		inRoot(t, root, "dpkg", "-i", "/zencrypt.deb")
		there(t, root, true, env, "usr/bin/zencrypt", "lib/systemd/system/zencrypt.service", "etc/systemd/system/multi-user.target.wants/zencrypt.service", "usr/share/doc/zencrypt/copyright", timer,
			"lib/systemd/system/zencrypt-backup.service", "usr/share/doc/zencrypt/prometheus/alerts.yml")
		modeOf(t, root, key, 0o400)
		if !user(root) {
			t.Error("there is no user")
		}
		checkUnit(t, root)
		// As the documents tell people to: the package's own program and unit stay the only ones.
		if out, err := exec.Command(filepath.Join(root, "usr/bin/zencrypt"), "install", "--root", root).CombinedOutput(); err != nil {
			t.Fatalf("install: %v\n%s", err, out)
		}
		there(t, root, false, "usr/local/bin/zencrypt", "etc/systemd/system/zencrypt.service", "etc/systemd/system/zencrypt-backup.timer", socket)
		before, _ := os.ReadFile(filepath.Join(root, key))
		// An upgrade leaves off what somebody switched off, and minds no mask.
		for _, off := range []string{wanted, timer} {
			if err := os.Remove(filepath.Join(root, off)); err != nil {
				t.Fatal(err)
			}
		}
		inRoot(t, root, "dpkg", "-i", "/zencrypt.deb")
		there(t, root, false, wanted, timer)
		mask := filepath.Join(root, "etc/systemd/system/zencrypt.service")
		if err := os.Symlink(os.DevNull, mask); err != nil {
			t.Fatal(err)
		}
		inRoot(t, root, "dpkg", "-i", "/zencrypt.deb")
		there(t, root, false, wanted, timer)
		if err := os.Remove(mask); err != nil {
			t.Fatal(err)
		}
		if now, _ := os.ReadFile(filepath.Join(root, key)); string(now) != string(before) || len(now) == 0 {
			t.Error("an upgrade changed the server key")
		}
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(edits[1])), 0o755); err != nil {
			t.Fatal(err)
		}
		inRoot(t, root, "dpkg", "-r", "zencrypt")
		there(t, root, true, key, env, filepath.Dir(edits[1]))
		there(t, root, false, timer, "usr/bin/zencrypt", "lib/systemd/system/zencrypt.service", wanted)
		// Installed again after that, it is switched on as at first, with the same key.
		inRoot(t, root, "dpkg", "-i", "/zencrypt.deb")
		there(t, root, true, wanted, timer)
		if now, _ := os.ReadFile(filepath.Join(root, key)); string(now) != string(before) {
			t.Error("installing again changed the server key")
		}
		volume(t, root)
		backup(t, root)
		if said := inRoot(t, root, "dpkg", "-P", "zencrypt"); !strings.Contains(said, "the backups in /"+backups+" ") || !user(root) {
			t.Errorf("the user is there: %t; it says\n%s", user(root), said)
		}
		there(t, root, true, key, env, backups+"/b.tar")
		there(t, root, false, data+"/zencrypt.db")
		withoutBackup(t, root)
		inRoot(t, root, "dpkg", "-i", "/zencrypt.deb")
		inRoot(t, root, "dpkg", "-P", "zencrypt")
		there(t, root, false, key, env, data+"/zencrypt.db", filepath.Dir(edits[1]), wanted, timer)
		if user(root) {
			t.Error("the user is still there")
		}
	})
}
