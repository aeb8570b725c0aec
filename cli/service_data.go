package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// unitDirs are where systemd looks for units (systemd.unit(5)), and for what is added to them.
var unitDirs = []string{localUnits, "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"}

// What a unit or a file of settings may say. A line that ends in a backslash goes on in the next one; a comment does not.
var (
	commentLine     = regexp.MustCompile(`(?m)^[ \t]*[#;].*\n?`)
	lineGoesOn      = regexp.MustCompile(`\\\r?\n`)
	environmentFile = regexp.MustCompile(`(?m)^[ \t]*EnvironmentFile[ \t]*=[ \t]*["']?-?([^\s"']+)`)
	dataFolder      = mention(`ZENCRYPT_DATA`, `--data`, systemData)
	backupFolder    = mention(`ZENCRYPT_BACKUP_TO`, `--output|-o`, systemBackups)
)

// mention finds what a variable or a flag is set to, in quotes as a whole, or its value, quoted or not; and what is bound over
// the usual folder (BindPaths=).
func mention(variable, flags, usual string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)"(?:` + variable + `|` + flags + `)=([^"\n]+)"|(?:` + variable + `[ \t]*=|(?:^|[ \t"'])(?:` + flags + `)["']?[= \t])[ \t]*("[^"\n]+"|'[^'\n]+'|[^\s"']+)` +
		`|(/[^\s:"'=]*):` + usual + `(?:[\s:/"']|$)`)
}

// serviceData lists where the data of the services of the system below root may lie: each folder that one of our units, what
// an operator added to it, or their settings name, or else the usual one. Which of several counts in the end is
// systemd's to say, and may depend on what can't be seen here: who asks spares the data in each of them. The Debian
// package's postrm does the same in shell.
func serviceData(root string) []string { return mentioned(root, dataFolder, systemData) }

// mentioned lists the folders that are named beside the usual one, else that.
func mentioned(root string, what *regexp.Regexp, usual string) (dirs []string) {
	settings, units := []string{filepath.Join(root, systemEnv)}, []string{}
	for _, dir := range unitDirs {
		for _, pattern := range []string{"zencrypt*.service", "zencrypt*.service.d/*.conf"} {
			found, _ := filepath.Glob(filepath.Join(root, dir, pattern))
			units = append(units, found...)
		}
	}
	for _, unit := range units {
		for _, m := range environmentFile.FindAllStringSubmatch(saidIn(unit), -1) {
			found, _ := filepath.Glob(filepath.Join(root, m[1]))
			settings = append(settings, found...)
		}
	}
	for _, file := range append(settings, units...) {
		for _, dir := range foldersIn(file, what) {
			if dir != usual && !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	if len(dirs) == 0 {
		return []string{usual}
	}
	return dirs
}

// foldersIn lists what one file names.
func foldersIn(file string, what *regexp.Regexp) (dirs []string) {
	for _, m := range what.FindAllStringSubmatch(saidIn(file), -1) {
		dir := strings.Trim(m[1]+m[2]+m[3], `"'`)
		if filepath.IsAbs(dir) {
			dir = filepath.Clean(dir) // as the server does
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// saidIn is what a file says without its comments, "" where it can't be read.
func saidIn(file string) string {
	text, _ := os.ReadFile(file)
	return lineGoesOn.ReplaceAllString(commentLine.ReplaceAllString(string(text), ""), " ")
}
