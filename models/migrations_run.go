package models

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"
)

// A MigrationState is one migration of one of the two databases.
type MigrationState struct {
	Database string     `json:"database"`
	Name     string     `json:"name"`
	Comment  string     `json:"comment"`
	Applied  *time.Time `json:"applied"` // null: not yet
	Known    bool       `json:"known"`   // by this version
}

// A CopyState is a copy of the main database that a migration left.
type CopyState struct {
	Path  string    `json:"path"`
	Time  time.Time `json:"time"`
	Bytes int64     `json:"bytes"`
}

// MigrationStatus lists the migrations of a data folder's databases, applied or not, and the copies of the main one. It
// changes nothing. A database that is not there has none applied.
func MigrationStatus(ctx context.Context, dir string, main, sessions *migrate.Migrations) (states []MigrationState, kept []CopyState, err error) {
	for file, ms := range map[string]*migrate.Migrations{mainFile: main, sessionsFile: sessions} {
		some, err := statusOf(ctx, filepath.Join(dir, file), ms)
		if err != nil {
			return nil, nil, err
		}
		states = append(states, some...)
	}
	slices.SortFunc(states, func(a, b MigrationState) int {
		if a.Database != b.Database {
			if a.Database == mainFile {
				return -1
			}
			return 1
		}
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	c := copies{dir: filepath.Join(dir, CopiesDir)}
	list, _, err := c.list()
	for _, info := range list {
		kept = append(kept, CopyState{filepath.Join(c.dir, info.Name()), info.ModTime().UTC().Truncate(time.Second), info.Size()})
	}
	return states, kept, err
}

func statusOf(ctx context.Context, path string, ms *migrate.Migrations) (states []MigrationState, err error) {
	applied := map[string]time.Time{}
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		if applied, err = appliedAt(ctx, path); err != nil {
			return nil, fmt.Errorf("read migrations of %s: %w", filepath.Base(path), err)
		}
	}
	for _, m := range ms.Sorted() {
		s := MigrationState{Database: filepath.Base(path), Name: m.Name, Comment: m.Comment, Known: true}
		if at, ok := applied[m.Name]; ok {
			s.Applied = &at
			delete(applied, m.Name)
		}
		states = append(states, s)
	}
	for name, at := range applied {
		states = append(states, MigrationState{Database: filepath.Base(path), Name: name, Applied: &at})
	}
	return states, nil
}

func appliedAt(ctx context.Context, path string) (map[string]time.Time, error) {
	db, done, err := openToRead(path)
	if err != nil {
		return nil, err
	}
	defer done()
	names, err := appliedIn(ctx, db)
	if err != nil || len(names) == 0 {
		return nil, storeError(err)
	}
	var rows []migrate.Migration
	if err := db.NewSelect().Model(&rows).ModelTableExpr(migrationTable + " AS migration").Scan(ctx); err != nil {
		return nil, storeError(err)
	}
	at := make(map[string]time.Time, len(rows))
	for _, row := range rows {
		at[row.Name] = row.MigratedAt.UTC()
	}
	return at, nil
}

// MigrateUp brings the databases of a data folder up to date, as Open does, without a server key. No server may run.
func MigrateUp(ctx context.Context, dir string, main, sessions *migrate.Migrations, now func() time.Time) error {
	copies := copies{dir: filepath.Join(dir, CopiesDir), now: now}
	db, err := openSQLite(ctx, filepath.Join(dir, mainFile), main, copies.take)
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	if db, err = openSQLite(ctx, filepath.Join(dir, sessionsFile), sessions, nil); err != nil {
		return err
	}
	return db.Close()
}

// MigrateDown takes back the last migration of the main database, after a copy of it, and returns which it was and
// where the copy lies. What the migration added is gone with what stands in it. The first two made the database
// itself and stay, and so does that of the imports while somebody waits, see MayUndo. No server may run.
//
// The sessions' database is removed: the older version that starts next would refuse its newer migrations, which have
// no order among those of the main one. What stands in it, sessions and results that wait, is made to be lost.
func MigrateDown(ctx context.Context, dir string, main *migrate.Migrations, now func() time.Time) (undone, copied string, err error) {
	s, err := openWriter(filepath.Join(dir, mainFile))
	if err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	applied, err := appliedIn(ctx, s.w)
	if err != nil {
		return "", "", storeError(err)
	}
	if err := refuseNewer(applied, main); err != nil {
		return "", "", fmt.Errorf("migrate down: %w", err)
	}
	last, err := Undoable(applied, main)
	if err != nil {
		return "", "", err
	}
	if err := mayUndo(ctx, s.w, last.Name); err != nil {
		return "", "", err
	}
	copies := copies{dir: filepath.Join(dir, CopiesDir), now: now}
	if copied, err = copies.copy(ctx, s, copies.nameDown(last.Name)); err != nil {
		return "", "", fmt.Errorf("migrate down: copy the database first: %w. Nothing was changed", err)
	}
	// The sessions go first: whatever cuts this short, no version finds them newer than the main database is.
	if err := removeSessions(dir); err != nil {
		return "", copied, fmt.Errorf("migrate down: %w. %s was not changed", err, mainFile)
	}
	Failpoint("migrate-down-sessions")
	// The mark goes before what it stands for: when this is cut short, the next start finds a migration that is not
	// applied, and each of them bears to run twice.
	m := migrate.NewMigrator(s.w, main)
	if err := s.unmark(ctx, last.Name); err != nil {
		return "", copied, err
	}
	Failpoint("migrate-down-unmarked")
	if err := last.Down(ctx, m, last); err != nil {
		return "", copied, errors.Join(fmt.Errorf("migrate down: %s: %w. Only the sessions are gone", last.Name, err), m.MarkApplied(ctx, last))
	}
	Failpoint("migrate-down")
	return last.Name, copied, s.checkpoint(ctx)
}

// removeSessions removes the sessions' database, itself first: SQLite throws away a log that it finds beside a new one.
func removeSessions(dir string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(dir, sessionsFile+suffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the sessions: %w", err)
		}
	}
	return syncDir(dir)
}

func (s *sqliteDB) unmark(ctx context.Context, name string) error {
	return s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewDelete().Table(migrationTable).Where("name = ?", name).Exec(ctx)
		return err
	})
}

// baseMigrations made the database: without them nothing would be left of it.
const baseMigrations = 2

// Undoable is the migration that MigrateDown would take back.
func Undoable(applied []string, main *migrate.Migrations) (*migrate.Migration, error) {
	sorted := main.Sorted()
	for i := len(sorted) - 1; i >= baseMigrations; i-- {
		if m := &sorted[i]; slices.Contains(applied, m.Name) {
			if m.Down == nil {
				return nil, fmt.Errorf("migrate down: %s can't be taken back", m.Name)
			}
			return m, nil
		}
	}
	return nil, errors.New("migrate down: the database has the oldest schema that there is")
}

// importsMigration is the one in whose tables accounts of an older Zencrypt wait for their people.
const importsMigration = "20260101000300"

// MayUndo refuses to take back the migration of the imports while accounts wait for their people: what alone opens them
// would be gone, and they have no recovery code yet.
func MayUndo(ctx context.Context, dir, name string) error {
	db, err := openPlain(filepath.Join(dir, mainFile))
	if err != nil {
		return err
	}
	defer db.Close()
	return mayUndo(ctx, db, name)
}

func mayUndo(ctx context.Context, db bun.IDB, name string) error {
	if name != importsMigration {
		return nil
	}
	waiting, err := db.NewSelect().TableExpr("waiting_accounts AS w").Join("JOIN accounts AS a ON a.id = w.id").Where("a.deleted IS NULL").Count(ctx)
	if err != nil {
		return storeError(err)
	}
	if waiting > 0 {
		return fmt.Errorf("migrate down: %d accounts that came from an older Zencrypt wait for their people, and nothing would open them any more. "+
			"Let them log in first ('zencrypt import status' lists them), or delete them with 'zencrypt import purge --older-than 0h'. Nothing was changed", waiting)
	}
	return nil
}

// Rows counts the rows of tables of a data folder's main database; one that is not there has none.
func Rows(ctx context.Context, dir string, tables []string) (n map[string]int64, err error) {
	db, err := openPlain(filepath.Join(dir, mainFile))
	if err != nil {
		return nil, err
	}
	defer db.Close()
	n = map[string]int64{}
	for _, t := range tables {
		there, err := db.NewSelect().Table("sqlite_schema").Where("type = 'table' AND name = ?", t).Count(ctx)
		if err == nil && there > 0 {
			n[t], err = db.NewSelect().Table(t).Count(ctx)
		}
		if err != nil {
			return nil, storeError(err)
		}
	}
	return n, nil
}
