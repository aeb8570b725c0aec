package nofollow

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// other is a user whose folder root works in.
const other = 65534

// theirs is a folder of other's, and one of root's beside it.
func theirs(t *testing.T) (data, outside string) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("these tests need root, so that they look at what root follows")
		}
		t.Skip("left out, for want of root: which links root follows")
	}
	dir := t.TempDir()
	data, outside = filepath.Join(dir, "data"), filepath.Join(dir, "outside")
	for _, d := range []string{data, outside} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	own(t, data)
	return data, outside
}

func own(t *testing.T, path string) {
	t.Helper()
	if err := os.Lchown(path, other, other); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

// TestPlanted: root follows no link of others, at whatever place below the data folder, and makes nothing behind one.
func TestPlanted(t *testing.T) {
	data, outside := theirs(t)
	for _, tt := range []struct{ name, at, to, path string }{
		{"File", "f", outside + "/new", "f"},
		{"Relative", "r", "../outside/new", "r"},
		{"Folder", "d", outside, "d/new"},
		{"Above", "a", outside, "a/b/c/new"},
		{"Dangling", "g", outside + "/none", "g/new"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			link(t, tt.to, filepath.Join(data, tt.at))
			own(t, filepath.Join(data, tt.at))
			if f, err := Append(data, filepath.Join(data, tt.path)); !errors.Is(err, ErrPlanted) {
				t.Errorf("%v, %v", f, err)
			}
			if f, err := Folder(data, filepath.Join(data, tt.at)); !errors.Is(err, ErrPlanted) {
				t.Errorf("as a folder: %v, %v", f, err)
			}
			if f, err := File(data, filepath.Join(data, tt.path)); !errors.Is(err, ErrPlanted) {
				t.Errorf("as a file: %v, %v", f, err)
			}
		})
	}
	// A log that lies elsewhere: what is in its folder is looked at, and not the way there.
	if f, err := Append("", filepath.Join(data, "f")); !errors.Is(err, ErrPlanted) {
		t.Errorf("elsewhere: %v, %v", f, err)
	}
	if left, err := os.ReadDir(outside); len(left) > 0 || err != nil {
		t.Errorf("outside are %v (%v)", left, err)
	}
}

// TestPlanted_Name: nor does root add to a file of its own that has got another name.
func TestPlanted_Name(t *testing.T) {
	data, outside := theirs(t)
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("root's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(secret, filepath.Join(data, "log")); err != nil {
		t.Fatal(err)
	}
	if f, err := Append(data, filepath.Join(data, "log")); !errors.Is(err, ErrPlanted) {
		t.Errorf("%v, %v", f, err)
	}
	if f, err := File(data, filepath.Join(data, "log")); !errors.Is(err, ErrPlanted) {
		t.Errorf("to read: %v, %v", f, err)
	}
	own(t, secret) // theirs: they could write it themselves
	f, err := Append(data, filepath.Join(data, "log"))
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

// TestOwn: links of root's are followed, to a folder and to a file, and what is missing is made.
func TestOwn(t *testing.T) {
	data, outside := theirs(t)
	link(t, "../outside", filepath.Join(data, "down"))
	link(t, filepath.Join(data, "down"), filepath.Join(data, "twice"))
	link(t, filepath.Join(data, "round"), filepath.Join(data, "round"))
	link(t, "/", filepath.Join(data, "top"))
	for path, want := range map[string]string{
		filepath.Join(data, "log", "more", "lines"): filepath.Join(data, "log", "more", "lines"),
		filepath.Join(data, "twice", "sub", "x"):    filepath.Join(outside, "sub", "x"),
		filepath.Join(outside, "made", "y"):         filepath.Join(outside, "made", "y"),
		filepath.Join(data, "top", outside, "z"):    filepath.Join(outside, "z"),
	} {
		f, err := Append(data, path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if _, err := f.WriteString("a line"); err != nil {
			t.Error(err)
		}
		_ = f.Close()
		if b, err := os.ReadFile(want); string(b) != "a line" {
			t.Errorf("%s holds %q: %v", want, b, err)
		}
	}
	f, err := Folder(data, filepath.Join(data, "twice"))
	if err != nil {
		t.Fatal(err)
	}
	if names, err := f.Readdirnames(-1); len(names) != 3 || err != nil {
		t.Errorf("in it are %q: %v", names, err)
	}
	_ = f.Close()
	if _, err := Append(data, filepath.Join(data, "round")); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a link to itself: %v", err)
	}
	if _, err := Folder(data, filepath.Join(data, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
}
