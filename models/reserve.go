package models

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The reserve is a file of a few MiB that is given up when something is deleted on a disk without room: SQLite writes
// into its log before it frees a page, so that without it nobody could make room where it is short. The floor of free
// disk does the same as long as nobody but this server fills the disk.
const (
	ReserveFile  = "reserve"
	reserveBytes = 8 << 20
)

func (db *DB) reservePath() string { return filepath.Join(db.opts.Dir, ReserveFile) }

// keepReserve makes the reserve when it is not there and leaves room beside it. Zeros would be no reserve on a disk
// that compresses, and a file with a hole none anywhere. Who knows nothing of the disk makes none: that is not the server.
func (db *DB) keepReserve() {
	path, free := db.reservePath(), db.space.disk.Free
	if free == nil || sizeOf(path) == reserveBytes {
		return
	}
	if n, err := free(); err != nil || n < max(db.space.disk.Floor/2+db.space.disk.Floor/8, roomAgain)+reserveBytes {
		return
	}
	if err := writeReserve(path); err != nil {
		_ = os.Remove(path) // half a reserve takes room for nothing
	}
}

// giveReserve gives the reserve up for what frees more, and tells whether there was one.
func (db *DB) giveReserve() bool { return os.Remove(db.reservePath()) == nil }

// writeReserve makes a new file: what stands in its place may be a link to another.
func writeReserve(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.Reader, reserveBytes)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
