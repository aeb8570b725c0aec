package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"zencrypt/secrets"
)

// staying is what a purge leaves alone. With either of them stay the server keys, without which no password opens it, the
// settings that name it and the user whose it is: the number of a user that is gone goes to the next one.
type staying struct {
	data, why string // the data, when it is not surely where it is looked for; "": it goes
	backups   string // "": there are none
	other     string // the program of another installation whose all of it is, too; "": there is none
}

func (s staying) any() bool { return s.data != "" || s.backups != "" }

// otherProgram is the program of the installation beside this one, by the package or by the command, else "": both have
// the same data, server key, settings and user.
func (in *installer) otherProgram(packaged bool) string {
	switch {
	case packaged && in.exists(installedBinary):
		return installedBinary
	case !packaged && in.exists(packagedBinary) && in.unitOfPackage():
		return packagedBinary
	}
	return ""
}

// staying decides before anything is deleted, and in doubt for what can't be brought back: data goes only where nothing
// names another folder, no link leads away, and its database was seen; or where a purge was here already.
func (in *installer) staying(packaged bool) (s staying) {
	if other := in.otherProgram(packaged); other != "" {
		why := other + " is another installation, with the same data, server key, settings and user: all of it stays."
		return staying{data: strings.Join(serviceData(in.root), ", "), why: why, other: other}
	}
	var outside []string
	for _, dir := range serviceData(in.root) {
		if to := in.leadsOut(dir); to != "" {
			outside = append(outside, to)
		} else if !in.holdsDatabase(dir) && !in.purged() {
			s = staying{data: dir, why: "There is no database in " + dir + ": the data may lie elsewhere, where it was moved to or on a volume that is not mounted."}
		}
	}
	if len(outside) > 0 {
		s = staying{data: strings.Join(outside, ", "), why: "The data lies outside of " + systemData + "."}
	}
	var backups []string
	for _, dir := range mentioned(in.root, backupFolder, systemBackups) {
		if dir != systemBackups { // it may be mounted at night alone
			backups = append(backups, dir)
		}
	}
	if list, err := os.ReadDir(in.path(systemBackups)); len(list) > 0 || err != nil && in.exists(systemBackups) {
		backups = append(backups, systemBackups)
	}
	s.backups = strings.Join(backups, ", ")
	return s
}

// purged tells that neither keys nor settings nor any file of the data is there, as after a purge that could not remove the
// user or a folder that a volume is mounted on. What a dry run can't see may be there.
func (in *installer) purged() bool {
	if keys, err := filepath.Glob(in.path(systemSecrets + "/" + secrets.KeyFile + "*")); err != nil || len(keys) > 0 || in.exists(systemEnv) {
		return false
	}
	if _, err := os.Lstat(in.path(systemSecrets + "/" + secrets.KeyFile)); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return !in.exists(systemData) || onlyFolders(in.path(systemData))
}

// leadsOut is where a folder lies when that is outside of the usual one, by its name or by a link on the way, else "".
func (in *installer) leadsOut(dir string) string {
	if dir != systemData && !strings.HasPrefix(dir, systemData+"/") {
		return dir
	}
	for at := dir; at != filepath.Dir(systemData); at = filepath.Dir(at) {
		if to, err := os.Readlink(in.path(at)); err == nil {
			return to
		}
	}
	return ""
}

// otherFolders lists the folders for data and backups beside the usual ones that a unit alone names, which was written
// anew, as by systemctl edit --full: itself, or by a file of settings of its own.
func (in *installer) otherFolders(unit string) (dirs []string) {
	files := []string{in.path(unit)}
	for _, m := range environmentFile.FindAllStringSubmatch(saidIn(in.path(unit)), -1) {
		if m[1] != systemEnv {
			found, _ := filepath.Glob(in.path(m[1]))
			files = append(files, found...)
		}
	}
	for _, file := range files {
		for _, dir := range append(foldersIn(file, dataFolder), foldersIn(file, backupFolder)...) {
			if dir != systemData && dir != systemBackups && !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

// holdsDatabase tells whether the database itself lies in a folder, and no link to it. In a dry run it may be hidden.
func (in *installer) holdsDatabase(dir string) bool {
	info, err := os.Lstat(in.path(dir + "/zencrypt.db"))
	return err == nil && info.Mode().IsRegular() || in.dry && errors.Is(err, fs.ErrPermission)
}

// tell says what stays and why, and how the rest of it goes.
func (s staying) tell(in *installer) {
	var list []string
	if s.data != "" {
		if s.data != systemData {
			list = append(list, s.data)
		}
		if in.exists(systemData) {
			list = append(list, systemData)
		}
	}
	if s.backups != "" {
		list = append(list, s.backups)
	}
	for _, unit := range []string{unitName, backupUnit} {
		if path := localUnits + "/" + unit; len(in.otherFolders(path)) > 0 {
			list = append(list, path)
		}
	}
	key := systemSecrets + "/" + secrets.KeyFile
	if ring, err := secrets.Load(in.path(systemSecrets), secrets.LoadOptions{AllowShared: true}); err == nil {
		key += " (fingerprint " + ring.Active.Fingerprint + ")"
	}
	if _, err := os.Lstat(in.path(systemSecrets + "/" + secrets.KeyFile)); !errors.Is(err, fs.ErrNotExist) {
		list = append(list, key)
	}
	if in.exists(systemEnv) {
		list = append(list, systemEnv)
	}
	fmt.Fprintf(in.out, "Kept: %s and the user %s.", strings.Join(list, ", "), systemUser)
	if s.why != "" {
		fmt.Fprint(in.out, " "+s.why)
	}
	if s.backups != "" {
		fmt.Fprint(in.out, " The backups open by password with this server key alone, and belong to that user.")
	}
	if s.other != "" {
		purge := "apt purge zencrypt"
		if s.other == installedBinary {
			purge = installedBinary + " uninstall --purge"
		}
		fmt.Fprintf(in.out, " 'systemctl enable --now zencrypt' starts it again.\nWhen nothing of it is needed any more: %s\n", purge)
		return
	}
	below := ""
	if in.root != "" {
		below = " --root " + in.root
	}
	fmt.Fprintf(in.out, "\nWhen nothing of it is needed any more, remove what lies there yourself, and then: rm -rf %s* %s %s.* %s.*; userdel%s %s\n",
		in.path(systemSecrets+"/"+secrets.KeyFile), in.path(systemEnv), in.path(localUnits+"/zencrypt"), in.path(localUnits+"/zencrypt-backup"), below, systemUser)
}
