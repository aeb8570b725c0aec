package models

import (
	"context"

	"github.com/uptrace/bun"
)

// Touch notes that a session was used now; a running transfer counts as use. While that can't be written, as on a full
// disk, it is kept in memory: people must still reach what they have, for as long as it takes.
func (s *Sessions) Touch(ctx context.Context, id ID) error {
	now := s.db.now()
	err := s.db.Saving()
	if err == nil {
		err = s.touch(ctx, id)
	}
	if ErrorCode(err) == Unavailable {
		s.used.Store(id, millis(now))
	} else if err == nil {
		s.used.Delete(id)
	}
	return err
}

// recall takes what is remembered of a session's last use.
func (s *Sessions) recall(row *sessionRow) {
	if at, ok := s.used.Load(row.ID); ok {
		row.Touched = max(row.Touched, at.(int64))
	}
}

// forget drops what is remembered of sessions that are gone.
func (s *Sessions) forget(ids ...ID) {
	for _, id := range ids {
		s.used.Delete(id)
		s.fresh.Delete(id)
	}
}

func (s *Sessions) touch(ctx context.Context, id ID) error {
	return s.db.sessions.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*sessionRow)(nil)).Set("touched = ?", millis(s.db.now())).Where("id = ?", id).Exec(ctx)
		return err
	})
}

// End removes a session with its results and returns these, whose files the caller
// removes. One that is not there is no error.
func (s *Sessions) End(ctx context.Context, id ID) ([]Result, error) {
	return s.end(ctx, []ID{id})
}

// EndAll ends all sessions of an account but the one given, and returns their results,
// whose files the caller removes.
func (s *Sessions) EndAll(ctx context.Context, account ID, except *ID) ([]Result, error) {
	var ids []ID
	q := s.db.sessions.r.NewSelect().Model((*sessionRow)(nil)).Column("id").Where("account_id = ?", account)
	if except != nil {
		q = q.Where("id <> ?", *except)
	}
	if err := q.Scan(ctx, &ids); err != nil {
		return nil, storeError(err)
	}
	return s.end(ctx, ids)
}

func (s *Sessions) end(ctx context.Context, ids []ID) (results []Result, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var stopped []sessionRow
	err = s.db.sessions.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		if stopped, err = removeRows(ctx, tx, ids); err != nil {
			return err
		}
		var rows []resultRow
		if err := tx.NewSelect().Model(&rows).Where("session_id IN (?)", bun.List(ids)).Scan(ctx); err != nil {
			return err
		}
		results = closedResults(rows)
		_, err := tx.NewDelete().Model((*resultRow)(nil)).Where("session_id IN (?)", bun.List(ids)).Exec(ctx)
		return err
	})
	if err == nil {
		s.stopped(stopped)
		s.forget(ids...)
	}
	return results, err
}

// removeRows deletes sessions and returns those of them that waited for a second factor.
func removeRows(ctx context.Context, tx bun.Tx, ids []ID) (pending []sessionRow, err error) {
	if err := tx.NewSelect().Model(&pending).Column("id", "account_id", "pending").Where("id IN (?)", bun.List(ids)).Where("pending").Scan(ctx); err != nil {
		return nil, err
	}
	_, err = tx.NewDelete().Model((*sessionRow)(nil)).Where("id IN (?)", bun.List(ids)).Exec(ctx)
	return pending, err
}

// stopped counts, like a failure, what began with the right password or recovery code and got no second factor: somebody
// else may have that. rows are sessions that are gone.
func (s *Sessions) stopped(rows []sessionRow) {
	for i := range rows {
		if rows[i].Pending && rows[i].AccountID != nil {
			s.db.Activity.FailedFor(*rows[i].AccountID, EventFactorMissing)
		}
	}
}

// List returns the sessions of an account that are alive, newest first, without keys: those too that are pending.
func (s *Sessions) List(ctx context.Context, account ID) ([]Session, error) {
	owner, err := s.db.Accounts.Get(ctx, account)
	if err != nil {
		return nil, err
	}
	var rows []sessionRow
	err = s.db.sessions.r.NewSelect().Model(&rows).Where("account_id = ?", account).
		Where("epoch = ?", owner.Epoch).Order("created DESC", "id DESC").Scan(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	var out []Session
	for i := range rows {
		s.recall(&rows[i])
		if !s.ended(&rows[i]) {
			out = append(out, *rows[i].session())
		}
	}
	return out, nil
}

// Expire removes every session that has ended and returns their ids. Their results are
// removed by Results.Expire, to be called next.
func (s *Sessions) Expire(ctx context.Context) ([]ID, error) {
	var rows []sessionRow
	err := s.db.sessions.r.NewSelect().Model(&rows).
		Column("id", "account_id", "epoch", "pending", "touched", "expires").Scan(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	epochs, err := s.epochs(ctx, rows)
	if err != nil {
		return nil, err
	}
	var ended []ID
	var stopped []sessionRow
	for i := range rows {
		row := &rows[i]
		s.recall(row)
		alive := !s.ended(row)
		if row.AccountID != nil {
			epoch, ok := epochs[*row.AccountID]
			// An epoch above the one read is of a log-in after that reading.
			alive = alive && ok && row.Epoch >= epoch
		}
		if !alive {
			ended = append(ended, row.ID)
		}
	}
	if len(ended) == 0 {
		return nil, nil
	}
	err = s.db.sessions.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		stopped, err = removeRows(ctx, tx, ended)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.stopped(stopped)
	s.forget(ended...)
	return ended, nil
}

// epochs returns the epochs of the accounts that the rows name.
func (s *Sessions) epochs(ctx context.Context, rows []sessionRow) (map[ID]int64, error) {
	ids := make(map[ID]struct{})
	for _, row := range rows {
		if row.AccountID != nil {
			ids[*row.AccountID] = struct{}{}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	list := make([]ID, 0, len(ids))
	for id := range ids {
		list = append(list, id)
	}
	var accounts []accountRow
	err := s.db.main.r.NewSelect().Model(&accounts).Column("id", "epoch").Where("id IN (?)", bun.List(list)).
		Where("deleted IS NULL").Scan(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	out := make(map[ID]int64, len(accounts))
	for _, a := range accounts {
		out[a.ID] = a.Epoch
	}
	return out, nil
}
