package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// firstStore is the invitations' store as far as the link's file is concerned.
type firstStore struct{ none, waits, dropped bool }

func (s *firstStore) CreateFirst(context.Context, time.Duration) (string, bool, error) {
	return "zq-the-token", s.none, nil
}
func (s *firstStore) FirstWaits(context.Context) (bool, error) { return s.waits, nil }
func (s *firstStore) DropFirst(context.Context) error          { s.dropped = true; return nil }

func TestFirstAdmin(t *testing.T) {
	var log strings.Builder
	store := &firstStore{none: true, waits: true}
	f := firstAdmin{store: store, dir: t.TempDir(), origin: "https://zen.example", log: slog.New(slog.NewTextHandler(&log, nil))}
	// What lies there is replaced, not written through: a link could lead anywhere.
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Symlink(elsewhere, f.path()); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := f.offer(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(f.path())
	if err != nil || string(text) != "https://zen.example/invite/zq-the-token\n" {
		t.Fatalf("the file holds %q: %v", text, err)
	}
	if info, err := os.Lstat(f.path()); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file has mode %v: %v", info.Mode(), err)
	}
	if _, err := os.Stat(elsewhere); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was written through a link: %v", err)
	}
	if !strings.Contains(out.String(), f.path()) || strings.Contains(out.String()+log.String(), "zq-the-token") {
		t.Errorf("what it says: %q, and in the log: %q", out.String(), log.String())
	}
	f.tidy(t.Context())
	if _, err := os.Stat(f.path()); err != nil {
		t.Errorf("the link went while it could be used: %v", err)
	}
	store.waits = false
	f.tidy(t.Context())
	if _, err := os.Stat(f.path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a used link stays: %v", err)
	}

	// With an account there, a start writes none and removes one that was left.
	store.none = false
	if err := os.WriteFile(f.path(), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.offer(t.Context(), io.Discard); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a link with accounts there: %v", err)
	}

	// Where nothing can be written, the server starts all the same, and no link waits.
	store.none = true
	f.dir = filepath.Join(f.dir, "none")
	out.Reset()
	if err := f.offer(t.Context(), &out); err != nil || !store.dropped || out.Len() != 0 {
		t.Errorf("without a place to write: %v, dropped %v, said %q", err, store.dropped, out.String())
	}
	if !strings.Contains(log.String(), "user add --admin") {
		t.Errorf("the log does not say what to do: %q", log.String())
	}
}
