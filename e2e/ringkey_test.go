//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"zencrypt/crypto/pgp"
	"zencrypt/crypto/seal"
	"zencrypt/migrations"
	"zencrypt/models"
	"zencrypt/secrets"
)

// giveKey seals an OpenPGP key into somebody's ring, beside the running server, as its rows stand in the database.
func (s *server) giveKey(login, password string, k *pgp.Key) {
	s.t.Helper()
	fail := func(err error) {
		if err != nil {
			s.t.Helper()
			s.t.Fatalf("give %s a key: %v", login, err)
		}
	}
	main, err := migrations.Main()
	fail(err)
	sessions, err := migrations.Sessions()
	fail(err)
	ring, err := secrets.Load(s.secrets, secrets.LoadOptions{})
	fail(err)
	peppers := models.PepperKeys{Active: ring.Active.Fingerprint, Keys: map[string]models.ServerKey{}}
	for _, k := range ring.All() {
		peppers.Keys[k.Fingerprint] = models.ServerKey{Pepper: k.Derive("zencrypt/v1/pepper"), Logins: k.Derive("zencrypt/v1/retired-login")}
	}
	db, err := models.Open(context.Background(), models.Options{Dir: s.data, Main: main, Sessions: sessions, Pepper: peppers})
	fail(err)
	defer db.Close()
	u, err := db.Accounts.Authenticate(context.Background(), login, password)
	fail(err)
	id, version, now := models.NewID(), models.NewID(), time.Now().UnixMilli()
	closed := func(table, column string, row models.ID, v any) string {
		b, err := json.Marshal(v)
		fail(err)
		return fmt.Sprintf("x'%x'", u.Ring.Seal(seal.KeyRing, seal.Place{Table: table, Column: column, Row: row[:], User: u.Account.ID[:]}, b))
	}
	public := k.Certificate().Armor()
	sealVersion, _ := u.Ring.Current()
	s.change("zencrypt.db", fmt.Sprintf("INSERT INTO keys (id, account_id, kind, created, seal_version, sealed_key) VALUES (x'%x', x'%x', 'pgp', %d, %d, %s)", id[:], u.Account.ID[:], now, sealVersion,
		closed("keys", "sealed_key", id, map[string]any{"Kind": "pgp", "Algorithm": "curve25519", "Name": "OpenPGP", "Default": true, "Created": now, "MinVersion": 1, "Last": 1})))
	s.change("zencrypt.db", fmt.Sprintf("INSERT INTO key_versions (id, key_id, account_id, n, created, public, seal_version, sealed_version) VALUES (x'%x', x'%x', x'%x', 1, %d, '%s', %d, %s)",
		version[:], id[:], u.Account.ID[:], now, public, sealVersion, closed("key_versions", "sealed_version", version,
			map[string]any{"Key": id[:], "N": 1, "State": "active", "Created": now, "Public": public, "Secret": k.Bytes(), "Fingerprint": k.Fingerprint()})))
	fail(db.Keys.Offer(context.Background(), u))
}
