package models

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// Delete removes an account with everything in it and returns the blobs whose files the
// caller removes. Its first transaction ends the account: nothing opens it or what it
// sealed any more. The items follow in parts; where that is cut, Items.Purge goes on with it.
// The login is never given to another: a keyed digest of it stays.
// Its sessions open nothing from then on; Sessions.EndAll removes them with their results.
// Unauthorized for field "current", Conflict for the last administrator.
func (a *Accounts) Delete(ctx context.Context, u *Unlocked, current string) ([]ID, error) {
	if _, _, err := a.checkCurrent(ctx, u, current); err != nil {
		return nil, err
	}
	return a.DeleteByAdmin(ctx, u.Account.ID)
}

// DeleteByAdmin is Delete without the password. NotFound when there is no such account,
// Conflict for the last administrator.
func (a *Accounts) DeleteByAdmin(ctx context.Context, id ID) ([]ID, error) {
	if err := a.retire(ctx, id); err != nil {
		return nil, err
	}
	// The account is deleted, whatever becomes of the rest now.
	gone, _ := a.db.Items.purgeAccount(ctx, id)
	var blobs []ID
	for _, p := range gone {
		if p.Blob != nil {
			blobs = append(blobs, *p.Blob)
		}
	}
	return blobs, nil
}

// retire gives up an account's login and empties its row of everything that could open
// it, older account keys and passkeys too.
func (a *Accounts) retire(ctx context.Context, id ID) error { return a.retireIf(ctx, id, nil) }

// retireIf is retire for an account of which something must hold, Conflict when it does not.
func (a *Accounts) retireIf(ctx context.Context, id ID, holds func(*accountRow) bool) error {
	return a.db.main.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := accountBy(ctx, tx, "id", id)
		if errors.Is(err, sql.ErrNoRows) {
			return Errorf(NotFound, "", "delete account: there is no such account")
		}
		if err != nil {
			return err
		}
		if holds != nil && !holds(row) {
			return Errorf(Conflict, "", "delete account: it was changed meanwhile")
		}
		if err := keepAdmin(ctx, tx, row); err != nil {
			return err
		}
		if _, err := tx.NewDelete().Model((*standingRow)(nil)).Where("account_id = ?", id).Exec(ctx); err != nil {
			return err
		}
		if _, err := tx.NewDelete().Model((*invitationRow)(nil)).Where("created_by = ?", id).Exec(ctx); err != nil {
			return err
		}
		if err := a.giveUp(ctx, tx, row, ""); err != nil {
			return err
		}
		if _, err := tx.NewDelete().Model((*accountKeyRow)(nil)).Where("account_id = ?", id).Exec(ctx); err != nil {
			return err
		}
		if _, err := tx.NewDelete().Model((*waitingRow)(nil)).Where("id = ?", id).Exec(ctx); err != nil {
			return err
		}
		if err := dropFactors(ctx, tx, id); err != nil {
			return err
		}
		now := millis(a.db.now())
		empty := accountRow{
			ID: id, Epoch: row.Epoch + 1, KeyVersion: row.KeyVersion, Deleted: &now,
			LoginKey:   "deleted " + id.String(), // with a space, it is nobody's login
			UnlockSalt: []byte{}, SealedUnlock: []byte{}, SealedRecovery: []byte{}, HPKEPublic: []byte{}, SealedHPKE: []byte{},
		}
		_, err = tx.NewUpdate().Model(&empty).WherePK().Exec(ctx)
		return err
	})
}

// Purged is what an item left behind: the blob whose file the caller removes, and the
// bytes that its account gets back.
type Purged struct {
	Account ID
	Blob    *ID
	Bytes   int64
}

// Purge removes what was put in the trash at a time or before, of every account, and what
// a deletion of an account that was cut has left. It returns what it was, also with an
// error: the caller removes the files and gives the space back.
func (it *Items) Purge(ctx context.Context, before time.Time) (gone []Purged, err error) {
	var accounts []ID
	err = it.db.main.r.NewSelect().Model((*accountRow)(nil)).Column("id").Where("deleted IS NOT NULL").Scan(ctx, &accounts)
	if err != nil {
		return nil, storeError(err)
	}
	for _, id := range accounts {
		some, err := it.purgeAccount(ctx, id)
		gone = append(gone, some...)
		if err != nil {
			return gone, err
		}
	}
	some, err := it.purge(ctx, "trashed <= ?", millis(before))
	return append(gone, some...), err
}

// purgeAccount removes the items of a retired account and at last its row, with all that
// hangs on it by foreign keys.
func (it *Items) purgeAccount(ctx context.Context, id ID) ([]Purged, error) {
	gone, err := it.purge(ctx, "account_id = ?", id)
	if err != nil {
		return gone, err
	}
	return gone, it.db.main.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewDelete().Model((*accountRow)(nil)).Where("id = ?", id).Where("deleted IS NOT NULL").Exec(ctx)
		return err
	})
}

// A transaction that deletes needs the space of what it deletes in the log, which a full
// disk does not have: a part has at most this many rows and about this many sealed bytes.
const (
	purgeRows  = 500
	purgeBytes = 32 << 20
	// With the reserve alone it is less.
	purgeRowsFull  = 32
	purgeBytesFull = 1 << 20
)

// purge removes items in parts, with the log written back in between.
func (it *Items) purge(ctx context.Context, where string, arg any) (gone []Purged, err error) {
	for {
		some, err := it.purgeSome(ctx, where, arg)
		gone = append(gone, some...)
		if err != nil || len(some) == 0 {
			return gone, err
		}
		if err := it.db.main.truncate(ctx); err != nil && ErrorCode(err) != Unavailable {
			return gone, err
		}
	}
}

func (it *Items) purgeSome(ctx context.Context, where string, arg any) (gone []Purged, err error) {
	most, room := int64(purgeRows), int64(purgeBytes)
	if it.db.Why() != "" {
		most, room = purgeRowsFull, purgeBytesFull
	}
	err = it.db.main.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		var rows []struct {
			ID, AccountID ID
			Disk, Bytes   int64
			BlobID        *ID
		}
		err := tx.NewSelect().Table("items").Column("id", "account_id", "disk", "blob_id").
			ColumnExpr("length(sealed_title) + length(sealed_meta) + coalesce(length(sealed_body), 0) AS bytes").
			Where(where, arg).Limit(most).Scan(ctx, &rows)
		if err != nil || len(rows) == 0 {
			return err
		}
		gone = nil
		var ids []ID
		var bytes int64
		for _, row := range rows {
			if bytes += row.Bytes; bytes > room && len(ids) > 0 {
				break
			}
			ids = append(ids, row.ID)
			gone = append(gone, Purged{Account: row.AccountID, Bytes: row.Disk, Blob: row.BlobID})
		}
		_, err = tx.NewDelete().Model((*itemRow)(nil)).Where("id IN (?)", bun.List(ids)).Exec(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}
