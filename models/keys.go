package models

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/seal"
)

// The states of a key version.
const (
	KeyActive  = "active"  // encrypts and decrypts
	KeyRetired = "retired" // decrypts
	KeyRevoked = "revoked" // decrypts for its owner, never encrypts again
)

// Key is one of a person's keys: a name with versions.
type Key struct {
	ID          ID
	Kind        string // age, fernet, pgp
	Algorithm   string
	Name        string
	Description string
	Default     bool
	Created     time.Time
	Expires     time.Time // zero: never
	// MinVersion is the lowest version that may be the active one. It is sealed, so that
	// who writes the database can't make an older version active by removing rows.
	MinVersion int
	Versions   []KeyVersion // by number
	// Unreadable is true when its seal did not open; it has no versions then.
	Unreadable bool
}

// KeyVersion is one pair of a key. Public is the owner's own copy, from the seal.
type KeyVersion struct {
	N       int
	State   string // KeyActive, KeyRetired, KeyRevoked
	Created time.Time
	Public  string // recipient or certificate; "" for symmetric keys
	Secret  []byte
	// PublicDiffers is true when the copy for others is not the owner's own: it was changed.
	PublicDiffers bool
}

// Active returns the version that encrypts, nil when there is none or the key has
// expired at the time given.
func (k *Key) Active(now time.Time) *KeyVersion {
	if !k.Expires.IsZero() && !now.Before(k.Expires) {
		return nil
	}
	for i := len(k.Versions) - 1; i >= 0; i-- {
		if v := &k.Versions[i]; v.State == KeyActive && v.N >= k.MinVersion {
			return v
		}
	}
	return nil
}

// Keys is the store of people's keys.
type Keys struct{ db *DB }

type keyRow struct {
	bun.BaseModel `bun:"table:keys"`

	ID          ID `bun:",pk"`
	AccountID   ID
	Kind        string
	Created     int64
	SealVersion int64
	SealedKey   []byte
}

type keyVersionRow struct {
	bun.BaseModel `bun:"table:key_versions"`

	ID            ID `bun:",pk"`
	KeyID         ID
	AccountID     ID
	N             int
	Created       int64
	Public        string
	SealVersion   int64
	SealedVersion []byte
}

// sealedKey and sealedKeyVersion repeat what the rows say in the clear: only this
// counts. Times are in milliseconds; Expires is 0 for never.
type sealedKey struct {
	Kind, Algorithm, Name, Description string
	Default                            bool
	Created, Expires                   int64
	MinVersion                         int
}

type sealedKeyVersion struct {
	Key     []byte
	N       int
	State   string
	Created int64
	Public  string
	Secret  []byte
}

func (r *keyRow) place() seal.Place { return place("keys", "sealed_key", r.ID, r.AccountID) }

func (r *keyVersionRow) place() seal.Place {
	return place("key_versions", "sealed_version", r.ID, r.AccountID)
}

// firstKeys makes the keys that every account begins with.
func firstKeys(now time.Time) ([]Key, error) {
	identity, recipient, err := agefile.NewIdentity()
	if err != nil {
		return nil, err
	}
	now = fromMillis(millis(now))
	one := func(kind, algorithm, name, public, secret string) Key {
		return Key{
			ID: NewID(), Kind: kind, Algorithm: algorithm, Name: name, Default: true, Created: now, MinVersion: 1,
			Versions: []KeyVersion{{N: 1, State: KeyActive, Created: now, Public: public, Secret: []byte(secret)}},
		}
	}
	return []Key{
		one("age", "X25519", "age", recipient, identity),
		one("fernet", "AES-128-CBC, HMAC-SHA-256", "Fernet", "", fernet.NewKey()),
	}, nil
}

// insertKey seals a key with its versions.
func insertKey(ctx context.Context, tx bun.Tx, u *Unlocked, k *Key) error {
	version, err := sealVersion(ctx, tx, u)
	if err != nil {
		return err
	}
	row := &keyRow{ID: k.ID, AccountID: u.Account.ID, Kind: k.Kind, Created: millis(k.Created), SealVersion: version}
	sealed := sealedKey{
		Kind: k.Kind, Algorithm: k.Algorithm, Name: k.Name, Description: k.Description,
		Default: k.Default, Created: row.Created, MinVersion: k.MinVersion,
	}
	if !k.Expires.IsZero() {
		sealed.Expires = millis(k.Expires)
	}
	if row.SealedKey, err = sealJSON(u.Ring, seal.KeyRing, row.place(), sealed); err != nil {
		return err
	}
	if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
		return err
	}
	for i := range k.Versions {
		v := &k.Versions[i]
		row := &keyVersionRow{
			ID: NewID(), KeyID: k.ID, AccountID: u.Account.ID, N: v.N, Created: millis(v.Created),
			Public: v.Public, SealVersion: version,
		}
		row.SealedVersion, err = sealJSON(u.Ring, seal.KeyRing, row.place(), sealedKeyVersion{
			Key: k.ID[:], N: v.N, State: v.State, Created: row.Created, Public: v.Public, Secret: v.Secret,
		})
		if err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
			return err
		}
	}
	return offerKeys(ctx, tx, u)
}

// List opens all keys of an account, oldest first. A key that does not open is marked
// Unreadable, a version that does not is left out: the others still work.
func (ks *Keys) List(ctx context.Context, u *Unlocked) (keys []Key, err error) {
	var rows []keyRow
	var versions []keyVersionRow
	err = ks.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		err := tx.NewSelect().Model(&rows).Where("account_id = ?", u.Account.ID).Order("created", "id").Scan(ctx)
		if err != nil {
			return err
		}
		return tx.NewSelect().Model(&versions).Where("account_id = ?", u.Account.ID).Order("key_id", "n").Scan(ctx)
	})
	if err != nil {
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
		Default: s.Default, Created: fromMillis(s.Created), MinVersion: s.MinVersion,
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
	return KeyVersion{
		N: s.N, State: s.State, Created: fromMillis(s.Created), Public: s.Public, Secret: s.Secret,
		PublicDiffers: s.Public != r.Public,
	}, nil
}

// Default returns the key of a kind that is used when none is named. NotFound when
// there is none that can encrypt.
func (ks *Keys) Default(ctx context.Context, u *Unlocked, kind string) (*Key, error) {
	keys, err := ks.List(ctx, u)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		if k := &keys[i]; k.Kind == kind && k.Default && k.Active(ks.db.now()) != nil {
			return k, nil
		}
	}
	return nil, Errorf(NotFound, "", "find key: no %s key of yours can encrypt", kind)
}
