// Package migrations holds the schema of Zencrypt's two databases as SQL files,
// embedded in the program.
//
// zencrypt.db is what a backup takes; sessions.db (sessions and results) is
// thrown away with the machine and is in no backup. Each file runs in one
// transaction. The mark that it ran is a write of its own, so a file must bear
// to run twice: a crash may fall between the two.
package migrations

import (
	"embed"
	"fmt"
	"io/fs"

	"github.com/uptrace/bun/migrate"
)

//go:embed main/*.sql sessions/*.sql
var files embed.FS

// Main returns the migrations of zencrypt.db.
func Main() (*migrate.Migrations, error) { return discover("main") }

// Sessions returns the migrations of sessions.db.
func Sessions() (*migrate.Migrations, error) { return discover("sessions") }

func discover(dir string) (*migrate.Migrations, error) {
	sub, err := fs.Sub(files, dir)
	if err != nil {
		return nil, fmt.Errorf("open migrations of %s: %w", dir, err)
	}
	m := migrate.NewMigrations()
	if err := m.Discover(sub); err != nil {
		return nil, fmt.Errorf("read migrations of %s: %w", dir, err)
	}
	return m, nil
}
