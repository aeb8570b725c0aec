package models

import (
	"bytes"
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Imported is what became of one private key of an import.
type Imported struct {
	Key  ID
	Name string
	// Known is true when the ring had it already: nothing was changed then. Renewed is true when an OpenPGP
	// key was there with fewer subkeys: what came is its next version.
	Known, Renewed bool
}

// Import adds private keys in one transaction: all or none. One that is there already, or twice among them,
// is told and not doubled. name, when not empty, is for an import of one key. Invalid for "name", Conflict
// when the ring is full.
func (ks *Keys) Import(ctx context.Context, u *Unlocked, name string, pairs []Pair) (done []Imported, err error) {
	if len(pairs) > MaxImport {
		return nil, errTooMany()
	}
	if name, err = keyName(name); err != nil {
		return nil, err
	}
	if len(pairs) != 1 {
		name = "" // several keys of one name could not be told apart
	}
	now := ks.db.now()
	err = ks.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		ring, err := listKeys(ctx, tx, u)
		if err != nil {
			return err
		}
		done = nil
		for i := range pairs {
			one, err := importOne(ctx, tx, u, &ring, &pairs[i], name, now)
			if err != nil {
				return err
			}
			done = append(done, one)
		}
		return room(ring, nil)
	})
	return done, err
}

func importOne(ctx context.Context, tx bun.Tx, u *Unlocked, ring *[]Key, p *Pair, name string, now time.Time) (Imported, error) {
	for i := range *ring {
		k := &(*ring)[i]
		same, more, err := k.holds(p)
		switch {
		case err != nil:
			return Imported{}, err
		case same && !more:
			return Imported{Key: k.ID, Name: k.Name, Known: true}, nil
		case same:
			if err := k.add(versionOf(p, now), now); err != nil {
				return Imported{}, err
			}
			k.Expires = p.Expires
			return Imported{Key: k.ID, Name: k.Name, Renewed: true}, saveKey(ctx, tx, u, k)
		}
	}
	k := keyOf(p, now)
	if name != "" {
		k.Name = name
	}
	k.Default = !hasDefault(*ring, k.Kind) && k.Active(now) != nil
	*ring = append(*ring, *k)
	return Imported{Key: k.ID, Name: k.Name}, insertKey(ctx, tx, u, k)
}

// holds tells whether a key is the pair's, and whether the pair has an OpenPGP subkey that it has not.
func (k *Key) holds(p *Pair) (same, more bool, err error) {
	if k.Kind != p.Kind {
		return false, false, nil
	}
	for i := range k.Versions {
		v := &k.Versions[i]
		switch {
		case p.Kind == KindPGP || p.Kind == KindRSA:
			same = same || v.Fingerprint == p.Fingerprint
		default:
			same = same || bytes.Equal(v.Secret, p.Secret)
		}
	}
	if !same || p.Kind != KindPGP {
		return same, false, nil
	}
	have := make(map[string]bool)
	for i := range k.Versions {
		if err := subkeys(k.Versions[i].Secret, func(fpr string) { have[fpr] = true }); err != nil {
			return false, false, err
		}
	}
	err = subkeys(p.Secret, func(fpr string) { more = more || !have[fpr] })
	return true, more, err
}

func subkeys(secret []byte, each func(fingerprint string)) error {
	k, err := readPGP(secret)
	if err != nil {
		return err
	}
	for _, s := range k.Info(time.Time{}).Subkeys {
		each(s.Fingerprint)
	}
	return nil
}
