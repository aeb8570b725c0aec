package models

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// A session is pending between the password, or the recovery code, and the second factor.

type recoveryRow struct {
	bun.BaseModel `bun:"table:recoveries"`

	ID             ID `bun:",pk"` // the session's
	AccountID      ID
	SealedRecovery []byte
}

func (r *recoveryRow) place() seal.Place {
	return place("recoveries", "sealed_recovery", r.ID, r.AccountID)
}

func errTooLate() error { return Errorf(Gone, "", "the log-in took too long: begin again") }

// CreateRecovering begins a pending session for a recovery: what is to change stands sealed beside it
// until the second factor was given. The token is as that of Create.
func (s *Sessions) CreateRecovering(ctx context.Context, r *Recovery) (token string, session *Session, err error) {
	secret := make([]byte, tokenSize)
	rand.Read(secret)
	row, session, err := s.newSession(ctx, r.Unlocked, true, secret)
	if err != nil {
		return "", nil, err
	}
	b, err := json.Marshal(r.change)
	if err != nil {
		return "", nil, fail(Internal, "seal recovery", err)
	}
	version, _ := r.Ring.Current()
	waiting := &recoveryRow{ID: row.ID, AccountID: r.Account.ID}
	waiting.SealedRecovery = seal.Seal(session.unlock, version, waiting.place(), b)
	err = s.db.sessions.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := row.insert(ctx, tx); err != nil {
			return err
		}
		_, err := tx.NewInsert().Model(waiting).Exec(ctx)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	return base64.RawURLEncoding.EncodeToString(secret), session, nil
}

// OpenPending opens the account of a pending session, whose second factor is to be checked now. The
// Recovery is nil unless the session waits for one. Gone when the session has ended.
func (s *Sessions) OpenPending(ctx context.Context, pending *Session) (u *Unlocked, r *Recovery, err error) {
	row, err := s.pendingRow(ctx, pending.ID)
	if err != nil {
		return nil, nil, err
	}
	if u, err = s.open(ctx, row, pending.unlock); err != nil {
		return nil, nil, err
	}
	waiting := new(recoveryRow)
	err = s.db.sessions.r.NewSelect().Model(waiting).Where("id = ?", pending.ID).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return u, nil, nil
	}
	if err != nil {
		return nil, nil, storeError(err)
	}
	b, err := seal.Open(pending.unlock, waiting.place(), waiting.SealedRecovery)
	if err != nil || waiting.AccountID != u.Account.ID {
		return nil, nil, fail(Unauthorized, "open session: it was changed, begin again", err)
	}
	r = &Recovery{Unlocked: u}
	if err := json.Unmarshal(b, &r.change); err != nil {
		return nil, nil, fail(Internal, "open recovery", err)
	}
	return u, r, nil
}

func (s *Sessions) pendingRow(ctx context.Context, id ID) (*sessionRow, error) {
	row := new(sessionRow)
	err := s.db.sessions.r.NewSelect().Model(row).Where("id = ?", id).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) || err == nil && (!row.Pending || row.AccountID == nil || s.ended(row)) {
		return nil, errTooLate()
	}
	if err != nil {
		return nil, storeError(err)
	}
	return row, nil
}

// Promote turns a pending session into a full one under a new token, after the second
// factor fitted, once. Gone when the pending one has ended.
func (s *Sessions) Promote(ctx context.Context, pending *Session) (token string, session *Session, u *Unlocked, err error) {
	row, err := s.pendingRow(ctx, pending.ID)
	if err != nil {
		return "", nil, nil, err
	}
	if u, err = s.open(ctx, row, pending.unlock); err != nil {
		return "", nil, nil, err
	}
	secret := make([]byte, tokenSize)
	rand.Read(secret)
	fresh, session, err := s.newSession(ctx, u, false, secret)
	if err != nil {
		return "", nil, nil, err
	}
	err = s.db.sessions.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := claim(ctx, tx, pending.ID); err != nil {
			return err
		}
		return fresh.insert(ctx, tx)
	})
	if err != nil {
		return "", nil, nil, err
	}
	return base64.RawURLEncoding.EncodeToString(secret), session, u, nil
}

// Claim ends a pending session whose second factor fitted, once: whoever gets no error may go on with
// what it waited for. Gone when it has ended.
func (s *Sessions) Claim(ctx context.Context, pending *Session) error {
	return s.db.sessions.try(ctx, func(ctx context.Context, tx bun.Tx) error { return claim(ctx, tx, pending.ID) })
}

func claim(ctx context.Context, tx bun.Tx, id ID) error {
	res, err := tx.NewDelete().Model((*sessionRow)(nil)).Where("id = ?", id).Where("pending").Exec(ctx)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, errTooLate()) // promoted or ended meanwhile
	}
	return nil
}

// Try takes a try from a pending session before its code is looked at, so that no number of requests at
// once gets more than five, and returns how many are left. A session without tries has ended for all but
// the code of the last one: Gone.
func (s *Sessions) Try(ctx context.Context, id ID) (left int, err error) {
	err = s.db.sessions.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		row := new(sessionRow)
		err := tx.NewSelect().Model(row).Where("id = ?", id).Where("pending").Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) || err == nil && row.Tries <= 0 {
			return errTooLate()
		}
		if err != nil {
			return err
		}
		left = row.Tries - 1
		_, err = tx.NewUpdate().Model(row).Set("tries = ?", left).WherePK().Exec(ctx)
		return err
	})
	return left, err
}
