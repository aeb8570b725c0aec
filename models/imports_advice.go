package models

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// Advice is what a person who came from an older Zencrypt is asked to improve.
type Advice struct {
	WeakPassword bool // it breaks today's rules
	OddLogin     bool // it breaks today's rules; it works
	Renamed      bool // the login got a suffix, since it is another's in other letters
	Damaged      int  // records that came and don't open
}

// Any tells whether there is anything to say.
func (a Advice) Any() bool { return a != Advice{} }

// adviceWeak is the one bit that is kept; the rest follows from the account. The row has one sealed byte whether it is
// set or not, so that the database does not show whose password is weak.
const adviceWeak = 1

type advice byte

func (a *Accounts) adviceFor(pw, login string) advice {
	if a.CheckPassphrase(pw, login) != nil {
		return adviceWeak
	}
	return 0
}

// save seals the advice, for an account that came from an older Zencrypt; others have none.
func (b advice) save(ctx context.Context, tx bun.Tx, u *Unlocked) error {
	row, err := importedBy(ctx, tx, u.Account.ID)
	if row == nil || err != nil {
		return err
	}
	row.SealedAdvice = u.Ring.Seal(seal.Account, row.place(), []byte{byte(b)})
	_, err = tx.NewUpdate().Model(row).Column("sealed_advice").WherePK().Exec(ctx)
	return err
}

// importedBy is the row of an account that came from an older Zencrypt, nil for any other.
func importedBy(ctx context.Context, db bun.IDB, account ID) (*importedAccountRow, error) {
	row := new(importedAccountRow)
	err := db.NewSelect().Model(row).Where("account_id = ?", account).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return row, nil
}

// resealAdvice puts the advice under the ring's newest key, as part of a renewal.
func resealAdvice(ctx context.Context, tx bun.Tx, u *Unlocked, next *seal.Ring) error {
	row, err := importedBy(ctx, tx, u.Account.ID)
	if row == nil || err != nil {
		return err
	}
	var b advice
	if plain, err := u.Ring.Open(seal.Account, row.place(), row.SealedAdvice); err == nil && len(plain) == 1 {
		b = advice(plain[0])
	}
	return b.save(ctx, tx, &Unlocked{Account: u.Account, Ring: next})
}

// Advice returns what a person is asked to improve after coming from an older Zencrypt; nothing for others.
func (im *Imports) Advice(ctx context.Context, u *Unlocked) (out Advice, err error) {
	row, err := importedBy(ctx, im.db.main.r, u.Account.ID)
	if row == nil || err != nil {
		return out, storeError(err)
	}
	out.OddLogin = OddLogin(u.Account.Login)
	out.Renamed, err = im.db.main.r.NewSelect().Model((*aliasRow)(nil)).Where("account_id = ?", u.Account.ID).Exists(ctx)
	if err != nil {
		return out, storeError(err)
	}
	n, err := im.db.main.r.NewSelect().Model((*damagedRow)(nil)).Where("account_id = ?", u.Account.ID).Count(ctx)
	if err != nil {
		return out, storeError(err)
	}
	out.Damaged = int(n)
	if plain, err := u.Ring.Open(seal.Account, row.place(), row.SealedAdvice); err == nil && len(plain) == 1 {
		out.WeakPassword = plain[0]&adviceWeak != 0
	}
	return out, nil
}
