package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"zencrypt/deploy"
	"zencrypt/models"
	"zencrypt/secrets"
)

// Where an installation has its things. The unit names them too.
const (
	installedBinary = "/usr/local/bin/zencrypt"
	packagedBinary  = "/usr/bin/zencrypt"
	systemSecrets   = "/etc/secrets"
	systemEnv       = "/etc/zencrypt.env"
	systemData      = "/var/lib/zencrypt"
	systemUser      = "zencrypt"
	unitName        = "zencrypt.service"
	localUnits      = "/etc/systemd/system"
	packagedUnit    = "/lib/systemd/system/" + unitName
	backupUnit      = "zencrypt-backup.service"
	backupTimer     = "zencrypt-backup.timer"
	socketUnit      = "zencrypt.socket"
	systemBackups   = "/var/lib/zencrypt-backup"
	keysDropIn      = localUnits + "/" + unitName + ".d/keys.conf"
)

// answerTime is how long the server has until it answers.
const answerTime = 20 * time.Second

type installCmd struct {
	DryRun   bool   `name:"dry-run" help:"Print each step and change nothing."`
	NoStart  bool   `name:"no-start" help:"Do not start the server."`
	Packaged bool   `name:"packaged" hidden:"" help:"The program and the unit were put in place by a package."`
	Upgrade  bool   `name:"upgrade" hidden:"" help:"They were there before: enable nothing, and start again only what runs."`
	Root     string `name:"root" placeholder:"DIR" help:"Install into the system below DIR, such as an image that is being built. Starts nothing."`
}

// Help is the long text of `zencrypt install --help`.
func (installCmd) Help() string {
	return `Makes a server of this machine, as root on Linux with systemd:

    a user "zencrypt" without a shell
    ` + installedBinary + `, a copy of this very program
    ` + systemSecrets + `/` + secrets.KeyFile + `, the server key, if there is none: keep a copy elsewhere
    ` + systemEnv + `, the settings, if there is none
    ` + localUnits + `/` + unitName + `, and ` + systemData + ` for its data
    ` + localUnits + `/` + backupTimer + `, a backup each night to ` + systemBackups + `
    ` + localUnits + `/` + socketUnit + `, not switched on: it says itself what it is for

and starts it. Where this program came by a package, that brought program and units, and neither is written. Run it again after an upgrade or a new server key: what is right already stays as it is. A unit that was written anew, as by 'systemctl edit --full', and names another folder
for data or backups is not replaced: move that into ` + systemEnv + ` or 'systemctl edit' first.

` + exitCodes
}

// Run installs.
func (c *installCmd) Run(e *env) error {
	in, err := e.installer(c.Root, c.DryRun)
	if err != nil {
		return err
	}
	c.Packaged = c.Packaged || in.packaged()
	if in.root == "" && !in.live && !c.Packaged && !c.DryRun && !in.exists("/lib/systemd/system") && !in.exists("/usr/lib/systemd/system") {
		return errors.New("find systemd: this system has none. Run 'zencrypt serve' under whatever starts services here; docs/OPERATE.md says how")
	}
	if !c.Packaged {
		if err := in.writtenAnew(); err != nil {
			return err
		}
	}
	if err := in.makeUser(); err != nil {
		return err
	}
	binary := packagedBinary
	if !c.Packaged {
		binary = installedBinary
		if err := in.copyBinary(); err != nil {
			return err
		}
	}
	if err := in.makeKey(); err != nil {
		return err
	}
	if in.exists(systemEnv) {
		in.already("%s", systemEnv)
	} else if err := in.write(systemEnv, []byte(deploy.Env), 0o644); err != nil {
		return err
	}
	if !c.Packaged {
		for _, unit := range []struct{ name, text string }{{unitName, deploy.Unit}, {socketUnit, deploy.Socket}, {backupUnit, deploy.BackupUnit}, {backupTimer, deploy.BackupTimer}} {
			text := strings.ReplaceAll(unit.text, packagedBinary+" ", binary+" ")
			if err := in.write(localUnits+"/"+unit.name, []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	if err := in.dropIn(""); err != nil {
		return err
	}
	return in.start(e, c)
}

// writtenAnew refuses to replace a unit that alone names where the data or the backups lie: the server would start without
// its data, and a purge not know of it any more.
func (in *installer) writtenAnew() error {
	for _, unit := range []string{unitName, backupUnit} {
		if dirs := in.otherFolders(localUnits + "/" + unit); len(dirs) > 0 {
			return fmt.Errorf("keep %s/%s: it names %s, and would be replaced. Move that into %s or 'systemctl edit %s' first", localUnits, unit, strings.Join(dirs, ", "), systemEnv, strings.TrimSuffix(unit, ".service"))
		}
	}
	return nil
}

// makeUser makes the user that the server runs as, which owns nothing but the data, and its group. The group may be there
// alone: a purge leaves it to others who were taken into it, such as for the socket of the metrics.
func (in *installer) makeUser() error {
	var below []string
	if in.root != "" {
		below = []string{"--root", in.root}
	}
	if !in.has("/etc/group", systemUser) { // --force: it may come from elsewhere (nsswitch.conf(5)), and is no error then
		if err := in.run("groupadd", append(below, "--force", "--system", systemUser)...); err != nil {
			return err
		}
	}
	if in.has("/etc/passwd", systemUser) {
		in.already("user %s", systemUser)
		return nil
	}
	return in.run("useradd", append(below, "--system", "--gid", systemUser, "--home-dir", systemData, "--no-create-home", "--shell", "/usr/sbin/nologin", systemUser)...)
}

// thisProgram is the file of this very program, behind all links.
func thisProgram() (string, error) {
	self, err := os.Executable()
	if err == nil {
		self, err = filepath.EvalSymlinks(self)
	}
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return self, nil
}

// packaged tells whether this program is the one that a package put into the system below root, with its unit. A copy
// in /usr/local and a unit in /etc would stand before the package's, and no upgrade would reach the server again.
func (in *installer) packaged() bool {
	self, err := thisProgram()
	if err != nil {
		return false
	}
	// The folder alone: a link in it to the copy in /usr/local is no package's.
	dir, err := filepath.EvalSymlinks(filepath.Dir(in.path(packagedBinary)))
	return err == nil && self == filepath.Join(dir, filepath.Base(packagedBinary)) && in.unitOfPackage()
}

// unitOfPackage tells whether a package brought its unit.
func (in *installer) unitOfPackage() bool {
	return in.exists(packagedUnit) || in.exists("/usr"+packagedUnit)
}

// copyBinary puts this program where the unit starts it from.
func (in *installer) copyBinary() error {
	self, err := thisProgram()
	if err != nil {
		return err
	}
	if self == in.path(installedBinary) {
		in.already("%s, this program", installedBinary)
		return nil
	}
	content, err := os.ReadFile(self)
	if err != nil {
		return fmt.Errorf("read this program: %w", err)
	}
	return in.write(installedBinary, content, 0o755)
}

// makeKey makes the server key together with a new server, and never beside data that another key belongs to.
func (in *installer) makeKey() error {
	if in.dry && in.hidden() {
		fmt.Fprintf(in.out, "  only root can see whether there is a server key in %s: it stays, or is made for a new server\n", systemSecrets)
		return nil
	}
	if in.exists(systemSecrets + "/" + secrets.KeyFile) {
		ring, err := secrets.Load(in.path(systemSecrets), secrets.LoadOptions{})
		if err != nil {
			return err
		}
		in.already("server key %s, fingerprint %s", systemSecrets+"/"+secrets.KeyFile, ring.Active.Fingerprint)
		return nil
	}
	for _, dir := range append(serviceData(in.root), systemData) {
		if models.Exists(in.path(dir)) {
			return fmt.Errorf("find server key: there is a database in %s but no %s in %s. Put the key back that was used with it", dir, secrets.KeyFile, systemSecrets)
		}
	}
	return in.step(func() error {
		ring, err := secrets.Create(in.path(systemSecrets))
		if err != nil {
			return err
		}
		fmt.Fprintf(in.out, "    fingerprint %s. Without this file no password opens an account: keep a copy elsewhere,\n    apart from the copies of the data\n", ring.Active.Fingerprint)
		return nil
	}, "make the server key %s/%s (0400)", systemSecrets, secrets.KeyFile)
}

// hidden tells whether the server keys can't be seen or read, as by others than root.
func (in *installer) hidden() bool {
	_, err := secrets.Load(in.path(systemSecrets), secrets.LoadOptions{AllowShared: true})
	return errors.Is(err, fs.ErrPermission)
}

// dropIn names the older server keys to systemd, which hands over only what it is told by name, and starts nothing when
// one of those is not there. The file except is on its way out.
func (in *installer) dropIn(except string) error {
	if in.dry && in.hidden() {
		return nil // makeKey said so
	}
	older, err := secrets.Older(in.path(systemSecrets))
	if err != nil {
		return err
	}
	older = slices.DeleteFunc(older, func(name string) bool { return name == except })
	if len(older) == 0 {
		if !in.exists(keysDropIn) {
			return nil
		}
		return in.step(func() error { return os.Remove(in.path(keysDropIn)) }, "remove %s: there are no older server keys", keysDropIn)
	}
	text := "# Written by `zencrypt install` and `zencrypt secrets`: older server keys, for accounts that have not logged in since.\n[Service]\n"
	for _, name := range older {
		text += fmt.Sprintf("LoadCredential=%s:%s/%[1]s\n", name, systemSecrets)
	}
	return in.write(keysDropIn, []byte(text), 0o644)
}
