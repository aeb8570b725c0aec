package models

import (
	"bytes"
	"testing"
	"time"
)

func setSettings(t *testing.T, db *DB, u *Unlocked, s Settings) {
	t.Helper()
	if err := db.Accounts.SetSettings(t.Context(), u, s); err != nil {
		t.Fatal(err)
	}
	if err := db.Sessions.Apply(t.Context(), u.Account.ID, s); err != nil {
		t.Fatal(err)
	}
}

func TestSettings(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	if s, err := db.Accounts.Settings(t.Context(), u); err != nil || s != (Settings{History: true}) {
		t.Fatalf("at first: %+v, %v", s, err)
	}
	for _, bad := range []Settings{{SessionLife: time.Minute}, {SessionLife: 13 * time.Hour}, {SessionLife: -1}} {
		wantCode(t, db.Accounts.SetSettings(t.Context(), u, bad), Invalid, "session")
	}
	for _, bad := range []Settings{{LockAfter: time.Minute}, {LockAfter: 30 * time.Minute}, {LockAfter: -1}} {
		wantCode(t, db.Accounts.SetSettings(t.Context(), u, bad), Invalid, "lock")
	}
	want := Settings{History: true, SessionLife: time.Hour, LockAfter: 10 * time.Minute}
	setSettings(t, db, u, want)
	if s, err := db.Accounts.Settings(t.Context(), u); err != nil || s != want {
		t.Fatalf("%+v, %v", s, err)
	}
	t.Run("Renewed", func(t *testing.T) {
		if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Accounts.Reseal(t.Context(), u, 100); err != nil {
			t.Fatal(err)
		}
		again, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := db.Accounts.Settings(t.Context(), again); err != nil || s != want {
			t.Fatalf("%+v, %v", s, err)
		}
		if n := count(t, db.main, "SELECT count(*) FROM account_keys"); n != 0 {
			t.Fatalf("%d older keys are still needed", n)
		}
	})
	t.Run("SessionLife", func(t *testing.T) {
		token, s := login(t, db, u)
		if got := s.Expires.Sub(s.Created); got != time.Hour {
			t.Fatalf("ends after %v", got)
		}
		setSettings(t, db, u, Settings{History: true, SessionLife: 30 * time.Minute})
		c.add(29 * time.Minute)
		if _, _, err := db.Sessions.Lookup(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		setSettings(t, db, u, Settings{History: true}) // a longer one does not wake what ends
		c.add(time.Minute)
		_, _, err := db.Sessions.Lookup(t.Context(), token)
		wantCode(t, err, Gone, "")
	})
	t.Run("Changed", func(t *testing.T) {
		exec(t, db.main, "UPDATE settings SET sealed_settings = zeroblob(60)")
		if s, err := db.Accounts.Settings(t.Context(), u); err != nil || !s.Unreadable || !s.History {
			t.Fatalf("%+v, %v", s, err)
		}
	})
}

func TestSessions_Lock(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	setSettings(t, db, u, Settings{History: true, LockAfter: 10 * time.Minute})
	token, s := login(t, db, u)
	sealed := func() (b []byte) {
		t.Helper()
		if err := db.sessions.w.DB.QueryRow("SELECT sealed_account_key FROM sessions WHERE id = ?", s.ID[:]).Scan(&b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	was := bytes.Clone(sealed())
	if len(was) == 0 {
		t.Fatal("there is no key to delete")
	}
	t.Run("UsedItStays", func(t *testing.T) {
		for range 4 {
			c.add(9 * time.Minute)
			if got, who, err := db.Sessions.Lookup(t.Context(), token); err != nil || got.Locked || who == nil {
				t.Fatalf("%v, %v", got, err)
			}
			if err := db.Sessions.LockIdle(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
	locked := func(t *testing.T) *Session {
		t.Helper()
		got, who, err := db.Sessions.Lookup(t.Context(), token)
		if err != nil || !got.Locked || who != nil {
			t.Fatalf("%v, %v, %v", got, who, err)
		}
		if len(sealed()) != 0 {
			t.Fatal("the sealed key is still there")
		}
		return got
	}
	t.Run("ByLookup", func(t *testing.T) {
		c.add(10 * time.Minute)
		got := locked(t)
		locked(t)
		t.Run("Unlock", func(t *testing.T) {
			other := register(t, db, "bob")
			_, err := db.Sessions.Unlock(t.Context(), got, other)
			wantCode(t, err, Gone, "")
			again, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
			if err != nil {
				t.Fatal(err)
			}
			result := &Result{ID: NewID(), Session: got.ID, Owner: "ada", Created: c.now(), Expires: c.now().Add(time.Hour), Verb: "encrypt", State: StateReady,
				Blob: NewID(), Meta: ResultMeta{Name: "waits.age"}}
			waiting, err := closeResult(got, result)
			if err == nil {
				_, err = db.sessions.w.NewInsert().Model(waiting).Exec(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			fresh, err := db.Sessions.Unlock(t.Context(), got, again)
			if err != nil || fresh == token {
				t.Fatal(err)
			}
			_, _, err = db.Sessions.Lookup(t.Context(), token)
			wantCode(t, err, NotFound, "")
			token = fresh
			now, who, err := db.Sessions.Lookup(t.Context(), token)
			if err != nil || now.Locked || who == nil || !now.Expires.Equal(s.Expires) || now.ID != s.ID || now.Key == s.Key {
				t.Fatalf("%v, %v", now, err)
			}
			if r, err := db.Results.Get(t.Context(), now, result.ID); err != nil || r.Meta.Name != "waits.age" {
				t.Fatalf("the result that waited: %v, %v", r, err)
			}
		})
	})
	t.Run("ByTheJanitor", func(t *testing.T) {
		c.add(10 * time.Minute)
		if err := db.Sessions.LockIdle(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(sealed()) != 0 {
			t.Fatal("the sealed key is still there")
		}
		locked(t)
		if err := db.Sessions.Touch(t.Context(), s.ID); err != nil { // a use that came late
			t.Fatal(err)
		}
		locked(t)
	})
	t.Run("EpochEndsIt", func(t *testing.T) {
		got := locked(t)
		if err := db.Accounts.ChangePassword(t.Context(), u, goodPassword, otherPassword); err != nil {
			t.Fatal(err)
		}
		_, err := db.Sessions.Unlock(t.Context(), got, u)
		wantCode(t, err, Gone, "")
		_, _, err = db.Sessions.Lookup(t.Context(), token)
		wantCode(t, err, Gone, "")
		if n := count(t, db.sessions, "SELECT count(*) FROM session_locks"); n != 0 {
			t.Fatalf("%d locks of ended sessions stay", n)
		}
	})
	t.Run("IdleEndsIt", func(t *testing.T) {
		fresh, _ := login(t, db, u)
		c.add(30 * time.Minute)
		_, _, err := db.Sessions.Lookup(t.Context(), fresh)
		wantCode(t, err, Gone, "")
	})
	t.Run("TurnedOff", func(t *testing.T) {
		fresh, _ := login(t, db, u)
		setSettings(t, db, u, Settings{History: true})
		c.add(20 * time.Minute)
		if got, who, err := db.Sessions.Lookup(t.Context(), fresh); err != nil || got.Locked || who == nil {
			t.Fatalf("%v, %v", got, err)
		}
	})
	t.Run("PendingDoesNotLock", func(t *testing.T) {
		setSettings(t, db, u, Settings{History: true, LockAfter: 5 * time.Minute})
		fresh, _, err := db.Sessions.Create(t.Context(), u, true)
		if err != nil {
			t.Fatal(err)
		}
		c.add(4 * time.Minute)
		if got, _, err := db.Sessions.Lookup(t.Context(), fresh); err != nil || got.Locked || !got.Pending {
			t.Fatalf("%v, %v", got, err)
		}
	})
}

func TestAccounts_ChangeLogin(t *testing.T) {
	db, _ := newTestDB(t)
	u, bob := register(t, db, "ada"), register(t, db, "bob")
	token, _ := login(t, db, u)
	addLogin(t, db, bob, "ada")
	wantCode(t, db.Accounts.ChangeLogin(t.Context(), u, otherPassword, "lovelace"), Unauthorized, "current")
	wantCode(t, db.Accounts.ChangeLogin(t.Context(), u, goodPassword, "x"), Invalid, "login")
	wantCode(t, db.Accounts.ChangeLogin(t.Context(), u, goodPassword, "ada"), Invalid, "login")
	wantCode(t, db.Accounts.ChangeLogin(t.Context(), u, goodPassword, "BOB"), Conflict, "login")
	wantCode(t, db.Accounts.ChangeLogin(t.Context(), u, goodPassword, goodPassword), Invalid, "login")
	if err := db.Accounts.ChangeLogin(t.Context(), u, goodPassword, "Ada"); err != nil { // another spelling gives up nothing
		t.Fatal(err)
	}
	if n := count(t, db.main, "SELECT count(*) FROM retired_logins"); n != 0 || u.Account.Login != "Ada" {
		t.Fatalf("%d given up, login %s", n, u.Account.Login)
	}
	if err := db.Accounts.ChangeLogin(t.Context(), u, goodPassword, "lovelace"); err != nil {
		t.Fatal(err)
	}
	_, err := db.Accounts.Register(t.Context(), "ADA", goodPassword)
	wantCode(t, err, Conflict, "login")
	wantCode(t, db.Accounts.ChangeLogin(t.Context(), bob, goodPassword, "ada"), Conflict, "login")
	wantCode(t, db.Accounts.ChangeLogin(t.Context(), u, goodPassword, "ada"), Conflict, "login")
	_, err = db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
	wantCode(t, err, Unauthorized, "")
	if again, err := db.Accounts.Authenticate(t.Context(), "Lovelace", goodPassword); err != nil || again.Account.ID != u.Account.ID {
		t.Fatalf("by the new login: %v", err)
	}
	if _, who, err := db.Sessions.Lookup(t.Context(), token); err != nil || who.Account.Login != "lovelace" {
		t.Fatalf("the session: %v", err)
	}
	if name, err := db.Accounts.LoginOf(t.Context(), u.Account.ID); err != nil || name != "lovelace" {
		t.Fatalf("%s, %v", name, err)
	}
	// What others pinned goes by the id.
	people, now, err := db.People.List(t.Context(), bob)
	if err != nil || len(people) != 1 || people[0].Gone(now[u.Account.ID]) || len(people[0].Changes(now[u.Account.ID])) != 0 {
		t.Fatalf("%d people, %v", len(people), err)
	}
	if offer := now[u.Account.ID]; offer == nil || offer.Login != "lovelace" || people[0].Login != "ada" {
		t.Fatalf("offered %+v, pinned under %s", offer, people[0].Login)
	}
}
