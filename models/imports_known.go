package models

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// importedUnderRow names the server key that the ids of one account that came, and of its records, were made with.
type importedUnderRow struct {
	bun.BaseModel `bun:"table:imported_under"`

	ID     ID `bun:",pk"`
	Pepper string
}

// origins makes the digests by which accounts and records are known again, under a key derived from the server key:
// the database alone shows nothing of the old ids, and cannot be asked about them.
type origins struct {
	key    seal.Key
	pepper string // the server key's fingerprint
}

func (p PepperKeys) origins(fingerprint string) origins {
	k := p.Keys[fingerprint]
	return origins{seal.Derive(k.Logins[:], "zencrypt/v1/import-origin"), fingerprint}
}

// digest is the first 16 bytes of HMAC-SHA-256 over the parts, each with its length in 4 bytes.
func (o origins) digest(parts ...string) (id ID) {
	mac := hmac.New(sha256.New, o.key[:])
	for _, p := range parts {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		mac.Write(n[:])
		mac.Write([]byte(p))
	}
	return ID(mac.Sum(nil)[:16])
}

// fingerprints are those of all server keys that are here, the active one first.
func (p PepperKeys) fingerprints() []string {
	out := []string{p.Active}
	for fingerprint := range p.Keys {
		if fingerprint != p.Active {
			out = append(out, fingerprint)
		}
	}
	slices.Sort(out[1:])
	return out
}

// find returns the row of an origin and the key that it was noted under: the active server key, or an older one.
func (im *Imports) find(ctx context.Context, tx bun.Tx, origin []string) (*importedAccountRow, origins, error) {
	pepper := im.db.opts.Pepper
	for _, fingerprint := range pepper.fingerprints() {
		by := pepper.origins(fingerprint)
		row := &importedAccountRow{ID: by.digest(origin...)}
		err := tx.NewSelect().Model(row).WherePK().Scan(ctx)
		if err == nil {
			return row, by, by.noted(ctx, tx, row.ID)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return nil, by, err
		}
	}
	return nil, pepper.origins(pepper.Active), nil
}

// noted puts down which server key an id is of.
func (o origins) noted(ctx context.Context, tx bun.Tx, id ID) error {
	_, err := tx.NewInsert().Model(&importedUnderRow{ID: id, Pepper: o.pepper}).On("CONFLICT DO NOTHING").Exec(ctx)
	return err
}

// FieldOrigin is the field of the Conflict of an account of which nobody can tell whether it came before.
const FieldOrigin = "origin"

// unsure is Conflict when an account that is not known may have come all the same, under a server key that is not here any
// more. Then its login is all that is left to judge by: it is the one of an account that came so, leads to one, or was given up.
func (im *Imports) unsure(ctx context.Context, tx bun.Tx, in *Incoming) error {
	pepper := im.db.opts.Pepper
	login, _ := LoginKey(in.Login)
	gone := func() *bun.SelectQuery { return forgotten(tx, pepper) }
	here, err := gone().Join("JOIN accounts AS a ON a.id = i.account_id").
		Where("a.login_key = ? OR a.id IN (?)", login, tx.NewSelect().Model((*aliasRow)(nil)).Column("account_id").Where("alias_key = ?", login)).Exists(ctx)
	if err != nil {
		return err
	}
	if !here {
		given, err := tx.NewSelect().Model((*retiredRow)(nil)).Where("digest IN (?)", bun.List(pepper.retiredDigests(login))).Exists(ctx)
		if err == nil && given {
			here, err = gone().Exists(ctx)
		}
		if err != nil {
			return err
		}
	}
	if here {
		return Errorf(Conflict, FieldOrigin, "it may have come before: an account with this login did, by an import under a server key that is not here")
	}
	return nil
}

// forgotten are the accounts that came under none of the server keys that are here, as far as is noted.
func forgotten(db bun.IDB, p PepperKeys) *bun.SelectQuery {
	return db.NewSelect().TableExpr("imported_accounts AS i").Join("LEFT JOIN imported_under AS k ON k.id = i.id").
		Where("coalesce(k.pepper, '') NOT IN (?)", bun.List(p.fingerprints()))
}

// Forgotten counts the accounts that came by imports under a server key that is not here: they are not known again by
// their ids. keys are the fingerprints of these server keys, as far as they were noted.
func (im *Imports) Forgotten(ctx context.Context) (n int, keys []string, err error) {
	var rows []struct {
		Pepper string
		N      int
	}
	err = forgotten(im.db.main.r, im.db.opts.Pepper).ColumnExpr("coalesce(k.pepper, '') AS pepper, count(*) AS n").GroupExpr("1").OrderExpr("1").Scan(ctx, &rows)
	for _, r := range rows {
		n += r.N
		if r.Pepper != "" {
			keys = append(keys, r.Pepper)
		}
	}
	return n, keys, storeError(err)
}
