package models

import (
	"context"
	"database/sql"
	"time"

	"github.com/uptrace/bun"
)

// attempt is what a write does while the server is read-only.
type attempt int

const (
	ordinary attempt = iota // it is refused at once
	anyway                  // it is tried: it lets a person in, locks or notes something
	freeing                 // it is tried, twice if need be, with the reserve given up in between: it deletes
	trial                   // it finds out whether the disk takes writes
)

// How long a statement, or a transaction that writes, may take. Pages take a few milliseconds; what takes longer
// holds a connection that others wait for.
const (
	readTime  = 5 * time.Second
	writeTime = 10 * time.Second
	// longTime is for work that goes through all of a database, see [Unhurried].
	longTime = 30 * time.Minute
)

type unhurried struct{}

// Unhurried gives what is done in its context half an hour for each statement: imports, cleaning up, looking through
// everything. Nobody waits for its answer.
func Unhurried(ctx context.Context) context.Context { return context.WithValue(ctx, unhurried{}, true) }

// limit is how long something may take in a context, 0 when that has a deadline of its own.
func limit(ctx context.Context, usual time.Duration) time.Duration {
	if _, ok := ctx.Deadline(); ok {
		return 0
	}
	if ctx.Value(unhurried{}) != nil {
		return longTime
	}
	return usual
}

// write runs f in a transaction that holds the write lock from its beginning, so
// what f reads cannot change before it commits.
func (s *sqliteDB) write(ctx context.Context, f func(ctx context.Context, tx bun.Tx) error) error {
	return s.transact(ctx, ordinary, f)
}

// remove is write for what deletes: it is tried on a full disk too, with the reserve given up if need be. f may run
// twice then.
func (s *sqliteDB) remove(ctx context.Context, f func(ctx context.Context, tx bun.Tx) error) error {
	return s.transact(ctx, freeing, f)
}

// try is write for what is worth a try on a full disk.
func (s *sqliteDB) try(ctx context.Context, f func(ctx context.Context, tx bun.Tx) error) error {
	return s.transact(ctx, anyway, f)
}

func (s *sqliteDB) transact(ctx context.Context, how attempt, f func(ctx context.Context, tx bun.Tx) error) error {
	if s.db != nil {
		if how == ordinary {
			s.db.glance(ctx)
		}
		switch why := s.db.space.why(); {
		case why == "":
		case how == ordinary:
			return errNotSaved(why)
		}
	}
	run := func(ctx context.Context) error { return s.w.RunInTx(ctx, nil, f) }
	err := s.hold(ctx, writeTime, run)
	if how == freeing && s.db != nil && diskRefused(err) == WhyFull && s.db.giveReserve() {
		err = s.hold(ctx, writeTime, run)
	}
	if err == nil {
		if how != trial { // of a database that is only tried, nobody makes use
			s.writes.Add(1)
		}
		return nil
	}
	err = storeError(err)
	if s.db != nil && how != trial && diskRefused(err) != "" {
		s.db.Suspect(context.WithoutCancel(ctx))
	}
	return err
}

// hold runs f when it is its turn on the writing connection, for a time unless the context says how long.
func (s *sqliteDB) hold(ctx context.Context, usual time.Duration, f func(ctx context.Context) error) error {
	leave, err := s.queue.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	if d := limit(ctx, usual); d > 0 {
		within, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		ctx = within
	}
	return f(ctx)
}

// read runs f against one state of the database.
func (s *sqliteDB) read(ctx context.Context, f func(ctx context.Context, tx bun.Tx) error) error {
	if d := limit(ctx, readTime); d > 0 {
		within, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		ctx = within
	}
	return storeError(s.r.RunInTx(ctx, &sql.TxOptions{ReadOnly: true}, f))
}

// limitHook bounds each statement of the readers that stands alone. It leaves those alone whose rows are read after
// it: their context would end before.
type limitHook struct{}

type endOf struct{}

func (limitHook) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	d := limit(ctx, readTime)
	if e.IQuery == nil || d == 0 {
		return ctx
	}
	within, cancel := context.WithTimeout(ctx, d)
	return context.WithValue(within, endOf{}, cancel)
}

func (limitHook) AfterQuery(ctx context.Context, _ *bun.QueryEvent) {
	if cancel, ok := ctx.Value(endOf{}).(context.CancelFunc); ok {
		cancel()
	}
}
