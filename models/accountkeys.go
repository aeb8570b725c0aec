package models

import (
	"context"
	"encoding/binary"
	"encoding/json"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// accountKeyRow is an older version of an account key.
type accountKeyRow struct {
	bun.BaseModel `bun:"table:account_keys"`

	ID               ID `bun:",pk"`
	AccountID        ID
	Version          uint32
	SealedAccountKey []byte
}

// ring makes the ring of an account from its newest key and the older ones sealed
// under it. One that does not open is left out, and with it only what it sealed.
func ring(ctx context.Context, db bun.IDB, r *accountRow, key seal.Key) (*seal.Ring, error) {
	out := seal.NewRing(r.KeyVersion, key)
	rows, err := olderKeys(ctx, db, r.ID)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if version, older, err := row.open(out); err == nil && version < r.KeyVersion {
			out.Add(version, older)
		}
	}
	return out, nil
}

func olderKeys(ctx context.Context, db bun.IDB, account ID) (rows []accountKeyRow, err error) {
	err = db.NewSelect().Model(&rows).Where("account_id = ?", account).Order("version").Scan(ctx)
	return rows, err
}

// seal closes version and key together, so that the row's own version is only a claim:
// 4 bytes, big endian, then 32.
func (r *accountKeyRow) seal(by *seal.Ring, key seal.Key) {
	plain := append(binary.BigEndian.AppendUint32(nil, r.Version), key[:]...)
	r.SealedAccountKey = by.Seal(seal.Account, place("account_keys", "sealed_account_key", r.ID, r.AccountID), plain)
}

func (r *accountKeyRow) open(by *seal.Ring) (uint32, seal.Key, error) {
	b, err := by.Open(seal.Account, place("account_keys", "sealed_account_key", r.ID, r.AccountID), r.SealedAccountKey)
	if err != nil {
		return 0, seal.Key{}, err
	}
	if len(b) != 4+seal.KeySize || binary.BigEndian.Uint32(b) != r.Version {
		return 0, seal.Key{}, seal.ErrOpen
	}
	return r.Version, seal.Key(b[4:]), nil
}

// sealJSON seals a structure as JSON.
func sealJSON(r *seal.Ring, purpose seal.Purpose, p seal.Place, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fail(Internal, "seal it", err)
	}
	return r.Seal(purpose, p, b), nil
}

// openJSON opens what sealJSON made.
func openJSON(r *seal.Ring, purpose seal.Purpose, p seal.Place, sealed []byte, v any) error {
	b, err := r.Open(purpose, p, sealed)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}
