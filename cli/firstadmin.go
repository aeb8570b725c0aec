package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

const (
	firstAdminFile = "first_admin" // beside the server key
	firstAdminLife = time.Hour
)

type firstAdminStore interface {
	CreateFirst(ctx context.Context, life time.Duration) (token string, ok bool, err error)
	FirstWaits(ctx context.Context) (bool, error)
	DropFirst(ctx context.Context) error
}

// firstAdmin is the link by which the first administrator registers: in a file that only who runs the server can read,
// for an hour and one use. The log and the terminal say where it is, never what.
type firstAdmin struct {
	store       firstAdminStore
	dir, origin string
	log         *slog.Logger
}

func (f firstAdmin) path() string { return filepath.Join(f.dir, firstAdminFile) }

// offer writes a new link as long as the server has no account at all. Where the secrets can't be written, as when the
// platform mounts them, the command line is what remains.
func (f firstAdmin) offer(ctx context.Context, out io.Writer) error {
	token, ok, err := f.store.CreateFirst(ctx, firstAdminLife)
	if err != nil {
		return err
	}
	if !ok {
		f.tidy(ctx)
		return nil
	}
	if err := writePrivate(f.path(), f.origin+"/invite/"+token+"\n"); err != nil {
		f.log.Warn("no link for the first administrator, since it can't be written beside the server key: zencrypt user add --admin makes one", "error", err.Error())
		return f.store.DropFirst(ctx)
	}
	fmt.Fprintf(out, "Nobody has an account yet. The link in %s makes the administrator's, once, within an hour;\n"+
		"so does 'zencrypt user add --admin LOGIN'.\n", absolute(f.path()))
	return nil
}

// tidy removes the file once its link is used or too old.
func (f firstAdmin) tidy(ctx context.Context) {
	if _, err := os.Lstat(f.path()); errors.Is(err, fs.ErrNotExist) {
		return
	}
	waits, err := f.store.FirstWaits(ctx)
	if err == nil && !waits {
		err = os.Remove(f.path())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && ctx.Err() == nil {
		f.log.Warn("removing the first administrator's link failed; it opens nothing any more", "error", err.Error())
	}
}

// writePrivate writes a file that nobody else can read, in place of what was there, whatever that was.
func writePrivate(path, text string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}
