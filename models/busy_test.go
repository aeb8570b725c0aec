package models

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"
)

// TestBusy: a database that another process holds is not a disk that is full.
func TestBusy(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+t.TempDir()+"/busy.db?_pragma=busy_timeout(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	held, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	for _, q := range []string{"CREATE TABLE t (x)", "BEGIN EXCLUSIVE"} {
		if _, err := held.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	_, busy := db.ExecContext(t.Context(), "INSERT INTO t VALUES (1)")
	_, wrong := held.ExecContext(t.Context(), "INSERT INTO nowhere VALUES (1)")
	late, cancel := context.WithTimeout(t.Context(), -time.Second)
	defer cancel()
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"Held":     {busy, true},
		"TooSlow":  {late.Err(), true},
		"Wrong":    {wrong, false},
		"NotFound": {sql.ErrNoRows, false},
		"Full":     {fail(Unavailable, "save it: the disk is full", errors.New("detail")), false},
		"None":     {nil, false},
	} {
		if got := Busy(storeError(tc.err)); got != tc.want {
			t.Errorf("%s: %v is busy: %v", name, tc.err, got)
		}
	}
}
