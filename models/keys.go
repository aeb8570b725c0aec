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

// The kinds of keys.
const (
	KindAge    = "age"    // X25519
	KindAgePQ  = "age-pq" // ML-KEM-768 with X25519; can't share a file with other keys
	KindPGP    = "pgp"    // the algorithms of pgp.Algorithms
	KindFernet = "fernet"
	KindRSA    = "rsa" // an older Zencrypt's, which only opens what that wrote
)

// Key is one of a person's keys: a name with versions.
type Key struct {
	ID          ID
	Kind        string // KindAge, ...
	Algorithm   string
	Name        string
	Description string
	Default     bool
	Created     time.Time
	Expires     time.Time // zero: never
	// MinVersion is the lowest version that is used at all, for decrypting too. It is sealed, so
	// that who writes the database can't make an older version active by removing rows.
	MinVersion int
	// Last is the highest number that a version ever had: none is given twice.
	Last     int
	Versions []KeyVersion // by number
	// Rewrap says that what stands under older versions is to be renewed, and was not yet.
	Rewrap bool
	// Unreadable is true when its seal did not open; it has no versions then.
	Unreadable bool
}

// KeyVersion is one pair of a key. Public is the owner's own copy, from the seal.
type KeyVersion struct {
	N       int
	State   string // KeyActive, KeyRetired, KeyRevoked
	Created time.Time
	Changed time.Time // when its state was set; zero when it never changed
	Public  string    // recipient or certificate; "" for symmetric keys
	Secret  []byte    // as the formats have it: text, or for OpenPGP packets without a passphrase
	// Fingerprint is OpenPGP's, and SHA-256 of an RSA key's public half; else "".
	Fingerprint string
	// SignsOnly is true for an OpenPGP key that can't be encrypted to.
	SignsOnly bool
	// Revocation is the armored certificate that revokes an OpenPGP key elsewhere.
	Revocation string
	// PublicDiffers is true when the copy for others is not the owner's own: it was changed.
	PublicDiffers bool
}

// Active returns the version that encrypts, nil when there is none or the key has
// expired at the time given.
func (k *Key) Active(now time.Time) *KeyVersion {
	if k.Expired(now) {
		return nil
	}
	for i := len(k.Versions) - 1; i >= 0; i-- {
		if v := &k.Versions[i]; v.State == KeyActive && v.N >= k.MinVersion && !v.SignsOnly && k.Kind != KindRSA {
			return v
		}
	}
	return nil
}

// Version returns a version by its number, nil when there is none.
func (k *Key) Version(n int) *KeyVersion {
	for i := range k.Versions {
		if k.Versions[i].N == n {
			return &k.Versions[i]
		}
	}
	return nil
}

// Newest returns the version with the highest number, nil when there is none.
func (k *Key) Newest() *KeyVersion {
	if len(k.Versions) == 0 {
		return nil
	}
	return &k.Versions[len(k.Versions)-1]
}

// Expired tells whether the key's date has come.
func (k *Key) Expired(now time.Time) bool { return !k.Expires.IsZero() && !now.Before(k.Expires) }

// published is what others get to see of a version: what is retired is nobody's to encrypt to any
// more, and that an OpenPGP key is revoked has to reach others.
func (v *KeyVersion) published() string {
	if v.State == KeyActive || v.Revocation != "" {
		return v.Public
	}
	return ""
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
	Last                               int  `json:",omitempty"`
	Rewrap                             bool `json:",omitempty"`
}

type sealedKeyVersion struct {
	Key     []byte
	N       int
	State   string
	Created int64
	Changed int64 `json:",omitempty"`
	Public  string
	Secret  []byte

	Fingerprint string `json:",omitempty"`
	SignsOnly   bool   `json:",omitempty"`
	Revocation  string `json:",omitempty"`
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
	first, second := one(KindAge, algorithmAge, "age", recipient, identity), one(KindFernet, algorithmFernet, "Fernet", "", fernet.NewKey())
	second.Created = now.Add(time.Millisecond) // lists go by it
	return []Key{first, second}, nil
}

// insertKey seals a key with its versions, and notes what others are given then.
func insertKey(ctx context.Context, tx bun.Tx, u *Unlocked, k *Key) error {
	if err := insertRows(ctx, tx, u, k); err != nil {
		return err
	}
	return offerKeys(ctx, tx, u)
}

func insertRows(ctx context.Context, tx bun.Tx, u *Unlocked, k *Key) error {
	version, err := sealVersion(ctx, tx, u)
	if err != nil {
		return err
	}
	row, err := closeKey(u, k, version)
	if err != nil {
		return err
	}
	if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
		return err
	}
	for i := range k.Versions {
		row, err := closeVersion(u, k.ID, &k.Versions[i], NewID(), version)
		if err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
			return err
		}
	}
	return nil
}

// closeKey seals a key without its versions.
func closeKey(u *Unlocked, k *Key, version int64) (*keyRow, error) {
	row := &keyRow{ID: k.ID, AccountID: u.Account.ID, Kind: k.Kind, Created: millis(k.Created), SealVersion: version}
	sealed := sealedKey{
		Kind: k.Kind, Algorithm: k.Algorithm, Name: k.Name, Description: k.Description,
		Default: k.Default, Created: row.Created, MinVersion: k.MinVersion, Last: k.Last, Rewrap: k.Rewrap,
	}
	if !k.Expires.IsZero() {
		sealed.Expires = millis(k.Expires)
	}
	var err error
	row.SealedKey, err = sealJSON(u.Ring, seal.KeyRing, row.place(), sealed)
	return row, err
}

// closeVersion seals a version under the id of its row.
func closeVersion(u *Unlocked, key ID, v *KeyVersion, id ID, version int64) (*keyVersionRow, error) {
	row := &keyVersionRow{
		ID: id, KeyID: key, AccountID: u.Account.ID, N: v.N, Created: millis(v.Created),
		Public: v.published(), SealVersion: version,
	}
	sealed := sealedKeyVersion{
		Key: key[:], N: v.N, State: v.State, Created: row.Created, Public: v.Public, Secret: v.Secret,
		Fingerprint: v.Fingerprint, SignsOnly: v.SignsOnly, Revocation: v.Revocation,
	}
	if !v.Changed.IsZero() {
		sealed.Changed = millis(v.Changed)
	}
	var err error
	row.SealedVersion, err = sealJSON(u.Ring, seal.KeyRing, row.place(), sealed)
	return row, err
}

// Default returns the key of a kind that is used when none is named. Invalid for field "to"
// when there is none, or when it can't encrypt (expired, retired, revoked): another is not taken in
// its place unasked.
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
	return nil, Errorf(Invalid, "to", "find key: your default %s key can't encrypt, or there is none: look under Keys", kind)
}
