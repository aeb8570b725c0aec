package backup

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// lockName is a file in each folder of a backup. It tells such a folder from any other, and is locked while one is
// written.
const lockName = "backup.lock"

// partSuffix marks a file that is being written.
const partSuffix = ".part"

// ErrForeign is returned for a folder that holds something else.
var ErrForeign = errors.New("it holds other files than a backup; name an empty folder")

// A Folder is a backup in a folder, being brought up to date.
type Folder struct {
	dir  string
	at   time.Time
	seal Seal
	old  map[string]File // what is there already, by name
	lock *os.File
	m    Manifest
	have map[string]struct{}

	// Step, if set, is called between two steps, for tests that end the process there.
	Step func(name string)
}

func (f *Folder) step(name string) {
	if f.Step != nil {
		f.Step(name)
	}
}

// Seal encrypts a file of a folder. For tells recipients apart: when it changes, all is written anew. The zero Seal
// leaves files as they are.
type Seal struct {
	Wrap func(io.Writer) (io.WriteCloser, error)
	For  string
}

// OpenFolder begins with a folder, which is empty, a backup already, or made: for its owner alone.
func OpenFolder(dir string, at time.Time, seal Seal) (*Folder, error) {
	return openFolder(dir, at, seal, syncDir)
}

func openFolder(dir string, at time.Time, seal Seal, sync func(dir string) error) (*Folder, error) {
	err := os.Mkdir(dir, 0o700)
	if err == nil { // its name, which a loss of power could take with all that is in it
		err = sync(filepath.Dir(dir))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make backup folder: %w", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{dir: dir, at: at.UTC().Truncate(time.Second), seal: seal, lock: lock, old: map[string]File{}, have: map[string]struct{}{}}
	f.m.Sealed = seal.For
	if err := os.Mkdir(filepath.Join(dir, "blobs"), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		f.Close()
		return nil, fmt.Errorf("make backup folder: %w", err)
	}
	// One that can't be read, or is encrypted for others, gives nothing that could stay.
	if m, err := manifestIn(dir); err == nil && m.Sealed == seal.For {
		for _, file := range m.Files {
			f.old[file.Name] = file
		}
	}
	return f, nil
}

func lockFolder(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("use backup folder: %w", err)
		}
		if len(entries) > 0 {
			return nil, fmt.Errorf("use backup folder %s: %w", dir, ErrForeign)
		}
	}
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("use backup folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("use backup folder %s: another backup is being written to it", dir)
	}
	return lock, nil
}

// Close lets go of the folder. Without Finish it is the backup that it was.
func (f *Folder) Close() error { return f.lock.Close() }

// Has tells whether a blob is there already. Whether its bytes still are what they were, only a reader tells.
func (f *Folder) Has(id string) bool {
	if _, ok := f.have[id]; ok {
		return true
	}
	file, ok := f.old[BlobName(id)]
	if !ok {
		return false
	}
	info, err := os.Lstat(filepath.Join(f.dir, f.m.stored(file.Name)))
	if err != nil || !info.Mode().IsRegular() || info.Size() != file.Size {
		return false
	}
	f.keep(file)
	return true
}

func (f *Folder) keep(file File) {
	file.Spare = false
	f.m.Files = append(f.m.Files, file)
	if id, ok := BlobID(file.Name); ok {
		f.have[id] = struct{}{}
	}
}

// Add writes a file of exactly size bytes and syncs it.
func (f *Folder) Add(name string, size int64, src io.Reader) error {
	if name == Database {
		var suffix [8]byte
		rand.Read(suffix[:])
		name = "zencrypt-" + hex.EncodeToString(suffix[:]) + ".db"
		f.m.Database = name
	}
	file, err := f.write(name, size, src)
	if err != nil {
		return err
	}
	f.keep(file)
	return nil
}

func (f *Folder) write(name string, size int64, src io.Reader) (file File, err error) {
	path := filepath.Join(f.dir, f.m.stored(name))
	out, err := os.OpenFile(path+partSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return file, fmt.Errorf("write backup: %w", err)
	}
	defer func() {
		if err != nil {
			_ = out.Close()
			_ = os.Remove(path + partSuffix)
		}
	}()
	stored := &stored{dst: out, sum: sha256.New()}
	var w io.WriteCloser = nopCloser{stored}
	if f.seal.Wrap != nil {
		if w, err = f.seal.Wrap(stored); err != nil {
			return file, err
		}
	}
	n, err := io.Copy(w, src)
	if err != nil {
		return file, err
	}
	if n != size {
		return file, fmt.Errorf("write backup: %s changed while it was read", name)
	}
	if err = w.Close(); err == nil {
		err = out.Sync()
	}
	if err == nil {
		err = out.Close()
	}
	if err == nil {
		f.step("backup-part")
		err = os.Rename(path+partSuffix, path)
	}
	if err != nil {
		return file, fmt.Errorf("write backup: %w", err)
	}
	return File{Name: name, Size: stored.n, SHA256: hexSum(stored.sum)}, nil
}

// Finish puts the new manifest in place of the old one, in one step, and then removes what only the old one named.
func (f *Folder) Finish(h Head, needed func(id string) bool) (*Manifest, error) {
	h.Form, h.Time, h.Database, h.Sealed = form, f.at, f.m.Database, f.m.Sealed
	f.m.Head = h
	f.m.markSpare(needed)
	// What nobody needs has no place in the next backup.
	files := f.m.Files[:0]
	for _, file := range f.m.Files {
		if !file.Spare {
			files = append(files, file)
		}
	}
	f.m.Files = files
	if err := f.m.complete(); err != nil {
		return nil, err
	}
	for _, dir := range []string{filepath.Join(f.dir, "blobs"), f.dir} {
		if err := syncDir(dir); err != nil {
			return nil, fmt.Errorf("write backup: %w", err)
		}
	}
	if err := f.place(); err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	return &f.m, f.sweep()
}

func (f *Folder) place() error {
	path := filepath.Join(f.dir, manifestName)
	out, err := os.OpenFile(path+partSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = f.m.write(out)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	f.step("backup-manifest")
	if err := os.Rename(path+partSuffix, path); err != nil {
		return err
	}
	f.step("backup-placed")
	return syncDir(f.dir)
}

// sweep removes the files of earlier backups, and of those that were cut short. Other names are left alone.
func (f *Folder) sweep() error {
	keep := map[string]struct{}{}
	for _, file := range f.m.Files {
		keep[f.m.stored(file.Name)] = struct{}{}
	}
	var failed error
	for _, dir := range []string{"", blobDir} {
		entries, err := os.ReadDir(filepath.Join(f.dir, dir))
		if err != nil {
			return fmt.Errorf("remove what the last backup left: %w", err)
		}
		for _, e := range entries {
			name := strings.TrimSuffix(strings.TrimSuffix(e.Name(), partSuffix), sealedExt)
			ours := dir == blobDir && blobPattern.MatchString(name) || dir == "" && databasePattern.MatchString(name)
			if _, kept := keep[dir+e.Name()]; kept || !ours {
				continue
			}
			if err := os.Remove(filepath.Join(f.dir, dir, e.Name())); err != nil && failed == nil {
				failed = fmt.Errorf("remove what the last backup left: %w", err)
			}
		}
	}
	return failed
}

// stored digests what goes to the disk.
type stored struct {
	dst io.Writer
	sum hash.Hash
	n   int64
}

func (s *stored) Write(p []byte) (int, error) {
	n, err := s.dst.Write(p)
	s.sum.Write(p[:n])
	s.n += int64(n)
	if err != nil {
		err = fmt.Errorf("write backup: %w", err)
	}
	return n, err
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
