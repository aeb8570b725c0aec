package models

import (
	"fmt"
	"testing"
	"time"
)

// fill makes every change of a session fail as on a full disk, until empty is called.
func fill(t *testing.T, s *sqliteDB) (empty func()) {
	t.Helper()
	exec(t, s, fmt.Sprintf("PRAGMA max_page_count = %d", count(t, s, "PRAGMA page_count")))
	for _, event := range []string{"UPDATE", "DELETE"} {
		exec(t, s, "CREATE TEMP TRIGGER full_"+event+" BEFORE "+event+" ON main.sessions BEGIN INSERT INTO main.results "+
			"VALUES (randomblob(16), x'', '', 0, 0, '', '', 0, x'', 0, 0, zeroblob(1000000)); END")
	}
	return func() {
		exec(t, s, "DROP TRIGGER full_UPDATE")
		exec(t, s, "DROP TRIGGER full_DELETE")
		exec(t, s, "PRAGMA max_page_count = 1000000")
	}
}

// Who is logged in can read when nothing can be written, and a session that has ended has ended.
func TestSessions_Lookup_DiskFull(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	item := save(t, db, u, "title", "body")
	token, s := login(t, db, u)
	other, _ := login(t, db, u)
	c.add(29 * time.Minute)
	empty := fill(t, db.sessions)
	wantCode(t, db.Sessions.Touch(t.Context(), s.ID), Unavailable, "")
	got, who, err := db.Sessions.Lookup(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Touched.After(s.Touched) {
		t.Fatalf("touched at %v, which is not remembered", got.Touched)
	}
	if one, err := db.Items.Get(t.Context(), who, item.ID); err != nil || string(one.Body) != "body" {
		t.Fatalf("%v, %v", one, err)
	}
	c.add(time.Minute)
	_, _, err = db.Sessions.Lookup(t.Context(), other)
	wantCode(t, err, Gone, "")
	empty()
	_, _, err = db.Sessions.Lookup(t.Context(), other)
	wantCode(t, err, Gone, "")
	_, _, err = db.Sessions.Lookup(t.Context(), other)
	wantCode(t, err, NotFound, "")
}
