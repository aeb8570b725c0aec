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
	"strings"
	"time"
)

// pack writes a folder as a tar archive (POSIX.1-2001, pax), its own name first. Owners are left out:
// they mean nothing elsewhere and tell who made the archive. warn is told of what has no content to keep.
func pack(dst io.Writer, folder string, reader func(name string, f *os.File) io.Reader, warn func(string)) error {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return fmt.Errorf("read %s: %w", folder, err)
	}
	root, top := filepath.Dir(abs), filepath.Base(abs)
	w := tar.NewWriter(dst)
	err = filepath.WalkDir(filepath.Join(root, top), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read %s: %w", name, bare(err))
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("read %s: %w", name, bare(err))
		}
		switch t := info.Mode().Type(); {
		case t == 0, t == fs.ModeDir, t == fs.ModeSymlink:
		default:
			warn(fmt.Sprintf("%s is left out: a socket, pipe or device has no content to keep", name))
			return nil
		}
		return packOne(w, name, filepath.ToSlash(rel), info, reader)
	})
	if err != nil {
		return err
	}
	return w.Close()
}

func packOne(w *tar.Writer, name, inTar string, info fs.FileInfo, reader func(string, *os.File) io.Reader) error {
	var link string
	var err error
	if info.Mode().Type() == fs.ModeSymlink {
		if link, err = os.Readlink(name); err != nil {
			return fmt.Errorf("read %s: %w", name, bare(err))
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	h.Name, h.Format = inTar, tar.FormatPAX
	if info.IsDir() {
		h.Name += "/"
	}
	h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
	h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
	if !info.Mode().IsRegular() {
		return w.WriteHeader(h)
	}
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, bare(err))
	}
	defer f.Close()
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(w, reader(name, f))
	if errors.Is(err, tar.ErrWriteTooLong) || err == nil && n != h.Size {
		return fmt.Errorf("read %s: it changed while it was read; try again", name)
	}
	return err
}

// maxEntries bounds an archive that is unpacked: each entry costs a file of the disk.
const maxEntries = 1_000_000

// errArchive is for what can't be unpacked safely.
var errArchive = errors.New("unpack archive")

// unpack reads a tar archive into dir, which must be new and its own: nothing in it can lead outside, and
// nothing is written twice.
func unpack(dir string, src io.Reader) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	type folder struct {
		name string
		mode fs.FileMode
		mod  time.Time
	}
	var folders []folder // their modes and times are set last, since files are still put into them
	r := tar.NewReader(src)
	for n := 0; ; n++ {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return archiveError(err)
		}
		name := strings.TrimSuffix(h.Name, "/")
		switch {
		case n == maxEntries:
			return fmt.Errorf("%w: it has more than %d entries", errArchive, maxEntries)
		case name == "." && h.Typeflag == tar.TypeDir:
			continue
		case !filepath.IsLocal(filepath.FromSlash(name)):
			return fmt.Errorf("%w: %q would be written outside of the folder", errArchive, h.Name)
		}
		name = filepath.FromSlash(path.Clean(name))
		mode := h.FileInfo().Mode().Perm()
		if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return fmt.Errorf("%w: %w", errArchive, err)
		}
		switch h.Typeflag {
		case tar.TypeDir:
			if err := root.MkdirAll(name, 0o700); err != nil {
				return fmt.Errorf("%w: %w", errArchive, err)
			}
			folders = append(folders, folder{name, mode, h.ModTime})
		case tar.TypeReg:
			if err := unpackFile(root, name, mode, h.ModTime, r); err != nil {
				return err
			}
		case tar.TypeSymlink:
			target := path.Join(path.Dir(filepath.ToSlash(name)), h.Linkname)
			if path.IsAbs(h.Linkname) || !filepath.IsLocal(filepath.FromSlash(target)) {
				return fmt.Errorf("%w: the link %q leads outside of the folder", errArchive, h.Name)
			}
			if err := root.Symlink(h.Linkname, name); err != nil {
				return fmt.Errorf("%w: %w", errArchive, err)
			}
		default:
			return fmt.Errorf("%w: %q is neither a file, a folder nor a symbolic link; unpack the .tar yourself", errArchive, h.Name)
		}
	}
	// What follows the archive's end must be read too: it is authenticated only at the very end.
	if _, err := io.Copy(io.Discard, src); err != nil {
		return err
	}
	for i := len(folders) - 1; i >= 0; i-- {
		f := folders[i]
		if err := errors.Join(root.Chtimes(f.name, time.Time{}, f.mod), root.Chmod(f.name, f.mode)); err != nil {
			return fmt.Errorf("%w: %w", errArchive, err)
		}
	}
	return nil
}

func unpackFile(root *os.Root, name string, mode fs.FileMode, mod time.Time, src io.Reader) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %w", errArchive, err)
	}
	_, err = io.Copy(f, src)
	if err != nil {
		err = archiveError(err)
	} else {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return root.Chtimes(name, time.Time{}, mod)
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
func (e *env) deliverFolder(dir string, fill func(into string) error) error {
	temp, err := os.MkdirTemp(dir, ".zencrypt-*.part")
	if err != nil {
		return fmt.Errorf("unpack into %s: %w", dir, bare(err))
	}
	defer os.RemoveAll(temp)
	if _, err := answer(e.ctx, func() (struct{}, error) { return struct{}{}, fill(temp) }); err != nil {
		return err
	}
	entries, err := os.ReadDir(temp)
	if err != nil {
		return fmt.Errorf("unpack into %s: %w", dir, bare(err))
	}
	for _, entry := range entries {
		if _, err := os.Lstat(filepath.Join(dir, entry.Name())); err == nil {
			return fmt.Errorf("unpack into %s: %s exists there already, and is not replaced", dir, entry.Name())
		}
	}
	for _, entry := range entries {
		if err := os.Rename(filepath.Join(temp, entry.Name()), filepath.Join(dir, entry.Name())); err != nil {
			return fmt.Errorf("unpack into %s: %w", dir, bare(err))
		}
	}
	return syncDir(dir)
}
