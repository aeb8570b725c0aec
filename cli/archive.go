package cli

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// pack writes a folder as a tar archive (POSIX.1-2001, pax), its own name first. Owners are left out:
// they mean nothing elsewhere and tell who made the archive. warn is told of what has no content to keep.
func pack(dst io.Writer, folder string, reader func(name string, f *os.File) io.Reader, warn func(string)) error {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return fmt.Errorf("read %s: %w", folder, err)
	}
	top := filepath.Base(abs)
	// A link to a folder is followed where it is named, and kept as a link within.
	root, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return fmt.Errorf("read %s: %w", folder, bare(err))
	}
	w := tar.NewWriter(dst)
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read %s: %w", name, bare(err))
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.Join(top, rel)
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
