package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"zencrypt/backup"
	"zencrypt/blobs"
	"zencrypt/crypto"
	"zencrypt/migrations"
	"zencrypt/models"
)

// check reads the backup through, the database too: it is copied to a folder of its own for that.
func (c *restoreCmd) check(e *env, keys crypto.Keys) (*backup.Manifest, error) {
	dir, err := os.MkdirTemp("", "zencrypt-check-") // for its owner alone
	if err != nil {
		return nil, fmt.Errorf("check the database: %w", err)
	}
	defer os.RemoveAll(dir)
	path, seen := filepath.Join(dir, backup.Database), map[string]struct{}{}
	m, err := c.read(e, keys, func(name string, _ int64) (io.WriteCloser, error) {
		if id, ok := backup.BlobID(name); ok {
			seen[id] = struct{}{}
			return discard{io.Discard}, nil
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		return f, err
	})
	if info, serr := os.Stat(c.Src); errors.Is(err, backup.ErrSealed) && serr == nil && info.IsDir() {
		if m, err = c.read(e, keys, nil); err == nil {
			fmt.Fprintln(e.stderr, "The files are as they were stored. The database was not looked into: name the private key with -i for that.")
		}
		return m, err
	}
	if err != nil {
		return nil, err
	}
	for _, f := range m.Files {
		if id, ok := backup.BlobID(f.Name); ok && f.Spare {
			delete(seen, id)
		}
	}
	return m, c.sound(e, m, path, func(id string) bool { _, ok := seen[id]; return ok })
}

type discard struct{ io.Writer }

func (discard) Close() error { return nil }

// checked looks at what was restored: the database is sound, of a version that this one knows, and its files are there.
func (c *restoreCmd) checked(e *env, m *backup.Manifest, work string) error {
	for _, f := range m.Files {
		if f.Spare {
			if err := os.Remove(filepath.Join(work, filepath.FromSlash(f.Name))); err != nil {
				return err
			}
		}
	}
	path := filepath.Join(work, backup.Database)
	err := c.sound(e, m, path, func(id string) bool {
		_, err := os.Stat(filepath.Join(work, blobs.Blobs.String(), id))
		return err == nil
	})
	if err != nil {
		return err
	}
	return models.MarkRestored(e.ctx, path, models.Restored{At: time.Now().UTC(), Of: m.Time})
}

// sound looks through a backup's database, and whether the files that it names are there.
func (c *restoreCmd) sound(e *env, m *backup.Manifest, path string, there func(id string) bool) error {
	known, err := migrations.Main()
	if err != nil {
		return err
	}
	facts, err := models.CheckCopy(e.ctx, path, known)
	if errors.Is(err, models.ErrDamaged) {
		return &codeError{exitDamaged, err}
	}
	if err != nil {
		return err
	}
	missing := 0
	for id := range facts.Blobs {
		if !there(blobs.ID(id).String()) {
			missing++
		}
	}
	if missing != m.Missing {
		return &codeError{exitDamaged, fmt.Errorf("%w: %d files that the database names are missing", backup.ErrDamaged, missing)}
	}
	return nil
}
