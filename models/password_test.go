package models

import (
	"strings"
	"testing"

	"zencrypt/crypto/password"
)

func TestAccounts_Authenticate(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "Amélie")
	_, want := u.Ring.Current()
	t.Run("Spellings", func(t *testing.T) {
		for _, login := range []string{"Amélie", " AMÉLIE ", "ame\u0301lie"} {
			got, err := db.Accounts.Authenticate(t.Context(), login, goodPassword)
			if err != nil {
				t.Fatalf("%q: %v", login, err)
			}
			if _, key := got.Ring.Current(); key != want {
				t.Fatalf("%q: another account key", login)
			}
		}
	})
	t.Run("SameWork", func(t *testing.T) {
		for name, c := range map[string]struct{ login, pw string }{
			"Right": {"amélie", goodPassword}, "Wrong": {"amélie", "wrong"}, "Empty": {"amélie", ""},
			"Unknown": {"nobody", goodPassword}, "NoLogin": {"\x00", goodPassword},
		} {
			before := db.kdf.runs.Load()
			_, err := db.Accounts.Authenticate(t.Context(), c.login, c.pw)
			if n := db.kdf.runs.Load() - before; n != 2 {
				t.Errorf("%s: %d argon2id runs, want 2", name, n)
			}
			if name == "Right" {
				if err != nil {
					t.Error(err)
				}
				continue
			}
			wantCode(t, err, Unauthorized, "")
			if err.Error() != errWrongLogin().Error() {
				t.Errorf("%s: says %q", name, err)
			}
		}
	})
	t.Run("TooLong", func(t *testing.T) {
		_, err := db.Accounts.Authenticate(t.Context(), "amélie", strings.Repeat("x", 1<<20))
		wantCode(t, err, Unauthorized, "")
	})
	t.Run("PasswordNFC", func(t *testing.T) {
		if _, err := db.Accounts.Register(t.Context(), "norm", "cafe\u0301-otter-glacier-pivot"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Accounts.Authenticate(t.Context(), "norm", "caf\u00e9-otter-glacier-pivot"); err != nil {
			t.Fatal(err)
		}
	})
}

// An older server key and lower costs are replaced at log-in, and only then.
func TestAccounts_Authenticate_Raise(t *testing.T) {
	c := newClock()
	o := testOptions(t, t.TempDir(), c)
	db := openTest(t, o)
	u := register(t, db, "ada")
	_, want := u.Ring.Current()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	o = testOptions(t, o.Dir, c)
	o.KDF = password.Params{Time: 2, MemoryKiB: 16, Threads: 1}
	o.Pepper.Active = "new"
	o.Pepper.Keys["new"] = ServerKey{Pepper: [32]byte{9}}
	db = openTest(t, o)
	for i, runs := range []int64{4, 2} {
		before := db.kdf.runs.Load()
		got, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		if _, key := got.Ring.Current(); key != want {
			t.Fatal("another account key")
		}
		if n := db.kdf.runs.Load() - before; n != runs {
			t.Fatalf("log-in %d: %d runs, want %d", i+1, n, runs)
		}
	}
	row, err := accountBy(t.Context(), db.main.r, "login_key", "ada")
	if err != nil || row.Pepper != "new" || !strings.Contains(row.Verifier, "m=16,t=2,p=1") {
		t.Fatalf("pepper %q, verifier %q, %v", row.Pepper, row.Verifier, err)
	}
	if row.Epoch != 1 {
		t.Fatal("raising costs must not end sessions")
	}
}

func TestAccounts_ChangePassword(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	item := save(t, db, u, "title", "body")
	token, _ := login(t, db, u)
	other, _ := login(t, db, u)
	err := db.Accounts.ChangePassword(t.Context(), u, "wrong", otherPassword)
	wantCode(t, err, Unauthorized, "current")
	err = db.Accounts.ChangePassword(t.Context(), u, goodPassword, "short")
	wantCode(t, err, Invalid, "password")
	if _, _, err := db.Sessions.Lookup(t.Context(), token); err != nil {
		t.Fatalf("a refused change ended the session: %v", err)
	}
	stale, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts.ChangePassword(t.Context(), u, goodPassword, otherPassword); err != nil {
		t.Fatal(err)
	}
	for _, tok := range []string{token, other} {
		_, _, err := db.Sessions.Lookup(t.Context(), tok)
		wantCode(t, err, Gone, "")
	}
	fresh, _ := login(t, db, u)
	if _, got, err := db.Sessions.Lookup(t.Context(), fresh); err != nil || got.Account.Epoch != 2 {
		t.Fatalf("the new session: %v, %v", got, err)
	}
	// Who logged in before the change can't undo it with the old password in hand.
	wantCode(t, db.Accounts.ChangePassword(t.Context(), stale, goodPassword, otherPassword), Unauthorized, "current")
	wantCode(t, db.Accounts.ChangePassword(t.Context(), stale, otherPassword, goodPassword), Unauthorized, "")
	_, err = db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
	wantCode(t, err, Unauthorized, "")
	again, err := db.Accounts.Authenticate(t.Context(), "ada", otherPassword)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := db.Items.Get(t.Context(), again, item.ID); err != nil || string(got.Body) != "body" {
		t.Fatalf("item: %v, %v", got, err)
	}
}
