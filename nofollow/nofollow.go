// Package nofollow opens files and folders for root where somebody else could plant links. A server's data belongs to the
// server's user, and root types commands that work on it: who has taken the server over could lead such a command to any
// file of the machine. So root follows no link there but root's own, nor adds to a file of root's that has another name
// elsewhere. Everybody else opens as ever: the kernel keeps them from what is not theirs.
//
// What root chose is trusted: the way to the data folder, or to a file's folder when that lies elsewhere.
package nofollow

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrPlanted is in the error of what somebody else may have planted.
var ErrPlanted = errors.New("root does not follow it, since it is not root's own")

// Folder opens a folder for reading.
func Folder(data, path string) (*os.File, error) {
	if os.Geteuid() != 0 {
		return os.OpenFile(path, folderFlags, 0)
	}
	return open(data, path, folderFlags)
}

// File opens a regular file for reading. Anything else is refused: a pipe would be waited for, a device never end.
func File(data, path string) (f *os.File, err error) {
	if os.Geteuid() != 0 {
		f, err = os.OpenFile(path, fileFlags, 0)
	} else {
		f, err = open(data, path, fileFlags)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Append opens a file for adding to its end and for reading. What is missing is made for its owner alone, folders too.
func Append(data, path string) (*os.File, error) {
	if os.Geteuid() != 0 {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		return os.OpenFile(path, appendFlags, 0o600)
	}
	return open(data, path, appendFlags)
}

const (
	appendFlags = os.O_CREATE | os.O_RDWR | os.O_APPEND
	// Nobody is waited for at the other end of a pipe. A regular file is read as ever.
	fileFlags = os.O_RDONLY | syscall.O_NONBLOCK | syscall.O_NOCTTY
)

// split divides a path into what is trusted and the names below it.
func split(data, path string) (trusted string, names []string, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return "", nil, err
	}
	trusted = filepath.Dir(path)
	if data != "" {
		if data, err = filepath.Abs(data); err != nil {
			return "", nil, err
		}
		if rel, err := filepath.Rel(data, path); err == nil && rel != "." && filepath.IsLocal(rel) {
			trusted = data
		}
	}
	rel, err := filepath.Rel(trusted, path)
	return trusted, strings.Split(rel, string(filepath.Separator)), err
}
