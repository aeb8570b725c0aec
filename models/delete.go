package models

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"
)

// Delete removes an account with everything in it and returns the blobs whose files the
// caller removes. The login is never given to another: a keyed digest of it stays.
// Its sessions open nothing from then on; Sessions.EndAll removes them with their results.
// Unauthorized for field "current".
func (a *Accounts) Delete(ctx context.Context, u *Unlocked, current string) ([]ID, error) {
	if _, _, err := a.checkCurrent(ctx, u, current); err != nil {
		return nil, err
	}
	return a.DeleteByAdmin(ctx, u.Account.ID)
}

// DeleteByAdmin is Delete without the password. NotFound when there is no such account.
func (a *Accounts) DeleteByAdmin(ctx context.Context, id ID) ([]ID, error) {
	var blobs []ID
	err := a.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := accountBy(ctx, tx, "id", id)
		if errors.Is(err, sql.ErrNoRows) {
			return Errorf(NotFound, "", "delete account: there is no such account")
		}
		if err != nil {
			return err
		}
		err = tx.NewSelect().Model((*itemRow)(nil)).Column("blob_id").
			Where("account_id = ?", id).Where("blob_id IS NOT NULL").Scan(ctx, &blobs)
		if err != nil {
			return err
		}
		pepper := a.db.opts.Pepper
		retired := retiredRow{Digest: pepper.Keys[pepper.Active].retiredDigest(row.LoginKey), Pepper: pepper.Active}
		if _, err := tx.NewInsert().Model(&retired).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
			return err
		}
		_, err = tx.NewDelete().Model(row).WherePK().Exec(ctx) // the rest by foreign keys
		return err
	})
	if err != nil {
		return nil, err
	}
	return blobs, nil
}
