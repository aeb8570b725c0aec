package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun/migrate"

	"zencrypt/migrations"
	"zencrypt/models"
	"zencrypt/nofollow"
)

type migrateCmd struct {
	Status migrateStatusCmd `cmd:"" help:"List the migrations, applied or not. Changes nothing."`
	Up     migrateUpCmd     `cmd:"" help:"Bring the databases up to date, as 'serve' does when it starts."`
	Down   migrateDownCmd   `cmd:"" help:"Take back the last migration, to go back to an older version."`
}

// Help is the long text of `zencrypt migrate --help`.
func (migrateCmd) Help() string {
	return `A new version may change the databases. It does so when the server starts, after a copy of zencrypt.db was made in
DATA/upgrades: at most two such copies are kept, for 30 days. They hold what people delete meanwhile; remove them when
the new version has proved itself. The server removes those that are older, at its start and while it runs. A database
of a newer version is refused.

No server key is needed. Run these as the user of the server, with the same --data; what root makes there is handed to its owner.

` + exitCodes
}

// dataPlace is the data directory of a server, for commands that need no key.
type dataPlace struct {
	Data string `name:"data" env:"ZENCRYPT_DATA" default:"./data" placeholder:"DIR" help:"Directory of the databases and the encrypted files."`
}

func (p dataPlace) exists() error {
	return needDatabase(p.Data)
}

// status lists what is applied, after a look whether there is a database at all.
func (p dataPlace) status(e *env) (states []models.MigrationState, copies []models.CopyState, main, sessions *migrate.Migrations, err error) {
	if err = p.exists(); err != nil {
		return nil, nil, nil, nil, err
	}
	if main, err = migrations.Main(); err != nil {
		return nil, nil, nil, nil, err
	}
	if sessions, err = migrations.Sessions(); err != nil {
		return nil, nil, nil, nil, err
	}
	states, copies, err = models.MigrationStatus(e.ctx, p.Data, main, sessions)
	return states, copies, main, sessions, err
}

// waiting are the migrations that are not applied: none where there is no database yet.
func (p dataPlace) waiting(e *env) ([]models.MigrationState, error) {
	if !models.Exists(p.Data) {
		return nil, nil
	}
	states, _, _, _, err := p.status(e)
	return slices.DeleteFunc(states, func(s models.MigrationState) bool { return s.Applied != nil }), err
}

// ownCopies makes the folder for the copies the data's owner's, before anything is copied there: as root's, should this be
// killed, it would keep the next upgrade from its copy, and the server from starting.
func (p dataPlace) ownCopies() error {
	err := makeOwned(p.Data, models.CopiesDir)
	if errors.Is(err, fs.ErrExist) {
		var dir *os.File
		if dir, err = nofollow.Folder(p.Data, filepath.Join(p.Data, models.CopiesDir)); err == nil {
			err = dir.Close()
		}
	}
	if err != nil {
		return fmt.Errorf("copy the database first: %w. Nothing was changed", err)
	}
	return nil
}

// ready prepares for opening the databases, which migrates them.
func (p dataPlace) ready(e *env) error {
	waiting, err := p.waiting(e)
	if err != nil || !slices.ContainsFunc(waiting, ofMain) {
		return err
	}
	return p.ownCopies()
}

// ofMain tells the migrations of the database that is copied first.
func ofMain(s models.MigrationState) bool { return s.Database == "zencrypt.db" }

// asItIs refuses a database that opening would change.
func (p dataPlace) asItIs(e *env) error {
	waiting, err := p.waiting(e)
	switch dir := absolute(p.Data); {
	case err != nil || len(waiting) == 0:
		return err
	case !slices.ContainsFunc(waiting, ofMain): // as after a restore
		return fmt.Errorf("try without changing anything: sessions.db in %s is not there yet, or older than this version. 'zencrypt migrate up --data %[1]s' makes it, "+
			"and leaves zencrypt.db as it is", dir)
	default:
		return fmt.Errorf("try without changing anything: the database in %s waits for %d migrations of this version. Bring it up to date first, by 'zencrypt migrate up --data %[1]s', "+
			"or try with a copy of it, by 'zencrypt backup', 'zencrypt restore' and 'zencrypt migrate up --data COPY'", dir, len(waiting))
	}
}

type migrateStatusCmd struct {
	dataPlace `embed:""`
	JSON      bool `name:"json" help:"Print a JSON object."`
}

// Help is the long text of `zencrypt migrate status --help`.
func (migrateStatusCmd) Help() string { return exitCodes }

func (c *migrateStatusCmd) Run(e *env) error {
	states, copies, _, _, err := c.status(e)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(map[string]any{"migrations": states, "copies": append([]models.CopyState{}, copies...)})
	}
	var text strings.Builder
	for _, s := range states {
		when := "not applied"
		switch {
		case !s.Known:
			when = "of a newer version"
		case s.Applied != nil:
			when = "applied " + s.Applied.Format(time.RFC3339)
		}
		fmt.Fprintf(&text, "%-12s  %s %-10s  %s\n", s.Database, s.Name, s.Comment, when)
	}
	for _, k := range copies {
		fmt.Fprintf(&text, "copy of %s  %s\n", k.Time.Format(time.RFC3339), absolute(k.Path))
	}
	_, err = fmt.Fprint(e.stdout, text.String())
	return err
}

type migrateUpCmd struct {
	dataPlace `embed:""`
	JSON      bool `name:"json" help:"Print a JSON object: what was applied, and where copies lie."`
}

// Help is the long text of `zencrypt migrate up --help`.
func (migrateUpCmd) Help() string {
	return `Each migration runs in a transaction. No server may run.

` + exitCodes
}

func (c *migrateUpCmd) Run(e *env) error {
	if err := c.exists(); err != nil {
		return err
	}
	e.worksOn(c.Data)
	unlock, err := lock(filepath.Join(c.Data, lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	before, _, main, sessions, err := c.status(e)
	if err != nil {
		return err
	}
	if err := c.ready(e); err != nil {
		return err
	}
	if err := models.MigrateUp(e.ctx, c.Data, main, sessions, time.Now); err != nil {
		return err
	}
	done := []models.MigrationState{}
	after, copies, _, _, err := c.status(e)
	if err != nil {
		return err
	}
	for _, s := range after {
		was := slices.ContainsFunc(before, func(b models.MigrationState) bool {
			return b.Database == s.Database && b.Name == s.Name && b.Applied != nil
		})
		if !was && s.Applied != nil {
			done = append(done, s)
		}
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(map[string]any{"applied": done, "copies": append([]models.CopyState{}, copies...)})
	}
	var text strings.Builder
	for _, s := range done {
		fmt.Fprintf(&text, "%-12s  %s %-10s  applied\n", s.Database, s.Name, s.Comment)
	}
	if len(done) == 0 {
		fmt.Fprintln(&text, "Nothing to do: the databases are up to date.")
	} else if len(copies) > 0 {
		fmt.Fprintf(&text, "What zencrypt.db was before lies in %s\n", absolute(copies[0].Path))
	}
	_, err = fmt.Fprint(e.stdout, text.String())
	return err
}

type migrateDownCmd struct {
	dataPlace `embed:""`
	JSON      bool `name:"json" help:"Print a JSON object: what was taken back, and where the copy lies."`
	Yes       bool `name:"yes" short:"y" help:"Do not ask."`
}

// Help is the long text of `zencrypt migrate down --help`.
func (migrateDownCmd) Help() string {
	return `Takes back the last migration of zencrypt.db, one at each call, so that an older version can be started. What the
migration added goes, with what stands in it; a copy of the database is made first, which no later copy displaces: it
goes after 30 days. sessions.db is removed, since the older version would refuse it: everybody logs in anew, and results
that wait are gone. The version that is started next
must be the older one: this one would apply the migration again. The oldest schema stays, and so does the one of the
imports while accounts of an older Zencrypt wait for their people, whom nothing could let in afterwards. No server may run.

` + exitCodes
}

func (c *migrateDownCmd) Run(e *env) error {
	if err := c.exists(); err != nil {
		return err
	}
	e.worksOn(c.Data)
	unlock, err := lock(filepath.Join(c.Data, lockFile))
	if err != nil {
		return err
	}
	defer unlock()
	states, _, main, _, err := c.status(e)
	if err != nil {
		return err
	}
	var applied []string
	for _, s := range states {
		if s.Database != "zencrypt.db" || s.Applied == nil {
			continue
		}
		if !s.Known {
			return fmt.Errorf("migrate down: a newer version applied %s: only that version can take it back", s.Name)
		}
		applied = append(applied, s.Name)
	}
	last, err := models.Undoable(applied, main)
	if err != nil {
		return err
	}
	if err := models.MayUndo(e.ctx, c.Data, last.Name); err != nil {
		return err
	}
	if !c.Yes {
		loses, err := c.loses(e, last.Name)
		if err != nil {
			return err
		}
		if err := e.confirm(fmt.Sprintf("This takes back %s (%s)%s.", last.Name, last.Comment, loses), last.Name); err != nil {
			return err
		}
	}
	if err := c.ownCopies(); err != nil {
		return err
	}
	name, path, err := models.MigrateDown(e.ctx, c.Data, main, time.Now)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(map[string]any{"undone": name, "copy": absolute(path)})
	}
	_, err = fmt.Fprintf(e.stdout, "%s is taken back. What the database was before lies in %s\n", name, absolute(path))
	return err
}

// loses says what stands in the tables that go.
func (c *migrateDownCmd) loses(e *env, name string) (string, error) {
	tables, err := migrations.Drops(name)
	if err != nil || len(tables) == 0 {
		return "", err
	}
	rows, err := models.Rows(e.ctx, c.Data, tables)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, t := range tables {
		parts = append(parts, fmt.Sprintf("%s (%d rows)", t, rows[t]))
	}
	return " and removes " + strings.Join(parts, ", "), nil
}

// notUnderServer refuses to change the schema while a server of an older version works with it.
func notUnderServer(e *env, data string) error {
	waiting, err := dataPlace{Data: data}.waiting(e)
	if err != nil || len(waiting) == 0 {
		return err
	}
	unlock, err := lock(filepath.Join(data, lockFile))
	if err != nil {
		return fmt.Errorf("open database: the server that runs on %s is of an older version. Start this version in its place first", absolute(data))
	}
	unlock()
	return nil
}
