package models

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/uptrace/bun"
)

// Status is what can be said of the databases without opening anything.
type Status struct {
	Accounts, Admins, Suspended int
	Sessions                    int // of logged-in people, those not yet removed included
	Items                       int // in all vaults
	ItemBytes                   int64
	MainBytes, SessionsBytes    int64 // the databases with their logs
	Migrations                  []Migrated
	ServerKeys                  []KeyUse
	ActiveKey                   string // its fingerprint
}

// Migrated is a change of the schema that was applied.
type Migrated struct {
	Database string // "zencrypt.db"
	Name     string
	At       time.Time
}

// Status looks at both databases.
func (db *DB) Status(ctx context.Context) (*Status, error) {
	st := new(Status)
	err := db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		err := tx.NewSelect().Model((*accountRow)(nil)).ColumnExpr("count(*)").
			ColumnExpr("count(*) FILTER (WHERE s.role = ?)", RoleAdmin).ColumnExpr("count(s.suspended)").
			Join("LEFT JOIN standing AS s ON s.account_id = ?TableAlias.id").Where("deleted IS NULL").
			Scan(ctx, &st.Accounts, &st.Admins, &st.Suspended)
		if err != nil {
			return err
		}
		err = tx.NewSelect().Table("items").ColumnExpr("count(*) FILTER (WHERE trashed IS NULL)").
			ColumnExpr("coalesce(sum(disk), 0)").Scan(ctx, &st.Items, &st.ItemBytes)
		if err != nil {
			return err
		}
		st.ServerKeys, st.ActiveKey, err = keyUse(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	n, err := db.sessions.r.NewSelect().Table("sessions").Where("account_id IS NOT NULL").Where("NOT pending").Count(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	st.Sessions = int(n)
	for _, d := range []struct {
		db   *sqliteDB
		name string
		size *int64
	}{{db.main, mainFile, &st.MainBytes}, {db.sessions, sessionsFile, &st.SessionsBytes}} {
		if *d.size, err = d.db.size(); err != nil {
			return nil, fail(Internal, "look at database", err)
		}
		var rows []struct {
			Name       string
			MigratedAt time.Time
		}
		err := d.db.r.NewSelect().Table("bun_migrations").Column("name", "migrated_at").Order("id").Scan(ctx, &rows)
		if err != nil {
			return nil, storeError(err)
		}
		for _, row := range rows {
			st.Migrations = append(st.Migrations, Migrated{Database: d.name, Name: row.Name, At: row.MigratedAt.UTC()})
		}
	}
	return st, nil
}

// size is what a database takes on the disk, its log included.
func (s *sqliteDB) size() (total int64, err error) {
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(s.path + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		total += info.Size()
	}
	return total, nil
}
