package models

import (
	"context"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// List opens all keys of an account, oldest first. A key that does not open is marked
// Unreadable, a version that does not is left out: the others still work.
func (ks *Keys) List(ctx context.Context, u *Unlocked) (keys []Key, err error) {
	err = ks.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		keys, err = listKeys(ctx, tx, u)
		return err
	})
	return keys, err
}

// ListKinds is List for keys of some kinds alone, of which no other is read or opened. The kind in the clear finds
// them, so that somebody who writes the database can hide a key here, as by removing it.
func (ks *Keys) ListKinds(ctx context.Context, u *Unlocked, kinds ...string) (keys []Key, err error) {
	if len(kinds) == 0 {
		return nil, nil
	}
	err = ks.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		keys, err = listKeys(ctx, tx, u, kinds...)
		return err
	})
	return keys, err
}

func listKeys(ctx context.Context, tx bun.Tx, u *Unlocked, kinds ...string) (keys []Key, err error) {
	var rows []keyRow
	var versions []keyVersionRow
	ofRows := tx.NewSelect().Model(&rows).Where("account_id = ?", u.Account.ID).Order("created", "id")
	ofVersions := tx.NewSelect().Model(&versions).Where("account_id = ?", u.Account.ID).Order("key_id", "n")
	if len(kinds) > 0 {
		ofRows.Where("kind IN (?)", bun.List(kinds))
		ofVersions.Where("key_id IN (?)", tx.NewSelect().Model((*keyRow)(nil)).Column("id").
			Where("account_id = ?", u.Account.ID).Where("kind IN (?)", bun.List(kinds)))
	}
	if err := ofRows.Scan(ctx); err != nil {
		return nil, err
	}
	if err := ofVersions.Scan(ctx); err != nil {
		return nil, err
	}
	byKey := make(map[ID][]KeyVersion)
	for i := range versions {
		if v, err := versions[i].open(u); err == nil {
			byKey[versions[i].KeyID] = append(byKey[versions[i].KeyID], v)
		}
	}
	for i := range rows {
		k, err := rows[i].open(u)
		if err == nil {
			k.Versions = byKey[k.ID]
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func (r *keyRow) open(u *Unlocked) (Key, error) {
	unreadable := Key{ID: r.ID, Kind: r.Kind, Created: fromMillis(r.Created), Unreadable: true}
	var s sealedKey
	if err := openJSON(u.Ring, seal.KeyRing, r.place(), r.SealedKey, &s); err != nil {
		return unreadable, err
	}
	k := Key{
		ID: r.ID, Kind: s.Kind, Algorithm: s.Algorithm, Name: s.Name, Description: s.Description,
		Default: s.Default, Created: fromMillis(s.Created), MinVersion: s.MinVersion, Last: s.Last, Rewrap: s.Rewrap,
	}
	if s.Expires != 0 {
		k.Expires = fromMillis(s.Expires)
	}
	return k, nil
}

func (r *keyVersionRow) open(u *Unlocked) (KeyVersion, error) {
	var s sealedKeyVersion
	if err := openJSON(u.Ring, seal.KeyRing, r.place(), r.SealedVersion, &s); err != nil {
		return KeyVersion{}, err
	}
	if len(s.Key) != len(r.KeyID) || ID(s.Key) != r.KeyID || s.N != r.N {
		return KeyVersion{}, seal.ErrOpen
	}
	v := KeyVersion{
		N: s.N, State: s.State, Created: fromMillis(s.Created), Public: s.Public, Secret: s.Secret,
		Fingerprint: s.Fingerprint, SignsOnly: s.SignsOnly, Revocation: s.Revocation,
	}
	if s.Changed != 0 {
		v.Changed = fromMillis(s.Changed)
	}
	v.PublicDiffers = v.published() != r.Public
	return v, nil
}
