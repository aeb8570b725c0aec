package models

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// Belongings are the keys and people of an account that was exported, on another server or on this one. Ids are those
// that they had there.
type Belongings struct {
	Unlisted bool
	Keys     []Key
	People   []Person
}

// KeyPlace names a version of a key.
type KeyPlace struct {
	Key ID
	N   int
}

// MovedIn says what became of Belongings. What was there already was left as it is.
type MovedIn struct {
	Keys, Versions, KnownKeys int // new keys, new versions of known keys, keys with nothing new
	People, KnownPeople       int
	Renamed                   int // people whose name was another's in the list, with a number added
	Outside                   int // people who had an account on the other server, and are known by their keys alone here

	places map[KeyPlace]KeyPlace
}

// Place tells where a version of a key that was exported is here.
func (m *MovedIn) Place(was KeyPlace) (KeyPlace, bool) {
	at, ok := m.places[was]
	return at, ok
}

// errOnlyLook ends a transaction whose result was only to be seen.
var errOnlyLook = errors.New("dry run")

// RegisterWith is Register for somebody who brings keys and people along, which take the place of the first keys:
// all in one transaction. With dry set nothing is made. Invalid and Conflict as for Register, and for what an
// account can't hold.
func (a *Accounts) RegisterWith(ctx context.Context, login, pw string, b Belongings, dry bool) (u *Unlocked, m *MovedIn, err error) {
	_, err = a.register(ctx, login, pw, func(ctx context.Context, tx bun.Tx, _ *accountRow, made *Unlocked) (err error) {
		u = made
		if m, err = a.moveIn(ctx, tx, u, b); err != nil {
			return err
		}
		if b.Unlisted {
			if _, err := tx.NewInsert().Model(&unlistedRow{AccountID: u.Account.ID}).Exec(ctx); err != nil {
				return err
			}
		}
		return onlyLook(dry)
	})
	if errors.Is(err, errOnlyLook) {
		err = nil
	}
	return u, m, err
}

// MoveIn brings keys and people into an account, in one transaction. What is there already stays as it is, so that a
// second time changes nothing. With dry set nothing does. Invalid and Conflict for what an account can't hold.
func (a *Accounts) MoveIn(ctx context.Context, u *Unlocked, b Belongings, dry bool) (m *MovedIn, err error) {
	err = a.db.main.write(Unhurried(ctx), func(ctx context.Context, tx bun.Tx) error {
		if m, err = a.moveIn(ctx, tx, u, b); err != nil {
			return err
		}
		return onlyLook(dry)
	})
	if errors.Is(err, errOnlyLook) {
		err = nil
	}
	return m, err
}

func onlyLook(dry bool) error {
	if dry {
		return errOnlyLook
	}
	return nil
}

func (a *Accounts) moveIn(ctx context.Context, tx bun.Tx, u *Unlocked, b Belongings) (*MovedIn, error) {
	m := &MovedIn{places: map[KeyPlace]KeyPlace{}}
	now := a.db.now()
	ring, err := listKeys(ctx, tx, u)
	if err != nil {
		return nil, err
	}
	for i := range b.Keys {
		if err := m.key(ctx, tx, u, &ring, b.Keys[i], now); err != nil {
			return nil, err
		}
	}
	if err := room(ring, nil); err != nil {
		return nil, err
	}
	if err := offerKeys(ctx, tx, u); err != nil {
		return nil, err
	}
	people, err := list(ctx, tx, u)
	if err != nil {
		return nil, err
	}
	for i := range b.People {
		if err := m.person(ctx, tx, u, &people, b.People[i], now); err != nil {
			return nil, err
		}
	}
	if len(people) > maxPeople {
		return nil, Errorf(Conflict, "", "take people in: a list has at most %d, remove some first", maxPeople)
	}
	return m, nil
}

// arrival is the id under which a row that was exported stands, or is to stand: its own, unless another account has
// that here, as when somebody takes over a second account on one server; then one that follows from both.
func arrival(ctx context.Context, db bun.IDB, table string, u *Unlocked, id ID) (at ID, present bool, err error) {
	h := sha256.New()
	h.Write([]byte("zencrypt/v1/moved-in/" + table))
	h.Write(u.Account.ID[:])
	h.Write(id[:])
	for _, one := range []ID{id, ID(h.Sum(nil)[:16])} {
		var owner ID
		err := db.NewSelect().Table(table).Column("account_id").Where("id = ?", one).Scan(ctx, &owner)
		switch {
		case err == nil && owner == u.Account.ID:
			return one, true, nil
		case errors.Is(err, sql.ErrNoRows) && at.IsZero():
			at = one // unless it stands under the other
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return ID{}, false, err
		}
	}
	if at.IsZero() {
		return ID{}, false, Errorf(Conflict, "", "take it in: both of its ids are others' here")
	}
	return at, false, nil
}

// key takes one key in: whole, or those of its versions that the account does not have.
func (m *MovedIn) key(ctx context.Context, tx bun.Tx, u *Unlocked, ring *[]Key, k Key, now time.Time) error {
	was := k.ID
	at, present, err := arrival(ctx, tx, "keys", u, k.ID)
	if err != nil {
		return err
	}
	var known *Key
	for i := range *ring {
		if r := &(*ring)[i]; present && r.ID == at {
			known = r
		}
	}
	for i := range *ring {
		if r := &(*ring)[i]; known == nil && r.sameAs(&k) {
			known = r
		}
	}
	if known != nil && known.Unreadable {
		m.KnownKeys++ // with what is sealed there nothing can be done; it is not replaced either
		return nil
	}
	if known == nil {
		k.ID = at
		if k.tidy(); len(k.Versions) == 0 {
			return nil
		}
		k.Default = k.Default && !hasDefault(*ring, k.Kind)
		for _, v := range k.Versions {
			m.places[KeyPlace{was, v.N}] = KeyPlace{at, v.N}
		}
		*ring = append(*ring, k)
		m.Keys++
		return insertRows(ctx, tx, u, &k)
	}
	added := 0
	for i := range k.Versions {
		v := k.Versions[i]
		n, err := known.versionLike(k.Kind, &v)
		if err != nil {
			return err
		}
		if n == 0 {
			was := v.N
			if v.State == KeyActive && known.hasActive() {
				v.State, v.Changed = KeyRetired, fromMillis(millis(now))
			}
			if err := known.add(v, now); err != nil {
				return err
			}
			n, v.N = known.Last, was
			added++
		}
		m.places[KeyPlace{was, v.N}] = KeyPlace{known.ID, n}
	}
	if added == 0 {
		m.KnownKeys++
		return nil
	}
	m.Versions += added
	return saveKey(ctx, tx, u, known)
}

// tidy makes a key from outside one that could have been made here.
func (k *Key) tidy() {
	k.Created = fromMillis(millis(k.Created))
	if k.Name, _ = keyName(cut(cleanTitle(k.Name), maxName)); k.Name == "" {
		k.Name = kindTitle(k.Kind)
	}
	k.Description = cut(cleanText(k.Description), maxDescription)
	active, last := false, k.Last
	for i := len(k.Versions) - 1; i >= 0; i-- {
		v := &k.Versions[i]
		if v.State == KeyActive && (active || k.Kind == KindRSA) {
			v.State = KeyRetired
		}
		active = active || v.State == KeyActive
		last = max(last, v.N)
	}
	k.MinVersion = max(1, min(k.MinVersion, last))
}

func (k *Key) hasActive() bool {
	for i := range k.Versions {
		if k.Versions[i].State == KeyActive {
			return true
		}
	}
	return false
}

// sameAs tells whether two keys have a pair in common.
func (k *Key) sameAs(other *Key) bool {
	if k.Kind != other.Kind || k.Unreadable {
		return false
	}
	for i := range other.Versions {
		if n, err := k.versionLike(other.Kind, &other.Versions[i]); err == nil && n > 0 {
			return true
		}
	}
	return false
}

// versionLike is the number of the version that holds all that a version from outside holds; 0 when there is none.
func (k *Key) versionLike(kind string, v *KeyVersion) (int, error) {
	same, more, err := k.holds(&Pair{Kind: kind, Secret: v.Secret, Fingerprint: v.Fingerprint})
	if err != nil || !same || more {
		return 0, err
	}
	n := 0
	for i := range k.Versions {
		if own := &k.Versions[i]; string(own.Secret) == string(v.Secret) || own.Fingerprint != "" && own.Fingerprint == v.Fingerprint {
			if n = own.N; string(own.Secret) == string(v.Secret) || own.N == v.N {
				break
			}
		}
	}
	return n, nil
}
