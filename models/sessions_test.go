package models

import (
	"encoding/base64"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestSessions_Lookup(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	token, s := login(t, db, u)
	t.Run("Opens", func(t *testing.T) {
		got, who, err := db.Sessions.Lookup(t.Context(), token)
		if err != nil || got.ID != s.ID || got.Key != s.Key || got.Guest || who.Account.Login != "ada" {
			t.Fatalf("got %v, %v, %v", got, who, err)
		}
		_, want := u.Ring.Current()
		if _, key := who.Ring.Current(); key != want {
			t.Fatal("another account key")
		}
	})
	t.Run("TokenIsNotStored", func(t *testing.T) {
		secret, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || len(secret) != 32 {
			t.Fatalf("token of %d bytes, %v", len(secret), err)
		}
		if n := count(t, db.sessions, "SELECT count(*) FROM sessions WHERE token_hash = ? OR instr(sealed_account_key, ?)", secret, secret); n != 0 {
			t.Fatal("it is")
		}
	})
	t.Run("NoSuch", func(t *testing.T) {
		flipped := "A" + token[1:]
		if token[0] == 'A' {
			flipped = "B" + token[1:]
		}
		for _, bad := range []string{"", "x", flipped, token + "A", token[:42], strings.Repeat("A", 43), token + "\n", strings.Repeat("A", 1<<20)} {
			_, _, err := db.Sessions.Lookup(t.Context(), bad)
			wantCode(t, err, NotFound, "")
		}
	})
	t.Run("Guest", func(t *testing.T) {
		token, s, err := db.Sessions.Create(t.Context(), nil, false)
		if err != nil || !s.Guest || s.Account != nil {
			t.Fatalf("%v, %v", s, err)
		}
		got, who, err := db.Sessions.Lookup(t.Context(), token)
		if err != nil || who != nil || !got.Guest {
			t.Fatalf("%v, %v, %v", got, who, err)
		}
	})
	t.Run("TouchedOnceAMinute", func(t *testing.T) {
		touched := func() int { return count(t, db.sessions, "SELECT touched FROM sessions WHERE id = ?", s.ID[:]) }
		before := touched()
		c.add(59 * time.Second)
		for _, want := range []int{before, before + 60_000} {
			if _, _, err := db.Sessions.Lookup(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			if got := touched(); got != want {
				t.Fatalf("touched at %d, want %d", got, want)
			}
			c.add(time.Second)
		}
	})
}

func TestSessions_Ends(t *testing.T) {
	t.Run("Idle", func(t *testing.T) {
		db, c := newTestDB(t)
		u := register(t, db, "ada")
		token, s := login(t, db, u)
		for range 3 { // used, and kept by a transfer
			c.add(29 * time.Minute)
			if _, _, err := db.Sessions.Lookup(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			c.add(29 * time.Minute)
			if err := db.Sessions.Touch(t.Context(), s.ID); err != nil {
				t.Fatal(err)
			}
		}
		c.add(30 * time.Minute)
		if list, err := db.Sessions.List(t.Context(), u.Account.ID); err != nil || len(list) != 0 {
			t.Fatalf("listed: %v, %v", list, err)
		}
		_, _, err := db.Sessions.Lookup(t.Context(), token)
		wantCode(t, err, Gone, "")
		_, _, err = db.Sessions.Lookup(t.Context(), token)
		wantCode(t, err, NotFound, "")
	})
	t.Run("Ahead", func(t *testing.T) { // a clock that was wrong is set right
		db, c := newTestDB(t)
		u := register(t, db, "ada")
		token, _ := login(t, db, u)
		other, _ := login(t, db, u)
		c.add(-30 * time.Minute)
		if _, _, err := db.Sessions.Lookup(t.Context(), token); err != nil {
			t.Errorf("half an hour ahead: %v", err)
		}
		c.add(-time.Minute)
		_, _, err := db.Sessions.Lookup(t.Context(), other)
		wantCode(t, err, Gone, "")
	})
	t.Run("Absolute", func(t *testing.T) {
		db, c := newTestDB(t)
		token, _ := login(t, db, register(t, db, "ada"))
		for range 12*60/20 - 1 {
			c.add(20 * time.Minute)
			if _, _, err := db.Sessions.Lookup(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		c.add(20 * time.Minute)
		_, _, err := db.Sessions.Lookup(t.Context(), token)
		wantCode(t, err, Gone, "")
	})
	t.Run("Expire", func(t *testing.T) {
		db, c := newTestDB(t)
		u, gone := register(t, db, "ada"), register(t, db, "bob")
		_, old := login(t, db, u)
		c.add(20 * time.Minute)
		_, alive := login(t, db, u)
		_, ofDeleted := login(t, db, gone)
		other, err := db.Accounts.Authenticate(t.Context(), "bob", goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Accounts.DeleteByAdmin(t.Context(), other.Account.ID); err != nil {
			t.Fatal(err)
		}
		c.add(10 * time.Minute)
		ended, err := db.Sessions.Expire(t.Context())
		if err != nil || len(ended) != 2 {
			t.Fatalf("ended %v, %v; want %v and %v", ended, err, old.ID, ofDeleted.ID)
		}
		list, err := db.Sessions.List(t.Context(), u.Account.ID)
		if err != nil || len(list) != 1 || list[0].ID != alive.ID || !list[0].Expires.Equal(alive.Created.Add(12*time.Hour)) {
			t.Fatalf("left: %v, %v", list, err)
		}
		if err := db.Accounts.ChangePassword(t.Context(), u, goodPassword, otherPassword); err != nil {
			t.Fatal(err)
		}
		if ended, err = db.Sessions.Expire(t.Context()); err != nil || len(ended) != 1 {
			t.Fatalf("after the epoch rose: %v, %v", ended, err)
		}
	})
	t.Run("EndAll", func(t *testing.T) {
		db, _ := newTestDB(t)
		u, other := register(t, db, "ada"), register(t, db, "bob")
		token, s := login(t, db, u)
		ended, _ := login(t, db, u)
		theirs, _ := login(t, db, other)
		if _, err := db.Sessions.EndAll(t.Context(), u.Account.ID, &s.ID); err != nil {
			t.Fatal(err)
		}
		for _, alive := range []string{token, theirs} {
			if _, _, err := db.Sessions.Lookup(t.Context(), alive); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err := db.Sessions.Lookup(t.Context(), ended)
		wantCode(t, err, NotFound, "")
		for range 2 {
			if _, err := db.Sessions.End(t.Context(), s.ID); err != nil {
				t.Fatal(err)
			}
		}
		_, _, err = db.Sessions.Lookup(t.Context(), token)
		wantCode(t, err, NotFound, "")
	})
}

func TestSessions_Pending(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	begin := func() (string, *Session) {
		token, _, err := db.Sessions.Create(t.Context(), u, true)
		if err != nil {
			t.Fatal(err)
		}
		s, who, err := db.Sessions.Lookup(t.Context(), token)
		if err != nil || who != nil || !s.Pending || s.Tries != 5 {
			t.Fatalf("pending: %v, %v, %v", s, who, err)
		}
		return token, s
	}
	t.Run("Promote", func(t *testing.T) {
		token, s := begin()
		next, full, who, err := db.Sessions.Promote(t.Context(), s)
		if err != nil || full.Pending || who.Account.Login != "ada" || next == token || full.ID == s.ID {
			t.Fatalf("%v, %v, %v", full, who, err)
		}
		_, _, err = db.Sessions.Lookup(t.Context(), token)
		wantCode(t, err, NotFound, "")
		if _, who, err := db.Sessions.Lookup(t.Context(), next); err != nil || who == nil {
			t.Fatal(err)
		}
		_, _, _, err = db.Sessions.Promote(t.Context(), s)
		wantCode(t, err, Gone, "")
		_, _, _, err = db.Sessions.Promote(t.Context(), full)
		wantCode(t, err, Gone, "")
	})
	t.Run("PromotedMeanwhile", func(t *testing.T) {
		_, s := begin()
		before := count(t, db.sessions, "SELECT count(*) FROM sessions WHERE NOT pending")
		meanwhile(&db.sessions.r, "SELECT", func() {
			if _, _, _, err := db.Sessions.Promote(t.Context(), s); err != nil {
				t.Error(err)
			}
		})
		_, _, _, err := db.Sessions.Promote(t.Context(), s)
		wantCode(t, err, Gone, "")
		if n := count(t, db.sessions, "SELECT count(*) FROM sessions WHERE NOT pending"); n != before+1 {
			t.Fatalf("%d sessions of one log-in", n-before)
		}
	})
	t.Run("Tries", func(t *testing.T) {
		token, s := begin()
		for want := 4; want >= 0; want-- {
			if left, err := db.Sessions.Try(t.Context(), s.ID); err != nil || left != want {
				t.Fatalf("%d left, %v; want %d", left, err, want)
			}
		}
		_, err := db.Sessions.Try(t.Context(), s.ID)
		wantCode(t, err, Gone, "")
		// The code of the last try may still fit.
		if _, _, _, err := db.Sessions.Promote(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		_, _, err = db.Sessions.Lookup(t.Context(), token)
		wantCode(t, err, NotFound, "")
	})
	t.Run("TriesAtOnce", func(t *testing.T) {
		_, s := begin()
		var allowed atomic.Int32
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := db.Sessions.Try(t.Context(), s.ID); err == nil {
					allowed.Add(1)
				}
			})
		}
		all.Wait()
		if allowed.Load() != pendingTries {
			t.Fatalf("%d tries at once", allowed.Load())
		}
	})
	t.Run("Claim", func(t *testing.T) {
		_, s := begin()
		if err := db.Sessions.Claim(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		wantCode(t, db.Sessions.Claim(t.Context(), s), Gone, "")
		_, _, _, err := db.Sessions.Promote(t.Context(), s)
		wantCode(t, err, Gone, "")
	})
	t.Run("FiveMinutes", func(t *testing.T) {
		token, s := begin()
		c.add(5 * time.Minute)
		_, _, _, err := db.Sessions.Promote(t.Context(), s)
		wantCode(t, err, Gone, "")
		_, _, err = db.Sessions.Lookup(t.Context(), token)
		wantCode(t, err, Gone, "")
	})
}

// TestSessions_UnlockTwice: a form that comes twice, by a double click, leaves one token, and the results open with it.
func TestSessions_UnlockTwice(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	token, s := login(t, db, u)
	r := &Result{Owner: "account", Verb: "encrypt", State: StateReady, Blob: NewID(), Meta: ResultMeta{Name: "x.age"}}
	if err := db.Results.Create(t.Context(), s, r); err != nil {
		t.Fatal(err)
	}
	if err := db.Sessions.lock(t.Context(), []ID{s.ID}); err != nil {
		t.Fatal(err)
	}
	locked, _, err := db.Sessions.Lookup(t.Context(), token)
	if err != nil || !locked.Locked {
		t.Fatalf("%+v, %v", locked, err)
	}
	one, err := db.Sessions.Unlock(t.Context(), locked, u)
	if err != nil {
		t.Fatal(err)
	}
	two, err := db.Sessions.Unlock(t.Context(), locked, u)
	if err != nil || one != two {
		t.Fatalf("another token, or %v", err)
	}
	got, _, err := db.Sessions.Lookup(t.Context(), two)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := db.Results.List(t.Context(), got); err != nil || len(all) != 1 {
		t.Errorf("%d results, %v", len(all), err)
	}
}

// TestSessions_LivesInMemory: who is there while nothing can be written has not gone.
func TestSessions_LivesInMemory(t *testing.T) {
	db, c := newTestDB(t)
	token, s := login(t, db, register(t, db, "ada"))
	db.space.state.Store(WhyFull)
	for range 5 {
		c.add(20 * time.Minute)
		if _, _, err := db.Sessions.Lookup(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if lives, err := db.Sessions.Lives(t.Context(), s.ID); err != nil || !lives {
		t.Errorf("lives: %v, %v", lives, err)
	}
}
