package models

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"

	"zencrypt/crypto/passkey"
	"zencrypt/crypto/seal"
)

// change lets act change one passkey of an account. NotFound when it is not there or does not open.
func (p *Passkeys) change(ctx context.Context, u *Unlocked, id ID, act func(row *passkeyRow, k *Passkey) error) error {
	return p.db.main.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		row := new(passkeyRow)
		if err := tx.NewSelect().Model(row).Where("id = ?", id).Where("account_id = ?", u.Account.ID).Scan(ctx); err != nil {
			return err
		}
		k := row.open(u)
		if k.Unreadable {
			return Errorf(NotFound, "", "find passkey: its record does not open")
		}
		if err := act(row, &k); err != nil {
			return err
		}
		version, err := sealVersion(ctx, tx, u)
		if err != nil {
			return err
		}
		row.SealVersion = version
		if err := row.close(u, &k); err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model(row).WherePK().Exec(ctx)
		return err
	})
}

// Used keeps what an answer changed: the counter and the time, or that a copy may exist.
func (p *Passkeys) Used(ctx context.Context, u *Unlocked, id ID, c passkey.Credential, copied bool) error {
	return p.change(ctx, u, id, func(_ *passkeyRow, k *Passkey) error {
		if copied {
			k.Copied = true
			return nil
		}
		k.Credential, k.Used = c, p.db.now()
		return nil
	})
}

// Unlock seals the account key under what a passkey's PRF gave, 32 bytes, so that it opens the account
// without the password. c is the credential with its new counter.
func (p *Passkeys) Unlock(ctx context.Context, u *Unlocked, id ID, c passkey.Credential, prf []byte) error {
	if len(prf) != passkey.PRFSize {
		return Errorf(Invalid, "", "this passkey gives no key (the PRF extension is missing): it stays a second factor")
	}
	return p.change(ctx, u, id, func(row *passkeyRow, k *Passkey) error {
		k.Credential = c
		row.unlockBy(u, c, prf)
		return nil
	})
}

// Remove forgets a passkey with what it unlocks. With the last factor the one-time codes go too, unless
// keep says that the account must have one: then it is Invalid. Unauthorized for field "current".
func (p *Passkeys) Remove(ctx context.Context, u *Unlocked, id ID, current string, keep bool) error {
	if _, _, err := p.db.Accounts.checkCurrent(ctx, u, current); err != nil {
		return err
	}
	return p.db.Factors.change(ctx, u, func(ctx context.Context, tx bun.Tx, all *factors) error {
		res, err := tx.NewDelete().Model((*passkeyRow)(nil)).Where("id = ?", id).Where("account_id = ?", u.Account.ID).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, Errorf(NotFound, "", "remove passkey: it is not there"))
		}
		others, err := tx.NewSelect().Model((*passkeyRow)(nil)).Where("account_id = ?", u.Account.ID).Exists(ctx)
		if err != nil || others || all.totp != nil || all.damaged["sealed_totp"] != nil {
			return err
		}
		if keep {
			return errLastFactor()
		}
		all.codes = nil
		delete(all.damaged, "sealed_codes")
		return nil
	})
}

func errNoPasskey() error {
	return Errorf(Unauthorized, "", "this passkey opens no account here. Log in with your password")
}

// Open opens an account by a passkey alone: the credential's id says which, what its PRF gave opens it.
// Whose answer that was has still to be checked, against the Passkey that comes along. Unauthorized for
// anything that does not fit.
func (p *Passkeys) Open(ctx context.Context, credential, prf []byte) (u *Unlocked, k *Passkey, err error) {
	if len(prf) != passkey.PRFSize {
		return nil, nil, errNoPasskey()
	}
	hash := sha256.Sum256(credential)
	err = p.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		row := new(passkeyRow)
		err := tx.NewSelect().Model(row).Where("credential_hash = ?", hash[:]).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return errNoPasskey()
		}
		if err != nil {
			return err
		}
		account, err := accountBy(ctx, tx, "id", row.AccountID)
		if errors.Is(err, sql.ErrNoRows) {
			return errNoPasskey()
		}
		if err != nil {
			return err
		}
		b, err := seal.Open(seal.Derive(prf, infoPasskey), row.place("sealed_unlock"), row.SealedUnlock)
		if err != nil {
			return errNoPasskey()
		}
		// A seal of another version than the account's would be one that a renewal has left behind.
		if v, _ := seal.Version(row.SealedUnlock); v != account.KeyVersion || len(b) != seal.KeySize {
			return errNoPasskey()
		}
		r, err := ring(ctx, tx, account, seal.Key(b))
		if err != nil {
			return err
		}
		u = &Unlocked{Account: account.account(), Ring: r}
		if found := row.open(u); !found.Unreadable {
			k = &found
			return nil
		}
		return errNoPasskey()
	})
	if err != nil {
		return nil, nil, err
	}
	return u, k, nil
}

// dropUnlocks takes away what passkeys open, for an account whose key is renewed: they stay second factors.
func dropUnlocks(ctx context.Context, tx bun.Tx, account ID) error {
	_, err := tx.NewUpdate().Model((*passkeyRow)(nil)).Set("sealed_unlock = NULL").Set("credential_hash = NULL").
		Where("account_id = ?", account).Exec(ctx)
	return err
}
