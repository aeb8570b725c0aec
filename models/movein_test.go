package models

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/fernet"
)

// luggage is what somebody brings from another server: two keys of age, one with three versions, and a Fernet key.
func luggage(t *testing.T, u *Unlocked, db *DB) Belongings {
	t.Helper()
	one, two := makeKey(t, db, u, KindAge, ""), makeKey(t, db, u, KindAgePQ, "")
	for range 2 {
		if err := db.Keys.Rotate(t.Context(), u, one.ID); err != nil {
			t.Fatal(err)
		}
	}
	b := Belongings{Keys: []Key{*getRing(t, db, u, one.ID), *getRing(t, db, u, two.ID)}}
	b.Keys[0].Default = true
	b.Keys[1].Created = b.Keys[0].Created.Add(time.Second) // lists go by it
	for _, name := range []string{"mira", "jonas"} {
		b.People = append(b.People, *addPerson(t, db, u, name))
	}
	return b
}

func keysOf(t *testing.T, db *DB, u *Unlocked) []Key {
	t.Helper()
	all, err := db.Keys.List(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestRegisterWith(t *testing.T) {
	from, _ := newTestDB(t)
	b := luggage(t, register(t, from, "ada"), from)
	b.Unlisted = true
	db, _ := newTestDB(t)
	if _, m, err := db.Accounts.RegisterWith(t.Context(), "ada", goodPassword, b, true); err != nil || m.Keys != 2 || m.People != 2 {
		t.Fatalf("dry: %+v, %v", m, err)
	}
	if _, err := db.Accounts.ByLogin(t.Context(), "ada"); ErrorCode(err) != NotFound {
		t.Fatalf("the dry run made an account: %v", err)
	}
	u, m, err := db.Accounts.RegisterWith(t.Context(), "ada", goodPassword, b, false)
	if err != nil {
		t.Fatal(err)
	}
	got := keysOf(t, db, u)
	if len(got) != 2 || got[0].ID != b.Keys[0].ID || len(got[0].Versions) != 3 || !got[0].Default {
		t.Fatalf("%d keys came", len(got))
	}
	for i, v := range got[0].Versions {
		if want := b.Keys[0].Versions[i]; v.N != want.N || v.State != want.State || !bytes.Equal(v.Secret, want.Secret) || !v.Created.Equal(want.Created) || v.PublicDiffers {
			t.Errorf("version %d is not as it was", i+1)
		}
	}
	if hidden, err := db.Accounts.Unlisted(t.Context(), u.Account.ID); err != nil || !hidden {
		t.Errorf("listed again: %v", err)
	}
	if at, ok := m.Place(KeyPlace{b.Keys[0].ID, 2}); !ok || at != (KeyPlace{b.Keys[0].ID, 2}) {
		t.Errorf("version 2 is at %v", at)
	}
	// Others encrypt to the default's active version.
	if o, err := offers(t.Context(), db.main.r, []ID{u.Account.ID}); err != nil || o[u.Account.ID].Public[KindAge] != got[0].Versions[2].Public {
		t.Errorf("another key is offered (%v)", err)
	}
	// With the password that is not taken nothing is made.
	if _, _, err := db.Accounts.RegisterWith(t.Context(), "bob", "short", b, false); ErrorCode(err) != Invalid {
		t.Errorf("a weak password: %v", err)
	}
	if _, _, err := db.Accounts.RegisterWith(t.Context(), "ADA", goodPassword, b, false); ErrorCode(err) != Conflict {
		t.Errorf("a taken login: %v", err)
	}
}

func TestMoveIn(t *testing.T) {
	from, _ := newTestDB(t)
	b := luggage(t, register(t, from, "ada"), from)
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	own := keysOf(t, db, u)

	m, err := db.Accounts.MoveIn(t.Context(), u, b, true)
	if err != nil || m.Keys != 2 || len(keysOf(t, db, u)) != 2 {
		t.Fatalf("dry: %+v, %v", m, err)
	}
	for again := range 3 {
		m, err := db.Accounts.MoveIn(t.Context(), u, b, false)
		if err != nil {
			t.Fatal(err)
		}
		if first := again == 0; first != (m.Keys == 2) || first != (m.People == 2) || first == (m.KnownKeys == 2) || m.Versions != 0 {
			t.Errorf("time %d: %+v", again+1, m)
		}
	}
	all := keysOf(t, db, u)
	if len(all) != 4 {
		t.Fatalf("%d keys", len(all))
	}
	// What was the default stays it.
	for _, k := range all {
		if k.Kind == KindAge && k.Default != (k.ID == own[0].ID) {
			t.Errorf("the default of age is %q", k.Name)
		}
	}
	t.Run("MoreVersions", func(t *testing.T) {
		more := b
		more.Keys = slices.Clone(b.Keys)
		more.Keys[0].Versions = append(slices.Clone(b.Keys[0].Versions), KeyVersion{N: 4, State: KeyActive, Created: time.Unix(1, 0),
			Public: newRecipient(t), Secret: []byte("AGE-SECRET-KEY-1X")})
		m, err := db.Accounts.MoveIn(t.Context(), u, more, false)
		if err != nil || m.Versions != 1 || m.Keys != 0 {
			t.Fatalf("%+v, %v", m, err)
		}
		k := getRing(t, db, u, b.Keys[0].ID)
		if len(k.Versions) != 4 || k.Versions[2].State != KeyActive || k.Versions[3].State != KeyRetired {
			t.Errorf("%d versions, the newest is %s", len(k.Versions), k.Versions[3].State)
		}
	})
	t.Run("SameKeyOtherID", func(t *testing.T) {
		other := register(t, db, "bob")
		if _, err := db.Keys.Import(t.Context(), other, "mine", []Pair{{Kind: KindAge, Public: b.Keys[0].Versions[1].Public, Secret: b.Keys[0].Versions[1].Secret}}); err != nil {
			t.Fatal(err)
		}
		m, err := db.Accounts.MoveIn(t.Context(), other, b, false)
		if err != nil || m.Keys != 1 || m.Versions != 2 {
			t.Fatalf("%+v, %v", m, err)
		}
		// Version 2 there is version 1 here.
		at, ok := m.Place(KeyPlace{b.Keys[0].ID, 2})
		if !ok || at.N != 1 || at.Key == b.Keys[0].ID {
			t.Errorf("version 2 is at %v", at)
		}
		again, err := db.Accounts.MoveIn(t.Context(), other, b, false)
		if err != nil || again.Keys+again.Versions+again.People != 0 {
			t.Errorf("a second time: %+v, %v", again, err)
		}
		if now, _ := again.Place(KeyPlace{b.Keys[0].ID, 2}); now != at {
			t.Errorf("a second time version 2 is at %v", now)
		}
	})
	t.Run("People", func(t *testing.T) {
		cat := register(t, db, "cat")
		addPerson(t, db, cat, "mira") // somebody else of that name
		theirs := b.People[1]
		same := theirs // the same keys under the same name
		if err := db.People.Add(t.Context(), cat, &same); err != nil {
			t.Fatal(err)
		}
		gone := Person{ID: NewID(), Name: "Eve", Account: NewID(), Login: "eve", Keys: parsePublic(t, newRecipient(t))}
		odd := Person{ID: NewID(), Name: "age1,\x00", Keys: parsePublic(t, newRecipient(t)), Created: time.Unix(5, 0)}
		m, err := db.Accounts.MoveIn(t.Context(), cat, Belongings{People: append(slices.Clone(b.People), gone, odd)}, false)
		if err != nil || m.People != 3 || m.KnownPeople != 1 || m.Renamed != 1 || m.Outside != 1 {
			t.Fatalf("%+v, %v", m, err)
		}
		people, _, err := db.People.List(t.Context(), cat)
		var names []string
		for _, p := range people {
			names = append(names, p.Name)
			if p.Name == "Eve" && (p.Login != "" || !p.Account.IsZero()) {
				t.Error("Eve has an account that is not there")
			}
		}
		if got := strings.Join(names, ", "); err != nil || got != "Eve, jonas, mira, mira (2), Somebody from 1970-01-01" {
			t.Errorf("the list is %s (%v)", got, err)
		}
	})
	t.Run("Hostile", func(t *testing.T) {
		eve := register(t, db, "eve")
		bad := Key{ID: NewID(), Kind: KindFernet, Name: "\x00", Default: true, MinVersion: 1 << 29, Last: 1 << 29, Versions: []KeyVersion{
			{N: 1, State: KeyActive, Secret: []byte(fernet.NewKey())}, {N: 2, State: KeyActive, Secret: []byte(fernet.NewKey())}}}
		if _, err := db.Accounts.MoveIn(t.Context(), eve, Belongings{Keys: []Key{bad}}, false); err != nil {
			t.Fatal(err)
		}
		k := getRing(t, db, eve, bad.ID)
		if k.Default || k.Name == "" || k.Versions[0].State != KeyRetired || k.Versions[1].State != KeyActive {
			t.Errorf("it is %+v of %d versions", k.Default, len(k.Versions))
		}
		many := Belongings{}
		for range maxFernet {
			one := bad
			one.ID, one.Versions = NewID(), []KeyVersion{{N: 1, State: KeyActive, Secret: []byte(fernet.NewKey())}}
			many.Keys = append(many.Keys, one)
		}
		if _, err := db.Accounts.MoveIn(t.Context(), eve, many, false); ErrorCode(err) != Conflict {
			t.Errorf("more Fernet keys than a ring takes: %v", err)
		}
		if n := len(keysOf(t, db, eve)); n != 3 {
			t.Errorf("%d keys are there after a refusal, want 3", n)
		}
	})
}

func TestItems_Arrival(t *testing.T) {
	db, _ := newTestDB(t)
	ada, bob := register(t, db, "ada"), register(t, db, "bob")
	id := NewID()
	arrive := func(u *Unlocked) (ID, bool) {
		t.Helper()
		at, present, err := db.Items.Arrival(t.Context(), u, id)
		if err != nil {
			t.Fatal(err)
		}
		return at, present
	}
	if at, present := arrive(ada); at != id || present {
		t.Errorf("free: %v, %v", at, present)
	}
	items := []*Item{{ID: id, Kind: "note", Title: "a", Body: []byte("a")}, {Kind: "note", Title: "b", Body: []byte{}}}
	if err := db.Items.SaveAll(t.Context(), ada, items); err != nil {
		t.Fatal(err)
	}
	if at, present := arrive(ada); at != id || !present {
		t.Errorf("one's own: %v, %v", at, present)
	}
	at, present := arrive(bob)
	if at == id || present {
		t.Errorf("another's: %v, %v", at, present)
	}
	if err := db.Items.Save(t.Context(), bob, &Item{ID: at, Kind: "note", Title: "a", Body: []byte("a")}); err != nil {
		t.Fatal(err)
	}
	if now, present := arrive(bob); now != at || !present {
		t.Errorf("under the other id: %v, %v", now, present)
	}
	// Also when the first id is free again.
	if _, err := db.Items.Forget(t.Context(), ada, id); err != nil {
		t.Fatal(err)
	}
	if now, present := arrive(bob); now != at || !present {
		t.Errorf("under the other id, the first being free: %v, %v", now, present)
	}
	// All or none.
	twice := NewID()
	if err := db.Items.SaveAll(t.Context(), bob, []*Item{{ID: twice, Kind: "note", Title: "x"}, {ID: at, Kind: "note", Title: "taken"}}); err == nil {
		t.Error("an id was taken twice")
	}
	if _, err := db.Items.Get(t.Context(), bob, twice); ErrorCode(err) != NotFound {
		t.Errorf("half of it was saved: %v", err)
	}
}
