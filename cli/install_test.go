package cli

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"zencrypt/secrets"
)

// systemBelow is a system of files, without a user of ours, and what the installer says of it.
func systemBelow(t *testing.T, files ...string) (*installer, *bytes.Buffer) {
	t.Helper()
	var said bytes.Buffer
	in := &installer{out: &said, root: t.TempDir(), ctx: context.Background(), removeAll: os.RemoveAll}
	for _, path := range files {
		if err := os.MkdirAll(filepath.Dir(in.path(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(in.path(path), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return in, &said
}

// TestInstaller_Start: an upgrade enables nothing and starts again only what runs; a masked unit is left alone.
func TestInstaller_Start(t *testing.T) {
	for name, tt := range map[string]struct {
		masked  bool
		upgrade bool
		want    string
		never   string
	}{
		"New":         {want: "run systemctl enable --root ROOT zencrypt.service"},
		"Upgrade":     {upgrade: true, want: "run systemctl try-restart zencrypt.service", never: "run systemctl enable"},
		"Masked":      {masked: true, want: "zencrypt.service is masked", never: "run systemctl enable"},
		"MaskedLater": {masked: true, upgrade: true, want: "zencrypt.service is masked", never: "restart"},
	} {
		t.Run(name, func(t *testing.T) {
			in, said := systemBelow(t, packagedUnit)
			in.live, in.dry = true, true
			if tt.masked {
				if err := os.MkdirAll(in.path(localUnits), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(os.DevNull, in.path(localUnits+"/"+unitName)); err != nil {
					t.Fatal(err)
				}
			}
			if err := in.start(&env{ctx: in.ctx}, &installCmd{Packaged: true, Upgrade: tt.upgrade}); err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(said.String(), in.root, "ROOT")
			if !strings.Contains(text, tt.want) || tt.never != "" && strings.Contains(text, tt.never) {
				t.Errorf("want %q and not %q in\n%s", tt.want, tt.never, text)
			}
		})
	}
}

// TestInstaller_MakeUser: the group may be there without the user, which a purge leaves when others are in it, and the user
// without the group, which the unit names too.
func TestInstaller_MakeUser(t *testing.T) {
	const user, group = "zencrypt:x:997:997::/var/lib/zencrypt:/usr/sbin/nologin\n", "zencrypt:x:997:prometheus\n"
	for name, tt := range map[string]struct {
		passwd, group string
		want          string
	}{
		"Neither":   {want: "groupadd useradd"},
		"GroupOnly": {group: group, want: "useradd"},
		"UserOnly":  {passwd: user, want: "groupadd"},
		"Both":      {passwd: user, group: group},
		"Likely":    {passwd: "zencrypt2:x:1:1::/:/bin/sh\n", group: "a-zencrypt:x:1:\n", want: "groupadd useradd"},
	} {
		t.Run(name, func(t *testing.T) {
			in, said := systemBelow(t, "/etc/passwd", "/etc/group")
			in.dry = true
			for path, text := range map[string]string{"/etc/passwd": "root:x:0:0::/root:/bin/sh\n" + tt.passwd, "/etc/group": "root:x:0:\n" + tt.group} {
				if err := os.WriteFile(in.path(path), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := in.makeUser(); err != nil {
				t.Fatal(err)
			}
			var ran []string
			for line := range strings.Lines(said.String()) {
				if words := strings.Fields(line); words[0] == "run" {
					ran = append(ran, words[1])
				}
			}
			if got := strings.Join(ran, " "); got != tt.want || strings.Contains(said.String(), "--user-group") {
				t.Errorf("it runs %q, want %q:\n%s", got, tt.want, said)
			}
		})
	}
}

// TestUninstall_Purge: a mounted folder and a file that can't be removed keep nothing else from going, the keys go
// first and the program last.
func TestUninstall_Purge(t *testing.T) {
	key, database, override := systemSecrets+"/"+secrets.KeyFile, systemData+"/zencrypt.db", localUnits+"/"+unitName+".d/override.conf"
	in, _ := systemBelow(t, key, key+".1", database, systemData+"/blobs/ab", systemEnv, localUnits+"/"+unitName, override, installedBinary)
	var order []string
	in.removeAll = func(path string) error {
		order = append(order, strings.TrimPrefix(path, in.root))
		switch path {
		case in.path(systemData): // as a folder that a volume is mounted on
			for _, name := range []string{"zencrypt.db", "blobs"} {
				if err := os.RemoveAll(filepath.Join(path, name)); err != nil {
					return err
				}
			}
			return &fs.PathError{Op: "unlinkat", Path: path, Err: syscall.EBUSY}
		case in.path(systemEnv):
			return fs.ErrPermission
		}
		return os.RemoveAll(path)
	}
	err := (&uninstallCmd{Purge: true}).takeOff(in)
	if !errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EBUSY) {
		t.Errorf("it says %v", err)
	}
	for path, want := range map[string]bool{key: false, key + ".1": false, database: false, systemData: true, override: false, installedBinary: false, localUnits + "/" + unitName: false} {
		if in.exists(path) != want {
			t.Errorf("%s is there: %t", path, !want)
		}
	}
	if len(order) == 0 || order[0] != key || order[len(order)-1] != installedBinary {
		t.Errorf("removed in the order %q", order)
	}
	// What is not empty is no success.
	in, _ = systemBelow(t, database)
	in.removeAll = func(path string) error { return &fs.PathError{Op: "unlinkat", Path: path, Err: syscall.EBUSY} }
	if err := in.remove(systemData); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("a full folder: %v", err)
	}
}

// TestUninstall_PurgeElsewhere: data that lies elsewhere stays, and with it the keys that open it and what names it, also
// when it is asked again; data below the usual folder does not.
func TestUninstall_PurgeElsewhere(t *testing.T) {
	key, inside, drop := systemSecrets+"/"+secrets.KeyFile, systemData+"/data/zencrypt.db", localUnits+"/"+unitName+".d/override.conf"
	for name, tt := range map[string]struct {
		env, drop string
		link      bool
		stays     string
	}{
		"Settings": {env: "ZENCRYPT_DATA=/srv/zen\n", stays: "/srv/zen"},
		"Indented": {env: "# a line\n  ZENCRYPT_DATA=\"/srv/zen/\"\n", stays: "/srv/zen"},
		"DropIn":   {drop: "[Service]\nEnvironment=A=b \"ZENCRYPT_DATA=/srv/zen\"\n", stays: "/srv/zen"},
		"Both":     {env: "ZENCRYPT_DATA=/srv/zen\n", drop: "[Service]\nEnvironment=ZENCRYPT_DATA=/srv/other\n", stays: "/srv/zen"},
		"Link":     {link: true, stays: "/srv/zen"},
		"Below":    {env: "ZENCRYPT_DATA=" + systemData + "/data\n"},
		"Slash":    {env: "ZENCRYPT_DATA=" + systemData + "/\n"},
		"Unset":    {env: "#ZENCRYPT_DATA=/srv/zen\n"},
	} {
		t.Run(name, func(t *testing.T) {
			in, said := systemBelow(t, key, key+".1", "/srv/zen/zencrypt.db", systemEnv, drop, installedBinary)
			if tt.link {
				if err := os.MkdirAll(in.path(filepath.Dir(systemData)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink("/srv/zen", in.path(systemData)); err != nil {
					t.Fatal(err)
				}
			} else if err := os.MkdirAll(in.path(filepath.Dir(inside)), 0o700); err != nil {
				t.Fatal(err)
			} else if err := os.WriteFile(in.path(inside), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			for path, text := range map[string]string{systemEnv: tt.env, drop: tt.drop} {
				if err := os.WriteFile(in.path(path), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := (&uninstallCmd{Purge: true}).takeOff(in); err != nil {
					t.Fatal(err)
				}
			}
			stays := tt.stays != ""
			for path, want := range map[string]bool{"/srv/zen/zencrypt.db": true, key: stays, key + ".1": stays, systemEnv: stays, drop: stays, inside: false, systemData: tt.link, installedBinary: false} {
				if in.exists(path) != want {
					t.Errorf("%s is there: %t", path, !want)
				}
			}
			if got := strings.Contains(said.String(), "Kept: "+tt.stays+", "+key); got != stays {
				t.Errorf("of what stays it says:\n%s", said)
			}
		})
	}
}

// TestUninstall_Stop: everything of ours is stopped before anything goes, the socket among it, and is not started again.
func TestUninstall_Stop(t *testing.T) {
	in, said := systemBelow(t, packagedUnit, filepath.Dir(packagedUnit)+"/"+socketUnit, filepath.Dir(packagedUnit)+"/"+backupUnit, filepath.Dir(packagedUnit)+"/"+backupTimer, keysDropIn)
	in.live, in.dry = true, true
	if err := (&uninstallCmd{Packaged: true}).takeOff(in); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.ReplaceAll(said.String(), in.root, "ROOT"), "\n")
	if want := "  run systemctl stop zencrypt.socket zencrypt-backup.timer zencrypt-backup.service zencrypt.service"; lines[0] != want {
		t.Errorf("first it does %q", lines[0])
	}
	for _, unit := range []string{socketUnit, backupTimer, unitName} {
		if !slices.Contains(lines, "  run systemctl disable --root ROOT "+unit) {
			t.Errorf("%s is not disabled:\n%s", unit, said)
		}
	}
	// The program goes with its package: it could not be asked to purge.
	if !strings.Contains(said.String(), "'apt purge zencrypt' deletes them") {
		t.Errorf("of what is kept it says:\n%s", said)
	}
}

// TestInstaller_DropIn: systemd is told of numbered keys alone, and not of one that is on its way out.
func TestInstaller_DropIn(t *testing.T) {
	key := systemSecrets + "/" + secrets.KeyFile
	in, _ := systemBelow(t, key, key+".1", key+".2", key+".1.bak", key+".01")
	for except, want := range map[string]string{
		"":                     "LoadCredential=zencrypt_key.1:/etc/secrets/zencrypt_key.1\nLoadCredential=zencrypt_key.2:/etc/secrets/zencrypt_key.2\n",
		secrets.KeyFile + ".1": "LoadCredential=zencrypt_key.2:/etc/secrets/zencrypt_key.2\n",
	} {
		if err := in.dropIn(except); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(in.path(keysDropIn))
		if _, list, _ := strings.Cut(string(got), "[Service]\n"); err != nil || list != want {
			t.Errorf("without %q: %v\n%s", except, err, got)
		}
	}
}
