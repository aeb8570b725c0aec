package models

import (
	"context"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

const (
	defaultLimit = 50
	maxLimit     = 500
)

// Cursor is a place in a list: that of the last row seen.
type Cursor struct {
	Created time.Time
	ID      ID
}

// Filter says what List returns.
type Filter struct {
	Kind   string // "" for all
	Query  string // a part of the title in any case; "" for all
	Before Cursor // zero: from the newest
	Limit  int    // 50 when zero, 500 at most
}

// List returns a page of the vault, newest first, opened but without bodies, and where
// the next one begins, nil at the end. Titles are sealed, so that a search opens those
// of the whole list until the page is full.
func (it *Items) List(ctx context.Context, u *Unlocked, f Filter) (items []Item, next *Cursor, err error) {
	if f.Kind != "" && !validKind(f.Kind) {
		return nil, nil, Errorf(Invalid, "kind", "list items: the kind is not known")
	}
	if f.Limit <= 0 {
		f.Limit = defaultLimit
	}
	f.Limit = min(f.Limit, maxLimit)
	query := fold(f.Query)
	batch := f.Limit + 1
	if query != "" {
		batch = maxLimit
	}
	for before := f.Before; ; {
		rows, err := it.page(ctx, u, f.Kind, before, batch)
		if err != nil {
			return nil, nil, err
		}
		for i := range rows {
			item := rows[i].open(u)
			if query != "" && (item.Unreadable || !strings.Contains(fold(item.Title), query)) {
				continue
			}
			if len(items) == f.Limit {
				last := items[len(items)-1]
				return items, &Cursor{Created: last.Created, ID: last.ID}, nil
			}
			items = append(items, item)
		}
		if len(rows) < batch {
			return items, nil, nil
		}
		last := rows[len(rows)-1]
		before = Cursor{Created: fromMillis(last.Created), ID: last.ID}
	}
}

// page reads rows without their bodies.
func (it *Items) page(ctx context.Context, u *Unlocked, kind string, before Cursor, limit int) (rows []itemRow, err error) {
	q := it.db.main.r.NewSelect().Model(&rows).ExcludeColumn("sealed_body").
		ColumnExpr("typeof(sealed_body) <> 'null' AS has_body"). // typeof reads no body
		Where("account_id = ?", u.Account.ID).Where("trashed IS NULL").
		Order("created DESC", "id DESC").Limit(int64(limit))
	if kind != "" {
		q = q.Where("kind = ?", kind)
	}
	if before != (Cursor{}) {
		q = q.Where("(created, id) < (?, ?)", millis(before.Created), before.ID)
	}
	return rows, storeError(q.Scan(ctx))
}

// Count returns how many items of a kind there are; "" counts all.
func (it *Items) Count(ctx context.Context, u *Unlocked, kind string) (int, error) {
	q := it.db.main.r.NewSelect().Model((*itemRow)(nil)).Where("account_id = ?", u.Account.ID).Where("trashed IS NULL")
	if kind != "" {
		if !validKind(kind) {
			return 0, Errorf(Invalid, "kind", "count items: the kind is not known")
		}
		q = q.Where("kind = ?", kind)
	}
	n, err := q.Count(ctx)
	return int(n), storeError(err)
}

// Trash hides items until Purge removes them or Restore brings them back, and returns
// how many it hid; those of others and those not there are passed over.
func (it *Items) Trash(ctx context.Context, u *Unlocked, ids ...ID) (int, error) {
	now := millis(it.db.now())
	return it.mark(ctx, u, ids, "trashed IS NULL", &now)
}

// Restore takes items back out of the trash and returns how many.
func (it *Items) Restore(ctx context.Context, u *Unlocked, ids ...ID) (int, error) {
	return it.mark(ctx, u, ids, "trashed IS NOT NULL", nil)
}

func (it *Items) mark(ctx context.Context, u *Unlocked, ids []ID, where string, trashed *int64) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	var n int64
	err := it.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.NewUpdate().Model((*itemRow)(nil)).Set("trashed = ?", trashed).
			Where("id IN (?)", bun.List(ids)).Where("account_id = ?", u.Account.ID).Where(where).Exec(ctx)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	return int(n), err
}

// Blobs returns the blobs that items need, those in the trash too.
func (it *Items) Blobs(ctx context.Context) (map[ID]struct{}, error) {
	var ids []ID
	err := it.db.main.r.NewSelect().Model((*itemRow)(nil)).Column("blob_id").Where("blob_id IS NOT NULL").Scan(ctx, &ids)
	if err != nil {
		return nil, storeError(err)
	}
	return setOf(ids), nil
}

// UsageByAccount returns the bytes that the items of each account take, those in the
// trash too.
func (it *Items) UsageByAccount(ctx context.Context) (map[ID]int64, error) {
	var rows []struct {
		AccountID ID
		Bytes     int64
	}
	err := it.db.main.r.NewSelect().Model((*itemRow)(nil)).Column("account_id").ColumnExpr("sum(disk) AS bytes").
		Group("account_id").Scan(ctx, &rows)
	if err != nil {
		return nil, storeError(err)
	}
	out := make(map[ID]int64, len(rows))
	for _, row := range rows {
		out[row.AccountID] = row.Bytes
	}
	return out, nil
}
