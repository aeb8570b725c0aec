package models

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// Bounds of an invitation. All that are open fit on one page.
const (
	MaxInvitations    = 100 // open at once
	MaxInvitationUses = 1000
	MinInvitationLife = time.Hour
	MaxInvitationLife = 90 * 24 * time.Hour
)

// Invitation is a link by which somebody may register. Only the link holds its token.
type Invitation struct {
	ID      ID
	Admin   bool   // the account becomes the first administrator's
	By      string // login of who made it, "" for the command line
	Created time.Time
	Expires time.Time
	Uses    int // in all
	Left    int
}

// Invitations is the store of invitations.
type Invitations struct{ db *DB }

type invitationRow struct {
	bun.BaseModel `bun:"table:invitations"`

	ID        ID `bun:",pk"`
	TokenHash []byte
	CreatedBy *ID
	Role      string
	Created   int64
	Expires   int64
	Uses      int
	UsesLeft  int

	By *string `bun:",scanonly"`
}

func (r *invitationRow) invitation() *Invitation {
	iv := &Invitation{ID: r.ID, Admin: r.Role == RoleAdmin, Created: fromMillis(r.Created), Expires: fromMillis(r.Expires),
		Uses: r.Uses, Left: r.UsesLeft}
	if r.By != nil {
		iv.By = *r.By
	}
	return iv
}

func newInvitation(by *ID, role string, now time.Time, uses int, life time.Duration) (row *invitationRow, token string) {
	secret := make([]byte, tokenSize)
	rand.Read(secret)
	hash := sha256.Sum256(secret)
	return &invitationRow{ID: NewID(), TokenHash: hash[:], CreatedBy: by, Role: role, Created: millis(now),
		Expires: millis(now.Add(life)), Uses: uses, UsesLeft: uses}, base64.RawURLEncoding.EncodeToString(secret)
}

// Create makes an invitation for a number of registrations and returns its token, base64url of 32 random bytes,
// which is stored nowhere. by is nil for the command line. Invalid for field "uses" or "days", Conflict when
// too many are open.
func (iv *Invitations) Create(ctx context.Context, by *ID, uses int, life time.Duration) (token string, made *Invitation, err error) {
	if uses < 1 || uses > MaxInvitationUses {
		return "", nil, Errorf(Invalid, "uses", "give a number from 1 to %d", MaxInvitationUses)
	}
	if life < MinInvitationLife || life > MaxInvitationLife {
		return "", nil, Errorf(Invalid, "days", "an invitation lives from an hour to %d days", int(MaxInvitationLife/(24*time.Hour)))
	}
	row, token := newInvitation(by, RoleUser, iv.db.now(), uses, life)
	err = iv.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := iv.expire(ctx, tx); err != nil {
			return err
		}
		n, err := tx.NewSelect().Model((*invitationRow)(nil)).Count(ctx)
		if err != nil {
			return err
		}
		if n >= MaxInvitations {
			return Errorf(Conflict, "", "%d invitations are open: take some back first", n)
		}
		_, err = tx.NewInsert().Model(row).Exec(ctx)
		return err
	})
	if err != nil {
		return "", nil, err
	}
	return token, row.invitation(), nil
}

// CreateFirst makes the one by which the first administrator registers, in place of an earlier one. ok is false
// when there is an account already: then an administrator is made on the command line.
func (iv *Invitations) CreateFirst(ctx context.Context, life time.Duration) (token string, ok bool, err error) {
	anybody := func(db bun.IDB) (bool, error) {
		return db.NewSelect().Model((*accountRow)(nil)).Where("deleted IS NULL").Exists(ctx)
	}
	// Most starts are of a server that has accounts: they write nothing.
	if some, err := anybody(iv.db.main.r); err != nil || some {
		return "", false, storeError(err)
	}
	row, token := newInvitation(nil, RoleAdmin, iv.db.now(), 1, life)
	err = iv.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		some, err := anybody(tx)
		if err != nil || some {
			return err
		}
		ok = true
		if _, err := tx.NewDelete().Model((*invitationRow)(nil)).Where("role = ?", RoleAdmin).Exec(ctx); err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(row).Exec(ctx)
		return err
	})
	if err != nil || !ok {
		return "", false, err
	}
	return token, true, nil
}

// FirstWaits tells whether the first administrator's invitation can still be used.
func (iv *Invitations) FirstWaits(ctx context.Context) (bool, error) {
	ok, err := iv.open(iv.db.main.r.NewSelect().Model((*invitationRow)(nil)).Where("invitation_row.role = ?", RoleAdmin)).Exists(ctx)
	return ok, storeError(err)
}

// DropFirst takes the first administrator's invitation back.
func (iv *Invitations) DropFirst(ctx context.Context) error {
	return iv.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewDelete().Model((*invitationRow)(nil)).Where("role = ?", RoleAdmin).Exec(ctx)
		return err
	})
}

// open leaves those that can be used: in time, made on the command line or by who is an administrator still, and
// the first administrator's only while there is none.
func (iv *Invitations) open(q *bun.SelectQuery) *bun.SelectQuery {
	return q.Where("expires > ?", millis(iv.db.now())).
		Where("created_by IS NULL OR EXISTS (SELECT 1 FROM standing AS m WHERE m.account_id = created_by AND m.role = ? AND m.suspended IS NULL)", RoleAdmin).
		Where("invitation_row.role <> ? OR NOT EXISTS (SELECT 1 FROM standing AS m JOIN accounts AS a ON a.id = m.account_id WHERE m.role = ? AND a.deleted IS NULL)", RoleAdmin, RoleAdmin)
}

func errNoInvitation() error {
	return Errorf(NotFound, "", "find invitation: it is used up, taken back or too old")
}

// Lookup finds the invitation of a token. NotFound for one that can't be used, for whatever reason.
func (iv *Invitations) Lookup(ctx context.Context, token string) (*Invitation, error) {
	row, err := iv.find(ctx, iv.db.main.r, token)
	if err != nil {
		return nil, storeError(err)
	}
	return row.invitation(), nil
}

func (iv *Invitations) find(ctx context.Context, db bun.IDB, token string) (*invitationRow, error) {
	secret, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(secret) != tokenSize || len(token) != base64.RawURLEncoding.EncodedLen(tokenSize) {
		return nil, errNoInvitation()
	}
	hash := sha256.Sum256(secret)
	row := new(invitationRow)
	err = iv.open(db.NewSelect().Model(row).Where("token_hash = ?", hash[:])).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoInvitation()
	}
	return row, err
}

// use takes one registration from an invitation, as part of the transaction that makes the account.
func (iv *Invitations) use(ctx context.Context, tx bun.Tx, token string) (*Invitation, error) {
	row, err := iv.find(ctx, tx, token)
	if err != nil {
		return nil, err
	}
	if row.UsesLeft--; row.UsesLeft == 0 {
		_, err = tx.NewDelete().Model(row).WherePK().Exec(ctx)
	} else {
		_, err = tx.NewUpdate().Model(row).Column("uses_left").WherePK().Exec(ctx)
	}
	return row.invitation(), err
}

// List returns the invitations that can be used, newest first, without the first administrator's.
func (iv *Invitations) List(ctx context.Context) ([]Invitation, error) {
	var rows []invitationRow
	err := iv.open(iv.db.main.r.NewSelect().Model(&rows).ColumnExpr("?TableColumns").ColumnExpr("a.login AS by").
		Join("LEFT JOIN accounts AS a ON a.id = ?TableAlias.created_by").Where("?TableAlias.role = ?", RoleUser)).
		OrderExpr("?TableAlias.created DESC, ?TableAlias.id DESC").Scan(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	out := make([]Invitation, len(rows))
	for i := range rows {
		out[i] = *rows[i].invitation()
	}
	return out, nil
}

// Revoke takes an invitation back. NotFound when there is none.
func (iv *Invitations) Revoke(ctx context.Context, id ID) error {
	return iv.db.main.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.NewDelete().Model((*invitationRow)(nil)).Where("id = ?", id).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errNoInvitation())
		}
		return nil
	})
}

// Expire removes those that are too old.
func (iv *Invitations) Expire(ctx context.Context) error {
	some, err := iv.db.main.r.NewSelect().Model((*invitationRow)(nil)).Where("expires <= ?", millis(iv.db.now())).Exists(ctx)
	if err != nil || !some {
		return storeError(err)
	}
	return iv.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error { return iv.expire(ctx, tx) })
}

func (iv *Invitations) expire(ctx context.Context, tx bun.Tx) error {
	_, err := tx.NewDelete().Model((*invitationRow)(nil)).Where("expires <= ?", millis(iv.db.now())).Exec(ctx)
	return err
}
