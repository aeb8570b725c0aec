package models

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"

	"zencrypt/crypto/password"
	"zencrypt/crypto/seal"
)

func errWrongLogin() error {
	return Errorf(Unauthorized, "", "the login or the password is wrong")
}

// errEnded is for an Unlocked that the account has outlived: its password or key was
// changed elsewhere, or it is gone.
func errEnded() error {
	return Errorf(Unauthorized, "", "this session has ended: log in again")
}

// Authenticate opens an account with its password. An unknown login costs the same two
// argon2id runs and gets the same Unauthorized as a wrong password. So does a suspended
// account, but for its right password: that is told by Suspended. A verifier with
// lower costs or an older server key than the present is made anew.
//
// The spelling of an older Zencrypt may mean several accounts, which are tried one after another, at most four. One whose
// person comes for the first time is opened by its old password alone, and takes another time.
func (a *Accounts) Authenticate(ctx context.Context, login, pw string) (u *Unlocked, err error) {
	if _, err := password.Normalize(pw); err != nil {
		return nil, errWrongLogin() // no password is stored that is too long, whoever's
	}
	rows, err := a.candidates(ctx, login)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return a.authenticate(ctx, nil, pw)
	}
	var damaged error // of an account whose row doesn't read: those behind it are tried all the same
	for i := range rows {
		u, err = a.authenticateOne(ctx, &rows[i], pw)
		if code := ErrorCode(err); code == Internal && ctx.Err() == nil {
			damaged = err
		} else if code != Unauthorized {
			break
		}
	}
	if code := ErrorCode(err); damaged != nil && (code == Unauthorized || code == Internal) {
		return nil, damaged
	}
	if err == nil {
		// What does not come now for want of space comes at the next log-in.
		_, _ = a.db.Imports.Receive(ctx, u)
	}
	return u, err
}

// AuthenticateAs opens one account with its password, for who is known by a session that locked itself: no spelling leads
// to another's. Unauthorized when the password is wrong or the account is gone.
func (a *Accounts) AuthenticateAs(ctx context.Context, id ID, pw string) (*Unlocked, error) {
	row, err := accountBy(ctx, a.db.main.r, "id", id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errWrongLogin()
	}
	if err != nil {
		return nil, storeError(err)
	}
	return a.authenticate(ctx, row, pw)
}

// authenticateOne tries a password on one account, whether its person came before or not.
func (a *Accounts) authenticateOne(ctx context.Context, row *accountRow, pw string) (*Unlocked, error) {
	if row.waits() {
		u, err := a.authenticateWaiting(ctx, row, pw)
		if !errors.Is(err, errCame) {
			return u, err
		}
		if row, err = accountBy(ctx, a.db.main.r, "id", row.ID); errors.Is(err, sql.ErrNoRows) {
			return nil, errWrongLogin()
		} else if err != nil {
			return nil, storeError(err)
		}
	}
	return a.authenticate(ctx, row, pw)
}

// authenticate tries a password on an account, or on nobody's.
func (a *Accounts) authenticate(ctx context.Context, row *accountRow, pw string) (*Unlocked, error) {
	pw, err := password.Normalize(pw)
	if err != nil {
		return nil, errWrongLogin()
	}
	var creds *credentials
	if row != nil {
		creds = row.credentials()
	}
	unlock, ok, err := a.db.kdf.check(a.db.opts.Pepper, creds, pw)
	if err != nil {
		return nil, fail(Internal, "check password", err)
	}
	if !ok {
		return nil, errWrongLogin()
	}
	u, key, err := a.unlock(ctx, row, unlock)
	if err != nil {
		return nil, err
	}
	if a.db.kdf.old(a.db.opts.Pepper, creds) {
		// With a full disk a person must still get in: the next log-in tries again.
		_ = a.raise(ctx, row, pw, key)
	}
	return u, nil
}

// unlock opens the account key and its older versions in one state of the database,
// which must still be the one that the password was checked against.
func (a *Accounts) unlock(ctx context.Context, checked *accountRow, unlock seal.Key) (u *Unlocked, key seal.Key, err error) {
	err = a.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := accountBy(ctx, tx, "id", checked.ID)
		if errors.Is(err, sql.ErrNoRows) || err == nil && row.Verifier != checked.Verifier {
			return errWrongLogin()
		}
		if err != nil {
			return err
		}
		if row.Suspended != nil {
			return errSuspended()
		}
		if key, err = row.openKey(unlock, "sealed_unlock", row.SealedUnlock); err != nil {
			return fail(Internal, "open account key", err)
		}
		r, err := ring(ctx, tx, row, key)
		u = &Unlocked{Account: row.account(), Ring: r}
		return err
	})
	if err != nil {
		return nil, seal.Key{}, err
	}
	return u, key, nil
}

// raise makes verifier and unlock key anew, unless something else changed the row
// meanwhile.
func (a *Accounts) raise(ctx context.Context, old *accountRow, pw string, key seal.Key) error {
	creds, unlock, err := a.db.kdf.create(a.db.opts.Pepper, pw)
	if err != nil {
		return err
	}
	return a.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := accountBy(ctx, tx, "id", old.ID)
		if err != nil || row.Verifier != old.Verifier || row.KeyVersion != old.KeyVersion {
			return err
		}
		row.setPassword(creds, unlock, key)
		_, err = tx.NewUpdate().Model(row).WherePK().Exec(ctx)
		return err
	})
}

// CheckPassword asks a person who is logged in for the password again. It is
// Unauthorized for field "current" when it is wrong.
func (a *Accounts) CheckPassword(ctx context.Context, u *Unlocked, current string) error {
	_, _, err := a.checkCurrent(ctx, u, current)
	return err
}

// checkCurrent returns the row that the password was checked against and the
// normalized password.
func (a *Accounts) checkCurrent(ctx context.Context, u *Unlocked, current string) (*accountRow, string, error) {
	wrong := Errorf(Unauthorized, "current", "the password is wrong")
	pw, err := password.Normalize(current)
	if err != nil {
		return nil, "", wrong
	}
	row, err := accountBy(ctx, a.db.main.r, "id", u.Account.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, "", errEnded()
	}
	if err != nil {
		return nil, "", storeError(err)
	}
	ok, err := a.db.kdf.verify(a.db.opts.Pepper, row.credentials(), pw)
	if err != nil {
		return nil, "", fail(Internal, "check password", err)
	}
	if !ok {
		return nil, "", wrong
	}
	return row, pw, nil
}

// ChangePassword seals the account key under a new password and raises the epoch,
// which ends every session, the asking one too: the caller makes a new one. Items are
// not touched. Unauthorized for field "current", Invalid for field "password".
func (a *Accounts) ChangePassword(ctx context.Context, u *Unlocked, current, newPw string) error {
	if err := a.CheckPassphrase(newPw, u.Account.Login); err != nil {
		return passwordField("password", err)
	}
	if _, _, err := a.checkCurrent(ctx, u, current); err != nil {
		return err
	}
	pw, err := password.Normalize(newPw)
	if err != nil {
		return passwordField("password", err)
	}
	creds, unlock, err := a.db.kdf.create(a.db.opts.Pepper, pw)
	if err != nil {
		return fail(Internal, "make verifier", err)
	}
	return a.change(ctx, u, func(ctx context.Context, tx bun.Tx, row *accountRow) error {
		_, key := u.Ring.Current()
		row.setPassword(creds, unlock, key)
		row.Epoch++
		return advice(0).save(ctx, tx, u)
	})
}

// change lets f change the row of an account in a transaction, provided that epoch and
// key version still are what u knows: else a key that a renewal has replaced would be
// sealed again, and the new one lost. u.Account is the row's new state afterwards.
func (a *Accounts) change(ctx context.Context, u *Unlocked, f func(context.Context, bun.Tx, *accountRow) error) error {
	var after *Account
	err := a.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := accountBy(ctx, tx, "id", u.Account.ID)
		if errors.Is(err, sql.ErrNoRows) {
			return errEnded()
		}
		if err != nil {
			return err
		}
		if version, _ := u.Ring.Current(); row.Epoch != u.Account.Epoch || row.KeyVersion != version {
			return errEnded()
		}
		if err := f(ctx, tx, row); err != nil {
			return err
		}
		after = row.account()
		_, err = tx.NewUpdate().Model(row).WherePK().Exec(ctx)
		return err
	})
	if err == nil {
		*u.Account = *after
	}
	return err
}
