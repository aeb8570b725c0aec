package models

import (
	"strings"
	"sync"
	"testing"
	"time"
)

func TestInvitations(t *testing.T) {
	db, clock := newTestDB(t)
	ctx := t.Context()
	a := admin(t, db, "ada")
	invite := func(uses int, life time.Duration) (string, *Invitation) {
		t.Helper()
		token, iv, err := db.Invitations.Create(ctx, &a.Account.ID, uses, life)
		if err != nil {
			t.Fatal(err)
		}
		return token, iv
	}
	two, _ := invite(2, 24*time.Hour)
	for _, login := range []string{"first", "second"} {
		u, err := db.Accounts.RegisterInvited(ctx, two, login, goodPassword)
		if err != nil || u.Account.Admin() {
			t.Fatalf("%s: %v", login, err)
		}
	}
	_, err := db.Accounts.RegisterInvited(ctx, two, "third", goodPassword)
	refuses(t, "used up", err, NotFound)
	if _, err := db.Accounts.ByLogin(ctx, "third"); ErrorCode(err) != NotFound {
		t.Errorf("an invitation that is used up made an account: %v", err)
	}

	// What is refused takes no use.
	one, _ := invite(1, 24*time.Hour)
	_, err = db.Accounts.RegisterInvited(ctx, one, "FIRST", goodPassword)
	refuses(t, "taken", err, Conflict)
	_, err = db.Accounts.RegisterInvited(ctx, one, "weak", "short")
	refuses(t, "weak", err, Invalid)
	if iv, err := db.Invitations.Lookup(ctx, one); err != nil || iv.Left != 1 {
		t.Errorf("after refusals: %+v %v", iv, err)
	}
	// Of several at once only one gets it.
	var wg sync.WaitGroup
	made := 0
	var mu sync.Mutex
	for _, login := range []string{"quick-1", "quick-2", "quick-3", "quick-4"} {
		wg.Go(func() {
			if _, err := db.Accounts.RegisterInvited(ctx, one, login, goodPassword); err == nil {
				mu.Lock()
				made++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if made != 1 {
		t.Errorf("one invitation made %d accounts", made)
	}

	old, _ := invite(1, time.Hour)
	clock.add(time.Hour)
	_, err = db.Invitations.Lookup(ctx, old)
	refuses(t, "too old", err, NotFound)
	_, err = db.Accounts.RegisterInvited(ctx, old, "late", goodPassword)
	refuses(t, "register too late", err, NotFound)
	if err := db.Invitations.Expire(ctx); err != nil {
		t.Fatal(err)
	}
	var rows int
	if err := db.main.w.DB.QueryRow("SELECT count(*) FROM invitations").Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows stay: %v", rows, err)
	}

	back, iv := invite(3, time.Hour)
	list, err := db.Invitations.List(ctx)
	if err != nil || len(list) != 1 || list[0].By != "ada" || list[0].Left != 3 || list[0].Uses != 3 || list[0].ID != iv.ID {
		t.Errorf("list %+v %v", list, err)
	}
	if err := db.Invitations.Revoke(ctx, iv.ID); err != nil {
		t.Fatal(err)
	}
	_, err = db.Invitations.Lookup(ctx, back)
	refuses(t, "taken back", err, NotFound)
	refuses(t, "again", db.Invitations.Revoke(ctx, iv.ID), NotFound)
	for _, token := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 42) + "\n", back + "=", strings.Repeat("A", 1<<16)} {
		_, err := db.Invitations.Lookup(ctx, token)
		refuses(t, "no token", err, NotFound)
	}
	for uses, life := range map[int]time.Duration{0: time.Hour, MaxInvitationUses + 1: time.Hour, 1: time.Minute, 2: MaxInvitationLife + 1} {
		_, _, err := db.Invitations.Create(ctx, nil, uses, life)
		refuses(t, "bounds", err, Invalid)
	}
	for range MaxInvitations {
		invite(1, time.Hour)
	}
	_, _, err = db.Invitations.Create(ctx, nil, 1, time.Hour)
	refuses(t, "too many", err, Conflict)
}

// What an administrator invited ends with the role, with a suspension and with the account.
func TestInvitations_Maker(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *DB, ID) error{
		"Demoted":   func(t *testing.T, db *DB, id ID) error { return db.Accounts.SetRole(t.Context(), id, RoleUser, false) },
		"Suspended": func(t *testing.T, db *DB, id ID) error { return db.Accounts.Suspend(t.Context(), id) },
		"Deleted": func(t *testing.T, db *DB, id ID) error {
			_, err := db.Accounts.DeleteByAdmin(t.Context(), id)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, _ := newTestDB(t)
			admin(t, db, "stays")
			b := admin(t, db, "bob")
			token, _, err := db.Invitations.Create(t.Context(), &b.Account.ID, 1, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			if err := end(t, db, b.Account.ID); err != nil {
				t.Fatal(err)
			}
			_, err = db.Accounts.RegisterInvited(t.Context(), token, "guest", goodPassword)
			refuses(t, "afterwards", err, NotFound)
			if list, err := db.Invitations.List(t.Context()); err != nil || len(list) != 0 {
				t.Errorf("it is listed: %v %v", list, err)
			}
		})
	}
}

func TestInvitations_First(t *testing.T) {
	db, _ := newTestDB(t)
	ctx := t.Context()
	before, ok, err := db.Invitations.CreateFirst(ctx, time.Hour)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	token, _, err := db.Invitations.CreateFirst(ctx, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Invitations.Lookup(ctx, before)
	refuses(t, "the one before", err, NotFound)
	if list, err := db.Invitations.List(ctx); err != nil || len(list) != 0 {
		t.Errorf("it is among the invitations: %v", err)
	}
	u, err := db.Accounts.RegisterInvited(ctx, token, "ada", goodPassword)
	if err != nil || !u.Account.Admin() {
		t.Fatalf("no administrator: %v", err)
	}
	_, err = db.Invitations.Lookup(ctx, token)
	refuses(t, "used", err, NotFound)
	if _, ok, err := db.Invitations.CreateFirst(ctx, time.Hour); ok || err != nil {
		t.Errorf("made with an account there: %v", err)
	}

	t.Run("Hour", func(t *testing.T) {
		db, clock := newTestDB(t)
		token, _, err := db.Invitations.CreateFirst(t.Context(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if waits, err := db.Invitations.FirstWaits(t.Context()); err != nil || !waits {
			t.Errorf("it waits: %v %v", waits, err)
		}
		clock.add(time.Hour)
		_, err = db.Accounts.RegisterInvited(t.Context(), token, "ada", goodPassword)
		refuses(t, "after an hour", err, NotFound)
		if waits, err := db.Invitations.FirstWaits(t.Context()); err != nil || waits {
			t.Errorf("it waits: %v %v", waits, err)
		}
	})
	t.Run("AnotherCameFirst", func(t *testing.T) {
		db, _ := newTestDB(t)
		token, _, err := db.Invitations.CreateFirst(t.Context(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		admin(t, db, "by-command")
		_, err = db.Accounts.RegisterInvited(t.Context(), token, "ada", goodPassword)
		refuses(t, "with an administrator there", err, NotFound)
	})
}
