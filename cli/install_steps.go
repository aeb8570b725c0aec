package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// An installer does steps on the system below root, and says each in a line. Steps are written so that doing
// them twice changes nothing.
type installer struct {
	out  io.Writer
	root string
	dry  bool
	live bool // systemd runs here, and this is its system; a dry run of this system takes it so
	ctx  context.Context

	removeAll func(path string) error // os.RemoveAll, but in tests
}

func (e *env) installer(root string, dry bool) (*installer, error) {
	if os.Geteuid() != 0 && !dry {
		return nil, errors.New("run it as root, such as with sudo; --dry-run shows what it would do")
	}
	if root != "" {
		abs, err := filepath.Abs(root)
		if err != nil {
			return nil, err
		}
		if info, err := os.Stat(abs); err != nil || !info.IsDir() {
			return nil, &usageError{fmt.Errorf("use --root %s: it is not a folder", root)}
		}
		root = abs
	}
	return e.system(root, dry, e.stdout), nil
}

// system is the system below root, an absolute path or "" for this one. Its steps are told to out.
func (e *env) system(root string, dry bool, out io.Writer) *installer {
	info, err := os.Stat("/run/systemd/system") // sd_booted(3)
	return &installer{out: out, root: root, dry: dry, live: root == "" && (dry || err == nil && info.IsDir()), ctx: e.ctx, removeAll: os.RemoveAll}
}

func (in *installer) path(p string) string { return filepath.Join(in.root, p) }

// step says what is done, and does it unless this is a dry run.
func (in *installer) step(do func() error, format string, args ...any) error {
	fmt.Fprintf(in.out, "  %s\n", fmt.Sprintf(format, args...))
	if in.dry {
		return nil
	}
	return do()
}

func (in *installer) already(format string, args ...any) {
	fmt.Fprintf(in.out, "  already so: %s\n", fmt.Sprintf(format, args...))
}

// run runs a program of the system.
func (in *installer) run(name string, args ...string) error {
	return in.step(func() error {
		out, err := exec.CommandContext(in.ctx, name, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("run %s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
		}
		return nil
	}, "run %s %s", name, strings.Join(args, " "))
}

// write makes or replaces a file, whole or not at all.
func (in *installer) write(path string, content []byte, mode fs.FileMode) error {
	if old, err := os.ReadFile(in.path(path)); err == nil && bytes.Equal(old, content) {
		if info, err := os.Stat(in.path(path)); err == nil && info.Mode().Perm() == mode {
			in.already("%s", path)
			return nil
		}
	}
	return in.step(func() error {
		if err := os.MkdirAll(filepath.Dir(in.path(path)), 0o755); err != nil {
			return err
		}
		f, err := os.CreateTemp(filepath.Dir(in.path(path)), ".zencrypt-*")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name())
		_, err = f.Write(content)
		err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
		if err == nil {
			err = os.Rename(f.Name(), in.path(path))
		}
		if err == nil {
			err = syncDir(filepath.Dir(in.path(path)))
		}
		return err
	}, "write %s (%04o, %d bytes)", path, mode, len(content))
}

// remove removes a file, or a folder with all that is in it. A folder that a file system is mounted on, such as a volume
// for the data, can't be removed: it is emptied, and stays.
func (in *installer) remove(path string) error {
	if !in.exists(path) {
		return nil
	}
	return in.step(func() error {
		err := in.removeAll(in.path(path))
		if errors.Is(err, syscall.EBUSY) && onlyFolders(in.path(path)) {
			fmt.Fprintln(in.out, "    it is empty; a folder that a file system is mounted on stays")
			return nil
		}
		return err
	}, "remove %s", path)
}

// onlyFolders tells that no file is left below dir.
func onlyFolders(dir string) bool {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = fs.ErrExist
		}
		return err
	})
	return err == nil
}

func (in *installer) exists(path string) bool {
	_, err := os.Lstat(in.path(path))
	return err == nil
}

// has looks for a user or a group in the system's own file: that of root, whose users this machine does not know.
func (in *installer) has(file, name string) bool {
	content, err := os.ReadFile(in.path(file))
	return err == nil && (bytes.HasPrefix(content, []byte(name+":")) || bytes.Contains(content, []byte("\n"+name+":")))
}
