package models

import (
	"bytes"
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"
)

// GetAny is Get for items in the trash too: what stands there can come back.
func (it *Items) GetAny(ctx context.Context, u *Unlocked, id ID) (*Item, error) {
	row := new(itemRow)
	err := it.db.main.r.NewSelect().Model(row).Where("id = ?", id).Where("account_id = ?", u.Account.ID).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoItem()
	}
	if err != nil {
		return nil, storeError(err)
	}
	item := row.open(u)
	return &item, nil
}

// Replace puts other content and details into an item that Get or GetAny returned, in one transaction; its
// title, its time and its place in the trash stay. A new blob has to be on the disk by then, and the old one
// stays there until the caller removes it. Conflict when the item was changed or removed meanwhile.
func (it *Items) Replace(ctx context.Context, u *Unlocked, item *Item) error {
	row, err := closeItem(u, item)
	if err != nil {
		return err
	}
	err = it.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		version, err := sealVersion(ctx, tx, u)
		if err != nil {
			return err
		}
		old := &itemRow{ID: item.ID}
		err = tx.NewSelect().Model(old).Column("seal_version", "sealed_meta").WherePK().Where("account_id = ?", u.Account.ID).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) || err == nil && !bytes.Equal(old.SealedMeta, item.seen) {
			return Errorf(Conflict, "", "renew item: it was changed meanwhile")
		}
		if err != nil {
			return err
		}
		// The title's seal stays, and the row counts as the oldest of its seals.
		row.SealVersion = min(old.SealVersion, version)
		_, err = tx.NewUpdate().Model(row).WherePK().
			Column("size", "disk", "seal_version", "blob_id", "sealed_meta", "sealed_blob", "sealed_body").Exec(ctx)
		if err == nil {
			Failpoint("rewrap-row")
		}
		return err
	})
	if err == nil {
		item.seen = row.SealedMeta
	}
	return err
}

// Note says which key and version of the person's opens an item, as Replace does.
func (it *Items) Note(ctx context.Context, u *Unlocked, item *Item, key ID, version int) error {
	item.Meta.KeyID, item.Meta.KeyVersion = key.String(), version
	return it.Replace(ctx, u, item)
}

// AskRewrap notes, sealed, that what stands under older versions of these keys is to be renewed, or not any
// more. The job that does it goes on from this at the next log-in.
func (ks *Keys) AskRewrap(ctx context.Context, u *Unlocked, asked bool, which func(k *Key) bool) error {
	return ks.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		ring, err := listKeys(ctx, tx, u)
		if err != nil {
			return err
		}
		for i := range ring {
			k := &ring[i]
			if k.Unreadable || k.Rewrap == asked || !which(k) {
				continue
			}
			k.Rewrap = asked
			if err := saveKey(ctx, tx, u, k); err != nil {
				return err
			}
		}
		return nil
	})
}
