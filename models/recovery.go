package models

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/uptrace/bun"

	"zencrypt/crypto/password"
	"zencrypt/crypto/seal"
)

// Why a recovery code waits to be confirmed.
const (
	ReasonNew     = "new"     // made at registration, or asked for
	ReasonUsed    = "used"    // the one before was used
	ReasonRenewed = "renewed" // the account key was renewed
	// ReasonImported: the account came from an older Zencrypt, which had no codes.
	ReasonImported = "imported"
)

// sealedCode is a code until it is confirmed; then only the person has it.
type sealedCode struct{ Code, Reason string }

// newRecovery seals the ring's key under a new recovery code (HKDF of its 160 bits, no
// pepper: it opens the account when the server key is lost) and keeps the code for
// Pending. The code before it opens nothing any more.
func (r *accountRow) newRecovery(ring *seal.Ring, now int64, reason string) error {
	code := password.NewRecoveryCode()
	secret, err := password.ParseRecoveryCode(code)
	if err != nil {
		return fail(Internal, "make recovery code", err)
	}
	version, key := ring.Current()
	r.SealedRecovery = seal.Seal(seal.Derive(secret, infoRecovery), version, r.place("sealed_recovery"), key[:])
	r.RecoveryCreated = now
	r.SealedCode, err = sealJSON(ring, seal.Account, r.place("sealed_code"), sealedCode{code, reason})
	return err
}

// Pending returns the recovery code that has still to be typed back, and why there is
// one (ReasonNew and so on). ok is false when none waits.
func (a *Accounts) Pending(ctx context.Context, u *Unlocked) (code, reason string, ok bool, err error) {
	row, err := accountBy(ctx, a.db.main.r, "id", u.Account.ID)
	if err != nil {
		return "", "", false, storeError(err)
	}
	if row.SealedCode == nil {
		return "", "", false, nil
	}
	c, err := row.openCode(u.Ring)
	if err != nil {
		return "", "", false, err
	}
	return c.Code, c.Reason, true, nil
}

func (r *accountRow) openCode(ring *seal.Ring) (c sealedCode, err error) {
	if err := openJSON(ring, seal.Account, r.place("sealed_code"), r.SealedCode, &c); err != nil {
		return sealedCode{}, fail(Internal, "open recovery code", err)
	}
	return c, nil
}

// Confirm takes the recovery code typed back and forgets it. Invalid for field "code"
// when it is another, Conflict when another one was made meanwhile, which nobody has
// typed back yet; nothing happens when none waits.
func (a *Accounts) Confirm(ctx context.Context, u *Unlocked, code string) error {
	typed, err := password.ParseRecoveryCode(code)
	if err != nil {
		return Errorf(Invalid, "code", "%v", err)
	}
	checked, err := accountBy(ctx, a.db.main.r, "id", u.Account.ID)
	if err != nil {
		return storeError(err)
	}
	if checked.SealedCode == nil {
		return nil
	}
	c, err := checked.openCode(u.Ring)
	if err != nil {
		return err
	}
	secret, err := password.ParseRecoveryCode(c.Code)
	if err != nil {
		return fail(Internal, "read recovery code", err)
	}
	if subtle.ConstantTimeCompare(typed, secret) != 1 {
		return Errorf(Invalid, "code", "this is not the code shown: compare it letter by letter")
	}
	return a.change(ctx, u, func(ctx context.Context, tx bun.Tx, row *accountRow) error {
		if row.SealedCode != nil && !bytes.Equal(row.SealedCode, checked.SealedCode) {
			return Errorf(Conflict, "code", "another recovery code was made meanwhile: type that one back")
		}
		row.SealedCode = nil
		return nil
	})
}

// NewRecovery replaces the recovery code; the old one ends at once. Unauthorized for
// field "current".
func (a *Accounts) NewRecovery(ctx context.Context, u *Unlocked, current string) error {
	if _, _, err := a.checkCurrent(ctx, u, current); err != nil {
		return err
	}
	return a.change(ctx, u, func(ctx context.Context, tx bun.Tx, row *accountRow) error {
		return row.newRecovery(u.Ring, millis(a.db.now()), ReasonNew)
	})
}

// Recovery is an account that its recovery code has opened, and what is to change then. It prints as [redacted].
type Recovery struct {
	*Unlocked
	change recoveryChange
}

// recoveryChange is the new password as it will stand in the account's row. Used is SHA-256 of the seal
// that the code opened, so that a code counts once.
type recoveryChange struct {
	Verifier, Pepper         string
	UnlockSalt, SealedUnlock []byte
	Used                     []byte
}

// OpenRecovery opens an account with its recovery code and changes nothing yet: FinishRecovery does, once
// the second factor was given where there is one. An unknown login and a wrong code get the same
// Unauthorized, the right code of a suspended account Suspended; Invalid names "password" or "code".
func (a *Accounts) OpenRecovery(ctx context.Context, login, code, newPw string) (*Recovery, error) {
	if err := a.CheckPassphrase(newPw, login); err != nil {
		return nil, passwordField("password", err)
	}
	pw, err := password.Normalize(newPw)
	if err != nil {
		return nil, passwordField("password", err)
	}
	secret, err := password.ParseRecoveryCode(code)
	if err != nil {
		return nil, Errorf(Invalid, "code", "%v", err)
	}
	row, key, err := a.openRecovery(ctx, login, seal.Derive(secret, infoRecovery))
	if err != nil {
		return nil, err
	}
	// What was typed may be an old spelling: others know the account by its login.
	if err := a.CheckPassphrase(newPw, row.Login); err != nil {
		return nil, passwordField("password", err)
	}
	creds, unlock, err := a.db.kdf.create(a.db.opts.Pepper, pw)
	if err != nil {
		return nil, fail(Internal, "make verifier", err)
	}
	r := &Recovery{Unlocked: &Unlocked{Account: row.account()}}
	if r.Ring, err = ring(ctx, a.db.main.r, row, key); err != nil {
		return nil, storeError(err)
	}
	r.change.Used = usedRecovery(row)
	row.setPassword(creds, unlock, key)
	r.change.Verifier, r.change.Pepper, r.change.UnlockSalt, r.change.SealedUnlock = row.Verifier, row.Pepper, row.UnlockSalt, row.SealedUnlock
	return r, nil
}

func usedRecovery(row *accountRow) []byte {
	sum := sha256.Sum256(row.SealedRecovery)
	return sum[:]
}

// FinishRecovery sets the new password. The epoch rises, which ends every session, and another code waits
// to be confirmed. Unauthorized when the code was used or replaced meanwhile.
func (a *Accounts) FinishRecovery(ctx context.Context, r *Recovery) error {
	return a.change(ctx, r.Unlocked, func(ctx context.Context, tx bun.Tx, row *accountRow) error {
		if subtle.ConstantTimeCompare(r.change.Used, usedRecovery(row)) != 1 {
			return errWrongCode()
		}
		row.Verifier, row.Pepper, row.UnlockSalt, row.SealedUnlock = r.change.Verifier, r.change.Pepper, r.change.UnlockSalt, r.change.SealedUnlock
		row.Epoch++
		if err := advice(0).save(ctx, tx, r.Unlocked); err != nil {
			return err
		}
		return row.newRecovery(r.Ring, millis(a.db.now()), ReasonUsed)
	})
}

// Recover is OpenRecovery and FinishRecovery, for an account without a second factor.
func (a *Accounts) Recover(ctx context.Context, login, code, newPw string) (*Unlocked, error) {
	r, err := a.OpenRecovery(ctx, login, code, newPw)
	if err != nil {
		return nil, err
	}
	if err := a.FinishRecovery(ctx, r); err != nil {
		return nil, err
	}
	return r.Unlocked, nil
}

func errWrongCode() error {
	return Errorf(Unauthorized, "", "the login or the recovery code is wrong")
}

// openRecovery does the same work for a login that does not exist: one look-up and one
// opening. An account that waits for its person has no code yet, and its login is as unknown as any.
func (a *Accounts) openRecovery(ctx context.Context, login string, by seal.Key) (*accountRow, seal.Key, error) {
	rows, err := a.candidates(ctx, login)
	if err != nil {
		return nil, seal.Key{}, err
	}
	opened := false
	for i := range rows {
		if rows[i].waits() {
			continue
		}
		opened = true
		if key, err := rows[i].openKey(by, "sealed_recovery", rows[i].SealedRecovery); err == nil {
			if rows[i].Suspended != nil {
				return nil, seal.Key{}, errSuspended() // and the code is not used up
			}
			return &rows[i], key, nil
		}
	}
	if !opened {
		nobody := &accountRow{KeyVersion: 1}
		noise := make([]byte, seal.KeySize+seal.Overhead)
		rand.Read(noise)
		noise[0] = 1 // the format of a seal
		_, _ = nobody.openKey(by, "sealed_recovery", noise)
	}
	return nil, seal.Key{}, errWrongCode()
}
