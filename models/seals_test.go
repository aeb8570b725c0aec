package models

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// clear are the BLOB columns that are not sealed. A new BLOB column is either named
// sealed_* and opened in openers below, or named here with a reason.
var clearBlobs = []string{
	"accounts.id", "accounts.unlock_salt", "accounts.hpke_public", // ids, salt, public key
	"account_keys.id", "account_keys.account_id",
	"retired_logins.digest", // HMAC
	"items.id", "items.account_id", "items.blob_id",
	"keys.id", "keys.account_id", "key_versions.id", "key_versions.key_id", "key_versions.account_id",
	"people.id", "people.account_id", "key_offers.account_id", "key_offers.version_id", "unlisted.account_id",
	"waiting_accounts.id", "waiting_accounts.salt", // what the old digest is computed with; the digest itself is nowhere
	"imported_accounts.id", "imported_accounts.account_id", "imported_records.account_id", "imported_records.digest", "imported_under.id", "imported_damaged.id", "imported_damaged.account_id", // HMACs
	"imported_inbox.id", "imported_inbox.account_id", "login_aliases.account_id",
	"factors.id", "factors.account_id",
	"passkeys.id", "passkeys.account_id", "passkeys.credential_hash", // SHA-256 of random bytes
	"recoveries.id", "recoveries.account_id",
	"activity.id", "activity.account_id", "settings.id", "settings.account_id", "session_locks.session_id",
	"standing.account_id", "invitations.id", "invitations.token_hash", "invitations.created_by", // SHA-256 of the token
	"sessions.id", "sessions.token_hash", "sessions.account_id", // SHA-256 of the token
	"results.id", "results.session_id", "results.blob_id",
}

type blobColumn struct{ table, column string }

func blobColumns(t *testing.T, db *sqliteDB) (out []blobColumn) {
	t.Helper()
	rows, err := db.w.DB.Query(`SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND c.type = 'BLOB' AND m.name NOT LIKE 'bun_%' ORDER BY 1, 2`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var c blobColumn
		if err := rows.Scan(&c.table, &c.column); err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// Every sealed value is moved: to another row of the same person, to another person,
// and into every other sealed column. It must not open in any of these places.
func TestSeals_Moved(t *testing.T) {
	w := newSealedWorld(t)
	dbs := map[*sqliteDB]string{w.db.main: mainFile, w.db.sessions: sessionsFile}
	type target struct {
		db *sqliteDB
		c  blobColumn
	}
	var sealed []target
	for db := range dbs {
		for _, c := range blobColumns(t, db) {
			name := c.table + "." + c.column
			if strings.HasPrefix(c.column, "sealed_") {
				sealed = append(sealed, target{db, c})
				if openers[name] == nil {
					t.Errorf("%s: nothing opens it here: add it to openers", name)
				}
			} else if !slices.Contains(clearBlobs, name) {
				t.Errorf("%s: a BLOB that is neither sealed nor known to be harmless", name)
			}
		}
	}
	if len(sealed) != len(openers) {
		t.Fatalf("%d sealed columns, %d openers", len(sealed), len(openers))
	}
	for _, to := range sealed {
		name := to.c.table + "." + to.c.column
		t.Run(name, func(t *testing.T) {
			opens := openers[name]
			for i := range w.people {
				if err := opens(w, i); err != nil {
					t.Fatalf("before anything is moved: %v", err)
				}
			}
			put := w.idsOf(t, to.db, to.c, 0)[0]
			own := value(t, to.db, to.c, put)
			moved := 0
			try := func(what string, b []byte) {
				t.Helper()
				if bytes.Equal(b, own) {
					return
				}
				exec(t, to.db, "UPDATE "+to.c.table+" SET "+to.c.column+" = ? WHERE id = ?", b, put)
				if err := opens(w, 0); err == nil {
					t.Errorf("%s: it opens", what)
				}
				moved++
			}
			for _, from := range sealed {
				for i, person := range []string{"own", "another's"} {
					for _, id := range w.idsOf(t, from.db, from.c, i) {
						try(fmt.Sprintf("%s %s.%s", person, from.c.table, from.c.column), value(t, from.db, from.c, id))
					}
				}
			}
			for bit := 0; bit < len(own)*8; bit += 13 {
				flipped := bytes.Clone(own)
				flipped[bit/8] ^= 1 << (bit % 8)
				try(fmt.Sprintf("bit %d flipped", bit), flipped)
			}
			try("cut", own[:len(own)-1])
			if moved < 50 {
				t.Fatalf("only %d moves were tried", moved)
			}
			exec(t, to.db, "UPDATE "+to.c.table+" SET "+to.c.column+" = ? WHERE id = ?", own, put)
			if err := opens(w, 0); err != nil {
				t.Fatalf("put back: %v", err)
			}
		})
	}
}

// What stands in the clear and means something is sealed too, and the seal wins.
func TestSeals_ClearColumns(t *testing.T) {
	for name, c := range map[string]struct {
		query string
		opens string
	}{
		"ItemKind":     {"UPDATE items SET kind = 'digest'", "items.sealed_meta"},
		"ItemSize":     {"UPDATE items SET size = size + 1", "items.sealed_meta"},
		"ItemCreated":  {"UPDATE items SET created = created + 1", "items.sealed_meta"},
		"ItemBlob":     {"UPDATE items SET blob_id = randomblob(16)", "items.sealed_blob"},
		"ItemNoBlob":   {"UPDATE items SET blob_id = NULL", "items.sealed_blob"},
		"ItemBodyGone": {"UPDATE items SET sealed_body = NULL", "items.sealed_meta"}, // in the list too
		"ItemBlobGone": {"UPDATE items SET sealed_blob = NULL, blob_id = NULL", "items.sealed_meta"},
		"VersionN":     {"UPDATE key_versions SET n = n + 50", "key_versions.sealed_version"},
		// The older version's row under the number of the active one, and the reverse.
		"VersionsSwapped": {"UPDATE key_versions SET n = n + 100 WHERE n = 1; UPDATE key_versions SET n = 1 WHERE n = 2; UPDATE key_versions SET n = 2 WHERE n = 101",
			"key_versions.sealed_version"},
		"EventTime":   {"UPDATE activity SET created = created + 1", "activity.sealed_event"},
		"PersonSince": {"UPDATE people SET created = created + 1", "people.sealed_person"},
		"OtherKey": {`UPDATE key_versions SET n = n + 10, key_id = (SELECT id FROM keys k WHERE k.account_id = key_versions.account_id
			AND k.id <> key_versions.key_id)`, "key_versions.sealed_version"},
		"KeyVersion": {"UPDATE account_keys SET version = version + 10", "account_keys.sealed_account_key"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSealedWorld(t)
			if err := openers[c.opens](w, 0); err != nil {
				t.Fatal(err)
			}
			exec(t, w.db.main, c.query)
			if err := openers[c.opens](w, 0); err == nil {
				t.Fatal("it was believed")
			}
		})
	}
	t.Run("Public", func(t *testing.T) {
		w := newSealedWorld(t)
		before, err := w.db.Keys.Default(t.Context(), w.people[0], "age")
		if err != nil {
			t.Fatal(err)
		}
		exec(t, w.db.main, "UPDATE key_versions SET public = 'age1attacker' WHERE public <> ''")
		after, err := w.db.Keys.Default(t.Context(), w.people[0], "age")
		was, is := before.Newest(), after.Newest()
		if err != nil || is.Public != was.Public || !is.PublicDiffers || was.PublicDiffers {
			t.Fatalf("own public key: %v", err)
		}
		// A retired version put back for others is told too.
		exec(t, w.db.main, "UPDATE key_versions SET public = 'age1retired' WHERE n = 1")
		if after, err = w.db.Keys.Default(t.Context(), w.people[0], "age"); err != nil || !after.Versions[0].PublicDiffers {
			t.Fatalf("a retired version's public key: %v", err)
		}
		if err := w.db.Keys.Describe(t.Context(), w.people[0], after.ID, "again", ""); err != nil {
			t.Fatal(err)
		}
		if after, err = w.db.Keys.Default(t.Context(), w.people[0], "age"); err != nil || after.Versions[0].PublicDiffers || after.Newest().PublicDiffers {
			t.Fatalf("written anew: %v", err)
		}
	})
	t.Run("MinVersion", func(t *testing.T) {
		k := Key{MinVersion: 2, Versions: []KeyVersion{{N: 1, State: KeyActive}}}
		if k.Active(newClock().now()) != nil {
			t.Fatal("a version below the lowest was made active")
		}
	})
}

// An item that was moved to another person stays nobody's.
func TestSeals_RowGivenAway(t *testing.T) {
	w := newSealedWorld(t)
	ada, bob := w.people[0], w.people[1]
	exec(t, w.db.main, "UPDATE items SET account_id = ? WHERE account_id = ?", bob.Account.ID[:], ada.Account.ID[:])
	items, _, err := w.db.Items.List(t.Context(), bob, Filter{})
	if err != nil {
		t.Fatal(err)
	}
	unreadable := 0
	for _, i := range items {
		if i.Unreadable {
			unreadable++
			if i.Title != "" || i.Blob != nil || i.Meta != (ItemMeta{}) {
				t.Fatal("an unreadable item shows something")
			}
		}
	}
	if len(items) != 6 || unreadable != 3 {
		t.Fatalf("%d items, %d unreadable", len(items), unreadable)
	}
}
