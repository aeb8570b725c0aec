package models

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

func TestResults(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	_, s := login(t, db, u)
	_, same := login(t, db, u)
	_, guest, err := db.Sessions.Create(t.Context(), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	r := &Result{
		Owner: "account", Verb: "decrypt", State: StateLocked, Tries: 5, Blob: NewID(), Disk: 100, Size: -1,
		Meta: ResultMeta{Name: "a\"b.txt", WrapKey: [16]byte{1, 2}, FileKey: [16]byte{3}, SpoolSize: 90, Facts: [][2]string{{"a", "b"}}, Commands: []string{"age -d"}, Passphrase: true},
	}
	if err := db.Results.Create(t.Context(), s, r); err != nil {
		t.Fatal(err)
	}
	if !r.Expires.Equal(c.now().Add(time.Hour)) || r.Session != s.ID {
		t.Fatalf("expires %v, session %v", r.Expires, r.Session)
	}
	got, err := db.Results.Get(t.Context(), s, r.ID)
	if err != nil || fmt.Sprint(got.Meta.Facts, got.Meta.Name, got.Meta.WrapKey) != fmt.Sprint(r.Meta.Facts, r.Meta.Name, r.Meta.WrapKey) || got.Size != -1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	t.Run("AnyBytes", func(t *testing.T) { // a file name need not be text
		odd := &Result{Owner: "account", Verb: "decrypt", State: StateReady, Blob: NewID(), Meta: ResultMeta{
			Name: "a\xff\x00.txt", FileFormat: "age", Headline: "é", Item: ItemMeta{FileName: "b\xfe", Detail: "\xc3", KeyID: "k", KeyVersion: 2},
		}}
		if err := db.Results.Create(t.Context(), s, odd); err != nil {
			t.Fatal(err)
		}
		back, err := db.Results.Get(t.Context(), s, odd.ID)
		if err != nil || !reflect.DeepEqual(back.Meta, odd.Meta) {
			t.Fatalf("%#v, %v", openMeta(back.Meta), err)
		}
		if _, err := db.Results.Delete(t.Context(), s, odd.ID); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("OtherSession", func(t *testing.T) {
		for _, other := range []*Session{same, guest, {ID: NewID()}} {
			_, err := db.Results.Get(t.Context(), other, r.ID)
			wantCode(t, err, NotFound, "")
			_, err = db.Results.TakeTry(t.Context(), other, r.ID)
			wantCode(t, err, NotFound, "")
			wantCode(t, db.Results.MakeReady(t.Context(), other, got), NotFound, "")
			got.State = StateLocked
			_, err = db.Results.Delete(t.Context(), other, r.ID)
			wantCode(t, err, NotFound, "")
			if list, err := db.Results.List(t.Context(), other); err != nil || len(list) != 0 {
				t.Fatalf("listed %v, %v", list, err)
			}
		}
		_, err := db.Results.Get(t.Context(), s, NewID())
		wantCode(t, err, NotFound, "")
	})
	t.Run("Tries", func(t *testing.T) {
		for want := 4; want >= 0; want-- {
			if left, err := db.Results.TakeTry(t.Context(), s, r.ID); err != nil || left != want {
				t.Fatalf("%d left, %v, want %d", left, err, want)
			}
		}
		_, err := db.Results.TakeTry(t.Context(), s, r.ID)
		wantCode(t, err, NotFound, "")
		if err := db.Results.GiveBack(t.Context(), s, r.ID); err != nil {
			t.Fatal(err)
		}
		if left, err := db.Results.TakeTry(t.Context(), s, r.ID); err != nil || left != 0 {
			t.Fatalf("%d left, %v", left, err)
		}
	})
	t.Run("MakeReady", func(t *testing.T) {
		got.Meta.Headline = "opened"
		if err := db.Results.MakeReady(t.Context(), s, got); err != nil {
			t.Fatal(err)
		}
		list, err := db.Results.List(t.Context(), s)
		if err != nil || len(list) != 1 || list[0].State != StateReady || list[0].Meta.Headline != "opened" {
			t.Fatalf("%v, %v", list, err)
		}
		wantCode(t, db.Results.MakeReady(t.Context(), s, got), NotFound, "") // another was first
		_, err = db.Results.TakeTry(t.Context(), s, r.ID)
		wantCode(t, err, NotFound, "")
	})
	t.Run("Usage", func(t *testing.T) {
		for range 2 {
			if err := db.Results.Create(t.Context(), guest, &Result{Owner: "guest", Verb: "encrypt", State: StateReady, Blob: NewID(), Disk: 7}); err != nil {
				t.Fatal(err)
			}
		}
		usage, err := db.Results.UsageByOwner(t.Context())
		if err != nil || usage["guest"] != 14 || usage["account"] != 100 {
			t.Fatalf("%v, %v", usage, err)
		}
		blobs, err := db.Results.Blobs(t.Context())
		if _, ok := blobs[r.Blob]; err != nil || !ok || len(blobs) != 3 {
			t.Fatalf("%v, %v", blobs, err)
		}
	})
	t.Run("End", func(t *testing.T) {
		for _, want := range []int{2, 0} {
			rows, err := db.Sessions.End(t.Context(), guest.ID)
			if err != nil || len(rows) != want || want > 0 && rows[0].Disk != 7 {
				t.Fatalf("%v, %v", rows, err)
			}
		}
		if n := count(t, db.sessions, "SELECT count(*) FROM results"); n != 1 {
			t.Fatalf("%d results, want 1", n)
		}
		wantCode(t, db.Results.Create(t.Context(), guest, &Result{Owner: "guest", Blob: NewID()}), Gone, "")
	})
	t.Run("Expire", func(t *testing.T) {
		orphan := &Result{Owner: "account", Verb: "encrypt", State: StateReady, Blob: NewID(), Expires: c.now().Add(5 * time.Hour)}
		if err := db.Results.Create(t.Context(), same, orphan); err != nil {
			t.Fatal(err)
		}
		c.add(59 * time.Minute)
		if removed, err := db.Results.Expire(t.Context()); err != nil || len(removed) != 0 {
			t.Fatalf("too early: %v, %v", removed, err)
		}
		c.add(time.Minute)
		_, err := db.Results.Get(t.Context(), s, r.ID)
		wantCode(t, err, NotFound, "")
		if removed, err := db.Results.Expire(t.Context()); err != nil || len(removed) != 1 || removed[0].Blob != r.Blob {
			t.Fatalf("%v, %v", removed, err)
		}
		if _, err := db.Sessions.Expire(t.Context()); err != nil { // both are idle now
			t.Fatal(err)
		}
		if removed, err := db.Results.Expire(t.Context()); err != nil || len(removed) != 1 || removed[0].ID != orphan.ID {
			t.Fatalf("of an ended session: %v, %v", removed, err)
		}
	})
}
