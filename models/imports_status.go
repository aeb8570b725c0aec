package models

import (
	"context"
	"time"
)

// Waiting is an account that came from an older Zencrypt and whose person has not logged in here yet.
type Waiting struct {
	ID       ID
	Login    string
	Created  time.Time // in the old database
	Imported time.Time
	Items    int
}

// Waiting returns up to limit accounts that wait for their people, by id, those after the one given; the zero ID begins.
func (im *Imports) Waiting(ctx context.Context, after ID, limit int) (out []Waiting, err error) {
	var rows []struct {
		ID                ID
		Login             string
		Created, Imported int64
		Items             int
	}
	err = im.db.main.r.NewSelect().TableExpr("waiting_accounts AS w").
		Join("JOIN accounts AS a ON a.id = w.id").Join("JOIN imported_accounts AS i ON i.account_id = w.id").
		ColumnExpr("a.id, a.login, a.created, i.imported").
		ColumnExpr("(SELECT count(*) FROM items WHERE account_id = w.id) AS items").
		Where("w.id > ?", after).Where("a.deleted IS NULL").OrderExpr("w.id").Limit(int64(limit)).Scan(ctx, &rows)
	if err != nil {
		return nil, storeError(err)
	}
	for _, r := range rows {
		out = append(out, Waiting{ID: r.ID, Login: r.Login, Created: fromMillis(r.Created), Imported: fromMillis(r.Imported), Items: r.Items})
	}
	return out, nil
}

// Tally counts the accounts that came from older versions: in all that are here, and those that still wait.
func (im *Imports) Tally(ctx context.Context) (all, waiting int, err error) {
	n, err := im.db.main.r.NewSelect().TableExpr("imported_accounts AS i").Join("JOIN accounts AS a ON a.id = i.account_id").
		Where("a.deleted IS NULL").Count(ctx)
	if err != nil {
		return 0, 0, storeError(err)
	}
	m, err := im.db.main.r.NewSelect().Model((*waitingRow)(nil)).Count(ctx)
	return int(n), int(m), storeError(err)
}

// Any tells whether anything ever came from an older Zencrypt.
func (im *Imports) Any(ctx context.Context) (bool, error) {
	any, err := im.db.main.r.NewSelect().Model((*importedAccountRow)(nil)).Exists(ctx)
	return any, storeError(err)
}

// Purge deletes an account whose person has not come, with everything in it. false when the person has come
// meanwhile, or it is gone. It never comes back by another import, and its login is never given to another.
func (im *Imports) Purge(ctx context.Context, id ID) (bool, error) {
	err := im.db.Accounts.retireIf(ctx, id, (*accountRow).waits)
	switch {
	case ErrorCode(err) == NotFound, ErrorCode(err) == Conflict:
		return false, nil
	case err != nil:
		return false, err
	}
	Failpoint("import-purge")
	_, _ = im.db.Items.purgeAccount(ctx, id) // the account is gone; what is left of it the janitor removes
	return true, nil
}
