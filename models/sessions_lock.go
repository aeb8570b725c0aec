package models

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// lockRow says when a session locks itself. A session without one does not.
type lockRow struct {
	bun.BaseModel `bun:"table:session_locks"`

	SessionID ID    `bun:",pk"`
	LockAfter int64 // milliseconds without use
}

// insert writes a new session and when it locks.
func (r *sessionRow) insert(ctx context.Context, tx bun.Tx) error {
	if _, err := tx.NewInsert().Model(r).Exec(ctx); err != nil || r.lockAfter == 0 {
		return err
	}
	_, err := tx.NewInsert().Model(&lockRow{SessionID: r.ID, LockAfter: r.lockAfter.Milliseconds()}).Exec(ctx)
	return err
}

// lockAfterOf reads when a session locks, 0 for never.
func (s *Sessions) lockAfterOf(ctx context.Context, id ID) (time.Duration, error) {
	var ms int64
	err := s.db.sessions.r.NewSelect().Model((*lockRow)(nil)).Column("lock_after").Where("session_id = ?", id).Scan(ctx, &ms)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return time.Duration(ms) * time.Millisecond, storeError(err)
}

// locked tells whether a session is locked, and locks it when its time has come. Where that can't be written, as on a
// full disk, the session counts as locked all the same.
func (s *Sessions) locked(ctx context.Context, row *sessionRow) (bool, error) {
	if row.AccountID == nil || row.Pending {
		return false, nil
	}
	var err error
	if row.lockAfter, err = s.lockAfterOf(ctx, row.ID); err != nil {
		return false, err
	}
	if row.SealedAccountKey == nil {
		return true, nil
	}
	if row.lockAfter == 0 || s.db.now().Sub(fromMillis(row.Touched)) < row.lockAfter {
		return false, nil
	}
	_ = s.lock(ctx, []ID{row.ID})
	return true, nil
}

// lock deletes the sealed account keys of sessions.
func (s *Sessions) lock(ctx context.Context, ids []ID) error {
	return s.db.sessions.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewUpdate().Model((*sessionRow)(nil)).Set("sealed_account_key = NULL").Where("id IN (?)", bun.List(ids)).Exec(ctx)
		return err
	})
}

// checkEpoch is Gone when a locked session's account is, or its epoch has risen.
func (s *Sessions) checkEpoch(ctx context.Context, row *sessionRow) error {
	account, err := accountBy(ctx, s.db.main.r, "id", *row.AccountID)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (account.Epoch != row.Epoch || account.Suspended != nil) {
		return errGone()
	}
	return storeError(err)
}

// LockIdle locks every session whose time has come, whether anybody asks for it or not.
func (s *Sessions) LockIdle(ctx context.Context) error {
	var rows []struct {
		ID                 ID
		Touched, LockAfter int64
	}
	err := s.db.sessions.r.NewSelect().TableExpr("sessions AS s").Join("JOIN session_locks AS l ON l.session_id = s.id").
		Column("s.id", "s.touched", "l.lock_after").Where("s.sealed_account_key IS NOT NULL").Where("NOT s.pending").
		Where("s.touched + l.lock_after <= ?", millis(s.db.now())).Scan(ctx, &rows)
	var ids []ID
	for _, r := range rows {
		row := sessionRow{ID: r.ID, Touched: r.Touched}
		if s.recall(&row); row.Touched+r.LockAfter <= millis(s.db.now()) {
			ids = append(ids, r.ID)
		}
	}
	if err != nil || len(ids) == 0 {
		return storeError(err)
	}
	return s.lock(ctx, ids)
}

// Unlock seals the account key for a locked session again, after the password was asked for, under a new token: the one
// before opens nothing any more, and may have been copied while nobody was looking. The session's results are sealed anew
// with it; the time at which the session ends stays. Gone when it has.
func (s *Sessions) Unlock(ctx context.Context, locked *Session, u *Unlocked) (token string, err error) {
	if locked.Account == nil || *locked.Account != u.Account.ID {
		return "", errGone()
	}
	secret := make([]byte, tokenSize)
	rand.Read(secret)
	hash := sha256.Sum256(secret)
	fresh := (&Session{ID: locked.ID}).withToken(secret)
	version, key := u.Ring.Current()
	row := sessionRow{ID: locked.ID, AccountID: locked.Account}
	sealed := seal.Seal(fresh.unlock, version, row.place(), key[:])
	token = base64.RawURLEncoding.EncodeToString(secret)
	err = s.db.sessions.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		if v, ok := s.fresh.Load(locked.ID); ok && v.(unlocked).from == locked.Key { // the same form, sent twice
			token = v.(unlocked).token
			return nil
		}
		res, err := tx.NewUpdate().Model((*sessionRow)(nil)).Set("sealed_account_key = ?", sealed).Set("token_hash = ?", hash[:]).Set("touched = ?", millis(s.db.now())).
			Where("id = ?", locked.ID).Where("account_id = ?", u.Account.ID).Where("epoch = ?", u.Account.Epoch).Where("NOT pending").Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, errGone())
		}
		if err := resealResults(ctx, tx, locked, fresh); err != nil {
			return err
		}
		s.fresh.Store(locked.ID, unlocked{locked.Key, token}) // before the next has its turn
		return nil
	})
	if err != nil {
		s.fresh.Delete(locked.ID)
		return "", err
	}
	return token, nil
}

// unlocked is what an unlock gave: the same form may come twice, by a double click, before its first answer does, and
// must not get another token then.
type unlocked struct {
	from  seal.Key
	token string
}

// resealResults moves a session's results to the key of its new token. One that does not open stays as it is.
func resealResults(ctx context.Context, tx bun.Tx, from, to *Session) error {
	var rows []resultRow
	if err := tx.NewSelect().Model(&rows).Where("session_id = ?", from.ID).Scan(ctx); err != nil {
		return err
	}
	for i := range rows {
		r := &rows[i]
		at := place("results", "sealed_meta", r.ID, r.SessionID)
		b, err := seal.Open(from.Key, at, r.SealedMeta)
		if err != nil {
			continue
		}
		r.SealedMeta = seal.Seal(to.Key, 0, at, b)
		if _, err := tx.NewUpdate().Model(r).Column("sealed_meta").WherePK().Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Apply brings a person's choices to the sessions that live: a shorter life at once, a longer one from the next
// log-in on, the lock in both directions.
func (s *Sessions) Apply(ctx context.Context, account ID, c Settings) error {
	return s.db.sessions.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		var ids []ID
		err := tx.NewSelect().Model((*sessionRow)(nil)).Column("id").Where("account_id = ?", account).Where("NOT pending").Scan(ctx, &ids)
		if err != nil || len(ids) == 0 {
			return err
		}
		if c.SessionLife > 0 {
			_, err := tx.NewUpdate().Model((*sessionRow)(nil)).Set("expires = min(expires, created + ?)", c.SessionLife.Milliseconds()).
				Where("id IN (?)", bun.List(ids)).Exec(ctx)
			if err != nil {
				return err
			}
		}
		if _, err := tx.NewDelete().Model((*lockRow)(nil)).Where("session_id IN (?)", bun.List(ids)).Exec(ctx); err != nil {
			return err
		}
		if c.LockAfter == 0 {
			return nil
		}
		rows := make([]lockRow, len(ids))
		for i, id := range ids {
			rows[i] = lockRow{SessionID: id, LockAfter: c.LockAfter.Milliseconds()}
		}
		_, err = tx.NewInsert().Model(&rows).Exec(ctx)
		return err
	})
}
