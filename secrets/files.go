package secrets

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxKeyFile is the most that is read of a key file, in bytes: a key is 45.
const maxKeyFile = 1024

// LoadOptions says what Load may overlook.
type LoadOptions struct {
	AllowShared bool // accept files that other users can read
}

// Load reads every version of the key in dir; when dir is a file, that is the active key, and those beside it with its
// name and a number are the older ones. It fails with ErrMissing if there
// is no active key, ErrShared if somebody but the owner can read a key or replace
// it, and ErrBadKey for a file that does not hold base64 of 32 bytes.
func Load(dir string, o LoadOptions) (*Keyring, error) {
	dir, name := split(dir)
	if err := checkDir(dir, o); err != nil {
		return nil, err
	}
	active, err := load(filepath.Join(dir, name), 0, o)
	if err != nil {
		return nil, err
	}
	ring := &Keyring{Dir: dir, Name: name, Active: active}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list secrets: %w", err)
	}
	for _, e := range entries {
		version, ok := olderVersion(name, e.Name())
		if !ok {
			continue
		}
		key, err := load(filepath.Join(dir, e.Name()), version, o)
		if err != nil {
			return nil, err
		}
		ring.Older = append(ring.Older, key)
	}
	slices.SortFunc(ring.Older, func(a, b Key) int { return b.Version - a.Version })
	return ring, nil
}

// Older lists the names of the older keys' files in dir, beside an active key of the name KeyFile or without one, the
// lowest version first. It opens none of them. A folder that is not there has none.
func Older(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list secrets: %w", err)
	}
	var versions []int
	for _, e := range entries {
		if n, ok := olderVersion(KeyFile, e.Name()); ok {
			versions = append(versions, n)
		}
	}
	slices.Sort(versions)
	for _, n := range versions {
		names = append(names, KeyFile+"."+strconv.Itoa(n))
	}
	return names, nil
}

// olderVersion reads N of zencrypt_key.N, for an active key of that name; other files (backups of an editor, the
// zen.key of an old server) are none of ours.
func olderVersion(active, name string) (int, bool) {
	suffix, ok := strings.CutPrefix(name, active+".")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(suffix)
	return n, err == nil && n > 0 && strconv.Itoa(n) == suffix
}

// checkDir refuses a directory in which others could put a key of their own.
func checkDir(dir string, o LoadOptions) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("read %s: %w", filepath.Join(dir, KeyFile), ErrMissing)
	case err != nil:
		return fmt.Errorf("read secrets: %w", err)
	case !info.IsDir():
		return fmt.Errorf("read secrets: %s is not a directory", dir)
	case info.Mode().Perm()&0o022 != 0 && !o.AllowShared:
		return shared(dir, "go-w", info)
	}
	return nil
}

// shared says what to type; ErrShared is the reason.
func shared(path, mode string, info fs.FileInfo) error {
	return fmt.Errorf("read %s (mode %04o): %w: type: chmod %s %s", path, info.Mode().Perm(), ErrShared, mode, shellQuote(path))
}

// shellQuote makes the command that we print one that can be typed.
func shellQuote(path string) string {
	if !strings.ContainsFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-+", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

func load(path string, version int, o LoadOptions) (Key, error) {
	// Looked at before it is opened, since opening a pipe would wait for a writer.
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, fmt.Errorf("read %s: %w", path, ErrMissing)
	}
	if err != nil {
		return Key{}, fmt.Errorf("read server key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return Key{}, fmt.Errorf("read %s: %w: not a regular file", path, ErrBadKey)
	}
	f, err := os.Open(path)
	if err != nil {
		return Key{}, fmt.Errorf("read server key: %w", err)
	}
	defer f.Close()
	// The open file's own mode, so that nobody swaps the file in between.
	if info, err = f.Stat(); err != nil {
		return Key{}, fmt.Errorf("read server key: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return Key{}, fmt.Errorf("read server key: %w", err)
	}
	secret, err := decode(text)
	if err != nil {
		return Key{}, fmt.Errorf("read %s: %w: %w", path, ErrBadKey, err)
	}
	// Now that it is a key: nobody shall be told to shut others out of a file that was named by mistake, /etc/passwd say.
	if info.Mode().Perm()&0o077 != 0 && !o.AllowShared {
		return Key{}, shared(path, "600", info)
	}
	return newKey(version, path, secret), nil
}

// decode reads one line of base64; its errors never show what the file holds.
func decode(text []byte) ([]byte, error) {
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("longer than %d bytes", maxKeyFile)
	}
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return nil, errors.New("empty")
	}
	secret, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil {
		return nil, fmt.Errorf("want base64 of %d bytes (44 characters): %w", KeySize, err)
	}
	if len(secret) != KeySize {
		return nil, fmt.Errorf("want base64 of %d bytes, got %d", KeySize, len(secret))
	}
	return secret, nil
}

// Create makes a new server key in dir, which it makes too if need be: mode 0700,
// the file 0600, both on the disk before it returns. An existing key is never
// touched: then errors.Is(err, fs.ErrExist). An existing LocalDir gets mode 0700
// (a clone of this project has one, with the modes of the umask); any other that
// others can write to is refused with ErrShared, since it may be theirs too.
func Create(dir string) (*Keyring, error) {
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	if err := checkDir(dir, LoadOptions{}); err != nil {
		return nil, err
	}
	secret := make([]byte, KeySize)
	rand.Read(secret) // it never fails (crypto/rand)
	path := filepath.Join(dir, KeyFile)
	if err := writeNew(path, base64.StdEncoding.EncodeToString(secret)+"\n"); err != nil {
		return nil, fmt.Errorf("make server key: %w", err)
	}
	return &Keyring{Dir: dir, Name: KeyFile, Active: newKey(0, path, secret), Created: true}, nil
}

func makeDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		if filepath.Clean(dir) != filepath.Clean(LocalDir) {
			return nil
		}
		if err := os.Chmod(dir, 0o700); err != nil {
			return fmt.Errorf("make secrets directory: %w", err)
		}
		return nil
	}
	if err := makeLevels(filepath.Clean(dir), syncDir); err != nil {
		return fmt.Errorf("make secrets directory: %w", err)
	}
	return nil
}

// makeLevels makes a directory that is not there, and those above it, each synced into its
// parent.
func makeLevels(dir string, sync func(string) error) error {
	parent := filepath.Dir(dir)
	if _, err := os.Stat(parent); errors.Is(err, fs.ErrNotExist) {
		if err := makeLevels(parent, sync); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return sync(parent)
}

// writeNew puts a whole file in place, on the disk, or none: it is written under another
// name, which a crash may leave and nothing reads, and then linked. An existing file stays
// as it is (fs.ErrExist).
func writeNew(path, text string) error {
	temp, err := writeTemp(filepath.Dir(path), text)
	if err != nil {
		return err
	}
	if err := errors.Join(os.Link(temp, path), os.Remove(temp)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// writeTemp writes a file that only its owner may read and nobody overwrites by mistake, and syncs it.
func writeTemp(dir, text string) (path string, err error) {
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = errors.Join(f.Chmod(0o400), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
