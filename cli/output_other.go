//go:build !linux

package cli

import (
	"errors"
	"io/fs"
	"os"
)

// tempFile is a file beside path under a name of its own, which is returned.
func tempFile(path string, mode fs.FileMode) (f *os.File, name string, err error) {
	return namedTemp(path, mode)
}

// linkFile is for unnamed files, which there are none of here.
func linkFile(*os.File, string) error { return errors.ErrUnsupported }

// keepOwner does nothing: a file that is replaced belongs to who replaced it.
func keepOwner(*os.File, fs.FileInfo) {}

// writable leaves it to the system what may be replaced.
func writable(string) error { return nil }
