//go:build !linux

package nofollow

import (
	"os"
	"path/filepath"
	"syscall"
)

const folderFlags = os.O_RDONLY | syscall.O_DIRECTORY

// open follows no link at the end of the path, whoever made it, and any before that: servers run on Linux.
func open(data, path string, flags int) (*os.File, error) {
	if flags&os.O_CREATE != 0 {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, flags|syscall.O_NOFOLLOW, 0o600)
}
