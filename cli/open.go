package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"zencrypt/blobs"
	"zencrypt/config"
	"zencrypt/migrations"
	"zencrypt/models"
	"zencrypt/secrets"
)

// The purposes that keys are derived from the server key for.
const (
	pepperInfo = "zencrypt/v1/pepper"
	loginInfo  = "zencrypt/v1/retired-login"
	deviceInfo = "zencrypt/v1/device"
)

// openKeys finds the server key, or makes it: only for a new database, only in the directory that was
// asked for or in ./secrets.
func openKeys(cfg config.Config, stderr io.Writer) (*secrets.Keyring, error) {
	dir, found := secrets.Find(cfg.SecretsAt(), os.Getenv, "")
	if cfg.InData(dir) {
		return nil, fmt.Errorf("use secrets %s: they lie in the data directory, so whoever copies the data has them too; move them beside it and name them with --secrets", dir)
	}
	if found {
		return secrets.Load(dir, secrets.LoadOptions{AllowShared: bool(cfg.SharedSecrets) || secrets.Mounted(dir, os.Getenv, "")})
	}
	if cfg.ServerKeyFile != "" {
		return nil, fmt.Errorf("find server key: there is no file %s", absolute(dir))
	}
	if models.Exists(cfg.Data) {
		return nil, fmt.Errorf("find server key: there is a database in %s but no %s in %s. Put the key back that was used with it, or name its directory with --secrets. "+
			"A new key would open no account by password; recovery codes do not depend on it and still open everything. If it is gone for good, see 'zencrypt secrets init --lost'", cfg.Data, secrets.KeyFile, dir)
	}
	ring, err := secrets.Create(dir)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(filepath.Join(dir, secrets.KeyFile))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(stderr, "\n"+
		"  ┌─ A NEW SERVER KEY WAS MADE ─────────────────────────────────────────\n"+
		"  │ %s\n"+
		"  │ Fingerprint %s\n"+
		"  │ Without it no password opens an account. Keep a copy somewhere safe,\n"+
		"  │ apart from the copies of the data. It is never made again by itself.\n"+
		"  └─────────────────────────────────────────────────────────────────────\n\n", abs, ring.Active.Fingerprint)
	return ring, nil
}

// openModels opens the databases with the peppers that belong to the server key's versions. No password is made of words.
func openModels(ctx context.Context, cfg config.Config, ring *secrets.Keyring, words ...string) (*models.DB, error) {
	main, err := migrations.Main()
	if err != nil {
		return nil, err
	}
	sessions, err := migrations.Sessions()
	if err != nil {
		return nil, err
	}
	peppers := models.PepperKeys{Active: ring.Active.Fingerprint, Keys: map[string]models.ServerKey{}}
	for _, k := range ring.All() {
		peppers.Keys[k.Fingerprint] = models.ServerKey{Pepper: k.Derive(pepperInfo), Logins: k.Derive(loginInfo)}
	}
	db, err := models.Open(ctx, models.Options{Dir: cfg.Data, Main: main, Sessions: sessions, Pepper: peppers,
		SessionIdle: cfg.SessionIdle, SessionMax: cfg.SessionMax, ResultTTL: cfg.ResultTTL, Words: words})
	if errors.Is(err, models.ErrServerKey) {
		return nil, fmt.Errorf("%w (the key read is %s in %s)", err, ring.Active.Fingerprint, ring.Dir)
	}
	return db, err
}

// needDatabase is for commands that are pointless without a database: one of a mistyped name is not made.
func needDatabase(data string) error {
	found, err := models.Find(data)
	if err != nil {
		return fmt.Errorf("find database: %w. Run this as the user of the server, or as root", err)
	}
	if !found {
		return fmt.Errorf("find database: there is none in %s. Name the server's data directory with --data or ZENCRYPT_DATA", absolute(data))
	}
	return nil
}

// makeData makes the data directory, for its owner alone.
func makeData(dir string) error {
	if err := models.MakeDir(dir); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at data directory: %w", err)
	}
	if m := info.Mode().Perm(); m&0o077 != 0 {
		return fmt.Errorf("use data directory %s: others can look into it (mode %04o). Type: chmod 700 %s", dir, m, dir)
	}
	if models.Exists(dir) {
		_ = os.Remove(filepath.Join(dir, restoring)) // empty: a restore was cut short when all was in its place
		return nil
	}
	if _, err := os.Lstat(filepath.Join(dir, restoring)); err == nil {
		return fmt.Errorf("use data directory %s: a backup is being restored to it, or that was cut short. Wait for the end of 'zencrypt restore'; "+
			"if none runs, empty the directory and restore again", dir)
	}
	// Under a new database every file would be without a row, and be removed.
	kept, err := os.ReadDir(filepath.Join(dir, blobs.Blobs.String()))
	if len(kept) > 0 {
		return fmt.Errorf("use data directory %s: it holds %d files of a vault but not the database that opens them. Put zencrypt.db back, or move the folder blobs away", dir, len(kept))
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

// absolute is a path that means the same everywhere, for people to read.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
