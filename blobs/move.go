package blobs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Link gives the file of ref a second name, a new one, in another area and syncs
// that folder. Each name is removed by itself: whoever is done with one of them
// takes nothing from the other, however often a file is linked. The wrap, its key
// and its size stay what they are.
func (s *Store) Link(ref Ref, from, to Area) (Ref, error) {
	if err := s.closed(); err != nil {
		return Ref{}, err
	}
	id := ref.ID
	ref.ID = newID()
	if err := s.linkAs(id, ref.ID, from, to); err != nil {
		return Ref{}, err
	}
	return ref, nil
}

func (s *Store) linkAs(id, as ID, from, to Area) error {
	src, dst, name := &s.areas[from], &s.areas[to], id.String()
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
	err = s.link(filepath.Join(src.path, name), filepath.Join(dst.path, as.String()))
	switch {
	case errors.Is(err, syscall.EXDEV), errors.Is(err, syscall.EPERM), errors.Is(err, errors.ErrUnsupported):
		// The two folders lie on different file systems, or on one without links.
		err = s.copy(src, dst, to, id, as)
	}
	if err == nil {
		err = s.syncDir(dst.dir)
	}
	if err != nil {
		_ = dst.root.Remove(as.String())
		return s.failed(fmt.Errorf("move %s from %s to %s: %w", name, from, to, diskError(err)))
	}
	s.ledger.grewSpool(to, old.Size())
	return nil
}

// copy is Move where there are no hard links. What is copied is the wrap as it
// stands, so that the key stays the same.
func (s *Store) copy(src, dst *area, to Area, id, as ID) (err error) {
	defer s.markLive(to, as)()
	in, err := src.root.Open(id.String())
	if err != nil {
		return err
	}
	defer in.Close()
	part := as.String() + partSuffix
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
		err = dst.root.Rename(part, as.String())
	}
	if err != nil {
		dst.root.Remove(part)
	}
	return err
}
