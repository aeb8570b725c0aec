package blobs

import (
	"errors"
	"fmt"
	"os"
)

// Space is what the file system has free for the Store, above its floor or not, and what the files in the spool
// take, in bytes.
func (s *Store) Space() (free, spool int64, err error) {
	l := &s.ledger
	if free, err = l.free(l.dir); err != nil {
		return 0, 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return free, l.spool, nil
}

// Free is the room in bytes on the file system of Options.Dir.
func (s *Store) Free() (int64, error) { return s.opts.Free(s.opts.Dir) }

// askSpool asks a spool that lies elsewhere for room too: a size that is known is refused before the first byte.
func (l *ledger) askSpool(r *Reservation, n int64) error {
	if l.spoolAway == "" || r.row {
		return nil
	}
	free, err := l.free(l.spoolAway)
	if err != nil {
		return fmt.Errorf("reserve space: %w", err)
	}
	if free -= l.unspent; n > free {
		return &SpaceError{Kind: ErrDisk, Want: n, Free: max(free, 0)}
	}
	return nil
}

// elsewhere is an area's folder when it lies on another file system than Options.Dir, else "".
func (s *Store) elsewhere(a Area) string {
	if other, err := otherDevice(s.opts.Dir, s.areas[a].path); err != nil || !other {
		return ""
	}
	return s.areas[a].path
}

// probeBytes is what Probe writes: more than a file system may keep with the name.
const probeBytes = 64 << 10

// Probe writes a file into each area, syncs and removes it. The error is the system's.
func (s *Store) Probe() error {
	for _, a := range []Area{Spool, Blobs} {
		if err := s.probe(a); err != nil {
			return fmt.Errorf("probe %s: %w", a, err)
		}
	}
	return nil
}

func (s *Store) probe(a Area) error {
	id := newID()
	defer s.markLive(a, id)()
	root, name := s.areas[a].root, id.String()+partSuffix
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeBytes))
	if err == nil {
		err = s.syncFile(f)
	}
	return errors.Join(err, f.Close(), root.Remove(name))
}
