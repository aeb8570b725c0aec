package models

import (
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestUpkeep goes through all that is done, and tells a database that is damaged.
func TestUpkeep(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	for range 3 {
		save(t, db, u, "title", strings.Repeat("body", 100_000))
	}
	upkeep := func() {
		t.Helper()
		if err := db.Upkeep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := db.Stats(); !s.LastUpkeep.Equal(fromMillis(millis(db.now()))) || s.WALSize != 0 || s.FreePages != 0 || s.Damaged {
			t.Fatalf("%+v", s)
		}
	}
	upkeep()
	if n := count(t, db.main, "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'"); n != 1 {
		t.Fatal("the planner has no figures")
	}
	before := db.Stats().Size
	if _, err := db.Items.purge(t.Context(), "account_id = ?", u.Account.ID); err != nil {
		t.Fatal(err)
	}
	upkeep()
	if after := db.Stats().Size; after > before-1_000_000 {
		t.Fatalf("the databases had %d bytes, and have %d", before, after)
	}
	for range 2 { // one that writes nothing, one that checks
		c.add(checkEvery)
		upkeep()
	}
	if at := db.main.checked.Load(); at != millis(db.now()) {
		t.Fatalf("checked at %d, want %d", at, millis(db.now()))
	}
	if at := db.main.optimized.Load(); at != millis(db.now()) {
		t.Fatalf("optimized at %d", at)
	}
	// A row that breaks the table's rules, as a bad sector makes it.
	for _, q := range []string{
		"CREATE TABLE odd (a)", "INSERT INTO odd VALUES (NULL)", "PRAGMA writable_schema = 1",
		"UPDATE sqlite_schema SET sql = 'CREATE TABLE odd (a NOT NULL)' WHERE name = 'odd'", "PRAGMA schema_version = 1000000",
	} {
		exec(t, db.main, q)
	}
	c.add(checkEvery)
	if err := db.Upkeep(t.Context()); !errors.Is(err, ErrDamaged) || !db.Stats().Damaged {
		t.Fatalf("%v, %+v", err, db.Stats())
	}
}

// TestUpkeep_Probed: a database that is only asked whether it takes writes is idle, and read through once a day.
func TestUpkeep_Probed(t *testing.T) {
	db, c := newTestDB(t)
	register(t, db, "ada")
	if err := db.Upkeep(t.Context()); err != nil {
		t.Fatal(err)
	}
	start := db.main.checked.Load()
	for range 26 {
		c.add(time.Hour)
		if err := db.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := db.Upkeep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if db.main.checked.Load() == start {
		t.Error("not read through within 26 hours")
	}
}

// TestUpkeep_LogHeld: emptying the log waits for its readers for a moment only, and later writes wait for others as before.
func TestUpkeep_LogHeld(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	tx, err := db.main.r.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRow("SELECT count(*) FROM items").Scan(&n); err != nil {
		t.Fatal(err)
	}
	save(t, db, u, "title", "body")
	if err := db.main.truncate(t.Context()); ErrorCode(err) != Unavailable {
		t.Errorf("emptied the log under a reader: %v", err)
	}
	if ms, err := db.main.pragma(t.Context(), "busy_timeout"); err != nil || ms != 5000 {
		t.Errorf("busy_timeout is %d afterwards, %v", ms, err)
	}
}
