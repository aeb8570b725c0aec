package models

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func note(t *testing.T, db *DB, u *Unlocked, e Event) {
	t.Helper()
	if err := db.Activity.Note(t.Context(), u, &e); err != nil {
		t.Fatalf("note %s: %v", e.Kind, err)
	}
}

func events(t *testing.T, db *DB, u *Unlocked) []Event {
	t.Helper()
	all, next, err := db.Activity.List(t.Context(), u, Cursor{}, maxLimit)
	if err != nil || next != nil {
		t.Fatalf("list: %v, %v", next, err)
	}
	return all
}

func kinds(all []Event) string {
	var out []string
	for _, e := range all {
		k := e.Kind
		if e.Unreadable {
			k = "unreadable"
		}
		if e.Count > 0 {
			k += fmt.Sprintf(" %d", e.Count)
		}
		out = append(out, k)
	}
	return strings.Join(out, ", ")
}

func TestActivity_Note(t *testing.T) {
	db, c := newTestDB(t)
	u, other := register(t, db, "ada"), register(t, db, "bob")
	session := NewID()
	note(t, db, u, Event{Kind: EventKeyExported, Name: "my own key", Session: session})
	c.add(time.Minute)
	note(t, db, u, Event{Kind: EventLogin, New: true})
	note(t, db, other, Event{Kind: EventPassword})
	all := events(t, db, u)
	if kinds(all) != EventLogin+", "+EventKeyExported || !all[0].New || all[1].Name != "my own key" || all[1].Session != session ||
		!all[0].Created.Equal(c.now()) {
		t.Fatalf("%s: %#v", kinds(all), all)
	}
	t.Run("LengthTellsLittle", func(t *testing.T) {
		c.add(time.Minute)
		note(t, db, u, Event{Kind: EventKeyRetired, Name: strings.Repeat("x", 60)})
		c.add(time.Minute)
		note(t, db, u, Event{Kind: EventKeyRetired, Name: strings.Repeat("x", 600)})
		if n := count(t, db.main, "SELECT count(DISTINCT length(sealed_event)) FROM activity"); n != 1 {
			t.Fatalf("%d lengths", n)
		}
		if name := events(t, db, u)[0].Name; len([]rune(name)) != 60 {
			t.Fatalf("the name has %d characters", len([]rune(name)))
		}
	})
	t.Run("NothingInClear", func(t *testing.T) {
		if n := count(t, db.main, "SELECT count(*) FROM activity WHERE instr(sealed_event, 'my own') OR instr(sealed_event, 'export')"); n != 0 {
			t.Fatal("an event stands in clear")
		}
	})
	t.Run("Prints", func(t *testing.T) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if s := fmt.Sprintf(verb, all[1]); strings.Contains(s, "own") || strings.Contains(s, "export") {
				t.Fatalf("%s prints %s", verb, s)
			}
		}
	})
	t.Run("Renewed", func(t *testing.T) {
		before := kinds(events(t, db, u))
		for range 2 {
			if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
				t.Fatal(err)
			}
			for {
				left, err := db.Accounts.Reseal(t.Context(), u, 100)
				if err != nil {
					t.Fatal(err)
				}
				if left == 0 {
					break
				}
			}
		}
		c.add(time.Minute)
		note(t, db, u, Event{Kind: EventRenewed})
		again, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		if got := kinds(events(t, db, again)); got != EventRenewed+", "+before {
			t.Fatalf("after two renewals: %s, before: %s", got, before)
		}
	})
	t.Run("GoesWithTheAccount", func(t *testing.T) {
		if _, err := db.Accounts.DeleteByAdmin(t.Context(), u.Account.ID); err != nil {
			t.Fatal(err)
		}
		if n := count(t, db.main, "SELECT count(*) FROM activity WHERE account_id = ?", u.Account.ID[:]); n != 0 {
			t.Fatalf("%d events stay", n)
		}
		wantCode(t, db.Activity.Note(t.Context(), u, &Event{Kind: EventLogin}), Unauthorized, "")
		wantCode(t, db.Activity.NoteAway(t.Context(), u.Account.ID, &Event{Kind: EventLogin}), NotFound, "")
		if kinds(events(t, db, other)) != EventPassword {
			t.Fatal("another's went too")
		}
	})
}

func TestActivity_Pages(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	for i := range 25 {
		note(t, db, u, Event{Kind: EventKeyMade, Name: fmt.Sprint(i)})
		if i%3 == 0 {
			c.add(time.Second) // several have one time
		}
	}
	var names []string
	var at Cursor
	for {
		some, next, err := db.Activity.List(t.Context(), u, at, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range some {
			names = append(names, e.Name)
		}
		if next == nil {
			break
		}
		at = *next
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != 25 {
		t.Fatalf("paged through %d events: %v", len(names), names)
	}
	newest, err := db.Activity.Newest(t.Context(), u.Account.ID)
	if err != nil || !newest.Equal(events(t, db, u)[0].Created) {
		t.Fatalf("newest is %v, %v", newest, err)
	}
	if some, err := db.Activity.Since(t.Context(), u, newest.Add(-time.Second)); err != nil || len(some) != 3 {
		t.Fatalf("since: %d, %v", len(some), err)
	}
	if none, err := db.Activity.Newest(t.Context(), NewID()); err != nil || !none.IsZero() {
		t.Fatalf("of nobody: %v, %v", none, err)
	}
	t.Run("PruneFails", func(t *testing.T) {
		many := make([]eventRow, purgeRows)
		for i := range many {
			many[i] = eventRow{ID: NewID(), AccountID: u.Account.ID, Created: 1, SealedEvent: []byte{0}}
		}
		if _, err := db.main.w.NewInsert().Model(&many).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := db.main.w.ExecContext(t.Context(), "CREATE TRIGGER refuse BEFORE DELETE ON activity BEGIN SELECT RAISE(ABORT, 'refused'); END"); err != nil {
			t.Fatal(err)
		}
		if more, err := db.Activity.Prune(t.Context(), newest); more || err == nil {
			t.Errorf("more is %t after %v: whoever asks goes on for ever", more, err)
		}
		if _, err := db.main.w.ExecContext(t.Context(), "DROP TRIGGER refuse"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("Prune", func(t *testing.T) {
		for more := true; more; {
			var err error
			if more, err = db.Activity.Prune(t.Context(), newest); err != nil {
				t.Fatal(err)
			}
		}
		if left := events(t, db, u); len(left) != 3 {
			t.Fatalf("%d are left, want those of the newest time", len(left))
		}
	})
	t.Run("Clear", func(t *testing.T) {
		if err := db.Activity.Clear(t.Context(), u); err != nil || len(events(t, db, u)) != 0 {
			t.Fatalf("%v", err)
		}
	})
}

func TestActivity_Failures(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "Ada")
	flush := func() []FailureCount {
		t.Helper()
		counts, err := db.Activity.Flush(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return counts
	}
	queries := 0
	db.main.r = db.main.r.WithQueryHook(&queryHook{after: func(string) bool { queries++; return false }})
	db.main.w = db.main.w.WithQueryHook(&queryHook{after: func(string) bool { queries++; return false }})
	for range 3 {
		db.Activity.Failed("ada", EventLoginFailed)
		db.Activity.Failed("ADA", EventLoginFailed)
		db.Activity.Failed("nobody", EventLoginFailed)
		db.Activity.Failed(strings.Repeat("long", 1000), EventLoginFailed)
		db.Activity.Failed("\xff", EventLoginFailed)
		db.Activity.Failed(" ", EventLoginFailed)
	}
	if queries != 0 {
		t.Fatalf("counting asked the database %d times", queries)
	}
	counts := flush()
	slices.SortFunc(counts, func(a, b FailureCount) int { return a.N - b.N })
	if len(counts) != 2 || counts[0].N != 3 || !counts[0].Account.IsZero() || counts[1].N != 6 || counts[1].Account != u.Account.ID {
		t.Fatalf("%+v", counts)
	}
	first := c.now()
	t.Run("OneRowAnHour", func(t *testing.T) {
		c.add(20 * time.Minute)
		db.Activity.Failed("ada", EventLoginFailed)
		db.Activity.Failed("ada", EventRecoveryFailed)
		flush()
		all := events(t, db, u)
		got := kinds(all)
		if got != EventLoginFailed+" 7, "+EventRecoveryFailed+" 1" && got != EventRecoveryFailed+" 1, "+EventLoginFailed+" 7" {
			t.Fatalf("got %s", got)
		}
		for _, e := range all {
			if e.Kind == EventLoginFailed && (!e.First.Equal(first) || !e.Created.Equal(c.now())) {
				t.Fatalf("from %v to %v", e.First, e.Created)
			}
		}
		c.add(time.Hour)
		db.Activity.FailedFor(u.Account.ID, EventLoginFailed)
		flush()
		if got := kinds(events(t, db, u)); !strings.HasPrefix(got, EventLoginFailed+" 1, ") || strings.Count(got, ",") != 2 {
			t.Fatalf("in the next hour: %s", got)
		}
	})
	t.Run("OfOne", func(t *testing.T) {
		before := len(events(t, db, u))
		c.add(time.Hour)
		register(t, db, "bob")
		db.Activity.Failed("bob", EventLoginFailed)
		db.Activity.Failed("ada", EventLoginFailed)
		counts, err := db.Activity.FlushOf(t.Context(), u.Account)
		if err != nil || len(counts) != 1 || counts[0].Account != u.Account.ID || len(events(t, db, u)) != before+1 {
			t.Fatalf("%+v, %v", counts, err)
		}
		if counts := flush(); len(counts) != 1 {
			t.Fatalf("the other's: %+v", counts)
		}
	})
	t.Run("FullDiskWaits", func(t *testing.T) {
		c.add(time.Hour)
		db.Activity.Failed("ada", EventLoginFailed)
		exec(t, db.main, "PRAGMA max_page_count = 1")
		exec(t, db.main, "CREATE TEMP TRIGGER full BEFORE INSERT ON activity BEGIN SELECT raise(ABORT, 'full'); END")
		if _, err := db.Activity.Flush(t.Context()); err == nil {
			t.Fatal("it was written")
		}
		db.Activity.Failed("ada", EventLoginFailed)
		exec(t, db.main, "DROP TRIGGER full")
		exec(t, db.main, "PRAGMA max_page_count = 1073741823")
		if counts := flush(); len(counts) != 1 || counts[0].N != 2 {
			t.Fatalf("%+v", counts)
		}
		if got := kinds(events(t, db, u)); !strings.HasPrefix(got, EventLoginFailed+" 2, ") {
			t.Fatalf("what could not be written was counted again: %s", got)
		}
	})
	t.Run("Bounded", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				for j := range maxFailures {
					db.Activity.Failed(fmt.Sprintf("stranger-%d-%d", i, j), EventLoginFailed)
				}
			})
		}
		all.Wait()
		if n := len(db.Activity.failures.waiting); n != maxFailures {
			t.Fatalf("%d logins wait", n)
		}
	})
}

// Who writes the database puts a public key of their own in an account's row.
func TestActivity_PairExchanged(t *testing.T) {
	db, _ := newTestDB(t)
	u, spy := register(t, db, "ada"), register(t, db, "bob")
	exec(t, db.main, "UPDATE accounts SET hpke_public = ? WHERE id = ?", spy.Account.HPKEPublic, u.Account.ID[:])
	if err := db.Activity.NoteAway(t.Context(), u.Account.ID, &Event{Kind: EventAdminSessions}); err != nil {
		t.Fatal(err)
	}
	note(t, db, u, Event{Kind: EventKeyExported, Name: "secret name"})
	got := kinds(events(t, db, u))
	if strings.Count(got, EventPairExchanged) != 1 || !strings.Contains(got, EventKeyExported) || strings.Count(got, "unreadable") != 1 {
		t.Fatalf("got %s", got)
	}
	var public []byte
	if err := db.main.w.DB.QueryRow("SELECT hpke_public FROM accounts WHERE id = ?", u.Account.ID[:]).Scan(&public); err != nil || !bytes.Equal(public, u.Account.HPKEPublic) {
		t.Fatalf("the row was not put right: %v", err)
	}
	// What was noted while somebody was logged in is for nobody else.
	row, err := accountBy(t.Context(), db.main.r, "id", spy.Account.ID)
	if err != nil {
		t.Fatal(err)
	}
	pairs, err := row.openPairs(spy.Ring)
	if err != nil {
		t.Fatal(err)
	}
	var rows []eventRow
	if err := db.main.r.NewSelect().Model(&rows).Scan(t.Context()); err != nil {
		t.Fatal(err)
	}
	opened := 0
	for i := range rows {
		if e := rows[i].open(pairs); !e.Unreadable {
			opened++
			if e.Kind != EventAdminSessions {
				t.Fatalf("the other opens %s", e.Kind)
			}
		}
	}
	if opened != 1 {
		t.Fatalf("the other opens %d events: the test shows nothing", opened)
	}
}

func TestActivity_HistoryOff(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	off := Settings{History: false}
	if err := db.Accounts.SetSettings(t.Context(), u, off); err != nil {
		t.Fatal(err)
	}
	note(t, db, u, Event{Kind: EventLogin})
	if err := db.Activity.NoteAway(t.Context(), u.Account.ID, &Event{Kind: EventAdminSessions}); err != nil {
		t.Fatal(err)
	}
	db.Activity.Failed("ada", EventLoginFailed)
	if counts, err := db.Activity.Flush(t.Context()); err != nil || len(counts) != 1 {
		t.Fatalf("the server still counts: %+v, %v", counts, err)
	}
	if got := events(t, db, u); len(got) != 0 {
		t.Fatalf("kept %s", kinds(got))
	}
	// The row alone does not turn it off for who is logged in.
	if err := db.Accounts.SetSettings(t.Context(), u, Settings{History: true}); err != nil {
		t.Fatal(err)
	}
	exec(t, db.main, "UPDATE settings SET history = 0")
	c.add(time.Second)
	note(t, db, u, Event{Kind: EventLogin})
	if got := kinds(events(t, db, u)); got != EventLogin {
		t.Fatalf("kept %q", got)
	}
	if s, err := db.Accounts.Settings(t.Context(), u); err != nil || !s.HistoryDiffers || !s.History {
		t.Fatalf("%+v, %v", s, err)
	}
}

// What fails by an old login is told to whom it leads to, though today's rules refuse such a login.
func TestActivity_FailuresOfOldLogins(t *testing.T) {
	db, _ := newTestDB(t)
	bring(t, db, incoming(t, "1", "a b", "old password"))
	odd := enter(t, db, "a b", "old password")
	renamed := renamedAda(t, db)
	db.Activity.Failed(" A B", EventLoginFailed)
	counts, err := db.Activity.FlushOf(t.Context(), odd.Account)
	if err != nil || len(counts) != 1 || counts[0].Account != odd.Account.ID || counts[0].N != 1 {
		t.Fatalf("odd: %+v, %v", counts, err)
	}
	db.Activity.Failed("Ada", EventLoginFailed)
	counts, err = db.Activity.Flush(t.Context())
	if err != nil || len(counts) != 1 || counts[0].Account != renamed.Account.ID {
		t.Fatalf("renamed: %+v, %v", counts, err)
	}
	both := register(t, db, "eve")
	in := incoming(t, "3", "EVE", "old password")
	in.Rank = 1
	other := bring(t, db, in)
	db.Activity.Failed("eve", EventLoginFailed)
	counts, err = db.Activity.Flush(t.Context())
	if err != nil || len(counts) != 2 || counts[0].Account != both.Account.ID || counts[1].Account != other.Account {
		t.Fatalf("tried on both: %+v, %v", counts, err)
	}
}
