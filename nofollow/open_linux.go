package nofollow

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	folderFlags = unix.O_RDONLY | unix.O_DIRECTORY
	// A folder on the way needs not be readable to whoever goes through it.
	wayFlags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	maxLinks = 40 // as the kernel: path_resolution(7)
)

// open goes from folder to open folder, so that nobody can exchange one for a link behind its back.
func open(data, path string, flags int) (*os.File, error) {
	failed := func(err error) (*os.File, error) { return nil, &fs.PathError{Op: "open", Path: path, Err: err} }
	trusted, names, err := split(data, path)
	if err != nil {
		return failed(err)
	}
	if flags&os.O_CREATE != 0 && len(names) == 1 {
		if err := os.MkdirAll(trusted, 0o700); err != nil {
			return nil, err
		}
	}
	at, err := unix.Open(trusted, wayFlags, 0)
	if err != nil {
		return failed(err)
	}
	defer func() { _ = unix.Close(at) }()
	for links := 0; ; {
		name, last := names[0], len(names) == 1
		fd, err := step(at, name, flags, last)
		if err == nil && last {
			f := os.NewFile(uintptr(fd), path)
			if err := alone(at, fd); err != nil {
				return failed(errors.Join(err, f.Close()))
			}
			return f, nil
		}
		if err == nil {
			_ = unix.Close(at)
			at, names = fd, names[1:]
			continue
		}
		to, lerr := leads(at, name)
		if errors.Is(lerr, ErrPlanted) {
			return failed(fmt.Errorf("%s is a link: %w. Look where it leads, and remove it, or type: chown -h root %[1]s", name, lerr))
		}
		if links++; lerr != nil || links > maxLinks {
			return failed(err)
		}
		if filepath.IsAbs(to) {
			root, err := unix.Open("/", wayFlags, 0)
			if err != nil {
				return failed(err)
			}
			_ = unix.Close(at)
			at = root
		}
		names = append(slices.DeleteFunc(strings.Split(to, "/"), func(s string) bool { return s == "" }), names[1:]...)
		if len(names) == 0 { // a link to /
			names = []string{"."}
		}
	}
}

// step opens one name in an open folder. It fails at a link.
func step(at int, name string, flags int, last bool) (fd int, err error) {
	for {
		switch {
		case last:
			fd, err = unix.Openat(at, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		default:
			fd, err = unix.Openat(at, name, wayFlags|unix.O_NOFOLLOW, 0)
			if err == unix.ENOENT && flags&os.O_CREATE != 0 {
				if err := unix.Mkdirat(at, name, 0o700); err != nil && err != unix.EEXIST {
					return -1, err
				}
				fd, err = unix.Openat(at, name, wayFlags|unix.O_NOFOLLOW, 0)
			}
		}
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// leads is where a link of root's leads.
func leads(at int, name string) (to string, err error) {
	fd, err := unix.Openat(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0) // the link itself
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", unix.EINVAL
	}
	if st.Uid != 0 {
		return "", ErrPlanted
	}
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", b)
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}

// alone refuses a file of root's that has another name, in a folder of somebody else's, who may have given it this one.
func alone(at, fd int) error {
	var folder, file unix.Stat_t
	if err := errors.Join(unix.Fstat(at, &folder), unix.Fstat(fd, &file)); err != nil {
		return err
	}
	if folder.Uid != 0 && file.Uid == 0 && file.Mode&unix.S_IFMT == unix.S_IFREG && file.Nlink > 1 {
		return fmt.Errorf("it has another name elsewhere: %w. Copy it, and put the copy in its place", ErrPlanted)
	}
	return nil
}
