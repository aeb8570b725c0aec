package importer

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// v5run is one run over the accounts.
type v5run struct {
	*v5
	ctx context.Context
}

func (v *v5) accounts(ctx context.Context, yield func(*Account, error) bool) {
	r := &v5run{v, ctx}
	v.noteExtra()
	for i, u := range v.users {
		a, err := r.account(uint32(i), u)
		if err == nil {
			err = r.unchanged()
		}
		if err != nil {
			yield(nil, err)
			return
		}
		if a != nil && !yield(a, nil) {
			return
		}
	}
	if err := r.orphans(); err != nil {
		yield(nil, err)
	}
}

// unchanged refuses to go on once somebody has written to a file that was checked.
func (r *v5run) unchanged() error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	for _, in := range r.inputs {
		if in.changed() {
			return fmt.Errorf("%w: %s was changed while it was read: begin again", ErrSource, in.path)
		}
	}
	return nil
}

// document reads a document again, and its id.
func (r *v5run) document(place int64) (doc bson.Raw, id string, err error) {
	offset := place & (1<<placeBits - 1)
	in := r.inputs[place>>placeBits]
	if doc, err = in.document(offset); err != nil {
		return nil, "", err
	}
	if id = pythonString(lookup(doc, "_id")); id == "" {
		id = fmt.Sprintf("%s@%d", lookup(doc, "_id").Type, offset) // an id of another kind, or none
	}
	return doc, shortID(id), nil
}

// shortID is an id for people; a long one keeps what tells it from others.
func shortID(id string) string {
	if len(id) > maxIDText {
		sum := digestOf(id)
		return fmt.Sprintf("%s~%x", idText(id[:maxIDText/2]), sum)
	}
	return idText(id)
}

// account gives an account, nil for one that was reported.
func (r *v5run) account(n uint32, u v5user) (*Account, error) {
	doc, id, err := r.document(u.place)
	if err != nil {
		return nil, err
	}
	if u.why != fine {
		more := ""
		if u.why == loginTwice || u.why == loginTwiceCase {
			_, other, err := r.document(r.users[u.of].place)
			if err != nil {
				return nil, err
			}
			more = " (" + other + ")"
		}
		r.reject("users", id, u.why, false, more)
		return nil, nil
	}
	pw, _ := bytesOf(lookup(doc, "password"))
	return &Account{
		Ref: "users:" + id, Login: lookup(doc, "email").StringValue(), Password: pw, Created: created(doc), Keys: slices.Clone(r.keys),
		Texts:   func(yield func(Text, error) bool) { r.accountTexts(n, yield) },
		Digests: func(yield func(Digest, error) bool) { r.accountDigests(n, yield) },
	}, nil
}

func created(doc bson.Raw) time.Time {
	t, _ := parseTime(madeAt(doc))
	return t
}

// each reads an owner's records of a collection, each id once.
func (r *v5run) each(collection string, list entries, do func(doc bson.Raw, id string) (more bool), fail func(error)) {
	seen := map[digest]bool{}
	for _, e := range list {
		doc, id, err := r.document(e.place())
		if err == nil {
			err = r.ctx.Err()
		}
		if err != nil {
			fail(err)
			return
		}
		if len(list) > 1 {
			sum := digestOf(id)
			if seen[sum] {
				r.reject(collection, id, idTwice, false, "")
				continue
			}
			seen[sum] = true
		}
		if !do(doc, id) {
			return
		}
	}
}

func (r *v5run) accountTexts(n uint32, yield func(Text, error) bool) {
	const collection = "encrypted_texts"
	r.each(collection, r.texts.of(n), func(doc bson.Raw, id string) bool {
		v := lookup(doc, "encryptedText")
		token, ok := bytesOf(v)
		why := fine
		switch {
		case v.Type == 0:
			why = textMissing
		case v.Type == bson.TypeNull:
			why = textNull
		case !ok:
			why = textNotText
		}
		x := Text{Ref: collection + ":" + id, Created: created(doc), Token: token, Key: -1}
		if why == fine {
			x.Plain, x.Key, why = openToken(token, r.keys)
		}
		kept := why == tokenDamaged || why == tokenOtherKey
		if why != fine && !(kept && len(r.keys) == 0) { // without a key, one note has said it
			r.reject(collection, id, why, kept, "")
		}
		return why != fine && !kept || yield(x, nil)
	}, func(err error) { yield(Text{}, err) })
}

func (r *v5run) accountDigests(n uint32, yield func(Digest, error) bool) {
	const collection = "hashes"
	r.each(collection, r.digests.of(n), func(doc bson.Raw, id string) bool {
		v, salt := lookup(doc, "hash"), lookup(doc, "salt")
		b, ok := bytesOf(v)
		why := checkDigest(string(b))
		switch {
		case v.Type == 0:
			why = digestMissing
		case v.Type == bson.TypeNull:
			why = digestNull
		case !ok:
			why = digestNotText
		}
		d := Digest{Ref: collection + ":" + id, Created: created(doc), Value: string(b)}
		if s, ok := bytesOf(salt); ok {
			text := string(s)
			d.Salt = &text
		} else if salt.Type != 0 && salt.Type != bson.TypeNull && why == fine {
			why = saltNotText
		}
		if why != fine {
			r.reject(collection, id, why, false, "")
			return true
		}
		return yield(d, nil)
	}, func(err error) { yield(Digest{}, err) })
}

// orphans reports the records that belong to nobody who comes.
func (r *v5run) orphans() error {
	var failed error
	for _, kind := range []struct {
		collection string
		index      entries
	}{{"encrypted_texts", r.texts}, {"hashes", r.digests}} {
		var lost entries
		for _, e := range kind.index {
			if e.owner == nobody || r.users[e.owner].why != fine {
				lost = append(lost, e)
			}
		}
		r.each(kind.collection, lost, func(doc bson.Raw, id string) bool {
			name := lookup(doc, "userId")
			owner := r.owner(doc)
			switch {
			case owner != nobody:
				r.reject(kind.collection, id, ownerRejected, false, " ("+idText(pythonString(name))+")")
			case name.Type == 0:
				r.reject(kind.collection, id, ownerMissing, false, "")
			case isObjectID(pythonString(name)):
				r.reject(kind.collection, id, ownerUnknown, false, "")
			default:
				r.reject(kind.collection, id, ownerBad, false, "")
			}
			return true
		}, func(err error) { failed = err })
		if failed != nil {
			return failed
		}
	}
	return r.unchanged()
}
