package models

import (
	"context"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// TakeTry takes one try at a locked result, before the try, so that neither a crash nor
// requests side by side give any away. It returns how many are left. NotFound when there
// was none left, or the result is open or gone.
func (rs *Results) TakeTry(ctx context.Context, s *Session, id ID) (left int, err error) {
	err = rs.db.sessions.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.NewUpdate().Model((*resultRow)(nil)).Set("tries = tries - 1").Where("id = ?", id).
			Where("session_id = ?", s.ID).Where("state = ?", StateLocked).Where("tries > 0").Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errNoResult())
		}
		return tx.NewSelect().Model((*resultRow)(nil)).Column("tries").Where("id = ?", id).Scan(ctx, &left)
	})
	return left, err
}

// GiveBack returns a try that was not the person's fault.
func (rs *Results) GiveBack(ctx context.Context, s *Session, id ID) error {
	return rs.db.sessions.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*resultRow)(nil)).Set("tries = tries + 1").Where("id = ?", id).
			Where("session_id = ?", s.ID).Where("state = ?", StateLocked).Exec(ctx)
		return err
	})
}

// MakeReady writes back a locked result that was opened. NotFound when another request
// was first, or it is gone.
func (rs *Results) MakeReady(ctx context.Context, s *Session, r *Result) error {
	r.State = StateReady
	row, err := closeResult(s, r)
	if err != nil {
		return err
	}
	return rs.db.sessions.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.NewUpdate().Model(row).WherePK().Where("session_id = ?", s.ID).Where("state = ?", StateLocked).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errNoResult())
		}
		return nil
	})
}

// Renew gives results of a session their whole time again, from now: a request that made
// several may have taken longer than that.
func (rs *Results) Renew(ctx context.Context, s *Session, until time.Time, ids ...ID) error {
	return rs.db.sessions.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*resultRow)(nil)).Set("expires = ?", millis(until)).
			Where("id IN (?)", bun.List(ids)).Where("session_id = ?", s.ID).Exec(ctx)
		return err
	})
}

// Rebind seals what waits for one session anew for the one that takes its place, as when
// the password was changed. A result that does not open stays with the old one.
func (rs *Results) Rebind(ctx context.Context, from, to *Session) error {
	return rs.db.sessions.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		var rows []resultRow
		if err := tx.NewSelect().Model(&rows).Where("session_id = ?", from.ID).Scan(ctx); err != nil {
			return err
		}
		for i := range rows {
			r, err := rows[i].open(from)
			if err != nil {
				continue
			}
			row, err := closeResult(to, r)
			if err != nil {
				return err
			}
			if _, err := tx.NewUpdate().Model(row).WherePK().Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}
