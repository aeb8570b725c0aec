package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// Change is a difference between a pinned key and what a person's account gives to others now.
type Change struct {
	Kind    string
	Pinned  *PublicKey // nil: a kind of key that was not there
	Offered *PublicKey // nil: it is given no longer
	// Announced is true for an OpenPGP key whose primary is the pinned one: its owner has signed what is new, a subkey
	// or another expiry, and nobody else can.
	Announced bool
	// Unusable is true when what is offered is no public key.
	Unusable bool
}

// Stops tells whether nothing may be encrypted to a person before a change is accepted. A kind of key that was not
// there before is not used, which is enough.
func (c Change) Stops() bool { return c.Pinned != nil && !c.Announced }

// Gone tells whether a person's account is no longer there.
func (p *Person) Gone(now *Offer) bool { return !p.Account.IsZero() && now == nil }

// Changes compares the pinned keys with what the account gives to others now, in the order of kinds. There are none
// for somebody from outside.
func (p *Person) Changes(now *Offer) (all []Change) {
	if p.Account.IsZero() || p.Unreadable || now == nil {
		return nil
	}
	for _, kind := range offeredKinds() {
		pinned, text := p.pinned(kind), now.Public[kind]
		if pinned != nil && pinned.Public == text || pinned == nil && text == "" {
			continue
		}
		c := Change{Kind: kind, Pinned: pinned}
		if text != "" {
			c.Offered = now.key(kind)
			c.Unusable = c.Offered == nil
			if pinned != nil && c.Offered != nil && c.Offered.Public == pinned.Public {
				continue // the same key, written otherwise
			}
		}
		c.Announced = kind == KindPGP && pinned != nil && c.Offered != nil && c.Offered.Fingerprint == pinned.Fingerprint
		all = append(all, c)
	}
	return all
}

// pinned is the key of a kind of somebody who has an account; they have one of each.
func (p *Person) pinned(kind string) *PublicKey {
	for i := range p.Keys {
		if p.Keys[i].Kind == kind {
			return &p.Keys[i]
		}
	}
	return nil
}

// Usable are the keys that may be encrypted to, or why there are none: the pinned ones, with an announced change of one
// in its place. A key that its owner has revoked stays so, whatever is offered later.
func (p *Person) Usable(now *Offer) (keys []PublicKey, stopped bool) {
	if p.Unreadable || p.Gone(now) {
		return nil, true
	}
	keys = slices.Clone(p.Keys)
	for _, c := range p.Changes(now) {
		if c.Stops() {
			return nil, true
		}
		for i := range keys {
			if c.Announced && keys[i].Kind == c.Kind && !keys[i].revoked() {
				c.Offered.Pinned = keys[i].Pinned
				keys[i] = *c.Offered
			}
		}
	}
	return keys, false
}

// revoked tells whether an OpenPGP key carries its owner's revocation, at any time.
func (k *PublicKey) revoked() bool {
	c, err := k.Certificate()
	return c != nil && err == nil && c.Info(time.Unix(1<<40, 0)).Revoked
}

// State names what a page shows of a person: a hash, 64 hexadecimal digits, of the pinned and the offered keys. A form
// that accepts or verifies brings it back, so that what was looked at is what is done.
func (p *Person) State(now *Offer) string {
	var lines []string
	for _, k := range p.Keys {
		lines = append(lines, "pinned "+k.Kind+" "+k.Public)
	}
	if now != nil {
		for kind, public := range now.Public {
			lines = append(lines, "offered "+kind+" "+public)
		}
	}
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\x00")))
	return hex.EncodeToString(sum[:])
}

func errMoved() error {
	return Errorf(Conflict, "", "the keys are not those that the page showed; look at them again")
}

// Accept pins what a person's account gives to others now. State is what the page showed. Unless all that changed was
// announced, the person counts as not verified afterwards. Somebody whose account is gone goes on as
// somebody from outside, with the keys that were pinned.
func (p *People) Accept(ctx context.Context, u *Unlocked, id ID, state string) error {
	at := fromMillis(millis(p.db.now()))
	return p.update(ctx, u, id, func(_ context.Context, _ bun.Tx, person *Person, now *Offer) error {
		if person.State(now) != state {
			return errMoved()
		}
		if person.Gone(now) {
			person.Account, person.Login = ID{}, ""
			return nil
		}
		for _, c := range person.Changes(now) {
			if c.Unusable {
				return Errorf(Conflict, "", "what this account offers is no public key: nothing can be accepted")
			}
			i := slices.IndexFunc(person.Keys, func(k PublicKey) bool { return k.Kind == c.Kind })
			switch {
			case c.Offered == nil:
				person.Keys = slices.Delete(person.Keys, i, i+1)
			case i < 0:
				c.Offered.Pinned = at
				person.Keys = append(person.Keys, *c.Offered)
			default:
				if c.Offered.Pinned = at; c.Announced {
					c.Offered.Pinned = person.Keys[i].Pinned
				}
				person.Keys[i] = *c.Offered
			}
			if !c.Announced {
				person.Verified = time.Time{}
			}
		}
		return nil
	})
}

// Verify notes that the owner has compared the keys with the person, or takes that back. State is what the page
// showed. Conflict while a change waits to be accepted.
func (p *People) Verify(ctx context.Context, u *Unlocked, id ID, state string, verified bool) error {
	at := fromMillis(millis(p.db.now()))
	return p.update(ctx, u, id, func(_ context.Context, _ bun.Tx, person *Person, now *Offer) error {
		if person.State(now) != state {
			return errMoved()
		}
		if _, stopped := person.Usable(now); stopped && verified {
			return Errorf(Conflict, "", "a key has changed: look at that first")
		}
		person.Verified = time.Time{}
		if verified {
			person.Verified = at
		}
		return nil
	})
}

// Describe gives a person another name and note; the keys stay as they are, compared or not. Invalid for fields "name"
// and "note", Conflict for "name" when the list has another of that name or login.
func (p *People) Describe(ctx context.Context, u *Unlocked, id ID, name, note string) error {
	name, err := CheckName(name)
	if err != nil {
		return err
	}
	if note, err = checkNote(note); err != nil {
		return err
	}
	return p.update(ctx, u, id, func(ctx context.Context, tx bun.Tx, person *Person, _ *Offer) error {
		person.Name, person.Note = name, note
		others, err := list(ctx, tx, u)
		if err != nil {
			return err
		}
		for i := range others {
			if others[i].ID != id {
				if err := clash(&others[i], person); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
