package models

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// metaLost names server keys that are gone for good.
const metaLost = "lost_keys"

// LostKeys are server keys without which a database opens all the same: an operator has said that they are gone.
type LostKeys struct {
	At   time.Time // of the latest
	Keys []string  // fingerprints
}

// KeyUse is what depends on one server key.
type KeyUse struct {
	Fingerprint   string `json:"fingerprint"`
	Accounts      int    `json:"accounts"`       // whose password was last set, or raised, under it
	Waiting       int    `json:"waiting"`        // of these, who came by an import and have no recovery code yet
	RetiredLogins int    `json:"retired_logins"` // logins that were given up, kept from others by it
	Imported      int    `json:"imported"`       // accounts that came by an import, and are known again by it
	Lost          bool   `json:"lost"`
}

// KeyUses lists the server keys that a data folder's database depends on, and which one it was last opened with. It
// needs none of them and changes nothing.
func KeyUses(ctx context.Context, dir string) (use []KeyUse, active string, err error) {
	db, done, err := openToRead(filepath.Join(dir, mainFile))
	if err != nil {
		return nil, "", err
	}
	defer done()
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		use, active, err = keyUse(ctx, tx)
		return err
	})
	return use, active, storeError(err)
}

func keyUse(ctx context.Context, tx bun.Tx) (use []KeyUse, active string, err error) {
	err = tx.NewSelect().Table("meta").Column("value").Where("name = ?", metaServerKey).Scan(ctx, &active)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, "", err
	}
	lost, err := lostKeys(ctx, tx)
	if err != nil {
		return nil, "", err
	}
	by := map[string]*KeyUse{}
	of := func(fp string) *KeyUse {
		if by[fp] == nil {
			by[fp] = &KeyUse{Fingerprint: fp, Lost: slices.Contains(lost.Keys, fp)}
		}
		return by[fp]
	}
	if active != "" {
		of(active)
	}
	noted, err := tx.NewSelect().Table("sqlite_schema").Where("type = 'table' AND name = 'imported_under'").Exists(ctx)
	if err != nil {
		return nil, "", err
	}
	type dependent struct {
		table, where string
		note         func(*KeyUse, int)
	}
	all := []dependent{
		{"accounts", "deleted IS NULL", func(u *KeyUse, n int) { u.Accounts = n }},
		{"accounts", "deleted IS NULL AND verifier = ''", func(u *KeyUse, n int) { u.Waiting = n }}, // in a database of any version
		{"retired_logins", "true", func(u *KeyUse, n int) { u.RetiredLogins = n }},
	}
	if noted {
		all = append(all, dependent{"imported_under", "true", func(u *KeyUse, n int) { u.Imported = n }})
	}
	for _, dependent := range all {
		var rows []struct {
			Pepper string
			N      int
		}
		err := tx.NewSelect().Table(dependent.table).Column("pepper").ColumnExpr("count(*) AS n").
			Where(dependent.where).Group("pepper").Order("pepper").Scan(ctx, &rows)
		if err != nil {
			return nil, "", err
		}
		for _, row := range rows {
			dependent.note(of(row.Pepper), row.N)
		}
	}
	for _, u := range by {
		use = append(use, *u)
	}
	slices.SortFunc(use, func(a, b KeyUse) int {
		switch {
		case a.Fingerprint == active:
			return -1
		case b.Fingerprint == active, a.Fingerprint > b.Fingerprint:
			return 1
		}
		return -1
	})
	return use, active, nil
}

func lostKeys(ctx context.Context, db bun.IDB) (lost LostKeys, err error) {
	var value string
	err = db.NewSelect().Table("meta").Column("value").Where("name = ?", metaLost).Scan(ctx, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return lost, nil
	}
	if err != nil {
		return lost, err
	}
	if err := json.Unmarshal([]byte(value), &lost); err != nil {
		return lost, fail(Internal, "read meta "+metaLost, err)
	}
	return lost, nil
}

// LoseServerKeys notes that server keys are gone, so that the database opens without them: passwords under one of them
// open nothing until the key is back, and logins that were given up under it can be registered again. active is the
// one that counts from now on; it can't be among the lost ones.
func LoseServerKeys(ctx context.Context, dir, active string, keys []string, now time.Time) error {
	if slices.Contains(keys, active) {
		return fmt.Errorf("give up server key %s: it is the active one", active)
	}
	db, err := openPlain(filepath.Join(dir, mainFile))
	if err != nil {
		return err
	}
	defer db.Close()
	return storeError(db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		lost, err := lostKeys(ctx, tx)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if !slices.Contains(lost.Keys, k) {
				lost.Keys = append(lost.Keys, k)
			}
		}
		lost.At = now.UTC()
		value, err := json.Marshal(lost)
		if err != nil {
			return err
		}
		for name, value := range map[string]string{metaLost: string(value), metaServerKey: active} {
			_, err := tx.NewInsert().Model(&metaRow{Name: name, Value: value}).On("CONFLICT (name) DO UPDATE").Set("value = EXCLUDED.value").Exec(ctx)
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// KeyLost returns when a server key was given up that passwords still depend on; ok is false when there is none. Who
// logs in has to know, since a right password is refused like a wrong one.
func (db *DB) KeyLost(ctx context.Context) (at time.Time, ok bool, err error) {
	lost, err := lostKeys(ctx, db.main.r)
	if err != nil || len(lost.Keys) == 0 {
		return time.Time{}, false, storeError(err)
	}
	var gone []string
	for _, k := range lost.Keys {
		if _, back := db.opts.Pepper.Keys[k]; !back {
			gone = append(gone, k)
		}
	}
	if len(gone) == 0 {
		return time.Time{}, false, nil
	}
	ok, err = db.main.r.NewSelect().Model((*accountRow)(nil)).Where("pepper IN (?)", bun.List(gone)).Where("deleted IS NULL").Exists(ctx)
	if !ok {
		lost.At = time.Time{}
	}
	return lost.At, ok, storeError(err)
}
