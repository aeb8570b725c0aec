package models

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// The roles of an account. Neither opens anything of another's.
const (
	RoleUser  = "user"
	RoleAdmin = "admin"
)

// A standingRow is what an account may do here. An account without one is a user's.
type standingRow struct {
	bun.BaseModel `bun:"table:standing"`

	AccountID ID     `bun:",pk"`
	Role      string // RoleUser or RoleAdmin
	Suspended *int64
	SeenDay   *int64 // days since 1970
	Quota     *int64
}

// withStanding reads accountRow together with its standing.
func withStanding(q *bun.SelectQuery) *bun.SelectQuery {
	return q.ColumnExpr("?TableColumns").ColumnExpr("coalesce(s.role, ?) AS role", RoleUser).ColumnExpr("s.suspended, s.seen_day, s.quota").
		Join("LEFT JOIN standing AS s ON s.account_id = ?TableAlias.id")
}

const secondsOfDay = 24 * 60 * 60

// dayOf is a day as seen_day counts it; what time of the day it was is not kept.
func dayOf(t time.Time) int64 { return t.Unix() / secondsOfDay }

func fromDay(day int64) time.Time { return time.Unix(day*secondsOfDay, 0).UTC() }

// errSuspended is told only to who has the right password or code.
func errSuspended() error {
	return Errorf(Suspended, "", "this account is suspended")
}

func errLastAdmin() error {
	return Errorf(Conflict, "", "this is the last administrator: make somebody else one first")
}

// keepAdmin is Conflict when nobody but this account administers, suspended ones aside.
func keepAdmin(ctx context.Context, tx bun.Tx, row *accountRow) error {
	if row.Role != RoleAdmin || row.Suspended != nil {
		return nil
	}
	other, err := tx.NewSelect().TableExpr("standing AS s").Join("JOIN accounts AS a ON a.id = s.account_id").
		Where("s.role = ?", RoleAdmin).Where("s.suspended IS NULL").Where("a.deleted IS NULL").
		Where("s.account_id <> ?", row.ID).Exists(ctx)
	if err == nil && !other {
		return errLastAdmin()
	}
	return err
}

// stand changes the standing of an account in a transaction. f may change the account's row too, whose epoch is
// written: raising it ends every session.
func (a *Accounts) stand(ctx context.Context, id ID, f func(ctx context.Context, tx bun.Tx, row *accountRow, s *standingRow) error) error {
	return a.db.main.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := accountBy(ctx, tx, "id", id)
		if errors.Is(err, sql.ErrNoRows) {
			return Errorf(NotFound, "", "find account: there is no such account")
		}
		if err != nil {
			return err
		}
		s := &standingRow{AccountID: id, Role: row.Role, Suspended: row.Suspended, SeenDay: row.SeenDay, Quota: row.Quota}
		epoch := row.Epoch
		if err := f(ctx, tx, row, s); err != nil {
			return err
		}
		if row.Epoch != epoch {
			if _, err := tx.NewUpdate().Model(row).Column("epoch").WherePK().Exec(ctx); err != nil {
				return err
			}
		}
		return putStanding(ctx, tx, s)
	})
}

func putStanding(ctx context.Context, tx bun.Tx, s *standingRow) error {
	_, err := tx.NewInsert().Model(s).On("CONFLICT (account_id) DO UPDATE").
		Set("role = EXCLUDED.role").Set("suspended = EXCLUDED.suspended").Set("seen_day = EXCLUDED.seen_day").Set("quota = EXCLUDED.quota").Exec(ctx)
	return err
}

// Suspend keeps an account from logging in and ends its sessions: the epoch rises in the same transaction.
// Sessions.EndAll removes their rows and results. What the account holds stays as it is. Conflict for the last
// administrator, NotFound when there is no such account.
func (a *Accounts) Suspend(ctx context.Context, id ID) error {
	return a.stand(ctx, id, func(ctx context.Context, tx bun.Tx, row *accountRow, s *standingRow) error {
		if s.Suspended != nil {
			return nil
		}
		if err := keepAdmin(ctx, tx, row); err != nil {
			return err
		}
		now := millis(a.db.now())
		s.Suspended = &now
		row.Epoch++
		return nil
	})
}

// Resume lifts a suspension.
func (a *Accounts) Resume(ctx context.Context, id ID) error {
	return a.stand(ctx, id, func(_ context.Context, _ bun.Tx, _ *accountRow, s *standingRow) error {
		s.Suspended = nil
		return nil
	})
}

// SetRole makes an account an administrator's or a user's. Conflict for taking the role from the last
// administrator, unless lastToo: who has the machine can always make another.
func (a *Accounts) SetRole(ctx context.Context, id ID, role string, lastToo bool) error {
	if role != RoleUser && role != RoleAdmin {
		return Errorf(Invalid, "role", "choose one of the roles")
	}
	return a.stand(ctx, id, func(ctx context.Context, tx bun.Tx, row *accountRow, s *standingRow) error {
		if role == RoleUser && !lastToo {
			if err := keepAdmin(ctx, tx, row); err != nil {
				return err
			}
		}
		s.Role = role
		return nil
	})
}

// SetQuota gives an account a quota of its own in bytes, or with nil the server's default.
func (a *Accounts) SetQuota(ctx context.Context, id ID, quota *int64) error {
	if quota != nil && *quota < 0 {
		return Errorf(Invalid, "quota", "give a size of zero or more")
	}
	return a.stand(ctx, id, func(_ context.Context, _ bun.Tx, _ *accountRow, s *standingRow) error {
		s.Quota = quota
		return nil
	})
}

// EndSessions ends every session of an account by raising its epoch; Sessions.EndAll removes their rows.
func (a *Accounts) EndSessions(ctx context.Context, id ID) error {
	return a.stand(ctx, id, func(_ context.Context, _ bun.Tx, row *accountRow, _ *standingRow) error {
		row.Epoch++
		return nil
	})
}

// markSeen notes that an account is used today, once a day. A write that fails is tried at the next use: nobody
// is turned away for it.
func (s *Sessions) markSeen(ctx context.Context, id ID) {
	today := dayOf(s.db.now())
	if last, ok := s.seen.Load(id); ok && last == today {
		return
	}
	row := &standingRow{AccountID: id, Role: RoleUser, SeenDay: &today}
	err := s.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(row).On("CONFLICT (account_id) DO UPDATE").Set("seen_day = EXCLUDED.seen_day").Exec(ctx)
		return err
	})
	if err == nil {
		s.seen.Store(id, today)
	}
}
