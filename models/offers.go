package models

import (
	"context"
	"database/sql"
	"errors"
	"unicode/utf8"

	"github.com/uptrace/bun"
)

// Offer is what an account gives to others: its login and one public key of a kind, as they stand in the clear.
// Who writes the database can change it, so that it is believed once, when a person is added, and then compared.
type Offer struct {
	Account ID
	Login   string
	Public  map[string]string // by kind
}

// Keys parses what is offered, in the order of kinds. What is no public key of its kind is left out.
func (o *Offer) Keys() (keys []PublicKey) {
	for _, kind := range offeredKinds() {
		if k := o.key(kind); k != nil {
			keys = append(keys, *k)
		}
	}
	return keys
}

// key is what is offered of a kind, nil when that is not one public key.
func (o *Offer) key(kind string) *PublicKey {
	if keys, err := ParsePublic(o.Public[kind]); err == nil && len(keys) == 1 && keys[0].Kind == kind {
		return &keys[0]
	}
	return nil
}

type keyOfferRow struct {
	bun.BaseModel `bun:"table:key_offers"`

	AccountID ID     `bun:",pk"`
	Kind      string `bun:",pk"`
	VersionID ID
}

type unlistedRow struct {
	bun.BaseModel `bun:"table:unlisted"`

	AccountID ID `bun:",pk"`
}

// offerKeys notes what others are given from now on: of each kind the active version of the default key. It is part
// of every transaction that changes keys.
func offerKeys(ctx context.Context, tx bun.Tx, u *Unlocked) error {
	var rows []keyRow
	var versions []keyVersionRow
	if err := tx.NewSelect().Model(&rows).Where("account_id = ?", u.Account.ID).Scan(ctx); err != nil {
		return err
	}
	if err := tx.NewSelect().Model(&versions).Where("account_id = ?", u.Account.ID).Where("public <> ''").Order("n").Scan(ctx); err != nil {
		return err
	}
	if _, err := tx.NewDelete().Model((*keyOfferRow)(nil)).Where("account_id = ?", u.Account.ID).Exec(ctx); err != nil {
		return err
	}
	for i := range rows {
		k, err := rows[i].open(u)
		if err != nil || !k.Default {
			continue
		}
		offer, active := keyOfferRow{AccountID: u.Account.ID, Kind: k.Kind}, false
		for j := range versions {
			if versions[j].KeyID != k.ID {
				continue
			}
			v, err := versions[j].open(u)
			if err != nil || v.N < k.MinVersion {
				continue
			}
			// That an OpenPGP key is revoked has to reach others, unless another version takes its place.
			if v.State == KeyActive || v.State == KeyRevoked && k.Kind == KindPGP && !active {
				offer.VersionID, active = versions[j].ID, v.State == KeyActive
			}
		}
		if offer.VersionID.IsZero() {
			continue
		}
		if _, err := tx.NewInsert().Model(&offer).On("CONFLICT DO NOTHING").Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Offer notes anew what others are given of a person's keys.
func (ks *Keys) Offer(ctx context.Context, u *Unlocked) error {
	return ks.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error { return offerKeys(ctx, tx, u) })
}

// offers reads what accounts give to others. One that is not there, or was deleted, is not in the map.
func offers(ctx context.Context, db bun.IDB, accounts []ID) (map[ID]*Offer, error) {
	out := make(map[ID]*Offer)
	if len(accounts) == 0 {
		return out, nil
	}
	var found []accountRow
	err := db.NewSelect().Model(&found).Column("id", "login").Where("id IN (?)", bun.List(accounts)).Where("deleted IS NULL").Scan(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range found {
		out[a.ID] = &Offer{Account: a.ID, Login: a.Login, Public: make(map[string]string)}
	}
	var public []struct {
		AccountID    ID
		Kind, Public string
	}
	err = db.NewSelect().TableExpr("key_offers AS o").Join("JOIN key_versions AS v ON v.id = o.version_id AND v.account_id = o.account_id").
		Column("o.account_id", "o.kind", "v.public").Where("o.account_id IN (?)", bun.List(accounts)).Scan(ctx, &public)
	if err != nil {
		return nil, err
	}
	for _, p := range public {
		if o := out[p.AccountID]; o != nil && p.Public != "" {
			o.Public[p.Kind] = p.Public
		}
	}
	return out, nil
}

func errNobody() error { return Errorf(NotFound, "login", "nobody of this login can be found here") }

// Find returns what the account of a login gives to others. The login is that of the whole account, in any case.
// NotFound for one that does not exist and, with the same work, for one that is unlisted or suspended.
func (p *People) Find(ctx context.Context, login string) (*Offer, error) {
	key, ok := LoginKey(login) // of an older Zencrypt too, which breaks today's rules
	if !ok || key == "" || !utf8.ValidString(login) {
		return nil, errNobody()
	}
	var found *Offer
	err := p.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, err := accountBy(ctx, tx, "login_key", key)
		if errors.Is(err, sql.ErrNoRows) {
			row, err = &accountRow{ID: NewID()}, nil // the questions below are asked all the same
		}
		if err != nil {
			return err
		}
		hidden, err := tx.NewSelect().Model((*unlistedRow)(nil)).Where("account_id = ?", row.ID).Exists(ctx)
		if err != nil {
			return err
		}
		all, err := offers(ctx, tx, []ID{row.ID})
		if err != nil || hidden || row.Suspended != nil {
			return err
		}
		found = all[row.ID]
		return nil
	})
	if err != nil {
		return nil, storeError(err)
	}
	if found == nil {
		return nil, errNobody()
	}
	return found, nil
}

// Unlisted tells whether nobody finds an account by its login.
func (a *Accounts) Unlisted(ctx context.Context, id ID) (bool, error) {
	hidden, err := a.db.main.r.NewSelect().Model((*unlistedRow)(nil)).Where("account_id = ?", id).Exists(ctx)
	return hidden, storeError(err)
}

// SetUnlisted hides an account from who looks for its login, or shows it again. Who added the person before keeps it.
func (a *Accounts) SetUnlisted(ctx context.Context, u *Unlocked, unlisted bool) error {
	return a.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		var err error
		if unlisted {
			_, err = tx.NewInsert().Model(&unlistedRow{AccountID: u.Account.ID}).On("CONFLICT DO NOTHING").Exec(ctx)
		} else {
			_, err = tx.NewDelete().Model((*unlistedRow)(nil)).Where("account_id = ?", u.Account.ID).Exec(ctx)
		}
		return err
	})
}
