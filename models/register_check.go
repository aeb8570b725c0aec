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
	if err := password.Check(pw, spelling); err != nil {
		return passwordField("password", err)
	}
	return storeError(a.choosable(ctx, a.db.main.r, loginKey, ID{}))
}
