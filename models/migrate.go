package models

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"
)

// migrationTable is bun's.
const migrationTable = "bun_migrations"

// migrate brings the schema up to date, each file of SQL in a transaction of its own. A database that a newer version
// wrote is refused: what that version relies on may not be kept up by this one.
func (s *sqliteDB) migrate(ctx context.Context, ms *migrate.Migrations, before func(context.Context, *sqliteDB, string) error) error {
	failed := func(err error) error {
		if diskRefused(err) == WhyFull {
			err = fmt.Errorf("the disk is full, make room first: %w", err)
		}
		return fmt.Errorf("migrate %s: %w", filepath.Base(s.path), err)
	}
	m := migrate.NewMigrator(s.w, ms, migrate.WithMarkAppliedOnSuccess(true))
	if err := m.Init(ctx); err != nil {
		return failed(err)
	}
	applied, err := appliedIn(ctx, s.w)
	if err != nil {
		return failed(err)
	}
	if err := refuseNewer(applied, ms); err != nil {
		return failed(err)
	}
	if before != nil && len(applied) > 0 && len(unapplied(applied, ms)) > 0 {
		if err := before(ctx, s, applied[len(applied)-1]); err != nil {
			return failed(fmt.Errorf("copy it first: %w. Nothing was changed", err))
		}
	}
	done, err := m.Migrate(ctx)
	if err != nil {
		return failed(err)
	}
	if !done.IsZero() {
		Failpoint("migrate-up")
	}
	return nil
}

// appliedIn lists the migrations that a database has, the oldest first.
func appliedIn(ctx context.Context, db bun.IDB) (names []string, err error) {
	var there bool
	err = db.NewSelect().Table("sqlite_schema").ColumnExpr("count(*) > 0").Where("type = 'table' AND name = ?", migrationTable).Scan(ctx, &there)
	if err != nil || !there {
		return nil, err
	}
	err = db.NewSelect().Table(migrationTable).ColumnExpr("DISTINCT name").Order("name").Scan(ctx, &names)
	return names, err
}

func refuseNewer(applied []string, known *migrate.Migrations) error {
	for _, name := range applied {
		if !slices.ContainsFunc(known.Sorted(), func(m migrate.Migration) bool { return m.Name == name }) {
			return fmt.Errorf("it was written by a newer version (migration %s is not known): start that version", name)
		}
	}
	return nil
}

func unapplied(applied []string, known *migrate.Migrations) (names []string) {
	for _, m := range known.Sorted() {
		if !slices.Contains(applied, m.Name) {
			names = append(names, m.Name)
		}
	}
	return names
}

// Copies of the main database, made before its schema is changed. They hold what is deleted later until they are
// removed, so that few are kept of those that upgrades leave, and none for long. The copy that a step down leaves holds
// what is nowhere else any more: no other takes its place, and age alone removes it.
const (
	CopiesDir  = "upgrades" // in the data folder
	keptCopies = 2
	copyMaxAge = 30 * 24 * time.Hour
	copyPrefix = "zencrypt-"
	copyDown   = "-down-" // in the name of a copy that a step down left, before its time
	copyPart   = ".part"  // one that is being made
)

type copies struct {
	dir string
	now func() time.Time
}

// name is that of the copy of a database whose last migration is the one named.
func (c copies) name(last string) string { return copyPrefix + last + ".db" }

// nameDown is that of the copy before a migration is taken back.
func (c copies) nameDown(last string) string {
	return copyPrefix + last + copyDown + c.now().UTC().Format("20060102T150405.000Z") + ".db"
}

// take copies a database before it is migrated. The copy of an earlier try takes no room beside it: as long as the last
// migration is the same, the database has lost nothing since.
func (c copies) take(ctx context.Context, s *sqliteDB, last string) error {
	path, err := c.copy(ctx, s, c.name(last))
	if err != nil {
		return err
	}
	return c.prune(filepath.Base(path))
}

func (c copies) copy(ctx context.Context, s *sqliteDB, name string) (path string, err error) {
	if err := MakeDir(c.dir); err != nil {
		return "", err
	}
	path = filepath.Join(c.dir, name)
	part := path + copyPart
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if err := copyInto(ctx, s.w, part); err != nil {
		return "", err
	}
	Failpoint("migrate-copied")
	// The time is the one that the copies' age is counted from.
	if err := os.Chtimes(part, c.now(), c.now()); err != nil {
		return "", err
	}
	if err := os.Rename(part, path); err != nil {
		return "", err
	}
	return path, syncDir(c.dir)
}

// list returns the copies, the newest first, and the names of what was left of those that were not finished.
func (c copies) list() (list []os.FileInfo, parts []string, err error) {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), copyPrefix) || !e.Type().IsRegular() {
			continue
		}
		if strings.Contains(e.Name(), ".db"+copyPart) { // SQLite's journal of one, too
			parts = append(parts, e.Name())
		} else if info, ierr := e.Info(); ierr == nil {
			list = append(list, info)
		}
	}
	slices.SortFunc(list, func(a, b os.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	return list, parts, err
}

// prune removes what is too old, too many or was never finished, but not the copy of the name that was just made:
// others may be dated after it, by a clock that was ahead.
func (c copies) prune(made string) error {
	list, gone, err := c.list()
	if err != nil {
		return fmt.Errorf("remove old copies: %w", err)
	}
	limit, room := c.now().Add(-copyMaxAge), keptCopies
	if made != "" {
		room--
	}
	for _, info := range list {
		name := info.Name()
		switch {
		case name == made:
		case !info.ModTime().After(limit):
			gone = append(gone, name)
		case strings.Contains(name, copyDown):
		case room > 0:
			room--
		default:
			gone = append(gone, name)
		}
	}
	for _, name := range gone {
		if err := os.Remove(filepath.Join(c.dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove old copies: %w", err)
		}
	}
	return nil
}

// PruneCopies removes the copies of earlier schemas that are older than 30 days, and what a kill left of others. Only
// the one who holds the data folder's lock may call it: nobody else makes a copy then.
func (db *DB) PruneCopies() error {
	return copies{dir: filepath.Join(db.opts.Dir, CopiesDir), now: db.now}.prune("")
}
