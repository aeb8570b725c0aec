package models

import (
	"errors"
	"reflect"
	"testing"
)

// TestLoseServerKeys goes on without a server key: passwords under it open nothing, the recovery code everything, and
// the key may come back.
func TestLoseServerKeys(t *testing.T) {
	const first, second = "0011223344556677", "second"
	clock := newClock()
	o := testOptions(t, t.TempDir(), clock)
	db := openTest(t, o)
	ada := register(t, db, "ada")
	code := pending(t, db, ada, ReasonNew)
	item := save(t, db, ada, "title", "kept")
	register(t, db, "bob")
	if _, err := db.Accounts.Delete(t.Context(), register(t, db, "eve"), goodPassword); err != nil {
		t.Fatal(err)
	}
	if _, lost, err := db.KeyLost(t.Context()); lost || err != nil {
		t.Fatal(lost, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	use, active, err := KeyUses(t.Context(), o.Dir)
	if want := []KeyUse{{Fingerprint: first, Accounts: 2, RetiredLogins: 1}}; err != nil || active != first || !reflect.DeepEqual(use, want) {
		t.Fatalf("use: %+v, active %s: %v", use, active, err)
	}

	with := func(active string, keys ...string) Options {
		n := testOptions(t, o.Dir, clock)
		n.Pepper = PepperKeys{Active: active, Keys: map[string]ServerKey{}}
		for _, k := range keys {
			n.Pepper.Keys[k] = ServerKey{Pepper: [32]byte{99}, Logins: [32]byte{98}}
			if k == first {
				n.Pepper.Keys[k] = o.Pepper.Keys[first]
			}
		}
		return n
	}
	if _, err := Open(t.Context(), with(second, second)); !errors.Is(err, ErrServerKey) {
		t.Fatalf("opened without the key: %v", err)
	}
	if err := LoseServerKeys(t.Context(), o.Dir, second, []string{second}, clock.now()); err == nil {
		t.Error("the active key was given up")
	}
	if err := LoseServerKeys(t.Context(), o.Dir, second, []string{first}, clock.now()); err != nil {
		t.Fatal(err)
	}
	// A third key is still another one.
	if _, err := Open(t.Context(), with("third", "third")); !errors.Is(err, ErrServerKey) {
		t.Fatalf("opened with any key: %v", err)
	}

	db = openTest(t, with(second, second))
	if at, lost, err := db.KeyLost(t.Context()); !lost || err != nil || !at.Equal(clock.now()) {
		t.Error(at, lost, err)
	}
	_, err = db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
	wantCode(t, err, Unauthorized, "")
	ada, err = db.Accounts.Recover(t.Context(), "ada", code, otherPassword)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := db.Items.Get(t.Context(), ada, item.ID); err != nil || string(got.Body) != "kept" {
		t.Error(got, err)
	}
	if _, err := db.Accounts.Authenticate(t.Context(), "ada", otherPassword); err != nil {
		t.Error(err)
	}
	if _, lost, _ := db.KeyLost(t.Context()); !lost {
		t.Error("bob is not told")
	}
	// What a lost key kept from others is free.
	register(t, db, "eve")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	use, active, err = KeyUses(t.Context(), o.Dir)
	want := []KeyUse{{Fingerprint: second, Accounts: 2}, {Fingerprint: first, Accounts: 1, RetiredLogins: 1, Lost: true}}
	if err != nil || active != second || !reflect.DeepEqual(use, want) {
		t.Errorf("use: %+v, active %s: %v", use, active, err)
	}

	// The key comes back: bob's password works, and moves.
	db = openTest(t, with(second, second, first))
	if _, lost, _ := db.KeyLost(t.Context()); lost {
		t.Error("the key is back, and it is said that it is lost")
	}
	if _, err := db.Accounts.Authenticate(t.Context(), "bob", goodPassword); err != nil {
		t.Error(err)
	}
	use, _, err = KeyUses(t.Context(), o.Dir)
	if err != nil || use[0].Accounts != 3 || use[1].Accounts != 0 {
		t.Errorf("use: %+v, %v", use, err)
	}
	db = reopen(t, db, with(second, second))
	if _, lost, _ := db.KeyLost(t.Context()); lost {
		t.Error("nothing depends on the lost key any more")
	}
}

// An account that waits for its person is opened by the server key alone that it came under.
func TestKeyUses_Waiting(t *testing.T) {
	o := testOptions(t, t.TempDir(), newClock())
	db := openTest(t, o)
	register(t, db, "bob")
	for i, login := range []string{"ada", "eve"} {
		bring(t, db, incoming(t, string(rune('1'+i)), login, "old password"))
	}
	enter(t, db, "eve", "old password")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	use, active, err := KeyUses(t.Context(), o.Dir)
	if want := []KeyUse{{Fingerprint: active, Accounts: 3, Waiting: 1, Imported: 2}}; err != nil || !reflect.DeepEqual(use, want) {
		t.Fatalf("use: %+v: %v", use, err)
	}
}
