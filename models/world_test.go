package models

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/uptrace/bun"
	"zencrypt/crypto/passkey"
)

// sealedWorld is two people, each with two rows in every table that has a seal.
type sealedWorld struct {
	db       *DB
	people   [2]*Unlocked
	codes    [2]string
	tokens   [2][2]string
	sessions [2][2]*Session
	waiting  [2][2]*Session // for the second factor, to recover
	prf      [2][2][]byte   // what the passkeys' PRF gives
}

// addFactors gives a person an app that is set up and one that waits, codes, two passkeys and two recoveries under way.
func (w *sealedWorld) addFactors(t *testing.T, i int) {
	t.Helper()
	u := w.people[i]
	turnOn(t, w.db, u)
	if err := w.db.Factors.Begin(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	for j := range 2 {
		w.prf[i][j] = bytes.Repeat([]byte{byte(16*i + j)}, passkey.PRFSize)
		if _, err := w.db.Passkeys.Add(t.Context(), u, "key", credential(t, byte(16*i+j)), w.prf[i][j]); err != nil {
			t.Fatal(err)
		}
		r, err := w.db.Accounts.OpenRecovery(t.Context(), u.Account.Login, w.codes[i], otherPassword)
		if err != nil {
			t.Fatal(err)
		}
		if _, w.waiting[i][j], err = w.db.Sessions.CreateRecovering(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *sealedWorld) factors(i int) error {
	s, err := w.db.Factors.State(context.Background(), w.people[i])
	return failed(err != nil || s.Damaged || s.Setup == nil || s.CodesLeft != oneTimeCodes || len(s.Passkeys) != 2)
}

func newSealedWorld(t *testing.T) *sealedWorld {
	db, _ := newTestDB(t)
	w := &sealedWorld{db: db}
	for i, name := range []string{"ada", "bob"} {
		u := register(t, db, name)
		saveFile(t, db, u, "one")
		saveFile(t, db, u, "two")
		// Three versions of two keys.
		if age, err := db.Keys.Default(t.Context(), u, KindAge); err != nil {
			t.Fatal(err)
		} else if err := db.Keys.Rotate(t.Context(), u, age.ID); err != nil {
			t.Fatal(err)
		}
		for _, friend := range []string{"mira", "jonas"} {
			addPerson(t, db, u, friend)
		}
		if err := db.Accounts.SetSettings(t.Context(), u, Settings{History: true}); err != nil {
			t.Fatal(err)
		}
		note(t, db, u, Event{Kind: EventLogin})
		for range 2 {
			if err := db.Accounts.Renew(t.Context(), u, goodPassword); err != nil {
				t.Fatal(err)
			}
		}
		saveFile(t, db, u, "three")
		w.imported(t, u)
		note(t, db, u, Event{Kind: EventRenewed})
		w.people[i], w.codes[i] = u, pending(t, db, u, ReasonRenewed)
		for j := range 2 {
			w.tokens[i][j], w.sessions[i][j] = login(t, db, u)
			r := &Result{Owner: name, Verb: "encrypt", State: StateReady, Blob: NewID(), Meta: ResultMeta{Name: name}}
			if err := db.Results.Create(t.Context(), w.sessions[i][j], r); err != nil {
				t.Fatal(err)
			}
		}
		w.addFactors(t, i)
	}
	return w
}

// oldDigest stands for what an older Zencrypt kept of a password.
func oldDigest(u *Unlocked) []byte { return append([]byte("the digest of "), u.Account.ID[:]...) }

// imported gives an account the rows of one that came from an older Zencrypt.
func (w *sealedWorld) imported(t *testing.T, u *Unlocked) {
	t.Helper()
	err := w.db.main.write(t.Context(), func(ctx context.Context, tx bun.Tx) error {
		_, key := u.Ring.Current()
		waiting := &waitingRow{ID: u.Account.ID, Method: "pbkdf2:sha256:1000", Salt: []byte("salt")}
		waiting.seal(w.db.opts.Pepper.Keys[w.db.opts.Pepper.Active], oldDigest(u), key)
		if _, err := tx.NewInsert().Model(waiting).Exec(ctx); err != nil {
			return err
		}
		if _, err := tx.NewInsert().Model(&importedAccountRow{ID: NewID(), AccountID: &u.Account.ID}).Exec(ctx); err != nil {
			return err
		}
		to := &incomingWriter{im: w.db.Imports, tx: tx, u: u, out: new(Brought), now: w.db.now()}
		for _, body := range []string{"one", "two"} {
			if err := to.box(ctx, body, boxed{Kind: RecordNote, Body: []byte(body)}); err != nil {
				return err
			}
		}
		if err := to.flush(ctx); err != nil {
			return err
		}
		return advice(adviceWeak).save(ctx, tx, u)
	})
	if err != nil {
		t.Fatal(err)
	}
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
		row, err := accountBy(context.Background(), w.db.main.r, "id", w.people[i].Account.ID)
		if err != nil {
			return err
		}
		_, err = w.db.Accounts.authenticate(context.Background(), row, goodPassword) // Authenticate would empty the inbox
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
		_, err = row.openPairs(w.people[i].Ring)
		return err
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
	"waiting_accounts.sealed_account_key": func(w *sealedWorld, i int) error {
		row := &waitingRow{ID: w.people[i].Account.ID}
		if err := w.db.main.r.NewSelect().Model(row).WherePK().Scan(context.Background()); err != nil {
			return err
		}
		_, err := row.open(w.db.opts.Pepper.Keys[w.db.opts.Pepper.Active], oldDigest(w.people[i]))
		return err
	},
	"imported_accounts.sealed_advice": func(w *sealedWorld, i int) error {
		a, err := w.db.Imports.Advice(context.Background(), w.people[i])
		return failed(err != nil || !a.WeakPassword)
	},
	"imported_inbox.sealed_record": func(w *sealedWorld, i int) error {
		row, err := accountBy(context.Background(), w.db.main.r, "id", w.people[i].Account.ID)
		if err != nil {
			return err
		}
		pairs, err := row.openPairs(w.people[i].Ring)
		if err != nil {
			return err
		}
		var rows []inboxRow
		if err := w.db.main.r.NewSelect().Model(&rows).Where("account_id = ?", w.people[i].Account.ID).Scan(context.Background()); err != nil {
			return err
		}
		for i := range rows {
			if _, err := rows[i].open(pairs); err != nil {
				return err
			}
		}
		return failed(len(rows) != 2)
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
		n := 0
		for _, k := range keys {
			n += len(k.Versions)
		}
		return failed(err != nil || n != 3)
	},
	"factors.sealed_totp":     func(w *sealedWorld, i int) error { return w.factors(i) },
	"factors.sealed_setup":    func(w *sealedWorld, i int) error { return w.factors(i) },
	"factors.sealed_codes":    func(w *sealedWorld, i int) error { return w.factors(i) },
	"passkeys.sealed_passkey": func(w *sealedWorld, i int) error { return w.factors(i) },
	"passkeys.sealed_unlock": func(w *sealedWorld, i int) error {
		for j := range 2 {
			u, _, err := w.db.Passkeys.Open(context.Background(), credentialID(byte(16*i+j)), w.prf[i][j])
			if err != nil || u.Account.ID != w.people[i].Account.ID {
				return errOpened
			}
		}
		return nil
	},
	"recoveries.sealed_recovery": func(w *sealedWorld, i int) error {
		for _, s := range w.waiting[i] {
			if _, r, err := w.db.Sessions.OpenPending(context.Background(), s); err != nil || r == nil {
				return errOpened
			}
		}
		return nil
	},
	"people.sealed_person": func(w *sealedWorld, i int) error {
		people, _, err := w.db.People.List(context.Background(), w.people[i])
		return failed(err != nil || len(people) != 2 || slices.ContainsFunc(people, func(p Person) bool { return p.Unreadable }))
	},
	"activity.sealed_event": func(w *sealedWorld, i int) error {
		all, _, err := w.db.Activity.List(context.Background(), w.people[i], Cursor{}, 10)
		return failed(err != nil || len(all) != 2 || slices.ContainsFunc(all, func(e Event) bool { return e.Unreadable }))
	},
	"settings.sealed_settings": func(w *sealedWorld, i int) error {
		s, err := w.db.Accounts.Settings(context.Background(), w.people[i])
		return failed(err != nil || s.Unreadable)
	},
	"sessions.sealed_account_key": func(w *sealedWorld, i int) error {
		for _, token := range w.tokens[i] {
			if _, _, err := w.db.Sessions.Lookup(context.Background(), token); err != nil {
				return err
			}
		}
		for _, s := range w.waiting[i] {
			if _, _, err := w.db.Sessions.OpenPending(context.Background(), s); err != nil {
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
	case "accounts", "waiting_accounts":
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
