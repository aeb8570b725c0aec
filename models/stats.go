package models

import (
	"os"
	"time"
)

// Stats is how the two databases fare, for whoever watches the server. It names nobody. Counters begin at the start.
type Stats struct {
	WriteQueue       int    // writers that wait for their turn now
	Writes           uint64 // transactions that were committed
	WriteWait        Waits
	WriteWaitSeconds float64 // of all waits together
	// ReadOnly: nothing can be saved at present, for the reason in Why (one of the Why constants, "" else).
	ReadOnly bool
	Why      string
	// Size and WALSize are bytes on the disk, the log's counted apart. FreePages, of 4,096 bytes, are left by what was
	// deleted; as of the last upkeep.
	Size, WALSize, FreePages int64
	LastUpkeep               time.Time // zero: none was finished yet
	// Damaged: a database was read through and is not as SQLite wrote it. Restore a backup.
	Damaged bool
}

// Stats asks no database, so that it answers while one hangs.
func (db *DB) Stats() Stats {
	s := Stats{}
	for _, one := range []*sqliteDB{db.main, db.sessions} {
		waiting, waits := one.queue.stats()
		s.WriteQueue += waiting
		s.Writes += one.writes.Load()
		s.WriteWait = s.WriteWait.plus(waits)
		s.Size += sizeOf(one.path)
		s.WALSize += sizeOf(one.path + "-wal")
		s.FreePages += one.free.Load()
		s.Damaged = s.Damaged || one.damaged.Load()
	}
	s.WriteWaitSeconds = s.WriteWait.Seconds
	s.Why = db.space.why()
	s.ReadOnly = s.Why != ""
	if ns := db.upkept.Load(); ns != 0 {
		s.LastUpkeep = fromMillis(ns)
	}
	return s
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
