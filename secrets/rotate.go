package secrets

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// Rotate makes a new active key in the directory of a ring that was loaded and keeps the one before it as the next
// version: zencrypt_key.1, then zencrypt_key.2 and so on. Both are on the disk before it returns. Whatever cuts it
// short leaves an active key, the old one or the new, and the old one is never gone.
func Rotate(k *Keyring) (*Keyring, error) {
	if err := checkDir(k.Dir, LoadOptions{}); err != nil {
		return nil, err
	}
	secret := make([]byte, KeySize)
	rand.Read(secret) // it never fails (crypto/rand)
	active := filepath.Join(k.Dir, k.Name)
	// A try that was cut short may have kept the active key already.
	old, kept := olderWith(k, k.Active.Fingerprint)
	if !kept {
		old = k.Active
		for _, o := range k.Older {
			old.Version = max(old.Version, o.Version)
		}
		old.Version++
		old.Path = active + "." + strconv.Itoa(old.Version)
		if err := writeNew(old.Path, base64.StdEncoding.EncodeToString(k.Active.Secret.Bytes())+"\n"); err != nil {
			return nil, fmt.Errorf("keep the server key as %s: %w", filepath.Base(old.Path), err)
		}
	}
	temp, err := writeTemp(k.Dir, base64.StdEncoding.EncodeToString(secret)+"\n")
	if err != nil {
		return nil, fmt.Errorf("make server key: %w", err)
	}
	if err := os.Rename(temp, active); err != nil {
		return nil, errors.Join(fmt.Errorf("make server key: %w", err), os.Remove(temp))
	}
	if err := syncDir(k.Dir); err != nil {
		return nil, fmt.Errorf("make server key: %w", err)
	}
	ring := &Keyring{Dir: k.Dir, Name: k.Name, Active: newKey(0, active, secret), Older: k.Older, Created: true}
	if !kept {
		ring.Older = append([]Key{old}, ring.Older...)
	}
	return ring, nil
}

func olderWith(k *Keyring, fingerprint string) (Key, bool) {
	for _, o := range k.Older {
		if o.Fingerprint == fingerprint {
			return o, true
		}
	}
	return Key{}, false
}

// Remove removes an older version of a ring from its directory. What passwords still depend on it is the caller's to
// know.
func Remove(k *Keyring, version int) error {
	for _, o := range k.Older {
		if o.Version != version {
			continue
		}
		if err := os.Remove(o.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove server key: %w", err)
		}
		if err := syncDir(k.Dir); err != nil {
			return fmt.Errorf("remove server key: %w", err)
		}
		return nil
	}
	return fmt.Errorf("remove server key: there is no %s.%d in %s", k.Name, version, k.Dir)
}
