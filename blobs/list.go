package blobs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// List calls f with every whole file in a folder of an area and its bytes on the disk, in no order. It needs no
// [Store] and changes nothing. A folder that is not there is empty.
func List(dir string, f func(id ID, size int64)) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list files: %w", err)
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(256) // a folder of any size in bounded memory
		for _, e := range entries {
			id, perr := ParseID(e.Name())
			if perr != nil {
				continue
			}
			if info, ierr := e.Info(); ierr == nil && info.Mode().IsRegular() {
				f(id, info.Size())
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list files: %w", err)
		}
	}
}
