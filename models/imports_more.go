package models

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// infoInbox separates what is brought along from anything else that is ever sealed to an account's pair.
const infoInbox = "zencrypt/v1/import-inbox"

// inboxAAD binds a sealed record to its place, as seals are.
func (r *inboxRow) aad() []byte {
	return append(append([]byte("imported_inbox\x00sealed_record\x00"), r.ID[:]...), r.AccountID[:]...)
}

// boxed is what stands in an inbox row: an item, or a private key.
type boxed struct {
	Kind    string // a Record's, or a key's
	Created int64
	Body    []byte
	Salt    []byte // of a digest; nil: none
}

// bringMore takes what never came before into the inbox of an account that is here. Nobody but the person has its
// key, so that what comes is sealed to the account's pair and taken in at the next log-in. What the
// person changed or deleted since was noted when it came, and is passed over.
func (im *Imports) bringMore(ctx context.Context, tx bun.Tx, in *Incoming, known *importedAccountRow, by origins, out *Brought) error {
	out.State = ImportGone
	if known.AccountID == nil {
		return nil
	}
	row := new(accountRow)
	if err := tx.NewSelect().Model(row).Where("id = ?", *known.AccountID).Scan(ctx); err != nil {
		return err
	}
	if row.Deleted != nil {
		return nil
	}
	out.State, out.Account, out.Login, out.Odd = ImportKnown, row.ID, row.Login, OddLogin(row.Login)
	came, err := cameDigests(ctx, tx, row.ID)
	if err != nil {
		return err
	}
	w := &incomingWriter{
		im: im, tx: tx, u: &Unlocked{Account: row.account()}, by: by, origin: in.Origin, out: out, now: im.db.now(), fallback: fromMillis(row.Created),
	}
	fresh := func(ref string) bool {
		d := ID(w.digest(ref))
		_, old := came[d]
		if old {
			out.Known++
		}
		came[d] = struct{}{}
		return !old
	}
	for _, k := range in.Keys {
		if fresh(k.Ref) {
			out.Keys++
			if err := w.box(ctx, k.Ref, boxed{Kind: KindFernet, Created: millis(w.at(k.Created)), Body: []byte(k.Key)}); err != nil {
				return err
			}
		}
	}
	for _, k := range in.RSA {
		if fresh(k.Ref) {
			out.RSA++
			if err := w.box(ctx, k.Ref, boxed{Kind: KindRSA, Created: millis(w.at(k.Created)), Body: k.Private}); err != nil {
				return err
			}
		}
	}
	for r, err := range in.Records {
		if err != nil {
			return err
		}
		if !fresh(r.Ref) || !w.take(&r) {
			continue
		}
		b := boxed{Kind: r.Kind, Created: millis(r.Created), Body: r.Body}
		if r.Salt != nil {
			b.Salt = append([]byte{}, *r.Salt...)
		}
		if err := w.box(ctx, r.Ref, b); err != nil {
			return err
		}
	}
	return w.flush(ctx)
}

// cameDigests are the digests of what came before: 16 bytes each, so that a million take 40 MB.
func cameDigests(ctx context.Context, tx bun.Tx, account ID) (map[ID]struct{}, error) {
	rows, err := tx.NewSelect().Model((*importedRecordRow)(nil)).Column("digest").Where("account_id = ?", account).Rows(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[ID]struct{})
	for rows.Next() {
		var d ID
		if err := rows.Scan(&d); err != nil {
			return nil, err
		}
		out[d] = struct{}{}
	}
	return out, rows.Err()
}

func (w *incomingWriter) box(ctx context.Context, ref string, b boxed) error {
	plain, err := json.Marshal(b)
	if err != nil {
		return fail(Internal, "seal record", err)
	}
	row := &inboxRow{ID: NewID(), AccountID: w.u.Account.ID, Created: millis(w.now)}
	if row.SealedRecord, err = seal.SealTo(w.u.Account.HPKEPublic, []byte(infoInbox), row.aad(), plain); err != nil {
		return fail(Internal, "seal record", err)
	}
	w.out.Later++
	w.inbox = append(w.inbox, row)
	w.note(ref)
	w.bytes += len(row.SealedRecord)
	if len(w.inbox) >= batchRows || w.bytes >= batchBytes {
		return w.flush(ctx)
	}
	return nil
}

// open opens a record with the pair that it was sealed to.
func (r *inboxRow) open(pairs []sealedPair) (b boxed, err error) {
	for _, p := range pairs {
		var plain []byte
		if plain, err = seal.OpenFrom(p.Private, []byte(infoInbox), r.aad(), r.SealedRecord); err == nil {
			return b, json.Unmarshal(plain, &b)
		}
	}
	return b, errors.Join(seal.ErrOpen, err)
}

// The rows of the inbox that one transaction takes in: other writers wait for it.
const (
	receiveRows  = 200
	receiveBytes = 8 << 20
)

// Receive takes in what an import has left in the account's inbox, and returns how many records came. A row that does
// not open was changed by somebody, and stays. It may be cut anywhere: what is left comes at the next log-in.
func (im *Imports) Receive(ctx context.Context, u *Unlocked) (n int, err error) {
	waits, err := im.db.main.r.NewSelect().Model((*inboxRow)(nil)).Where("account_id = ?", u.Account.ID).Exists(ctx)
	if err != nil || !waits {
		return 0, storeError(err)
	}
	var after ID
	for {
		some, last, err := im.receive(ctx, u, after)
		n += some
		if err != nil || last.IsZero() {
			return n, err
		}
		after = last
	}
}

func (im *Imports) receive(ctx context.Context, u *Unlocked, after ID) (n int, last ID, err error) {
	err = im.db.main.write(Unhurried(ctx), func(ctx context.Context, tx bun.Tx) error {
		n, last = 0, ID{}
		account, err := accountBy(ctx, tx, "id", u.Account.ID)
		if err != nil {
			return err
		}
		pairs, err := account.openPairs(u.Ring)
		if err != nil {
			return err
		}
		var sizes []struct {
			ID    ID
			Bytes int
		}
		err = tx.NewSelect().Model((*inboxRow)(nil)).Column("id").ColumnExpr("length(sealed_record) AS bytes").
			Where("account_id = ?", u.Account.ID).Where("id > ?", after).Order("id").Limit(receiveRows).Scan(ctx, &sizes)
		if err != nil {
			return err
		}
		bytes := 0
		for _, s := range sizes {
			if bytes += s.Bytes; bytes > receiveBytes && !last.IsZero() {
				break
			}
			last = s.ID
			row := &inboxRow{ID: s.ID}
			if err := tx.NewSelect().Model(row).WherePK().Scan(ctx); err != nil {
				return err
			}
			b, err := row.open(pairs)
			if err != nil {
				continue
			}
			if err := im.unbox(ctx, tx, u, b); err != nil {
				return err
			}
			if _, err := tx.NewDelete().Model(row).WherePK().Exec(ctx); err != nil {
				return err
			}
			n++
		}
		Failpoint("import-receive")
		return nil
	})
	if err != nil {
		return 0, ID{}, err
	}
	return n, last, nil
}

// unbox puts a record where it belongs.
func (im *Imports) unbox(ctx context.Context, tx bun.Tx, u *Unlocked, b boxed) error {
	created := fromMillis(b.Created)
	if b.Kind == KindFernet || b.Kind == KindRSA {
		return im.unboxKey(ctx, tx, u, b, created)
	}
	r := Record{Kind: b.Kind, Body: b.Body}
	if b.Salt != nil {
		salt := string(b.Salt)
		r.Salt = &salt
	}
	row, err := closeItem(u, r.item(created))
	if err != nil {
		return err
	}
	if row.SealVersion, err = sealVersion(ctx, tx, u); err != nil {
		return err
	}
	_, err = tx.NewInsert().Model(row).Exec(ctx)
	return err
}

// unboxKey adds a key that only opens: what the person encrypts with is not changed by an import.
func (im *Imports) unboxKey(ctx context.Context, tx bun.Tx, u *Unlocked, b boxed, created time.Time) error {
	pair := Pair{Kind: KindFernet, Algorithm: algorithmFernet, Secret: b.Body, Created: created, Name: oldFernet}
	if b.Kind == KindRSA {
		pairs, err := readRSA(b.Body)
		if err != nil {
			return nil // refused when it came, were it not for the key that sealed it
		}
		pair = pairs[0]
		pair.Created = created
	}
	ring, err := listKeys(ctx, tx, u)
	if err != nil {
		return err
	}
	for i := range ring {
		if same, _, err := ring[i].holds(&pair); err != nil || same {
			return err
		}
	}
	k := keyOf(&pair, created)
	k.Versions[0].State = KeyRetired
	return insertKey(ctx, tx, u, k)
}
