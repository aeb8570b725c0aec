package models

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSnapshot copies a database that is written to: each copy is sound, has what was saved before, and names its blobs.
func TestSnapshot(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	first := saveFile(t, db, u, "first")
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	saved := []ID{first.Blob.ID}
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			item := &Item{Kind: "file", Title: fmt.Sprint(i), Blob: &BlobRef{ID: NewID(), Size: 1, Disk: 1}}
			if err := db.Items.Save(t.Context(), u, item); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			saved = append(saved, item.Blob.ID)
			mu.Unlock()
		}
	})
	for i := range 5 {
		mu.Lock()
		before := slices.Clone(saved)
		mu.Unlock()
		to := filepath.Join(t.TempDir(), "copy.db")
		facts, err := Snapshot(t.Context(), db.opts.Dir, to)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range before {
			if _, ok := facts.Blobs[id]; !ok {
				t.Fatalf("copy %d lacks a blob that was saved before it", i)
			}
		}
		if info, err := os.Stat(to); err != nil || info.Mode() != 0o600 {
			t.Errorf("the copy: %v, %v", info.Mode(), err)
		}
		again, err := CheckCopy(t.Context(), to, db.opts.Main)
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Blobs) != len(facts.Blobs) || !slices.Equal(again.ServerKeys, []string{"0011223344556677"}) || len(again.Migrations) < 3 {
			t.Errorf("copy %d: %d blobs, keys %q, migrations %q", i, len(again.Blobs), again.ServerKeys, again.Migrations)
		}
	}
	stop()
	wg.Wait()
	named, err := NamedBlobs(t.Context(), db.opts.Dir)
	if err != nil || len(named) != len(saved) {
		t.Errorf("%d blobs are named, want %d: %v", len(named), len(saved), err)
	}
}

// TestSnapshot_Deleted: a copy holds nothing of what was deleted before, scrubbed or not.
func TestSnapshot_Deleted(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	var gone [][]byte
	for i := range 200 {
		item := save(t, db, u, fmt.Sprint("item ", i), string(bytes.Repeat([]byte{byte(i)}, 900)))
		if i%2 == 0 {
			row := new(itemRow)
			if err := db.main.r.NewSelect().Model(row).Where("id = ?", item.ID).Scan(t.Context()); err != nil {
				t.Fatal(err)
			}
			gone = append(gone, row.SealedBody[:32], row.SealedTitle, item.ID[:])
			if ok, err := db.Items.Forget(t.Context(), u, item.ID); err != nil || !ok {
				t.Fatal(ok, err)
			}
		}
	}
	to := filepath.Join(t.TempDir(), "copy.db")
	if _, err := Snapshot(t.Context(), db.opts.Dir, to); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range gone {
		if bytes.Contains(b, part) {
			t.Fatal("a copy holds what was deleted")
		}
	}
}

func TestSnapshot_Fails(t *testing.T) {
	db, _ := newTestDB(t)
	dir := t.TempDir()
	to := filepath.Join(dir, "copy.db")
	if err := os.WriteFile(to, []byte("something"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Snapshot(t.Context(), db.opts.Dir, to); err == nil {
		t.Error("a file was replaced")
	}
	if b, _ := os.ReadFile(to); string(b) != "something" {
		t.Error("a file was changed")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	other := filepath.Join(dir, "other.db")
	if _, err := Snapshot(ended, db.opts.Dir, other); err == nil {
		t.Error("a copy was made after the end")
	}
	if _, err := os.Stat(other); err == nil {
		t.Error("half a copy was left")
	}
	if _, err := Snapshot(t.Context(), dir, other); err == nil {
		t.Error("a database was made")
	}
}

func TestBackupNotes(t *testing.T) {
	db, c := newTestDB(t)
	if _, ok, err := db.LastBackup(t.Context()); ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, ok, err := db.Restored(t.Context()); ok || err != nil {
		t.Fatal(ok, err)
	}
	want := Backup{Time: c.now(), Bytes: 5, Encrypted: true}
	for range 2 {
		if err := NoteBackup(t.Context(), db.opts.Dir, want); err != nil {
			t.Fatal(err)
		}
		want.Time = want.Time.Add(time.Hour)
	}
	want.Time = want.Time.Add(-time.Hour)
	if got, ok, err := db.LastBackup(t.Context()); !ok || err != nil || !got.Time.Equal(want.Time) || got.Bytes != 5 || !got.Encrypted {
		t.Error(got, ok, err)
	}
	token, _, err := db.Invitations.Create(t.Context(), nil, 1, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Invitations.Lookup(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if err := MarkRestored(t.Context(), filepath.Join(db.opts.Dir, mainFile), Restored{At: c.now(), Of: want.Time}); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := db.Restored(t.Context()); !ok || err != nil || !got.At.Equal(c.now()) || !got.Of.Equal(want.Time) {
		t.Error(got, ok, err)
	}
	if _, err := db.Invitations.Lookup(t.Context(), token); ErrorCode(err) != NotFound {
		t.Errorf("an invitation of before the backup: %v", err)
	}
}

func TestCheckCopy(t *testing.T) {
	db, _ := newTestDB(t)
	register(t, db, "ada")
	to := filepath.Join(t.TempDir(), "copy.db")
	if _, err := Snapshot(t.Context(), db.opts.Dir, to); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(b) / 2; i < len(b); i++ {
		b[i] ^= 0xff
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := CheckCopy(t.Context(), to, db.opts.Main); !errors.Is(err, ErrDamaged) {
		t.Errorf("a damaged database: %v", err)
	}
	if err := os.WriteFile(to, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := CheckCopy(t.Context(), to, db.opts.Main); !errors.Is(err, ErrDamaged) {
		t.Errorf("what is no database: %v", err)
	}
}

// TestSnapshot_ImportedUnder: a backup asks for no key by which nothing in it opens.
func TestSnapshot_ImportedUnder(t *testing.T) {
	db, _ := newTestDB(t)
	id := NewID()
	if _, err := db.main.w.ExecContext(t.Context(), "INSERT INTO imported_accounts (id, account_id, imported) VALUES (?, ?, 1)", id, register(t, db, "ada").Account.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := db.main.w.ExecContext(t.Context(), "INSERT INTO imported_under (id, pepper) VALUES (?, 'removed')", id); err != nil {
		t.Fatal(err)
	}
	f, err := Snapshot(t.Context(), db.opts.Dir, filepath.Join(t.TempDir(), "copy.db"))
	if err != nil || slices.Contains(f.ServerKeys, "removed") {
		t.Errorf("%q, %v", f.ServerKeys, err)
	}
}
