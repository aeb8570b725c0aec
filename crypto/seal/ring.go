package seal

import (
	"fmt"
	"io"
	"sync"
)

// A Purpose separates the keys that are derived from one account key.
type Purpose string

// The purposes of an account key. Their text is part of the derivation and never changes.
const (
	Items   Purpose = "items"    // bodies and details of vault items
	KeyRing Purpose = "key-ring" // the person's private keys
	Files   Purpose = "files"    // file keys of blobs
	Names   Purpose = "names"    // titles and file names
	Account Purpose = "account"  // the account's own columns
)

// infoPrefix stands before every [Purpose] in HKDF's info.
const infoPrefix = "zencrypt/v1/"

// A Ring holds an account's key in its versions, in memory only, and seals under the
// newest. It prints as [redacted] and may be used by several goroutines.
type Ring struct {
	mu      sync.RWMutex
	current uint32
	keys    map[uint32]Key
	derived map[ringKey]Key // by version and purpose, made when first used
}

type ringKey struct {
	version uint32
	purpose Purpose
}

// NewRing returns a ring with one version.
func NewRing(version uint32, key Key) *Ring {
	return &Ring{current: version, keys: map[uint32]Key{version: key}, derived: make(map[ringKey]Key)}
}

// Format implements [fmt.Formatter]; fmt could not redact the keys inside.
func (*Ring) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// Add puts in an older or a newer version. The highest is the current one.
func (r *Ring) Add(version uint32, key Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys[version] = key
	clear(r.derived)
	r.current = max(r.current, version)
}

// Current returns the newest version and its key.
func (r *Ring) Current() (uint32, Key) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.current, r.keys[r.current]
}

// Key returns the key of one version, and whether the ring holds it.
func (r *Ring) Key(version uint32) (Key, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	k, ok := r.keys[version]
	return k, ok
}

// Seal closes plaintext under the current version's key for a purpose. See [Seal].
func (r *Ring) Seal(purpose Purpose, p Place, plaintext []byte) []byte {
	version, _ := r.Current()
	key, ok := r.purposeKey(version, purpose)
	if !ok {
		panic("seal: the ring has lost its current key") // versions are only ever added
	}
	return Seal(key, version, p, plaintext)
}

// Open opens what any version in the ring has sealed for the same purpose and place. The
// errors are those of [Open], and [ErrVersion].
func (r *Ring) Open(purpose Purpose, p Place, sealed []byte) ([]byte, error) {
	version, err := Version(sealed)
	if err != nil {
		return nil, err
	}
	key, ok := r.purposeKey(version, purpose)
	if !ok {
		return nil, ErrVersion
	}
	return Open(key, p, sealed)
}

// purposeKey derives a key once: HKDF takes longer than opening a title, and a search opens
// all titles of a vault.
func (r *Ring) purposeKey(version uint32, purpose Purpose) (Key, bool) {
	at := ringKey{version, purpose}
	r.mu.RLock()
	key, ok := r.derived[at]
	r.mu.RUnlock()
	if ok {
		return key, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	secret, ok := r.keys[version]
	if !ok {
		return Key{}, false
	}
	key = Derive(secret[:], infoPrefix+string(purpose))
	r.derived[at] = key
	return key, true
}
