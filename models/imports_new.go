package models

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"zencrypt/crypto/password"
	"zencrypt/crypto/seal"
)

// check refuses what can't come, before anything is done.
func (in *Incoming) check() error {
	key, ok := LoginKey(in.Login)
	if !ok {
		return Errorf(Invalid, "login", "the login has more than %d bytes", maxOldLogin)
	}
	if key == "" {
		return Errorf(Invalid, "login", "the login is blank")
	}
	if err := password.CheckWaiting(in.Method, in.Salt); err != nil {
		return &Error{Code: Invalid, Field: "password", Message: "the password string can't be waited under", Err: err}
	}
	if len(in.Digest) < 16 {
		return Errorf(Invalid, "password", "the password string has no digest")
	}
	return nil
}

// bringNew makes an account. It is a whole one, as Register makes it, but for what the password is needed for.
func (im *Imports) bringNew(ctx context.Context, tx bun.Tx, in *Incoming, by origins, out *Brought) error {
	now := im.db.now()
	created := in.Created
	if created.IsZero() {
		created = now
	}
	pepper := im.db.opts.Pepper
	row := &accountRow{
		ID: NewID(), Created: millis(created), Epoch: 1, KeyVersion: 1, Pepper: pepper.Active,
		UnlockSalt: []byte{}, SealedUnlock: []byte{}, SealedRecovery: []byte{},
	}
	if err := im.giveLogin(ctx, tx, in, row, out); err != nil {
		return err
	}
	key := seal.NewKey()
	u := &Unlocked{Ring: seal.NewRing(row.KeyVersion, key)}
	if err := row.newPair(u.Ring, nil); err != nil {
		return err
	}
	u.Account = row.account()
	if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
		return err
	}
	Failpoint("import-account")
	waiting := &waitingRow{ID: row.ID, Method: in.Method, Salt: []byte(in.Salt)}
	waiting.seal(pepper.Keys[pepper.Active], in.Digest, key)
	if _, err := tx.NewInsert().Model(waiting).Exec(ctx); err != nil {
		return err
	}
	Failpoint("import-waiting")
	origin := by.digest(in.Origin...)
	if _, err := tx.NewInsert().Model(&importedAccountRow{ID: origin, AccountID: &row.ID, Imported: millis(now)}).Exec(ctx); err != nil {
		return err
	}
	if err := by.noted(ctx, tx, origin); err != nil {
		return err
	}
	if out.Renamed {
		alias, _ := LoginKey(in.Login)
		if _, err := tx.NewInsert().Model(&aliasRow{AliasKey: alias, AccountID: row.ID}).Exec(ctx); err != nil {
			return err
		}
		Failpoint("import-alias")
		// In the order of candidates, of which maxTries are tried.
		earlier, err := im.earlier(ctx, tx, alias, row)
		if err != nil {
			return err
		}
		out.AsBefore = earlier < maxTries
	}
	out.Account, out.State = row.ID, ImportNew
	w := &incomingWriter{im: im, tx: tx, u: u, by: by, origin: in.Origin, out: out, now: now, fallback: created}
	if err := w.newRing(ctx, in); err != nil {
		return err
	}
	Failpoint("import-ring")
	for record, err := range in.Records {
		if err != nil {
			return err
		}
		if err := w.add(ctx, record); err != nil {
			return err
		}
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	Failpoint("import-records")
	return nil
}

// earlier counts the accounts that come before one in the order of candidates.
func (im *Imports) earlier(ctx context.Context, tx bun.Tx, alias string, row *accountRow) (int, error) {
	n, err := tx.NewSelect().Model((*accountRow)(nil)).Where("deleted IS NULL").
		WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			return q.Where("login_key = ?", alias).
				WhereOr("id IN (?) AND (created, id) < (?, ?)", tx.NewSelect().Model((*aliasRow)(nil)).Column("account_id").Where("alias_key = ?", alias), row.Created, row.ID)
		}).Count(ctx)
	return int(n), err
}

// seal closes the account key under the digest of the old password.
func (r *waitingRow) seal(k ServerKey, digest []byte, key seal.Key) {
	r.SealedAccountKey = seal.Seal(password.WaitingKey(k.Pepper, digest), 1, r.place(), key[:])
}

// open opens the account key with the digest of what was typed: that it opens is the proof of the password.
func (r *waitingRow) open(k ServerKey, digest []byte) (seal.Key, error) {
	b, err := seal.Open(password.WaitingKey(k.Pepper, digest), r.place(), r.SealedAccountKey)
	if err != nil {
		return seal.Key{}, err
	}
	if v, _ := seal.Version(r.SealedAccountKey); v != 1 || len(b) != seal.KeySize {
		return seal.Key{}, seal.ErrOpen
	}
	return seal.Key(b), nil
}

// maxSuffix bounds how many accounts can have one login in several spellings.
const maxSuffix = 10_000

// giveLogin keeps the old spelling, or adds a suffix (-2, -3, ...) where the login is another's here, was one that
// was given up, or belongs to an account of the source that was made earlier.
func (im *Imports) giveLogin(ctx context.Context, tx bun.Tx, in *Incoming, row *accountRow, out *Brought) error {
	spelling := strings.ReplaceAll(strings.ToValidUTF8(in.Login, "\ufffd"), "\x00", "\ufffd")
	for n := in.Rank + 1; n <= maxSuffix; n++ {
		login := spelling
		if n > 1 {
			login = fmt.Sprintf("%s-%d", strings.TrimSpace(spelling), n)
		}
		key, _ := LoginKey(login)
		err := im.db.Accounts.free(ctx, tx, key)
		if ErrorCode(err) == Conflict {
			continue
		}
		if err != nil {
			return err
		}
		row.Login, row.LoginKey = login, key
		out.Login, out.Renamed, out.Odd = login, n > 1, OddLogin(login)
		return nil
	}
	return Errorf(Conflict, "login", "the login and all its suffixes are taken")
}

// newRing makes the first age key, the person's Fernet keys as versions of one key, and the RSA keys.
func (w *incomingWriter) newRing(ctx context.Context, in *Incoming) error {
	first, err := firstKeys(w.now)
	if err != nil {
		return fail(Internal, "make first keys", err)
	}
	old, active := w.fernetKeys(in.Keys)
	ring := []Key{first[0]}
	if active { // else the account gets a new one, as every account begins with
		old[len(old)-1].Default = true
	} else {
		ring = append(ring, first[1])
	}
	ring = append(ring, old...)
	rsa, refused := rsaKeys(in.RSA, w.fallback)
	ring = append(ring, rsa...)
	w.out.Refused = append(w.out.Refused, refused...)
	w.out.RSA = len(rsa)
	var keys []*keyRow
	var versions []*keyVersionRow
	for i := range ring {
		k := &ring[i]
		row, err := closeKey(w.u, k, 1)
		if err != nil {
			return err
		}
		keys = append(keys, row)
		for j := range k.Versions {
			v, err := closeVersion(w.u, k.ID, &k.Versions[j], NewID(), 1)
			if err != nil {
				return err
			}
			versions = append(versions, v)
		}
	}
	if _, err := w.tx.NewInsert().Model(&keys).Exec(ctx); err != nil {
		return err
	}
	Failpoint("import-keys")
	if _, err := w.tx.NewInsert().Model(&versions).Exec(ctx); err != nil {
		return err
	}
	// What offerKeys would find, without opening what was just sealed.
	offer := keyOfferRow{AccountID: w.u.Account.ID, Kind: KindAge, VersionID: versions[0].ID}
	if _, err := w.tx.NewInsert().Model(&offer).Exec(ctx); err != nil {
		return err
	}
	for _, k := range in.Keys {
		w.note(k.Ref)
	}
	for _, k := range in.RSA {
		w.note(k.Ref)
	}
	return nil
}

// What the keys of an older Zencrypt are called: a person's own, and the one that a whole server shared.
const (
	oldFernet    = "Fernet, from before"
	sharedFernet = "Fernet, shared by the old server"
)

// fernetKeys makes one key of all Fernet keys, more only where they are more than a key has versions. The newest
// active one is the active version of the last, all others are retired. active is false when there is none.
func (w *incomingWriter) fernetKeys(in []IncomingKey) (keys []Key, active bool) {
	newest := -1
	for i, k := range in {
		if k.Active && !k.Shared {
			newest = i
		}
	}
	for i, old := range in {
		if i%maxVersions == 0 {
			k := Key{ID: NewID(), Kind: KindFernet, Algorithm: algorithmFernet, Name: oldFernet, Created: w.at(old.Created), MinVersion: 1}
			if old.Shared {
				k.Name = sharedFernet
			}
			if len(keys) > 0 {
				k.Name = fmt.Sprintf("%s (%d)", k.Name, len(keys)+1)
			}
			keys = append(keys, k)
		}
		k := &keys[len(keys)-1]
		v := KeyVersion{N: i%maxVersions + 1, State: KeyRetired, Created: w.at(old.Created), Secret: []byte(old.Key)}
		if i == newest {
			v.State = KeyActive
		}
		k.Versions, k.Last = append(k.Versions, v), v.N
	}
	w.out.Keys += len(in)
	if newest < 0 {
		return keys, false
	}
	// The key that is used from now on is the last of the list, wherever the active one stood.
	at := newest / maxVersions
	keys = append(append(keys[:at:at], keys[at+1:]...), keys[at])
	return keys, true
}

// at is a time of the old database, or the account's where there is none.
func (w *incomingWriter) at(t time.Time) time.Time {
	if t.IsZero() {
		t = w.fallback
	}
	return fromMillis(millis(t))
}

// rsaKeys makes a key of each RSA pair; it only opens.
func rsaKeys(in []IncomingRSA, fallback time.Time) (keys []Key, refused []Refused) {
	for _, old := range in {
		created := old.Created
		if created.IsZero() {
			created = fallback
		}
		pairs, err := readRSA(old.Private)
		if err != nil {
			refused = append(refused, Refused{old.Ref, ErrorMessage(err)})
			continue
		}
		k := keyOf(&pairs[0], created)
		k.Name = fmt.Sprintf("RSA, from before, %s", created.UTC().Format("2 Jan 2006"))
		if len(in) > 1 {
			k.Name = fmt.Sprintf("%s (%d)", k.Name, len(keys)+1)
		}
		keys = append(keys, *k)
	}
	return keys, refused
}
