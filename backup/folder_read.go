package backup

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

func manifestIn(dir string) (*Manifest, error) {
	in, err := os.Open(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: there is no %s in %s", ErrFormat, manifestName, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	defer in.Close()
	return readManifest(in)
}

// Unseal opens a file that a Seal closed.
type Unseal func(io.Reader) (io.Reader, error)

// ReadFolder reads a folder's files, all that its manifest lists. Without an Unseal the files of an encrypted one
// are checked as they are stored; to hand them on, it is needed.
func ReadFolder(dir string, unseal Unseal, accept Accept) (*Manifest, error) {
	m, err := manifestIn(dir)
	if err != nil {
		return nil, err
	}
	if err := m.complete(); err != nil {
		return nil, err
	}
	if m.Sealed == "" {
		unseal = nil
	} else if unseal == nil && accept != nil {
		return m, ErrSealed
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	defer root.Close()
	for _, f := range m.Files {
		if err := m.readStored(root, f, unseal, accept); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// ErrSealed is returned for an encrypted backup that no key was given for.
var ErrSealed = errors.New("read backup: it is encrypted. Name the file of the private key with -i")

func (m *Manifest) readStored(root *os.Root, f File, unseal Unseal, accept Accept) error {
	name := m.stored(f.Name)
	info, err := root.Lstat(name)
	if err != nil {
		return absent(name, err)
	}
	if !info.Mode().IsRegular() || info.Size() != f.Size {
		return damaged("%s is not what it was", name)
	}
	in, err := root.Open(name)
	if err != nil {
		return absent(name, err)
	}
	defer in.Close()
	sum := sha256.New()
	var src io.Reader = io.TeeReader(in, sum)
	size := f.Size
	if unseal != nil {
		if src, err = unseal(src); err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		size = -1
	}
	if err := copyTo(accept, m.logical(f.Name), size, src); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	// An age file ends where it says; what is behind it is counted all the same.
	if _, err := io.Copy(sum, in); err != nil {
		return fmt.Errorf("read backup: %w", err)
	}
	if hexSum(sum) != f.SHA256 {
		return damaged("%s is not what it was", name)
	}
	return nil
}
