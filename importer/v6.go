package importer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite" // the driver, and Limit
	sqlite3 "modernc.org/sqlite/lib"
	"modernc.org/sqlite/vfs"
)

const (
	sqliteHeader = 100 // bytes (https://www.sqlite.org/fileformat2.html, 1.3)
	sqliteMagic  = "SQLite format 3\x00"
	walVersion   = 2 // of reading and writing, at offsets 18 and 19
	// maxColumn bounds what SQLite makes of one value, in bytes; every query asks for the length first.
	maxColumn = 2 * maxTokenText
)

// v6 is Zencrypt 6's database, open in one transaction.
type v6 struct {
	reporter
	path   string // as it was given, for errors
	db     *sql.DB
	conn   *sql.Conn
	system *vfs.FS // nil when SQLite reads the file itself

	live                        []stamp // what must not change while it is read without a lock
	tables                      map[string]*table
	users                       []v6user
	texts, digests, keys, pairs entries
}

// v6user is an account of the first pass.
type v6user struct {
	row int64
	id  string
	why reason
	of  uint32 // the account with the same login
}

// OpenV6 opens the SQLite database of Zencrypt 6, read-only. A write-ahead log beside it is read too,
// and nothing is written, not beside it either: SQLite, which would make or change a -shm file
// for that, reads such a database through a file system that cannot write. The old program should be stopped: else
// it finds the database locked, or, with a write-ahead log, reading ends with an error once it writes.
//
// Everything is checked (PRAGMA quick_check) before OpenV6 returns. Errors are [ErrSource] or the
// system's.
func OpenV6(ctx context.Context, path string, opts Options) (*Source, error) {
	v := &v6{reporter: reporter{opts, 6}, path: path}
	s := &Source{version: 6, backend: v}
	if err := v.open(ctx); err != nil {
		v.close()
		return nil, err
	}
	counts, err := v.index(ctx)
	if err != nil {
		v.close()
		return nil, err
	}
	s.counts = counts
	return s, nil
}

func (v *v6) fail(format string, args ...any) error {
	return fmt.Errorf("%w: %s: %w", ErrSource, v.path, fmt.Errorf(format, args...))
}

func (v *v6) open(ctx context.Context) error {
	real, err := filepath.Abs(v.path)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSource, err)
	}
	size, wal, err := v.head(real)
	if err != nil {
		return err
	}
	if v.opts.Progress != nil {
		v.opts.Progress(0, size)
	}
	query := url.Values{"mode": {"ro"}, "_pragma": {
		"busy_timeout(5000)", "query_only(1)", "trusted_schema(0)", "cell_size_check(1)",
		// SQLite would sort in files that stay readable on the disk.
		"temp_store(2)", "mmap_size(0)",
	}}
	name := url.URL{Scheme: "file", OmitHost: true, Path: real}
	if wal {
		system, fsys, err := vfs.New(walFS(real))
		if err != nil {
			return v.fail("%w", err)
		}
		v.system = fsys
		v.live = []stamp{newStamp(real), newStamp(real + "-wal")}
		query.Set("vfs", system)
		// Exclusive: the log's index stays in memory, where there is no -shm file.
		query["_pragma"] = append(query["_pragma"], "locking_mode(EXCLUSIVE)")
		name = url.URL{Scheme: "file", Opaque: walName}
	}
	name.RawQuery = query.Encode()
	if v.db, err = sql.Open("sqlite", name.String()); err != nil {
		return v.fail("%w", err)
	}
	v.db.SetMaxOpenConns(1)
	if v.conn, err = v.db.Conn(ctx); err != nil {
		return v.explain(real, err)
	}
	if _, err := sqlite.Limit(v.conn, sqlite3.SQLITE_LIMIT_LENGTH, maxColumn); err != nil {
		return v.fail("%w", err)
	}
	// The cache's size, in KiB, looks at the database, as nothing may before the locking mode is set.
	for _, q := range []string{"PRAGMA cache_size(-16384)", "BEGIN"} {
		if _, err := v.conn.ExecContext(ctx, q); err != nil {
			return v.explain(real, err)
		}
	}
	if err := v.check(ctx); err != nil {
		return v.explain(real, err)
	}
	if v.opts.Progress != nil {
		v.opts.Progress(size, size)
	}
	return nil
}

// head looks at a database's header, and whether it has or may have a write-ahead log.
func (v *v6) head(real string) (size int64, wal bool, err error) {
	f, err := os.Open(real)
	if err != nil {
		return 0, false, fmt.Errorf("%w: %w", ErrSource, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, false, fmt.Errorf("%w: %w", ErrSource, err)
	}
	if !info.Mode().IsRegular() {
		return 0, false, v.fail("this is no file but a %s: name the SQLite database of Zencrypt 6, like zencrypt.db", info.Mode().Type())
	}
	var head [sqliteHeader]byte
	if n, err := io.ReadFull(f, head[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, false, v.fail("%d bytes, fewer than the header of a SQLite database has", n)
	} else if err != nil {
		return 0, false, fmt.Errorf("%w: %w", ErrSource, err)
	}
	if string(head[:len(sqliteMagic)]) != sqliteMagic {
		return 0, false, v.fail("offset 0: this is not a SQLite database")
	}
	log, err := os.Stat(real + "-wal")
	return info.Size(), head[18] == walVersion || head[19] == walVersion || err == nil && log.Size() > 0, nil
}

// constraints begin the lines in which quick_check reports rows that break what their table promises: no damage, and
// each is judged as a record.
var constraints = []string{"NULL value in ", "CHECK constraint failed in ", "non-"}

// check lets SQLite look at every page.
func (v *v6) check(ctx context.Context) error {
	rows, err := v.conn.QueryContext(ctx, "PRAGMA quick_check(1000)")
	if err != nil {
		return err
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		broken := slices.ContainsFunc(constraints, func(c string) bool { return strings.HasPrefix(line, c) })
		if line != "ok" && !broken && len(found) < 3 {
			found = append(found, strings.ReplaceAll(line, "\n", ": "))
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if found != nil {
		return fmt.Errorf("the database is damaged: %s", strings.Join(found, "; "))
	}
	return nil
}

// explain says of SQLite's errors what to do.
func (v *v6) explain(real string, err error) error {
	var code *sqlite.Error
	if !errors.As(err, &code) {
		return v.fail("%w", err)
	}
	switch code.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return v.fail("another program is writing to it: stop the old Zencrypt: %w", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		if _, e := os.Stat(real + "-journal"); e == nil {
			return v.fail("the old Zencrypt was interrupted while it wrote, and %s-journal has what to take back: copy both files, open the copy once with sqlite3, and import that: %w", filepath.Base(v.path), err)
		}
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return v.fail("the database is damaged: %w", err)
	}
	return v.fail("%w", err)
}

// unchanged refuses to go on once somebody has written to what is read without a lock.
func (v *v6) unchanged() error {
	for _, s := range v.live {
		if now := newStamp(s.path); now != s {
			return v.fail("%s was changed while it was read: stop the old Zencrypt and begin again", filepath.Base(s.path))
		}
	}
	return nil
}

func (v *v6) close() error {
	var err error
	if v.conn != nil {
		err = v.conn.Close()
	}
	if v.db != nil {
		err = errors.Join(err, v.db.Close())
	}
	if v.system != nil {
		err = errors.Join(err, v.system.Close())
	}
	v.conn, v.db, v.system = nil, nil, nil
	return err
}

// A stamp tells whether a file was written to.
type stamp struct {
	path  string
	size  int64 // -1 when there is none
	mtime time.Time
}

func newStamp(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{path, -1, time.Time{}}
	}
	return stamp{path, info.Size(), info.ModTime()}
}
