package models

import (
	"context"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// Standing is a ciphertext of the vault with the key that opens it, as far as that was noted.
type Standing struct {
	Item    ID
	Key     ID  // zero when no key of the person's is noted
	Version int // 0 then
	Size    int64
	Kept    string // why the last rewrap left it as it was, as ItemMeta has it
}

// Standing returns all ciphertexts of an account, also those in the trash: they can come back. What does not
// open is left out.
func (it *Items) Standing(ctx context.Context, u *Unlocked) (all []Standing, err error) {
	err = it.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		all, err = standing(ctx, tx, u)
		return err
	})
	return all, err
}

func standing(ctx context.Context, tx bun.Tx, u *Unlocked) (all []Standing, err error) {
	var rows []itemRow
	err = tx.NewSelect().Model(&rows).Column("id", "account_id", "size", "sealed_meta").
		Where("account_id = ?", u.Account.ID).Where("kind = 'ciphertext'").Order("created", "id").Scan(ctx)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		var m sealedItem
		if openJSON(u.Ring, seal.Names, rows[i].place("sealed_meta"), rows[i].SealedMeta, &m) != nil {
			continue
		}
		s := Standing{Item: rows[i].ID, Size: m.Size, Kept: m.Kept}
		if key, err := ParseID(m.KeyID); err == nil {
			s.Key, s.Version = key, m.KeyVersion
		}
		all = append(all, s)
	}
	return all, nil
}

// depending counts what stands under a key, or under one version of it unless n is 0.
func depending(ctx context.Context, tx bun.Tx, u *Unlocked, key ID, n int) (count int, err error) {
	all, err := standing(ctx, tx, u)
	for _, s := range all {
		if s.Key == key && (n == 0 || s.Version == n) {
			count++
		}
	}
	return count, err
}

func errDepends(what string, n int, next string) error {
	items := "items in your vault are"
	if n == 1 {
		items = "item in your vault is"
	}
	return Errorf(Conflict, "depends", "%s: %d %s encrypted to it and could never be opened again, %s", what, n, items, next)
}

// DeleteVersion deletes a version that is not active, for good. Conflict for field "depends", with a count,
// while items of the vault stand under it; they may be in the trash.
func (ks *Keys) DeleteVersion(ctx context.Context, u *Unlocked, id ID, n int) error {
	return ks.db.main.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		k, err := getKey(ctx, tx, u, id)
		if err != nil {
			return err
		}
		v := k.Version(n)
		switch {
		case v == nil:
			return errNoKey()
		case v.State == KeyActive:
			return Errorf(Conflict, "version", "delete version: it is the active one, retire it first")
		case len(k.Versions) == 1:
			return Errorf(Conflict, "version", "delete version: it is the only one, delete the whole key")
		}
		count, err := depending(ctx, tx, u, id, n)
		if err != nil {
			return err
		}
		if count > 0 {
			return errDepends("delete version", count, "rewrap or delete them first")
		}
		for i := range k.Versions {
			if k.Versions[i].N == n {
				k.Last = max(k.Last, k.Newest().N)
				k.Versions = append(k.Versions[:i], k.Versions[i+1:]...)
				break
			}
		}
		return saveKey(ctx, tx, u, k)
	})
}

// Delete deletes a key with all versions, for good. Conflict for field "depends", with a count, while items
// of the vault stand under it. A default is handed to the newest other key of the kind that can encrypt.
func (ks *Keys) Delete(ctx context.Context, u *Unlocked, id ID) error {
	now := ks.db.now()
	return ks.db.main.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		k, err := getKey(ctx, tx, u, id)
		if err != nil {
			return err
		}
		count, err := depending(ctx, tx, u, id, 0)
		if err != nil {
			return err
		}
		if count > 0 {
			return errDepends("delete key", count, "decrypt or delete them first")
		}
		// The foreign key takes the versions along.
		if _, err := tx.NewDelete().Model((*keyRow)(nil)).Where("id = ?", id).Where("account_id = ?", u.Account.ID).Exec(ctx); err != nil {
			return err
		}
		if !k.Default {
			return nil
		}
		ring, err := listKeys(ctx, tx, u)
		if err != nil {
			return err
		}
		for i := len(ring) - 1; i >= 0; i-- {
			if ring[i].Kind == k.Kind && ring[i].Active(now) != nil {
				ring[i].Default = true
				return saveKey(ctx, tx, u, &ring[i])
			}
		}
		return nil
	})
}

// SetMinVersion makes versions below n open nothing any more, and can be taken back with a lower one. Invalid
// for field "min_version" outside of the key's numbers, Conflict for "depends" while items stand below it, and
// for an OpenPGP key: its versions share one primary key, and each holds the subkeys of those before it.
func (ks *Keys) SetMinVersion(ctx context.Context, u *Unlocked, id ID, n int) error {
	return ks.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		k, err := getKey(ctx, tx, u, id)
		if err != nil {
			return err
		}
		last := k.Newest()
		if last == nil {
			return errNoKey()
		}
		if k.Kind == KindPGP {
			return Errorf(Conflict, "", "set lowest version: all versions of an OpenPGP key are one key, which opens everything that was ever encrypted to it; rewrap and delete older versions, or make a new key")
		}
		if n < 1 || n > last.N {
			return Errorf(Invalid, "min_version", "the lowest version has to be a number from 1 to %d", last.N)
		}
		all, err := standing(ctx, tx, u)
		if err != nil {
			return err
		}
		count := 0
		for _, s := range all {
			if s.Key == id && s.Version < n {
				count++
			}
		}
		if count > 0 {
			return errDepends("set lowest version", count, "rewrap them first")
		}
		k.MinVersion = n
		return saveKey(ctx, tx, u, k)
	})
}
