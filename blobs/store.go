// Package blobs keeps the files of Zencrypt: uploads and results that wait in
// DATA/spool, and the vault's files in DATA/blobs.
//
// Whatever is written here, plaintext or ciphertext, is wrapped once more as
// an age file under a fresh file key of its own (age-encryption.org/v1, the
// payload is STREAM over ChaCha20-Poly1305 in chunks of 64 KiB). The file key
// is returned in the [Ref] and belongs in a sealed column; without it the file
// says nothing but its size, cannot be exchanged for another and cannot be
// changed without [ErrDamaged].
//
// A file appears under its name only when it is whole and synced: it is
// written as <id>.part, synced, renamed, and the folder is synced, all before
// [Writer.Commit] returns, so that a row committed after it never points at
// less than it says. What a crash leaves is found by [Store.Sweep].
//
// Memory does not depend on a file's size: a Writer holds one chunk, a Reader
// a window of four, and what age holds.
package blobs

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"zencrypt/nofollow"
)

// ID names a file: 16 random bytes, in lower-case hex on the disk.
type ID [16]byte

// String is the ID in 32 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads what [ID.String] wrote, and nothing else: one file has one name.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 2*len(id) || s != strings.ToLower(s) {
		return ID{}, errors.New("parse blob id: want 32 lower-case hex digits")
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, errors.New("parse blob id: want 32 lower-case hex digits")
	}
	return id, nil
}

// Ref is all that is needed to open a file again. Key is secret: it goes into
// a sealed column and nowhere else. It does not print.
type Ref struct {
	ID   ID
	Key  [16]byte // age file key of the wrap
	Size int64    // bytes inside the wrap
	Disk int64    // bytes on the disk, as the quota counts them
}

// Format keeps the key out of logs under every verb.
func (r Ref) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "blob %s (%d bytes, key [redacted])", r.ID, r.Size)
}

// LogValue keeps the key out of structured logs, which print fields themselves.
func (r Ref) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", r.ID.String()), slog.Int64("size", r.Size))
}

// Area is one of the two folders.
type Area int

const (
	Spool Area = iota // DATA/spool: results and uploads that expire
	Blobs             // DATA/blobs: the vault's files
)

func (a Area) String() string {
	if a == Blobs {
		return "blobs"
	}
	return "spool"
}

// partSuffix marks a file that is being written.
const partSuffix = ".part"

// Options say where the files are and how much room they may take.
type Options struct {
	Dir      string // holds the folders spool and blobs
	SpoolMax int64  // bytes of all files in the spool, with what is reserved; 0 = no limit
	MinFree  int64  // bytes of the file system that stay free

	// Free tells how many bytes the file system of dir has left for us; nil
	// asks it (statfs).
	Free func(dir string) (int64, error)
	// Closed tells why nothing may be written at present, nil when it may; nil asks nobody.
	Closed func() error
	// Failed is told after the disk refused a write and what was written was removed; nil tells nobody.
	Failed func(error)
	Now    func() time.Time // nil = time.Now
}

// Store is the two folders and the account of who uses how much. Its methods
// may be called at the same time.
type Store struct {
	opts  Options
	areas [2]area

	// Replaced in tests that watch the order of syncs or refuse links.
	syncFile func(*os.File) error
	syncDir  func(*os.File) error
	link     func(from, to string) error

	liveMu sync.Mutex
	live   map[string]struct{} // files being written, by area and ID

	ledger ledger
}

// area is an open folder: names are resolved below it and nowhere else, and
// the handle stays valid for syncing.
type area struct {
	path string
	root *os.Root
	dir  *os.File
}

// Open makes Dir, Dir/spool and Dir/blobs where they are missing and closes
// them to others (0700). It removes nothing: call [Store.Sweep] for that.
func Open(o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Free == nil {
		o.Free = statfsFree
	}
	s := &Store{
		opts:     o,
		syncFile: (*os.File).Sync,
		syncDir:  (*os.File).Sync,
		link:     os.Link,
		live:     make(map[string]struct{}),
	}
	s.ledger.init(o)
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open blob store: %w", diskError(err))
	}
	for _, a := range []Area{Spool, Blobs} {
		if err := s.areas[a].open(filepath.Join(o.Dir, a.String())); err != nil {
			s.Close()
			return nil, fmt.Errorf("open blob store: %w", diskError(err))
		}
	}
	s.ledger.spoolAway = s.elsewhere(Spool)
	if err := s.countSpool(); err != nil {
		s.Close()
		return nil, fmt.Errorf("open blob store: %w", err)
	}
	parent, err := os.Open(o.Dir)
	if err == nil {
		err = errors.Join(s.syncDir(parent), parent.Close())
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("open blob store: %w", diskError(err))
	}
	return s, nil
}

func (d *area) open(path string) (err error) {
	d.path = path
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if d.dir, err = nofollow.Folder(filepath.Dir(path), path); err != nil {
		return err
	}
	// A folder from a copy or an older umask may be open to others.
	if err := d.dir.Chmod(0o700); err != nil {
		return err
	}
	if d.root, err = os.OpenRoot(path); err != nil {
		return err
	}
	below, err := d.root.Stat(".")
	if err != nil {
		return err
	}
	if opened, err := d.dir.Stat(); err != nil || !os.SameFile(below, opened) {
		return errors.Join(err, fmt.Errorf("%s is replaced just now", path))
	}
	return nil
}

// countSpool finds what an earlier run left in the spool.
func (s *Store) countSpool() error {
	entries, err := os.ReadDir(s.areas[Spool].path)
	for _, e := range entries {
		if info, ierr := e.Info(); ierr == nil && info.Mode().IsRegular() {
			s.ledger.grewSpool(Spool, info.Size())
		}
	}
	return err
}

// Close lets go of the folders. Readers and Writers must be done before it.
func (s *Store) Close() error {
	var errs []error
	for _, a := range s.areas {
		if a.dir != nil {
			errs = append(errs, a.dir.Close())
		}
		if a.root != nil {
			errs = append(errs, a.root.Close())
		}
	}
	return errors.Join(errs...)
}

// newID is a fresh name; two never meet (128 bits of crypto/rand).
func newID() (id ID) {
	rand.Read(id[:])
	return id
}

// Remove deletes a file; one that is not there is no error. A Reader that has
// it open reads on to the end. The folder is not synced: should a power cut
// bring the name back, its key is gone with the row and Sweep finds it.
func (s *Store) Remove(a Area, id ID) error {
	root, size := s.areas[a].root, int64(0)
	if info, err := root.Lstat(id.String()); err == nil {
		size = info.Size()
	}
	switch err := root.Remove(id.String()); {
	case err == nil:
		s.ledger.grewSpool(a, -size)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("remove %s from %s: %w", id, a, err)
	}
	return nil
}
