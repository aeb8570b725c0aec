package models

import "context"

// Live counts the sessions of logged-in people that have not ended, those whose row waits to be removed left out.
func (s *Sessions) Live(ctx context.Context) (int, error) {
	now := s.db.now()
	n, err := s.db.sessions.r.NewSelect().Model((*sessionRow)(nil)).Where("account_id IS NOT NULL").Where("NOT pending").
		Where("expires > ?", millis(now)).Where("touched > ?", millis(now.Add(-s.db.opts.SessionIdle))).Count(ctx)
	return int(n), storeError(err)
}
