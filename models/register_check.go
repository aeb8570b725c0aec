package models

import (
	"context"

	"zencrypt/crypto/password"
)

// CanRegister is what Register refuses without any slow work: Invalid for field "login" or "password",
// and Conflict for a login that is taken or was given up. Register decides again.
func (a *Accounts) CanRegister(ctx context.Context, login, pw string) error {
	spelling, loginKey, err := NormalizeLogin(login)
	if err != nil {
		return err
	}
	if err := a.CheckPassphrase(pw, spelling); err != nil {
		return passwordField("password", err)
	}
	return storeError(a.choosable(ctx, a.db.main.r, loginKey, ID{}))
}

// CheckPassphrase tells whether a password or passphrase may be chosen by who has a login here: it is made of neither that,
// nor of what the place is called. The error is a *password.PolicyError.
func (a *Accounts) CheckPassphrase(pw, login string) error {
	return password.Check(pw, append([]string{login}, a.db.opts.Words...)...)
}
