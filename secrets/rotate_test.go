package secrets

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func reload(t *testing.T, dir string) *Keyring {
	t.Helper()
	k, err := Load(dir, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRotate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	k, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := []Key{k.Active}
	for n := 1; n <= 3; n++ {
		if k, err = Rotate(k); err != nil {
			t.Fatal(err)
		}
		on := reload(t, dir)
		if on.Active.Fingerprint != k.Active.Fingerprint || len(on.Older) != n || len(k.Older) != n {
			t.Fatalf("after %d: active %s, %d older on the disk, %d in memory", n, on.Active.Fingerprint, len(on.Older), len(k.Older))
		}
		for i, old := range seen {
			got, ok := on.ByFingerprint(old.Fingerprint)
			if !ok || got.Version != i+1 || !got.Secret.Equal(old.Secret) {
				t.Errorf("after %d: key %d is version %d, %v", n, i, got.Version, ok)
			}
			if mem, ok := k.ByFingerprint(old.Fingerprint); !ok || mem.Version != i+1 || mem.Path != got.Path {
				t.Errorf("after %d: in memory key %d is version %d, %v", n, i, mem.Version, ok)
			}
		}
		seen = append(seen, k.Active)
		for _, key := range on.All() {
			if info, err := os.Stat(key.Path); err != nil || info.Mode() != 0o400 {
				t.Errorf("%s: %v, %v", key.Path, info.Mode(), err)
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Errorf("%d files: %v", len(entries), err)
	}
}

// TestRotate_CutShort: a try that kept the old key and got no further is gone on with.
func TestRotate_CutShort(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	k, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(k.Active.Path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, KeyFile+".1"), string(b), 0o600)
	next, err := Rotate(reload(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	on := reload(t, dir)
	if len(on.Older) != 1 || len(next.Older) != 1 || on.Older[0].Fingerprint != k.Active.Fingerprint || on.Active.Fingerprint == k.Active.Fingerprint {
		t.Errorf("active %s, older %d", on.Active.Fingerprint, len(on.Older))
	}
}

// TestRotate_Fails: the keys stay what they are.
func TestRotate_Fails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	k, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Rotate(k); !errors.Is(err, ErrShared) {
		t.Errorf("a folder that others can write to: %v", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	// Somebody keeps another file under the next version's name.
	write(t, filepath.Join(dir, KeyFile+".1"), encoded('x'), 0o600)
	if _, err := Rotate(k); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a version that is there was replaced: %v", err)
	}
	if on := reload(t, dir); on.Active.Fingerprint != k.Active.Fingerprint {
		t.Error("the active key is another")
	}
	gone := *k
	gone.Dir = filepath.Join(dir, "nowhere")
	if _, err := Rotate(&gone); !errors.Is(err, ErrMissing) {
		t.Errorf("a folder that is gone: %v", err)
	}
}

func TestRemove(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	k, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if k, err = Rotate(k); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 2, -1} {
		if err := Remove(k, n); err == nil || !strings.Contains(err.Error(), "there is no") {
			t.Errorf("version %d: %v", n, err)
		}
	}
	if err := Remove(k, 1); err != nil {
		t.Fatal(err)
	}
	if on := reload(t, dir); len(on.Older) != 0 || on.Active.Fingerprint != k.Active.Fingerprint {
		t.Errorf("%d older keys, active %s", len(on.Older), on.Active.Fingerprint)
	}
}
