package models

import (
	"strings"
	"testing"

	"zencrypt/crypto/password"
	"zencrypt/crypto/seal"
)

func pending(t *testing.T, db *DB, u *Unlocked, reason string) string {
	t.Helper()
	code, why, ok, err := db.Accounts.Pending(t.Context(), u)
	if err != nil || !ok || why != reason {
		t.Fatalf("pending: %q, %v, %v; want %q", why, ok, err, reason)
	}
	return code
}

func TestAccounts_Confirm(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	code := pending(t, db, u, ReasonNew)
	other := pending(t, db, register(t, db, "bob"), ReasonNew)
	for _, wrong := range []string{"", "nonsense", other, code[:len(code)-1]} {
		wantCode(t, db.Accounts.Confirm(t.Context(), u, wrong), Invalid, "code")
	}
	pending(t, db, u, ReasonNew)
	typed := strings.ToLower(strings.ReplaceAll(code, "-", " "))
	if err := db.Accounts.Confirm(t.Context(), u, typed); err != nil {
		t.Fatal(err)
	}
	if _, _, ok, err := db.Accounts.Pending(t.Context(), u); ok || err != nil || u.Account.RecoveryPending {
		t.Fatalf("still pending: %v, %v", ok, err)
	}
	if n := count(t, db.main, "SELECT count(*) FROM accounts WHERE login = 'ada' AND sealed_code IS NOT NULL"); n != 0 {
		t.Fatal("the confirmed code was kept")
	}
}

// A code that was shown in another tab while this one was typed back has not been seen yet.
func TestAccounts_Confirm_Replaced(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	code := pending(t, db, u, ReasonNew)
	meanwhile(&db.main.r, "SELECT", func() {
		if err := db.Accounts.NewRecovery(t.Context(), u, goodPassword); err != nil {
			t.Error(err)
		}
	})
	wantCode(t, db.Accounts.Confirm(t.Context(), u, code), Conflict, "code")
	next := pending(t, db, u, ReasonNew)
	if next == code {
		t.Fatal("nothing happened meanwhile")
	}
	if err := db.Accounts.Confirm(t.Context(), u, next); err != nil {
		t.Fatal(err)
	}
}

func TestAccounts_Recover(t *testing.T) {
	c := newClock()
	o := testOptions(t, t.TempDir(), c)
	db := openTest(t, o)
	u := register(t, db, "Ada")
	code := pending(t, db, u, ReasonNew)
	item := save(t, db, u, "title", "body")
	token, _ := login(t, db, u)

	for name, c := range map[string]struct {
		login, code, pw string
		want            Code
		field           string
	}{
		"Unknown":      {"nobody", code, otherPassword, Unauthorized, ""},
		"NoLogin":      {"\x00", code, otherPassword, Unauthorized, ""},
		"WrongCode":    {"ada", "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA", otherPassword, Unauthorized, ""},
		"NoCode":       {"ada", "what", otherPassword, Invalid, "code"},
		"WeakPassword": {"ada", code, "password", Invalid, "password"},
	} {
		t.Run(name, func(t *testing.T) {
			before := db.kdf.runs.Load()
			_, err := db.Accounts.Recover(t.Context(), c.login, c.code, c.pw)
			wantCode(t, err, c.want, c.field)
			if db.kdf.runs.Load() != before {
				t.Fatal("a refused recovery ran argon2id")
			}
		})
	}
	if _, _, err := db.Sessions.Lookup(t.Context(), token); err != nil {
		t.Fatalf("a refused recovery ended a session: %v", err)
	}

	// The server key is lost: the verifier's pepper is gone, the code still opens.
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	o = testOptions(t, o.Dir, c)
	o.Pepper.Keys["0011223344556677"] = ServerKey{Pepper: [32]byte{99}}
	db = openTest(t, o)
	_, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
	wantCode(t, err, Unauthorized, "")
	got, err := db.Accounts.Recover(t.Context(), "ADA", code, otherPassword)
	if err != nil {
		t.Fatal(err)
	}
	if one, err := db.Items.Get(t.Context(), got, item.ID); err != nil || string(one.Body) != "body" {
		t.Fatalf("item: %v, %v", one, err)
	}
	next := pending(t, db, got, ReasonUsed)
	if next == code {
		t.Fatal("the code was not replaced")
	}
	_, _, err = db.Sessions.Lookup(t.Context(), token)
	wantCode(t, err, Gone, "")
	_, err = db.Accounts.Recover(t.Context(), "ada", code, goodPassword)
	wantCode(t, err, Unauthorized, "")
	if _, err := db.Accounts.Authenticate(t.Context(), "ada", otherPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Accounts.Recover(t.Context(), "ada", next, goodPassword); err != nil {
		t.Fatal(err)
	}
}

func TestAccounts_NewRecovery(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	old := pending(t, db, u, ReasonNew)
	wantCode(t, db.Accounts.NewRecovery(t.Context(), u, "wrong"), Unauthorized, "current")
	c.add(1e9)
	if err := db.Accounts.NewRecovery(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	if !u.Account.RecoveryCreated.Equal(c.now()) {
		t.Fatalf("made at %v", u.Account.RecoveryCreated)
	}
	code := pending(t, db, u, ReasonNew)
	_, err := db.Accounts.Recover(t.Context(), "ada", old, otherPassword)
	wantCode(t, err, Unauthorized, "")
	if _, err := db.Accounts.Recover(t.Context(), "ada", code, otherPassword); err != nil {
		t.Fatal(err)
	}
}

func recoverySecret(code string) (seal.Key, error) {
	b, err := password.ParseRecoveryCode(code)
	return seal.Derive(b, infoRecovery), err
}
