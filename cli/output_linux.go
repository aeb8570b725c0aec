package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
	return os.NewFile(uintptr(fd), filepath.Join(dir, "unnamed")), "", nil
}

// linkFile gives an unnamed file a name (open(2), O_TMPFILE).
func linkFile(f *os.File, name string) error {
	err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.LinkError{Op: "link", Old: f.Name(), New: name, Err: err}
	}
	return nil
}
