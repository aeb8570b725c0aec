package cli

import (
	"cmp"
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

Data that lies elsewhere, by ZENCRYPT_DATA or because ` + systemData + ` is a link, --purge leaves alone, with the server key
that opens it, the settings that name it and the user whose it is. A folder that a volume is mounted on is emptied.

` + exitCodes
}

// Run uninstalls.
func (c *uninstallCmd) Run(e *env) error {
	in, err := e.installer(c.Root, c.DryRun)
	if err != nil {
		return err
	}
	if c.Purge && !c.Yes && !c.DryRun {
		if err := confirmPurge(e, in); err != nil {
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
	elsewhere := in.dataElsewhere()
	paths, err := in.leftBehind(c.Purge, packaged, elsewhere != "")
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
	if c.Purge && elsewhere == "" && in.has("/etc/passwd", systemUser) {
		args := []string{systemUser}
		if in.root != "" {
			args = append([]string{"--root", in.root}, args...)
		}
		failed = append(failed, in.run("userdel", args...))
	}
	if elsewhere != "" || !c.Purge {
		fmt.Fprintf(in.out, "Kept: %s, %s, %s and the user %s.", cmp.Or(elsewhere, systemData), systemSecrets+"/"+secrets.KeyFile, systemEnv, systemUser)
		switch {
		case elsewhere == "" && c.Packaged: // on its way out
			fmt.Fprintln(in.out, " 'apt purge zencrypt' deletes them.")
		case elsewhere == "":
			fmt.Fprintln(in.out, " 'zencrypt uninstall --purge' deletes them.")
		default:
			fmt.Fprintln(in.out, " The data lies outside of "+systemData+": remove it yourself, and then these.")
		}
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

// dataElsewhere is the folder of the data where that is not the unit's or one below, else "": by the settings, by an
// operator's drop-in, or as what the unit's folder is a link to.
func (in *installer) dataElsewhere() string {
	if to, err := os.Readlink(in.path(systemData)); err == nil {
		return to
	}
	dir := systemData
	drops, _ := filepath.Glob(in.path(localUnits + "/" + unitName + ".d/*.conf"))
	for _, drop := range drops {
		text, _ := os.ReadFile(drop)
		for _, line := range serviceSettings(string(text))["Environment"] {
			for _, set := range strings.Fields(line) {
				if name, value, _ := strings.Cut(strings.Trim(set, `"'`), "="); name == "ZENCRYPT_DATA" {
					dir = value
				}
			}
		}
	}
	dir = filepath.Clean(settingOf(in.path(systemEnv), "ZENCRYPT_DATA", dir)) // which wins, as in systemd
	if dir == systemData || strings.HasPrefix(dir, systemData+"/") {
		return ""
	}
	return dir
}

// leftBehind lists what is to be removed: the keys first, since without them the rest is worth less to whoever finds it,
// and the program last, so that it can be asked again. Data that stays keeps its keys, without which no password opens it, and
// what names it, so that it is not forgotten when this is run again. An error leaves out keys alone.
func (in *installer) leftBehind(purge, packaged, dataStays bool) (paths []string, err error) {
	switch {
	case purge && dataStays:
		if info, err := os.Lstat(in.path(systemData)); err == nil && info.IsDir() {
			paths = append(paths, systemData)
		}
	case purge:
		var keys []string
		keys, err = filepath.Glob(in.path(systemSecrets + "/" + secrets.KeyFile + "*"))
		for _, key := range keys { // others may have secrets there too
			paths = append(paths, systemSecrets+"/"+filepath.Base(key))
		}
		paths = append(paths, systemData, systemEnv)
		for _, unit := range []string{unitName, socketUnit, backupUnit, backupTimer} { // what an operator added with systemctl edit
			paths = append(paths, localUnits+"/"+unit+".d")
		}
	}
	paths = append(paths, keysDropIn)
	if !packaged {
		paths = append(paths, localUnits+"/"+unitName, localUnits+"/"+socketUnit, localUnits+"/"+backupUnit, localUnits+"/"+backupTimer, installedBinary)
	}
	return paths, err
}

// confirmPurge asks for a word that nobody types by habit.
func confirmPurge(e *env, in *installer) error {
	what := fmt.Sprintf("This deletes every account, file and key of the server in %s and its server key.", in.path(systemData))
	if elsewhere := in.dataElsewhere(); elsewhere != "" {
		what = fmt.Sprintf("This removes the server, and deletes what is in %s. The data in %s stays, with its server key and settings.", in.path(systemData), elsewhere)
		if _, err := os.Readlink(in.path(systemData)); err == nil {
			what = fmt.Sprintf("This removes the server. The data in %s stays, with its server key and settings.", elsewhere)
		}
	}
	fmt.Fprintf(e.stderr, "%s Nothing brings them back.\nType delete to go on: ", what)
	line, err := typedLine(e.stdin)
	if err != nil || strings.TrimSpace(string(line)) != "delete" {
		return errors.New("nothing was deleted")
	}
	return nil
}
