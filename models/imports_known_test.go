package models

import (
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// underKeys opens the test database with other server keys: "old" and "new" are two, told apart by their bytes.
func underKeys(t *testing.T, db *DB, o Options, active string, keys ...string) *DB {
	t.Helper()
	o.Pepper = PepperKeys{Active: active, Keys: map[string]ServerKey{}}
	for _, k := range keys {
		o.Pepper.Keys[k] = ServerKey{Pepper: [32]byte{k[0]}, Logins: [32]byte{k[0], 1}}
	}
	if db != nil {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return openTest(t, o)
}

// What came under a server key that is still there is known by it, whichever is active. When that key is gone, nobody
// comes twice: the login tells, and an account whose login came before is refused.
func TestImports_KeyGone(t *testing.T) {
	o := testOptions(t, filepath.Join(t.TempDir(), "data"), newClock())
	db := underKeys(t, nil, o, "old", "old")
	source := func() []*Incoming {
		second := incoming(t, "2", "ADA", "second pass", textRecord("text:2", "two"))
		second.Rank = 1
		return []*Incoming{incoming(t, "1", "ada", "first pass", textRecord("text:1", "one")), second,
			incoming(t, "3", "renamed", goodPassword), incoming(t, "4", "left", "fourth pass"), incoming(t, "5", "waits", "fifth pass")}
	}
	for _, in := range source() {
		bring(t, db, in)
	}
	db = underKeys(t, db, o, "new", "old", "new")
	for _, in := range source() {
		if out := bring(t, db, in); out.State != ImportKnown {
			t.Errorf("%s is %s under an older key", in.Login, out.State)
		}
	}
	if n, keys, err := db.Imports.Forgotten(t.Context()); n != 0 || len(keys) != 0 || err != nil {
		t.Errorf("%d forgotten of %q, %v", n, keys, err)
	}
	enter(t, db, "ada", "first pass")
	enter(t, db, "ada", "second pass")
	if err := db.Accounts.ChangeLogin(t.Context(), enter(t, db, "renamed", goodPassword), goodPassword, "another-login"); err != nil {
		t.Fatal(err)
	}
	left := enter(t, db, "left", "fourth pass")
	if _, err := db.Accounts.Delete(t.Context(), left, "fourth pass"); err != nil {
		t.Fatal(err)
	}
	enter(t, db, "waits", "fifth pass")

	// Two came under the new key itself: those stay known.
	bring(t, db, incoming(t, "6", "later", "sixth pass"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	use, _, err := KeyUses(t.Context(), o.Dir)
	if want := []KeyUse{{Fingerprint: "new", Accounts: 5, Waiting: 1, RetiredLogins: 2, Imported: 1}, {Fingerprint: "old", Imported: 5}}; err != nil || !reflect.DeepEqual(use, want) {
		t.Fatalf("use: %+v, %v", use, err)
	}
	db = underKeys(t, nil, o, "new", "new")
	before := count(t, db.main, "SELECT count(*) FROM accounts")
	for _, in := range source() {
		_, err := db.Imports.Import(t.Context(), in, false)
		wantCode(t, err, Conflict, FieldOrigin)
	}
	if out := bring(t, db, incoming(t, "6", "later", "sixth pass")); out.State != ImportKnown {
		t.Errorf("what came under the active key is %s", out.State)
	}
	if n := count(t, db.main, "SELECT count(*) FROM accounts"); n != before {
		t.Errorf("%d accounts became %d", before, n)
	}
	n, keys, err := db.Imports.Forgotten(t.Context())
	if n != 5 || !slices.Equal(keys, []string{"old"}) || err != nil {
		t.Errorf("%d forgotten of %q, %v", n, keys, err)
	}
	// Somebody else is not refused, nor who is said to be.
	if out := bring(t, db, incoming(t, "7", "somebody-else", "seventh pass")); out.State != ImportNew {
		t.Errorf("somebody else is %s", out.State)
	}
	again := source()[0]
	again.AsNew = true
	if out := bring(t, db, again); out.State != ImportNew || out.Login != "ada-3" {
		t.Errorf("as new: %+v", out)
	}
	// The key comes back, and everybody is known.
	db = underKeys(t, db, o, "new", "old", "new")
	for i, in := range source() {
		want := []string{ImportKnown, ImportKnown, ImportKnown, ImportGone, ImportKnown}[i]
		if out := bring(t, db, in); out.State != want {
			t.Errorf("%s is %s, not %s", in.Login, out.State, want)
		}
	}
}

// What came before server keys were noted gets its note when it is found, and who waits gets it by the migration.
func TestImports_KeyNotNoted(t *testing.T) {
	o := testOptions(t, filepath.Join(t.TempDir(), "data"), newClock())
	db := underKeys(t, nil, o, "old", "old")
	came, waits := incoming(t, "1", "came", "first pass"), incoming(t, "2", "waits", "second pass")
	bring(t, db, came)
	bring(t, db, waits)
	enter(t, db, "came", "first pass")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for undone := ""; undone != "20260101000700"; {
		var err error
		if undone, _, err = MigrateDown(t.Context(), o.Dir, o.Main, o.Now); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := KeyUses(t.Context(), o.Dir); err != nil {
		t.Fatalf("key uses of an older schema: %v", err)
	}
	db = underKeys(t, nil, o, "new", "old", "new")
	if n, keys, err := db.Imports.Forgotten(t.Context()); n != 1 || len(keys) != 0 || err != nil {
		t.Errorf("%d forgotten of %q, %v", n, keys, err)
	}
	if out := bring(t, db, came); out.State != ImportKnown {
		t.Errorf("it is %s", out.State)
	}
	if n, _, err := db.Imports.Forgotten(t.Context()); n != 0 || err != nil {
		t.Errorf("%d forgotten, %v", n, err)
	}
}
