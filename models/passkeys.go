package models

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"

	"zencrypt/crypto/passkey"
	"zencrypt/crypto/seal"
)

const (
	maxPasskeys    = 20 // a browser is sent the ids of all of them
	maxPasskeyName = 60 // characters
)

// infoPasskey makes the key that seals the account key out of what a passkey's PRF gives.
const infoPasskey = "zencrypt/v1/passkey-unlock"

// Passkey is a passkey of an account.
type Passkey struct {
	ID         ID
	Name       string
	Created    time.Time
	Used       time.Time // zero when never
	Unlocks    bool      // it opens the account without the password
	Copied     bool      // its counter went back once: somebody may have a copy
	Credential passkey.Credential
	Unreadable bool // the seal did not open
}

// Passkeys is the store of passkeys.
type Passkeys struct{ db *DB }

type passkeyRow struct {
	bun.BaseModel `bun:"table:passkeys"`

	ID             ID `bun:",pk"`
	AccountID      ID
	SealVersion    int64
	CredentialHash []byte
	SealedPasskey  []byte
	SealedUnlock   []byte
}

// sealedPasskey is a Passkey as it is sealed. Times are in milliseconds, 0 for none.
type sealedPasskey struct {
	Name          []byte
	Created, Used int64
	Copied        bool
	Credential    json.RawMessage
}

func (r *passkeyRow) place(column string) seal.Place {
	return place("passkeys", column, r.ID, r.AccountID)
}

func (r *passkeyRow) open(u *Unlocked) Passkey {
	p := Passkey{ID: r.ID, Unlocks: r.SealedUnlock != nil}
	var s sealedPasskey
	err := openJSON(u.Ring, seal.Account, r.place("sealed_passkey"), r.SealedPasskey, &s)
	if err == nil {
		p.Credential, err = passkey.ParseCredential(s.Credential)
	}
	if err != nil {
		p.Unreadable = true
		return p
	}
	p.Name, p.Created, p.Copied = string(s.Name), fromMillis(s.Created), s.Copied
	if s.Used != 0 {
		p.Used = fromMillis(s.Used)
	}
	return p
}

func (r *passkeyRow) close(u *Unlocked, p *Passkey) error {
	credential, err := json.Marshal(p.Credential)
	if err != nil {
		return fail(Internal, "seal passkey", err)
	}
	s := sealedPasskey{Name: []byte(p.Name), Created: millis(p.Created), Copied: p.Copied, Credential: credential}
	if !p.Used.IsZero() {
		s.Used = millis(p.Used)
	}
	r.SealedPasskey, err = sealJSON(u.Ring, seal.Account, r.place("sealed_passkey"), s)
	return err
}

// unlockBy seals the account key under what the passkey's PRF gave.
func (r *passkeyRow) unlockBy(u *Unlocked, c passkey.Credential, prf []byte) {
	version, key := u.Ring.Current()
	r.SealedUnlock = seal.Seal(seal.Derive(prf, infoPasskey), version, r.place("sealed_unlock"), key[:])
	hash := sha256.Sum256(c.ID())
	r.CredentialHash = hash[:]
}

func listPasskeys(ctx context.Context, db bun.IDB, u *Unlocked) ([]Passkey, error) {
	var rows []passkeyRow
	if err := db.NewSelect().Model(&rows).Where("account_id = ?", u.Account.ID).Order("id").Scan(ctx); err != nil {
		return nil, err
	}
	all := make([]Passkey, len(rows))
	for i := range rows {
		all[i] = rows[i].open(u)
	}
	slices.SortStableFunc(all, func(a, b Passkey) int { return a.Created.Compare(b.Created) })
	return all, nil
}

// List returns an account's passkeys, the oldest first.
func (p *Passkeys) List(ctx context.Context, u *Unlocked) ([]Passkey, error) {
	all, err := listPasskeys(ctx, p.db.main.r, u)
	return all, storeError(err)
}

// CheckPasskeyName returns a passkey's name as it is kept; without one it is "Passkey". Invalid for field "name".
func CheckPasskeyName(s string) (string, error) {
	s = strings.Join(strings.Fields(cleanTitle(s)), " ")
	if s == "" {
		return "Passkey", nil
	}
	if n := utf8.RuneCountInString(s); n > maxPasskeyName {
		return "", Errorf(Invalid, "name", "the name has %d characters and %d is the limit", n, maxPasskeyName)
	}
	return s, nil
}

// Add keeps a new passkey. prf is what its PRF gave, 32 bytes, or nil when it gave nothing: then it is a
// second factor only. With the account's first factor come ten one-time codes, shown once. Invalid for
// field "name" or when there are too many, Conflict when the passkey is here already.
func (p *Passkeys) Add(ctx context.Context, u *Unlocked, name string, c passkey.Credential, prf []byte) (codes []string, err error) {
	if name, err = CheckPasskeyName(name); err != nil {
		return nil, err
	}
	err = p.db.Factors.change(ctx, u, func(ctx context.Context, tx bun.Tx, all *factors) error {
		have, err := listPasskeys(ctx, tx, u)
		if err != nil {
			return err
		}
		if len(have) >= maxPasskeys {
			return Errorf(Invalid, "", "you have %d passkeys, which is the limit: remove one first", maxPasskeys)
		}
		for _, other := range have {
			if slices.Equal(other.Credential.ID(), c.ID()) {
				return Errorf(Conflict, "", "this passkey is in your list already")
			}
		}
		row := &passkeyRow{ID: NewID(), AccountID: u.Account.ID}
		if row.SealVersion, err = sealVersion(ctx, tx, u); err != nil {
			return err
		}
		if err := row.close(u, &Passkey{Name: name, Created: p.db.now(), Credential: c}); err != nil {
			return err
		}
		if len(prf) == passkey.PRFSize {
			row.unlockBy(u, c, prf)
		}
		if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
			return err
		}
		codes = all.firstCodes(millis(p.db.now()))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}
