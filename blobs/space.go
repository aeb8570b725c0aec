package blobs

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
