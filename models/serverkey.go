package models

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// PepperKeys are the server key and its older versions, by fingerprint.
type PepperKeys struct {
	Active string
	Keys   map[string]ServerKey
}

// ServerKey is what one version of the server key is used for here; both are derived from it.
type ServerKey struct {
	Pepper [32]byte // of passwords
	Logins [32]byte // of the digests of logins that were given up
}

// ErrServerKey is returned by Open, wrapped with the fingerprints, when the database depends on a server
// key that was not given.
var ErrServerKey = errors.New("server key does not fit this database: put the key back that was used with it. " +
	"Without it no password opens an account; recovery codes do not depend on it and still open everything. " +
	"If it is gone for good, see 'zencrypt secrets init --lost'")

// retiredDigest is what is kept of a login that was given up.
func (k ServerKey) retiredDigest(loginKey string) []byte {
	mac := hmac.New(sha256.New, k.Logins[:])
	mac.Write([]byte(loginKey))
	return mac.Sum(nil)
}

// retiredDigests are that of the active server key and those of the older ones, under which a login may
// have been given up.
func (p PepperKeys) retiredDigests(loginKey string) (out [][]byte) {
	for _, k := range p.Keys {
		out = append(out, k.retiredDigest(loginKey))
	}
	return out
}

// checkServerKey notes the server key of a new database and refuses a database of another one and one
// of whose older keys is missing: without it passwords are refused, and logins that were given up are free.
// After a rotation the noted key is among the older ones, and the active one is noted in its place.
func (db *DB) checkServerKey(ctx context.Context) error {
	active, keys := db.opts.Pepper.Active, db.opts.Pepper.Keys
	return db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		row := metaRow{Name: metaServerKey}
		err := tx.NewSelect().Model(&row).WherePK().Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			row.Value = active
			_, err = tx.NewInsert().Model(&row).Exec(ctx)
			return err
		}
		if err != nil {
			return err
		}
		use, _, err := keyUse(ctx, tx)
		if err != nil {
			return err
		}
		if _, ok := keys[row.Value]; !ok && !slices.ContainsFunc(use, func(u KeyUse) bool { return u.Fingerprint == row.Value && u.Lost }) {
			return fail(Unavailable, fmt.Sprintf("open database: it was made with server key %s and the key given is %s", row.Value, active), ErrServerKey)
		}
		missing := missingKeys(use, keys)
		if len(missing) > 0 {
			return fail(Unavailable, "open database: a server key is missing: "+strings.Join(missing, "; "), ErrServerKey)
		}
		if row.Value == active {
			return nil
		}
		row.Value = active
		_, err = tx.NewUpdate().Model(&row).WherePK().Exec(ctx)
		return err
	})
}

// missingKeys tells which server keys were not given and what depends on each. Those that were given up are not missed.
func missingKeys(use []KeyUse, keys map[string]ServerKey) (out []string) {
	for _, u := range use {
		if _, ok := keys[u.Fingerprint]; ok || u.Lost {
			continue
		}
		if u.Accounts > 0 {
			out = append(out, fmt.Sprintf("server key %s is needed for the passwords of %d accounts", u.Fingerprint, u.Accounts))
		}
		if u.RetiredLogins > 0 {
			out = append(out, fmt.Sprintf("server key %s is needed for %d logins that were given up", u.Fingerprint, u.RetiredLogins))
		}
	}
	return out
}
