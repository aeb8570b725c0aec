package models

import (
	"strings"
	"testing"
)

// Logins of an older Zencrypt that break today's rules are found like all others, and have a name in a list.
func TestPeople_FindOdd(t *testing.T) {
	db, _ := newTestDB(t)
	ada := register(t, db, "ada")
	for id, login := range map[string]string{"1": "a b", "2": "x", "3": "age1looks", "4": "p\u0430y\u200bpal", "5": "one, two # three", "6": strings.Repeat("long", 100)} {
		bring(t, db, incoming(t, id, login, "old pass"))
		for _, typed := range []string{login, " " + strings.ToUpper(login) + " "} {
			o, err := db.People.Find(t.Context(), typed)
			if err != nil || o.Login != login || len(o.Public) == 0 {
				t.Fatalf("%q: found %v, %v", typed, o, err)
			}
			if typed != login {
				continue
			}
			p := &Person{Name: NameOfLogin(o.Login), Login: o.Login, Account: o.Account, Keys: o.Keys()}
			if err := db.People.Add(t.Context(), ada, p); err != nil {
				t.Errorf("add %q as %q: %v", login, p.Name, err)
			}
		}
	}
	for _, nobody := range []string{"", " \n", "a\xff", strings.Repeat("x", 5000)} {
		_, err := db.People.Find(t.Context(), nobody)
		wantCode(t, err, NotFound, "login")
	}
	for _, login := range []string{"", "\u200b", ",", "ssh-#", "age1"} {
		if name := NameOfLogin(login); name == "" {
			t.Errorf("%q has no name", login)
		} else if _, err := CheckName(name); err != nil {
			t.Errorf("%q is called %q: %v", login, name, err)
		}
	}
}

// A new password by recovery is held against the account's login, whatever spelling was typed.
func TestAccounts_RecoverOldSpelling(t *testing.T) {
	db, _ := newTestDB(t)
	bring(t, db, incoming(t, "1", "zz", "first pass"))
	second := incoming(t, "2", "ZZ", "second pass")
	second.Rank = 1
	bring(t, db, second)
	u := enter(t, db, "zz", "second pass")
	if err := db.Accounts.ChangeLogin(t.Context(), u, "second pass", "quixotic-marmalade"); err != nil {
		t.Fatal(err)
	}
	// The old spelling was given up with the login; one that leads here stands in its place.
	if _, err := db.main.w.NewInsert().Model(&aliasRow{AliasKey: "zz", AccountID: u.Account.ID}).Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	code := pending(t, db, u, ReasonImported)
	for _, weak := range []string{"quixotic-marmalade", "Quixotic-Marmalade1"} {
		_, err := db.Accounts.Recover(t.Context(), "zz", code, weak)
		wantCode(t, err, Invalid, "password")
	}
	if _, err := db.Accounts.Recover(t.Context(), "zz", code, otherPassword); err != nil {
		t.Fatalf("the code was used up by a refusal: %v", err)
	}
}
