package models

import (
	"context"

	"github.com/uptrace/bun"
)

// This file is all that an administrator's part knows of second factors: which accounts ask for one, and taking it
// away. No account of this version has one.

// factorsOn tells which of the accounts ask for a second factor at log-in.
func factorsOn(context.Context, bun.IDB, []ID) (map[ID]bool, error) { return nil, nil }

// dropFactor takes away an account's second factor, with everything that belongs to it. Conflict when it has none.
func dropFactor(context.Context, bun.Tx, ID) error {
	return Errorf(Conflict, "", "this account has no second factor")
}

// ResetFactor takes away the second factor of somebody who lost theirs, and ends the account's sessions: whoever
// has the password alone can log in from then on. Conflict when there is none, NotFound for no account.
func (a *Accounts) ResetFactor(ctx context.Context, id ID) error {
	return a.stand(ctx, id, func(ctx context.Context, tx bun.Tx, row *accountRow, _ *standingRow) error {
		row.Epoch++
		return dropFactor(ctx, tx, id)
	})
}
