package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"zencrypt/secrets"
)

// checkFiles looks at who may read and change the data, the keys and the settings.
func checkFiles(v *visit) error {
	owner, err := v.dataFiles()
	if err != nil {
		return err
	}
	if me := uint32(os.Geteuid()); me != 0 && me != owner {
		v.note("run it as root or as "+userName(owner), "this looks as %s; the data belongs to %s: what others can't see is left out", userName(me), userName(owner))
	}
	v.secretFiles(owner)
	v.inGit(v.cfg.Data, "the data")
	v.tlsKey()
	if info, err := os.Stat(v.path(systemEnv)); err == nil {
		if uid, ok := ownerOf(info); info.Mode().Perm()&0o022 != 0 || ok && uid != 0 && v.root == "" {
			v.bad("chown root "+systemEnv+"; chmod 644 "+systemEnv, "others than root may change %s (mode %04o)", systemEnv, info.Mode().Perm())
		}
	}
	return nil
}

// tlsKey looks at the private key of the certificate. Its group may read it where that is root's, or the server's, by
// which the program that renews it shares it.
func (v *visit) tlsKey() {
	path := v.cfg.TLSKey
	if path == "" {
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		v.bad("name the file of the private key, readable by the server's user", "--tls-key can't be read: %v", err)
		return
	}
	allowed := fs.FileMode(0o700)
	if data, err := os.Stat(v.cfg.Data); err == nil {
		if group, ok := groupOf(info); ok && (group == 0 || sameGroup(data, group)) {
			allowed = 0o740
		}
	}
	if m := info.Mode().Perm(); m&^allowed != 0 {
		v.bad(fmt.Sprintf("chmod 600 %s, or 640 with the group of the data", path), "the private key %s may be read by others (mode %04o)", path, m)
	}
}

// dataFiles looks at every file of the data: who started a command as another user may have left one that the server
// can't write.
func (v *visit) dataFiles() (owner uint32, err error) {
	dir := v.cfg.Data
	top, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	owner, known := ownerOf(top)
	if m := top.Mode().Perm(); m != 0o700 {
		v.bad("chmod 700 "+dir, "%s has mode %04o: others may look into it, or its owner may not", dir, m)
	}
	files, open, foreign, hidden := 0, 0, 0, 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if v.e.ctx.Err() != nil {
			return v.e.ctx.Err()
		}
		if err != nil {
			if errors.Is(err, fs.ErrPermission) {
				hidden++
			}
			return nil // gone meanwhile, or not for us
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		files++
		if m := info.Mode(); path != dir && m.Type() != fs.ModeSymlink && m.Perm()&0o077 != 0 {
			// Below a folder that nobody else may enter it shows nothing; in a copy of it, it would.
			if open++; open <= fewFindings {
				v.bad("chmod go= "+path, "%s may be read by others (mode %04o), should the folders above it be opened", path, m.Perm())
			}
		}
		if uid, ok := ownerOf(info); ok && known && uid != owner {
			if foreign++; foreign <= fewFindings {
				v.bad(fmt.Sprintf("chown -R %s %s", userName(owner), dir), "%s belongs to %s, and the data to %s: the server can't use it", path, userName(uid), userName(owner))
			}
		}
		return nil
	})
	if err != nil {
		return owner, err
	}
	if more := max(open-fewFindings, 0) + max(foreign-fewFindings, 0); more > 0 {
		v.bad("", "%d more such files are not listed", more)
	}
	if hidden > 0 {
		v.note("run it as root", "%d folders of the data can't be looked into", hidden)
	}
	if open == 0 && foreign == 0 {
		v.ok("files and folders of %s: %d, all of them for %s alone", absolute(dir), files, userName(owner))
	}
	return owner, nil
}

// secretFiles looks at the directory of the server key.
func (v *visit) secretFiles(owner uint32) {
	dir, found := secrets.Find(v.cfg.SecretsAt(), os.Getenv, v.root)
	if !found {
		return // checkKeys says so
	}
	dir = absolute(dir)
	mounted, name := secrets.Mounted(dir, os.Getenv, v.root), secrets.KeyFile
	if v.cfg.ServerKeyFile != "" {
		dir, name = filepath.Dir(dir), filepath.Base(dir)
	}
	if v.cfg.InData(dir) {
		v.bad("move them beside the data and name the folder with --secrets", "the server key lies in the data: whoever copies the data has it too")
	}
	keys, err := filepath.Glob(filepath.Join(dir, name+"*"))
	keys = slices.DeleteFunc(keys, func(path string) bool { // older ones are NAME.1 and so on; the rest are others' files
		version, older := strings.CutPrefix(strings.TrimPrefix(filepath.Base(path), name), ".")
		_, err := strconv.Atoi(version)
		return filepath.Base(path) != name && !(older && err == nil)
	})
	if err != nil || len(keys) == 0 {
		v.note("run it as root or as the server's user", "%s can't be looked into", dir)
	}
	fine := len(keys) > 0
	for _, path := range keys {
		info, err := os.Stat(path)
		if err != nil {
			v.note("run it as root or as the server's user", "%s can't be looked at: %v", path, err)
			fine = false
			continue
		}
		uid, known := ownerOf(info)
		switch m := info.Mode().Perm(); {
		case m&0o077 != 0 && mounted:
			v.note("", "%s has mode %04o, as the platform mounted it", path, m)
		case m&0o077 != 0:
			fine = false
			v.bad("chmod 400 "+path+"; if others may have seen it, zencrypt secrets rotate", "the server key %s may be read by others (mode %04o)", path, m)
		case m&0o222 != 0:
			v.note("chmod 400 "+path, "the server key %s can be overwritten by mistake (mode %04o)", path, m)
		}
		if known && uid != owner && uid != 0 {
			fine = false
			v.bad("chown root "+path+" (systemd hands it over), or to "+userName(owner), "the server key %s belongs to %s", path, userName(uid))
		}
	}
	if fine {
		v.ok("server keys in %s: %d, for their owner alone", dir, len(keys))
	}
	v.inGit(dir, "the server key")
}

// inGit warns of a folder in a work tree of git, where one command would publish it.
func (v *visit) inGit(dir, what string) {
	dir = absolute(dir)
	for top := dir; ; top = filepath.Dir(top) {
		if _, err := os.Lstat(filepath.Join(top, ".git")); err == nil {
			do := "move it out of " + top
			if git, err := exec.LookPath("git"); err == nil && exec.CommandContext(v.e.ctx, git, "-C", top, "check-ignore", "-q", dir).Run() == nil {
				v.note(do, "%s lies in a work tree of git, which is told to ignore it", what)
			} else {
				v.bad(do, "%s lies in a work tree of git: one 'git add' publishes it", what)
			}
			return
		}
		if top == filepath.Dir(top) {
			return
		}
	}
}

func ownerOf(info fs.FileInfo) (uid uint32, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Uid, true
}

func groupOf(info fs.FileInfo) (gid uint32, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Gid, true
}

func sameGroup(info fs.FileInfo, gid uint32) bool {
	group, ok := groupOf(info)
	return ok && group == gid
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}
