package models

import (
	"context"

	"github.com/uptrace/bun"
)

// Arrival tells under which id an item that was exported stands in this account, or is to be saved, and whether it is
// there already, in the trash too.
func (it *Items) Arrival(ctx context.Context, u *Unlocked, id ID) (at ID, present bool, err error) {
	at, present, err = arrival(ctx, it.db.main.r, "items", u, id)
	return at, present, storeError(err)
}

// SaveAll is Save of several items in one transaction: all or none.
func (it *Items) SaveAll(ctx context.Context, u *Unlocked, items []*Item) error {
	rows := make([]*itemRow, 0, len(items))
	for _, item := range items {
		row, err := it.prepare(u, item)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	return it.db.main.write(Unhurried(ctx), func(ctx context.Context, tx bun.Tx) error {
		version, err := sealVersion(ctx, tx, u)
		if err != nil {
			return err
		}
		for _, row := range rows {
			row.SealVersion = version
			if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}
