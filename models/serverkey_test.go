package models

import (
	"errors"
	"strings"
	"testing"
)

// A rotation puts another key in the active one's place and keeps the old one beside it.
func rotated(t *testing.T, o Options, to string, secret byte) Options {
	t.Helper()
	keys := map[string]ServerKey{to: {Pepper: [32]byte{secret}, Logins: [32]byte{secret, 1}}}
	for fingerprint, k := range o.Pepper.Keys {
		keys[fingerprint] = k
	}
	o.Pepper = PepperKeys{Active: to, Keys: keys}
	return o
}

func reopen(t *testing.T, db *DB, o Options) *DB {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return openTest(t, o)
}

// A login that was given up stays so, whichever server key was the active one then.
func TestAccounts_Register_RetiredBeforeRotation(t *testing.T) {
	o := testOptions(t, t.TempDir(), newClock())
	db := openTest(t, o)
	if _, err := db.Accounts.Delete(t.Context(), register(t, db, "ada"), goodPassword); err != nil {
		t.Fatal(err)
	}
	for i, next := range []string{"second", "third"} {
		o = rotated(t, testOptions(t, o.Dir, newClock()), next, byte(10+i))
		if i > 0 {
			o.Pepper.Keys["second"] = ServerKey{Pepper: [32]byte{10}, Logins: [32]byte{10, 1}}
		}
		db = reopen(t, db, o)
		for _, login := range []string{"ada", "ADA", "bob"} {
			if login == "bob" && i == 0 {
				continue // is given up below, under the second key
			}
			_, err := db.Accounts.Register(t.Context(), login, goodPassword)
			wantCode(t, err, Conflict, "login")
		}
		if i == 0 {
			if _, err := db.Accounts.Delete(t.Context(), register(t, db, "bob"), goodPassword); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// After a rotation the older key is needed until its accounts have logged in again, and for good by the
// logins that were given up under it.
func TestOpen_OlderServerKeyMissing(t *testing.T) {
	const first = "0011223344556677"
	o := testOptions(t, t.TempDir(), newClock())
	db := openTest(t, o)
	register(t, db, "ada")
	register(t, db, "bob")
	gone := register(t, db, "eve")
	o = rotated(t, o, "next", 9)
	db = reopen(t, db, o)
	alone := testOptions(t, o.Dir, newClock())
	alone.Pepper = PepperKeys{Active: "next", Keys: map[string]ServerKey{"next": o.Pepper.Keys["next"]}}
	refused := func(parts ...string) {
		t.Helper()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), alone)
		if !errors.Is(err, ErrServerKey) {
			t.Fatalf("error %v", err)
		}
		for _, part := range append(parts, first, "recovery codes") {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("the error lacks %q: %v", part, err)
			}
		}
		db = openTest(t, o)
	}
	refused("passwords of 3")
	if _, err := db.Accounts.DeleteByAdmin(t.Context(), gone.Account.ID); err != nil { // under the new key
		t.Fatal(err)
	}
	if _, err := db.Accounts.Authenticate(t.Context(), "bob", goodPassword); err != nil {
		t.Fatal(err)
	}
	refused("passwords of 1")
	if _, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword); err != nil {
		t.Fatal(err)
	}
	db = reopen(t, db, alone) // nothing depends on the first key any more
	if _, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword); err != nil {
		t.Fatal(err)
	}
	exec(t, db.main, "INSERT INTO retired_logins VALUES (x'00', ?)", first)
	refused("1 logins")
}
