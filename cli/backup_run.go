package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"zencrypt/backup"
	"zencrypt/blobs"
	"zencrypt/models"
	"zencrypt/nofollow"
)

// A backupRun copies the data of a server that may be running.
//
// The database and the blobs have to fit: every blob that a copied row names must be there. A row is written after its
// blob is on the disk and goes before it, and a blob never changes. So the blobs are copied first, which takes long,
// then the database, in one moment, and then the blobs that came meanwhile. A blob that is gone by then was deleted,
// or its item stands under another one since (a rewrap): the copy of the database is too old, and another one is
// taken, until each blob that it names was found. A blob that several copies in a row name and that is not there is
// lost in the data itself; the backup is made without it, and says so.
type backupRun struct {
	e     *env
	data  string
	began time.Time
	work  string // a folder for the copy of the database: it stays on the data's own disk until it is encrypted
	lock  *os.File
	shown *progress
	lost  []models.ID            // neither in the data nor in the backup
	named map[models.ID]struct{} // by the copy of the database
	floor int64                  // bytes that have to stay free in the data directory beside the copy of the database
	ahead []string               // backups beside this one whose names are of a time to come
}

// backupTries is how many copies of the database are taken at most.
const backupTries = 5

// sink is a backup being written.
type sink interface {
	Has(id string) bool
	Add(name string, size int64, src io.Reader) error
	Finish(h backup.Head, needed func(id string) bool) (*backup.Manifest, error)
}

func newBackupRun(e *env, data string) (*backupRun, error) {
	if err := needDatabase(data); err != nil {
		return nil, err
	}
	r := &backupRun{e: e, data: data, began: time.Now().UTC(), work: filepath.Join(data, backupWork)}
	var err error
	if r.lock, err = lockBackup(data); err != nil {
		return nil, err
	}
	e.worksOn(data)
	if err = clearBackupWork(data); err == nil {
		err = makeOwned(data, backupWork)
	}
	if err != nil {
		_ = r.lock.Close()
		return nil, fmt.Errorf("make room for the copy: %w", err)
	}
	return r, nil
}

// room refuses a copy of the database with which a server would save nothing any more: that begins at half of the free disk
// that it wants, and ends at five eighths. The copy holds what the log holds, too.
func (r *backupRun) room() error {
	var size int64
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(filepath.Join(r.data, backup.Database+suffix)); err == nil {
			size += info.Size()
		}
	}
	_, free, err := diskSize(r.data)
	if err != nil {
		return fmt.Errorf("read free space: %w", err)
	}
	if keep := r.floor / 8 * 5; free-size < keep {
		return fmt.Errorf("copy database: that takes up to %s in %s, where %s are free, and %s are to stay so, of the %s of --min-free-disk. Make room first",
			humanize.IBytes(uint64(size)), r.data, humanize.IBytes(uint64(free)), humanize.IBytes(uint64(keep)), humanize.IBytes(uint64(r.floor)))
	}
	return nil
}

func (r *backupRun) close() {
	r.hide()
	_ = clearBackupWork(r.data)
	_ = r.lock.Close()
}

// write fills a backup and finishes it.
func (r *backupRun) write(to sink) (*backup.Manifest, error) {
	if err := r.room(); err != nil { // before what takes long
		return nil, err
	}
	live, err := models.NamedBlobs(r.e.ctx, r.data)
	if err != nil {
		return nil, err
	}
	r.show(live)
	if _, err := r.copyBlobs(to, live); err != nil {
		return nil, err
	}
	var before []models.ID
	for try := 1; ; try++ {
		if err := r.room(); err != nil {
			return nil, err
		}
		path := filepath.Join(r.work, backup.Database)
		facts, err := models.Snapshot(r.e.ctx, r.data, path)
		if err != nil {
			return nil, err
		}
		models.Failpoint("backup-snapshot")
		missing, err := r.copyBlobs(to, facts.Blobs)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(missing, func(a, b models.ID) int { return slices.Compare(a[:], b[:]) })
		if len(missing) == 0 || slices.Equal(missing, before) || try == backupTries {
			r.lost, r.named = missing, facts.Blobs
			return r.finish(to, path, facts)
		}
		before = missing
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("copy database: %w", err)
		}
	}
}

func (r *backupRun) finish(to sink, path string, facts models.Facts) (*backup.Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("copy database: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("copy database: %w", err)
	}
	// From here on a kill leaves nothing of it.
	if err := os.Remove(path); err != nil {
		return nil, fmt.Errorf("copy database: %w", err)
	}
	if err := to.Add(backup.Database, info.Size(), r.reader(f, backup.Database)); err != nil {
		return nil, err
	}
	models.Failpoint("backup-database")
	h := backup.Head{Version: Version(), ServerKeys: facts.ServerKeys, Missing: len(r.lost)}
	if n := len(facts.Migrations); n > 0 {
		h.Migration = facts.Migrations[n-1]
	}
	return to.Finish(h, func(id string) bool {
		b, err := blobs.ParseID(id)
		if err != nil {
			return false
		}
		_, ok := facts.Blobs[models.ID(b)]
		return ok
	})
}

// copyBlobs copies what is not there yet, and returns what is gone.
func (r *backupRun) copyBlobs(to sink, ids map[models.ID]struct{}) (missing []models.ID, err error) {
	for id := range ids {
		if r.e.ctx.Err() != nil {
			return nil, errInterrupted
		}
		name := blobs.ID(id).String()
		if to.Has(name) {
			continue
		}
		switch err := r.copyBlob(to, name); {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, id)
		case err != nil:
			return nil, err
		}
		models.Failpoint("backup-blob")
	}
	return missing, nil
}

// onlyHere lists files that a folder has from an earlier backup while the data lost them. What was deleted since the
// database was copied has no row any more: a row goes before its file.
func (r *backupRun) onlyHere() (gone []models.ID, err error) {
	for id := range r.named {
		_, err := os.Lstat(filepath.Join(r.data, blobs.Blobs.String(), blobs.ID(id).String()))
		if errors.Is(err, fs.ErrNotExist) && !slices.Contains(r.lost, id) {
			gone = append(gone, id)
		}
	}
	if len(gone) == 0 {
		return nil, nil
	}
	live, err := models.NamedBlobs(r.e.ctx, r.data)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(gone, func(id models.ID) bool { _, ok := live[id]; return !ok }), nil
}

func (r *backupRun) copyBlob(to sink, id string) error {
	path := filepath.Join(r.data, blobs.Blobs.String(), id)
	f, err := nofollow.File(r.data, path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, bare(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read %s: %w", path, bare(err))
	}
	// Without %w: a failure of the backup's own folder is not one of the blob.
	if err := to.Add(backup.BlobName(id), info.Size(), r.reader(f, path)); errors.Is(err, fs.ErrNotExist) {
		return errors.New(err.Error())
	} else if err != nil {
		return err
	}
	return nil
}

// show begins to show on a terminal how much was copied.
func (r *backupRun) show(ids map[models.ID]struct{}) {
	if !isTerminal(r.e.stderr) {
		return
	}
	var size int64
	for id := range ids {
		if info, err := os.Stat(filepath.Join(r.data, blobs.Blobs.String(), blobs.ID(id).String())); err == nil {
			size += info.Size()
		}
	}
	r.shown = &progress{out: r.e.stderr, name: "backup", size: size, start: time.Now()}
}

func (r *backupRun) hide() {
	if r.shown != nil {
		r.shown.wipe()
		r.shown = nil
	}
}

func (r *backupRun) reader(f *os.File, name string) io.Reader {
	src := io.Reader(&untilDone{ctx: r.e.ctx, src: f, name: name})
	if r.shown != nil {
		r.shown.src = src
		return r.shown
	}
	return src
}

// done notes the backup in the database and tells of it. That a file was missing is a failure, though the backup of
// all else is made: nobody reads the warnings of a timer.
func (r *backupRun) done(m *backup.Manifest, encrypted bool) error {
	r.hide()
	if err := models.NoteBackup(r.e.ctx, r.data, models.Backup{Time: m.Time, Bytes: m.Bytes(), Encrypted: encrypted}); err != nil {
		return fmt.Errorf("note the backup, which is made: %w", err)
	}
	if n := len(r.lost); n > 0 {
		return fmt.Errorf("back up: it is made, but %d files that the database names are not in %s, the first is %s", n,
			filepath.Join(r.data, blobs.Blobs.String()), r.lost[0])
	}
	gone, err := r.onlyHere()
	if err != nil {
		return fmt.Errorf("compare the backup, which is made, with the data: %w", err)
	}
	if n := len(gone); n > 0 {
		return fmt.Errorf("back up: it is made, but has %d files that the database names and %s lost, the first is %s. Put them back from the backup", n,
			filepath.Join(r.data, blobs.Blobs.String()), gone[0])
	}
	if n := len(r.ahead); n > 0 {
		return fmt.Errorf("back up: it is made, but %d others beside it have names of a time to come, the first is %s: a clock was wrong. They are kept and not counted; "+
			"rename or remove them", n, r.ahead[0])
	}
	fmt.Fprintf(r.e.stderr, "Backed up: %s. It opens with %s, which is not in it.\n", summary(m), keysOf(m.Head))
	if !encrypted {
		fmt.Fprintln(r.e.stderr, "It is not encrypted: logins, sizes and times can be read in it.")
	}
	return nil
}
