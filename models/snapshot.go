package models

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/migrate"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Facts are what a copy of a database needs beside it. They are read from a database of any version, with no server
// key, so that one can be backed up before it is upgraded.
type Facts struct {
	Migrations []string        // that were applied, the oldest first
	ServerKeys []string        // fingerprints of those that something depends on, the active one first
	Blobs      map[ID]struct{} // that rows name
}

// Snapshot writes a copy of the main database of a data folder, which a server may be writing to, to a new file
// that only its owner may read. It is one state of the database: the one when Snapshot was called, or later.
//
// VACUUM INTO and not SQLite's backup API: the copy then holds no free pages and no fragments of what was deleted,
// and other processes' writes don't make it begin again.
func Snapshot(ctx context.Context, dir, to string) (Facts, error) {
	db, err := openPlain(filepath.Join(dir, mainFile))
	if err != nil {
		return Facts{}, err
	}
	defer db.Close()
	if err := copyInto(ctx, db, to); err != nil {
		return Facts{}, err
	}
	return factsIn(ctx, to)
}

// copyInto writes a copy of a database to a new file and syncs it. Nothing is left when it fails.
func copyInto(ctx context.Context, db bun.IDB, to string) error {
	f, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", to)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = syncDir(filepath.Dir(to))
	}
	if err != nil {
		return errors.Join(storeError(fmt.Errorf("copy database: %w", err)), os.Remove(to))
	}
	return nil
}

// NamedBlobs are the blobs that the rows of a data folder's database name at this moment.
func NamedBlobs(ctx context.Context, dir string) (map[ID]struct{}, error) {
	f, err := factsIn(ctx, filepath.Join(dir, mainFile))
	return f.Blobs, err
}

// openPlain opens a database as it is: nothing is migrated. Not read-only, since a reader alone can't take up the
// log that a killed server left.
func openPlain(path string) (*bun.DB, error) {
	db, err := sql.Open("sqlite", dsnOf(path, url.Values{"mode": {"rw"},
		"_pragma": {"busy_timeout(5000)", "secure_delete(1)", "synchronous(FULL)", "temp_store(2)", "trusted_schema(0)"}}))
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db.SetMaxOpenConns(1)
	return bun.NewDB(db, sqlitedialect.New()), nil
}

func factsIn(ctx context.Context, path string) (f Facts, err error) {
	db, err := openPlain(path)
	if err != nil {
		return f, err
	}
	defer db.Close()
	// One state: what a transaction reads stays.
	err = db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		f, err = facts(ctx, tx)
		return err
	})
	return f, storeError(err)
}

func facts(ctx context.Context, tx bun.Tx) (f Facts, err error) {
	if f.Migrations, err = appliedIn(ctx, tx); err != nil {
		return f, err
	}
	var active string
	err = tx.NewSelect().Table("meta").Column("value").Where("name = ?", metaServerKey).Scan(ctx, &active)
	if err == nil {
		f.ServerKeys = []string{active}
	} else if !errors.Is(err, sql.ErrNoRows) {
		return f, err
	}
	seen := map[string]bool{"": true, active: true}
	err = eachColumn(ctx, tx, "pepper", func(table string) error {
		if table == "imported_under" { // names keys that may be gone for good, and opens nothing by them
			return nil
		}
		var keys []string
		if err := tx.NewSelect().Table(table).ColumnExpr("DISTINCT pepper").Order("pepper").Scan(ctx, &keys); err != nil {
			return err
		}
		for _, k := range keys {
			if !seen[k] {
				seen[k] = true
				f.ServerKeys = append(f.ServerKeys, k)
			}
		}
		return nil
	})
	if err != nil {
		return f, err
	}
	f.Blobs = map[ID]struct{}{}
	return f, eachColumn(ctx, tx, "blob_id", func(table string) error {
		var ids []ID
		if err := tx.NewSelect().Table(table).Column("blob_id").Where("blob_id IS NOT NULL").Scan(ctx, &ids); err != nil {
			return err
		}
		for _, id := range ids {
			f.Blobs[id] = struct{}{}
		}
		return nil
	})
}

// eachColumn calls f for each table that has a column of a name.
func eachColumn(ctx context.Context, tx bun.Tx, column string, f func(table string) error) error {
	var tables []string
	err := tx.NewRaw("SELECT s.name FROM sqlite_schema s JOIN pragma_table_info(s.name) c WHERE s.type = 'table' AND c.name = ? ORDER BY s.name", column).
		Scan(ctx, &tables)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if err := f(t); err != nil {
			return err
		}
	}
	return nil
}

// CheckCopy reads through a copy of a database. It refuses one that is damaged ([ErrDamaged]), and one that a newer
// version wrote than the migrations are of.
func CheckCopy(ctx context.Context, path string, known *migrate.Migrations) (Facts, error) {
	db, err := openPlain(path)
	if err != nil {
		return Facts{}, err
	}
	var verdict string
	err = db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict)
	if err = errors.Join(err, db.Close()); err != nil {
		return Facts{}, copyError(err)
	}
	if verdict != "ok" {
		return Facts{}, fail(Internal, "check database", fmt.Errorf("%w: %s", ErrDamaged, verdict))
	}
	f, err := factsIn(ctx, path)
	if err != nil {
		return f, copyError(err)
	}
	return f, refuseNewer(f.Migrations, known)
}

// copyError tells damage from a disk that fails.
func copyError(err error) error {
	var se *sqlite.Error
	if errors.As(err, &se) && (se.Code()&0xff == sqlite3.SQLITE_CORRUPT || se.Code()&0xff == sqlite3.SQLITE_NOTADB) {
		return fail(Internal, "check database", fmt.Errorf("%w: %s", ErrDamaged, se.Error()))
	}
	return storeError(fmt.Errorf("check database: %w", err))
}

// What meta knows of backups.
const (
	metaBackup   = "backup"
	metaRestored = "restored"
)

// Backup is what is known of the last one.
type Backup struct {
	Time      time.Time
	Bytes     int64
	Encrypted bool
}

// NoteBackup writes down in a data folder's database that it was backed up, for LastBackup.
func NoteBackup(ctx context.Context, dir string, b Backup) error {
	value, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return noteIn(ctx, filepath.Join(dir, mainFile), metaBackup, string(value))
}

// LastBackup returns the last backup that was made of this database; ok is false when there was none.
func (db *DB) LastBackup(ctx context.Context) (b Backup, ok bool, err error) {
	ok, err = db.metaJSON(ctx, metaBackup, &b)
	return b, ok, err
}

// Restored says that a database came from a backup: at which time, and from when that was.
type Restored struct{ At, Of time.Time }

// MarkRestored notes in a database file what it came from, and takes back its invitations: of one that has been used
// or taken back since the backup nothing tells.
func MarkRestored(ctx context.Context, path string, r Restored) error {
	value, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := dropInvitations(ctx, path); err != nil {
		return err
	}
	return noteIn(ctx, path, metaRestored, string(value))
}

func dropInvitations(ctx context.Context, path string) error {
	db, err := openPlain(path)
	if err != nil {
		return err
	}
	// A backup of an earlier version has no such table.
	there, err := db.NewSelect().TableExpr("sqlite_schema").Where("type = 'table'").Where("name = 'invitations'").Exists(ctx)
	if err == nil && there {
		_, err = db.NewDelete().Model((*invitationRow)(nil)).Where("TRUE").Exec(ctx)
	}
	return storeError(errors.Join(err, db.Close()))
}

// Restored returns when this database was restored; ok is false when it never was.
func (db *DB) Restored(ctx context.Context) (r Restored, ok bool, err error) {
	ok, err = db.metaJSON(ctx, metaRestored, &r)
	return r, ok, err
}

func noteIn(ctx context.Context, path, name, value string) error {
	db, err := openPlain(path)
	if err != nil {
		return err
	}
	_, err = db.NewInsert().Model(&metaRow{Name: name, Value: value}).On("CONFLICT (name) DO UPDATE").Set("value = EXCLUDED.value").Exec(ctx)
	return storeError(errors.Join(err, db.Close()))
}

func (db *DB) metaJSON(ctx context.Context, name string, into any) (ok bool, err error) {
	row := metaRow{Name: name}
	err = db.main.r.NewSelect().Model(&row).WherePK().Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, storeError(err)
	}
	if err := json.Unmarshal([]byte(row.Value), into); err != nil {
		return false, fail(Internal, "read meta "+name, err)
	}
	return true, nil
}
