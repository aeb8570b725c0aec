package models

import "testing"

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
