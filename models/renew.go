package models

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// A sealedTable is one whose rows stand under an account key and carry seal_version.
type sealedTable struct {
	name    string
	columns []sealedColumn
	whole   func(plain map[string][]byte) bool // whether no part of a row is missing; nil: there are no parts
}

type sealedColumn struct {
	name    string
	purpose seal.Purpose
}

// sealedTables are what Reseal goes through. The seals of accounts and account_keys
// are few and made anew by Renew itself.
func sealedTables() []sealedTable {
	return []sealedTable{
		{name: "keys", columns: []sealedColumn{{"sealed_key", seal.KeyRing}}},
		{name: "key_versions", columns: []sealedColumn{{"sealed_version", seal.KeyRing}}},
		{name: "people", columns: []sealedColumn{{"sealed_person", seal.KeyRing}}},
		{name: "items", whole: wholeItem, columns: []sealedColumn{
			{"sealed_title", seal.Names}, {"sealed_meta", seal.Names}, {"sealed_blob", seal.Files}, {"sealed_body", seal.Items},
		}},
	}
}

func wholeItem(plain map[string][]byte) bool {
	var m sealedItem
	if err := json.Unmarshal(plain["sealed_meta"], &m); err != nil {
		return false
	}
	_, body := plain["sealed_body"]
	_, blob := plain["sealed_blob"]
	return m.Body == body && m.Blob == blob
}

// Renew makes a new account key and seals the old one under it, in one transaction
// with everything in the account's own row. The account gets another HPKE pair too: who
// had the old key had the old pair. The recovery code is replaced, the epoch
// rises and every session ends, the asking one too: the caller makes a new one from u,
// whose ring has both keys. Rows are renewed by Reseal. Unauthorized for "current".
func (a *Accounts) Renew(ctx context.Context, u *Unlocked, current string) error {
	checked, pw, err := a.checkCurrent(ctx, u, current)
	if err != nil {
		return err
	}
	creds, unlock, err := a.db.kdf.create(a.db.opts.Pepper, pw)
	if err != nil {
		return fail(Internal, "make verifier", err)
	}
	key := seal.NewKey()
	var version uint32
	err = a.change(ctx, u, func(ctx context.Context, tx bun.Tx, row *accountRow) error {
		if row.Verifier != checked.Verifier {
			return errEnded()
		}
		version = row.KeyVersion + 1
		next := seal.NewRing(version, key)
		if err := sealOlder(ctx, tx, u, next); err != nil {
			return err
		}
		if err := retryRows(ctx, tx, u.Account.ID); err != nil {
			return err
		}
		pairs, err := row.openPairs(u.Ring)
		if err != nil {
			return err
		}
		if err := row.newPair(next, pairs); err != nil {
			return err
		}
		if err := resealAdvice(ctx, tx, u, next); err != nil {
			return err
		}
		row.KeyVersion = version
		row.Epoch++
		row.setPassword(creds, unlock, key)
		return row.newRecovery(next, millis(a.db.now()), ReasonRenewed)
	})
	if err == nil {
		u.Ring.Add(version, key)
	}
	return err
}

// sealOlder seals every version that the account has until now under the next one.
func sealOlder(ctx context.Context, tx bun.Tx, u *Unlocked, next *seal.Ring) error {
	rows, err := olderKeys(ctx, tx, u.Account.ID)
	if err != nil {
		return err
	}
	for i := range rows {
		_, key, err := rows[i].open(u.Ring)
		if err != nil {
			continue // it opens nothing today either; its row stays as it is
		}
		rows[i].seal(next, key)
		if _, err := tx.NewUpdate().Model(&rows[i]).WherePK().Exec(ctx); err != nil {
			return err
		}
	}
	version, key := u.Ring.Current()
	row := accountKeyRow{ID: NewID(), AccountID: u.Account.ID, Version: version}
	row.seal(next, key)
	_, err = tx.NewInsert().Model(&row).Exec(ctx)
	return err
}

// sealVersion is the version under which u may seal a row in tx. After a renewal by
// another session that is the older one, as long as it is kept: Reseal will find the
// row. Once it is dropped the row could never be opened, so that it is Unauthorized.
func sealVersion(ctx context.Context, tx bun.Tx, u *Unlocked) (int64, error) {
	version, _ := u.Ring.Current()
	newest, err := keyVersion(ctx, tx, u.Account.ID)
	if err != nil {
		return 0, err
	}
	if version != newest {
		kept, err := tx.NewSelect().Model((*accountKeyRow)(nil)).
			Where("account_id = ?", u.Account.ID).Where("version = ?", version).Exists(ctx)
		if err != nil {
			return 0, err
		}
		if !kept || version > newest {
			return 0, errEnded()
		}
	}
	return int64(version), nil
}

// keyVersion is the newest version of an account's key. Unauthorized when the account is gone.
func keyVersion(ctx context.Context, tx bun.Tx, account ID) (newest uint32, err error) {
	err = tx.NewSelect().Model((*accountRow)(nil)).Column("key_version").Where("id = ?", account).Where("deleted IS NULL").Scan(ctx, &newest)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, errEnded()
	}
	return newest, err
}

// resealBytes bounds the sealed bytes that one call of Reseal rewrites: bodies have up
// to 2 MiB, and the transaction stands in the log until it is written back.
const resealBytes = 32 << 20

// Reseal puts up to limit rows that stand under an older account key under the newest
// and returns how many are left; it may stop before the limit, at 32 MiB. A call is one
// transaction, so that it may be cut anywhere and taken up at the next log-in. Files are
// not rewritten, only their sealed file keys. With none left the older versions are
// dropped, but for those that a row which did not open may need (its seal_version then is
// negative); the next renewal tries it again.
func (a *Accounts) Reseal(ctx context.Context, u *Unlocked, limit int) (left int, err error) {
	current, _ := u.Ring.Current()
	version := int64(current)
	err = a.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		newest, err := keyVersion(ctx, tx, u.Account.ID)
		if err != nil {
			return err
		}
		if newest != current {
			return errEnded()
		}
		bytes := 0
		for _, table := range sealedTables() {
			if err := table.reseal(ctx, tx, u, version, &limit, &bytes); err != nil {
				return err
			}
		}
		if left, err = olderRows(ctx, tx, u.Account.ID, version); err != nil || left > 0 {
			return err
		}
		return dropOlder(ctx, tx, u.Account.ID)
	})
	if err != nil {
		return 0, err
	}
	return left, nil
}

// ResealLeft returns how many rows still stand under an older account key.
func (a *Accounts) ResealLeft(ctx context.Context, u *Unlocked) (left int, err error) {
	left, err = olderRows(ctx, a.db.main.r, u.Account.ID, int64(u.Account.KeyVersion))
	return left, storeError(err)
}

func olderRows(ctx context.Context, db bun.IDB, account ID, version int64) (n int, err error) {
	for _, table := range sealedTables() {
		some, err := db.NewSelect().Table(table.name).Where("account_id = ?", account).
			Where("seal_version BETWEEN 1 AND ?", version-1).Count(ctx)
		if err != nil {
			return 0, err
		}
		n += int(some)
	}
	return n, nil
}

// reseal takes the rows and bytes it has done from and adds them to the call's.
func (t sealedTable) reseal(ctx context.Context, tx bun.Tx, u *Unlocked, version int64, limit, bytes *int) error {
	if *limit <= 0 || *bytes >= resealBytes {
		return nil
	}
	var ids []ID
	err := tx.NewSelect().Table(t.name).Column("id").Where("account_id = ?", u.Account.ID).
		Where("seal_version BETWEEN 1 AND ?", version-1).Order("id").Limit(int64(*limit)).Scan(ctx, &ids)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if *bytes >= resealBytes {
			return nil
		}
		n, err := t.resealRow(ctx, tx, u, id, version)
		if err != nil {
			return err
		}
		*limit, *bytes = *limit-1, *bytes+n
	}
	return nil
}

// resealRow opens every seal of a row and makes it anew; a row of which one does not
// open or is missing is left as it was and marked. bytes is what was sealed.
func (t sealedTable) resealRow(ctx context.Context, tx bun.Tx, u *Unlocked, id ID, version int64) (bytes int, err error) {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	values := make(map[string]any)
	if err := tx.NewSelect().Table(t.name).Column(names...).Where("id = ?", id).Scan(ctx, &values); err != nil {
		return 0, fmt.Errorf("read sealed row: %w", err)
	}
	mark := func() error {
		_, err := tx.NewUpdate().Table(t.name).Where("id = ?", id).Set("seal_version = -seal_version").Exec(ctx)
		return err
	}
	update := tx.NewUpdate().Table(t.name).Where("id = ?", id)
	opened := make(map[string][]byte)
	for _, c := range t.columns {
		sealed, ok := values[c.name].([]byte)
		if !ok {
			continue // NULL
		}
		p := place(t.name, c.name, id, u.Account.ID)
		plain, err := u.Ring.Open(c.purpose, p, sealed)
		if err != nil {
			return bytes, mark()
		}
		opened[c.name] = plain
		bytes += len(sealed)
		update = update.Set("? = ?", bun.Ident(c.name), u.Ring.Seal(c.purpose, p, plain))
	}
	if t.whole != nil && !t.whole(opened) {
		return bytes, mark()
	}
	_, err = update.Set("seal_version = ?", version).Exec(ctx)
	return bytes, err
}

// retryRows gives the rows that did not open at an earlier renewal another try: what was
// damaged may have been put right.
func retryRows(ctx context.Context, tx bun.Tx, account ID) error {
	for _, table := range sealedTables() {
		_, err := tx.NewUpdate().Table(table.name).Set("seal_version = -seal_version").
			Where("account_id = ?", account).Where("seal_version < 0").Exec(ctx)
		if err != nil {
			return err
		}
	}
	return nil
}

// dropOlder forgets the account keys that no row needs: those older than the oldest seal
// of every row that did not open. Its other seals may stand under any version above.
func dropOlder(ctx context.Context, tx bun.Tx, account ID) error {
	q := tx.NewDelete().Model((*accountKeyRow)(nil)).Where("account_id = ?", account)
	for _, table := range sealedTables() {
		q = q.Where("NOT EXISTS (?)", tx.NewSelect().Table(table.name).ColumnExpr("1").
			Where("account_id = ?", account).Where("seal_version < 0").Where("-seal_version <= account_key_row.version"))
	}
	_, err := q.Exec(ctx)
	return err
}
