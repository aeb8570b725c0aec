package models

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"
)

func titles(items []Item) string {
	var out []string
	for _, i := range items {
		out = append(out, i.Title)
	}
	return strings.Join(out, " ")
}

func TestItems_Save(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	t.Run("AnyBytes", func(t *testing.T) {
		for name, body := range map[string][]byte{
			"NUL": {0, 0, 'a', 0}, "InvalidUTF8": {0xff, 0xfe, '\'', ';'}, "Quotes": []byte(`'"; DROP TABLE items; --?`), "Empty": {},
			"Largest": bytes.Repeat([]byte{0, 0xff}, 1<<20),
		} {
			item := &Item{Kind: "note", Title: name, Body: body, Meta: ItemMeta{FileName: "a\x00\xff'.txt", Detail: "d\xff"}}
			if err := db.Items.Save(t.Context(), u, item); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := db.Items.Get(t.Context(), u, item.ID)
			if err != nil || !bytes.Equal(got.Body, body) || got.Body == nil || got.Meta != item.Meta {
				t.Fatalf("%s: got %d bytes, meta %q, %v", name, len(got.Body), got.Meta.FileName, err)
			}
			if !got.Created.Equal(c.now()) || got.Title != name {
				t.Fatalf("%s: created %v, title %q", name, got.Created, got.Title)
			}
		}
	})
	t.Run("Refused", func(t *testing.T) {
		before := count(t, db.main, "SELECT count(*) FROM items")
		wantCode(t, db.Items.Save(t.Context(), u, &Item{Kind: "x\x00", Title: "x"}), Invalid, "kind")
		wantCode(t, db.Items.Save(t.Context(), u, &Item{Kind: "note", Title: "x", Body: make([]byte, 2<<20+1)}), Invalid, "text")
		if count(t, db.main, "SELECT count(*) FROM items") != before {
			t.Fatal("something was saved")
		}
	})
	t.Run("Titles", func(t *testing.T) {
		for in, want := range map[string]string{
			"a\x00b\nc\u202ed": "a b c d", "": "Untitled", " \n ": "Untitled", "ok 👩‍💻 é": "ok 👩‍💻 é", "bad\xff": "bad\ufffd",
			strings.Repeat("é", 201): strings.Repeat("é", 199) + "…", strings.Repeat("é", 200): strings.Repeat("é", 200),
		} {
			item := save(t, db, u, in, "")
			got, err := db.Items.Get(t.Context(), u, item.ID)
			if err != nil || got.Title != want || item.Title != want {
				t.Fatalf("%q is %q, want %q (%v)", in, got.Title, want, err)
			}
		}
	})
	t.Run("Rename", func(t *testing.T) {
		item := save(t, db, u, "old", "b")
		wantCode(t, db.Items.Rename(t.Context(), u, item.ID, " \x00 "), Invalid, "title")
		wantCode(t, db.Items.Rename(t.Context(), u, item.ID, strings.Repeat("x", 201)), Invalid, "title")
		wantCode(t, db.Items.Rename(t.Context(), register(t, db, "eve"), item.ID, "mine"), NotFound, "")
		wantCode(t, db.Items.Rename(t.Context(), u, NewID(), "x"), NotFound, "")
		if err := db.Items.Rename(t.Context(), u, item.ID, "new\tone"); err != nil {
			t.Fatal(err)
		}
		if got, err := db.Items.Get(t.Context(), u, item.ID); err != nil || got.Title != "new one" || string(got.Body) != "b" {
			t.Fatalf("%v, %v", got, err)
		}
	})
	t.Run("Blob", func(t *testing.T) {
		item := saveFile(t, db, u, "file")
		got, err := db.Items.Get(t.Context(), u, item.ID)
		if err != nil || got.Blob == nil || *got.Blob != *item.Blob || got.Meta != item.Meta {
			t.Fatalf("%v, %v", got, err)
		}
	})
}

func TestItems_List(t *testing.T) {
	db, c := newTestDB(t)
	u, other := register(t, db, "ada"), register(t, db, "bob")
	const n = 23
	for i := range n {
		if i%4 == 0 { // several rows of the same millisecond
			c.add(time.Millisecond)
		}
		title := fmt.Sprintf("Note %02d", i)
		if i%5 == 0 {
			title = fmt.Sprintf("STRASSE Éte\u0301 %02d", i)
		}
		save(t, db, u, title, "body")
		save(t, db, other, "not yours", "body")
	}
	pages := func(t *testing.T, f Filter) (all []Item) {
		t.Helper()
		seen := make(map[ID]bool)
		for range n + 1 {
			items, next, err := db.Items.List(t.Context(), u, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range items {
				if seen[i.ID] {
					t.Fatalf("%s twice", i.Title)
				}
				if i.Body != nil {
					t.Fatal("a list opens bodies")
				}
				seen[i.ID] = true
				all = append(all, i)
			}
			if next == nil {
				return all
			}
			if len(items) != f.Limit {
				t.Fatalf("a page of %d before the last", len(items))
			}
			f.Before = *next
		}
		t.Fatal("the list does not end")
		return nil
	}
	for _, limit := range []int{1, 4, n - 1, n, n + 1} {
		all := pages(t, Filter{Limit: limit})
		if len(all) != n {
			t.Fatalf("limit %d: %d items", limit, len(all))
		}
		for i := 1; i < n; i++ {
			a, b := all[i-1], all[i]
			if a.Created.Before(b.Created) || a.Created.Equal(b.Created) && bytes.Compare(a.ID[:], b.ID[:]) <= 0 {
				t.Fatalf("limit %d: %s before %s", limit, a.Title, b.Title)
			}
		}
	}
	t.Run("Query", func(t *testing.T) {
		for query, want := range map[string]int{"": n, "note": 18, "straße ÉTÉ": 5, "nothing": 0, "e\u0301t": 5, "01": 1, "%": 0, "yours": 0} {
			if all := pages(t, Filter{Limit: 2, Query: query}); len(all) != want {
				t.Errorf("%q: %d items (%s), want %d", query, len(all), titles(all), want)
			}
		}
	})
	t.Run("Kind", func(t *testing.T) {
		saveFile(t, db, u, "file")
		if all := pages(t, Filter{Limit: 5, Kind: "file"}); len(all) != 1 || all[0].Blob == nil {
			t.Fatalf("files: %s", titles(all))
		}
		_, _, err := db.Items.List(t.Context(), u, Filter{Kind: "note\x00"})
		wantCode(t, err, Invalid, "kind")
		for kind, want := range map[string]int{"": n + 1, "note": n, "file": 1, "digest": 0} {
			if got, err := db.Items.Count(t.Context(), u, kind); err != nil || got != want {
				t.Errorf("count of %q: %d, %v; want %d", kind, got, err, want)
			}
		}
	})
	t.Run("Others", func(t *testing.T) {
		item := save(t, db, other, "theirs", "x")
		_, err := db.Items.Get(t.Context(), u, item.ID)
		wantCode(t, err, NotFound, "")
	})
}

// A search looks at titles a batch at a time and finds what lies behind the first batch; what
// does not open is not found.
func TestItems_List_SearchFar(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	for i := range 3 {
		saveFile(t, db, u, fmt.Sprint("needle ", i))
	}
	c.add(time.Millisecond)
	damaged := save(t, db, u, "needle damaged", "x")
	exec(t, db.main, "UPDATE items SET sealed_meta = x'00' WHERE id = ?", damaged.ID[:])
	c.add(time.Millisecond)
	err := db.main.write(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		for range 2*maxLimit - 4 { // with the four it is two whole batches
			row, err := closeItem(u, &Item{ID: NewID(), Kind: "note", Title: "hay", Created: c.now()})
			if err != nil {
				return err
			}
			if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int{1, 2, 3, 4} {
		var found []string
		f := Filter{Query: "NEEDLE", Limit: limit}
		for pages := 1; ; pages++ {
			items, next, err := db.Items.List(t.Context(), u, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range items {
				if i.Unreadable || i.Blob == nil || i.Body != nil {
					t.Errorf("%s: %t, %v", i.Title, i.Unreadable, i.Blob)
				}
				found = append(found, i.Title)
			}
			if next == nil {
				if want := (3 + limit - 1) / limit; pages != want {
					t.Errorf("limit %d: %d pages, want %d", limit, pages, want)
				}
				break
			}
			f.Before = *next
		}
		slices.Sort(found)
		if fmt.Sprint(found) != "[needle 0 needle 1 needle 2]" {
			t.Errorf("limit %d: found %v", limit, found)
		}
	}
}

func BenchmarkItems_Search(b *testing.B) {
	c := newClock()
	db, err := Open(b.Context(), testOptions(b, b.TempDir(), c))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	u, err := db.Accounts.Register(b.Context(), "ada", goodPassword)
	if err != nil {
		b.Fatal(err)
	}
	err = db.main.write(b.Context(), func(ctx context.Context, tx bun.Tx) error {
		for i := range 5000 {
			row, err := closeItem(u, &Item{ID: NewID(), Kind: "note", Title: fmt.Sprint("a title of the usual length ", i), Created: c.now(), Body: []byte("body")})
			if err != nil {
				return err
			}
			if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := db.Items.List(b.Context(), u, Filter{Query: "no such title"}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestItems_Trash(t *testing.T) {
	db, c := newTestDB(t)
	u, other := register(t, db, "ada"), register(t, db, "bob")
	one, two, theirs := saveFile(t, db, u, "one"), save(t, db, u, "two", "12345"), save(t, db, other, "theirs", "x")
	if n, err := db.Items.Trash(t.Context(), u, one.ID, two.ID, theirs.ID, NewID()); err != nil || n != 2 {
		t.Fatalf("%d in the trash, %v", n, err)
	}
	if n, err := db.Items.Trash(t.Context(), u, one.ID); err != nil || n != 0 {
		t.Fatalf("twice: %d, %v", n, err)
	}
	_, err := db.Items.Get(t.Context(), u, one.ID)
	wantCode(t, err, NotFound, "")
	wantCode(t, db.Items.Rename(t.Context(), u, one.ID, "x"), NotFound, "")
	if items, _, err := db.Items.List(t.Context(), u, Filter{}); err != nil || len(items) != 0 {
		t.Fatalf("listed: %s, %v", titles(items), err)
	}
	if n, bytes, err := db.Accounts.Usage(t.Context(), u.Account.ID); err != nil || n != 0 || bytes != 1000+11+5 {
		t.Fatalf("usage: %d items, %d bytes, %v", n, bytes, err)
	}
	if n, err := db.Items.Restore(t.Context(), other, one.ID); err != nil || n != 0 {
		t.Fatalf("restored another's: %d, %v", n, err)
	}
	if n, err := db.Items.Restore(t.Context(), u, one.ID); err != nil || n != 1 {
		t.Fatalf("restore: %d, %v", n, err)
	}
	if got, err := db.Items.Get(t.Context(), u, one.ID); err != nil || string(got.Body) != "body of one" {
		t.Fatalf("restored: %v, %v", got, err)
	}
	c.add(time.Minute)
	if _, err := db.Items.Trash(t.Context(), u, one.ID); err != nil {
		t.Fatal(err)
	}
	purged, err := db.Items.Purge(t.Context(), c.now().Add(-time.Minute))
	if err != nil || len(purged) != 1 || purged[0].Blob != nil || purged[0].Bytes != 5 || purged[0].Account != u.Account.ID {
		t.Fatalf("purged %v, %v", purged, err)
	}
	if blobs, err := db.Items.Blobs(t.Context()); err != nil || len(blobs) != 1 {
		t.Fatalf("blobs in the trash: %v, %v", blobs, err)
	}
	c.add(time.Minute)
	purged, err = db.Items.Purge(t.Context(), c.now().Add(-time.Minute))
	if err != nil || len(purged) != 1 || *purged[0].Blob != one.Blob.ID || purged[0].Bytes != 1011 {
		t.Fatalf("purged %v, %v", purged, err)
	}
	if n, err := db.Items.Restore(t.Context(), u, one.ID); err != nil || n != 0 {
		t.Fatalf("restored what is gone: %d, %v", n, err)
	}
	gone := save(t, db, u, "three", "abc")
	if was, err := db.Items.Forget(t.Context(), other, gone.ID); err != nil || was {
		t.Fatalf("forgot another's: %t, %v", was, err)
	}
	usage, err := db.Items.UsageByAccount(t.Context())
	if err != nil || usage[u.Account.ID] != 3 || usage[other.Account.ID] != 1 {
		t.Fatalf("usage %v, %v", usage, err)
	}
	if was, err := db.Items.Forget(t.Context(), u, gone.ID); err != nil || !was {
		t.Fatalf("did not forget: %t, %v", was, err)
	}
	if n := count(t, db.main, "SELECT count(*) FROM items"); n != 1 {
		t.Fatalf("%d items left", n)
	}
}
