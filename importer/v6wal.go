package importer

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// walFS has a database and its write-ahead log, both for reading, and nothing else.
type walFS string

const walName = "source.db"

// Open implements [fs.FS].
func (f walFS) Open(name string) (fs.File, error) {
	switch name {
	case walName:
		return os.Open(string(f))
	case walName + "-wal":
		log, err := os.Open(string(f) + "-wal")
		if errors.Is(err, fs.ErrNotExist) {
			// A database that was closed in order has none, and SQLite would make one.
			return emptyFile{}, nil
		}
		return log, err
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// emptyFile is a file of no bytes, and its own [fs.FileInfo].
type emptyFile struct{}

func (emptyFile) Stat() (fs.FileInfo, error)          { return emptyFile{}, nil }
func (emptyFile) Read([]byte) (int, error)            { return 0, io.EOF }
func (emptyFile) Seek(at int64, _ int) (int64, error) { return at, nil }
func (emptyFile) Close() error                        { return nil }
func (emptyFile) Name() string                        { return walName + "-wal" }
func (emptyFile) Size() int64                         { return 0 }
func (emptyFile) Mode() fs.FileMode                   { return 0o444 }
func (emptyFile) ModTime() time.Time                  { return time.Time{} }
func (emptyFile) IsDir() bool                         { return false }
func (emptyFile) Sys() any                            { return nil }
