package blobs

import (
	"errors"
	"fmt"
	"io"
	"os"

	"zencrypt/crypto/agefile"
)

// Writer writes one new file. It belongs to one goroutine. Every Writer ends
// with Commit or Abort; `defer w.Abort()` is right in both cases.
type Writer struct {
	store *Store
	area  Area
	id    ID
	key   [16]byte
	file  *os.File
	wrap  io.WriteCloser
	res   *Reservation
	size  int64 // bytes inside the wrap
	disk  int64 // bytes written to the file
	begun int64 // of these, the disk was told to begin with
	err   error // set when nothing more can be written
	done  func()
}

// Create begins a file. It stands as <id>.part (0600) until Commit.
func (s *Store) Create(a Area) (*Writer, error) {
	if err := s.closed(); err != nil {
		return nil, err
	}
	w := &Writer{store: s, area: a, id: newID()}
	w.done = s.markLive(a, w.id)
	var err error
	w.file, err = s.areas[a].root.OpenFile(w.id.String()+partSuffix, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		w.done()
		return nil, s.failed(fmt.Errorf("create file in %s: %w", a, diskError(err)))
	}
	w.wrap, w.key, err = agefile.SealFile(sink{w})
	if err != nil {
		w.Abort()
		return nil, s.failed(fmt.Errorf("create file in %s: %w", a, diskError(err)))
	}
	return w, nil
}

// Charge makes every byte that goes to the disk count against r, which grows
// when it was too small: a Write beyond the owner's quota fails then with the
// errors of [Store.Reserve]. Only the ones to come count, so call it at once.
func (w *Writer) Charge(r *Reservation) { w.res = r }

// ID is the file's name to be.
func (w *Writer) ID() ID { return w.id }

// Size is the number of bytes written so far, inside the wrap.
func (w *Writer) Size() int64 { return w.size }

// Write adds to the file. An error is final and removes what was written at
// once, so that a full disk has room again; a full disk is ErrDisk.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.wrap.Write(p)
	w.size += int64(n)
	if err != nil {
		return n, w.fail(err)
	}
	return n, nil
}

// Commit ends the wrap, syncs the file, gives it its name and syncs the folder.
// After it the file survives a power cut. On an error nothing is left.
func (w *Writer) Commit() (Ref, error) {
	if w.err != nil {
		return Ref{}, w.err
	}
	if err := w.commit(); err != nil {
		return Ref{}, w.fail(err)
	}
	w.err = ErrClosed
	w.done()
	return Ref{ID: w.id, Key: w.key, Size: w.size, Disk: w.disk}, nil
}

func (w *Writer) commit() error {
	if err := w.wrap.Close(); err != nil {
		return err
	}
	if err := w.store.syncFile(w.file); err != nil {
		return err
	}
	// Some network file systems report a failed write only here.
	if err := w.file.Close(); err != nil {
		return err
	}
	d := &w.store.areas[w.area]
	if err := d.root.Rename(w.id.String()+partSuffix, w.id.String()); err != nil {
		return err
	}
	return w.store.syncDir(d.dir)
}

// fail ends the Writer with err and removes the file.
func (w *Writer) fail(err error) error {
	err = fmt.Errorf("write file in %s: %w", w.area, diskError(err))
	w.discard()
	w.err = err
	return w.store.failed(err)
}

// Abort removes the file. After Commit or another Abort it does nothing.
func (w *Writer) Abort() error {
	if w.err != nil {
		return nil
	}
	w.err = ErrClosed
	return w.discard()
}

func (w *Writer) discard() error {
	defer w.done()
	w.file.Close()
	w.store.ledger.grewSpool(w.area, -w.disk)
	root := w.store.areas[w.area].root
	var errs []error
	// Both names: the folder's sync may have failed after the rename.
	for _, name := range []string{w.id.String() + partSuffix, w.id.String()} {
		if err := root.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove unfinished file from %s: %w", w.area, err))
		}
	}
	return errors.Join(errs...)
}

// flushStep is how many bytes are written before the disk is told to begin with
// them. Else the kernel keeps gigabytes back for the sync at the end, which an
// upload then waits for.
const flushStep = 8 << 20

// sink is where the wrap writes: it charges first, then writes.
type sink struct{ w *Writer }

func (k sink) Write(p []byte) (int, error) {
	w := k.w
	if w.res != nil {
		if err := w.res.charge(int64(len(p))); err != nil {
			return 0, err
		}
	}
	n, err := w.file.Write(p)
	w.disk += int64(n)
	w.store.ledger.grewSpool(w.area, int64(n))
	if w.disk-w.begun >= flushStep {
		startFlush(w.file, w.begun, w.disk-w.begun)
		w.begun = w.disk
	}
	return n, err
}
