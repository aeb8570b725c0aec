package models

import (
	"context"
	"database/sql"
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// errQueue is for a writer that waited too long for its turn.
var errQueue = errors.New("no turn to write within the time")

// Busy tells an Unavailable error that passes by itself, since others hold the database or it was too
// slow, from one whose disk is full or refuses.
func Busy(err error) bool {
	var se *sqlite.Error
	if errors.As(err, &se) {
		switch se.Code() & 0xff { // the primary code: the low byte
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT:
			return ErrorCode(err) == Unavailable
		}
	}
	return ErrorCode(err) == Unavailable && (errors.Is(err, errQueue) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sql.ErrTxDone))
}
