package models

import (
	"slices"
	"testing"

	"zencrypt/crypto/seal"
)

// A record in the inbox that doesn't open, or that holds what no import leaves, stops none of the others: it is set aside,
// told once in the list of what happened and as long as it lies there on the account page.
func TestImports_DamagedRecord(t *testing.T) {
	db, c := newTestDB(t)
	bring(t, db, incoming(t, "1", "ada", "old pass"))
	ada := enter(t, db, "ada", "old pass")
	more := incoming(t, "1", "ada", "old pass")
	var all []Record
	for _, ref := range []string{"a", "b", "c", "d", "e", "f"} {
		all = append(all, textRecord("text:"+ref, ref))
	}
	more.Records = yields(all...)
	bring(t, db, more)
	var rows []inboxRow
	if err := db.main.r.NewSelect().Model(&rows).Order("id").Scan(t.Context()); err != nil || len(rows) != 6 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	put := func(row *inboxRow, sealed []byte) {
		t.Helper()
		if _, err := db.main.w.NewUpdate().Model((*inboxRow)(nil)).Set("sealed_record = ?", sealed).Where("id = ?", row.ID).Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sealed := func(row *inboxRow, plain string) []byte {
		t.Helper()
		b, err := seal.SealTo(ada.Account.HPKEPublic, []byte(infoInbox), row.aad(), []byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	flipped := slices.Clone(rows[0].SealedRecord)
	flipped[len(flipped)-1] ^= 1
	put(&rows[0], flipped)                                              // changed
	put(&rows[1], rows[5].SealedRecord)                                 // another row's
	put(&rows[2], sealed(&rows[2], `{"Kind":"nothing known"}`))         // what anybody who writes the database could make
	put(&rows[3], sealed(&rows[3], `{"Kind":"rsa","Body":"bm90aGk="}`)) // a private key that is none
	put(&rows[4], sealed(&rows[4], `not even JSON`))
	c.add(1)
	ada = enter(t, db, "ada", "old pass")
	if got := bodies(t, db, ada); len(got) != 1 {
		t.Errorf("of six records, one of them whole, came %q", got)
	}
	events, _, err := db.Activity.List(t.Context(), ada, Cursor{}, 50)
	told := slices.IndexFunc(events, func(e Event) bool { return e.Kind == EventImportDamaged })
	if err != nil || told < 0 || events[told].Count != 5 {
		t.Fatalf("told at %d of %d events, %v", told, len(events), err)
	}
	if a, err := db.Imports.Advice(t.Context(), ada); err != nil || a.Damaged != 5 {
		t.Errorf("advice %+v, %v", a, err)
	}
	n := len(events)
	ada = enter(t, db, "ada", "old pass")
	if events, _, err = db.Activity.List(t.Context(), ada, Cursor{}, 50); err != nil || len(events) != n {
		t.Errorf("it is told again: %d events were %d, %v", len(events), n, err)
	}
	// What comes after them comes.
	more.Records = yields(append(all, textRecord("text:g", "g"))...)
	bring(t, db, more)
	if got := bodies(t, db, enter(t, db, "ada", "old pass")); len(got) != 2 || !slices.Contains(got, "g") {
		t.Errorf("later came %q", got)
	}
}

// An account that shares an old spelling and whose row is damaged stops nobody behind it.
func TestImports_DamagedWaiting(t *testing.T) {
	db, _ := newTestDB(t)
	bring(t, db, incoming(t, "1", "ada", "first pass"))
	second := incoming(t, "2", "ADA", "second pass")
	second.Rank = 1
	bring(t, db, second)
	first := count(t, db.main, "SELECT count(*) FROM accounts WHERE login_key = 'ada'")
	if _, err := db.main.w.NewUpdate().Table("waiting_accounts").Set("method = 'md5'").
		Where("id = (SELECT id FROM accounts WHERE login_key = 'ada')").Exec(t.Context()); err != nil || first != 1 {
		t.Fatal(first, err)
	}
	if _, err := db.Accounts.Authenticate(t.Context(), "ada", "first pass"); ErrorCode(err) != Internal {
		t.Errorf("a damaged account: %v", err)
	}
	if u := enter(t, db, "ada", "second pass"); u.Account.Login != "ADA-2" {
		t.Errorf("it leads to %q", u.Account.Login)
	}
}
