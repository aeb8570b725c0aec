package models

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/migrate"
	"golang.org/x/sys/unix"
)

// InspectOptions say how a data folder is looked at.
type InspectOptions struct {
	Dir            string
	Running        bool // a server works on it
	Deep           bool // integrity_check, which reads all of it, in place of quick_check
	Main, Sessions *migrate.Migrations
}

// Inspection is what was found in a data folder's databases.
type Inspection struct {
	Databases []InspectedDatabase
	Read      bool // the main database could be read; all that follows says nothing otherwise
	Keys      []KeyUse
	ActiveKey string // its fingerprint, "" in a new database
	Accounts  int
	Backup    *Backup // the last one, nil when there was none
	Restored  *Restored
	Blobs     map[ID]NamedBlob // files of vaults that rows name
	Results   map[ID]NamedBlob // files of results that wait
}

// InspectedDatabase is one of the two files.
type InspectedDatabase struct {
	Name     string
	Problems []string // of what SQLite found, the first few
	Orphans  int      // rows that point at rows which are not there
	Pending  []string // migrations that are not applied yet
	Newer    []string // those that this version does not know
	Log      int64    // bytes of a log that a server left which did not stop by itself
	Missing  bool     // there is no such file
	Err      error    // why it could not be read
}

// NamedBlob is what a row says of its file. Disk is what it counts in bytes, the row itself included, with Body the
// text beside the file too.
type NamedBlob struct {
	Disk int64
	Body bool
}

// LockFile is the file in a data folder whose lock, of flock(2), is held by the one server that works on it.
const LockFile = "lock"

// problems is how many findings of SQLite are listed.
const problems = 5

// Inspect looks at the databases of a data folder and changes nothing there: no log is taken up, no lock file made and
// no migration applied. What a killed server left in its log is looked at in a copy, in a folder of its own among the
// temporary files, since SQLite takes it up when it opens the database.
func Inspect(ctx context.Context, o InspectOptions) (*Inspection, error) {
	in := &Inspection{Blobs: map[ID]NamedBlob{}, Results: map[ID]NamedBlob{}}
	for _, d := range []struct {
		name  string
		known *migrate.Migrations
		more  func(context.Context, bun.Tx) error
	}{{mainFile, o.Main, in.main}, {sessionsFile, o.Sessions, in.sessions}} {
		found, err := inspect(ctx, o, d.name, d.known, d.more)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		found.Err = err
		if d.name == mainFile {
			in.Read = err == nil && !found.Missing && len(found.Newer) == 0 && len(found.Problems) == 0
		}
		in.Databases = append(in.Databases, found)
	}
	return in, nil
}

func inspect(ctx context.Context, o InspectOptions, name string, known *migrate.Migrations, more func(context.Context, bun.Tx) error) (found InspectedDatabase, err error) {
	found.Name = name
	path := filepath.Join(o.Dir, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		found.Missing = true
		return found, nil
	} else if err != nil {
		return found, err
	}
	db, log, done, err := openToLook(path, o.Running)
	found.Log = log
	if err != nil {
		return found, err
	}
	defer done()
	err = db.RunInTx(ctx, &sql.TxOptions{ReadOnly: true}, func(ctx context.Context, tx bun.Tx) error {
		check := "PRAGMA quick_check(5)"
		if o.Deep {
			check = "PRAGMA integrity_check(5)"
		}
		if err := tx.NewRaw(check).Scan(ctx, &found.Problems); err != nil {
			return err
		}
		if len(found.Problems) == 1 && found.Problems[0] == "ok" {
			found.Problems = nil
		}
		if len(found.Problems) > problems {
			found.Problems = found.Problems[:problems]
		}
		if err := tx.NewRaw("SELECT count(*) FROM pragma_foreign_key_check").Scan(ctx, &found.Orphans); err != nil {
			return err
		}
		applied, err := appliedIn(ctx, tx)
		if err != nil {
			return err
		}
		found.Pending = unapplied(applied, known)
		for _, name := range applied {
			if refuseNewer([]string{name}, known) != nil {
				found.Newer = append(found.Newer, name)
			}
		}
		if len(applied) == 0 || len(found.Newer) > 0 || len(found.Problems) > 0 {
			return nil // its tables may be others, or not to be read
		}
		if err := more(ctx, tx); err != nil && len(found.Pending) == 0 {
			return err
		}
		return nil
	})
	return found, storeError(err)
}

// openToLook opens a database so that nothing beside it is made or changed; done closes it.
func openToLook(path string, running bool) (db *bun.DB, log int64, done func(), err error) {
	open := func(q url.Values) error {
		q["_pragma"] = readerPragmas()
		raw, err := sql.Open("sqlite", dsnOf(path, q))
		if err != nil {
			return fmt.Errorf("open database: %w", err)
		}
		raw.SetMaxOpenConns(1)
		db = bun.NewDB(raw, sqlitedialect.New())
		return nil
	}
	closeDB := func() { _ = db.Close() }
	if running {
		return db, 0, closeDB, open(url.Values{"mode": {"ro"}})
	}
	if info, err := os.Stat(path + "-wal"); err == nil {
		log = info.Size()
	}
	if log == 0 {
		// Immutable: else SQLite makes the log and its index, to say that somebody reads.
		err = open(url.Values{"mode": {"ro"}, "immutable": {"1"}})
		return db, 0, closeDB, err
	}
	dir, err := os.MkdirTemp("", "zencrypt-look-*") // mode 0700
	if err != nil {
		return nil, log, nil, err
	}
	to := filepath.Join(dir, filepath.Base(path))
	for _, suffix := range []string{"", "-wal"} {
		if err = copyFile(path+suffix, to+suffix); err != nil {
			return nil, log, nil, errors.Join(fmt.Errorf("copy database to look at it: %w", err), os.RemoveAll(dir))
		}
	}
	path = to
	if err = open(url.Values{"mode": {"rw"}}); err != nil {
		return nil, log, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return db, log, func() { closeDB(); _ = os.RemoveAll(dir) }, nil
}

// openToRead opens a database for a question to it; done closes it. Where its folder can't be written to, as in a file system that
// is mounted read-only, it is looked at as it lies there.
func openToRead(path string) (db *bun.DB, done func(), err error) {
	if unix.Access(filepath.Dir(path), unix.W_OK) != nil {
		return openShut(path)
	}
	db, err = openPlain(path)
	if err != nil {
		return nil, nil, err
	}
	return db, func() { _ = db.Close() }, nil
}

// openShut opens a database in a folder that can't be written to. A server may work on it all the same, where the folder is
// mounted a second time: then its log and index are there to read along.
func openShut(path string) (db *bun.DB, done func(), err error) {
	db, _, done, err = openToLook(path, locked(filepath.Join(filepath.Dir(path), LockFile)))
	return db, done, err
}

// locked tells whether a server, or a command in its place, holds the lock of the data. It is given back at once.
func locked(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

func (in *Inspection) main(ctx context.Context, tx bun.Tx) (err error) {
	if in.Keys, in.ActiveKey, err = keyUse(ctx, tx); err != nil {
		return err
	}
	for _, u := range in.Keys {
		in.Accounts += u.Accounts
	}
	in.Backup, in.Restored = new(Backup), new(Restored)
	if ok, err := metaIn(ctx, tx, metaBackup, in.Backup); err != nil {
		return err
	} else if !ok {
		in.Backup = nil
	}
	if ok, err := metaIn(ctx, tx, metaRestored, in.Restored); err != nil {
		return err
	} else if !ok {
		in.Restored = nil
	}
	var rows []struct {
		BlobID ID
		Disk   int64
		Body   bool
	}
	err = tx.NewSelect().Table("items").Column("blob_id", "disk").ColumnExpr("sealed_body IS NOT NULL AS body").Where("blob_id IS NOT NULL").Scan(ctx, &rows)
	for _, r := range rows {
		in.Blobs[r.BlobID] = NamedBlob{r.Disk, r.Body}
	}
	return err
}

func (in *Inspection) sessions(ctx context.Context, tx bun.Tx) error {
	var rows []struct {
		BlobID ID
		Disk   int64
	}
	// Those that have expired are about to go, their files first.
	err := tx.NewSelect().Table("results").Column("blob_id", "disk").Where("expires > ?", millis(time.Now())).Scan(ctx, &rows)
	for _, r := range rows {
		in.Results[r.BlobID] = NamedBlob{Disk: r.Disk}
	}
	return err
}

func metaIn(ctx context.Context, tx bun.Tx, name string, into any) (bool, error) {
	var value string
	err := tx.NewSelect().Table("meta").Column("value").Where("name = ?", name).Scan(ctx, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal([]byte(value), into)
}
