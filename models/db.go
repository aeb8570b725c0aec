// Package models keeps accounts, keys, vault items, sessions and results.
//
// Two SQLite databases lie in the data folder: zencrypt.db, which backups take,
// and sessions.db, which none takes. What a person wrote is sealed there under
// the person's account key (see crypto/seal); the stores take an [Unlocked] that
// holds this key for the length of a request and hand out opened values.
//
// Each column named sealed_* is bound to its table, column, row and user. Sealed
// structures are JSON.
package models

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"

	"zencrypt/crypto/password"
)

const (
	mainFile     = "zencrypt.db"
	sessionsFile = "sessions.db"
)

// Options are what Open needs.
type Options struct {
	Dir            string // the data folder, made with mode 0700
	Main, Sessions *migrate.Migrations
	Now            func() time.Time // nil: time.Now
	Pepper         PepperKeys
	KDF            password.Params // zero: password.DefaultParams
	// SessionIdle ends a session that nobody uses, SessionMax any session, ResultTTL a
	// result. Zero: 30 minutes, 12 hours, 1 hour.
	SessionIdle, SessionMax, ResultTTL time.Duration
	// Words are those of the place, which no password is made of: see password.PlaceWords.
	Words []string
}

// DB is both databases and the stores on them.
type DB struct {
	Accounts    *Accounts
	Sessions    *Sessions
	Items       *Items
	Keys        *Keys
	People      *People
	Results     *Results
	Imports     *Imports
	Factors     *Factors
	Passkeys    *Passkeys
	Activity    *Activity
	Invitations *Invitations

	main, sessions *sqliteDB
	now            func() time.Time
	kdf            *kdf
	opts           Options
	ready          readiness
	space          space
	upkept         atomic.Int64 // when the last upkeep was finished, in milliseconds
}

// metaRow is a fact about the database itself.
type metaRow struct {
	bun.BaseModel `bun:"table:meta"`

	Name  string `bun:",pk"`
	Value string
}

const (
	metaServerKey = "server_key"
	metaReady     = "ready"
)

// Exists reports whether a folder holds a database: then a new server key must not
// be made for it. One that can't be looked into may hold one, see [Find].
func Exists(dir string) bool {
	found, err := Find(dir)
	return found || err != nil
}

// Find reports whether a folder holds a database, or why that can't be told, such as for want of permission.
func Find(dir string) (found bool, err error) {
	info, err := os.Stat(filepath.Join(dir, mainFile))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	return err == nil && info.Size() > 0, err
}

// Open opens or makes the databases in o.Dir, brings their schema up to date and
// checks that the server key is theirs ([ErrServerKey]).
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.KDF == (password.Params{}) {
		o.KDF = password.DefaultParams()
	}
	o.SessionIdle = orDefault(o.SessionIdle, 30*time.Minute)
	o.SessionMax = orDefault(o.SessionMax, 12*time.Hour)
	o.ResultTTL = orDefault(o.ResultTTL, time.Hour)
	if _, ok := o.Pepper.Keys[o.Pepper.Active]; !ok {
		return nil, errors.New("open database: the active server key is not among the keys given")
	}
	k, err := newKDF(o.KDF)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := MakeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	db := &DB{now: o.Now, opts: o, kdf: k}
	copies := copies{dir: filepath.Join(o.Dir, CopiesDir), now: o.Now}
	if db.main, err = db.openOne(ctx, mainFile, o.Main, copies.take); err != nil {
		return nil, err
	}
	if err := db.checkServerKey(ctx); err != nil {
		return nil, errors.Join(err, db.main.Close())
	}
	if db.sessions, err = db.openOne(ctx, sessionsFile, o.Sessions, nil); err != nil {
		return nil, errors.Join(err, db.main.Close())
	}
	db.main.db, db.sessions.db = db, db
	db.Accounts = &Accounts{db}
	db.Sessions = &Sessions{db: db}
	db.Items = &Items{db}
	db.Keys = &Keys{db}
	db.People = &People{db}
	db.Results = &Results{db}
	db.Imports = &Imports{db}
	db.Factors = &Factors{db}
	db.Passkeys = &Passkeys{db}
	db.Activity = &Activity{db: db}
	db.Invitations = &Invitations{db}
	return db, nil
}

// openOne opens one of the databases. Its log's index, 32 KiB, has no room on a full disk: the reserve is given up for
// it, so that people can read.
func (db *DB) openOne(ctx context.Context, name string, ms *migrate.Migrations, before func(context.Context, *sqliteDB, string) error) (*sqliteDB, error) {
	path := filepath.Join(db.opts.Dir, name)
	s, err := openSQLite(ctx, path, ms, before)
	if diskRefused(err) != "" && db.giveReserve() {
		return openSQLite(ctx, path, ms, before)
	}
	return s, err
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

// readyEvery is how long an answer of Ready holds: who asks often must not make the disk
// sync as often.
const readyEvery = 5 * time.Second

// readiness is the last answer of Ready.
type readiness struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// Ready writes one row to the disk, at most every 5 seconds: the error says why no write
// works, see [DB.Why]. While the server is read-only nothing is tried. Those who ask meanwhile get the last answer.
func (db *DB) Ready(ctx context.Context) error {
	if err := db.Saving(); err != nil {
		return err
	}
	last := &db.ready
	last.mu.Lock()
	defer last.mu.Unlock()
	if age := db.now().Sub(last.at); age >= 0 && age < readyEvery {
		return last.err
	}
	err := db.writeReady(ctx, trial)
	if diskRefused(err) != "" {
		db.Suspect(context.WithoutCancel(ctx))
	}
	if ctx.Err() == nil { // else it is about who asked
		last.at, last.err = db.now(), err
	}
	return err
}

func (db *DB) writeReady(ctx context.Context, how attempt) error {
	row := metaRow{Name: metaReady, Value: fmt.Sprint(millis(db.now()))}
	return db.main.transact(ctx, how, func(ctx context.Context, tx bun.Tx) error {
		_, err := tx.NewInsert().Model(&row).On("CONFLICT (name) DO UPDATE").Set("value = EXCLUDED.value").Exec(ctx)
		return err
	})
}

// Close closes the databases.
func (db *DB) Close() error {
	return errors.Join(db.sessions.Close(), db.main.Close())
}
