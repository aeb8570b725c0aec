package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"zencrypt/deploy"
	"zencrypt/secrets"
)

// unitFile is where the service's unit stands below root, "" where it is not installed. The local one wins, as in systemd.
func unitFile(root string) string {
	for _, p := range []string{localUnits + "/" + unitName, packagedUnit, "/usr" + packagedUnit} {
		if _, err := os.Stat(filepath.Join(root, p)); err == nil {
			return filepath.Join(root, p)
		}
	}
	return ""
}

// stateFolders is where systemd makes the folders of StateDirectory= (systemd.exec(5)).
const stateFolders = "/var/lib"

// openSettings are those of the unit that an operator is meant to change, or that say nothing of its defences.
var openSettings = []string{"ExecStart", "Environment", "EnvironmentFile", "LoadCredential", "Restart", "RestartSec", "WatchdogSec", "TimeoutStartSec", "TimeoutStopSec",
	"LimitNOFILE", "StateDirectory", "StateDirectoryMode", "Type", "ReadWritePaths", "BindPaths", "MemoryMax", "MemoryHigh", "CPUQuota", "Nice"}

// checkUnit compares the unit with the one of this program, and the running program with the installed one.
func checkUnit(v *visit) error {
	path := unitFile(v.root)
	if path == "" {
		v.note("sudo zencrypt install, where systemd runs; other platforms have their own", "no service is installed: nothing starts the server again, and its defences by systemd are missing")
		v.program(time.Time{})
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	drops, err := filepath.Glob(v.path(localUnits + "/" + unitName + ".d/*.conf"))
	if err != nil {
		return err
	}
	for _, d := range drops {
		more, err := os.ReadFile(d)
		if err != nil {
			return err
		}
		text = append(append(text, '\n'), more...)
	}
	have, want := serviceSettings(string(text)), serviceSettings(deploy.Unit)
	again := "run 'zencrypt install' again"
	if path != v.path(localUnits+"/"+unitName) {
		again = "install the package again, whose unit it is"
	}
	weaker, strong := 0, v.powers(have)
	if v.service {
		v.reach(have)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if slices.Contains(openSettings, name) || slices.Equal(have[name], want[name]) {
			continue
		}
		if weaker++; weaker > fewFindings {
			continue
		}
		now := "nothing"
		if len(have[name]) > 0 {
			now = strings.Join(have[name], "; ")
		}
		v.note("take it out of "+localUnits+"/"+unitName+".d, or "+again, "the unit says %s=%s and this program's own %s", name, now, strings.Join(want[name], "; "))
	}
	if weaker > fewFindings {
		v.note(again, "%d more of the unit's defences differ", weaker-fewFindings)
	}
	v.handedOver(slices.Concat(have["LoadCredential"], have["LoadCredentialEncrypted"]))
	v.shadowed(path)
	if weaker == 0 && strong == 0 {
		v.ok("%s has all the defences of this program's own unit", path)
	}
	written := time.Time{}
	if info, err := os.Stat(path); err == nil {
		written = info.ModTime()
	}
	v.program(written)
	v.systemd()
	return nil
}

// powers looks at what makes the unit's other defences worth little, and tells how much of it there is.
func (v *visit) powers(have map[string][]string) (n int) {
	const do = "take it out of " + localUnits + "/" + unitName + ".d; systemctl daemon-reload; systemctl restart zencrypt"
	last := func(name string) string {
		if all := have[name]; len(all) > 0 {
			return all[len(all)-1]
		}
		return ""
	}
	if user := last("User"); (user == "" && last("DynamicUser") != "yes") || user == "root" || user == "0" {
		n++
		v.bad(do, "the unit runs the server as root")
	}
	for _, line := range slices.Concat(have["ReadWritePaths"], have["BindPaths"]) {
		for _, p := range strings.Fields(line) {
			p, _, _ = strings.Cut(strings.TrimLeft(strings.Trim(p, `"'`), "-+"), ":") // the source of what is bound
			p = filepath.Clean(p)
			for _, kept := range []string{"/etc", systemSecrets, localUnits, "/usr", "/boot"} {
				if p == "/" || p == kept || strings.HasPrefix(kept, p+"/") {
					n++
					v.bad(do+". The folder of the data alone needs it", "the unit lets the server write %s, by ReadWritePaths or BindPaths of %s", kept, p)
					break
				}
			}
		}
	}
	return n
}

// reach looks whether the service may write data that lies elsewhere than in the unit's own folders, which systemd makes and
// gives to its user.
func (v *visit) reach(have map[string][]string) {
	dir := absolute(v.cfg.Data)
	within := func(folder string) bool {
		return dir == folder || strings.HasPrefix(dir, strings.TrimSuffix(folder, "/")+"/")
	}
	if within(v.path(systemData)) {
		return
	}
	for _, line := range have["StateDirectory"] {
		for _, p := range strings.Fields(line) {
			p, _, _ = strings.Cut(strings.Trim(p, `"'`), ":") // folder:link
			if p != "" && within(v.path(filepath.Join(stateFolders, p))) {
				return
			}
		}
	}
	open := false
	for _, line := range slices.Concat(have["ReadWritePaths"], have["BindPaths"]) {
		for _, p := range strings.Fields(line) {
			p = strings.TrimLeft(strings.Trim(p, `"'`), "-+")
			if _, to, bound := strings.Cut(p, ":"); bound { // source:destination
				p, _, _ = strings.Cut(to, ":")
			}
			open = open || within(filepath.Clean(p))
		}
	}
	if strict := have["ProtectSystem"]; !open && slices.Contains(strict, "strict") {
		v.bad("systemctl edit zencrypt, and zencrypt-backup: below [Service] a line ReadWritePaths="+dir+"; then systemctl restart zencrypt", "the unit does not let the server write the data in %s", dir)
	}
	info, err := os.Stat(dir)
	if users := have["User"]; err == nil && len(users) > 0 && v.root == "" {
		if owner, known := ownerOf(info); known && userName(owner) != users[0] && strconv.FormatUint(uint64(owner), 10) != users[0] {
			v.bad(fmt.Sprintf("chown -R %s %s", users[0], dir), "%s belongs to %s, and the service runs as %s: it can't use it", dir, userName(owner), users[0])
		}
	}
}

// handedOver compares the keys that systemd is told to hand over with those that are there. Without a file that it is
// told of it starts nothing, and of a key that it is not told of the server does not hear.
func (v *visit) handedOver(credentials []string) {
	const do = "sudo zencrypt install, which writes " + keysDropIn
	named := map[string]bool{}
	for _, c := range credentials {
		name, path, ok := strings.Cut(c, ":")
		named[name] = true
		if !ok || !filepath.IsAbs(path) {
			continue // systemd looks for it in places of its own
		}
		switch _, err := os.Stat(v.path(path)); {
		case errors.Is(err, fs.ErrNotExist) && name == secrets.KeyFile:
			v.bad("put the key back; if it is gone for good, see 'zencrypt secrets init --lost --help'", "systemd hands over %s, and it is not there: the service does not start again", path)
		case errors.Is(err, fs.ErrNotExist):
			v.bad(do, "systemd is told to hand over %s, and it is not there: the service does not start again", path)
		case err != nil:
			v.note("run it as root", "whether %s is there can't be told: %v", path, err)
		}
	}
	if v.cfg.SecretsAt() != "" {
		return // the server has its keys from there
	}
	older, err := secrets.Older(v.path(systemSecrets))
	if err != nil {
		v.note("run it as root", "which keys there are for systemd to hand over can't be told: %v", err)
	}
	for _, name := range older {
		if !named[name] {
			v.bad(do, "systemd does not hand over %s/%s: a server that needs it does not start again", systemSecrets, name)
		}
	}
}

// shadowed looks whether a unit that was written beside a package's stands before it.
func (v *visit) shadowed(path string) {
	if path != v.path(localUnits+"/"+unitName) {
		return
	}
	for _, p := range []string{packagedUnit, "/usr" + packagedUnit} {
		if _, err := os.Stat(v.path(p)); err == nil {
			v.bad("rm "+localUnits+"/"+unitName+" and zencrypt-backup.*, zencrypt.socket and "+installedBinary+" likewise; systemctl daemon-reload; systemctl restart zencrypt",
				"%s stands before the package's unit: its upgrades don't reach the server", localUnits+"/"+unitName)
			return
		}
	}
}

// listSettings are those whose values add up; of the others the last counts.
var listSettings = []string{"SystemCallFilter", "RestrictAddressFamilies", "AmbientCapabilities", "CapabilityBoundingSet", "LoadCredential", "LoadCredentialEncrypted", "Environment", "EnvironmentFile", "ReadWritePaths", "BindPaths", "StateDirectory"}

// serviceSettings reads the sections [Service] of a unit and its drop-ins (systemd.syntax(7)), as far as units of ours
// go: an empty value forgets those before.
func serviceSettings(unit string) map[string][]string {
	out, section := map[string][]string{}, ""
	for line := range strings.Lines(unit) {
		line = strings.TrimSpace(line)
		switch name, value, ok := strings.Cut(line, "="); {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[':
			section = line
		case ok && section == "[Service]":
			name, value = strings.TrimSpace(name), strings.TrimSpace(value)
			if value == "" || !slices.Contains(listSettings, name) {
				out[name] = nil
			}
			if value != "" {
				out[name] = append(out[name], value)
			}
		}
	}
	return out
}

// program compares the program that runs with the file that it was started from, and with the unit's age.
func (v *visit) program(unit time.Time) {
	if v.pid == 0 {
		return
	}
	path, replaced := v.exeOf(v.pid)
	switch {
	case path == "":
		v.note("run it as root", "which program runs can't be told")
	case replaced:
		v.note("systemctl restart zencrypt", "%s was replaced since the server was started: the old one still runs", path)
	default:
		v.ok("the server runs %s, as it is on the disk", path)
	}
	// A program that is much newer than its unit was copied there by hand, and the unit may lack what it needs.
	if info, err := os.Stat(path); err == nil && !unit.IsZero() && info.ModTime().Sub(unit) > 24*time.Hour {
		v.note("zencrypt install, which writes the unit again where it differs", "%s is newer than the unit, by %s", path, days(info.ModTime().Sub(unit)))
	}
}

// systemd asks the running systemd, where it is this system's.
func (v *visit) systemd() {
	if info, err := os.Stat(v.path("/run/systemd/system")); v.root != "" || err != nil || !info.IsDir() {
		v.note("", "systemd does not run here: what it would say of the service is left out")
		return
	}
	out, err := exec.CommandContext(v.e.ctx, "systemctl", "show", unitName, "-p", "NeedDaemonReload,UnitFileState,ActiveState,NRestarts,Result").Output()
	if err != nil {
		v.note("", "systemd can't be asked: %v", err)
		return
	}
	say := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		say[name] = value
	}
	if say["NeedDaemonReload"] == "yes" {
		v.note("systemctl daemon-reload; systemctl restart zencrypt", "the unit was changed, and systemd has not read it again")
	}
	if say["UnitFileState"] != "enabled" {
		v.note("systemctl enable zencrypt", "the service does not start with the machine (%s)", say["UnitFileState"])
	}
	switch {
	case say["ActiveState"] != "active":
		v.bad("systemctl start zencrypt; 'journalctl -u zencrypt' says why it ended", "the service is %s (%s)", say["ActiveState"], say["Result"])
	case say["NRestarts"] != "0" && say["NRestarts"] != "":
		v.note("'journalctl -u zencrypt' says why", "systemd started the server again %s times", say["NRestarts"])
	default:
		v.ok("systemd says that the service is active")
	}
}
