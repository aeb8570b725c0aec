package cli

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxEntries bounds an archive that is unpacked: each entry costs a file of the disk.
const maxEntries = 1_000_000

// errArchive is for what can't be unpacked safely.
var errArchive = errors.New("unpack archive")

// A folder of an archive. Its mode and time are set at the very end, when nothing is put into it or moved any more.
type folder struct {
	name string
	mode fs.FileMode
	mod  time.Time
}

// unpack reads a tar archive into dir, which must be new and its own: nothing in it can lead outside, and
// nothing is written twice. [finishFolders] takes what it returns.
func unpack(dir string, src io.Reader) ([]folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	u := &unpacker{root: root, links: map[string]bool{}}
	r := tar.NewReader(src)
	for n := 0; ; n++ {
		h, err := r.Next()
		if err == io.EOF && n > 0 {
			break
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // not even one entry
		}
		if err != nil {
			return nil, archiveError(err)
		}
		if n == maxEntries {
			return nil, fmt.Errorf("%w: it has more than %d entries", errArchive, maxEntries)
		}
		if err := u.entry(h, r); err != nil {
			return nil, err
		}
	}
	// What follows the archive's end must be read too: it is authenticated only at the very end.
	if _, err := io.Copy(io.Discard, src); err != nil {
		return nil, err
	}
	return u.folders, nil
}

type unpacker struct {
	root    *os.Root
	folders []folder
	links   map[string]bool // symbolic links that were made
}

func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	name := strings.TrimSuffix(h.Name, "/")
	switch {
	case h.Typeflag == tar.TypeXGlobalHeader, name == "." && h.Typeflag == tar.TypeDir:
		return nil // what git's archives begin with, and tar's of "."
	case !filepath.IsLocal(filepath.FromSlash(name)) || path.Clean(name) == ".":
		return fmt.Errorf("%w: %q would be written outside of the folder", errArchive, h.Name)
	}
	name = path.Clean(name)
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if u.links[dir] {
			return fmt.Errorf("%w: %q would be written through a link", errArchive, h.Name)
		}
	}
	mode := h.FileInfo().Mode().Perm()
	local := filepath.FromSlash(name)
	if err := u.root.MkdirAll(filepath.Dir(local), 0o700); err != nil {
		return unpackError(h.Name, err)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := u.root.MkdirAll(local, 0o700); err != nil {
			return unpackError(h.Name, err)
		}
		u.folders = append(u.folders, folder{local, mode, h.ModTime})
	case tar.TypeReg:
		return u.file(h, local, mode, content)
	case tar.TypeSymlink:
		if !staysInside(path.Dir(name), h.Linkname) {
			return fmt.Errorf("%w: the link %q leads outside of the folder", errArchive, h.Name)
		}
		if err := u.root.Symlink(h.Linkname, local); err != nil {
			return unpackError(h.Name, err)
		}
		u.links[name] = true
	default:
		return fmt.Errorf("%w: %q is neither a file, a folder nor a symbolic link; unpack the .tar yourself", errArchive, h.Name)
	}
	return nil
}

// staysInside tells whether a link in a folder of the archive leads into the archive: it climbs only at its
// beginning, where every step is a real folder. After the name of another link ".." would mean anything.
func staysInside(dir, target string) bool {
	rest := target
	for strings.HasPrefix(rest, "../") || strings.HasPrefix(rest, "./") {
		_, rest, _ = strings.Cut(rest, "/")
	}
	if rest != ".." && slices.Contains(strings.Split(rest, "/"), "..") {
		return false
	}
	return target != "" && !path.IsAbs(target) && filepath.IsLocal(filepath.FromSlash(path.Join(dir, target)))
}

// file writes one file, whose mode is as the umask leaves it.
func (u *unpacker) file(h *tar.Header, name string, mode fs.FileMode, src io.Reader) error {
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return unpackError(h.Name, err)
	}
	if _, err = io.Copy(f, src); err != nil {
		err = archiveError(err)
	} else {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := u.root.Chtimes(name, time.Time{}, h.ModTime); err != nil {
		return unpackError(h.Name, err)
	}
	return nil
}

func unpackError(name string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %q is in it twice", errArchive, name)
	}
	return fmt.Errorf("%w: %q: %w", errArchive, name, bare(err))
}

// archiveError tells an archive that is none from the errors of what it comes from.
func archiveError(err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &codeError{exitFormat, fmt.Errorf("%w: what was decrypted is not a whole tar archive; leave out --extract", errArchive)}
	}
	return err
}

// deliverFolder unpacks an archive beside its place in dir, and moves what it holds there once all of it
// was authenticated. What exists in dir already is not touched: then nothing is moved.
func (e *env) deliverFolder(dir string, fill func(into string) ([]folder, error)) error {
	temp, err := os.MkdirTemp(dir, ".zencrypt-*.part")
	if err != nil {
		return fmt.Errorf("unpack into %s: %w", dir, bare(err))
	}
	defer os.RemoveAll(temp)
	umask, err := umaskIn(temp)
	if err != nil {
		return fmt.Errorf("unpack into %s: %w", dir, bare(err))
	}
	folders, err := fill(temp)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(temp)
	if err != nil {
		return fmt.Errorf("unpack into %s: %w", dir, bare(err))
	}
	for _, entry := range entries {
		if exists(filepath.Join(dir, entry.Name())) {
			return fmt.Errorf("unpack into %s: %s exists there already, and is not replaced", dir, entry.Name())
		}
	}
	for _, entry := range entries {
		if err := os.Rename(filepath.Join(temp, entry.Name()), filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("unpack into %s: %w", dir, bare(err))
		}
	}
	if err := finishFolders(dir, folders, umask); err != nil {
		return err
	}
	return syncDir(dir)
}

// finishFolders sets the folders' modes and times, the innermost first: before, a read-only one could not
// be filled, moved or removed.
func finishFolders(dir string, folders []folder, umask fs.FileMode) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, f := range slices.Backward(folders) {
		if err := errors.Join(root.Chtimes(f.name, time.Time{}, f.mod), root.Chmod(f.name, f.mode&^umask)); err != nil {
			return unpackError(f.name, err)
		}
	}
	return nil
}

// umaskIn asks what the system takes off new files' modes, by making a folder. Nothing reads it otherwise
// without setting it for the whole process.
func umaskIn(dir string) (fs.FileMode, error) {
	probe := filepath.Join(dir, "umask")
	if err := os.Mkdir(probe, 0o777); err != nil {
		return 0, err
	}
	info, err := os.Stat(probe)
	if err != nil {
		return 0, err
	}
	return 0o777 &^ info.Mode().Perm(), os.Remove(probe)
}
