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
	return `Stops the server and removes the units and the program. The data in ` + systemData + `, the server key in
` + systemSecrets + ` and the settings stay, unless --purge is given, which cannot be taken back. So do changes made with 'systemctl edit'. Backups in
` + systemBackups + ` stay in any case.

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
	for _, unit := range []string{unitName, backupTimer} {
		if !in.exists(localUnits+"/"+unit) && !in.exists(filepath.Dir(packagedUnit)+"/"+unit) {
			continue
		}
		var now []string
		if in.live {
			now = []string{"--now"}
		}
		if err := in.systemctl(unit, "disable", now...); err != nil {
			return err
		}
	}
	remove := []string{keysDropIn}
	if !c.Packaged {
		remove = append(remove, localUnits+"/"+unitName, localUnits+"/"+backupUnit, localUnits+"/"+backupTimer, installedBinary)
	}
	if c.Purge {
		remove = append(remove, systemData, systemEnv)
		for _, unit := range []string{unitName, backupUnit, backupTimer} { // what an operator added with systemctl edit
			remove = append(remove, localUnits+"/"+unit+".d")
		}
		keys, err := filepath.Glob(in.path(systemSecrets + "/" + secrets.KeyFile + "*"))
		if err != nil {
			return err
		}
		for _, key := range keys { // others may have secrets there too
			remove = append(remove, systemSecrets+"/"+filepath.Base(key))
		}
	}
	for _, path := range remove {
		if !in.exists(path) {
			continue
		}
		if err := in.step(func() error { return os.RemoveAll(in.path(path)) }, "remove %s", path); err != nil {
			return err
		}
	}
	if !in.dry {
		_ = os.Remove(in.path(filepath.Dir(keysDropIn))) // only when nobody else's file is in it
	}
	if in.live {
		if err := in.run("systemctl", "daemon-reload"); err != nil {
			return err
		}
	}
	if !c.Purge {
		fmt.Fprintf(in.out, "Kept: %s, %s, %s and the user %s. 'zencrypt uninstall --purge' deletes them.\n", systemData, systemSecrets+"/"+secrets.KeyFile, systemEnv, systemUser)
		return nil
	}
	if !in.hasUser() {
		return nil
	}
	args := []string{systemUser}
	if in.root != "" {
		args = append([]string{"--root", in.root}, args...)
	}
	return in.run("userdel", args...)
}

// confirmPurge asks for a word that nobody types by habit.
func confirmPurge(e *env, in *installer) error {
	fmt.Fprintf(e.stderr, "This deletes every account, file and key of the server in %s and its server key. Nothing brings them back.\nType delete to go on: ", in.path(systemData))
	line, err := typedLine(e.stdin)
	if err != nil || strings.TrimSpace(string(line)) != "delete" {
		return errors.New("nothing was deleted")
	}
	return nil
}
