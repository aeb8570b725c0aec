package models

import (
	"os"
	"testing"
)

// A crash right after the first transaction of a deletion leaves nothing that opens, and
// Purge removes the rest.
func TestAccounts_Delete_Cut(t *testing.T) {
	o := testOptions(t, t.TempDir(), newClock())
	db := openTest(t, o)
	u, other := register(t, db, "ada"), register(t, db, "bob")
	item, kept := saveFile(t, db, u, "mine"), saveFile(t, db, other, "theirs")
	if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil { // so that account_keys has a row
		t.Fatal(err)
	}
	code := pending(t, db, u, ReasonRenewed)
	token, _ := login(t, db, u)
	if err := db.Accounts.retire(t.Context(), u.Account.ID); err != nil {
		t.Fatal(err)
	}
	db = reopen(t, db, o)
	_, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
	wantCode(t, err, Unauthorized, "")
	_, err = db.Accounts.Recover(t.Context(), "ada", code, otherPassword)
	wantCode(t, err, Unauthorized, "")
	_, err = db.Accounts.Register(t.Context(), "Ada", goodPassword)
	wantCode(t, err, Conflict, "login")
	_, err = db.Accounts.ByLogin(t.Context(), "ada")
	wantCode(t, err, NotFound, "")
	_, err = db.Accounts.DeleteByAdmin(t.Context(), u.Account.ID)
	wantCode(t, err, NotFound, "")
	wantCode(t, db.Items.Save(t.Context(), u, &Item{Kind: "note", Title: "late"}), Unauthorized, "")
	if list, err := db.Accounts.List(t.Context(), ID{}, 10); err != nil || len(list) != 1 || list[0].Login != "bob" {
		t.Errorf("listed %v, %v", list, err)
	}
	if ended, err := db.Sessions.Expire(t.Context()); err != nil || len(ended) != 1 {
		t.Errorf("ended %v, %v", ended, err)
	}
	_, _, err = db.Sessions.Lookup(t.Context(), token)
	wantCode(t, err, NotFound, "")
	if n := count(t, db.main, "SELECT count(*) FROM account_keys"); n != 0 {
		t.Errorf("%d older account keys left", n)
	}

	gone, err := db.Items.Purge(t.Context(), o.Now())
	if err != nil || len(gone) != 1 || *gone[0].Blob != item.Blob.ID || gone[0].Account != u.Account.ID || gone[0].Bytes != 1012 {
		t.Fatalf("purged %v, %v", gone, err)
	}
	for table, column := range map[string]string{"accounts": "id", "items": "account_id", "keys": "account_id", "key_versions": "account_id"} {
		if n := count(t, db.main, "SELECT count(*) FROM "+table+" WHERE "+column+" = ?", u.Account.ID[:]); n != 0 {
			t.Errorf("%s: %d rows left", table, n)
		}
	}
	if gone, err := db.Items.Purge(t.Context(), o.Now()); err != nil || len(gone) != 0 {
		t.Fatalf("a second time: %v, %v", gone, err)
	}
	if got, err := db.Items.Get(t.Context(), other, kept.ID); err != nil || got.Unreadable {
		t.Fatalf("another account's item: %v, %v", got, err)
	}
}

// What is deleted goes through the log in parts, so that a nearly full disk can be emptied.
func TestDelete_Log(t *testing.T) {
	const items, size = 50, 2 << 20
	for name, remove := range map[string]func(*testing.T, *DB, *Unlocked) int{
		"Account": func(t *testing.T, db *DB, u *Unlocked) int {
			blobs, err := db.Accounts.DeleteByAdmin(t.Context(), u.Account.ID)
			if err != nil {
				t.Fatal(err)
			}
			return len(blobs)
		},
		"Trash": func(t *testing.T, db *DB, u *Unlocked) int {
			exec(t, db.main, "UPDATE items SET trashed = 1 WHERE account_id = ?", u.Account.ID[:])
			gone, err := db.Items.Purge(t.Context(), db.now())
			if err != nil {
				t.Fatal(err)
			}
			return len(gone)
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, _ := newTestDB(t)
			u := register(t, db, "ada")
			for range items {
				exec(t, db.main, `INSERT INTO items (id, account_id, kind, size, disk, created, seal_version, blob_id, sealed_title, sealed_meta, sealed_body)
					VALUES (randomblob(16), ?, 'note', 1, 1, 1, 1, randomblob(16), x'00', x'00', zeroblob(?))`, u.Account.ID[:], size)
			}
			last := save(t, db, register(t, db, "bob"), "stays", "at the end of the file") // moves when space is given back
			if err := db.main.truncate(t.Context()); err != nil {
				t.Fatal(err)
			}
			var largest int64
			db.main.w = db.main.w.WithQueryHook(&queryHook{after: func(string) bool {
				if info, err := os.Stat(db.main.path + "-wal"); err == nil {
					largest = max(largest, info.Size())
				}
				return false
			}})
			if n := remove(t, db, u); n != items {
				t.Fatalf("%d items, want %d", n, items)
			}
			if err := db.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			if largest == 0 || largest > 40<<20 {
				t.Errorf("the log had %d bytes for %d that were deleted", largest, items*size)
			}
			if info, err := os.Stat(db.main.path); err != nil || info.Size() > 1<<20 {
				t.Errorf("the space was not given back: %d bytes, %v", info.Size(), err)
			}
			if n := count(t, db.main, "SELECT count(*) FROM items"); n != 1 {
				t.Errorf("%d items left, want %s alone", n, last.ID)
			}
		})
	}
}
