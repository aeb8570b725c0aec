package models

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"os"
	"testing"
)

// TestDB_Checkpoint/Fragments deletes and changes rows until pages were split and joined many times, and
// looks for pieces of what is gone. Without the scrub each round leaves one or two values' fragments.
func TestDB_Checkpoint(t *testing.T) {
	db, _ := newTestDB(t)
	ctx := t.Context()
	bytesOf := func(n int) []byte { b := make([]byte, n); rand.Read(b); return b }
	below := func(n int) int { return int(binary.BigEndian.Uint32(bytesOf(4))) % n }
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := db.main.w.ExecContext(ctx, query, args...); err != nil {
			t.Fatal(err)
		}
	}
	exec("CREATE TABLE scrubbed (id BLOB NOT NULL PRIMARY KEY, title BLOB NOT NULL, body BLOB NOT NULL) STRICT, WITHOUT ROWID")
	t.Run("Fragments", func(t *testing.T) {
		type row struct{ id, title, body []byte }
		var rows []*row
		var gone [][]byte
		for range 5 {
			exec("BEGIN IMMEDIATE") // one connection writes, so that this holds for what follows
			for range 2000 {
				switch what := below(10); {
				case what < 5 || len(rows) < 10:
					r := &row{bytesOf(16), bytesOf(60 + below(100)), bytesOf(48 + below(400))}
					exec("INSERT INTO scrubbed VALUES (?, ?, ?)", r.id, r.title, r.body)
					rows = append(rows, r)
				case what < 8:
					i := below(len(rows))
					exec("DELETE FROM scrubbed WHERE id = ?", rows[i].id)
					gone = append(gone, rows[i].title, rows[i].body)
					rows[i] = rows[len(rows)-1]
					rows = rows[:len(rows)-1]
				default:
					r, title := rows[below(len(rows))], bytesOf(60+below(100))
					exec("UPDATE scrubbed SET title = ? WHERE id = ?", title, r.id)
					gone = append(gone, r.title)
					r.title = title
				}
			}
			exec("COMMIT")
		}
		if err := db.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(db.main.path)
		if err != nil {
			t.Fatal(err)
		}
		if log, err := os.ReadFile(db.main.path + "-wal"); err == nil && len(log) > 0 {
			t.Errorf("the log has %d bytes", len(log))
		}
		at := make(map[uint64]int, len(file))
		for i := 0; i+8 <= len(file); i++ {
			at[binary.BigEndian.Uint64(file[i:])] = i
		}
		found := func(b []byte) bool {
			for i := 0; i+16 <= len(b); i += 8 {
				if n, ok := at[binary.BigEndian.Uint64(b[i:])]; ok && bytes.HasPrefix(file[n:], b[i:i+16]) {
					return true
				}
			}
			return false
		}
		for _, r := range rows {
			if !found(r.body) {
				t.Fatal("what is there is not found: the search is blind")
			}
		}
		for i, b := range gone {
			if found(b) {
				t.Errorf("a fragment is left of value %d of %d", i, len(gone))
			}
		}
	})
	t.Run("Stale", func(t *testing.T) { // a scrub comes after a deletion, and only then
		id := bytesOf(16)
		for _, tc := range []struct {
			name string
			do   func()
			want bool
		}{
			{"Nothing", func() {}, false},
			{"Insert", func() { exec("INSERT INTO scrubbed VALUES (?, x'01', x'01')", id) }, false},
			{"Update", func() { exec("UPDATE scrubbed SET title = x'02' WHERE id = ?", id) }, true},
			{"Delete", func() { exec("DELETE FROM scrubbed WHERE id = ?", id) }, true},
		} {
			tc.do()
			if got := db.main.stale.Load(); got != tc.want {
				t.Errorf("%s: stale = %t, want %t", tc.name, got, tc.want)
			}
			if err := db.Checkpoint(ctx); err != nil || db.main.stale.Load() {
				t.Errorf("%s: after the checkpoint: %v, stale = %t", tc.name, err, db.main.stale.Load())
			}
		}
	})
	var mode int
	if err := db.main.w.QueryRowContext(ctx, "PRAGMA auto_vacuum").Scan(&mode); err != nil || mode != 2 {
		t.Errorf("auto_vacuum = %d, %v", mode, err)
	}
}
