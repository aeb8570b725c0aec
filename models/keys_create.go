package models

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/uptrace/bun"
)

const (
	// MaxKeys bounds a ring: each is opened with every page that needs one, 1,000 in about 20 ms.
	MaxKeys = 1000
	// maxVersions bounds the versions of a key, as OpenPGP's subkeys are.
	maxVersions = 64
	// maxPairs bounds all versions of a ring.
	maxPairs = 2000
	// maxFernet bounds the Fernet versions of a ring: each that does not fit costs an HMAC over the whole
	// token, 0.05 s for the longest.
	maxFernet = 128

	maxName        = 100  // characters
	maxDescription = 1000 // characters
)

// KeyParams say which key Create makes.
type KeyParams struct {
	Name string // "" takes the user id's, or the kind's
	PairParams
}

// Create makes a key with its first version; it becomes its kind's default when there is none. Invalid for
// the fields of NewPair and "name", Conflict when the ring is full.
func (ks *Keys) Create(ctx context.Context, u *Unlocked, p KeyParams) (*Key, error) {
	p.Now = ks.db.now()
	if !p.Expires.IsZero() && !p.Expires.After(p.Now) {
		return nil, errPassed()
	}
	name, err := keyName(p.Name)
	if err != nil {
		return nil, err
	}
	pair, err := NewPair(p.PairParams)
	if err != nil {
		return nil, err
	}
	k := keyOf(pair, p.Now)
	k.Expires = p.Expires
	if name != "" {
		k.Name = name
	}
	err = ks.db.main.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		ring, err := listKeys(ctx, tx, u)
		if err != nil {
			return err
		}
		if err := room(ring, []Key{*k}); err != nil {
			return err
		}
		k.Default = !hasDefault(ring, k.Kind)
		return insertKey(ctx, tx, u, k)
	})
	if err != nil {
		return nil, err
	}
	return k, nil
}

// keyOf makes a key of a pair, which is not in the database yet.
func keyOf(p *Pair, now time.Time) *Key {
	now = fromMillis(millis(now))
	v := versionOf(p, now)
	v.N = 1
	k := &Key{
		ID: NewID(), Kind: p.Kind, Algorithm: p.Algorithm, Created: now, Expires: p.Expires, MinVersion: 1, Last: 1,
		Versions: []KeyVersion{v},
	}
	k.Name, _ = keyName(cut(p.Name, maxName))
	if k.Name == "" {
		k.Name = kindTitle(p.Kind) + ", " + now.Format("2 Jan 2006")
	}
	return k
}

func versionOf(p *Pair, now time.Time) KeyVersion {
	v := KeyVersion{
		State: KeyActive, Created: now, Public: p.Public, Secret: p.Secret, Fingerprint: p.Fingerprint, SignsOnly: p.SignsOnly,
	}
	if !p.Created.IsZero() {
		v.Created = p.Created
	}
	switch {
	case p.Revoked:
		v.State = KeyRevoked
	case p.Kind == KindRSA:
		v.State = KeyRetired // it only opens
	}
	return v
}

func kindTitle(kind string) string {
	switch kind {
	case KindAge:
		return "age key"
	case KindAgePQ:
		return "age key, post-quantum"
	case KindPGP:
		return "OpenPGP key"
	case KindFernet:
		return "Fernet key"
	}
	return "RSA key"
}

// keyName cleans a name; one that is too long is Invalid, an empty one stays empty.
func keyName(s string) (string, error) {
	s = cleanTitle(s)
	if n := utf8.RuneCountInString(s); n > maxName {
		return "", Errorf(Invalid, "name", "the name has %d characters and %d is the limit", n, maxName)
	}
	return s, nil
}

func cut(s string, runes int) string {
	if utf8.RuneCountInString(s) <= runes {
		return s
	}
	return string([]rune(s)[:runes-1]) + "…"
}

// room tells whether a ring can take more keys.
func room(ring, more []Key) error {
	if len(ring)+len(more) > MaxKeys {
		return Errorf(Conflict, "", "keep key: a ring has at most %d keys, delete some first", MaxKeys)
	}
	pairs, fernets := 0, 0
	for _, k := range slices.Concat(ring, more) {
		pairs += len(k.Versions)
		if k.Kind == KindFernet {
			fernets += len(k.Versions)
		}
	}
	if pairs > maxPairs {
		return Errorf(Conflict, "", "keep key: all keys of a ring have at most %d versions, delete some first", maxPairs)
	}
	if fernets > maxFernet {
		return Errorf(Conflict, "", "keep key: a ring has at most %d Fernet keys and versions, since each is tried on every token: delete some first", maxFernet)
	}
	return nil
}

func hasDefault(ring []Key, kind string) bool {
	return slices.ContainsFunc(ring, func(k Key) bool { return k.Kind == kind && k.Default })
}

// add appends a version, which takes the place of the active one.
func (k *Key) add(v KeyVersion, now time.Time) error {
	if len(k.Versions) >= maxVersions {
		return Errorf(Conflict, "", "add version: a key has at most %d, delete retired ones first", maxVersions)
	}
	if v.State == KeyActive {
		for i := range k.Versions {
			if old := &k.Versions[i]; old.State == KeyActive {
				old.State, old.Changed = KeyRetired, fromMillis(millis(now))
			}
		}
	}
	for i := range k.Versions {
		k.Last = max(k.Last, k.Versions[i].N)
	}
	k.Last++
	v.N = k.Last
	k.Versions = append(k.Versions, v)
	return nil
}

// Get opens one key. NotFound for another person's.
func (ks *Keys) Get(ctx context.Context, u *Unlocked, id ID) (k *Key, err error) {
	err = ks.db.main.read(ctx, func(ctx context.Context, tx bun.Tx) error {
		k, err = getKey(ctx, tx, u, id)
		return err
	})
	return k, err
}

func getKey(ctx context.Context, tx bun.Tx, u *Unlocked, id ID) (*Key, error) {
	var row keyRow
	err := tx.NewSelect().Model(&row).Where("id = ?", id).Where("account_id = ?", u.Account.ID).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoKey()
	}
	if err != nil {
		return nil, err
	}
	k, err := row.open(u)
	if err != nil {
		return &k, nil
	}
	var versions []keyVersionRow
	err = tx.NewSelect().Model(&versions).Where("key_id = ?", id).Where("account_id = ?", u.Account.ID).Order("n").Scan(ctx)
	if err != nil {
		return nil, err
	}
	for i := range versions {
		if v, err := versions[i].open(u); err == nil {
			k.Versions = append(k.Versions, v)
		}
	}
	return &k, nil
}

func errNoKey() error { return Errorf(NotFound, "", "find key: it is not there") }

// Describe gives a key another name and description. Invalid for the fields "name" (empty, or over 100
// characters) and "description" (over 1,000). What others see of the key is written anew as well.
func (ks *Keys) Describe(ctx context.Context, u *Unlocked, id ID, name, description string) error {
	name, err := keyName(name)
	if err != nil {
		return err
	}
	if name == "" {
		return Errorf(Invalid, "name", "name key: the name is empty, type one")
	}
	description = cleanText(description)
	if n := utf8.RuneCountInString(description); n > maxDescription {
		return Errorf(Invalid, "description", "the description has %d characters and %d is the limit", n, maxDescription)
	}
	return ks.change(ctx, u, id, func(k *Key) error {
		k.Name, k.Description = name, description
		return nil
	})
}

// cleanText is cleanTitle, line by line.
func cleanText(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = cleanTitle(lines[i])
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
