package models

import (
	"context"

	"github.com/uptrace/bun"
)

// factorsOn tells which of the accounts ask for a second factor at log-in.
func factorsOn(ctx context.Context, db bun.IDB, accounts []ID) (map[ID]bool, error) {
	on := map[ID]bool{}
	if len(accounts) == 0 {
		return on, nil
	}
	for _, q := range []*bun.SelectQuery{
		db.NewSelect().Model((*factorRow)(nil)).Where("sealed_totp IS NOT NULL"),
		db.NewSelect().Model((*passkeyRow)(nil)),
	} {
		var ids []ID
		if err := q.Column("account_id").Where("account_id IN (?)", bun.List(accounts)).Scan(ctx, &ids); err != nil {
			return nil, err
		}
		for _, id := range ids {
			on[id] = true
		}
	}
	return on, nil
}

// ResetFactor takes away the second factor of somebody who lost theirs, passkeys and one-time codes too, and ends the
// account's sessions: whoever has the password alone can log in from then on. It opens nothing. Conflict when there is
// none, NotFound for no account.
func (a *Accounts) ResetFactor(ctx context.Context, id ID) error {
	return a.stand(ctx, id, func(ctx context.Context, tx bun.Tx, row *accountRow, _ *standingRow) error {
		on, err := hasFactor(ctx, tx, id)
		if err != nil {
			return err
		}
		if !on {
			return Errorf(Conflict, "", "this account has no second factor")
		}
		row.Epoch++
		return dropFactors(ctx, tx, id)
	})
}
