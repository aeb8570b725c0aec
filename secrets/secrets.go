// Package secrets finds, reads and makes the server key.
//
// A secrets directory holds zencrypt_key, the active key, and zencrypt_key.1,
// zencrypt_key.2 and so on, older ones, told apart by their fingerprints. A key
// is 32 random bytes in base64 (RFC 4648, section 4). It peppers passwords: a
// database stolen without it gives nobody anything to guess passwords against.
// The directory lies beside the data, never in it, and is in no backup.
package secrets

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// KeyFile is the name of the active key's file.
	KeyFile = "zencrypt_key"
	// KeySize is a key's length in bytes, before base64.
	KeySize = 32

	runDir = "/run/secrets" // where containers mount secrets
	etcDir = "/etc/secrets"
	// LocalDir is where a key is made when nothing else was asked for.
	LocalDir = "./secrets"
	// credentialsEnv is how systemd names the directory of LoadCredential=.
	credentialsEnv = "CREDENTIALS_DIRECTORY"
	// fingerprintInfo separates the fingerprint from every other derived key.
	fingerprintInfo = "zencrypt/v1/fingerprint"
	// fingerprintSize is in bytes: enough to tell an operator's keys apart.
	fingerprintSize = 8
)

// Errors of Load and Create; the messages around them name the file.
var (
	ErrShared  = errors.New("other users of this machine can read or change it")
	ErrBadKey  = errors.New("not a server key")
	ErrMissing = errors.New("no server key")
)

// Key is one version of the server key.
type Key struct {
	Version     int // 0 is the active key, N is zencrypt_key.N
	Secret      Secret
	Fingerprint string // 16 hex digits; shows nothing of the key
	Path        string
}

// Keyring is what a secrets directory holds.
type Keyring struct {
	Dir     string
	Name    string // of the active key's file in Dir; older ones are Name.N
	Active  Key
	Older   []Key // highest version first
	Created bool  // made by this very call
}

// Find names the secrets directory: explicit if it is given, which may also be a key's file itself, else the first of
// $CREDENTIALS_DIRECTORY, /run/secrets, /etc/secrets and ./secrets that holds a
// key file. A directory without one counts for nothing. If ok is false no key was
// found, and dir is the one place where one may be made.
//
// A key file that cannot be looked at counts as found, so that Load says why and
// no second key is made beside it. Root is put before the absolute places of the
// platform, for tests; it is empty otherwise.
func Find(explicit string, env func(string) string, root string) (dir string, ok bool) {
	if explicit != "" {
		return explicit, isFile(explicit) || holdsKey(explicit)
	}
	if dir := env(credentialsEnv); dir != "" && holdsKey(dir) {
		return dir, true
	}
	for _, dir := range []string{filepath.Join(root, runDir), filepath.Join(root, etcDir), LocalDir} {
		if holdsKey(dir) {
			return dir, true
		}
	}
	return LocalDir, false
}

// Mounted reports whether dir, or the folder of a key's file, is one where the platform, not the operator, sets
// the modes: /run/secrets or $CREDENTIALS_DIRECTORY. Keys there may be readable
// by others (LoadOptions.AllowShared).
func Mounted(dir string, env func(string) string, root string) bool {
	dir, _ = split(dir)
	if c := env(credentialsEnv); c != "" && filepath.Clean(c) == filepath.Clean(dir) {
		return true
	}
	return filepath.Clean(dir) == filepath.Join(root, runDir)
}

// split takes a directory, or a key's file, apart.
func split(path string) (dir, name string) {
	if isFile(path) {
		return filepath.Dir(path), filepath.Base(path)
	}
	return path, KeyFile
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

func holdsKey(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, KeyFile))
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

// Derive returns a key for one purpose: HKDF-SHA-256 (RFC 5869) of the active key,
// without salt, with info.
func (k *Keyring) Derive(info string) [32]byte { return k.Active.Derive(info) }

// Derive is Keyring.Derive for this version.
func (k Key) Derive(info string) [32]byte { return derive(k.Secret.Bytes(), info) }

// ByFingerprint finds a version; the active key is asked first.
func (k *Keyring) ByFingerprint(fp string) (Key, bool) {
	for _, key := range k.All() {
		if key.Fingerprint == fp {
			return key, true
		}
	}
	return Key{}, false
}

// All returns the active key and then the older ones.
func (k *Keyring) All() []Key { return append([]Key{k.Active}, k.Older...) }

func newKey(version int, path string, secret []byte) Key {
	fp := derive(secret, fingerprintInfo)
	sum := sha256.Sum256(fp[:])
	return Key{
		Version:     version,
		Secret:      NewSecret(secret),
		Fingerprint: hex.EncodeToString(sum[:fingerprintSize]),
		Path:        path,
	}
}

func derive(secret []byte, info string) (out [32]byte) {
	if len(secret) != KeySize {
		panic(fmt.Sprintf("secrets: derive from a key of %d bytes", len(secret)))
	}
	key, err := hkdf.Key(sha256.New, secret, nil, info, len(out))
	if err != nil {
		panic(err) // only for lengths above 255 hashes (RFC 5869, section 2.3)
	}
	copy(out[:], key)
	return out
}
