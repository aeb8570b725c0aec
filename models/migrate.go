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
	failed := func(err error) error { return fmt.Errorf("migrate %s: %w", filepath.Base(s.path), err) }
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
	if _, err := m.Migrate(ctx); err != nil {
		return failed(err)
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

// Copies of the main database, one of each schema that was left, made before its migration. They hold what is deleted
// later until they are removed, so that few are kept, and not for long.
const (
	copiesDir  = "upgrades"
	keptCopies = 2
	copyMaxAge = 30 * 24 * time.Hour
)

type copies struct {
	dir string
	now func() time.Time
}

// name is that of the copy of a database whose last migration is the one named.
func (c copies) name(last string) string { return "zencrypt-" + last + ".db" }

// take copies a database before it is migrated. The copy of an earlier try takes no room beside it: as long as the last
// migration is the same, the database has lost nothing since.
func (c copies) take(ctx context.Context, s *sqliteDB, last string) error {
	_, err := c.copy(ctx, s, last)
	return err
}

func (c copies) copy(ctx context.Context, s *sqliteDB, last string) (path string, err error) {
	if err := MakeDir(c.dir); err != nil {
		return "", err
	}
	path = filepath.Join(c.dir, c.name(last))
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if err := copyInto(ctx, s.w, part); err != nil {
		return "", err
	}
	// The time is the one that the copies' age is counted from.
	if err := os.Chtimes(part, c.now(), c.now()); err != nil {
		return "", err
	}
	if err := os.Rename(part, path); err != nil {
		return "", err
	}
	if err := syncDir(c.dir); err != nil {
		return "", err
	}
	return path, c.prune()
}

// list returns the copies, the newest first.
func (c copies) list() (list []os.FileInfo, err error) {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "zencrypt-") || !e.Type().IsRegular() {
			continue
		}
		if info, ierr := e.Info(); ierr == nil {
			list = append(list, info)
		}
	}
	slices.SortFunc(list, func(a, b os.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	return list, err
}

// prune removes what is too old or too many.
func (c copies) prune() error {
	list, err := c.list()
	if err != nil {
		return fmt.Errorf("remove old copies: %w", err)
	}
	limit := c.now().Add(-copyMaxAge)
	for i, info := range list {
		if i < keptCopies && info.ModTime().After(limit) {
			continue
		}
		if err := os.Remove(filepath.Join(c.dir, info.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove old copies: %w", err)
		}
	}
	return nil
}

// PruneCopies removes the copies of earlier schemas that are older than 30 days.
func (db *DB) PruneCopies() error {
	return copies{dir: filepath.Join(db.opts.Dir, copiesDir), now: db.now}.prune()
}
