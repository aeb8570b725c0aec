package blobs

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

var (
	// ErrQuota: the owner has no room left. A [*SpaceError] says how much.
	ErrQuota = errors.New("quota is used up")
	// ErrSpoolFull: the files in the spool would exceed Options.SpoolMax.
	ErrSpoolFull = errors.New("temporary storage is full")
	// ErrDisk: the file system is full, or would fall below Options.MinFree.
	ErrDisk = errors.New("disk is full")
	// ErrDamaged: a file is not what was written: changed, cut short, longer,
	// or another one in its place.
	ErrDamaged = errors.New("stored file is damaged")
	// ErrClosed: a Writer was used after Commit or Abort.
	ErrClosed = errors.New("blob writer is closed")
)

// SpaceError says why there is no room. All sizes are bytes; under ErrDisk
// from a failed write they are 0, since only the system knows them.
type SpaceError struct {
	Kind  error // ErrQuota, ErrSpoolFull or ErrDisk
	Want  int64 // what was asked for
	Used  int64 // ErrQuota, ErrSpoolFull: in use or reserved already
	Limit int64 // ErrQuota, ErrSpoolFull: the limit; ErrDisk: what must stay free
	Free  int64 // ErrDisk: what is free and promised to nobody
	Err   error // the system's error, if there is one
}

func (e *SpaceError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("%v: %v", e.Kind, e.Err)
	case e.Kind == ErrDisk:
		return fmt.Sprintf("%v: %d bytes wanted, %d free, %d must stay free", e.Kind, e.Want, e.Free, e.Limit)
	default:
		return fmt.Sprintf("%v: %d bytes wanted, %d of %d used", e.Kind, e.Want, e.Used, e.Limit)
	}
}

// Unwrap lets errors.Is find the kind and the system's error.
func (e *SpaceError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// diskError marks the errors that mean "no room": ENOSPC (full), EDQUOT (the
// file system's own quota) and EFBIG (RLIMIT_FSIZE or the largest file).
func diskError(err error) error {
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) && !errors.Is(err, ErrDisk) {
			return &SpaceError{Kind: ErrDisk, Err: err}
		}
	}
	return err
}

// Refused tells an error by which the disk refused a write: no room (also of inodes), a broken device, or a file
// system that was made read-only. EFBIG is about one file, and not among them.
func Refused(err error) bool {
	return Full(err) || errors.Is(err, syscall.EIO) || errors.Is(err, syscall.EROFS)
}

// Full tells the errors of these that mean "no room".
func Full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// failed tells who wants to know that the disk refused a write, and hands the error on.
func (s *Store) failed(err error) error {
	if s.opts.Failed != nil && Refused(err) {
		s.opts.Failed(err)
	}
	return err
}

// closed is why nothing may be written at present.
func (s *Store) closed() error {
	if s.opts.Closed == nil {
		return nil
	}
	return s.opts.Closed()
}

// damagedError marks whatever the wrap reports as ErrDamaged, but for the
// system's own read errors, which say nothing about the content.
func damagedError(err error) error {
	var sys *fs.PathError
	if errors.As(err, &sys) || errors.Is(err, ErrDamaged) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}
