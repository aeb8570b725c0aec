package blobs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

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
	made := old.Size()
	err = s.link(filepath.Join(src.path, name), filepath.Join(dst.path, name))
	switch {
	case errors.Is(err, fs.ErrExist):
		// Whole by construction: nothing but Commit and Move makes this name.
		if cur, serr := dst.root.Stat(name); serr != nil || cur.Size() != old.Size() {
			return fmt.Errorf("move %s from %s to %s: %w", name, from, to, err)
		}
		made, err = 0, nil
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
	s.ledger.grewSpool(to, made)
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
