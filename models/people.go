package models

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

const (
	// maxPeople bounds a person's list, which is opened as a whole because names are sealed: 1,000 take 20 ms.
	maxPeople     = 1000
	maxPersonName = 200  // characters
	maxNote       = 2000 // characters
	// maxPinned is how many keys one person may have: a few devices each.
	maxPinned = 8
)

// Person is somebody in a person's list, known by a login here or by public keys alone.
type Person struct {
	ID      ID
	Created time.Time
	Name    string // the owner's own word for them
	Account ID     // of the login; zero for somebody from outside
	Login   string // as it was spelled when they were added; "" for somebody from outside
	// Keys are those that were pinned: what is encrypted goes to these and no others.
	Keys     []PublicKey
	Verified time.Time // when the owner compared the keys with them; zero when not
	Note     string
	// Unreadable is true when the seal did not open: the row was changed or belongs elsewhere.
	Unreadable bool
}

// People is the store of people's lists.
type People struct{ db *DB }

type personRow struct {
	bun.BaseModel `bun:"table:people"`

	ID           ID `bun:",pk"`
	AccountID    ID
	Created      int64
	SealVersion  int64
	SealedPerson []byte
}

// sealedPerson is a Person as it is sealed. Times are in milliseconds, 0 for none.
type sealedPerson struct {
	Created           int64
	Account           []byte
	Name, Login, Note []byte
	Keys              []sealedPublic
	Verified          int64
}

type sealedPublic struct {
	Kind, Algorithm, Public, Fingerprint string
	Pinned                               int64
}

func (r *personRow) place() seal.Place { return place("people", "sealed_person", r.ID, r.AccountID) }

func (r *personRow) open(u *Unlocked) Person {
	unreadable := Person{ID: r.ID, Created: fromMillis(r.Created), Unreadable: true}
	var s sealedPerson
	if err := openJSON(u.Ring, seal.KeyRing, r.place(), r.SealedPerson, &s); err != nil || s.Created != r.Created {
		return unreadable
	}
	p := Person{ID: r.ID, Created: fromMillis(s.Created), Name: string(s.Name), Login: string(s.Login), Note: string(s.Note)}
	if len(s.Account) == len(p.Account) {
		p.Account = ID(s.Account)
	}
	if s.Verified != 0 {
		p.Verified = fromMillis(s.Verified)
	}
	for _, k := range s.Keys {
		p.Keys = append(p.Keys, PublicKey{Kind: k.Kind, Algorithm: k.Algorithm, Public: k.Public, Fingerprint: k.Fingerprint, Pinned: fromMillis(k.Pinned)})
	}
	return p
}

func (r *personRow) close(u *Unlocked, p *Person) (err error) {
	s := sealedPerson{Created: r.Created, Name: []byte(p.Name), Login: []byte(p.Login), Note: []byte(p.Note)}
	if !p.Account.IsZero() {
		s.Account = p.Account[:]
	}
	if !p.Verified.IsZero() {
		s.Verified = millis(p.Verified)
	}
	for _, k := range p.Keys {
		s.Keys = append(s.Keys, sealedPublic{k.Kind, k.Algorithm, k.Public, k.Fingerprint, millis(k.Pinned)})
	}
	r.SealedPerson, err = sealJSON(u.Ring, seal.KeyRing, r.place(), s)
	return err
}

// Format implements fmt.Formatter: whom somebody knows stays out of logs.
func (p Person) Format(s fmt.State, _ rune) { io.WriteString(s, "person "+p.ID.String()) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (p Person) MarshalJSON() ([]byte, error) { return json.Marshal("person " + p.ID.String()) }

// LogValue implements slog.LogValuer.
func (p Person) LogValue() slog.Value { return slog.StringValue("person " + p.ID.String()) }

// FoldName is a name or login as it is compared: in any case, and with an accent however it was put together.
func FoldName(s string) string { return fold(strings.TrimSpace(s)) }

// CheckName returns a person's name as it is kept: one line without commas, which part recipients from each other,
// and not the like of a key. It is Invalid for field "name".
func CheckName(s string) (string, error) {
	s = strings.Join(strings.Fields(cleanTitle(s)), " ")
	folded := fold(s)
	switch {
	case s == "":
		return "", Errorf(Invalid, "name", "give a name, so that you find them again")
	case utf8.RuneCountInString(s) > maxPersonName:
		return "", Errorf(Invalid, "name", "the name has %d characters and 200 is the limit", utf8.RuneCountInString(s))
	case strings.ContainsAny(s, ",#"):
		return "", Errorf(Invalid, "name", "a name may not hold a comma or #, which part recipients from each other")
	}
	for _, prefix := range []string{"age1", "ssh-", "age-", "-----"} {
		if strings.HasPrefix(folded, prefix) {
			return "", Errorf(Invalid, "name", "the name starts like a key")
		}
	}
	return s, nil
}

func checkNote(s string) (string, error) {
	s = strings.TrimSpace(strings.ToValidUTF8(s, "\ufffd"))
	if n := utf8.RuneCountInString(s); n > maxNote {
		return "", Errorf(Invalid, "note", "the note has %d characters and 2,000 is the limit", n)
	}
	return s, nil
}

// check makes a person fit to be kept.
func (p *Person) check(now time.Time) (err error) {
	if p.Name, err = CheckName(p.Name); err != nil {
		return err
	}
	if p.Note, err = checkNote(p.Note); err != nil {
		return err
	}
	switch {
	case len(p.Keys) == 0:
		return Errorf(Invalid, "public_key", "give at least one public key")
	case len(p.Keys) > maxPinned:
		return Errorf(Invalid, "public_key", "a person may have %d keys, these are %d", maxPinned, len(p.Keys))
	}
	var all []PublicKey
	seen := make(map[string]bool)
	for _, k := range p.Keys {
		if seen[k.Kind+k.Fingerprint] {
			continue
		}
		seen[k.Kind+k.Fingerprint] = true
		if k.Pinned.IsZero() {
			k.Pinned = now
		}
		all = append(all, k)
	}
	p.Keys = all
	return nil
}

// Add pins a person's keys at first sight. ID, Created and what is not pinned yet are set. Invalid for fields "name",
// "note" and "public_key"; Conflict for "name" or "login" when the list has one of that name or login already.
func (p *People) Add(ctx context.Context, u *Unlocked, person *Person) error {
	now := fromMillis(millis(p.db.now()))
	person.ID, person.Created = NewID(), now
	if err := person.check(now); err != nil {
		return err
	}
	return p.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		others, err := list(ctx, tx, u)
		if err != nil {
			return err
		}
		if len(others) >= maxPeople {
			return Errorf(Invalid, "", "your list has %d people, which is the limit: remove one first", maxPeople)
		}
		for i := range others {
			if err := clash(&others[i], person); err != nil {
				return err
			}
		}
		row := &personRow{ID: person.ID, AccountID: u.Account.ID, Created: millis(person.Created)}
		if row.SealVersion, err = sealVersion(ctx, tx, u); err != nil {
			return err
		}
		if err := row.close(u, person); err != nil {
			return err
		}
		_, err = tx.NewInsert().Model(row).Exec(ctx)
		return err
	})
}

// clash is a Conflict when two people could not be told apart by what a recipient field holds.
func clash(other, person *Person) error {
	if !person.Account.IsZero() && other.Account == person.Account {
		return Errorf(Conflict, "login", "this person is in your list already")
	}
	mine, theirs := []string{FoldName(person.Name)}, []string{FoldName(other.Name)}
	if person.Login != "" {
		mine = append(mine, FoldName(person.Login))
	}
	if other.Login != "" {
		theirs = append(theirs, FoldName(other.Login))
	}
	for _, name := range mine {
		if slices.Contains(theirs, name) {
			return Errorf(Conflict, "name", "your list has somebody of this name or login already, choose another name")
		}
	}
	return nil
}

// list opens a whole list in the order of names. What does not open comes last.
func list(ctx context.Context, db bun.IDB, u *Unlocked) ([]Person, error) {
	var rows []personRow
	if err := db.NewSelect().Model(&rows).Where("account_id = ?", u.Account.ID).Order("created", "id").Scan(ctx); err != nil {
		return nil, err
	}
	type keyed struct {
		key string
		p   Person
	}
	all := make([]keyed, len(rows))
	for i := range rows {
		all[i].p = rows[i].open(u)
		if all[i].key = "0" + fold(all[i].p.Name); all[i].p.Unreadable {
			all[i].key = "1"
		}
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	out := make([]Person, len(all))
	for i := range all {
		out[i] = all[i].p
	}
	return out, nil
}

// List returns everybody in a person's list by name, and what the accounts among them give to others now; an account
// that is gone is not in the map.
func (p *People) List(ctx context.Context, u *Unlocked) (people []Person, now map[ID]*Offer, err error) {
	err = p.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		if people, err = list(ctx, tx, u); err != nil {
			return err
		}
		var accounts []ID
		for i := range people {
			if !people[i].Account.IsZero() {
				accounts = append(accounts, people[i].Account)
			}
		}
		now, err = offers(ctx, tx, accounts)
		return err
	})
	return people, now, storeError(err)
}

func errNoPerson() error { return Errorf(NotFound, "", "find person: not in your list") }

func getPerson(ctx context.Context, db bun.IDB, u *Unlocked, id ID) (*personRow, *Person, *Offer, error) {
	row := new(personRow)
	err := db.NewSelect().Model(row).Where("id = ?", id).Where("account_id = ?", u.Account.ID).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil, nil, errNoPerson()
	}
	if err != nil {
		return nil, nil, nil, err
	}
	person := row.open(u)
	if person.Account.IsZero() {
		return row, &person, nil, nil
	}
	all, err := offers(ctx, db, []ID{person.Account})
	return row, &person, all[person.Account], err
}

// Get returns a person and what their account gives to others now, nil when it is gone or there is none. NotFound for
// who is not in this person's own list.
func (p *People) Get(ctx context.Context, u *Unlocked, id ID) (person *Person, now *Offer, err error) {
	err = p.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, person, now, err = getPerson(ctx, tx, u, id)
		return err
	})
	return person, now, storeError(err)
}

// update changes a person within one transaction.
func (p *People) update(ctx context.Context, u *Unlocked, id ID, change func(ctx context.Context, tx bun.Tx, person *Person, now *Offer) error) error {
	return p.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		row, person, now, err := getPerson(ctx, tx, u, id)
		if err != nil {
			return err
		}
		if person.Unreadable {
			return Errorf(Conflict, "", "this entry does not open: it can only be removed")
		}
		if err := change(ctx, tx, person, now); err != nil {
			return err
		}
		if row.SealVersion, err = sealVersion(ctx, tx, u); err != nil {
			return err
		}
		if err := row.close(u, person); err != nil {
			return err
		}
		_, err = tx.NewUpdate().Model(row).WherePK().Exec(ctx)
		return err
	})
}

// Delete removes somebody from the list. NotFound for who is not in it.
func (p *People) Delete(ctx context.Context, u *Unlocked, id ID) error {
	return p.db.main.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		res, err := tx.NewDelete().Model((*personRow)(nil)).Where("id = ?", id).Where("account_id = ?", u.Account.ID).Exec(ctx)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, errNoPerson())
		}
		return nil
	})
}
