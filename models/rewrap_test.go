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
