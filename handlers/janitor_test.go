package handlers

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestClean_Copies: a copy of before an upgrade, which holds what is deleted later, goes when it is 30 days old: while the
// server runs, and at its start.
func TestClean_Copies(t *testing.T) {
	s := newServer(t)
	dir := filepath.Join(s.dir, "upgrades")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	young, old := filepath.Join(dir, "zencrypt-20260101000200.db"), filepath.Join(dir, "zencrypt-20260101000100.db")
	for what, clean := range map[string]func() error{
		"running": func() error { s.Clean(t.Context()); return nil },
		"started": func() error { return s.Recover(t.Context()) },
	} {
		for path, age := range map[string]time.Duration{young: 29 * 24 * time.Hour, old: 31 * 24 * time.Hour} {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, time.Now().Add(-age), time.Now().Add(-age)); err != nil {
				t.Fatal(err)
			}
		}
		if err := clean(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the old copy: %v", what, err)
		}
		if _, err := os.Stat(young); err != nil {
			t.Errorf("%s: the young copy: %v", what, err)
		}
	}
}

// TestClean_Ended: cleaning that the end of the server cuts short is no failure that the log tells of.
func TestClean_Ended(t *testing.T) {
	s := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Clean(ctx)
	if said := s.log.String(); strings.Contains(said, "cleaning failed") {
		t.Error(said)
	}
}
