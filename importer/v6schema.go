package importer

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// A table is one of the old tables, with the columns it has.
type table struct {
	name    string
	columns []string
}

// v6tables are what is read, and the columns without which it can't be.
var v6tables = map[string][]string{
	"user":           {"email", "password_hash"},
	"key":            {"key_value", "user_id"},
	"hash":           {"hash_value", "user_id"},
	"encrypted_text": {"encrypted_content", "user_id"},
	"pgp_key":        {"private_key", "user_id"},
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// schema finds the tables, and reports those that nobody reads.
func (v *v6) schema(ctx context.Context) error {
	rows, err := v.conn.QueryContext(ctx, `SELECT name, type, sql FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY name`)
	if err != nil {
		return v.explain(v.path, err)
	}
	defer rows.Close()
	v.tables = map[string]*table{}
	var others []string
	for rows.Next() {
		var name, kind string
		var text sql.NullString
		if err := rows.Scan(&name, &kind, &text); err != nil {
			return v.explain(v.path, err)
		}
		key := strings.ToLower(name) // as SQLite compares them
		if kind != "table" || strings.HasPrefix(strings.ToUpper(text.String), "CREATE VIRTUAL") {
			if v6tables[key] != nil {
				return v.fail("%s is no ordinary table: this is not a database of Zencrypt 6", name)
			}
			continue
		}
		if v6tables[key] == nil {
			others = append(others, name)
			continue
		}
		v.tables[key] = &table{name: name}
	}
	if err := rows.Err(); err != nil {
		return v.explain(v.path, err)
	}
	if v.tables["user"] == nil {
		return v.fail("it has no table user: this is not a database of Zencrypt 6")
	}
	for _, name := range []string{"user", "key", "hash", "encrypted_text", "pgp_key"} {
		t := v.tables[name]
		if t == nil {
			v.note(name, "", "the database has no such table")
			continue
		}
		if err := v.columns(ctx, t); err != nil {
			return err
		}
		for _, c := range v6tables[name] {
			if !t.has(c) {
				return v.fail("table %s has no column %s: this is not a database of Zencrypt 6", name, c)
			}
		}
	}
	for _, name := range others {
		if n, err := v.count(ctx, name); err != nil {
			return err
		} else if n > 0 {
			v.note(name, "", "%d rows of a table that Zencrypt 6 did not use stay behind", n)
		}
	}
	return nil
}

func (v *v6) columns(ctx context.Context, t *table) error {
	rows, err := v.conn.QueryContext(ctx, "SELECT name FROM pragma_table_info(?)", t.name)
	if err != nil {
		return v.explain(v.path, err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return v.explain(v.path, err)
		}
		t.columns = append(t.columns, strings.ToLower(name))
	}
	if err := rows.Err(); err != nil {
		return v.explain(v.path, err)
	}
	return nil
}

func (v *v6) count(ctx context.Context, name string) (n int64, err error) {
	if err := v.conn.QueryRowContext(ctx, "SELECT count(*) FROM "+quote(name)).Scan(&n); err != nil {
		return 0, v.explain(v.path, err)
	}
	return n, nil
}

func (t *table) has(column string) bool { return slices.Contains(t.columns, column) }

// get is SQL for a column's value as it is stored and its length in bytes. Longer than limit it
// is null, and so is a column that is not there. An expression has no declared type, by which the driver would turn dates
// and booleans into what it takes them for.
func (t *table) get(column string, limit int) string {
	if !t.has(column) {
		return "NULL, NULL"
	}
	c := quote(column)
	return fmt.Sprintf("CASE WHEN octet_length(%s) <= %d THEN %s END, octet_length(%s)", c, limit, c, c)
}

// id is SQL for a row's id, as people see it.
func (t *table) id() string {
	if t.has("id") {
		return `+"id"`
	}
	return "+rowid"
}

// A value is one column of one row.
type value struct {
	v    any
	size sql.NullInt64 // null for a null
}

// dest is where to scan what [table.get] asks for.
func (c *value) dest() []any { return []any{&c.v, &c.size} }

func (c value) null() bool    { return !c.size.Valid }
func (c value) tooLong() bool { return c.size.Valid && c.v == nil }

// text is for what must be text.
func (c value) text() (string, bool) {
	s, ok := c.v.(string)
	return s, ok
}

// bytes is for text that may have been stored as a blob.
func (c value) bytes() ([]byte, bool) {
	switch b := c.v.(type) {
	case string:
		return []byte(b), true
	case []byte:
		return b, true
	}
	return nil, false
}

// truth is how the old program read a flag: null and 0 are false.
func (c value) truth() bool {
	switch b := c.v.(type) {
	case int64:
		return b != 0
	case float64:
		return b != 0
	case string:
		return b != "" && b != "0" && !strings.EqualFold(b, "false")
	case bool:
		return b
	}
	return false
}
