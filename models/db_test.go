package models

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun/migrate"
)

func TestOpen(t *testing.T) {
	c := newClock()
	dir := filepath.Join(t.TempDir(), "a b?c#d%20", "data")
	o := testOptions(t, dir, c)
	if Exists(dir) {
		t.Fatal("there is nothing yet")
	}
	db := openTest(t, o)
	u := register(t, db, "ada")
	item := save(t, db, u, "title", "body")
	t.Run("Modes", func(t *testing.T) {
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 6 { // two files with WAL and index each
			t.Fatalf("%v, %v", entries, err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: mode %v, %v", e.Name(), info.Mode(), err)
			}
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("folder: mode %v, %v", info.Mode(), err)
		}
	})
	t.Run("Pragmas", func(t *testing.T) {
		for _, s := range []*sqliteDB{db.main, db.sessions} {
			for pragma, want := range map[string]string{
				"auto_vacuum": "2", "secure_delete": "1", "journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000",
			} {
				var got string
				if err := s.w.DB.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil || got != want {
					t.Errorf("%s is %q, %v; want %q", pragma, got, err, want)
				}
			}
			if _, err := s.r.DB.Exec("CREATE TABLE x (y)"); err == nil {
				t.Error("a reading connection wrote")
			}
		}
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if !Exists(dir) {
		t.Fatal("there is a database")
	}
	t.Run("OtherServerKey", func(t *testing.T) {
		o := testOptions(t, dir, c)
		o.Pepper = PepperKeys{Active: "ffff", Keys: map[string]ServerKey{"ffff": {Pepper: [32]byte{3}}}}
		_, err := Open(t.Context(), o)
		if !errors.Is(err, ErrServerKey) || !strings.Contains(err.Error(), "0011223344556677") || !strings.Contains(err.Error(), "recovery codes") {
			t.Fatalf("error %v", err)
		}
	})
	t.Run("Newer", func(t *testing.T) {
		o := testOptions(t, dir, c)
		o.Main = migrate.NewMigrations()
		if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "newer version") {
			t.Fatalf("error %v", err)
		}
	})
	t.Run("BadCosts", func(t *testing.T) {
		o := testOptions(t, filepath.Join(t.TempDir(), "x"), c)
		o.KDF.MemoryKiB = 1
		if _, err := Open(t.Context(), o); err == nil {
			t.Fatal("costs below the smallest were taken")
		}
		if Exists(o.Dir) {
			t.Fatal("a database was made")
		}
	})
	t.Run("RotatedServerKey", func(t *testing.T) {
		o := testOptions(t, dir, c)
		o.Pepper.Active, o.Pepper.Keys["next"] = "next", ServerKey{Pepper: [32]byte{5}, Logins: [32]byte{6}}
		db := openTest(t, o)
		again, err := db.Accounts.Authenticate(t.Context(), "ada", goodPassword)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := db.Items.Get(t.Context(), again, item.ID); err != nil || string(got.Body) != "body" {
			t.Fatalf("%v, %v", got, err)
		}
	})
}

// Every level that was missing is made, and synced into the one above it.
func TestMakeDir(t *testing.T) {
	root := t.TempDir()
	var synced []string
	note := func(dir string) error { synced = append(synced, strings.TrimPrefix(dir, root)); return nil }
	deep := filepath.Join(root, "a", "b", "data")
	for range 2 { // the second time there is nothing to do
		if err := makeDir(deep, note); err != nil {
			t.Fatal(err)
		}
		if want := []string{"", "/a", "/a/b"}; !slices.Equal(synced, want) {
			t.Fatalf("synced %q, want %q", synced, want)
		}
	}
	for dir := deep; dir != root; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
	}
	link, file := filepath.Join(root, "link"), filepath.Join(root, "file")
	if err := errors.Join(os.Symlink(deep, link), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	for _, dir := range []string{link, ".", "/", "a/b/", filepath.Join(link, "below")} {
		if err := MakeDir(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if err := MakeDir(dir); err == nil {
			t.Errorf("%s is a folder", dir)
		}
	}
	if err := makeDir(filepath.Join(root, "c"), func(string) error { return os.ErrInvalid }); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("a folder that was not synced: %v", err)
	}
}

// Whoever asks every millisecond gets answers, and the disk one write in five seconds.
func TestDB_Ready(t *testing.T) {
	db, c := newTestDB(t)
	written := func() int { return count(t, db.main, "SELECT value FROM meta WHERE name = 'ready'") }
	ask := func(want Code) {
		t.Helper()
		if err := db.Ready(t.Context()); ErrorCode(err) != want {
			t.Fatalf("%v, want %q", err, want)
		}
	}
	cut, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Ready(cut); err == nil {
		t.Fatal("a request that was cut wrote")
	}
	ask("") // and did not decide for others
	first := written()
	c.add(readyEvery - time.Millisecond)
	ask("")
	if written() != first {
		t.Fatal("written again within 5 seconds")
	}
	exec(t, db.main, "PRAGMA query_only = 1")
	ask("")
	c.add(time.Millisecond)
	ask(Unavailable)
	exec(t, db.main, "PRAGMA query_only = 0")
	ask(Unavailable)
	db.Look(t.Context()) // until it finds out that it can write
	c.add(readyEvery)
	ask("")
	if got := written(); got != first+2*int(readyEvery/time.Millisecond) {
		t.Fatalf("written at %d, first at %d", got, first)
	}
	c.add(-time.Hour) // a clock that was set back
	ask("")
	if written() >= first {
		t.Fatal("not written after the clock was set back")
	}
}

// A crash may fall between a migration and its mark: it then runs a second time.
func TestMigrations(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	db := openTest(t, testOptions(t, dir, c))
	register(t, db, "ada")
	for _, s := range []*sqliteDB{db.main, db.sessions} {
		exec(t, s, "DELETE FROM bun_migrations")
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, testOptions(t, dir, c))
	if n := count(t, db.main, "SELECT count(*) FROM accounts"); n != 1 {
		t.Fatalf("%d accounts after the second run", n)
	}
	t.Run("Down", func(t *testing.T) {
		for s, ms := range map[*sqliteDB]*migrate.Migrations{db.main: testOptions(t, dir, c).Main, db.sessions: testOptions(t, dir, c).Sessions} {
			m := migrate.NewMigrator(s.w, ms, migrate.WithMarkAppliedOnSuccess(true))
			if _, err := m.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := count(t, s, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'bun_%' AND name NOT LIKE 'sqlite_%'"); n != 0 {
				t.Fatalf("%d tables left", n)
			}
		}
	})
}

func TestRedacted(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	_, s := login(t, db, u)
	item := saveFile(t, db, u, "swordfish")
	key, err := db.Keys.Default(t.Context(), u, "age")
	if err != nil {
		t.Fatal(err)
	}
	_, k := u.Ring.Current()
	meta := ResultMeta{Name: "swordfish", Headline: "swordfish"}
	secrets := []string{"swordfish", string(key.Versions[0].Secret), fmt.Sprintf("%x", k[:]), fmt.Sprintf("%x", s.Key[:]), "[7 7 0", "7700000000000000", // as long as no id is by chance
		"[88 88 8", "WFhYWFhYWFhY", "5858585858585858", strings.Trim(fmt.Sprint(k[:]), "[]"), strings.Trim(fmt.Sprint(s.Key[:]), "[]"), strings.Trim(fmt.Sprint(s.unlock[:]), "[]")}
	server := ServerKey{Pepper: [32]byte(bytes.Repeat([]byte("X"), 32)), Logins: [32]byte(bytes.Repeat([]byte("X"), 32))}
	peppers := PepperKeys{Active: "active", Keys: map[string]ServerKey{"active": server}}
	options := db.opts
	options.Pepper = peppers
	values := map[string]any{
		"server key": server, "pepper keys": peppers, "options": options, "db": &DB{opts: options},
		"unlocked": u, "session": s, "session value": *s, "item": item, "item value": *item, "meta": meta, "result": Result{Meta: meta},
		"key": key, "key value": *key, "version": key.Versions[0], "imported": Imported{Name: "swordfish"}, "pair": Pair{Name: "swordfish", Secret: []byte("swordfish")},
		"key params": KeyParams{Name: "swordfish", PairParams: PairParams{Name: "swordfish"}}, "read options": ReadOptions{Passphrase: "swordfish"}, "blob": item.Blob, "list": []any{*u, *s, *item, meta},
	}
	for name, v := range values {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%c"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		for _, secret := range secrets {
			if strings.Contains(out.String(), secret) {
				t.Errorf("%s prints a secret: %.200s", name, out.String())
			}
		}
	}
}

func TestErrorMessage(t *testing.T) {
	for _, c := range []struct {
		err  error
		code Code
		want string
	}{
		{nil, "", ""},
		{errors.New("secret detail"), Internal, "internal error"},
		{fmt.Errorf("wrapped: %w", Errorf(Invalid, "login", "the login is bad")), Invalid, "the login is bad"},
		{fail(Internal, "open it", errors.New("detail")), Internal, "internal error"},
		{fail(Unavailable, "save it: the disk is full", errors.New("detail")), Unavailable, "save it: the disk is full"},
	} {
		if ErrorCode(c.err) != c.code || ErrorMessage(c.err) != c.want {
			t.Errorf("%v: %q, %q; want %q, %q", c.err, ErrorCode(c.err), ErrorMessage(c.err), c.code, c.want)
		}
	}
	if id := NewID(); true {
		if back, err := ParseID(id.String()); err != nil || back != id {
			t.Errorf("%v, %v", back, err)
		}
	}
	for _, bad := range []string{"", "x", strings.Repeat("g", 32), strings.Repeat("0", 33), strings.Repeat("0", 64)} {
		if _, err := ParseID(bad); ErrorCode(err) != NotFound {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A request that was too slow is nobody's fault: it is told to try again.
func TestStoreError(t *testing.T) {
	for err, want := range map[error]Code{
		context.DeadlineExceeded: Unavailable, sql.ErrTxDone: Unavailable, sql.ErrNoRows: NotFound, errors.New("other"): Internal,
	} {
		if got := storeError(fmt.Errorf("wrapped: %w", err)); ErrorCode(got) != want || want != NotFound && !errors.Is(got, err) {
			t.Errorf("%v: %v", err, got)
		}
	}
	db, _ := newTestDB(t)
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	_, err := db.Accounts.List(ctx, ID{}, 1)
	wantCode(t, err, Unavailable, "")
	if ErrorMessage(err) == "internal error" {
		t.Fatal("it says nothing")
	}
	_, err = db.Items.Trash(ctx, &Unlocked{Account: &Account{}}, NewID())
	wantCode(t, err, Unavailable, "")
}
