package models

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/migrate"
	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Everything that is particular to SQLite stands in this file, in upkeep.go, transact.go, snapshot.go and migrate.go.

// readers is how many read-only connections a database has. Readers that
// saturate the processors starve the one writer.
const readers = 4

// writerPragmas go into the DSN, so that every connection has them; the driver runs
// busy_timeout first and the rest by name, so that auto_vacuum comes before the first
// page is written. secure_delete overwrites what is deleted, synchronous(FULL) syncs
// before each acknowledgement: NORMAL would survive kill -9 but not power loss.
func writerPragmas() []string {
	return []string{
		"analysis_limit(400)", "auto_vacuum(2)", "busy_timeout(5000)", "foreign_keys(1)", "journal_mode(WAL)",
		"secure_delete(1)", "synchronous(FULL)", "temp_store(2)", "trusted_schema(0)",
	}
}

// readerPragmas lack those that write: setting auto_vacuum does, even to what it was.
func readerPragmas() []string {
	return []string{"busy_timeout(5000)", "query_only(1)", "temp_store(2)", "trusted_schema(0)"}
}

// A sqliteDB is one database file: a single writing connection whose transactions
// begin immediate, and a small read-only pool beside it.
type sqliteDB struct {
	path string
	w, r *bun.DB
	// stale: something was deleted or replaced since the last scrub. It is so at the start, since a
	// crash may have come in between.
	stale atomic.Bool

	db     *DB           // nil where it is worked on alone: then nothing is refused
	queue  *queue        // of those that want to write
	writes atomic.Uint64 // that were committed
	free   atomic.Int64  // free pages, as of the last upkeep

	optimized, checked atomic.Int64  // when, in milliseconds; 0: not since the start
	idleAt             atomic.Uint64 // writes at the last upkeep
	damaged            atomic.Bool   // as the last check found
}

// staleHook notes every deletion and replacement. Foreign keys delete below a deletion only.
type staleHook struct{ s *sqliteDB }

func (staleHook) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }

func (h staleHook) AfterQuery(_ context.Context, e *bun.QueryEvent) {
	switch e.Operation() {
	case "DELETE", "UPDATE":
		h.s.stale.Store(true)
	}
}

// dsn begins with "file:", else the driver silently ignores mode=ro.
func dsn(path string, write bool) string {
	if write {
		return dsnOf(path, url.Values{"mode": {"rw"}, "_txlock": {"immediate"}, "_pragma": writerPragmas()})
	}
	return dsnOf(path, url.Values{"mode": {"ro"}, "_pragma": readerPragmas()})
}

func dsnOf(path string, q url.Values) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	return u.String()
}

// openSQLite opens a database, made if it is not there, and migrates it. before, if given, is called first when there
// is something to migrate, with the name of the last migration that was applied.
func openSQLite(ctx context.Context, path string, ms *migrate.Migrations, before func(context.Context, *sqliteDB, string) error) (*sqliteDB, error) {
	s, err := openWriter(path)
	if err != nil {
		return nil, err
	}
	if err := s.migrate(ctx, ms, before); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	// After the first write: a read-only connection cannot make the WAL's files.
	r, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database for reading: %w", err), s.Close())
	}
	r.SetMaxOpenConns(readers)
	r.SetMaxIdleConns(readers)
	s.r = bun.NewDB(r, sqlitedialect.New())
	s.r = s.r.WithQueryHook(limitHook{})
	return s, nil
}

// openWriter opens a database for its one writer, and leaves its schema as it is.
func openWriter(path string) (*sqliteDB, error) {
	if err := makeFile(path); err != nil {
		return nil, err
	}
	if err := writable(path); err != nil {
		return nil, err
	}
	w, err := sql.Open("sqlite", dsn(path, true))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	w.SetMaxOpenConns(1)
	s := &sqliteDB{path: path, queue: newQueue(writeWait), w: bun.NewDB(w, sqlitedialect.New())}
	s.w = s.w.WithQueryHook(staleHook{s})
	s.stale.Store(true)
	return s, nil
}

// writable names the file that somebody else's hand made unfit, of which SQLite says that the database is read-only.
func writable(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		err := unix.Access(path+suffix, unix.R_OK|unix.W_OK)
		if errors.Is(err, unix.EACCES) {
			return fmt.Errorf("open database: %s: %w. Make it a file of the user that the server runs as, with mode 0600", path+suffix, err)
		}
	}
	return nil
}

// makeFile creates an empty database file that only its owner may read; SQLite
// gives the WAL and its index the mode of the database.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make database: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("make database: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// MakeDir makes a folder and what is missing of those above it, each for its owner alone
// and on the disk before what it holds: without this a loss of power could take a new data
// folder with everything that was acknowledged in it.
func MakeDir(dir string) error { return makeDir(filepath.Clean(dir), syncDir) }

func makeDir(dir string, sync func(string) error) error {
	err := os.Mkdir(dir, 0o700)
	if parent := filepath.Dir(dir); errors.Is(err, os.ErrNotExist) && parent != dir {
		if err := makeDir(parent, sync); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o700)
	}
	if errors.Is(err, os.ErrExist) {
		// Also what a link leads to.
		if info, err := os.Stat(dir); err != nil || info.IsDir() {
			return err
		}
	}
	if err != nil {
		return err
	}
	return sync(filepath.Dir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// Close closes both pools, the readers first: the last connection removes the WAL
// and must be able to write.
func (s *sqliteDB) Close() error {
	var err error
	if s.r != nil {
		err = s.r.Close()
	}
	return errors.Join(err, s.w.Close())
}

// storeError gives a failure of the database its code. An Error stays as it is.
func storeError(err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) || errors.Is(err, context.Canceled) {
		return err
	}
	var se *sqlite.Error
	if errors.As(err, &se) {
		switch primary(se) {
		case sqlite3.SQLITE_FULL:
			return fail(Unavailable, "save it: the disk is full, nothing was changed", err)
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
			return fail(Unavailable, "reach the database: it is busy, try again", err)
		case sqlite3.SQLITE_INTERRUPT:
			return fail(Unavailable, "reach the database: it took too long, nothing was changed", err)
		case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
			return fail(Unavailable, "save it: the disk refused, nothing was changed", err)
		}
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fail(NotFound, "find it: it is not there", nil)
	case errors.Is(err, errQueue):
		return fail(Unavailable, "reach the database: too many write at once, nothing was changed", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, sql.ErrTxDone): // the context ended between two queries
		return fail(Unavailable, "reach the database: it took too long, nothing was changed", err)
	}
	return fail(Internal, "use database", err)
}

// primary is the primary code of an error, its low byte. That the index of the log finds no room is a full disk, too: it is
// what whoever opens a database there meets first.
func primary(se *sqlite.Error) int {
	if se.Code() == sqlite3.SQLITE_IOERR_SHMSIZE {
		return sqlite3.SQLITE_FULL
	}
	return se.Code() & 0xff
}

// isTaken reports that a row breaks a UNIQUE rule of the named column.
func isTaken(err error, column string) bool {
	var se *sqlite.Error
	return errors.As(err, &se) && se.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE && strings.Contains(se.Error(), column)
}
