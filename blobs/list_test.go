package blobs

import (
	"os"
	"path/filepath"
	"testing"
)

// TestList names whole files alone: what is being written and what is none of ours is left out.
func TestList(t *testing.T) {
	s := newStore(t)
	want := map[ID]int64{}
	for _, n := range []int{0, 1, chunk + 1} {
		ref := put(t, s, Blobs, randomBytes(n))
		want[ref.ID] = ref.Disk
	}
	dir := filepath.Dir(filePath(s, Blobs, ID{}))
	for _, name := range []string{newID().String() + partSuffix, "README", newID().String() + "0"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, newID().String()), 0o700); err != nil {
		t.Fatal(err)
	}
	err := List(dir, func(id ID, size int64) {
		if want[id] != size {
			t.Errorf("%s has %d bytes, want %d", id, size, want[id])
		}
		delete(want, id)
	})
	if err != nil || len(want) > 0 {
		t.Errorf("not listed: %v, %v", want, err)
	}
	if err := List(filepath.Join(dir, "none"), func(ID, int64) { t.Error("a folder that is not there has a file") }); err != nil {
		t.Error(err)
	}
}
