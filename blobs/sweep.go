package blobs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
)

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
				s.ledger.grewSpool(a, -info.Size())
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
