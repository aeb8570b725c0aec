package models

import (
	"bytes"
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// Why a rewrap leaves an item as it is.
const (
	KeptDamaged = "damaged" // it does not open
	KeptShared  = "shared"  // it is for others too, whose public keys are not known
	KeptSigned  = "signed"  // it carries a signature, which is lost when it is encrypted anew
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

// Keep notes, sealed, why a rewrap leaves an item as it is. It reads and writes nothing else of it, so that it is
// noted of one whose content does not open as well. NotFound when it is not there.
func (it *Items) Keep(ctx context.Context, u *Unlocked, id ID, why string) error {
	return it.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		row := new(itemRow)
		err := tx.NewSelect().Model(row).Column("id", "account_id", "seal_version", "sealed_meta").
			Where("id = ?", id).Where("account_id = ?", u.Account.ID).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return errNoItem()
		}
		if err != nil {
			return err
		}
		var m sealedItem
		if err := openJSON(u.Ring, seal.Names, row.place("sealed_meta"), row.SealedMeta, &m); err != nil || m.Kept == why {
			return err
		}
		m.Kept = why
		version, err := sealVersion(ctx, tx, u)
		if err != nil {
			return err
		}
		if row.SealedMeta, err = sealJSON(u.Ring, seal.Names, row.place("sealed_meta"), m); err != nil {
			return err
		}
		// The row counts as the oldest of its seals.
		row.SealVersion = min(row.SealVersion, version)
		_, err = tx.NewUpdate().Model(row).WherePK().Column("seal_version", "sealed_meta").Exec(ctx)
		return err
	})
}

// Named opens items without their bodies, those in the trash too, in the order of their ids' list. What is not there is
// left out.
func (it *Items) Named(ctx context.Context, u *Unlocked, ids []ID) (items []Item, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := it.open(ctx, u, it.db.main.r.NewSelect().Model((*itemRow)(nil)).
		Where("account_id = ?", u.Account.ID).Where("id IN (?)", bun.List(ids)))
	if err != nil {
		return nil, err
	}
	byID := make(map[ID]Item, len(found))
	for _, item := range found {
		byID[item.ID] = item
	}
	for _, id := range ids {
		if item, ok := byID[id]; ok {
			items = append(items, item)
		}
	}
	return items, nil
}

// Lives tells whether a session can still be used, without counting as its use.
func (s *Sessions) Lives(ctx context.Context, id ID) (bool, error) {
	row := new(sessionRow)
	err := s.db.sessions.r.NewSelect().Model(row).Where("id = ?", id).Scan(ctx)
	s.recall(row)
	if errors.Is(err, sql.ErrNoRows) || err == nil && s.ended(row) {
		return false, nil
	}
	if err != nil || row.AccountID == nil {
		return err == nil, storeError(err)
	}
	lives := false
	err = s.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		account, err := accountBy(ctx, tx, "id", *row.AccountID)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		lives = err == nil && account.Epoch == row.Epoch
		return err
	})
	return lives, storeError(err)
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
