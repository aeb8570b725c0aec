package models

import "testing"

// renamedAda is somebody whose old login "ADA" got a suffix, though nobody has "ada" here: the account that came first
// in the old database could not come.
func renamedAda(t *testing.T, db *DB) *Unlocked {
	t.Helper()
	in := incoming(t, "2", "ADA", "old password")
	in.Rank = 1
	if out := bring(t, db, in); out.Login != "ADA-2" || !out.AsBefore {
		t.Fatalf("brought %+v", out)
	}
	return enter(t, db, "ada", "old password")
}

// What leads to somebody by an old spelling is nobody else's to register or to choose.
func TestAliases_NobodyElses(t *testing.T) {
	db, _ := newTestDB(t)
	u := renamedAda(t, db)
	wantCode(t, db.Accounts.CanRegister(t.Context(), "Ada", goodPassword), Conflict, "login")
	_, err := db.Accounts.Register(t.Context(), "Ada", goodPassword)
	wantCode(t, err, Conflict, "login")
	wantCode(t, db.Accounts.ChangeLogin(t.Context(), register(t, db, "bob"), goodPassword, "ada"), Conflict, "login")
	if err := db.Accounts.ChangeLogin(t.Context(), u, "old password", "ada"); err != nil {
		t.Fatalf("its own person can't choose it: %v", err)
	}
	enter(t, db, "ADA", "old password")
}

// With a login its old spellings are given up, by a change and by a deletion.
func TestAliases_GivenUp(t *testing.T) {
	for name, act := range map[string]func(db *DB, u *Unlocked) error{
		"Change": func(db *DB, u *Unlocked) error {
			return db.Accounts.ChangeLogin(t.Context(), u, "old password", "lovelace")
		},
		"Delete": func(db *DB, u *Unlocked) error {
			_, err := db.Accounts.Delete(t.Context(), u, "old password")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, _ := newTestDB(t)
			u := renamedAda(t, db)
			if err := act(db, u); err != nil {
				t.Fatal(err)
			}
			wrong(t, db, "ada", "old password")
			wrong(t, db, "ADA-2", "old password")
			_, err := db.Accounts.Register(t.Context(), "ada", goodPassword)
			wantCode(t, err, Conflict, "login")
			if name == "Change" {
				enter(t, db, "lovelace", "old password")
				if a, err := db.Imports.Advice(t.Context(), u); err != nil || a.Renamed {
					t.Errorf("still told of a suffix: %+v, %v", a, err)
				}
			}
		})
	}
}
