package models

import (
	"bytes"
	"context"
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

// sealedWorld is two people, each with two rows in every table that has a seal.
type sealedWorld struct {
	db       *DB
	people   [2]*Unlocked
	codes    [2]string
	tokens   [2][2]string
	sessions [2][2]*Session
}

func newSealedWorld(t *testing.T) *sealedWorld {
	db, _ := newTestDB(t)
	w := &sealedWorld{db: db}
	for i, name := range []string{"ada", "bob"} {
		u := register(t, db, name)
		saveFile(t, db, u, "one")
		saveFile(t, db, u, "two")
		for range 2 {
			if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
				t.Fatal(err)
			}
		}
		saveFile(t, db, u, "three")
		w.people[i], w.codes[i] = u, pending(t, db, u, ReasonRenewed)
		for j := range 2 {
			w.tokens[i][j], w.sessions[i][j] = login(t, db, u)
			r := &Result{Owner: name, Verb: "encrypt", State: StateReady, Blob: NewID(), Meta: ResultMeta{Name: name}}
			if err := db.Results.Create(t.Context(), w.sessions[i][j], r); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

var errOpened = fmt.Errorf("did not open")

func failed(bad bool) error {
	if bad {
		return errOpened
	}
	return nil
}

func itemsOpen(w *sealedWorld, i int, full bool) error {
	items, _, err := w.db.Items.List(context.Background(), w.people[i], Filter{})
	if err != nil {
		return err
	}
	for _, item := range items {
		if item.Unreadable {
			return errOpened
		}
		if !full {
			continue
		}
		got, err := w.db.Items.Get(context.Background(), w.people[i], item.ID)
		if err != nil || got.Unreadable {
			return errOpened
		}
	}
	return nil
}

// openers open every value of a sealed column as person i does.
var openers = map[string]func(w *sealedWorld, i int) error{
	"accounts.sealed_unlock": func(w *sealedWorld, i int) error {
		_, err := w.db.Accounts.Authenticate(context.Background(), w.people[i].Account.Login, goodPassword)
		return err
	},
	"accounts.sealed_recovery": func(w *sealedWorld, i int) error {
		row, err := accountBy(context.Background(), w.db.main.r, "id", w.people[i].Account.ID)
		if err != nil {
			return err
		}
		secret, err := recoverySecret(w.codes[i])
		if err != nil {
			return err
		}
		_, err = row.openKey(secret, "sealed_recovery", row.SealedRecovery)
		return err
	},
	"accounts.sealed_code": func(w *sealedWorld, i int) error {
		_, _, _, err := w.db.Accounts.Pending(context.Background(), w.people[i])
		return err
	},
	"accounts.sealed_hpke": func(w *sealedWorld, i int) error {
		row, err := accountBy(context.Background(), w.db.main.r, "id", w.people[i].Account.ID)
		if err != nil {
			return err
		}
		var pair sealedPair
		return openJSON(w.people[i].Ring, "account", row.place("sealed_hpke"), row.SealedHPKE, &pair)
	},
	"account_keys.sealed_account_key": func(w *sealedWorld, i int) error {
		row, err := accountBy(context.Background(), w.db.main.r, "id", w.people[i].Account.ID)
		if err != nil {
			return err
		}
		_, key := w.people[i].Ring.Current()
		r, err := ring(context.Background(), w.db.main.r, row, key)
		if err != nil {
			return err
		}
		_, one := r.Key(1)
		_, two := r.Key(2)
		return failed(!one || !two)
	},
	"items.sealed_title": func(w *sealedWorld, i int) error { return itemsOpen(w, i, false) },
	"items.sealed_meta":  func(w *sealedWorld, i int) error { return itemsOpen(w, i, false) },
	"items.sealed_blob":  func(w *sealedWorld, i int) error { return itemsOpen(w, i, false) },
	"items.sealed_body":  func(w *sealedWorld, i int) error { return itemsOpen(w, i, true) },
	"keys.sealed_key": func(w *sealedWorld, i int) error {
		keys, err := w.db.Keys.List(context.Background(), w.people[i])
		return failed(err != nil || slices.ContainsFunc(keys, func(k Key) bool { return k.Unreadable }))
	},
	"key_versions.sealed_version": func(w *sealedWorld, i int) error {
		keys, err := w.db.Keys.List(context.Background(), w.people[i])
		return failed(err != nil || slices.ContainsFunc(keys, func(k Key) bool { return len(k.Versions) != 1 }))
	},
	"sessions.sealed_account_key": func(w *sealedWorld, i int) error {
		for _, token := range w.tokens[i] {
			if _, _, err := w.db.Sessions.Lookup(context.Background(), token); err != nil {
				return err
			}
		}
		return nil
	},
	"results.sealed_meta": func(w *sealedWorld, i int) error {
		for _, s := range w.sessions[i] {
			if _, err := w.db.Results.List(context.Background(), s); err != nil {
				return err
			}
		}
		return nil
	},
}

// ownerColumn is the column that says whose a row is.
func ownerColumn(table string) string {
	switch table {
	case "accounts":
		return "id"
	case "results":
		return "owner"
	}
	return "account_id"
}

// idsOf returns the ids of a person's rows that hold a value in a column.
func (w *sealedWorld) idsOf(t *testing.T, db *sqliteDB, c blobColumn, i int) (out [][]byte) {
	t.Helper()
	var owner any = w.people[i].Account.ID[:]
	if c.table == "results" {
		owner = w.people[i].Account.Login
	}
	rows, err := db.w.DB.Query("SELECT id FROM "+c.table+" WHERE "+ownerColumn(c.table)+" = ? AND "+c.column+" IS NOT NULL ORDER BY id", owner)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		out = append(out, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func value(t *testing.T, db *sqliteDB, c blobColumn, id []byte) (b []byte) {
	t.Helper()
	if err := db.w.DB.QueryRow("SELECT "+c.column+" FROM "+c.table+" WHERE id = ?", id).Scan(&b); err != nil {
		t.Fatal(err)
	}
	return b
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
		"ItemKind":    {"UPDATE items SET kind = 'digest'", "items.sealed_meta"},
		"ItemSize":    {"UPDATE items SET size = size + 1", "items.sealed_meta"},
		"ItemCreated": {"UPDATE items SET created = created + 1", "items.sealed_meta"},
		"ItemBlob":    {"UPDATE items SET blob_id = randomblob(16)", "items.sealed_blob"},
		"ItemNoBlob":  {"UPDATE items SET blob_id = NULL", "items.sealed_blob"},
		"VersionN":    {"UPDATE key_versions SET n = 2", "key_versions.sealed_version"},
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
		if err != nil || after.Versions[0].Public != before.Versions[0].Public || !after.Versions[0].PublicDiffers {
			t.Fatalf("own public key: %v", err)
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

