package models

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

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
	t.Run("Ready", func(t *testing.T) {
		for range 2 {
			if err := db.Ready(t.Context()); err != nil {
				t.Fatal(err)
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
		o.Pepper = PepperKeys{Active: "ffff", Keys: map[string][32]byte{"ffff": {3}}}
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
		o.Pepper.Active, o.Pepper.Keys["next"] = "next", [32]byte{5}
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

// forms are how a value could lie in a file.
func forms(s string) map[string][]byte {
	out := map[string][]byte{"raw": []byte(s), "hex": []byte(hex.EncodeToString([]byte(s))), "HEX": []byte(strings.ToUpper(hex.EncodeToString([]byte(s))))}
	for skip := range 3 {
		enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", skip) + s))
		out[fmt.Sprint("base64 at ", skip)] = []byte(enc[4 : len(enc)-4])
	}
	return out
}

func findInDir(t *testing.T, dir, what string, forms map[string][]byte) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for form, value := range forms {
			if bytes.Contains(b, value) {
				t.Errorf("%s stands in %s (%s)", what, e.Name(), form)
			}
		}
	}
}

func TestFiles_NothingReadable(t *testing.T) {
	db, _ := newTestDB(t)
	const secret = "planted-7f3a-xylophone-quagmire"
	u, err := db.Accounts.Register(t.Context(), "ada", secret)
	if err != nil {
		t.Fatal(err)
	}
	code := pending(t, db, u, ReasonNew)
	item := saveFile(t, db, u, secret)
	save(t, db, u, secret+"2", secret)
	if err := db.Items.Rename(t.Context(), u, item.ID, secret+"3"); err != nil {
		t.Fatal(err)
	}
	token, s := login(t, db, u)
	if err := db.Results.Create(t.Context(), s, &Result{Owner: "x", Verb: "encrypt", State: StateReady, Blob: NewID(), Meta: ResultMeta{Name: secret}}); err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts.Renew(t.Context(), u, secret); err != nil {
		t.Fatal(err)
	}
	keys, err := db.Keys.List(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	_, key := u.Ring.Current()
	planted := map[string]string{"password, text or title": secret, "recovery code": code, "token": token, "token bytes": string(raw), "account key": string(key[:])}
	for _, k := range keys {
		planted[k.Kind+" key"] = string(k.Versions[0].Secret)
	}
	for what, value := range planted {
		findInDir(t, db.opts.Dir, what, forms(value))
	}
}

// What was deleted is gone from both files and their logs after a checkpoint.
func TestCheckpoint_ForgetsDeleted(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	var kept []*Item
	var sealed [][]byte
	var purge []ID
	for i := range 40 {
		item := save(t, db, u, fmt.Sprint("item ", i), strings.Repeat("x", 50+i*200)) // also over several pages
		if i%2 == 0 {
			kept = append(kept, item)
			continue
		}
		purge = append(purge, item.ID)
		for _, column := range []string{"sealed_title", "sealed_body", "sealed_meta"} {
			b := value(t, db.main, blobColumn{"items", column}, item.ID[:])
			sealed = append(sealed, b[:40], b[len(b)-40:])
		}
	}
	token, s := login(t, db, u)
	if err := db.Results.Create(t.Context(), s, &Result{Owner: "x", Verb: "encrypt", State: StateReady, Blob: NewID()}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []blobColumn{{"sessions", "sealed_account_key"}, {"results", "sealed_meta"}} {
		var b []byte
		if err := db.sessions.w.DB.QueryRow("SELECT " + c.column + " FROM " + c.table).Scan(&b); err != nil {
			t.Fatal(err)
		}
		sealed = append(sealed, b[:40], b[len(b)-40:])
	}
	old := value(t, db.main, blobColumn{"accounts", "sealed_unlock"}, u.Account.ID[:])
	sealed = append(sealed, old[:40], old[len(old)-40:])

	if n, err := db.Items.Trash(t.Context(), u, purge...); err != nil || n != 20 {
		t.Fatalf("%d, %v", n, err)
	}
	if _, err := db.Items.Purge(t.Context(), c.now()); err != nil {
		t.Fatal(err)
	}
	if err := db.Sessions.End(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts.ChangePassword(t.Context(), u, goodPassword, otherPassword); err != nil {
		t.Fatal(err)
	}
	if err := db.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, value := range sealed {
		findInDir(t, db.opts.Dir, fmt.Sprint("deleted seal ", i), map[string][]byte{"raw": value})
	}
	for _, name := range []string{mainFile, sessionsFile} {
		if info, err := os.Stat(filepath.Join(db.opts.Dir, name+"-wal")); err != nil || info.Size() != 0 {
			t.Errorf("%s-wal: %v, %v", name, info, err)
		}
	}
	for _, item := range kept {
		if got, err := db.Items.Get(t.Context(), u, item.ID); err != nil || !bytes.Equal(got.Body, item.Body) {
			t.Fatalf("kept item: %v", err)
		}
	}
	if _, _, err := db.Sessions.Lookup(t.Context(), token); ErrorCode(err) != NotFound {
		t.Fatal(err)
	}
}

func TestDB_Concurrent(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	token, _ := login(t, db, u)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				item := &Item{Kind: "note", Title: "t", Body: []byte("b")}
				if err := db.Items.Save(context.Background(), u, item); err != nil {
					t.Error(err)
				}
				if got, err := db.Items.Get(context.Background(), u, item.ID); err != nil || got.Unreadable {
					t.Errorf("an acknowledged save is not there: %v", err)
				}
				if _, _, err := db.Sessions.Lookup(context.Background(), token); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			if err := db.Checkpoint(context.Background()); err != nil && ErrorCode(err) != Unavailable {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if n, err := db.Items.Count(t.Context(), u, ""); err != nil || n != 160 {
		t.Fatalf("%d items, %v", n, err)
	}
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
	meta := ResultMeta{Name: "swordfish", Fernet: "swordfish"}
	secrets := []string{"swordfish", string(key.Versions[0].Secret), fmt.Sprintf("%x", k[:]), fmt.Sprintf("%x", s.Key[:]), "[7 7 0", "77000",
		strings.Trim(fmt.Sprint(k[:]), "[]"), strings.Trim(fmt.Sprint(s.Key[:]), "[]"), strings.Trim(fmt.Sprint(s.unlock[:]), "[]")}
	values := map[string]any{
		"unlocked": u, "session": s, "session value": *s, "item": item, "item value": *item, "meta": meta, "result": Result{Meta: meta},
		"key": key, "key value": *key, "blob": item.Blob, "list": []any{*u, *s, *item, meta},
	}
	for name, v := range values {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X"} {
			fmt.Fprintf(&out, verb+"\n", v)
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
