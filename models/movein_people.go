package models

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/uptrace/bun"
)

// person takes one person in.
func (m *MovedIn) person(ctx context.Context, tx bun.Tx, u *Unlocked, people *[]Person, p Person, now time.Time) error {
	at, present, err := arrival(ctx, tx, "people", u, p.ID)
	if err != nil {
		return err
	}
	if present {
		m.KnownPeople++
		return nil
	}
	p.ID, p.Created = at, fromMillis(millis(p.Created))
	name := cut(cleanTitle(p.Name), maxPersonName-8)
	if clean, err := CheckName(name); err == nil {
		name = clean
	} else {
		name = "Somebody from " + p.Created.Format(time.DateOnly)
	}
	outside := false
	if !p.Account.IsZero() {
		// Only where that account is one of this server's.
		row, err := accountBy(ctx, tx, "id", p.Account)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if key, ok := LoginKey(p.Login); row == nil || !ok || row.LoginKey != key {
			p.Account, p.Login, outside = ID{}, "", true
		}
	}
	clashed := false
	for n := 1; ; n++ {
		if p.Name = name; n > 1 {
			p.Name = name + " (" + strconv.Itoa(n) + ")"
		}
		other := firstClash(*people, &p)
		if other == nil {
			break
		}
		if samePinned(other, &p) {
			m.KnownPeople++
			return nil
		}
		if clashed = true; n > maxPeople {
			return Errorf(Conflict, "", "take people in: too many have one name")
		}
		// A login that is in the list already names somebody with other keys: both stay, this one without the login.
		if !p.Account.IsZero() {
			p.Account, p.Login, outside = ID{}, "", true
		}
	}
	if err := p.check(now); err != nil {
		return err
	}
	row := &personRow{ID: p.ID, AccountID: u.Account.ID, Created: millis(p.Created)}
	if row.SealVersion, err = sealVersion(ctx, tx, u); err != nil {
		return err
	}
	if err := row.close(u, &p); err != nil {
		return err
	}
	if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
		return err
	}
	*people = append(*people, p)
	m.People++
	if clashed {
		m.Renamed++
	}
	if outside {
		m.Outside++
	}
	return nil
}

func firstClash(people []Person, p *Person) *Person {
	for i := range people {
		if !people[i].Unreadable && clash(&people[i], p) != nil {
			return &people[i]
		}
	}
	return nil
}

// samePinned tells whether two people have the same keys.
func samePinned(a, b *Person) bool {
	keys := map[string]bool{}
	for _, k := range a.Keys {
		keys[k.Kind+k.Fingerprint] = true
	}
	for _, k := range b.Keys {
		if !keys[k.Kind+k.Fingerprint] {
			return false
		}
	}
	return len(a.Keys) == len(b.Keys)
}
