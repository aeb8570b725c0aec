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
	ServerKeys                  []ServerKeyUse
}

// Migrated is a change of the schema that was applied.
type Migrated struct {
	Database string // "zencrypt.db"
	Name     string
	At       time.Time
}

// ServerKeyUse is what depends on a version of the server key.
type ServerKeyUse struct {
	Fingerprint string
	Active      bool
	Accounts    int // whose passwords it peppers
	Retired     int // logins that were given up under it
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
		return st.serverKeys(ctx, tx, db.opts.Pepper)
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

// serverKeys counts what stands under each version of the server key: those that were given, and any other that the
// database names.
func (st *Status) serverKeys(ctx context.Context, tx bun.Tx, keys PepperKeys) error {
	at := map[string]int{}
	use := func(fingerprint string) *ServerKeyUse {
		i, ok := at[fingerprint]
		if !ok {
			i = len(st.ServerKeys)
			at[fingerprint] = i
			st.ServerKeys = append(st.ServerKeys, ServerKeyUse{Fingerprint: fingerprint, Active: fingerprint == keys.Active})
		}
		return &st.ServerKeys[i]
	}
	use(keys.Active)
	for _, q := range []struct {
		table, where string
		count        func(*ServerKeyUse) *int
	}{
		{"accounts", "deleted IS NULL", func(u *ServerKeyUse) *int { return &u.Accounts }},
		{"retired_logins", "true", func(u *ServerKeyUse) *int { return &u.Retired }},
	} {
		var rows []struct {
			Pepper string
			N      int
		}
		err := tx.NewSelect().Table(q.table).Column("pepper").ColumnExpr("count(*) AS n").Where(q.where).Group("pepper").Order("pepper").Scan(ctx, &rows)
		if err != nil {
			return err
		}
		for _, row := range rows {
			*q.count(use(row.Pepper)) = row.N
		}
	}
	return nil
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
