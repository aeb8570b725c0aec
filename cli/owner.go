package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"zencrypt/blobs"
	"zencrypt/config"
	"zencrypt/models"
)

// What root makes in a data directory that belongs to somebody else, the server could not use afterwards: its user logs
// in nowhere, so that people type sudo. It is handed to the directory's owner, who may have planted links there to have
// other files handed over: names are looked up one at a time and never through a link, and of what was opened only
// folders, and files that have no other name, change hands, and only when they are root's.

// handOverDepth is how deep below a data directory something is made.
const handOverDepth = 4

// ours tells whether the program makes a file or a folder of a name in a data directory. Nothing else there is handed over:
// the directory may have been given by mistake, and be somebody's home.
func ours(name string) bool {
	switch name {
	case lockFile, backupLock, backupWork, restoring, models.CopiesDir, models.ReserveFile, acmeDir, config.LogDir, blobs.Blobs.String(), blobs.Spool.String():
		return true
	}
	for _, database := range []string{"zencrypt.db", "sessions.db"} {
		if rest, ok := strings.CutPrefix(name, database); ok && slices.Contains([]string{"", "-wal", "-shm", "-journal"}, rest) {
			return true
		}
	}
	return false
}

// A workplace is a data directory, and the files that have names of their operator's and may lie there.
type workplace struct {
	data  string
	files []string
}

// worksOn says that a command may make files in a data directory, which Run hands over at the end.
func (e *env) worksOn(data string, files ...string) { e.data = append(e.data, workplace{data, files}) }

// handOver hands over what was made, and what an earlier command that was killed left.
func (e *env) handOver() {
	for _, w := range e.data {
		if err := handOver(w.data, w.files...); err != nil {
			e.warn(fmt.Sprintf("files in %s stay root's, and the server can't use them: %v", absolute(w.data), err))
		}
	}
}

// ownerOfData is whom root has to hand files in a directory to: nobody, when somebody else asks or it is root's own. It is asked
// of an open directory, which nobody can exchange for another meanwhile.
func ownerOfData(dir *os.File) (uid, gid int, ok bool) {
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	info, err := dir.Stat()
	if err != nil {
		return 0, 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return 0, 0, false
	}
	return int(st.Uid), int(st.Gid), true
}

func openFolder(path string, more int) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|more, 0)
}

// give hands over a file or a folder that was just made, or opened without following a link.
func give(f *os.File, data string) error {
	dir, err := openFolder(data, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	uid, gid, ok := ownerOfData(dir)
	if !ok {
		return nil
	}
	return giveTo(f, uid, gid)
}

func giveTo(f *os.File, uid, gid int) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid != 0 || !info.IsDir() && (!info.Mode().IsRegular() || st.Nlink != 1) {
		return nil
	}
	return f.Chown(uid, gid)
}

// makeOwned makes a folder in a data directory, its owner's from the beginning, since a kill may leave it.
func makeOwned(data, name string) error {
	path := filepath.Join(data, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	f, err := openFolder(path, syscall.O_NOFOLLOW)
	if err != nil {
		return err
	}
	_ = give(f, data) // what could not be handed over is told at the end
	return f.Close()
}

// handOver hands over what is ours and root's below a data directory. So are files that were given names there, with the
// folders that lead to them; such a file elsewhere is its operator's to hand over.
func handOver(data string, files ...string) error {
	const slash = string(filepath.Separator)
	var within []string
	for _, path := range files {
		if rel, err := filepath.Rel(absolute(data), absolute(path)); err == nil && filepath.IsLocal(rel) {
			within = append(within, rel)
		}
	}
	which := func(rel string) bool {
		first, _, _ := strings.Cut(rel, slash)
		return ours(first) || slices.ContainsFunc(within, func(path string) bool { return strings.HasPrefix(path+slash, rel+slash) })
	}
	dir, err := openFolder(data, 0)
	if errors.Is(err, fs.ErrNotExist) { // removed again, such as by a restore that failed
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	uid, gid, ok := ownerOfData(dir)
	if !ok {
		return nil
	}
	return giveBelow(dir, "", uid, gid, handOverDepth, which)
}

func giveBelow(dir *os.File, at string, uid, gid, depth int, which func(rel string) bool) (err error) {
	for {
		names, end := dir.Readdirnames(1000)
		for _, name := range names {
			if rel := filepath.Join(at, name); which(rel) {
				err = errors.Join(err, giveOne(dir, rel, uid, gid, depth, which))
			}
		}
		if end == io.EOF {
			return err
		}
		if end != nil {
			return errors.Join(err, end)
		}
	}
}

func giveOne(dir *os.File, rel string, uid, gid, depth int, which func(rel string) bool) error {
	name := filepath.Base(rel)
	failed := func(err error) error {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) { // gone, or a link by now
			return nil
		}
		return fmt.Errorf("%s: %w", filepath.Join(dir.Name(), name), err)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return failed(err)
	}
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFDIR && (kind != unix.S_IFREG || st.Uid != 0) || kind == unix.S_IFDIR && depth == 0 {
		return nil
	}
	// Nothing that has come in its place since is waited for, as a pipe would be.
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return failed(err)
	}
	f := os.NewFile(uintptr(fd), filepath.Join(dir.Name(), name))
	defer f.Close()
	if kind == unix.S_IFDIR {
		if err := giveBelow(f, rel, uid, gid, depth-1, which); err != nil {
			return err
		}
	}
	return giveTo(f, uid, gid)
}
