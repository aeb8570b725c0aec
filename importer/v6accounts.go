package importer

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"strings"
	"time"
	"unicode"

	"zencrypt/crypto/fernet"
)

// A digest stands for a login or an id in maps of many: half of SHA-256, since nobody should be able to make two alike.
type digest [16]byte

func digestOf(s string) digest {
	sum := sha256.Sum256([]byte(s))
	return digest(sum[:16])
}

// v6run is one run over the accounts: its statements are made once.
type v6run struct {
	*v6
	ctx   context.Context
	stmts map[string]*sql.Stmt
}

func (v *v6) accounts(ctx context.Context, yield func(*Account, error) bool) {
	r := &v6run{v, ctx, map[string]*sql.Stmt{}}
	defer r.end()
	for i, u := range v.users {
		if err := ctx.Err(); err != nil {
			yield(nil, err)
			return
		}
		if u.why != fine {
			more := ""
			if u.why == loginTwice {
				more = " (user " + v.users[u.of].id + ")"
			}
			v.reject("user", u.id, u.why, false, more)
			continue
		}
		a, err := r.account(uint32(i))
		if err == nil {
			err = v.unchanged()
		}
		if err != nil {
			yield(nil, err)
			return
		}
		if !yield(a, nil) {
			return
		}
	}
	if err := r.orphans(); err != nil {
		yield(nil, err)
	}
}

func (r *v6run) end() {
	for _, s := range r.stmts {
		s.Close()
	}
}

// row reads one row by its place into dest.
func (r *v6run) row(t *table, columns string, place int64, dest ...any) error {
	query := "SELECT " + t.id() + ", " + columns + " FROM " + quote(t.name) + " WHERE rowid = ?"
	stmt := r.stmts[query]
	if stmt == nil {
		var err error
		if stmt, err = r.conn.PrepareContext(r.ctx, query); err != nil {
			return r.explain(r.path, err)
		}
		r.stmts[query] = stmt
	}
	if err := stmt.QueryRowContext(r.ctx, place).Scan(dest...); err != nil {
		return r.explain(r.path, err)
	}
	return nil
}

func (r *v6run) account(n uint32) (*Account, error) {
	u, t := r.users[n], r.tables["user"]
	var id any
	var login, pw, made value
	if err := r.row(t, t.get("email", maxLogin)+", "+t.get("password_hash", maxShort)+", "+t.get("created_at", maxIDText), u.row,
		append(append(append([]any{&id}, login.dest()...), pw.dest()...), made.dest()...)...); err != nil {
		return nil, err
	}
	a := &Account{Ref: "user:" + u.id}
	a.Login, _ = login.text()
	if s, ok := pw.text(); ok {
		a.Password = Secret(s)
	}
	a.Created = r.date("user", u.id, made)
	var err error
	if a.Keys, err = r.accountKeys(n); err != nil {
		return nil, err
	}
	if a.RSA, err = r.accountPairs(n); err != nil {
		return nil, err
	}
	keys := a.Keys
	a.Texts = func(yield func(Text, error) bool) { r.accountTexts(n, keys, yield) }
	a.Digests = func(yield func(Digest, error) bool) { r.accountDigests(n, yield) }
	return a, nil
}

func (r *v6run) date(table, id string, made value) (t time.Time) {
	if made.null() {
		return t
	}
	got, ok := parseTime(made.v)
	if !ok {
		r.note(table, id, "created_at is no date and stays empty")
	}
	return got
}

// accountKeys gives an account's Fernet keys in the order in which their rows were added.
func (r *v6run) accountKeys(n uint32) (keys []Key, err error) {
	t := r.tables["key"]
	seen := map[string]int{}
	for _, e := range r.keys.of(n) {
		var raw any
		var text, active, made value
		if err := r.row(t, t.get("key_value", maxShort)+", "+t.get("active", maxIDText)+", "+t.get("created_at", maxIDText), e.place(),
			append(append(append([]any{&raw}, text.dest()...), active.dest()...), made.dest()...)...); err != nil {
			return nil, err
		}
		id := idText(raw)
		b, ok := text.bytes()
		if text.null() {
			r.reject("key", id, keyMissing, false, "")
			continue
		}
		k, err := fernet.ParseKey(squeeze(string(b)))
		if !ok || err != nil {
			r.reject("key", id, keyMalformed, false, "")
			continue
		}
		if first, ok := seen[k.Encode()]; ok {
			r.note("key", id, "the same key as %s, of which it is no further version", keys[first].Ref)
			keys[first].Active = keys[first].Active || active.truth()
			continue
		}
		if len(keys) == maxKeys {
			r.reject("key", id, keyTooMany, false, "")
			continue
		}
		seen[k.Encode()] = len(keys)
		keys = append(keys, Key{Ref: "key:" + id, Key: k, Active: active.truth(), Created: r.date("key", id, made)})
	}
	oneActive(keys, func(k Key) {
		r.note("key", strings.TrimPrefix(k.Ref, "key:"), "the account has more than one active key: a newer one is, this one is retired")
	})
	return keys, nil
}

// oneActive leaves the newest active key active, as the next one that was made would have been.
func oneActive(keys []Key, retired func(Key)) {
	found := false
	for i := len(keys) - 1; i >= 0; i-- {
		if keys[i].Active && found {
			keys[i].Active = false
			retired(keys[i])
		}
		found = found || keys[i].Active
	}
}

// squeeze takes white space out of a key's text, which pasting brought in and Python's base64 ignored.
func squeeze(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsSpace(c) {
			return -1
		}
		return c
	}, s)
}

func (r *v6run) accountTexts(n uint32, keys []Key, yield func(Text, error) bool) {
	t := r.tables["encrypted_text"]
	for _, e := range r.texts.of(n) {
		var raw any
		var token, made value
		err := r.row(t, t.get("encrypted_content", maxTokenText)+", "+t.get("created_at", maxIDText), e.place(),
			append(append([]any{&raw}, token.dest()...), made.dest()...)...)
		if err == nil {
			err = r.unchanged()
		}
		if err != nil {
			yield(Text{}, err)
			return
		}
		id := idText(raw)
		b, ok := token.bytes()
		if why := v6text(token, ok); why != fine {
			r.reject("encrypted_text", id, why, false, "")
			continue
		}
		plain, key, why := openToken(b, keys)
		switch why {
		case fine:
		case tokenDamaged, tokenOtherKey:
			r.note("encrypted_text", id, "no key of its account opens it: it is kept as it is, unreadable")
		default:
			r.reject("encrypted_text", id, why, false, "")
			continue
		}
		if !yield(Text{Ref: "encrypted_text:" + id, Created: r.date("encrypted_text", id, made), Token: b, Plain: plain, Key: key}, nil) {
			return
		}
	}
}

func v6text(token value, ok bool) reason {
	switch {
	case token.null():
		return textNull
	case token.tooLong():
		return textTooLong
	case !ok:
		return textNotText
	}
	return fine
}

func (r *v6run) accountDigests(n uint32, yield func(Digest, error) bool) {
	t := r.tables["hash"]
	for _, e := range r.digests.of(n) {
		var raw any
		var sum, salt, made value
		err := r.row(t, t.get("hash_value", maxShort)+", "+t.get("salt", maxTokenText)+", "+t.get("created_at", maxIDText), e.place(),
			append(append(append([]any{&raw}, sum.dest()...), salt.dest()...), made.dest()...)...)
		if err == nil {
			err = r.unchanged()
		}
		if err != nil {
			yield(Digest{}, err)
			return
		}
		id := idText(raw)
		d := Digest{Ref: "hash:" + id}
		b, ok := sum.bytes()
		why := checkDigest(string(b))
		if sum.null() {
			why = digestNull
		} else if !ok {
			why = digestForm
		}
		if s, ok := salt.bytes(); ok {
			text := string(s)
			d.Salt = &text
		} else if !salt.null() && why == fine {
			why = saltNotText
		}
		if why != fine {
			r.reject("hash", id, why, false, "")
			continue
		}
		d.Value, d.Created = string(b), r.date("hash", id, made)
		if !yield(d, nil) {
			return
		}
	}
}

// orphans reports the rows that belong to nobody who comes.
func (r *v6run) orphans() error {
	for _, kind := range []struct {
		table string
		index entries
	}{{"key", r.keys}, {"pgp_key", r.pairs}, {"encrypted_text", r.texts}, {"hash", r.digests}} {
		t := r.tables[kind.table]
		for _, e := range kind.index {
			if e.owner != nobody && r.users[e.owner].why == fine {
				continue
			}
			if err := r.ctx.Err(); err != nil {
				return err
			}
			var raw any
			var user value
			if err := r.row(t, t.get("user_id", maxIDText), e.place(), append([]any{&raw}, user.dest()...)...); err != nil {
				return err
			}
			_, number := user.v.(int64)
			switch id := idText(raw); {
			case e.owner != nobody:
				r.reject(kind.table, id, ownerRejected, false, " (user "+r.users[e.owner].id+")")
			case user.null():
				r.reject(kind.table, id, ownerMissing, false, "")
			case !number:
				r.reject(kind.table, id, ownerBad, false, "")
			default:
				r.reject(kind.table, id, ownerUnknown, false, "")
			}
		}
	}
	return r.unchanged()
}
