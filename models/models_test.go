package models

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"zencrypt/crypto/password"
	"zencrypt/migrations"
)

const (
	goodPassword  = "umber-otter-glacier-pivot"
	otherPassword = "lantern-quartz-meadow-sprint"
)

// A clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

// cheap are the smallest costs that argon2id permits: 8 KiB for each lane.
var cheap = password.Params{Time: 1, MemoryKiB: 8, Threads: 1}

func testOptions(t testing.TB, dir string, c *clock) Options {
	t.Helper()
	main, err := migrations.Main()
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := migrations.Sessions()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Dir: dir, Main: main, Sessions: sessions, Now: c.now, KDF: cheap,
		Pepper: PepperKeys{Active: "0011223344556677", Keys: map[string]ServerKey{"0011223344556677": {Pepper: [32]byte{1}, Logins: [32]byte{2}}}},
	}
}

func openTest(t *testing.T, o Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func newTestDB(t *testing.T) (*DB, *clock) {
	t.Helper()
	c := newClock()
	return openTest(t, testOptions(t, filepath.Join(t.TempDir(), "data"), c)), c
}

func register(t *testing.T, db *DB, login string) *Unlocked {
	t.Helper()
	u, err := db.Accounts.Register(t.Context(), login, goodPassword)
	if err != nil {
		t.Fatalf("register %s: %v", login, err)
	}
	return u
}

func save(t *testing.T, db *DB, u *Unlocked, title, body string) *Item {
	t.Helper()
	item := &Item{Kind: "note", Title: title, Body: []byte(body), Size: int64(len(body))}
	if err := db.Items.Save(t.Context(), u, item); err != nil {
		t.Fatalf("save: %v", err)
	}
	return item
}

// saveFile saves an item that has every sealed column.
func saveFile(t *testing.T, db *DB, u *Unlocked, title string) *Item {
	t.Helper()
	item := &Item{
		Kind: "file", Title: title, Body: []byte("body of " + title), Size: 7,
		Blob: &BlobRef{ID: NewID(), Key: [16]byte{7, 7}, Size: 900, Disk: 1000},
		Meta: ItemMeta{FileName: title + ".bin", Format: "age", KeyID: NewID().String(), KeyVersion: 3},
	}
	if err := db.Items.Save(t.Context(), u, item); err != nil {
		t.Fatalf("save: %v", err)
	}
	return item
}

func login(t *testing.T, db *DB, u *Unlocked) (string, *Session) {
	t.Helper()
	token, s, err := db.Sessions.Create(t.Context(), u, false)
	if err != nil {
		t.Fatal(err)
	}
	return token, s
}

func wantCode(t *testing.T, err error, code Code, field string) {
	t.Helper()
	if ErrorCode(err) != code {
		t.Fatalf("error is %v (%q), want code %q", err, ErrorCode(err), code)
	}
	if e, ok := err.(*Error); ok && e.Field != field {
		t.Fatalf("error names field %q, want %q", e.Field, field)
	}
}

// meanwhile runs f once, between the first query that begins with a text on one of the
// pools and what its caller does next.
func meanwhile(db **bun.DB, query string, f func()) {
	*db = (*db).WithQueryHook(&queryHook{after: func(q string) bool {
		if strings.HasPrefix(q, query) {
			f()
			return true
		}
		return false
	}})
}

// queryHook shows every query to its functions until they return true.
type queryHook struct {
	after func(query string) (done bool)
	busy  atomic.Bool
}

func (*queryHook) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (h *queryHook) AfterQuery(_ context.Context, e *bun.QueryEvent) {
	if h.busy.CompareAndSwap(false, true) {
		h.busy.Store(h.after(e.Query))
	}
}

func exec(t *testing.T, db *sqliteDB, query string, args ...any) {
	t.Helper()
	if _, err := db.w.DB.ExecContext(context.Background(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func count(t *testing.T, db *sqliteDB, query string, args ...any) (n int) {
	t.Helper()
	if err := db.w.DB.QueryRowContext(context.Background(), query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}
