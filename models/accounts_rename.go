package models

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"
)

// ChangeLogin gives an account another login. The old one is given up for good, to its owner too: a digest of it stays
// with those of deleted accounts. So are the spellings of an older Zencrypt that led here. The same login in another spelling gives up nothing. Id, keys, sessions and what
// others have pinned stay as they are: everything goes by the id. It is Unauthorized for field "current", Invalid or
// Conflict for field "login".
func (a *Accounts) ChangeLogin(ctx context.Context, u *Unlocked, current, login string) error {
	spelling, key, err := NormalizeLogin(login)
	if err != nil {
		return err
	}
	checked, pw, err := a.checkCurrent(ctx, u, current)
	if err != nil {
		return err
	}
	if spelling == checked.Login {
		return Errorf(Invalid, "login", "this is your login already")
	}
	if err := a.CheckPassphrase(pw, spelling); err != nil && a.CheckPassphrase(pw, checked.Login) == nil {
		return Errorf(Invalid, "login", "your password is too much like this login: change one of the two")
	}
	return a.change(ctx, u, func(ctx context.Context, tx bun.Tx, row *accountRow) error {
		if row.Verifier != checked.Verifier {
			return errEnded()
		}
		if key == row.LoginKey {
			row.Login = spelling
			return nil
		}
		if err := a.choosable(ctx, tx, key, row.ID); err != nil {
			return err
		}
		if err := a.giveUp(ctx, tx, row, key); err != nil {
			return err
		}
		row.Login, row.LoginKey = spelling, key
		return nil
	})
}

// choosable is Conflict for a login that nobody but own may take: one that is not free, and an old spelling that leads to
// somebody. An import asks free alone, since its accounts shared their spellings.
func (a *Accounts) choosable(ctx context.Context, db bun.IDB, loginKey string, own ID) error {
	if err := a.free(ctx, db, loginKey); err != nil {
		return err
	}
	leads, err := db.NewSelect().Model((*aliasRow)(nil)).Where("alias_key = ?", loginKey).Where("account_id <> ?", own).Exists(ctx)
	if err == nil && leads {
		return errTaken()
	}
	return err
}

// giveUp keeps a digest of an account's login, and of the old spellings that led to it, which end. next is the login that
// takes their place.
func (a *Accounts) giveUp(ctx context.Context, tx bun.Tx, row *accountRow, next string) error {
	var keys []string
	if err := tx.NewSelect().Model((*aliasRow)(nil)).Column("alias_key").Where("account_id = ?", row.ID).Scan(ctx, &keys); err != nil {
		return err
	}
	pepper := a.db.opts.Pepper
	for _, key := range append(keys, row.LoginKey) {
		if key == next {
			continue
		}
		retired := retiredRow{Digest: pepper.Keys[pepper.Active].retiredDigest(key), Pepper: pepper.Active}
		if _, err := tx.NewInsert().Model(&retired).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
			return err
		}
	}
	_, err := tx.NewDelete().Model((*aliasRow)(nil)).Where("account_id = ?", row.ID).Exec(ctx)
	return err
}

// LoginOf is the login of an account whose session is locked, for asking its password. NotFound when it is gone.
func (a *Accounts) LoginOf(ctx context.Context, id ID) (login string, err error) {
	err = a.db.main.r.NewSelect().Model((*accountRow)(nil)).Column("login").Where("id = ?", id).Where("deleted IS NULL").Scan(ctx, &login)
	if errors.Is(err, sql.ErrNoRows) {
		return "", Errorf(NotFound, "", "find account: it is gone")
	}
	return login, storeError(err)
}
