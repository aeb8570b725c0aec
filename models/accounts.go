package models

import (
	"context"
	"database/sql"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"zencrypt/crypto/password"
	"zencrypt/crypto/seal"
)

// Account is a person's account as the server may know it.
type Account struct {
	ID              ID
	Login           string // the person's own spelling
	Created         time.Time
	Epoch           int64 // sessions of another epoch have ended
	KeyVersion      uint32
	RecoveryPending bool // the recovery code has not been typed back
	RecoveryCreated time.Time
	HPKEPublic      []byte // 32 bytes; sealing to it needs no log-in
	Role            string // RoleUser or RoleAdmin
	Suspended       bool
	Seen            time.Time // the last day of use, zero when there was none
	Quota           *int64    // bytes, nil for the server's default
}

// Admin tells whether the account administers the server.
func (a *Account) Admin() bool { return a.Role == RoleAdmin }

// Unlocked is an account whose key is in memory, for the length of a request.
type Unlocked struct {
	Account *Account
	Ring    *seal.Ring
}

// Accounts is the store of accounts.
type Accounts struct{ db *DB }

type accountRow struct {
	bun.BaseModel `bun:"table:accounts"`

	ID              ID `bun:",pk"`
	Login           string
	LoginKey        string
	Created         int64
	Epoch           int64
	KeyVersion      uint32
	Verifier        string
	Pepper          string
	UnlockSalt      []byte
	SealedUnlock    []byte
	SealedRecovery  []byte
	RecoveryCreated int64
	SealedCode      []byte
	HPKEPublic      []byte `bun:"hpke_public"`
	SealedHPKE      []byte `bun:"sealed_hpke"`
	Deleted         *int64 // see Accounts.Delete

	Role      string `bun:",scanonly"` // these are of its standing
	Suspended *int64 `bun:",scanonly"`
	SeenDay   *int64 `bun:",scanonly"`
	Quota     *int64 `bun:",scanonly"`
}

type retiredRow struct {
	bun.BaseModel `bun:"table:retired_logins"`

	Digest []byte `bun:",pk"`
	Pepper string
}

// sealedPair is an HPKE pair of the account (see seal.NewHPKE), 32 bytes each. Sealed are
// all that it ever had, the newest first: an older one opens what was sealed to it.
type sealedPair struct{ Public, Private []byte }

// The infos of keys that are derived from something other than an account key.
const (
	infoRecovery = "zencrypt/v1/recovery"
	infoSession  = "zencrypt/v1/session"
	infoResults  = "zencrypt/v1/results"
)

func place(table, column string, row, user ID) seal.Place {
	return seal.Place{Table: table, Column: column, Row: row[:], User: user[:]}
}

func (r *accountRow) place(column string) seal.Place { return place("accounts", column, r.ID, r.ID) }

func (r *accountRow) account() *Account {
	a := &Account{
		ID: r.ID, Login: r.Login, Created: fromMillis(r.Created), Epoch: r.Epoch, KeyVersion: r.KeyVersion,
		RecoveryPending: r.SealedCode != nil, RecoveryCreated: fromMillis(r.RecoveryCreated), HPKEPublic: r.HPKEPublic,
		Role: r.Role, Suspended: r.Suspended != nil, Quota: r.Quota,
	}
	if r.SeenDay != nil {
		a.Seen = fromDay(*r.SeenDay)
	}
	return a
}

func (r *accountRow) credentials() *credentials {
	return &credentials{verifier: r.Verifier, pepper: r.Pepper, salt: r.UnlockSalt}
}

// setPassword writes new credentials and seals the account key under their unlock key.
func (r *accountRow) setPassword(c credentials, unlock, key seal.Key) {
	r.Verifier, r.Pepper, r.UnlockSalt = c.verifier, c.pepper, c.salt
	r.SealedUnlock = seal.Seal(unlock, r.KeyVersion, r.place("sealed_unlock"), key[:])
}

// openKey opens the account key in one of its seals. A seal of another version than
// the row's is refused: it would be one that a renewal has left behind.
func (r *accountRow) openKey(by seal.Key, column string, sealed []byte) (seal.Key, error) {
	b, err := seal.Open(by, r.place(column), sealed)
	if err != nil {
		return seal.Key{}, err
	}
	if v, _ := seal.Version(sealed); v != r.KeyVersion || len(b) != seal.KeySize {
		return seal.Key{}, seal.ErrOpen
	}
	return seal.Key(b), nil
}

// newPair makes a new HPKE pair and seals it before the older ones.
func (r *accountRow) newPair(ring *seal.Ring, older []sealedPair) error {
	public, private, err := seal.NewHPKE()
	if err != nil {
		return fail(Internal, "make account pair", err)
	}
	r.HPKEPublic = public
	pairs := append([]sealedPair{{public, private}}, older...)
	r.SealedHPKE, err = sealJSON(ring, seal.Account, r.place("sealed_hpke"), pairs)
	return err
}

func (r *accountRow) openPairs(ring *seal.Ring) (pairs []sealedPair, err error) {
	if err := openJSON(ring, seal.Account, r.place("sealed_hpke"), r.SealedHPKE, &pairs); err != nil {
		return nil, fail(Internal, "open account pairs", err)
	}
	return pairs, nil
}

func accountBy(ctx context.Context, db bun.IDB, column string, value any) (*accountRow, error) {
	row := new(accountRow)
	err := withStanding(db.NewSelect().Model(row)).Where("? = ?", bun.Ident(column), value).Where("deleted IS NULL").Scan(ctx)
	if err != nil {
		return nil, err
	}
	return row, nil
}

// Register makes an account with its first age and Fernet key. It is Invalid for
// field "login" or "password", and Conflict for a login that is taken or was given
// up. The recovery code waits in Pending.
func (a *Accounts) Register(ctx context.Context, login, pw string) (*Unlocked, error) {
	return a.register(ctx, login, pw, withFirstKeys(nil))
}

// RegisterInvited is Register by an invitation, of which it takes one use. NotFound when that can't be used any
// more: then no account is made.
func (a *Accounts) RegisterInvited(ctx context.Context, token, login, pw string) (*Unlocked, error) {
	return a.register(ctx, login, pw, withFirstKeys(func(ctx context.Context, tx bun.Tx, row *accountRow) error {
		iv, err := a.db.Invitations.use(ctx, tx, token)
		if err != nil || !iv.Admin {
			return err
		}
		row.Role = RoleAdmin
		return putStanding(ctx, tx, &standingRow{AccountID: row.ID, Role: RoleAdmin})
	}))
}

// RegisterAdmin is Register of an administrator: for the command line.
func (a *Accounts) RegisterAdmin(ctx context.Context, login, pw string) (*Unlocked, error) {
	return a.register(ctx, login, pw, withFirstKeys(func(ctx context.Context, tx bun.Tx, row *accountRow) error {
		row.Role = RoleAdmin
		return putStanding(ctx, tx, &standingRow{AccountID: row.ID, Role: RoleAdmin})
	}))
}

// A filling is what belongs into the transaction that makes an account, after its row was written.
type filling func(ctx context.Context, tx bun.Tx, row *accountRow, u *Unlocked) error

// withFirstKeys gives a new account its first keys, and then does something else, which may be nil.
func withFirstKeys(also func(context.Context, bun.Tx, *accountRow) error) filling {
	return func(ctx context.Context, tx bun.Tx, row *accountRow, u *Unlocked) error {
		first, err := firstKeys(fromMillis(row.Created))
		if err != nil {
			return fail(Internal, "make first keys", err)
		}
		for i := range first {
			if err := insertKey(ctx, tx, u, &first[i]); err != nil {
				return err
			}
		}
		if also == nil {
			return nil
		}
		return also(ctx, tx, row)
	}
}

// register is Register with what fill puts into the new account, in the same transaction.
func (a *Accounts) register(ctx context.Context, login, pw string, fill filling) (*Unlocked, error) {
	spelling, loginKey, err := NormalizeLogin(login)
	if err != nil {
		return nil, err
	}
	if err := a.CheckPassphrase(pw, spelling); err != nil {
		return nil, passwordField("password", err)
	}
	if pw, err = password.Normalize(pw); err != nil {
		return nil, passwordField("password", err)
	}
	// Before the slow part, for a quick answer; the INSERT decides.
	if err := a.choosable(ctx, a.db.main.r, loginKey, ID{}); err != nil {
		return nil, storeError(err)
	}
	creds, unlock, err := a.db.kdf.create(a.db.opts.Pepper, pw)
	if err != nil {
		return nil, fail(Internal, "make verifier", err)
	}
	now := millis(a.db.now())
	row := &accountRow{ID: NewID(), Login: spelling, LoginKey: loginKey, Created: now, Epoch: 1, KeyVersion: 1, Role: RoleUser}
	key := seal.NewKey()
	u := &Unlocked{Ring: seal.NewRing(row.KeyVersion, key)}
	row.setPassword(creds, unlock, key)
	if err := row.newRecovery(u.Ring, now, ReasonNew); err != nil {
		return nil, err
	}
	if err := row.newPair(u.Ring, nil); err != nil {
		return nil, err
	}
	u.Account = row.account()
	err = a.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := a.choosable(ctx, tx, loginKey, ID{}); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
			if isTaken(err, "login_key") {
				return errTaken()
			}
			return err
		}
		return fill(ctx, tx, row, u)
	})
	if err != nil {
		return nil, err
	}
	u.Account = row.account()
	return u, nil
}

func errTaken() error { return Errorf(Conflict, "login", "this login is taken, choose another") }

// free is Conflict when a login is taken, or was and is never given again.
func (a *Accounts) free(ctx context.Context, db bun.IDB, loginKey string) error {
	taken, err := db.NewSelect().Model((*accountRow)(nil)).Where("login_key = ?", loginKey).Exists(ctx)
	if err == nil && !taken {
		taken, err = db.NewSelect().Model((*retiredRow)(nil)).Where("digest IN (?)", bun.List(a.db.opts.Pepper.retiredDigests(loginKey))).Exists(ctx)
	}
	if err == nil && taken {
		return errTaken()
	}
	return err
}

// Get returns an account, or NotFound.
func (a *Accounts) Get(ctx context.Context, id ID) (*Account, error) {
	row, err := accountBy(ctx, a.db.main.r, "id", id)
	if err != nil {
		return nil, storeError(err)
	}
	return row.account(), nil
}

// ByLogin returns the account of a login in any case, or NotFound.
func (a *Accounts) ByLogin(ctx context.Context, login string) (*Account, error) {
	key, ok := LoginKey(login)
	if !ok || !utf8.ValidString(login) {
		return nil, Errorf(NotFound, "", "find account: no such login")
	}
	row, err := accountBy(ctx, a.db.main.r, "login_key", key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, Errorf(NotFound, "", "find account: no such login")
	}
	if err != nil {
		return nil, storeError(err)
	}
	return row.account(), nil
}

// List returns up to limit accounts by id, those after the one given; the zero ID
// begins.
func (a *Accounts) List(ctx context.Context, after ID, limit int) ([]Account, error) {
	var rows []accountRow
	if err := withStanding(a.db.main.r.NewSelect().Model(&rows)).Where("id > ?", after).Where("deleted IS NULL").Order("id").Limit(int64(limit)).Scan(ctx); err != nil {
		return nil, storeError(err)
	}
	out := make([]Account, len(rows))
	for i := range rows {
		out[i] = *rows[i].account()
	}
	return out, nil
}

// Usage returns how many items an account has, without those in the trash, and the
// bytes that all of them take on the disk.
func (a *Accounts) Usage(ctx context.Context, id ID) (items int, bytes int64, err error) {
	err = a.db.main.r.NewSelect().Model((*itemRow)(nil)).
		ColumnExpr("count(*) FILTER (WHERE trashed IS NULL)").ColumnExpr("coalesce(sum(disk), 0)").
		Where("account_id = ?", id).Scan(ctx, &items, &bytes)
	return items, bytes, storeError(err)
}
