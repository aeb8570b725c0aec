package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"zencrypt/secrets"
)

type uninstallCmd struct {
	DryRun   bool   `name:"dry-run" help:"Print each step and change nothing."`
	Purge    bool   `name:"purge" help:"Delete the data, the server key, the settings and the user too."`
	Yes      bool   `name:"yes" help:"Do not ask before --purge deletes."`
	Packaged bool   `name:"packaged" hidden:"" help:"The program and the unit belong to a package."`
	Root     string `name:"root" placeholder:"DIR" help:"Uninstall from the system below DIR."`
}

// Help is the long text of `zencrypt uninstall --help`.
func (uninstallCmd) Help() string {
	return `Stops the server and removes the units and the program; those of a package stay until the package is removed. The
data in ` + systemData + `, the server key in ` + systemSecrets + ` and the settings stay, unless --purge is given, which
cannot be taken back. So do changes made with 'systemctl edit'. Backups in ` + systemBackups + ` stay in any case.

--purge deletes data only where it sees it: when a unit, a drop-in or the settings name another folder, a link leads away from
` + systemData + `, or no database is in it, moved or never made, the data stays, with the server key that opens it, the settings that name it and the
user whose it is. So does all of it while the package is installed beside a program in ` + filepath.Dir(installedBinary) + `: the last of them to be
purged deletes it. Key, settings and user stay for backups too, while there are any in ` + systemBackups + ` or the
settings name another folder for them; for other backups keep a copy of the key first. What stays is told, and how to remove
it. A folder that a volume is mounted on is emptied.

` + exitCodes
}

// Run uninstalls.
func (c *uninstallCmd) Run(e *env) error {
	in, err := e.installer(c.Root, c.DryRun)
	if err != nil {
		return err
	}
	if c.Purge && !c.Yes && !c.DryRun {
		if err := confirmPurge(e, in, c.Packaged || in.packaged()); err != nil {
			return err
		}
	}
	return c.takeOff(in)
}

// takeOff stops everything first. What can't be removed then keeps nothing else from being removed.
func (c *uninstallCmd) takeOff(in *installer) error {
	if err := in.stop(); err != nil {
		return err
	}
	packaged := c.Packaged || in.packaged()
	stays := in.staying(packaged)
	paths, err := in.leftBehind(c.Purge, packaged, stays)
	failed := []error{err}
	for _, path := range paths {
		failed = append(failed, in.remove(path))
	}
	if !in.dry {
		_ = os.Remove(in.path(filepath.Dir(keysDropIn))) // only when nobody else's file is in it
	}
	if in.live {
		failed = append(failed, in.run("systemctl", "daemon-reload"))
	}
	if c.Purge && !stays.any() && in.has("/etc/passwd", systemUser) {
		args := []string{systemUser}
		if in.root != "" {
			args = append([]string{"--root", in.root}, args...)
		}
		failed = append(failed, in.run("userdel", args...))
	}
	switch {
	case stays.data != "" || c.Purge && stays.any():
		stays.tell(in)
	case !c.Purge:
		purge := "zencrypt uninstall --purge"
		if c.Packaged { // this program is on its way out
			purge = "apt purge zencrypt"
		}
		what := "them"
		if stays.backups != "" {
			what = "the data, and the rest too if there are no backups by then in " + stays.backups
		}
		fmt.Fprintf(in.out, "Kept: %s, %s, %s and the user %s. '%s' deletes %s.\n", systemData, systemSecrets+"/"+secrets.KeyFile, systemEnv, systemUser, purge, what)
	}
	if packaged && !c.Packaged {
		fmt.Fprintln(in.out, "The program and its units belong to a package, which 'apt remove zencrypt' takes off.")
	}
	return errors.Join(failed...)
}

// stop ends what runs and keeps it from being started, the socket first: a connection would start the server again.
// What runs as the user keeps it from being removed.
func (in *installer) stop() error {
	var there []string
	for _, unit := range []string{socketUnit, backupTimer, backupUnit, unitName} {
		if in.exists(localUnits+"/"+unit) || in.exists(filepath.Dir(packagedUnit)+"/"+unit) || in.exists("/usr"+filepath.Dir(packagedUnit)+"/"+unit) {
			there = append(there, unit)
		}
	}
	if in.live && len(there) > 0 {
		if err := in.run("systemctl", append([]string{"stop"}, there...)...); err != nil {
			return err
		}
	}
	for _, unit := range there {
		if unit == backupUnit {
			continue // the timer starts it, it is never enabled
		}
		if err := in.systemctl(unit, "disable"); err != nil {
			return err
		}
	}
	return nil
}

// leftBehind lists what is to be removed: the keys first, since without them the rest is worth less to whoever finds it,
// and the program last, so that it can be asked again. What names data that stays does too, so that it is not forgotten when
// this is run again. An error leaves out keys alone.
func (in *installer) leftBehind(purge, packaged bool, stays staying) (paths []string, err error) {
	if purge && !stays.any() {
		var keys []string
		keys, err = filepath.Glob(in.path(systemSecrets + "/" + secrets.KeyFile + "*"))
		for _, key := range keys { // others may have secrets there too
			paths = append(paths, systemSecrets+"/"+filepath.Base(key))
		}
	}
	if purge && stays.data == "" {
		paths = append(paths, systemData)
	}
	if purge && !stays.any() {
		paths = append(paths, systemEnv)
		for _, unit := range []string{unitName, socketUnit, backupUnit, backupTimer} { // what an operator added with systemctl edit
			paths = append(paths, localUnits+"/"+unit+".d")
		}
	}
	if stays.other == "" {
		paths = append(paths, keysDropIn)
	}
	if packaged {
		return paths, err
	}
	for _, unit := range []string{unitName, socketUnit, backupUnit, backupTimer} {
		if path := localUnits + "/" + unit; len(in.otherFolders(path)) == 0 {
			paths = append(paths, path)
		}
	}
	return append(paths, installedBinary), err
}

// confirmPurge asks for a word that nobody types by habit.
func confirmPurge(e *env, in *installer, packaged bool) error {
	stays := in.staying(packaged)
	data := in.path(systemData)
	what := fmt.Sprintf("This deletes every account, file and key of the server in %s and its server key, without which no password opens a backup: keep a copy first. Nothing brings them back.", data)
	switch {
	case stays.data != "":
		what = fmt.Sprintf("This removes the server. %s stays, with server key and settings. %s", stays.data, stays.why)
	case stays.backups != "":
		what = fmt.Sprintf("This deletes every account, file and key of the server in %s. Nothing but the backups brings them back: %s stays, with the server key that opens them.", data, stays.backups)
	}
	fmt.Fprintf(e.stderr, "%s\nType delete to go on: ", what)
	line, err := typedLine(e.stdin)
	if err != nil || strings.TrimSpace(string(line)) != "delete" {
		return errors.New("nothing was deleted")
	}
	return nil
}
