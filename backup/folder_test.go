package backup

import (
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestOpenFolder_Synced: the name of a new folder is on the disk before anything is in it, and that of an old one was.
func TestOpenFolder_Synced(t *testing.T) {
	above := t.TempDir()
	dir := filepath.Join(above, "new")
	for _, want := range [][]string{{above}, nil} {
		var synced []string
		f, err := openFolder(dir, time.Now(), Seal{}, func(dir string) error { synced = append(synced, dir); return syncDir(dir) })
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(synced, want) {
			t.Errorf("synced %q, want %q", synced, want)
		}
	}
}
