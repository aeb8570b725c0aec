package models

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

func TestItems_Replace(t *testing.T) {
	db, _ := newTestDB(t)
	ada, bob := register(t, db, "ada"), register(t, db, "bob")
	k := makeKey(t, db, ada, KindAge, "")
	saved := saveCiphertext(t, db, ada, k, 1)
	get := func() *Item {
		t.Helper()
		item, err := db.Items.GetAny(t.Context(), ada, saved.ID)
		if err != nil || item.Unreadable {
			t.Fatal(err)
		}
		return item
	}
	item := get()
	item.Body, item.Size, item.Meta.KeyVersion = []byte("newer"), 5, 2
	wantCode(t, db.Items.Replace(t.Context(), bob, item), Conflict, "")
	if err := db.Items.Rename(t.Context(), ada, item.ID, "renamed"); err != nil { // the title is not its business
		t.Fatal(err)
	}
	if err := db.Items.Replace(t.Context(), ada, item); err != nil {
		t.Fatal(err)
	}
	got := get()
	if string(got.Body) != "newer" || got.Size != 5 || got.Title != "renamed" || got.Meta.KeyVersion != 2 || !got.Created.Equal(saved.Created) {
		t.Errorf("replaced by %q, %q, %+v", got.Title, got.Body, got.Meta)
	}
	stale := get()
	if err := db.Items.Note(t.Context(), ada, got, k.ID, 3); err != nil {
		t.Fatal(err)
	}
	wantCode(t, db.Items.Replace(t.Context(), ada, stale), Conflict, "")
	t.Run("Blob", func(t *testing.T) {
		blob := &BlobRef{ID: NewID(), Key: [16]byte{9}, Size: 100, Disk: 200}
		item := get()
		item.Body, item.Blob = nil, blob
		if err := db.Items.Replace(t.Context(), ada, item); err != nil {
			t.Fatal(err)
		}
		if got := get(); got.Blob == nil || *got.Blob != *blob || got.Body != nil {
			t.Errorf("the blob is %v", got.Blob)
		}
		used, err := db.Items.UsageByAccount(t.Context())
		if err != nil || used[ada.Account.ID] != 200 {
			t.Errorf("%d bytes are used, %v", used[ada.Account.ID], err)
		}
	})
	t.Run("Gone", func(t *testing.T) {
		item := get()
		if _, err := db.Items.Forget(t.Context(), ada, item.ID); err != nil {
			t.Fatal(err)
		}
		wantCode(t, db.Items.Replace(t.Context(), ada, item), Conflict, "")
	})
}

// Why a rewrap leaves an item is noted without touching the rest, also of one whose content does not open.
func TestItems_Keep(t *testing.T) {
	db, _ := newTestDB(t)
	ada, bob := register(t, db, "ada"), register(t, db, "bob")
	k := makeKey(t, db, ada, KindAge, "")
	whole, broken := saveCiphertext(t, db, ada, k, 1), saveCiphertext(t, db, ada, k, 1)
	exec(t, db.main, fmt.Sprintf(`UPDATE items SET sealed_body = randomblob(100) WHERE id = x'%s'`, broken.ID))
	if _, err := db.Items.Trash(t.Context(), ada, whole.ID); err != nil {
		t.Fatal(err)
	}
	wantCode(t, db.Items.Keep(t.Context(), bob, whole.ID, KeptShared), NotFound, "")
	wantCode(t, db.Items.Keep(t.Context(), ada, NewID(), KeptShared), NotFound, "")
	for id, why := range map[ID]string{whole.ID: KeptShared, broken.ID: KeptDamaged} {
		for range 2 {
			if err := db.Items.Keep(t.Context(), ada, id, why); err != nil {
				t.Fatal(err)
			}
		}
	}
	all, err := db.Items.Standing(t.Context(), ada)
	if err != nil || len(all) != 2 {
		t.Fatalf("%d items, %v", len(all), err)
	}
	for _, s := range all {
		if want := map[ID]string{whole.ID: KeptShared, broken.ID: KeptDamaged}[s.Item]; s.Kept != want || s.Key != k.ID || s.Version != 1 {
			t.Errorf("an item stands as %+v, want %q", s, want)
		}
	}
	named, err := db.Items.Named(t.Context(), ada, []ID{broken.ID, NewID(), whole.ID})
	if err != nil || len(named) != 2 || named[0].ID != broken.ID || !named[1].Trashed || named[0].Trashed || named[1].Title != whole.Title || named[1].Meta.Kept != KeptShared || named[1].Body != nil {
		t.Errorf("%+v, %v", named, err)
	}
	if named, err := db.Items.Named(t.Context(), bob, []ID{whole.ID}); err != nil || len(named) != 0 {
		t.Errorf("Bob reads %d, %v", len(named), err)
	}
	item, err := db.Items.GetAny(t.Context(), ada, whole.ID)
	if err != nil || item.Unreadable || !bytes.Equal(item.Body, whole.Body) || item.Title != whole.Title {
		t.Fatalf("the item is another one: %v, %v", item, err)
	}
	// Renewed, it is kept no more.
	item.Meta.KeyVersion, item.Meta.Kept = 2, ""
	if err := db.Items.Replace(t.Context(), ada, item); err != nil {
		t.Fatal(err)
	}
	if item, err := db.Items.GetAny(t.Context(), ada, whole.ID); err != nil || item.Meta.Kept != "" || item.Meta.KeyVersion != 2 {
		t.Errorf("%+v, %v", item.Meta, err)
	}
}

// A session lives until it was idle for too long, is too old, was ended, or its account has another password; to ask is
// no use of it.
func TestSessions_Lives(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	lives := func(s *Session, want bool) {
		t.Helper()
		if got, err := db.Sessions.Lives(t.Context(), s.ID); err != nil || got != want {
			t.Errorf("it lives %v, %v; want %v", got, err, want)
		}
	}
	begin := func(u *Unlocked) *Session {
		t.Helper()
		_, s, err := db.Sessions.Create(t.Context(), u, false)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	idle, guest := begin(u), begin(nil)
	lives(idle, true)
	lives(guest, true)
	c.add(20 * time.Minute)
	lives(idle, true)
	c.add(11 * time.Minute)
	lives(idle, false) // the answer before did not count as its use
	lives(guest, false)
	ended, other := begin(u), begin(u)
	if _, err := db.Sessions.End(t.Context(), ended.ID); err != nil {
		t.Fatal(err)
	}
	lives(ended, false)
	lives(other, true)
	exec(t, db.main, "UPDATE accounts SET epoch = epoch + 1")
	lives(other, false)
	lives(&Session{ID: NewID()}, false)
}

// What is rewrapped in the middle of a renewal of the account key, and keys that were changed in it, open in the
// end, and no older account key is needed.
func TestItems_ReplaceRenewed(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	k := makeKey(t, db, u, KindPGP, "")
	one, two := saveCiphertext(t, db, u, k, 1), saveCiphertext(t, db, u, k, 1)
	if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	item, err := db.Items.GetAny(t.Context(), u, one.ID)
	if err != nil {
		t.Fatal(err)
	}
	c.add(time.Hour)
	if err := db.Keys.Rotate(t.Context(), u, k.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.Items.Note(t.Context(), u, item, k.ID, 2); err != nil {
		t.Fatal(err)
	}
	for left := 1; left > 0; {
		if left, err = db.Accounts.Reseal(t.Context(), u, 2); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, db.main, "SELECT count(*) FROM account_keys"); n != 0 {
		t.Errorf("%d older account keys are kept", n)
	}
	fresh, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []ID{one.ID, two.ID} {
		item, err := db.Items.Get(t.Context(), fresh, id)
		if err != nil || item.Unreadable || item.Meta.KeyVersion != 2-i || !bytes.Equal(item.Body, []byte("sealed")) {
			t.Errorf("item %d: %+v, %v", i, item.Meta, err)
		}
	}
	if got := states(getRing(t, db, fresh, k.ID)); got != "1 retired, 2 active" {
		t.Error(got)
	}
}

func TestKeys_AskRewrap(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	one, two := makeKey(t, db, u, KindAge, ""), makeKey(t, db, u, KindAge, "")
	asked := func() string {
		return fmt.Sprint(getRing(t, db, u, one.ID).Rewrap, getRing(t, db, u, two.ID).Rewrap)
	}
	all := func(*Key) bool { return true }
	for _, step := range []struct {
		asked bool
		which func(*Key) bool
		want  string
	}{{true, func(k *Key) bool { return k.ID == two.ID }, "false true"}, {true, all, "true true"}, {false, all, "false false"}} {
		if err := db.Keys.AskRewrap(t.Context(), u, step.asked, step.which); err != nil {
			t.Fatal(err)
		}
		if got := asked(); got != step.want {
			t.Errorf("asked %s, want %s", got, step.want)
		}
	}
}
