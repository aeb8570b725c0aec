// Package importer reads what older Zencrypts kept, and writes nothing: version 6 from its SQLite
// database with [OpenV6], version 5 from what mongodump or mongoexport wrote with [OpenV5]. It yields
// plain records, account by account, for others to store.
//
// Opening reads the whole source once, so that a damaged one is refused before anything is yielded.
// What is held in memory does not grow with texts and digests but for about 12 bytes each.
//
// Whatever is in the source either comes or is reported with its place and the reason: see [Reject]
// and [Note]. Texts are bytes, given as they were: nothing is trimmed or normalised.
package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"zencrypt/crypto/fernet"
)

// ErrSource is returned for what is not a source of the kind that was asked for, or a damaged one. The
// text says which file, where in it, and what is wrong.
var ErrSource = errors.New("read older zencrypt")

// An Account is one person's data. The iterators may be ranged over any number of times, and only
// while the Source is open; each run reads, opens and reports again.
type Account struct {
	Ref      string    // table or collection and id, unique in the source, like user:12
	Login    string    // as it was spelled
	Password Secret    // Werkzeug's string, method$salt$hex, which [password.ParseWerkzeug] takes
	Created  time.Time // UTC, zero when nothing tells

	// Keys are in version order, oldest first, each once. At most one is active.
	Keys []Key
	RSA  []RSAPair // oldest first, each once

	Texts   iter.Seq2[Text, error]
	Digests iter.Seq2[Digest, error]
}

// A Key is one version of an account's Fernet key. Version 5 had one key for everybody, which each
// account gets.
type Key struct {
	Ref     string
	Key     fernet.Key
	Active  bool
	Created time.Time // UTC, zero when nothing tells
}

// An RSAPair opens messages of the old page "PGP" ([legacy.DecryptMessage]).
type RSAPair struct {
	Ref     string
	Private Secret // PEM that [legacy.ParsePrivateKey] reads
	Public  []byte // PEM of a SubjectPublicKeyInfo, made from the private key when the source had none or another
	Active  bool
	Created time.Time // UTC, zero when nothing tells
}

// A Text is one encrypted text.
type Text struct {
	Ref     string
	Created time.Time // UTC, zero when nothing tells
	Token   []byte    // as it was
	Plain   Secret    // nil when unreadable, empty for an empty text
	Key     int       // which of the account's Keys opened it; -1 none: a whole token, unreadable with what is here
}

// A Digest is one SHA-256 digest that a person kept.
type Digest struct {
	Ref     string
	Created time.Time // UTC, zero when nothing tells
	Value   string    // 64 digits, in the case they had
	Salt    *string   // nil when null or missing, which is not the same as empty
}

// Format implements [fmt.Formatter]: a digest of a short text gives the text away.
func (d Digest) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "{%s [redacted]}", d.Ref) }

// A Secret prints as [redacted].
type Secret []byte

// Format implements [fmt.Formatter].
func (Secret) Format(s fmt.State, _ rune) { io.WriteString(s, "[redacted]") }

// MarshalText implements [encoding.TextMarshaler], so that a secret never reaches JSON or a log.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// A Reject is a record that does not come.
type Reject struct {
	Collection string // table or collection
	ID         string
	Reason     string // a short fixed text, in the words of the source's version, like orphan_userId
	Detail     string // the same for a person to read; no content of the record
	// Kept is set for a whole token that no key opens: it is yielded as an unreadable [Text] all the
	// same, since the key may turn up.
	Kept bool
}

// A Note is about a record that comes, but not just as it was, or about things that are no records.
type Note struct {
	Collection string
	ID         string // "" for the collection as a whole
	Text       string
}

// Counts says how many records the source holds, rejects and all. They bound a progress bar: not every one is yielded.
type Counts struct{ Accounts, Keys, RSA, Texts, Digests int64 }

// Options are for opening a source. The functions may be nil; they are called on the goroutine that
// opens or iterates.
type Options struct {
	// Reject and Note are told each record that does not come or changes. Those that belong to no
	// account, and accounts themselves, are told while [Source.Accounts] runs, keys before their account is yielded, texts and
	// digests while their iterator runs: who skips an iterator skips its rejects.
	Reject func(Reject)
	Note   func(Note)
	// Progress is told how much of the source the first pass has read, in bytes.
	Progress func(read, size int64)
	// TempDir is where a compressed dump is spooled, encrypted under a key in memory; "" is the
	// system's. The file has no name while it is used.
	TempDir string
}

// A Source is an older Zencrypt's data, open for reading. It is for one goroutine.
type Source struct {
	version int
	counts  Counts
	backend backend
}

// backend is what the two versions do differently.
type backend interface {
	accounts(ctx context.Context, yield func(*Account, error) bool)
	close() error
}

// Version is 5 or 6.
func (s *Source) Version() int { return s.version }

// Counts says how much there is.
func (s *Source) Counts() Counts { return s.counts }

// Accounts yields every account that comes, in the order in which they were made, and reports what
// belongs to none. An error ends it.
func (s *Source) Accounts(ctx context.Context) iter.Seq2[*Account, error] {
	return func(yield func(*Account, error) bool) { s.backend.accounts(ctx, yield) }
}

// Close gives files and memory back.
func (s *Source) Close() error { return s.backend.close() }
