package models

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func refuses(t *testing.T, what string, err error, want Code) {
	t.Helper()
	if got := ErrorCode(err); got != want {
		t.Errorf("%s: %q (%v), want %q", what, got, err, want)
	}
}

func admin(t *testing.T, db *DB, name string) *Unlocked {
	t.Helper()
	u, err := db.Accounts.RegisterAdmin(t.Context(), name, goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	if !u.Account.Admin() {
		t.Fatal("an administrator was made who is none")
	}
	return u
}

// A suspended account: its sessions end at once, no door opens it, each says so only to who has the right secret, and
// nothing is lost.
func TestAccounts_Suspend(t *testing.T) {
	db, _ := newTestDB(t)
	ctx := t.Context()
	u := register(t, db, "mira")
	code := pending(t, db, u, ReasonNew)
	if err := db.Accounts.Confirm(ctx, u, code); err != nil {
		t.Fatal(err)
	}
	saveFile(t, db, u, "one")
	token, _ := login(t, db, u)
	pendingToken, _, err := db.Sessions.Create(ctx, u, true)
	if err != nil {
		t.Fatal(err)
	}
	before := *u.Account
	if err := db.Accounts.Suspend(ctx, u.Account.ID); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"session": token, "pending": pendingToken} {
		_, _, err := db.Sessions.Lookup(ctx, token)
		refuses(t, name, err, Gone)
	}
	// The work is that of any log-in: two slow hashes, whoever asks.
	try := func(login, pw string, want Code) error {
		t.Helper()
		runs := db.kdf.runs.Load()
		_, err := db.Accounts.Authenticate(ctx, login, pw)
		refuses(t, login+" with "+pw, err, want)
		if n := db.kdf.runs.Load() - runs; n != 2 {
			t.Errorf("%s with %s: %d slow hashes", login, pw, n)
		}
		return err
	}
	try("mira", goodPassword, Suspended)
	wrong, unknown := try("mira", "wrong "+goodPassword, Unauthorized), try("nobody", "wrong "+goodPassword, Unauthorized)
	if wrong == nil || unknown == nil || wrong.Error() != unknown.Error() {
		t.Errorf("a wrong password of a suspended account says %v, of an unknown one %v", wrong, unknown)
	}
	_, err = db.Accounts.Recover(ctx, "mira", code, "another "+goodPassword)
	refuses(t, "right code", err, Suspended)
	// What somebody opened just before does not become a session, whichever way it was opened.
	_, _, err = db.Sessions.Create(ctx, &Unlocked{Account: func() *Account { a := before; a.Suspended = true; return &a }(), Ring: u.Ring}, false)
	refuses(t, "new session", err, Suspended)
	late, _, err := db.Sessions.Create(ctx, &Unlocked{Account: &before, Ring: u.Ring}, false)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = db.Sessions.Lookup(ctx, late)
	refuses(t, "session of a log-in under way", err, Gone)
	err = db.Accounts.ChangePassword(ctx, &Unlocked{Account: &before, Ring: u.Ring}, goodPassword, "another "+goodPassword)
	refuses(t, "change of a password under way", err, Unauthorized)

	other := register(t, db, "other")
	_, err = db.People.Find(ctx, "mira")
	refuses(t, "found by login", err, NotFound)
	if err := db.Accounts.Resume(ctx, u.Account.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := db.People.Find(ctx, "mira"); err != nil {
		t.Errorf("found again: %v", err)
	}
	again, err := db.Accounts.Authenticate(ctx, "mira", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	items, _, err := db.Items.List(ctx, again, Filter{})
	if err != nil || len(items) != 1 || items[0].Unreadable {
		t.Fatalf("after the suspension: %d items, %v", len(items), err)
	}
	if _, _, err := db.Sessions.Lookup(ctx, token); ErrorCode(err) != Gone && ErrorCode(err) != NotFound {
		t.Errorf("the old session lives again: %v", err)
	}
	if u, err := db.Accounts.Recover(ctx, "mira", code, "another "+goodPassword); err != nil || u.Account.Suspended {
		t.Errorf("the code was used up: %v", err)
	}
	_ = other
}

// Who added somebody keeps the pinned keys while the account is suspended: it is not "gone".
func TestAccounts_SuspendKeepsPinned(t *testing.T) {
	db, _ := newTestDB(t)
	ctx := t.Context()
	ada, bob := register(t, db, "ada"), register(t, db, "bob")
	addLogin(t, db, ada, "bob")
	if err := db.Accounts.Suspend(ctx, bob.Account.ID); err != nil {
		t.Fatal(err)
	}
	people, now, err := db.People.List(ctx, ada)
	if err != nil || len(people) != 1 {
		t.Fatal(err)
	}
	if offer := now[bob.Account.ID]; offer == nil || len(offer.Keys()) != len(people[0].Keys) {
		t.Errorf("the keys of somebody suspended are gone for who has them: %v", offer)
	}
}

func TestAccounts_LastAdmin(t *testing.T) {
	db, _ := newTestDB(t)
	ctx := t.Context()
	a := admin(t, db, "ada")
	register(t, db, "user")
	id := a.Account.ID
	refused := func(when string) {
		t.Helper()
		refuses(t, when+": suspend", db.Accounts.Suspend(ctx, id), Conflict)
		refuses(t, when+": demote", db.Accounts.SetRole(ctx, id, RoleUser, false), Conflict)
		_, err := db.Accounts.DeleteByAdmin(ctx, id)
		refuses(t, when+": delete", err, Conflict)
		_, err = db.Accounts.Delete(ctx, a, goodPassword)
		refuses(t, when+": delete oneself", err, Conflict)
	}
	refused("alone")
	b := admin(t, db, "bob")
	if err := db.Accounts.Suspend(ctx, b.Account.ID); err != nil {
		t.Fatal(err)
	}
	refused("the other is suspended")
	if err := db.Accounts.Resume(ctx, b.Account.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Accounts.DeleteByAdmin(ctx, b.Account.ID); err != nil {
		t.Fatal(err)
	}
	refused("the other is deleted")
	c := register(t, db, "cleo")
	if err := db.Accounts.SetRole(ctx, c.Account.ID, RoleAdmin, false); err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts.Suspend(ctx, id); err != nil {
		t.Errorf("with another: %v", err)
	}
	refuses(t, "the one left", db.Accounts.SetRole(ctx, c.Account.ID, RoleUser, false), Conflict)
	if err := db.Accounts.SetRole(ctx, c.Account.ID, RoleUser, true); err != nil {
		t.Errorf("by who has the machine: %v", err)
	}
	refuses(t, "no such role", db.Accounts.SetRole(ctx, id, "root", false), Invalid)
	refuses(t, "no such account", db.Accounts.Suspend(ctx, NewID()), NotFound)
}

func TestAccounts_Quota(t *testing.T) {
	db, _ := newTestDB(t)
	ctx := t.Context()
	u := register(t, db, "mira")
	n := int64(5)
	for _, want := range []*int64{&n, nil} {
		if err := db.Accounts.SetQuota(ctx, u.Account.ID, want); err != nil {
			t.Fatal(err)
		}
		a, err := db.Accounts.Get(ctx, u.Account.ID)
		if err != nil || (a.Quota == nil) != (want == nil) || want != nil && *a.Quota != n {
			t.Errorf("quota %v, want %v: %v", a.Quota, want, err)
		}
	}
	less := int64(-1)
	refuses(t, "negative", db.Accounts.SetQuota(ctx, u.Account.ID, &less), Invalid)
}

// The last day of use is a day: the time of it stands nowhere, and it is written once a day.
func TestSessions_SeenDay(t *testing.T) {
	db, clock := newTestDB(t)
	ctx := t.Context()
	u := register(t, db, "mira")
	seen := func() time.Time {
		t.Helper()
		a, err := db.Accounts.Get(ctx, u.Account.ID)
		if err != nil {
			t.Fatal(err)
		}
		return a.Seen
	}
	if !seen().IsZero() {
		t.Fatal("seen before any log-in")
	}
	waiting, _, err := db.Sessions.Create(ctx, u, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Sessions.Lookup(ctx, waiting); err != nil || !seen().IsZero() {
		t.Fatalf("a log-in that waits for its second factor counts: %v", err)
	}
	for range 2 {
		token, _ := login(t, db, u)
		for range 2 {
			if _, _, err := db.Sessions.Lookup(ctx, token); err != nil {
				t.Fatal(err)
			}
		}
		if want := clock.now().UTC().Truncate(24 * time.Hour); !seen().Equal(want) {
			t.Errorf("seen %v, want %v", seen(), want)
		}
		var raw int64
		if err := db.main.w.DB.QueryRow("SELECT max(seen_day) FROM standing").Scan(&raw); err != nil || raw > 1e6 {
			t.Errorf("%d is no number of days: %v", raw, err)
		}
		clock.add(49 * time.Hour)
	}
	if err := db.Accounts.Suspend(ctx, u.Account.ID); err != nil || seen().IsZero() {
		t.Errorf("a suspension forgets the day: %v", err)
	}
}

func TestAccounts_Members(t *testing.T) {
	db, clock := newTestDB(t)
	ctx := t.Context()
	const n = 7
	for i := range n {
		u := register(t, db, fmt.Sprintf("person-%d", i))
		if i == 3 {
			saveFile(t, db, u, "one")
		}
		if i%2 == 0 {
			clock.add(time.Second) // two have the same time of making
		}
	}
	var got []string
	var after *Cursor
	for pages := 0; ; pages++ {
		page, err := db.Accounts.Members(ctx, "", after, 3)
		if err != nil || page.Total != n {
			t.Fatalf("%d accounts: %v", page.Total, err)
		}
		for _, m := range page.Members {
			got = append(got, m.Login)
			after = &Cursor{m.Created, m.ID}
			if (m.Items == 1) != (m.Login == "person-3") || (m.Bytes > 0) != (m.Login == "person-3") || m.Factor {
				t.Errorf("%s has %d items of %d bytes", m.Login, m.Items, m.Bytes)
			}
		}
		if !page.More {
			if pages != 2 {
				t.Errorf("%d pages", pages+1)
			}
			break
		}
	}
	// Two have the same time: of these either may come first, and both come once.
	if once := slices.Compact(slices.Sorted(slices.Values(got))); len(got) != n || len(once) != n || got[n-1] != "person-0" {
		t.Errorf("the pages hold %q", got)
	}
	for query, want := range map[string]int{"PERSON-3": 1, "ｐerson": n, "n-": n, "nobody": 0, "%": 0, strings.Repeat("x", 300): 0} {
		page, err := db.Accounts.Members(ctx, query, nil, 100)
		if err != nil || len(page.Members) != want || page.Total != want || page.More {
			t.Errorf("%q finds %d of %d: %v", query, len(page.Members), page.Total, err)
		}
	}
	_, err := db.Accounts.Member(ctx, NewID())
	refuses(t, "no such member", err, NotFound)
}

func TestAccounts_ResetFactor(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "mira")
	token, _ := login(t, db, u)
	refuses(t, "without one", db.Accounts.ResetFactor(t.Context(), u.Account.ID), Conflict)
	if _, _, err := db.Sessions.Lookup(t.Context(), token); err != nil {
		t.Errorf("a refused reset ended a session: %v", err)
	}
}

func TestDB_Status(t *testing.T) {
	db, _ := newTestDB(t)
	ctx := t.Context()
	admin(t, db, "ada")
	u := register(t, db, "bob")
	saveFile(t, db, u, "one")
	login(t, db, u)
	if _, err := db.Accounts.DeleteByAdmin(ctx, register(t, db, "gone").Account.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts.Suspend(ctx, u.Account.ID); err != nil {
		t.Fatal(err)
	}
	st, err := db.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if st.Accounts != 2 || st.Admins != 1 || st.Suspended != 1 || st.Items != 1 || st.ItemBytes == 0 || st.Sessions != 1 || st.MainBytes == 0 || st.SessionsBytes == 0 {
		t.Errorf("status %+v", st)
	}
	names := map[string]bool{}
	for _, m := range st.Migrations {
		names[m.Database+" "+m.Name] = !m.At.IsZero()
	}
	if !names["zencrypt.db 20260101000600"] || !names["sessions.db 20260101000000"] {
		t.Errorf("migrations %v", st.Migrations)
	}
	if len(st.ServerKeys) != 1 || st.ServerKeys[0].Fingerprint != st.ActiveKey || st.ServerKeys[0].Accounts != 2 || st.ServerKeys[0].RetiredLogins != 1 {
		t.Errorf("server keys %+v", st.ServerKeys)
	}
}
