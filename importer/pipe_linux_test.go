package importer

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestV5_Pipe has pipes where collections could be: none is waited for.
func TestV5_Pipe(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "users.bson"), with(t, "n", 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "hashes.bson"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("hashes.bson", filepath.Join(dir, "encrypted_texts.bson")); err != nil {
		t.Fatal(err)
	}
	if f := readAll(t, openV5(dir, "")); len(f.accounts) != 1 || len(f.notes) < 2 {
		t.Error(f.order, f.notes)
	}
}
