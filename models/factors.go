package models

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"zencrypt/crypto/password"
	"zencrypt/crypto/seal"
)

// Factors is the store of second factors: an authenticator app and the one-time codes for the day that a
// device is lost. Passkeys have a store of their own. A factor is asked for after the password, when the
// account key is at hand, so all of it stands sealed under that.
type Factors struct{ db *DB }

const (
	// oneTimeCodes is how many there are at once.
	oneTimeCodes = 10
	// setupLife is how long a new seed waits for its first code, so that nobody finds it on the page later.
	setupLife = 15 * time.Minute
)

type factorRow struct {
	bun.BaseModel `bun:"table:factors"`

	ID          ID `bun:",pk"`
	AccountID   ID
	SealVersion int64
	SealedTOTP  []byte `bun:"sealed_totp"`
	SealedSetup []byte
	SealedCodes []byte
}

// The parts of a row as they are sealed. Times are in milliseconds.
type sealedTOTP struct {
	Seed  []byte
	Since int64
	Step  int64 // the last one accepted: a code works once
}

type sealedSetup struct {
	Seed []byte
	Made int64
}

// sealedCodes hold HMAC-SHA-256 of each code that is left. The key is random and sealed beside them, so
// that a stolen database has nothing to try codes against, with the server key or without; and who gets
// to see what is sealed still has no code.
type sealedCodes struct {
	Key  []byte
	Made int64
	Left [][]byte
}

// factors is a row, opened. A part that is off is nil.
type factors struct {
	row     *factorRow
	isNew   bool
	totp    *sealedTOTP
	setup   *sealedSetup
	codes   *sealedCodes
	damaged map[string][]byte // parts that did not open, by column: they count as on, and nothing fits them
}

// FactorState is what there is of an account's second factor.
type FactorState struct {
	TOTP      time.Time // since when an app gives codes; zero when none does
	Setup     []byte    // the seed that waits for its first code; nil when none does
	CodesLeft int
	CodesMade time.Time
	Passkeys  []Passkey
	Damaged   bool // something does not open: it was changed, or belongs elsewhere
}

// On tells whether the account asks for a second factor.
func (s *FactorState) On() bool { return !s.TOTP.IsZero() || len(s.Passkeys) > 0 }

// Has tells whether an account asks for a second factor.
func (f *Factors) Has(ctx context.Context, account ID) (bool, error) {
	on, err := hasFactor(ctx, f.db.main.r, account)
	return on, storeError(err)
}

func hasFactor(ctx context.Context, db bun.IDB, account ID) (bool, error) {
	on, err := db.NewSelect().Model((*factorRow)(nil)).Where("account_id = ?", account).Where("sealed_totp IS NOT NULL").Exists(ctx)
	if on || err != nil {
		return on, err
	}
	return db.NewSelect().Model((*passkeyRow)(nil)).Where("account_id = ?", account).Exists(ctx)
}

// State opens what an account has.
func (f *Factors) State(ctx context.Context, u *Unlocked) (*FactorState, error) {
	s := new(FactorState)
	err := f.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		all, err := openFactors(ctx, tx, u)
		if err != nil {
			return err
		}
		s.Damaged = len(all.damaged) > 0
		if all.totp != nil {
			s.TOTP = fromMillis(all.totp.Since)
		} else if all.row.SealedTOTP != nil {
			s.TOTP = fromMillis(0) // on, since nobody knows when
		}
		if all.setup != nil && f.fresh(all.setup) {
			s.Setup = all.setup.Seed
		}
		if all.codes != nil {
			s.CodesLeft, s.CodesMade = len(all.codes.Left), fromMillis(all.codes.Made)
		}
		s.Passkeys, err = listPasskeys(ctx, tx, u)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, p := range s.Passkeys {
		s.Damaged = s.Damaged || p.Unreadable
	}
	return s, nil
}

func (f *Factors) fresh(s *sealedSetup) bool { return f.db.now().Sub(fromMillis(s.Made)) < setupLife }

func (r *factorRow) place(column string) seal.Place {
	return place("factors", column, r.ID, r.AccountID)
}

// openFactors opens an account's row, or makes one that is not stored yet.
func openFactors(ctx context.Context, db bun.IDB, u *Unlocked) (*factors, error) {
	all := &factors{row: new(factorRow), damaged: make(map[string][]byte)}
	err := db.NewSelect().Model(all.row).Where("account_id = ?", u.Account.ID).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		all.row, all.isNew = &factorRow{ID: NewID(), AccountID: u.Account.ID}, true
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	all.totp = openPart[sealedTOTP](all, u, "sealed_totp", all.row.SealedTOTP)
	all.setup = openPart[sealedSetup](all, u, "sealed_setup", all.row.SealedSetup)
	all.codes = openPart[sealedCodes](all, u, "sealed_codes", all.row.SealedCodes)
	return all, nil
}

func openPart[T any](all *factors, u *Unlocked, column string, sealed []byte) *T {
	if sealed == nil {
		return nil
	}
	part := new(T)
	if openJSON(u.Ring, seal.Account, all.row.place(column), sealed, part) != nil {
		all.damaged[column] = sealed
		return nil
	}
	return part
}

// close seals every part anew, so that the row stands under one version of the account key. A part that
// did not open stays as it is, and the row's version with it, until something takes its place.
func (all *factors) close(ctx context.Context, tx bun.Tx, u *Unlocked) (err error) {
	r := all.row
	if len(all.damaged) == 0 || all.isNew {
		if r.SealVersion, err = sealVersion(ctx, tx, u); err != nil {
			return err
		}
	}
	if r.SealedTOTP, err = closePart(all, u, "sealed_totp", all.totp); err != nil {
		return err
	}
	if r.SealedSetup, err = closePart(all, u, "sealed_setup", all.setup); err != nil {
		return err
	}
	if r.SealedCodes, err = closePart(all, u, "sealed_codes", all.codes); err != nil {
		return err
	}
	if all.isNew {
		_, err = tx.NewInsert().Model(r).Exec(ctx)
		return err
	}
	_, err = tx.NewUpdate().Model(r).WherePK().Exec(ctx)
	return err
}

func closePart[T any](all *factors, u *Unlocked, column string, part *T) ([]byte, error) {
	if part == nil {
		return all.damaged[column], nil
	}
	return sealJSON(u.Ring, seal.Account, all.row.place(column), part)
}

// change lets act change an account's row, and stores it.
func (f *Factors) change(ctx context.Context, u *Unlocked, act func(ctx context.Context, tx bun.Tx, all *factors) error) error {
	return f.db.main.try(ctx, func(ctx context.Context, tx bun.Tx) error {
		all, err := openFactors(ctx, tx, u)
		if err != nil {
			return err
		}
		if err := act(ctx, tx, all); err != nil {
			return err
		}
		return all.close(ctx, tx, u)
	})
}

// newCodes makes ten codes, in place of those there were.
func (all *factors) newCodes(now int64) []string {
	c := &sealedCodes{Key: make([]byte, 32), Made: now}
	rand.Read(c.Key)
	codes := make([]string, oneTimeCodes)
	for i := range codes {
		codes[i] = password.NewOneTimeCode()
		secret, err := password.ParseOneTimeCode(codes[i])
		if err != nil {
			panic("models: a new one-time code is none") // ours alone
		}
		c.Left = append(c.Left, c.digest(secret))
	}
	all.codes = c
	return codes
}

func (c *sealedCodes) digest(secret []byte) []byte {
	m := hmac.New(sha256.New, c.Key)
	m.Write(secret)
	return m.Sum(nil)
}

// take uses up a code, and tells whether it was one of those left. It looks at all of them.
func (c *sealedCodes) take(secret []byte) bool {
	typed, at := c.digest(secret), -1
	for i, d := range c.Left {
		if hmac.Equal(d, typed) {
			at = i
		}
	}
	if at < 0 {
		return false
	}
	c.Left = slices.Delete(c.Left, at, at+1)
	return true
}

// NewCodes makes ten one-time codes, shown once; the old ones end at once. Unauthorized for field
// "current", Invalid when the account asks for no second factor.
func (f *Factors) NewCodes(ctx context.Context, u *Unlocked, current string) (codes []string, err error) {
	if _, _, err := f.db.Accounts.checkCurrent(ctx, u, current); err != nil {
		return nil, err
	}
	err = f.change(ctx, u, func(ctx context.Context, tx bun.Tx, all *factors) error {
		on, err := hasFactor(ctx, tx, u.Account.ID)
		if err != nil {
			return err
		}
		if !on {
			return Errorf(Invalid, "", "set up an app or a passkey first: the codes stand in for a lost one")
		}
		codes = all.newCodes(millis(f.db.now()))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

func dropFactors(ctx context.Context, tx bun.Tx, account ID) error {
	for _, model := range []any{(*factorRow)(nil), (*passkeyRow)(nil)} {
		if _, err := tx.NewDelete().Model(model).Where("account_id = ?", account).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}
