package cli

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"zencrypt/deploy"
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

// TestInstall_WrittenAnew: a unit that alone names a folder is not replaced, and nothing else is done then; settings and
// drop-ins name it as well, and our own units no other.
func TestInstall_WrittenAnew(t *testing.T) {
	const unit, drop = localUnits + "/" + unitName, localUnits + "/" + unitName + ".d/override.conf"
	for name, tt := range map[string]struct {
		files map[string]string
		want  string // what it refuses for; "": it does not
	}{
		"Data":      {files: map[string]string{unit: "[Service]\nExecStart=/usr/local/bin/zencrypt serve --data /srv/zen\n"}, want: "names /srv/zen,"},
		"File":      {files: map[string]string{unit: "[Service]\nEnvironmentFile=-/etc/more.env\n", "/etc/more.env": "ZENCRYPT_DATA=/srv/zen\n"}, want: "names /srv/zen,"},
		"Backups":   {files: map[string]string{localUnits + "/" + backupUnit: "[Service]\nEnvironment=ZENCRYPT_BACKUP_TO=/mnt/b\n"}, want: "names /mnt/b,"},
		"Elsewhere": {files: map[string]string{unit: deploy.Unit, localUnits + "/" + backupUnit: deploy.BackupUnit, systemEnv: "ZENCRYPT_DATA=/srv/zen\n", drop: "[Service]\nEnvironment=ZENCRYPT_BACKUP_TO=/mnt/b\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			in, _ := aPurge{files: tt.files}.system(t)
			var said bytes.Buffer
			err := (&installCmd{DryRun: true, Root: in.root}).Run(&env{ctx: in.ctx, stdout: &said})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || said.Len() > 0) {
				t.Errorf("want %q: %v\n%s", tt.want, err, said.String())
			}
		})
	}
}

// TestInstaller_MakeUser: the group may be there without the user, which a purge leaves when others are in it, and the user
// without the group, which the unit names too. The group may come from elsewhere than the file.
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
			if got := strings.Join(ran, " "); got != tt.want || strings.Contains(said.String(), "--user-group") || strings.Contains(got, "groupadd") != strings.Contains(said.String(), "run groupadd --root "+in.root+" --force ") {
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

// aPurge is a system that is purged, and what is to be left of it.
type aPurge struct {
	files  map[string]string // beside key, program, a database in /srv/zen, and, unless none, one in the usual folder
	none   bool
	spent  bool              // no key is there, either
	links  map[string]string // instead of what is there
	stays  string            // the data that stays is told so; "": it goes
	backup string            // the backups that stay, likewise
	by     string            // who purges it; "": the command and the package
}

// purges are taken off by the command and by the package's script alike.
func purges() map[string]aPurge {
	const drop, unit, inside = localUnits + "/" + unitName + ".d/override.conf", localUnits + "/" + unitName, systemData + "/data"
	none := "no database in " + systemData
	file := func(path, text string) map[string]string { return map[string]string{path: text} }
	return map[string]aPurge{
		"Ordinary":    {files: file(systemEnv, "ZENCRYPT_GUESTS=off\n")},
		"Slash":       {files: file(systemEnv, "ZENCRYPT_DATA="+systemData+"/\n")},
		"Unset":       {files: file(systemEnv, "#ZENCRYPT_DATA=/srv/zen\n ; ZENCRYPT_DATA=/srv/zen\n")},
		"Below":       {none: true, files: map[string]string{systemEnv: "ZENCRYPT_DATA=" + inside + "\n", inside + "/zencrypt.db": "x"}},
		"Moved":       {none: true, stays: none}, // or never made
		"Spent":       {none: true, spent: true},
		"Emptied":     {none: true, spent: true, files: file(systemData+"/lost+found/", "")},
		"SpentFull":   {none: true, spent: true, files: file(systemData+"/blobs/x", ""), stays: none},
		"SpentSet":    {none: true, spent: true, files: file(systemEnv, "ZENCRYPT_GUESTS=off\n"), stays: none},
		"Settings":    {files: file(systemEnv, "ZENCRYPT_DATA=/srv/zen\n"), stays: "/srv/zen"},
		"Indented":    {files: file(systemEnv, "# a line\n  ZENCRYPT_DATA=\"/srv/zen/\"\n"), stays: "/srv/zen"},
		"Spaces":      {files: file(systemEnv, "ZENCRYPT_DATA = /srv/zen\n"), stays: "/srv/zen"},
		"DotDot":      {files: file(systemEnv, "ZENCRYPT_DATA="+systemData+"/../../../srv/zen\n"), stays: "/srv/zen"},
		"DropIn":      {files: file(drop, "[Service]\nEnvironment=A=b \"ZENCRYPT_DATA=/srv/zen\"\n"), stays: "/srv/zen"},
		"DropInApart": {files: file(drop, "[Service]\nEnvironment = A=b ZENCRYPT_DATA=/srv/zen C=d\n"), stays: "/srv/zen"},
		"Both":        {files: map[string]string{systemEnv: "ZENCRYPT_DATA=/srv/zen\n", drop: "[Service]\nEnvironment=ZENCRYPT_DATA=/srv/other\n"}, stays: "/srv/zen"},
		"File":        {files: map[string]string{drop: "[Service]\nEnvironmentFile=-/etc/more.env\n", "/etc/more.env": "ZENCRYPT_DATA=/srv/zen"}, stays: "/srv/zen"},
		"Flag":        {files: file(drop, "[Service]\nExecStart=\nExecStart=/usr/local/bin/zencrypt serve --data /srv/zen\n"), stays: "/srv/zen"},
		"FlagGoesOn":  {files: file(drop, "[Service]\nExecStart=\nExecStart=/usr/local/bin/zencrypt serve \\\n# where\n--data=/srv/zen\n"), stays: "/srv/zen"},
		"Bound":       {files: file(drop, "[Service]\nBindPaths=/mnt/x -/srv/zen:"+systemData+"\n"), stays: "/srv/zen"},
		"Unit":        {none: true, files: file(unit, "[Service]\nExecStart=/usr/bin/zencrypt serve --data /srv/zen"), stays: "/srv/zen"},
		"UnitFile":    {none: true, files: map[string]string{unit: "[Service]\nEnvironmentFile=/etc/more.env\n", "/etc/more.env": "ZENCRYPT_DATA=/srv/zen"}, stays: "/srv/zen"},
		"BackupUnit":  {files: file(localUnits+"/"+backupUnit, "[Service]\nExecStart=/usr/bin/zencrypt backup -o /mnt/b\n"), backup: "/mnt/b"},
		"OtherUnit":   {files: file(localUnits+"/zencrypt-second.service", "[Service]\nExecStart=/usr/bin/zencrypt serve --data \"/srv/zen\"\n"), stays: "/srv/zen"},
		"Link":        {none: true, links: map[string]string{systemData: "/srv/zen"}, stays: "/srv/zen"},
		"LinkBelow":   {files: file(systemEnv, "ZENCRYPT_DATA="+inside+"\n"), links: map[string]string{inside: "/srv/zen"}, stays: "/srv/zen"},
		"LinkBack":    {files: file(systemEnv, "ZENCRYPT_DATA=/srv/back\n"), links: map[string]string{"/srv/back": systemData}, stays: "/srv/back"},
		"NotMounted":  {none: true, files: file(systemData+"/lost+found/x", ""), stays: none},
		"BelowAway":   {files: file(systemEnv, "ZENCRYPT_DATA="+inside+"\n"), stays: none + "/data"},
		"LinkedFile":  {none: true, files: file(systemData+"/x", ""), links: map[string]string{systemData + "/zencrypt.db": "/srv/zen/zencrypt.db"}, stays: none},
		"Local":       {files: file(installedBinary, "x"), stays: installedBinary, by: "Package"},
		"Packaged":    {files: map[string]string{packagedBinary: "x", packagedUnit: "x", keysDropIn: "x"}, stays: packagedBinary, by: "Command"},
		"Backups":     {files: file(systemBackups+"/b.tar", "x"), backup: systemBackups},
		"BackupsAway": {files: file(systemEnv, "ZENCRYPT_BACKUP_TO=/mnt/b\n"), backup: "/mnt/b"},
		"Unbound":     {files: file(drop, "[Service]\nBindPaths=/mnt/x:/mnt/y:rbind /srv/zen:"+systemData+"2\n")},
		"BackupsTied": {files: file(drop, "[Service]\nBindPaths=/mnt/b:"+systemBackups+":rbind"), backup: "/mnt/b"},
		"BackupsFlag": {files: file(localUnits+"/"+backupUnit+".d/o.conf", "[Service]\nExecStart=\nExecStart=/usr/bin/zencrypt backup -o /mnt/b\n"), backup: "/mnt/b"},
	}
}

// system is one with these files and links in it, key and program aside.
func (p aPurge) system(t *testing.T, files ...string) (*installer, *bytes.Buffer) {
	t.Helper()
	in, said := systemBelow(t, files...)
	for path, text := range p.files {
		if err := os.MkdirAll(filepath.Dir(in.path(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "/") {
			continue // a folder
		}
		if err := os.WriteFile(in.path(path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for path, to := range p.links {
		if err := os.MkdirAll(filepath.Dir(in.path(path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, in.path(path)); err != nil {
			t.Fatal(err)
		}
	}
	return in, said
}

// openToAll opens the test's own folder around root, and tells whether those around that are open.
func openToAll(t *testing.T, root string) bool {
	t.Helper()
	if err := os.Chmod(filepath.Dir(root), 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(root); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode()&0o001 == 0 {
			return false
		}
	}
	return true
}

// TestUninstall_PurgeKeeps: data that lies elsewhere or can't be seen stays as it is, and with it, as with backups, the keys
// that open it and what names it, also when it is asked again. All else goes.
func TestUninstall_PurgeKeeps(t *testing.T) {
	const key, database, other = systemSecrets + "/" + secrets.KeyFile, systemData + "/zencrypt.db", "/srv/zen/zencrypt.db"
	runs := map[string]int{"Command": 2, "Package": 1} // dpkg purges once
	for by, purge := range map[string]func(t *testing.T, in *installer) error{
		"Command": func(_ *testing.T, in *installer) error { return (&uninstallCmd{Purge: true}).takeOff(in) },
		"Package": func(t *testing.T, in *installer) error {
			text, err := os.ReadFile("../deploy/debian/postrm")
			if err != nil {
				t.Fatal(err)
			}
			script := exec.Command("sh", "-s", "purge")
			script.Dir, script.Stdin, script.Stdout, script.Stderr = in.root, bytes.NewReader(text), in.out, in.out
			script.Env = []string{"PATH=" + os.Getenv("PATH"), "DPKG_ROOT=" + in.root}
			if os.Geteuid() == 0 && openToAll(t, in.root) { // a mistake in it is not to reach this machine
				hand(t, in.root)
				script.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			}
			return script.Run()
		},
	} {
		for name, tt := range purges() {
			if tt.by != "" && tt.by != by {
				continue
			}
			t.Run(by+"/"+name, func(t *testing.T) {
				there := []string{other}
				if !tt.spent {
					there = append(there, key, key+".1")
				}
				if by == "Command" {
					there = append(there, installedBinary)
				}
				if !tt.none {
					there = append(there, database)
				}
				in, said := tt.system(t, there...)
				for range runs[by] {
					if err := purge(t, in); err != nil {
						t.Fatalf("%v\n%s", err, said)
					}
				}
				any := tt.stays != "" || tt.backup != ""
				want := map[string]bool{key: any && !tt.spent, key + ".1": any && !tt.spent, other: true, database: !tt.none && tt.stays != ""}
				for path := range tt.files {
					want[path] = any
					if path == systemData || strings.HasPrefix(path, systemData+"/") {
						want[path] = tt.stays != ""
					}
				}
				for path := range tt.links {
					want[path] = true
				}
				for path, want := range want {
					if in.exists(path) != want {
						t.Errorf("%s is there: %t", path, !want)
					}
				}
				if in.exists(systemData) && tt.stays == "" {
					t.Errorf("%s is there", systemData)
				}
				if !strings.Contains(said.String(), tt.stays) || !strings.Contains(said.String(), tt.backup) || strings.Contains(said.String(), "When nothing of it is needed any more") != any {
					t.Errorf("of what stays it says:\n%s", said)
				}
			})
		}
	}
}

// TestUninstall_Confirm: who purges is told before what goes and what stays.
func TestUninstall_Confirm(t *testing.T) {
	database := systemData + "/zencrypt.db"
	for want, files := range map[string][]string{
		"no password opens a backup: keep a copy first. Nothing brings them back.": {database},
		systemBackups + " stays, with the server key that opens them.":             {database, systemBackups + "/b.tar"},
		systemData + " stays, with server key and settings.":                       {systemData + "/x", systemBackups + "/b.tar"},
	} {
		in, _ := systemBelow(t, files...)
		var said bytes.Buffer
		if err := confirmPurge(&env{stdin: strings.NewReader("yes\n"), stderr: &said}, in, false); err == nil || !strings.Contains(said.String(), want) {
			t.Errorf("%v; want %q in\n%s", err, want, said.String())
		}
	}
}

// TestInstaller_MakeKey: no key is made beside data that another one belongs to, wherever it lies.
func TestInstaller_MakeKey(t *testing.T) {
	for name, tt := range purges() {
		t.Run(name, func(t *testing.T) {
			at := systemData
			if strings.HasPrefix(tt.stays, "/") && len(tt.links) == 0 && tt.by == "" {
				at = tt.stays
			}
			tt.links = nil
			in, said := tt.system(t, at+"/zencrypt.db")
			err := in.makeKey()
			if err == nil || !strings.Contains(err.Error(), "there is a database in "+at) || in.exists(systemSecrets) {
				t.Errorf("it says %v\n%s", err, said)
			}
		})
	}
}

// TestInstall_Hidden: who may not look at the keys of an installation is told so in a dry run, and not that they are lost.
func TestInstall_Hidden(t *testing.T) {
	asRoot(t)
	in, _ := systemBelow(t, systemSecrets+"/"+secrets.KeyFile, systemSecrets+"/"+secrets.KeyFile+".1", systemData+"/zencrypt.db")
	openToAll(t, in.root)
	for _, mode := range []fs.FileMode{0o700, 0o755} { // the folder hides the key, and the key itself is closed
		if err := errors.Join(os.Chmod(in.root, 0o755), os.Chmod(in.path(systemSecrets), mode), os.Chmod(in.path(systemData), 0o700)); err != nil {
			t.Fatal(err)
		}
		code, said := runAs(t, nobody, "install", "--dry-run", "--root", in.root)
		if code != 0 || !strings.Contains(said, "only root can see") || !strings.Contains(said, "write "+localUnits+"/"+unitName) || strings.Contains(said, "Put the key back") {
			t.Errorf("%v: it ends with %d:\n%s", mode, code, said)
		}
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
