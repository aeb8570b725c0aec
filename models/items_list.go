package models

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
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
	// One more than is wanted, to know whether there is a next page.
	if query := fold(f.Query); query != "" {
		items, err = it.search(ctx, u, f, query, f.Limit+1)
	} else {
		items, err = it.open(ctx, u, it.listed(u, f).Limit(int64(f.Limit+1)))
	}
	if err != nil || len(items) <= f.Limit {
		return items, nil, err
	}
	items = items[:f.Limit]
	last := items[f.Limit-1]
	return items, &Cursor{Created: last.Created, ID: last.ID}, nil
}

// search returns up to n items whose title holds a folded query. It reads and opens titles
// alone, and the rest only of those that match: 20 ms for 5,000 items instead of 63.
func (it *Items) search(ctx context.Context, u *Unlocked, f Filter, query string, n int) (items []Item, err error) {
	for {
		var rows []itemRow
		err := it.listed(u, f).Model(&rows).Column("id", "account_id", "created", "sealed_title").Limit(maxLimit).Scan(ctx)
		if err != nil {
			return nil, storeError(err)
		}
		var match []ID
		seen := 0
		for ; seen < len(rows) && len(items)+len(match) < n; seen++ {
			row := &rows[seen]
			title, err := u.Ring.Open(seal.Names, row.place("sealed_title"), row.SealedTitle)
			if err == nil && strings.Contains(fold(string(title)), query) {
				match = append(match, row.ID)
			}
			f.Before = Cursor{Created: fromMillis(row.Created), ID: row.ID}
		}
		if len(match) > 0 {
			found, err := it.open(ctx, u, it.listed(u, Filter{}).Where("id IN (?)", bun.List(match)))
			if err != nil {
				return nil, err
			}
			// What does not open has no title either.
			items = append(items, slices.DeleteFunc(found, func(i Item) bool { return i.Unreadable })...)
		}
		if len(items) == n || seen == len(rows) && len(rows) < maxLimit {
			return items, nil
		}
	}
}

// open reads rows without their bodies and opens them.
func (it *Items) open(ctx context.Context, u *Unlocked, q *bun.SelectQuery) (items []Item, err error) {
	var rows []itemRow
	q = q.Model(&rows).ExcludeColumn("sealed_body").
		ColumnExpr("typeof(sealed_body) <> 'null' AS has_body") // typeof reads no body
	if err := q.Scan(ctx); err != nil {
		return nil, storeError(err)
	}
	for i := range rows {
		items = append(items, rows[i].open(u))
	}
	return items, nil
}

// listed selects the rows of a list, newest first.
func (it *Items) listed(u *Unlocked, f Filter) *bun.SelectQuery {
	q := it.db.main.r.NewSelect().Model((*itemRow)(nil)).
		Where("account_id = ?", u.Account.ID).Where("trashed IS NULL").Order("created DESC", "id DESC")
	if f.Kind != "" {
		q = q.Where("kind = ?", f.Kind)
	}
	if f.Before != (Cursor{}) {
		q = q.Where("(created, id) < (?, ?)", millis(f.Before.Created), f.Before.ID)
	}
	return q
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
	return it.mark(ctx, u, ids, &now, "trashed IS NULL")
}

// UndoTime is how long an item in the trash can be taken back.
const UndoTime = time.Minute

// Restore takes items back out of the trash, while their time lasts, and returns how many.
func (it *Items) Restore(ctx context.Context, u *Unlocked, ids ...ID) (int, error) {
	return it.mark(ctx, u, ids, nil, "trashed > ?", millis(it.db.now().Add(-UndoTime)))
}

func (it *Items) mark(ctx context.Context, u *Unlocked, ids []ID, trashed *int64, where string, args ...any) (int, error) {
	if len(ids) == 0 {
		return 0, nil
	}
	var n int64
	err := it.db.main.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.NewUpdate().Model((*itemRow)(nil)).Set("trashed = ?", trashed).
			Where("id IN (?)", bun.List(ids)).Where("account_id = ?", u.Account.ID).Where(where, args...).Exec(ctx)
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
