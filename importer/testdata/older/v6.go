package older

import (
	"database/sql"
	"fmt"

	_ "modernc.org/sqlite" // the driver
)

// schema has the tables and columns that Flask-SQLAlchemy made, none of them with an index on user_id.
var schema = []string{
	`CREATE TABLE user (id INTEGER NOT NULL, email VARCHAR(120) NOT NULL, password_hash VARCHAR(256) NOT NULL, created_at DATETIME, PRIMARY KEY (id), UNIQUE (email))`,
	`CREATE TABLE "key" (id INTEGER NOT NULL, key_value VARCHAR(256) NOT NULL, active BOOLEAN, created_at DATETIME, user_id INTEGER NOT NULL, PRIMARY KEY (id), FOREIGN KEY(user_id) REFERENCES user (id))`,
	`CREATE TABLE hash (id INTEGER NOT NULL, hash_value VARCHAR(256) NOT NULL, salt VARCHAR(256), created_at DATETIME, user_id INTEGER NOT NULL, PRIMARY KEY (id), FOREIGN KEY(user_id) REFERENCES user (id))`,
	`CREATE TABLE encrypted_text (id INTEGER NOT NULL, encrypted_content TEXT NOT NULL, created_at DATETIME, user_id INTEGER NOT NULL, PRIMARY KEY (id), FOREIGN KEY(user_id) REFERENCES user (id))`,
	`CREATE TABLE pgp_key (id INTEGER NOT NULL, public_key TEXT NOT NULL, private_key TEXT NOT NULL, active BOOLEAN, created_at DATETIME, user_id INTEGER NOT NULL, PRIMARY KEY (id), FOREIGN KEY(user_id) REFERENCES user (id))`,
}

// V6 makes a database of version 6. Account n has the id n+1, text and digest n too.
func (s Spec) V6(path string) (err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(0)&_pragma=journal_mode(OFF)&_pragma=cache_size(-32768)")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, q := range schema {
		if _, err := db.Exec(q); err != nil {
			return err
		}
	}
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	insert := func(count int, query string, row func(n int) []any) {
		if err != nil {
			return
		}
		var stmt *sql.Stmt
		if stmt, err = tx.Prepare(query); err != nil {
			return
		}
		defer stmt.Close()
		for n := 0; n < count && err == nil; n++ {
			_, err = stmt.Exec(row(n)...)
		}
	}
	date := func(n int) string { return s.Time(n).Format("2006-01-02 15:04:05.000000") }
	insert(s.Accounts, `INSERT INTO user VALUES (?, ?, ?, ?)`, func(n int) []any {
		return []any{n + 1, s.Login(n), s.Werkzeug(n), date(n)}
	})
	insert(s.Accounts, `INSERT INTO "key" VALUES (?, ?, 1, ?, ?)`, func(n int) []any {
		return []any{n + 1, s.Key(n), date(n), n + 1}
	})
	insert(s.Texts, `INSERT INTO encrypted_text VALUES (?, ?, ?, ?)`, func(n int) []any {
		return []any{n + 1, string(s.Token(n, s.Owner(n))), date(n), s.Owner(n) + 1}
	})
	insert(s.Digests, `INSERT INTO hash VALUES (?, ?, ?, ?, ?)`, func(n int) []any {
		sum, salt := s.Digest(n)
		return []any{n + 1, sum, salt, date(n), s.Owner(n) + 1}
	})
	if err != nil {
		return fmt.Errorf("make database: %w", err)
	}
	return tx.Commit()
}
