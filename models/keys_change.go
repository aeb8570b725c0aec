package models

import (
	"context"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"zencrypt/crypto/pgp"
)

// change alters a key in one transaction. NotFound for another person's, Conflict for one whose seal does
// not open.
func (ks *Keys) change(ctx context.Context, u *Unlocked, id ID, f func(k *Key) error) error {
	return ks.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		k, err := getKey(ctx, tx, u, id)
		if err != nil {
			return err
		}
		if k.Unreadable {
			return Errorf(Conflict, "", "change key: its seal does not open, so that it can only be deleted")
		}
		if err := f(k); err != nil {
			return err
		}
		return saveKey(ctx, tx, u, k)
	})
}

// saveKey writes a key and its versions anew; a version that it has no more is deleted. One that does not
// open stays as it is.
func saveKey(ctx context.Context, tx bun.Tx, u *Unlocked, k *Key) error {
	version, err := sealVersion(ctx, tx, u)
	if err != nil {
		return err
	}
	row, err := closeKey(u, k, version)
	if err != nil {
		return err
	}
	if _, err := tx.NewUpdate().Model(row).WherePK().Exec(ctx); err != nil {
		return err
	}
	var old []keyVersionRow
	if err := tx.NewSelect().Model(&old).Where("key_id = ?", k.ID).Where("account_id = ?", u.Account.ID).Scan(ctx); err != nil {
		return err
	}
	ids := make(map[int]ID)
	for i := range old {
		ids[old[i].N] = old[i].ID
		if _, err := old[i].open(u); err == nil && k.Version(old[i].N) == nil {
			if _, err := tx.NewDelete().Model(&old[i]).WherePK().Exec(ctx); err != nil {
				return err
			}
		}
	}
	for i := range k.Versions {
		v := &k.Versions[i]
		id, known := ids[v.N]
		if !known {
			id = NewID()
		}
		row, err := closeVersion(u, k.ID, v, id, version)
		if err != nil {
			return err
		}
		if known {
			_, err = tx.NewUpdate().Model(row).WherePK().Exec(ctx)
		} else {
			_, err = tx.NewInsert().Model(row).Exec(ctx)
		}
		if err != nil {
			return err
		}
	}
	return offerKeys(ctx, tx, u)
}

// Rotate gives a key a new version and retires the one before. OpenPGP gets a new subkey for encryption under
// the same primary key; the ones before are marked as superseded there. Conflict when the key was changed
// meanwhile, or can't be rotated: an older Zencrypt's, an expired or a revoked one.
func (ks *Keys) Rotate(ctx context.Context, u *Unlocked, id ID) error {
	now := ks.db.now()
	k, err := ks.usable(ctx, u, id)
	if err != nil {
		return err
	}
	last := k.Newest()
	switch {
	case k.Kind == KindRSA:
		return Errorf(Conflict, "", "rotate key: an older Zencrypt's key only opens what that wrote, make a new key of another kind")
	case k.Expired(now):
		return Errorf(Conflict, "", "rotate key: it has expired, set a later date first")
	}
	var pair *Pair
	if k.Kind == KindPGP {
		pair, err = rotatePGP(last, now)
	} else {
		pair, err = NewPair(PairParams{Kind: k.Kind, Now: now})
	}
	if err != nil {
		return err
	}
	return ks.change(ctx, u, id, func(k *Key) error {
		if !sameVersion(k.Newest(), last) {
			return errChanged()
		}
		next := versionOf(pair, fromMillis(millis(now)))
		next.Created = fromMillis(millis(now))
		return k.add(next, now)
	})
}

// usable returns a key that can be changed.
func (ks *Keys) usable(ctx context.Context, u *Unlocked, id ID) (*Key, error) {
	k, err := ks.Get(ctx, u, id)
	if err != nil {
		return nil, err
	}
	if k.Unreadable || k.Newest() == nil {
		return nil, Errorf(Conflict, "", "change key: its seal does not open, so that it can only be deleted")
	}
	return k, nil
}

// sameVersion tells whether a version is the one that was seen before.
func sameVersion(a, b *KeyVersion) bool {
	return a != nil && b != nil && a.N == b.N && a.State == b.State && a.Public == b.Public && string(a.Secret) == string(b.Secret)
}

func errChanged() error {
	return Errorf(Conflict, "", "change key: it was changed meanwhile, look at it again")
}

func rotatePGP(v *KeyVersion, now time.Time) (*Pair, error) {
	key, err := v.PGP()
	if err != nil {
		return nil, err
	}
	if key, err = key.AddEncryptionSubkey(true, now); err != nil {
		return nil, pgpProblem("rotate key", err)
	}
	return pgpPair(key, now)
}

// pgpProblem says why an OpenPGP key can't be changed.
func pgpProblem(doing string, err error) error {
	switch {
	case errors.Is(err, pgp.ErrKeyRevoked):
		return Errorf(Conflict, "", "%s: this OpenPGP key is revoked, make a new one", doing)
	case errors.Is(err, pgp.ErrKeyExpired):
		return Errorf(Conflict, "", "%s: this OpenPGP key has expired, set a later date first", doing)
	case errors.Is(err, pgp.ErrCannotSign):
		return Errorf(Conflict, "", "%s: the secret of this OpenPGP key's primary part is not here, do it where that is kept and import the key again", doing)
	}
	return &Error{Code: Conflict, Message: doing + ": this OpenPGP key can't be changed so", Err: err}
}

// SetDefault makes a key its kind's default, and no other. Conflict when it can't encrypt.
func (ks *Keys) SetDefault(ctx context.Context, u *Unlocked, id ID) error {
	now := ks.db.now()
	return ks.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		k, err := getKey(ctx, tx, u, id)
		if err != nil {
			return err
		}
		if k.Active(now) == nil {
			return Errorf(Conflict, "", "make it the default: this key can't encrypt")
		}
		return setDefault(ctx, tx, u, k.Kind, id)
	})
}

func setDefault(ctx context.Context, tx bun.Tx, u *Unlocked, kind string, id ID) error {
	ring, err := listKeys(ctx, tx, u)
	if err != nil {
		return err
	}
	for i := range ring {
		k := &ring[i]
		if want := k.ID == id; !k.Unreadable && k.Kind == kind && k.Default != want {
			k.Default = want
			if err := saveKey(ctx, tx, u, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// SetExpiry sets a key's date, zero for never. In an OpenPGP key it is written too, for others. Invalid for
// field "expires" when it has passed; Conflict when an OpenPGP key can't be changed.
func (ks *Keys) SetExpiry(ctx context.Context, u *Unlocked, id ID, expires time.Time) error {
	now := ks.db.now()
	if !expires.IsZero() && !expires.After(now) {
		return errPassed()
	}
	k, err := ks.usable(ctx, u, id)
	if err != nil {
		return err
	}
	var seen *KeyVersion
	var pair *Pair
	if k.Kind == KindPGP {
		seen = k.Newest()
		key, err := seen.PGP()
		if err != nil {
			return err
		}
		if key, err = key.SetExpiry(expires, now); err != nil {
			return pgpProblem("set expiry", err)
		}
		if pair, err = pgpPair(key, now); err != nil {
			return err
		}
	}
	return ks.change(ctx, u, id, func(k *Key) error {
		k.Expires = expires
		if pair == nil {
			return nil
		}
		v := k.Newest()
		if !sameVersion(v, seen) {
			return errChanged()
		}
		v.Public, v.Secret = pair.Public, pair.Secret
		return nil
	})
}

// SetState retires an active version, or revokes an active or a retired one. With the active version gone the
// key encrypts no more. Revoking the newest version of an OpenPGP key revokes the key itself, for a reason
// that is public, and keeps the certificate that says so. Invalid for field "version".
func (ks *Keys) SetState(ctx context.Context, u *Unlocked, id ID, n int, state string, reason pgp.Reason) error {
	now := ks.db.now()
	k, err := ks.usable(ctx, u, id)
	if err != nil {
		return err
	}
	seen := k.Version(n)
	switch {
	case seen == nil:
		return errNoKey()
	case state == KeyRetired && seen.State != KeyActive, state == KeyRevoked && seen.State == KeyRevoked:
		return Errorf(Conflict, "version", "change version: it is %s already", seen.State)
	case state != KeyRetired && state != KeyRevoked:
		return Errorf(Invalid, "version", "change version: it can be retired or revoked")
	}
	var pair *Pair
	var certificate string
	if k.Kind == KindPGP && state == KeyRevoked && n == k.Newest().N {
		if pair, certificate, err = revokePGP(seen, reason, now); err != nil {
			return err
		}
	}
	return ks.change(ctx, u, id, func(k *Key) error {
		v := k.Version(n)
		if !sameVersion(v, seen) {
			return errChanged()
		}
		v.State, v.Changed = state, fromMillis(millis(now))
		if pair != nil {
			v.Public, v.Secret, v.Revocation = pair.Public, pair.Secret, certificate
		}
		return nil
	})
}

func revokePGP(v *KeyVersion, reason pgp.Reason, now time.Time) (*Pair, string, error) {
	key, err := v.PGP()
	if err != nil {
		return nil, "", err
	}
	certificate, err := key.RevocationCertificate(reason, "", now)
	if err == nil {
		key, err = key.Revoke(reason, "", now)
	}
	if err != nil {
		return nil, "", pgpProblem("revoke key", err)
	}
	pair, err := pgpPair(key, now)
	return pair, certificate, err
}
