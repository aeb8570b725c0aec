package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// What root makes in a data directory that belongs to somebody else, the server could not use afterwards: its user logs
// in nowhere, so that people type sudo. It is handed to the directory's owner, who may have planted links there to have
// other files handed over: names are looked up one at a time and never through a link, and of what was opened only
// folders, and files that have no other name, change hands, and only when they are root's.

// handOverDepth is how deep below a data directory something is made.
const handOverDepth = 4

// worksOn says that a command may make files in a data directory, which Run hands over at the end.
func (e *env) worksOn(data string) { e.data = append(e.data, data) }

// handOver hands over what was made, and what an earlier command that was killed left.
func (e *env) handOver() {
	for _, data := range e.data {
		if err := handOver(data); err != nil {
			e.warn(fmt.Sprintf("files in %s stay root's, and the server can't use them: %v", absolute(data), err))
		}
	}
}

// dataOwner is whom root has to hand files to: nobody, when somebody else asks or the directory is root's own.
func dataOwner(data string) (uid, gid int, ok bool) {
	if os.Geteuid() != 0 {
		return 0, 0, false
	}
	info, err := os.Stat(data)
	if err != nil || !info.IsDir() {
		return 0, 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return 0, 0, false
	}
	return int(st.Uid), int(st.Gid), true
}

// give hands over a file or a folder that was just made, or opened without following a link.
func give(f *os.File, data string) error {
	uid, gid, ok := dataOwner(data)
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
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_ = give(f, data) // what could not be handed over is told at the end
	return f.Close()
}

// handOver hands over everything below a data directory that is root's.
func handOver(data string) error {
	uid, gid, ok := dataOwner(data)
	if !ok {
		return nil
	}
	dir, err := os.Open(data)
	if err != nil {
		return err
	}
	defer dir.Close()
	return giveBelow(dir, uid, gid, handOverDepth)
}

func giveBelow(dir *os.File, uid, gid, depth int) (err error) {
	for {
		names, end := dir.Readdirnames(1000)
		for _, name := range names {
			if name != "lost+found" { // a file system's own
				err = errors.Join(err, giveOne(dir, name, uid, gid, depth))
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

func giveOne(dir *os.File, name string, uid, gid, depth int) error {
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
		if err := giveBelow(f, uid, gid, depth-1); err != nil {
			return err
		}
	}
	return giveTo(f, uid, gid)
}
