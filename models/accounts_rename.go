package models

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"

	"zencrypt/crypto/password"
)

// ChangeLogin gives an account another login. The old one is given up for good, to its owner too: a digest of it stays
// with those of deleted accounts. The same login in another spelling gives up nothing. Id, keys, sessions and what
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
	if err := password.Check(pw, spelling); err != nil && password.Check(pw, checked.Login) == nil {
		return Errorf(Invalid, "login", "your password is too much like this login: change one of the two")
	}
	pepper := a.db.opts.Pepper
	return a.change(ctx, u, func(ctx context.Context, tx bun.Tx, row *accountRow) error {
		if row.Verifier != checked.Verifier {
			return errEnded()
		}
		if key == row.LoginKey {
			row.Login = spelling
			return nil
		}
		if err := a.free(ctx, tx, key); err != nil {
			return err
		}
		retired := retiredRow{Digest: pepper.Keys[pepper.Active].retiredDigest(row.LoginKey), Pepper: pepper.Active}
		if _, err := tx.NewInsert().Model(&retired).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
			return err
		}
		row.Login, row.LoginKey = spelling, key
		return nil
	})
}

// LoginOf is the login of an account whose session is locked, for asking its password. NotFound when it is gone.
func (a *Accounts) LoginOf(ctx context.Context, id ID) (login string, err error) {
	err = a.db.main.r.NewSelect().Model((*accountRow)(nil)).Column("login").Where("id = ?", id).Where("deleted IS NULL").Scan(ctx, &login)
	if errors.Is(err, sql.ErrNoRows) {
		return "", Errorf(NotFound, "", "find account: it is gone")
	}
	return login, storeError(err)
}
