package models

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// versions counts the seals of an account by the version in their header.
func versions(t *testing.T, db *DB, u *Unlocked) map[uint32]int {
	t.Helper()
	out := make(map[uint32]int)
	for _, table := range sealedTables() {
		for _, c := range table.columns {
			rows, err := db.main.w.DB.Query("SELECT "+c.name+" FROM "+table.name+" WHERE account_id = ? AND "+c.name+" IS NOT NULL", u.Account.ID[:])
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var sealed []byte
				if err := rows.Scan(&sealed); err != nil {
					t.Fatal(err)
				}
				v, err := seal.Version(sealed)
				if err != nil {
					t.Fatal(err)
				}
				out[v]++
			}
			if err := rows.Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

func readable(t *testing.T, db *DB, u *Unlocked, want int) {
	t.Helper()
	items, _, err := db.Items.List(t.Context(), u, Filter{Limit: 500})
	if err != nil || len(items) != want {
		t.Fatalf("%d items, %v; want %d", len(items), err, want)
	}
	for _, i := range items {
		full, err := db.Items.Get(t.Context(), u, i.ID)
		if err != nil || full.Unreadable || string(full.Body) != "body of "+full.Title {
			t.Fatalf("item does not open: unreadable %v, %v", full.Unreadable, err)
		}
	}
	keys, err := db.Keys.List(t.Context(), u)
	if err != nil || len(keys) != 2 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for _, k := range keys {
		if k.Unreadable || len(k.Versions) != 1 {
			t.Fatalf("key %s does not open", k.Kind)
		}
	}
}

func TestAccounts_Renew(t *testing.T) {
	c := newClock()
	o := testOptions(t, t.TempDir(), c)
	db := openTest(t, o)
	u := register(t, db, "ada")
	oldCode := pending(t, db, u, ReasonNew)
	for i := range 7 {
		saveFile(t, db, u, fmt.Sprint("item ", i))
	}
	token, _ := login(t, db, u)
	wantCode(t, db.Accounts.Renew(t.Context(), u, "wrong"), Unauthorized, "current")
	if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	if v, _ := u.Ring.Current(); v != 2 || u.Account.KeyVersion != 2 {
		t.Fatalf("version %d in the ring, %d in the account", v, u.Account.KeyVersion)
	}
	_, _, err := db.Sessions.Lookup(t.Context(), token)
	wantCode(t, err, Gone, "")
	readable(t, db, u, 7)
	_, err = db.Accounts.Recover(t.Context(), "ada", oldCode, otherPassword)
	wantCode(t, err, Unauthorized, "")
	pending(t, db, u, ReasonRenewed)

	// 7 items, 2 keys, 2 key versions; cut after 3, the program ends.
	left, err := db.Accounts.Reseal(t.Context(), u, 3)
	if err != nil || left != 8 {
		t.Fatalf("%d left, %v; want 8", left, err)
	}
	saveFile(t, db, u, "item 7")
	if got, err := db.Accounts.ResealLeft(t.Context(), u); err != nil || got != 8 {
		t.Fatalf("%d left after a save, %v; want 8", got, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, testOptions(t, o.Dir, c))
	again, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	readable(t, db, again, 8)
	token, _ = login(t, db, again)
	_, looked, err := db.Sessions.Lookup(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	readable(t, db, looked, 8) // the session's ring has both versions
	steps := []int{5, 2, 0, 0}
	for i, want := range steps {
		if left, err = db.Accounts.Reseal(t.Context(), looked, 3); err != nil || left != want {
			t.Fatalf("step %d: %d left, %v; want %d", i, left, err, want)
		}
	}
	// 8 items of 4 seals, 2 keys, 2 versions.
	if v := versions(t, db, looked); v[2] != 36 || len(v) != 1 {
		t.Fatalf("seals by version: %v", v)
	}
	if n := count(t, db.main, "SELECT count(*) FROM account_keys"); n != 0 {
		t.Fatal("the older version was kept")
	}
	fresh, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := fresh.Ring.Key(1); ok {
		t.Fatal("the ring still has the older version")
	}
	readable(t, db, fresh, 8)
}

// What is sealed to the account after a renewal does not open with what the old account
// key gave; what was sealed to it before still opens.
func TestAccounts_Renew_Pair(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	stolen, err := accountBy(t.Context(), db.main.r, "id", u.Account.ID)
	if err != nil {
		t.Fatal(err)
	}
	old, err := stolen.openPairs(u.Ring)
	if err != nil {
		t.Fatal(err)
	}
	var messages [][]byte
	for n := range 3 {
		if n > 0 {
			if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
				t.Fatal(err)
			}
		}
		ct, err := seal.SealTo(u.Account.HPKEPublic, nil, nil, []byte("while away"))
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, ct)
	}
	row, err := accountBy(t.Context(), db.main.r, "id", u.Account.ID)
	if err != nil {
		t.Fatal(err)
	}
	pairs, err := row.openPairs(u.Ring)
	if err != nil || len(pairs) != 3 {
		t.Fatalf("%d pairs, %v", len(pairs), err)
	}
	for i, ct := range messages {
		if pt, err := seal.OpenFrom(pairs[2-i].Private, nil, nil, ct); err != nil || string(pt) != "while away" {
			t.Errorf("message %d: %q, %v", i, pt, err)
		}
		if _, err := seal.OpenFrom(old[0].Private, nil, nil, ct); (err == nil) != (i == 0) {
			t.Errorf("message %d with the first pair: %v", i, err)
		}
	}
}

// A row is sealed anew once: what stands under the newest version is not touched.
func TestAccounts_Reseal_Once(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	for i := range 5 {
		saveFile(t, db, u, fmt.Sprint("item ", i))
	}
	if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	exec(t, db.main, "CREATE TABLE resealed (id BLOB PRIMARY KEY)") // a second time breaks its key
	for _, table := range sealedTables() {
		exec(t, db.main, "CREATE TRIGGER once_"+table.name+" AFTER UPDATE ON "+table.name+" BEGIN INSERT INTO resealed VALUES (new.id); END")
	}
	for left := 1; left > 0; {
		var err error
		if left, err = db.Accounts.Reseal(t.Context(), u, 2); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, db.main, "SELECT count(*) FROM resealed"); n != 9 {
		t.Fatalf("%d rows resealed, want 9", n)
	}
}

// Two renewals before the first is finished: three versions in the ring.
func TestAccounts_Renew_Twice(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	saveFile(t, db, u, "one")
	for _, title := range []string{"two", "three"} {
		if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
			t.Fatal(err)
		}
		saveFile(t, db, u, title)
	}
	again, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	readable(t, db, again, 3)
	if left, err := db.Accounts.Reseal(t.Context(), again, 100); err != nil || left != 0 {
		t.Fatalf("%d left, %v", left, err)
	}
	if v := versions(t, db, again); v[3] != 16 || len(v) != 1 {
		t.Fatalf("seals by version: %v", v)
	}
	code := pending(t, db, again, ReasonRenewed)
	got, err := db.Accounts.Recover(t.Context(), "ada", code, otherPassword)
	if err != nil {
		t.Fatal(err)
	}
	readable(t, db, got, 3)
}

// Another session's request that began before the renewal goes on with the old key.
func TestAccounts_Renew_OtherSessionSaves(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	first := saveFile(t, db, u, "before")
	other, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	saveFile(t, db, other, "during")
	_, err = db.Accounts.Reseal(t.Context(), other, 100)
	wantCode(t, err, Unauthorized, "")
	if left, err := db.Accounts.Reseal(t.Context(), u, 1); err != nil || left == 0 {
		t.Fatalf("%d left, %v", left, err)
	}
	readable(t, db, u, 2)
	// A title under the old key on a row that stands under the new one.
	exec(t, db.main, "UPDATE items SET seal_version = 1")
	for _, table := range sealedTables() {
		if table.name != "items" {
			continue
		}
		if err := db.main.w.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := table.resealRow(ctx, tx, u, first.ID, 2)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Items.Rename(t.Context(), other, first.ID, "renamed"); err != nil {
		t.Fatal(err)
	}
	for left := 1; left > 0; {
		if left, err = db.Accounts.Reseal(t.Context(), u, 2); err != nil {
			t.Fatal(err)
		}
	}
	if v := versions(t, db, u); len(v) != 1 {
		t.Fatalf("seals by version: %v", v)
	}
	if got, err := db.Items.Get(t.Context(), u, first.ID); err != nil || got.Title != "renamed" || string(got.Body) != "body of before" {
		t.Fatalf("renamed item: %v", err)
	}
	// The old key is dropped: what it would seal could never be opened.
	wantCode(t, db.Items.Save(t.Context(), other, &Item{Kind: "note", Title: "late"}), Unauthorized, "")
	wantCode(t, db.Items.Rename(t.Context(), other, first.ID, "late"), Unauthorized, "")
	wantCode(t, db.Accounts.NewRecovery(t.Context(), other, goodPassword), Unauthorized, "")
	if n := count(t, db.main, "SELECT count(*) FROM items"); n != 2 {
		t.Fatalf("%d items, want 2", n)
	}
}

// A row that does not open must not stop a renewal, nor lose the key it may need.
func TestAccounts_Reseal_Unreadable(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	good, bad := saveFile(t, db, u, "good"), saveFile(t, db, u, "bad")
	var body []byte
	if err := db.main.w.DB.QueryRow("SELECT sealed_body FROM items WHERE id = ?", bad.ID[:]).Scan(&body); err != nil {
		t.Fatal(err)
	}
	exec(t, db.main, "UPDATE items SET sealed_body = (SELECT sealed_body FROM items WHERE id = ?) WHERE id = ?", good.ID[:], bad.ID[:])
	if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	if left, err := db.Accounts.Reseal(t.Context(), u, 100); err != nil || left != 0 {
		t.Fatalf("%d left, %v", left, err)
	}
	again, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := db.Items.Get(t.Context(), again, bad.ID); err != nil || !got.Unreadable {
		t.Fatalf("the swapped row: %v", err)
	}
	exec(t, db.main, "UPDATE items SET sealed_body = ? WHERE id = ?", body, bad.ID[:])
	if got, err := db.Items.Get(t.Context(), again, bad.ID); err != nil || got.Unreadable || string(got.Body) != "body of bad" {
		t.Fatalf("put right again, it does not open: %v", err)
	}
}

// A part that was taken away and is put back after a renewal still opens.
func TestAccounts_Reseal_PartMissing(t *testing.T) {
	for _, column := range []string{"sealed_body", "sealed_blob"} {
		t.Run(column, func(t *testing.T) {
			db, _ := newTestDB(t)
			u := register(t, db, "ada")
			item := saveFile(t, db, u, "one")
			part := value(t, db.main, blobColumn{"items", column}, item.ID[:])
			exec(t, db.main, "UPDATE items SET "+column+" = NULL")
			if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
				t.Fatal(err)
			}
			if left, err := db.Accounts.Reseal(t.Context(), u, 100); err != nil || left != 0 {
				t.Fatalf("%d left, %v", left, err)
			}
			if got, err := db.Items.Get(t.Context(), u, item.ID); err != nil || !got.Unreadable || got.Blob != nil || got.Body != nil {
				t.Fatalf("without its %s: %v, %v", column, got, err)
			}
			exec(t, db.main, "UPDATE items SET "+column+" = ?", part)
			again, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
			if err != nil {
				t.Fatal(err)
			}
			readable(t, db, again, 1)
		})
	}
}

// A damaged row that is put right between two renewals is renewed by the second; one that
// is put right after both still has every key that one of its seals stands under.
func TestAccounts_Reseal_Mended(t *testing.T) {
	for name, mendAfter := range map[string]int{"Between": 1, "After": 2} {
		t.Run(name, func(t *testing.T) {
			db, _ := newTestDB(t)
			u := register(t, db, "ada")
			item, good := saveFile(t, db, u, "one"), saveFile(t, db, u, "good")
			part := value(t, db.main, blobColumn{"items", "sealed_body"}, item.ID[:])
			exec(t, db.main, "UPDATE items SET sealed_body = x'00' WHERE id = ?", item.ID[:])
			for n := 1; n <= 3; n++ {
				if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
					t.Fatal(err)
				}
				for left := 1; left > 0; {
					var err error
					if left, err = db.Accounts.Reseal(t.Context(), u, 1); err != nil {
						t.Fatal(err)
					}
				}
				if n == 1 { // from now on its seals stand under two versions
					if err := db.Items.Rename(t.Context(), u, item.ID, "one"); err != nil {
						t.Fatal(err)
					}
				}
				again, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
				if err != nil {
					t.Fatal(err)
				}
				u = again
				if got, err := db.Items.Get(t.Context(), u, good.ID); err != nil || got.Unreadable {
					t.Fatalf("renewal %d: the other item: %v", n, err)
				}
				if n < mendAfter {
					continue
				}
				if n == mendAfter {
					exec(t, db.main, "UPDATE items SET sealed_body = ? WHERE id = ?", part, item.ID[:])
				}
				readable(t, db, u, 2)
			}
			if kept := count(t, db.main, "SELECT count(*) FROM account_keys"); kept != 0 {
				t.Errorf("%d older keys kept for rows that all open", kept)
			}
			if v := versions(t, db, u); len(v) != 1 {
				t.Errorf("seals by version: %v", v)
			}
		})
	}
}

func TestAccounts_Reseal_Bytes(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	for range 20 {
		save(t, db, u, "large", strings.Repeat("x", maxBody))
	}
	if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	calls := 0
	for left := 1; left > 0; calls++ {
		var err error
		if left, err = db.Accounts.Reseal(Unhurried(t.Context()), u, 1000); err != nil { // as the handlers do
			t.Fatal(err)
		}
	}
	if calls != 2 {
		t.Fatalf("%d calls for 40 MiB, want 2", calls)
	}
}
