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
// at most three.
package blobs

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
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
	SpoolMax int64  // bytes over all owners, reserved or in use; 0 = no limit
	MinFree  int64  // bytes of the file system that stay free

	// Free tells how many bytes the file system of dir has left for us; nil
	// asks it (statfs).
	Free func(dir string) (int64, error)
	Now  func() time.Time // nil = time.Now
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
	// A folder from a copy or an older umask may be open to others.
	if err := os.Chmod(path, 0o700); err != nil {
		return err
	}
	if d.root, err = os.OpenRoot(path); err != nil {
		return err
	}
	d.dir, err = os.Open(path)
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

// Move gives the file of ref a second name in another area and syncs that
// folder. The first name stays until Remove, so that a row can be moved
// between the two and no crash loses the file. A second Move of the same file
// changes nothing. The wrap, its key and its size stay what they are.
func (s *Store) Move(ref Ref, from, to Area) error {
	if from == to {
		return nil
	}
	src, dst, name := &s.areas[from], &s.areas[to], ref.ID.String()
	old, err := src.root.Stat(name)
	if err != nil {
		return fmt.Errorf("move %s from %s to %s: %w", name, from, to, err)
	}
	// Sweep goes by age and a link has the age of its file: without this, a
	// file that waited for an hour could be swept before its new row is there.
	now := s.opts.Now()
	if err := src.root.Chtimes(name, now, now); err != nil {
		return fmt.Errorf("move %s from %s to %s: %w", name, from, to, diskError(err))
	}
	err = s.link(filepath.Join(src.path, name), filepath.Join(dst.path, name))
	switch {
	case errors.Is(err, fs.ErrExist):
		// Whole by construction: nothing but Commit and Move makes this name.
		if cur, serr := dst.root.Stat(name); serr != nil || cur.Size() != old.Size() {
			return fmt.Errorf("move %s from %s to %s: %w", name, from, to, err)
		}
		err = nil
	case errors.Is(err, syscall.EXDEV), errors.Is(err, syscall.EPERM), errors.Is(err, errors.ErrUnsupported):
		// The two folders lie on different file systems, or on one without links.
		err = s.copy(src, dst, to, ref.ID)
	}
	if err == nil {
		err = s.syncDir(dst.dir)
	}
	if err != nil {
		return fmt.Errorf("move %s from %s to %s: %w", name, from, to, diskError(err))
	}
	return nil
}

// copy is Move where there are no hard links. What is copied is the wrap as it
// stands, so that the key stays the same.
func (s *Store) copy(src, dst *area, to Area, id ID) (err error) {
	defer s.markLive(to, id)()
	in, err := src.root.Open(id.String())
	if err != nil {
		return err
	}
	defer in.Close()
	part := id.String() + partSuffix
	out, err := dst.root.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = s.syncFile(out)
	}
	err = errors.Join(err, out.Close())
	if err == nil {
		err = dst.root.Rename(part, id.String())
	}
	if err != nil {
		dst.root.Remove(part)
	}
	return err
}

// Remove deletes a file; one that is not there is no error. A Reader that has
// it open reads on to the end. The folder is not synced: should a power cut
// bring the name back, its key is gone with the row and Sweep finds it.
func (s *Store) Remove(a Area, id ID) error {
	err := s.areas[a].root.Remove(id.String())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s from %s: %w", id, a, err)
	}
	return nil
}

// Sweep deletes the files of an area that keep does not claim and that were
// not touched for olderThan, and half-written ones that no Writer of this
// process holds. Names that this package does not make are left alone.
//
// keep is usually the set of IDs in the database, read before the call: a file
// committed since then is protected by its age alone, so olderThan must be
// longer than the time between Commit and the row's commit. 0 is for the
// start, when nothing runs yet.
//
// removed counts what was deleted, also when err (the first failures) is set.
func (s *Store) Sweep(a Area, keep func(ID) bool, olderThan time.Duration) (removed int, err error) {
	d := &s.areas[a]
	dir, err := d.root.Open(".")
	if err != nil {
		return 0, fmt.Errorf("sweep %s: %w", a, err)
	}
	defer dir.Close()
	limit := s.opts.Now().Add(-olderThan)
	var firstErr error
	for {
		entries, err := dir.ReadDir(256) // a folder of any size in bounded memory
		for _, e := range entries {
			name, part := strings.CutSuffix(e.Name(), partSuffix)
			id, perr := ParseID(name)
			if perr != nil || s.isLive(a, id) || (!part && keep(id)) {
				continue
			}
			info, ierr := e.Info()
			if ierr != nil || !info.Mode().IsRegular() || info.ModTime().After(limit) {
				continue
			}
			switch rerr := d.root.Remove(e.Name()); {
			case rerr == nil:
				removed++
			case !errors.Is(rerr, fs.ErrNotExist) && firstErr == nil:
				firstErr = rerr
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			firstErr = err
			break
		}
	}
	if firstErr != nil {
		return removed, fmt.Errorf("sweep %s: %w", a, firstErr)
	}
	return removed, nil
}

// markLive protects a file from Sweep until the returned function is called.
func (s *Store) markLive(a Area, id ID) (done func()) {
	key := a.String() + id.String()
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	s.live[key] = struct{}{}
	return func() {
		s.liveMu.Lock()
		defer s.liveMu.Unlock()
		delete(s.live, key)
	}
}

func (s *Store) isLive(a Area, id ID) bool {
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	_, ok := s.live[a.String()+id.String()]
	return ok
}
