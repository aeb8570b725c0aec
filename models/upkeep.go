package models

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// What is done to the databases while they are used: the log is written back and emptied, freed pages go back to the
// disk, what was deleted is overwritten where SQLite left a copy, the planner's figures are kept fresh, and now and
// then a database is read through. Each step has its turn among those who write, and a short one.

const (
	// scrubMax is the size in bytes up to which a database is written anew after a deletion. VACUUM builds the
	// copy in memory (temp_store), and writers wait for it: 16 MiB take a tenth of a second.
	scrubMax = 16 << 20
	// vacuumPages are the free pages that are given back in one turn: pages of the file's end move into their
	// places, through the log. 1 MiB.
	vacuumPages = 256
	// truncatePages is how many pages are given back before the log, which has grown by as many, is emptied. 32 MiB.
	truncatePages = 8192
	// optimizeEvery is how often the planner's figures are looked at; SQLite makes new ones only where they have
	// changed much.
	optimizeEvery = 6 * time.Hour
	// checkEvery is how often a database up to checkMax bytes is read through while nobody writes. Longer ones are
	// left to `PRAGMA integrity_check` on a backup, which restore --check makes: as long as it reads, the log
	// can't be emptied.
	checkEvery = 24 * time.Hour
	checkMax   = 256 << 20
)

// Checkpoint scrubs both databases and truncates their logs, so that what was deleted is
// gone from the disk; of a database above 16 MiB, all but what scrub says.
// It is Unavailable while a reader holds a log; the next call gets it.
func (db *DB) Checkpoint(ctx context.Context) error {
	ctx = Unhurried(ctx)
	return errors.Join(db.main.checkpoint(ctx), db.sessions.checkpoint(ctx))
}

// Upkeep looks after both databases: once a minute. What is not due costs nothing.
func (db *DB) Upkeep(ctx context.Context) error {
	ctx = Unhurried(ctx)
	var err error
	for _, s := range []*sqliteDB{db.main, db.sessions} {
		if db.space.why() == "" {
			err = errors.Join(err, s.optimize(ctx, db.now()), s.checkIdle(ctx, db.now()))
		}
	}
	err = errors.Join(err, db.Checkpoint(ctx)) // at last, so that the log is empty
	if diskRefused(err) != "" {
		db.Suspect(ctx)
	}
	if err == nil {
		db.upkept.Store(millis(db.now()))
	}
	return err
}

// checkpoint writes the WAL back and truncates it: until then what was deleted
// can still be read there. Pages that deletion freed are given back to the disk.
func (s *sqliteDB) checkpoint(ctx context.Context) error {
	var err error
	if s.db == nil || s.db.space.why() != WhyFull { // both write to the log before they free anything
		err = s.scrub(ctx)
		if err == nil {
			err = s.giveBack(ctx)
		}
	}
	return errors.Join(err, s.truncate(ctx))
}

// giveBack gives the pages that deletion freed back to the disk. Between its turns others write.
func (s *sqliteDB) giveBack(ctx context.Context) error {
	moved := 0
	for before := int64(math.MaxInt64); ; {
		free, err := s.pragma(ctx, "freelist_count")
		if err != nil {
			return fmt.Errorf("give back free pages: %w", err)
		}
		s.free.Store(free)
		if free == 0 || free >= before {
			return nil
		}
		before = free
		if err := s.exec(ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumPages)); err != nil {
			return fmt.Errorf("give back free pages: %w", err)
		}
		if moved += vacuumPages; moved >= truncatePages {
			moved = 0
			if err := s.truncate(ctx); err != nil {
				return err
			}
		}
	}
}

// truncate writes the log back and empties it. It is Unavailable while a reader holds it.
func (s *sqliteDB) truncate(ctx context.Context) error {
	var busy, pages, moved int
	err := s.hold(ctx, longTime, func(ctx context.Context) error {
		// A reader that holds the log must not hold up whoever wants to write: the next turn empties it.
		if _, err := s.w.ExecContext(ctx, "PRAGMA busy_timeout = 200"); err != nil {
			return err
		}
		defer func() { _, _ = s.w.ExecContext(context.WithoutCancel(ctx), "PRAGMA busy_timeout = 5000") }()
		return s.w.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved)
	})
	if err != nil {
		return storeError(fmt.Errorf("checkpoint: %w", err))
	}
	if busy != 0 {
		return fail(Unavailable, "checkpoint: a reader holds the log, try again", nil)
	}
	return nil
}

// scrub writes the database anew when something was deleted. secure_delete overwrites the deleted cell,
// and not the copies that SQLite left in a page's free space when it moved the cell there before: without
// this a fragment of one in 2,000 deleted values stayed (measured with 16,000).
func (s *sqliteDB) scrub(ctx context.Context) error {
	if !s.stale.Load() {
		return nil
	}
	pages, err := s.pragma(ctx, "page_count")
	if err != nil {
		return fmt.Errorf("scrub: %w", err)
	}
	size, err := s.pragma(ctx, "page_size")
	if err != nil {
		return fmt.Errorf("scrub: %w", err)
	}
	if pages*size > scrubMax {
		return nil
	}
	s.stale.Store(false) // before it: what is deleted meanwhile counts for the next time
	if err := s.exec(ctx, "VACUUM"); err != nil {
		s.stale.Store(true)
		return fmt.Errorf("scrub: %w", err)
	}
	return nil
}

// optimize lets SQLite look at the figures that its planner goes by: of all tables at the start, later of those that
// it read and that have changed (sqlite.org/pragma.html#pragma_optimize). analysis_limit bounds each to a few
// hundred rows of an index.
func (s *sqliteDB) optimize(ctx context.Context, now time.Time) error {
	ask := "PRAGMA optimize"
	switch last := s.optimized.Load(); {
	case last == 0:
		ask = "PRAGMA optimize = 0x10002"
	case now.Sub(fromMillis(last)) < optimizeEvery:
		return nil
	}
	if err := s.exec(ctx, ask); err != nil {
		return fmt.Errorf("optimize: %w", err)
	}
	s.optimized.Store(millis(now))
	return nil
}

// ErrDamaged is what a database is that was read through and is not as SQLite wrote it.
var ErrDamaged = errors.New("the database is damaged")

// checkIdle reads a database through, once a day when nobody wrote since the last time that this was asked.
func (s *sqliteDB) checkIdle(ctx context.Context, now time.Time) error {
	writes := s.writes.Load()
	idle := s.idleAt.Swap(writes) == writes
	last := s.checked.Load()
	if last == 0 { // the start is no time for it
		s.checked.Store(millis(now))
		return nil
	}
	if !idle || now.Sub(fromMillis(last)) < checkEvery || sizeOf(s.path) > checkMax {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, longTime)
	defer cancel()
	var verdict string
	if err := s.r.QueryRowContext(within, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return storeError(fmt.Errorf("check database: %w", err))
	}
	s.checked.Store(millis(now))
	s.damaged.Store(verdict != "ok")
	if verdict != "ok" {
		return fail(Internal, "check database", fmt.Errorf("%w: %s", ErrDamaged, verdict))
	}
	return nil
}

// pragma asks for a number.
func (s *sqliteDB) pragma(ctx context.Context, name string) (n int64, err error) {
	err = s.hold(ctx, longTime, func(ctx context.Context) error { return s.w.QueryRowContext(ctx, "PRAGMA "+name).Scan(&n) })
	return n, storeError(err)
}

// exec runs a statement of upkeep in its turn.
func (s *sqliteDB) exec(ctx context.Context, statement string) error {
	return storeError(s.hold(ctx, longTime, func(ctx context.Context) error {
		_, err := s.w.ExecContext(ctx, statement)
		return err
	}))
}
