package models

import (
	"context"

	"github.com/uptrace/bun"
)

// Member is an account as an administrator sees it: how much it holds, never what.
type Member struct {
	Account
	Items  int   // without those in the trash
	Bytes  int64 // that all items take on the disk
	Factor bool  // it asks for a second factor
}

// MemberPage is one page of the list of accounts, newest first.
type MemberPage struct {
	Members []Member
	Total   int // accounts that fit, on all pages
	More    bool
}

// Members returns up to limit accounts whose login holds query, in any case and width: those made before a cursor, or
// with nil the newest.
func (a *Accounts) Members(ctx context.Context, query string, before *Cursor, limit int) (page MemberPage, err error) {
	err = a.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		fits := func(q *bun.SelectQuery) *bun.SelectQuery {
			q = q.Where("deleted IS NULL")
			if key := fold(query); key != "" {
				q = q.Where("instr(login_key, ?) > 0", key)
			}
			return q
		}
		var rows []accountRow
		q := fits(withStanding(tx.NewSelect().Model(&rows)))
		if before != nil {
			q = q.Where("(created, id) < (?, ?)", millis(before.Created), before.ID)
		}
		if err := q.Order("created DESC", "id DESC").Limit(int64(limit) + 1).Scan(ctx); err != nil {
			return err
		}
		if page.More = len(rows) > limit; page.More {
			rows = rows[:limit]
		}
		n, err := fits(tx.NewSelect().Model((*accountRow)(nil))).Count(ctx)
		if err != nil {
			return err
		}
		page.Total = int(n)
		page.Members, err = members(ctx, tx, rows)
		return err
	})
	return page, err
}

// Member returns one account as an administrator sees it, or NotFound.
func (a *Accounts) Member(ctx context.Context, id ID) (m *Member, err error) {
	err = a.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := accountBy(ctx, tx, "id", id)
		if err != nil {
			return err
		}
		list, err := members(ctx, tx, []accountRow{*row})
		if err == nil {
			m = &list[0]
		}
		return err
	})
	return m, err
}

// members adds up what the accounts of rows hold.
func members(ctx context.Context, tx bun.Tx, rows []accountRow) ([]Member, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ids := make([]ID, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	var sums []struct {
		AccountID ID
		Items     int
		Bytes     int64
	}
	err := tx.NewSelect().Table("items").Column("account_id").ColumnExpr("count(*) FILTER (WHERE trashed IS NULL) AS items").
		ColumnExpr("sum(disk) AS bytes").Where("account_id IN (?)", bun.List(ids)).Group("account_id").Scan(ctx, &sums)
	if err != nil {
		return nil, err
	}
	at := make(map[ID]int, len(sums))
	for i := range sums {
		at[sums[i].AccountID] = i
	}
	factors, err := factorsOn(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]Member, len(rows))
	for i := range rows {
		out[i] = Member{Account: *rows[i].account(), Factor: factors[rows[i].ID]}
		if j, ok := at[rows[i].ID]; ok {
			out[i].Items, out[i].Bytes = sums[j].Items, sums[j].Bytes
		}
	}
	return out, nil
}
