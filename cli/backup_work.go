package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// backupLock is in each data directory, once a server or a backup was started.
const backupLock = "backup.lock"

// backupWork is the folder below the data directory that a run works in.
const backupWork = "backup.tmp"

var errBackupRuns = errors.New("another backup of it is being made")

// lockBackup makes sure that one backup alone is made of a data directory at a time. The lock stays, and is the
// directory's owner's, whoever made the first backup.
func lockBackup(data string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(data, backupLock), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	_ = give(f, data) // what could not be handed over is told at the end
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", data, errBackupRuns)
	}
	return f, nil
}

// clearBackupWork removes what a backup that was killed left: a copy of the database holds what is deleted later.
func clearBackupWork(data string) error { return os.RemoveAll(filepath.Join(data, backupWork)) }

// sweepBackupWork is clearBackupWork for a server that starts: a backup that is being made is left alone.
func sweepBackupWork(data string) error {
	f, err := lockBackup(data)
	if errors.Is(err, errBackupRuns) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(clearBackupWork(data), f.Close())
}
