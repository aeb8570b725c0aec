package models

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Why nothing can be saved.
const (
	WhyFull    = "disk full"             // a write found no room
	WhyFloor   = "free disk below floor" // there is room, and it is kept for what frees more
	WhyRefused = "disk refuses writes"   // an I/O error, or a file system that was made read-only
)

// Disk is what the server knows of its disk beside the databases.
type Disk struct {
	// Free is the room in bytes on the file system of the data folder; nil: as if there were any.
	Free func() (int64, error)
	// Floor is the free disk in bytes below which files are refused, by whoever takes them. At half of it nothing is
	// saved any more, so that many files can't take the room of a text; saving goes on at five eighths, so that it
	// does not come and go with each byte.
	Floor int64
	// Probe writes and removes a file wherever the server keeps files; nil: only the database is tried.
	Probe func() error
	// Full tells the errors of Probe that mean "no room" from those that mean a broken disk.
	Full func(error) bool
	// Changed is told why nothing can be saved from now on, or "" when it can be again.
	Changed func(why string)
}

// roomAgain is the room in bytes that has to be there before saving goes on after a write found none: the longest text
// with the log that it goes through, so that it does not fail at once again.
const roomAgain = 4 << 20

// space is whether the server can save.
type space struct {
	state atomic.Value // why not, a string
	watch sync.Mutex   // one look at a time
	asked atomic.Int64 // when a writer last asked for the free disk, in milliseconds
	disk  Disk
}

func (s *space) why() string {
	why, _ := s.state.Load().(string)
	return why
}

// errReadOnly is for what was not even tried.
var errReadOnly = errors.New("the server is read-only at present")

func errNotSaved(why string) error {
	if why == WhyRefused {
		return fail(Unavailable, "save it: the disk refuses, nothing was changed", errReadOnly)
	}
	return fail(Unavailable, "save it: the disk is full, nothing was changed", errReadOnly)
}

// ReadOnly tells an error of a disk that is full or refuses to write, whether it was met now or is known, from others.
func ReadOnly(err error) bool {
	return errors.Is(err, errReadOnly) || ErrorCode(err) == Unavailable && diskRefused(err) != ""
}

// WhyOf is why something could not be saved, as its error says; "" for one that was not tried.
func WhyOf(err error) string { return diskRefused(err) }

// diskRefused is why the disk took no write, "" for any other error.
func diskRefused(err error) string {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return ""
	}
	switch primary(se) {
	case sqlite3.SQLITE_FULL:
		return WhyFull
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return WhyRefused
	}
	return ""
}

// SetDisk says what there is to know of the disk. It is called once, before the first request.
func (db *DB) SetDisk(d Disk) {
	db.space.disk = d
	db.keepReserve()
}

// Why tells why nothing can be saved at present, "" when it can.
func (db *DB) Why() string { return db.space.why() }

// Saving is nil while the server saves, else the error that whoever would save gets.
func (db *DB) Saving() error {
	if why := db.space.why(); why != "" {
		return errNotSaved(why)
	}
	return nil
}

// Suspect is told that the disk refused a write, of a file or of the database. If it refuses another one, nothing is
// saved until it takes one again; a single upload that was too large changes nothing.
func (db *DB) Suspect(ctx context.Context) {
	if db.space.why() == "" && db.space.watch.TryLock() { // else somebody looks already
		defer db.space.watch.Unlock()
		db.judge(ctx, true)
	}
}

// askEvery is how often those who write ask the file system for its free room: many of them could go through the floor
// between two looks.
const askEvery = 250 * time.Millisecond

// glance is a look that costs nothing but a question to the file system, and that not often.
func (db *DB) glance(ctx context.Context) {
	now, last := millis(db.now()), db.space.asked.Load()
	if d := now - last; d >= 0 && d < askEvery.Milliseconds() || !db.space.watch.TryLock() {
		return
	}
	defer db.space.watch.Unlock()
	db.space.asked.Store(now)
	if db.space.why() == "" {
		db.judge(ctx, false)
	}
}

// Look finds out whether the server can save: every few seconds. While it can, that is one question to the file
// system; while it can't, it is a real write to the database and the files, synced.
func (db *DB) Look(ctx context.Context) {
	db.space.watch.Lock()
	defer db.space.watch.Unlock()
	db.judge(ctx, db.space.why() != "")
	if db.space.why() == "" { // there may have been no room for it before
		db.keepReserve()
	}
}

func (db *DB) judge(ctx context.Context, doubt bool) {
	before, now := db.space.why(), db.verdict(ctx, doubt)
	if ctx.Err() != nil { // it says nothing about the disk
		return
	}
	if now == "" && doubt {
		db.keepReserve()
	}
	if now != "" { // what the logs take is given back at once, and not in a minute
		_, _ = db.main.truncate(ctx), db.sessions.truncate(ctx)
	}
	if now == before {
		return
	}
	db.space.state.Store(now)
	if db.space.disk.Changed != nil {
		db.space.disk.Changed(now)
	}
}

// verdict is why nothing can be saved. With a doubt, room for the next writes is asked for, and writes are tried.
func (db *DB) verdict(ctx context.Context, doubt bool) string {
	d := &db.space.disk
	need := d.Floor / 2
	if doubt {
		need = max(need+d.Floor/8, roomAgain)
	}
	if d.Free != nil {
		switch free, err := d.Free(); {
		case err != nil:
			return WhyRefused
		case free >= need:
		case free < roomAgain:
			return WhyFull
		default:
			return WhyFloor
		}
	}
	if !doubt {
		return ""
	}
	if err := db.writeReady(ctx, trial); err != nil {
		if why := diskRefused(err); why != "" {
			return why
		}
		return db.space.why() // it was busy, which says nothing about the disk
	}
	if d.Probe == nil {
		return ""
	}
	if err := d.Probe(); err != nil {
		if d.Full != nil && d.Full(err) {
			return WhyFull
		}
		return WhyRefused
	}
	return ""
}
