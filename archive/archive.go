// Package archive is the file that holds all of an account: a tar archive (POSIX.1-2001, pax) of open formats, which
// whoever makes it encrypts with age. A [Writer] makes one while it is sent, [Check] reads one to its end before
// anything of it is believed, and [Contents.Each] hands out what it holds.
//
// Everything stands in one folder: README.txt first, then keys, people and what a person kept, and at the end
// manifest.json, which says what each member is, and SHA256SUMS, which `sha256sum -c` checks. docs/FORMAT.md has the
// fields. What is in the archive is secret throughout; this package encrypts nothing.
package archive

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"
)

const (
	// Format and Version stand in the manifest. A reader refuses what it does not know.
	Format  = "zencrypt-export"
	Version = 1

	// Folder is what all members stand in.
	Folder = "zencrypt-export"

	readmeName   = Folder + "/README.txt"
	manifestName = Folder + "/manifest.json"
	sumsName     = Folder + "/SHA256SUMS"
)

// The bounds of an archive, for who writes one and who reads one: a hostile archive costs no more than these.
const (
	// MaxItems bounds what a person kept. A reader holds about 500 bytes of each.
	MaxItems = 1_000_000
	// MaxKeys, MaxVersions and MaxPeople are what an account may have.
	MaxKeys     = 1000
	MaxVersions = 64
	MaxPeople   = 1000
	// MaxPinned is how many public keys a person may have.
	MaxPinned = 8

	maxMembers  = MaxItems + 3*MaxKeys*MaxVersions + MaxPeople*(MaxPinned+1) + 64
	maxManifest = 1 << 30   // bytes
	maxElement  = 256 << 10 // bytes of one key, person or item in the manifest
	maxName     = 1024      // bytes of a member's name
	maxText     = 16 << 10  // bytes of any text in the manifest
	maxSmall    = 1 << 20   // bytes of a member that belongs to a key or a person
	maxSmallAll = 128 << 20 // bytes of all of these, which a reader holds
)

// ErrFormat is wrapped by the errors of what is no archive, is cut short, or says what can't be.
var ErrFormat = errors.New("read export")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// Header is the manifest's beginning.
type Header struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Program string    `json:"program"` // and its version
	Created time.Time `json:"created"`
	Account Account   `json:"account"`
}

// Account is what an archive says of the account itself. There is no password and no recovery code in it.
type Account struct {
	Login    string    `json:"login"`
	Created  time.Time `json:"created"`
	Unlisted bool      `json:"unlisted"`
}

// File is a member of the archive.
type File struct {
	Name   string `json:"name"` // with its folders
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// Key is one of the person's keys: a name with versions.
type Key struct {
	ID          string       `json:"id"`
	Kind        string       `json:"kind"`
	Algorithm   string       `json:"algorithm"`
	Name        string       `json:"name"`
	Description string       `json:"description,omitempty"`
	Default     bool         `json:"default"`
	Created     time.Time    `json:"created"`
	Expires     *time.Time   `json:"expires,omitempty"`
	MinVersion  int          `json:"min_version"`
	Last        int          `json:"last_version"`
	Rewrap      bool         `json:"rewrap_pending,omitempty"`
	Unreadable  bool         `json:"unreadable,omitempty"`
	Versions    []KeyVersion `json:"versions"`
}

// KeyVersion is one pair of a key. Private is the file that other programs read.
type KeyVersion struct {
	N           int        `json:"version"`
	State       string     `json:"state"` // active, retired, revoked
	Created     time.Time  `json:"created"`
	Changed     *time.Time `json:"changed,omitempty"`
	Fingerprint string     `json:"fingerprint,omitempty"`
	Public      string     `json:"public,omitempty"` // of age; OpenPGP's is a file
	Private     File       `json:"private"`
	Certificate *File      `json:"certificate,omitempty"`
	Revocation  *File      `json:"revocation,omitempty"`
}

// Person is somebody whose public keys the account knows.
type Person struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	Account    string      `json:"account,omitempty"` // the id of their account on the server that was left
	Login      string      `json:"login,omitempty"`   // of that account
	Note       string      `json:"note,omitempty"`
	Created    time.Time   `json:"created"`
	Verified   *time.Time  `json:"verified,omitempty"`
	Keys       []PublicKey `json:"keys"`
	Recipients *File       `json:"recipients,omitempty"` // all keys of age in one file, for age -R
	Unreadable bool        `json:"unreadable,omitempty"`
}

// PublicKey is a key of a person: a line for age or SSH, or a file for OpenPGP.
type PublicKey struct {
	Kind        string    `json:"kind"`
	Algorithm   string    `json:"algorithm"`
	Fingerprint string    `json:"fingerprint"`
	Pinned      time.Time `json:"pinned"`
	Public      string    `json:"public,omitempty"`
	File        *File     `json:"file,omitempty"`
}

// Item is something from the vault. File is nil when it could not be read: Problem says why.
type Item struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"` // note, file, digest, ciphertext
	Title    string    `json:"title"`
	Created  time.Time `json:"created"`
	Size     int64     `json:"size"`           // bytes, as the page shows it
	Text     bool      `json:"text"`           // it was shown as a text, not as a file
	FileName Bytes     `json:"file_name"`      // as it was uploaded
	Syntax   string    `json:"format"`         // of a ciphertext: age, pgp, fernet
	Detail   Bytes     `json:"detail"`         // what the page says of it
	Opens    *KeyAt    `json:"opens,omitzero"` // the key that opens a ciphertext
	Others   string    `json:"others,omitempty"`
	File     *File     `json:"file,omitempty"`
	Problem  string    `json:"problem,omitempty"`
}

// KeyAt names a version of a key of the archive.
type KeyAt struct {
	Key     string `json:"key"`
	Version int    `json:"version"`
}

// Bytes is a text that may hold any bytes. In JSON it is a string, or {"base64": "..."} when it is not UTF-8.
type Bytes string

type encoded struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON implements json.Marshaler.
func (b Bytes) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(b)) {
		return json.Marshal(string(b))
	}
	return json.Marshal(encoded{[]byte(b)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (b *Bytes) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*b = Bytes(s)
		return nil
	}
	var e encoded
	if err := json.Unmarshal(data, &e); err != nil {
		return err
	}
	*b = Bytes(e.Base64)
	return nil
}

const redacted = "[redacted]"

// Format implements fmt.Formatter: what a person keeps stays out of logs.
func (Item) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// Format implements fmt.Formatter.
func (Key) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// Format implements fmt.Formatter.
func (Person) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }
