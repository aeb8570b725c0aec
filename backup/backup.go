// Package backup is the form in which a server's data is kept elsewhere: one
// database, the blobs that it names, and a manifest with the SHA-256 digest of
// each. It knows nothing of what they hold.
//
// An archive is one file, a tar (POSIX.1-2001, pax) of regular files: the blobs,
// the database, the manifest at the end. A folder holds the same as files of
// their own and is brought up to date: blobs never change, so only new ones are
// written, and the manifest is exchanged in one step when all else is on the
// disk. Whoever is killed in between leaves the backup before it as it was.
//
// A reader takes an archive only if writing what it says would give the same
// bytes again, so that no bit of it can change unseen, the padding of tar
// included. Digests show damage, not forgery: who can write the backup can
// write a manifest for it. What people keep in it is sealed for itself.
package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

// Names within a backup.
const (
	Database     = "zencrypt.db"
	blobDir      = "blobs/"
	manifestName = "manifest.jsonl"
	// sealedExt marks the files of a folder that are encrypted each for itself.
	sealedExt = ".age"
)

// BlobName is the name of a blob in a backup; id has 32 hex digits.
func BlobName(id string) string { return blobDir + id }

// BlobID is the reverse of BlobName.
func BlobID(name string) (id string, ok bool) {
	id, ok = strings.CutPrefix(name, blobDir)
	return id, ok && blobPattern.MatchString(id)
}

var (
	blobPattern     = regexp.MustCompile(`^[0-9a-f]{32}$`)
	databasePattern = regexp.MustCompile(`^zencrypt(-[0-9a-f]{16})?\.db$`)
	sumPattern      = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

var (
	// ErrFormat is returned for what is no backup.
	ErrFormat = errors.New("read backup: this is not a backup of Zencrypt")
	// ErrDamaged is returned for a backup that was changed, cut short or added to.
	ErrDamaged = errors.New("read backup: it is damaged, cut short or was changed")
	// ErrNewer is returned for a backup of a later form than this program reads.
	ErrNewer = errors.New("read backup: a newer version made it: use that version")
)

func damaged(format string, v ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, v...)...)
}

// absent is damaged for what a backup names and lacks; other failures of the disk stay what they are.
func absent(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return damaged("%s is missing", name)
	}
	return fmt.Errorf("read backup: %w", err)
}
