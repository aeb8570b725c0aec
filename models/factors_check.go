package models

import (
	"context"
	"strings"
	"time"
	"unicode"

	"github.com/uptrace/bun"

	"zencrypt/crypto/password"
	"zencrypt/crypto/totp"
)

// Begin makes a seed for an authenticator app, which waits 15 minutes for its first code. An app that
// is set up already goes on until then. Unauthorized for field "current".
func (f *Factors) Begin(ctx context.Context, u *Unlocked, current string) error {
	if _, _, err := f.db.Accounts.checkCurrent(ctx, u, current); err != nil {
		return err
	}
	return f.change(ctx, u, func(_ context.Context, _ bun.Tx, all *factors) error {
		all.setup = &sealedSetup{Seed: totp.NewSeed(), Made: millis(f.db.now())}
		return nil
	})
}

// Cancel forgets a seed that waits for its first code.
func (f *Factors) Cancel(ctx context.Context, u *Unlocked) error {
	return f.change(ctx, u, func(_ context.Context, _ bun.Tx, all *factors) error {
		all.setup = nil
		delete(all.damaged, "sealed_setup")
		return nil
	})
}

// Confirm takes the first code of a new seed: from then on the app is asked for. With the account's
// first factor come ten one-time codes, shown once; else codes is nil. Invalid for field "code", Gone
// when no seed waits any more.
func (f *Factors) Confirm(ctx context.Context, u *Unlocked, typed string) (codes []string, err error) {
	now := f.db.now()
	err = f.change(ctx, u, func(_ context.Context, _ bun.Tx, all *factors) error {
		if all.setup == nil || !f.fresh(all.setup) {
			return Errorf(Gone, "", "set up app: it took longer than 15 minutes, begin again")
		}
		step, ok, _, err := totp.Check(all.setup.Seed, plainCode(typed), now, 0)
		if err != nil {
			return fail(Internal, "check code", err)
		}
		if !ok {
			return Errorf(Invalid, "code", "this code is not right: type the one that the app shows now, and compare the clocks of both devices")
		}
		all.totp = &sealedTOTP{Seed: all.setup.Seed, Since: millis(now), Step: step}
		all.setup = nil
		codes = all.firstCodes(millis(now))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// firstCodes are ten codes where there are none.
func (all *factors) firstCodes(now int64) []string {
	if all.codes != nil {
		return nil
	}
	return all.newCodes(now)
}

// TurnOff ends the app. With the last factor the one-time codes go too, unless keep says that the account
// must have one: then it is Invalid. Unauthorized for field "current".
func (f *Factors) TurnOff(ctx context.Context, u *Unlocked, current string, keep bool) error {
	if _, _, err := f.db.Accounts.checkCurrent(ctx, u, current); err != nil {
		return err
	}
	return f.change(ctx, u, func(ctx context.Context, tx bun.Tx, all *factors) error {
		all.totp, all.setup = nil, nil
		delete(all.damaged, "sealed_totp")
		delete(all.damaged, "sealed_setup")
		others, err := tx.NewSelect().Model((*passkeyRow)(nil)).Where("account_id = ?", u.Account.ID).Exists(ctx)
		if err != nil || others {
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

func errLastFactor() error {
	return Errorf(Invalid, "", "this server asks everybody for a second factor: set up another one first, then remove this")
}

// Check takes a code for the second factor: six digits of the app, or a one-time code. Each is accepted
// once. Unauthorized for field "code".
func (f *Factors) Check(ctx context.Context, u *Unlocked, typed string) error {
	typed = plainCode(typed)
	now := f.db.now()
	return f.change(ctx, u, func(_ context.Context, _ bun.Tx, all *factors) error {
		if totp.IsCode(typed) {
			return all.checkTOTP(typed, now)
		}
		secret, err := password.ParseOneTimeCode(typed)
		if err != nil || all.codes == nil || !all.codes.take(secret) {
			return errWrongFactor()
		}
		return nil
	})
}

// IsOneTimeCode tells whether what Check was given is no code of an app.
func IsOneTimeCode(typed string) bool { return !totp.IsCode(plainCode(typed)) }

func (all *factors) checkTOTP(typed string, now time.Time) error {
	if all.totp == nil {
		return errWrongFactor()
	}
	step, ok, used, err := totp.Check(all.totp.Seed, typed, now, all.totp.Step)
	switch {
	case err != nil:
		return fail(Internal, "check code", err)
	case used:
		return Errorf(Unauthorized, "code", "this code was used already: wait until the app shows the next one")
	case !ok:
		return errWrongFactor()
	}
	all.totp.Step = step
	return nil
}

func errWrongFactor() error {
	return Errorf(Unauthorized, "code", "this code is not right")
}

// plainCode leaves out the blanks and dashes between which apps and people put digits.
func plainCode(typed string) string {
	if len(typed) > 512 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) {
			return -1
		}
		return r
	}, typed)
}
