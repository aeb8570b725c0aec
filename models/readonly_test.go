package models

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// aDisk is a file system as a test wants it to be.
type aDisk struct {
	free  int64
	probe error
	told  []string // what Changed was told
	tries int      // of the probe
}

var errNoRoom = errors.New("no room")

func (d *aDisk) of(db *DB, floor int64) {
	db.SetDisk(Disk{
		Free: func() (int64, error) { return d.free, nil }, Floor: floor,
		Probe:   func() error { d.tries++; return d.probe },
		Full:    func(err error) bool { return errors.Is(err, errNoRoom) },
		Changed: func(why string) { d.told = append(d.told, why) },
	})
}

func (d *aDisk) look(t *testing.T, db *DB, free int64, want string) {
	t.Helper()
	d.free = free
	if db.Look(t.Context()); db.Why() != want {
		t.Fatalf("with %d bytes free: %q, want %q", free, db.Why(), want)
	}
	if s := db.Stats(); s.Why != want || s.ReadOnly != (want != "") {
		t.Fatalf("stats say %+v", s)
	}
}

// TestReadOnly_Floor: nothing is saved below half of the floor, and saving does not come and go with each byte.
func TestReadOnly_Floor(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	item := save(t, db, u, "title", "body")
	const mib = 1 << 20
	d := &aDisk{free: 1000 * mib}
	d.of(db, 800*mib)
	d.look(t, db, 500*mib, "")
	d.look(t, db, 400*mib, "")
	if d.tries != 0 {
		t.Fatal("something was written while all was well")
	}
	d.look(t, db, 400*mib-1, WhyFloor)
	writes := db.Stats().Writes
	for what, err := range map[string]error{
		"save":   db.Items.Save(t.Context(), u, &Item{Kind: "note", Title: "t", Body: []byte("b")}),
		"rename": db.Items.Rename(t.Context(), u, item.ID, "other"),
		"ready":  db.Ready(t.Context()),
		"saving": db.Saving(),
	} {
		if ErrorCode(err) != Unavailable || !ReadOnly(err) || Busy(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if db.Stats().Writes != writes {
		t.Error("something was written")
	}
	// What is there is read, what frees room is deleted, and people come in.
	if got, err := db.Items.Get(t.Context(), u, item.ID); err != nil || string(got.Body) != "body" {
		t.Errorf("%v, %v", got, err)
	}
	if n, err := db.Items.Trash(t.Context(), u, item.ID); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	if _, _, err := db.Sessions.Create(t.Context(), u, false); err != nil {
		t.Error(err)
	}
	d.look(t, db, 400*mib, WhyFloor)
	d.look(t, db, 500*mib-1, WhyFloor)
	d.probe = errNoRoom
	d.look(t, db, 500*mib, WhyFull)
	d.probe = errors.New("input/output error")
	d.look(t, db, 500*mib, WhyRefused)
	d.probe = nil
	d.look(t, db, 500*mib, "")
	if want := []string{WhyFloor, WhyFull, WhyRefused, ""}; !slices.Equal(d.told, want) {
		t.Errorf("told %q, want %q", d.told, want)
	}
	if err := db.Items.Rename(t.Context(), u, save(t, db, u, "a", "b").ID, "c"); err != nil {
		t.Error(err)
	}
}

// noGrowth makes each write that needs another page fail as on a full disk.
func noGrowth(t *testing.T, s *sqliteDB) (again func()) {
	t.Helper()
	exec(t, s, "PRAGMA max_page_count = 1") // SQLite takes the present size then
	return func() { exec(t, s, "PRAGMA max_page_count = 1000000") }
}

// TestReadOnly_Full: the first write that finds no room closes the door for the rest, and a deletion gives the
// reserve up.
func TestReadOnly_Full(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	item := save(t, db, u, "title", "body")
	d := &aDisk{free: 1 << 30}
	d.of(db, 0)
	if n := sizeOf(db.reservePath()); n != reserveBytes {
		t.Fatalf("the reserve has %d bytes", n)
	}
	big := strings.Repeat("big", 300_000)
	again := noGrowth(t, db.main)
	// With room on the disk, and a probe that works, it is one text that does not fit: others may.
	err := db.Items.Save(t.Context(), u, &Item{Kind: "note", Title: "big", Body: []byte(big)})
	if !ReadOnly(err) || db.Why() != "" || d.tries != 1 {
		t.Fatalf("%v, %q after %d tries", err, db.Why(), d.tries)
	}
	d.free = 1 << 20
	err = db.Items.Save(t.Context(), u, &Item{Kind: "note", Title: "big", Body: []byte(big)})
	if !ReadOnly(err) || db.Why() != WhyFull {
		t.Fatalf("%v, %q", err, db.Why())
	}
	again()
	if err := db.Items.Save(t.Context(), u, &Item{Kind: "note", Title: "small", Body: []byte("b")}); !errors.Is(err, errReadOnly) {
		t.Fatalf("it was tried: %v", err)
	}
	if sizeOf(db.reservePath()) != reserveBytes {
		t.Fatal("the reserve was given up for something that deletes nothing")
	}
	exec(t, db.main, "CREATE TEMP TRIGGER full_delete BEFORE DELETE ON main.items BEGIN "+
		"INSERT INTO main.meta VALUES ('much', hex(zeroblob(500000))); END")
	again = noGrowth(t, db.main)
	_, err = db.Items.Forget(t.Context(), u, item.ID)
	if !ReadOnly(err) {
		t.Fatalf("a deletion without room: %v", err)
	}
	again()
	exec(t, db.main, "DROP TRIGGER full_delete")
	if gone, err := db.Items.Forget(t.Context(), u, item.ID); err != nil || !gone {
		t.Fatalf("%v, %v", gone, err)
	}
	if sizeOf(db.reservePath()) != 0 {
		t.Fatal("the reserve is there still")
	}
	d.look(t, db, roomAgain-1, WhyFull)
	d.look(t, db, roomAgain, "")
	if sizeOf(db.reservePath()) != 0 {
		t.Fatal("the reserve took the room that others wait for")
	}
	save(t, db, u, "again", "body")
	// The reserve comes back where there is room, at the next start at the latest.
	d.free = 1 << 30
	d.of(db, 0)
	if sizeOf(db.reservePath()) != reserveBytes {
		t.Fatal("there is no reserve")
	}
}

// TestReadOnly_Sessions: who is logged in stays so for as long as nothing can be written.
func TestReadOnly_Sessions(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	token, s := login(t, db, u)
	idle, _ := login(t, db, u)
	d := &aDisk{free: 1 << 30}
	d.of(db, 0)
	d.look(t, db, 1<<30, "")
	db.space.state.Store(WhyFull)
	for range 5 {
		c.add(20 * time.Minute)
		if _, _, err := db.Sessions.Lookup(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, db.sessions, "SELECT touched FROM sessions WHERE id = ?", s.ID); int64(n) != millis(s.Touched) {
		t.Fatal("the row was touched")
	}
	if _, err := db.Sessions.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Sessions.Lookup(t.Context(), token); err != nil {
		t.Fatalf("a session in use was taken away: %v", err)
	}
	_, _, err := db.Sessions.Lookup(t.Context(), idle)
	wantCode(t, err, NotFound, "")
	d.look(t, db, 1<<30, "")
	c.add(2 * time.Minute)
	if _, _, err := db.Sessions.Lookup(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db.sessions, "SELECT touched FROM sessions WHERE id = ?", s.ID); int64(n) != millis(db.now()) {
		t.Fatal("the row was not touched again")
	}
	if _, there := db.Sessions.used.Load(s.ID); there {
		t.Fatal("it is still remembered")
	}
}

// TestReadOnly_ReserveLater: what there was no room for at the start is made when there is.
func TestReadOnly_ReserveLater(t *testing.T) {
	db, _ := newTestDB(t)
	d := &aDisk{free: 420 << 20}
	d.of(db, 800<<20)
	if _, err := os.Stat(db.reservePath()); err == nil {
		t.Fatal("there was room: this test shows nothing")
	}
	d.look(t, db, 100<<30, "")
	if _, err := os.Stat(db.reservePath()); err != nil {
		t.Error(err)
	}
}

// TestReserve_Planted: nothing is written through a link in the reserve's place. A command, which knows nothing of the disk,
// leaves it where it is.
func TestReserve_Planted(t *testing.T) {
	db, _ := newTestDB(t)
	outside := filepath.Join(t.TempDir(), "outside")
	if err := errors.Join(os.WriteFile(outside, []byte("root's"), 0o600), os.Symlink(outside, db.reservePath())); err != nil {
		t.Fatal(err)
	}
	db.Suspect(t.Context())
	if to, err := os.Readlink(db.reservePath()); to != outside {
		t.Errorf("a command made a reserve: %q, %v", to, err)
	}
	(&aDisk{free: 100 << 30}).of(db, 0)
	if info, err := os.Lstat(db.reservePath()); err != nil || !info.Mode().IsRegular() || info.Size() != reserveBytes {
		t.Errorf("the server's reserve: %v, %v", info, err)
	}
	if b, err := os.ReadFile(outside); string(b) != "root's" {
		t.Errorf("outside are %d bytes now: %v", len(b), err)
	}
}
