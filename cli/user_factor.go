package cli

import (
	"fmt"
)

type userResetFactorCmd struct {
	place `embed:""`
	Login string `arg:"" help:"The account's login."`
}

// Help is the long text of `zencrypt user reset-factor --help`.
func (userResetFactorCmd) Help() string {
	return `Switches the second factor of an account off, for somebody who lost the device and has no one-time codes left:
the app, all passkeys and the codes. It opens nothing, and the password is needed as before. Make sure that it is
really the account's owner who asks.

` + exitCodes
}

// Run switches the factor off.
func (c *userResetFactorCmd) Run(e *env) error {
	db, _, err := c.openExisting(e)
	if err != nil {
		return err
	}
	defer db.Close()
	a, err := db.Accounts.ByLogin(e.ctx, c.Login)
	if err != nil {
		return explain(err)
	}
	on, err := db.Factors.Has(e.ctx, a.ID)
	if err != nil {
		return err
	}
	if err := db.Factors.Reset(e.ctx, a.ID); err != nil {
		return explain(err)
	}
	if !on {
		fmt.Fprintf(e.stdout, "Account %s has no second factor.\n", a.Login)
		return nil
	}
	fmt.Fprintf(e.stdout, "The second factor of %s is off. The next log-in asks for the password alone.\n", a.Login)
	return nil
}
