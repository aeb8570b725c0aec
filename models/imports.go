package models

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// Imports is the store of what comes from an older Zencrypt. Whoever brings it holds no key of any account: a new
// account is made with a new key, which waits sealed under the digest of the old password, and what comes for an
// account that is here already is sealed to its HPKE pair.
type Imports struct{ db *DB }

// An Incoming is an account of an older Zencrypt, on its way in. It prints as [redacted].
type Incoming struct {
	// Origin tells the account from every other one of every source, and is the same at each import.
	Origin []string
	// Login is the old spelling. Rank counts those of the source that are the same login here, by the day they were
	// made and then by their id: 0 keeps the login, the others get a suffix.
	Login string
	Rank  int
	// Method, Salt and Digest are those of Werkzeug's password string.
	Method, Salt string
	Digest       []byte
	Created      time.Time // zero: now
	Keys         []IncomingKey
	RSA          []IncomingRSA
	// Records are the texts and digests. They are read once, and never all in memory.
	Records iter.Seq2[Record, error]
}

// An IncomingKey is a Fernet key, in the order of the versions.
type IncomingKey struct {
	Ref     string
	Key     string // 44 characters
	Active  bool
	Shared  bool // everybody of the old server had it: it opens, and encrypts nothing any more
	Created time.Time
}

// An IncomingRSA is a private key of the old page "PGP", in PEM.
type IncomingRSA struct {
	Ref     string
	Private []byte
	Created time.Time
}

// Format implements fmt.Formatter.
func (Incoming) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (Incoming) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Format implements fmt.Formatter.
func (IncomingKey) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (IncomingKey) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Format implements fmt.Formatter.
func (IncomingRSA) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (IncomingRSA) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// What became of an Incoming.
const (
	ImportNew   = "new"   // the account was made
	ImportKnown = "known" // it was here already
	ImportGone  = "gone"  // it was here and was deleted since, so it stays away
)

// Brought says what Import did.
type Brought struct {
	Account ID
	State   string
	Login   string // here
	Renamed bool   // with a suffix, since the login is another's here
	Odd     bool   // the login breaks today's rules
	// AsBefore tells whether the old spelling leads to the account, which it does for four people at most.
	AsBefore bool

	Keys, RSA, Notes, Unreadable, Digests int // that came
	Known                                 int // records and keys that came at an earlier import, whatever became of them
	Later                                 int // of those that came, how many the next log-in takes in

	Refused []Refused
}

// Refused is a part that could not come.
type Refused struct{ Ref, Reason string }

type waitingRow struct {
	bun.BaseModel `bun:"table:waiting_accounts"`

	ID               ID `bun:",pk"`
	Method           string
	Salt             []byte
	SealedAccountKey []byte
}

func (r *waitingRow) place() seal.Place {
	return place("waiting_accounts", "sealed_account_key", r.ID, r.ID)
}

type importedAccountRow struct {
	bun.BaseModel `bun:"table:imported_accounts"`

	ID           ID `bun:",pk"`
	AccountID    *ID
	Imported     int64
	SealedAdvice []byte
}

func (r *importedAccountRow) place() seal.Place {
	return place("imported_accounts", "sealed_advice", r.ID, *r.AccountID)
}

type importedRecordRow struct {
	bun.BaseModel `bun:"table:imported_records"`

	AccountID ID     `bun:",pk"`
	Digest    []byte `bun:",pk"`
}

type inboxRow struct {
	bun.BaseModel `bun:"table:imported_inbox"`

	ID           ID `bun:",pk"`
	AccountID    ID
	Created      int64
	SealedRecord []byte
}

type aliasRow struct {
	bun.BaseModel `bun:"table:login_aliases"`

	AliasKey  string `bun:",pk"`
	AccountID ID     `bun:",pk"`
}

// origins makes the digests by which accounts and records are known again, under a key derived from the server key:
// the database alone shows nothing of the old ids, and cannot be asked about them.
type origins struct{ key seal.Key }

func (k ServerKey) origins() origins {
	return origins{seal.Derive(k.Logins[:], "zencrypt/v1/import-origin")}
}

// digest is the first 16 bytes of HMAC-SHA-256 over the parts, each with its length in 4 bytes.
func (o origins) digest(parts ...string) (id ID) {
	mac := hmac.New(sha256.New, o.key[:])
	for _, p := range parts {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		mac.Write(n[:])
		mac.Write([]byte(p))
	}
	return ID(mac.Sum(nil)[:16])
}

// find returns the row of an origin and the key that it was noted under: the active server key, or an older one.
func (im *Imports) find(ctx context.Context, db bun.IDB, origin []string) (*importedAccountRow, origins, error) {
	pepper := im.db.opts.Pepper
	active := pepper.Keys[pepper.Active].origins()
	for _, k := range append([]ServerKey{pepper.Keys[pepper.Active]}, pepper.older()...) {
		row := &importedAccountRow{ID: k.origins().digest(origin...)}
		err := db.NewSelect().Model(row).WherePK().Scan(ctx)
		if err == nil {
			return row, k.origins(), nil
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return nil, active, err
		}
	}
	return nil, active, nil
}

// older are the server keys but the active one.
func (p PepperKeys) older() (out []ServerKey) {
	for fingerprint, k := range p.Keys {
		if fingerprint != p.Active {
			out = append(out, k)
		}
	}
	return out
}

// errDryRun ends a transaction whose result was only to be seen.
var errDryRun = errors.New("dry run")

// Import takes one account in: whole, in one transaction, or not at all. Of one that is here already only the
// records that never came are taken. With dry set nothing is changed, and Brought says what would be. It is Invalid
// for an account that can't come (a login of blanks alone, a password string that is too costly to try). The
// errors of in.Records come back as they are.
func (im *Imports) Import(ctx context.Context, in *Incoming, dry bool) (*Brought, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	var out *Brought
	var source error // of in.Records
	ctx = Unhurried(ctx)
	err := im.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		out = new(Brought)
		known, by, err := im.find(ctx, tx, in.Origin)
		if err != nil {
			return err
		}
		in := *in
		in.Records = watched(in.Records, &source)
		if known == nil {
			err = im.bringNew(ctx, tx, &in, by, out)
		} else {
			err = im.bringMore(ctx, tx, &in, known, by, out)
		}
		if err == nil && dry {
			err = errDryRun
		}
		if err == nil {
			Failpoint("import-commit")
		}
		return err
	})
	switch {
	case source != nil:
		return nil, source
	case errors.Is(err, errDryRun):
		return out, nil
	case err != nil:
		return nil, err
	}
	Failpoint("import-committed")
	return out, nil
}

// watched notes the error that a source ended with.
func watched(all iter.Seq2[Record, error], failed *error) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if all == nil {
			return
		}
		for r, err := range all {
			if err != nil {
				*failed = err
			}
			if !yield(r, err) {
				return
			}
		}
	}
}
