package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// tempFile is a file in path's folder that has no name yet, so that even kill -9 leaves nothing. Where
// the file system has no such files it has a temporary one, which is returned.
func tempFile(path string, mode fs.FileMode) (f *os.File, name string, err error) {
	dir := filepath.Dir(path)
	fd, err := unix.Open(dir, unix.O_RDWR|unix.O_TMPFILE|unix.O_CLOEXEC, uint32(mode))
	if err != nil {
		return namedTemp(path, mode)
	}
	f = os.NewFile(uintptr(fd), filepath.Join(dir, "unnamed"))
	if _, err := os.Stat(procName(f)); err != nil {
		_ = f.Close() // without /proc it would never get its name
		return namedTemp(path, mode)
	}
	return f, "", nil
}

// procName is the name that an open file has for its own process, even one that is not dumpable (proc(5)).
func procName(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// linkFile gives an unnamed file a name (open(2), O_TMPFILE).
func linkFile(f *os.File, name string) error {
	err := unix.Linkat(unix.AT_FDCWD, procName(f), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.LinkError{Op: "link", Old: f.Name(), New: name, Err: err}
	}
	return nil
}

// keepOwner gives a file the owner and the group that another has, as far as the system lets it.
func keepOwner(f *os.File, old fs.FileInfo) {
	if st, ok := old.Sys().(*syscall.Stat_t); ok && f.Chown(int(st.Uid), int(st.Gid)) != nil {
		_ = f.Chown(-1, int(st.Gid))
	}
}

// writable tells whether the user may write a file. One that is replaced would not be asked.
func writable(path string) error { return unix.Access(path, unix.W_OK) }
