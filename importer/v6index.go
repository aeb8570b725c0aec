package importer

import (
	"context"
	"fmt"
	"strings"
)

const (
	maxIDText   = 64       // bytes of an id or a date
	maxShort    = 64 << 10 // bytes of other short columns
	maxAccounts = 1 << 22  // for the index's memory
)

// index reads who is there and what belongs to whom. The old tables have no index on user_id, so
// that asking for each account's rows would read each table once for each.
func (v *v6) index(ctx context.Context) (c Counts, err error) {
	if err := v.schema(ctx); err != nil {
		return c, err
	}
	owners, err := v.accountIndex(ctx)
	if err != nil {
		return c, err
	}
	c.Accounts = int64(len(v.users))
	for _, kind := range []struct {
		table string
		index *entries
		count *int64
	}{
		{"key", &v.keys, &c.Keys}, {"pgp_key", &v.pairs, &c.RSA},
		{"encrypted_text", &v.texts, &c.Texts}, {"hash", &v.digests, &c.Digests},
	} {
		if v.tables[kind.table] == nil {
			continue
		}
		if err := v.rowIndex(ctx, v.tables[kind.table], owners, kind.index); err != nil {
			return c, err
		}
		*kind.count = int64(len(*kind.index))
	}
	return c, v.unchanged()
}

// accountIndex decides which accounts come, and maps the ids that rows name to them.
func (v *v6) accountIndex(ctx context.Context) (map[int64]uint32, error) {
	t := v.tables["user"]
	rows, err := v.conn.QueryContext(ctx, "SELECT rowid, "+t.id()+", "+t.get("email", maxLogin)+", "+t.get("password_hash", maxShort)+" FROM "+quote(t.name)+" ORDER BY rowid")
	if err != nil {
		return nil, v.explain(v.path, err)
	}
	defer rows.Close()
	owners, logins := map[int64]uint32{}, map[digest]uint32{}
	for rows.Next() {
		var u v6user
		var id any
		var login, pw value
		if err := rows.Scan(append(append([]any{&u.row, &id}, login.dest()...), pw.dest()...)...); err != nil {
			return nil, v.explain(v.path, err)
		}
		if len(v.users) == maxAccounts {
			return nil, v.fail("more than %d accounts", maxAccounts)
		}
		n := uint32(len(v.users))
		number, ok := id.(int64)
		u.id = idText(id)
		_, twice := owners[number]
		switch {
		case !ok:
			u.why = idUnusable
		case twice:
			u.why = idTwice
		default:
			owners[number] = n
			u.why = v6account(login, pw)
		}
		if s, ok := login.text(); ok && u.why == fine {
			sum := digestOf(s)
			if first, ok := logins[sum]; ok {
				u.why, u.of = loginTwice, first
			} else {
				logins[sum] = n
			}
		}
		v.users = append(v.users, u)
	}
	if err := rows.Err(); err != nil {
		return nil, v.explain(v.path, err)
	}
	return owners, nil
}

// v6account tells what is wrong with an account.
func v6account(login, pw value) reason {
	s, ok := login.text()
	switch {
	case login.null():
		return loginNull
	case login.tooLong():
		return loginTooLong
	case !ok:
		return loginNotText
	}
	if why := checkLogin(s); why != fine {
		return why
	}
	s, ok = pw.text()
	switch {
	case pw.null():
		return passwordNull
	case pw.tooLong():
		return passwordUnknown
	case !ok:
		return passwordNotText
	}
	return checkPassword(s)
}

// rowIndex notes whose each row is.
func (v *v6) rowIndex(ctx context.Context, t *table, owners map[int64]uint32, index *entries) error {
	rows, err := v.conn.QueryContext(ctx, `SELECT rowid, CASE WHEN typeof("user_id") = 'integer' THEN "user_id" END FROM `+quote(t.name))
	if err != nil {
		return v.explain(v.path, err)
	}
	defer rows.Close()
	var row int64
	var user *int64
	for rows.Next() {
		if err := rows.Scan(&row, &user); err != nil {
			return v.explain(v.path, err)
		}
		owner := nobody
		if user != nil {
			if n, ok := owners[*user]; ok {
				owner = n
			}
		}
		if err := index.add(owner, row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return v.explain(v.path, err)
	}
	index.sort()
	return nil
}

// idText is an id for people, whatever it is.
func idText(id any) string {
	var s string
	switch id := id.(type) {
	case nil:
		return "null"
	case []byte:
		s = fmt.Sprintf("%x", id[:min(len(id), maxIDText)])
	default:
		s = fmt.Sprint(id)
	}
	return strings.ToValidUTF8(s[:min(len(s), maxIDText)], "?")
}
