package importer

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"zencrypt/importer/testdata/older"
)

var small = older.Spec{Seed: 3, Accounts: 5, Texts: 60, Digests: 7}

// checkSmall reads a source that [small] made.
func checkSmall(t *testing.T, open opener) *found {
	t.Helper()
	f := readAll(t, open)
	if len(f.accounts) != small.Accounts || len(f.texts) != small.Texts || len(f.digests) != small.Digests || f.rejects != nil {
		t.Errorf("%d accounts, %d texts, %d digests, rejects %v", len(f.accounts), len(f.texts), len(f.digests), f.rejects)
	}
	for n := range small.Texts {
		x := f.texts["encrypted_texts:"+small.ID(1, n).Hex()]
		if x != nil && x["plain"] != string(small.Plain(n)) {
			t.Errorf("text %d: %q", n, x["plain"])
		}
	}
	return f
}

// locked takes the right to write from a folder and its files.
func locked(t testing.TB, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Chmod(filepath.Join(dir, e.Name()), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
}

// writer opens a database as the old program had it open.
func writer(t testing.TB, path, pragmas string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?"+pragmas)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func mustExec(t testing.TB, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func copyTo(t testing.TB, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const walPragmas = "_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(0)&_pragma=foreign_keys(0)"

// TestReadOnly holds every form of source to not being touched: bytes, times, modes, and nothing new beside it.
func TestReadOnly(t *testing.T) {
	for _, form := range older.Forms {
		t.Run(formName(form), func(t *testing.T) {
			job := made(t, small, form)
			locked(t, job.Path)
			before := tree(t, job.Path)
			checkSmall(t, openV5(job.Path, job.Key))
			if !reflect.DeepEqual(tree(t, job.Path), before) {
				t.Error("the source was touched")
			}
		})
	}
	t.Run("v6", func(t *testing.T) {
		job := made(t, small, "")
		dir := filepath.Dir(job.Path)
		locked(t, dir)
		before := tree(t, dir)
		checkSmall(t, openV6(job.Path))
		if !reflect.DeepEqual(tree(t, dir), before) {
			t.Error("the source was touched")
		}
	})
	t.Run("v6-wal", func(t *testing.T) {
		job := made(t, small, "")
		db := writer(t, job.Path, walPragmas)
		mustExec(t, db, `UPDATE user SET email = 'only in the log' WHERE id = 2`)
		before := tree(t, filepath.Dir(job.Path))
		t.Run("InUse", func(t *testing.T) {
			f := checkSmall(t, openV6(job.Path))
			if f.accounts["user:2"]["login"] != "only in the log" {
				t.Error("the log was not read")
			}
			if !reflect.DeepEqual(tree(t, filepath.Dir(job.Path)), before) {
				t.Error("the source was touched")
			}
		})
		t.Run("Copied", func(t *testing.T) {
			dir := t.TempDir()
			copyTo(t, dir, job.Path, job.Path+"-wal")
			locked(t, dir)
			before := tree(t, dir)
			link := filepath.Join(t.TempDir(), "link.db") // SQLite looks for the log beside the real file
			if err := os.Symlink(filepath.Join(dir, "zencrypt.db"), link); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{filepath.Join(dir, "zencrypt.db"), link} {
				if f := checkSmall(t, openV6(path)); f.accounts["user:2"]["login"] != "only in the log" {
					t.Errorf("%s: the log was not read", path)
				}
			}
			if !reflect.DeepEqual(tree(t, dir), before) {
				t.Error("the source was touched")
			}
		})
		t.Run("LogCut", func(t *testing.T) {
			// A log that a crash cut short counts to its last whole transaction.
			dir := t.TempDir()
			mustExec(t, db, `UPDATE user SET email = 'the next transaction' WHERE id = 3`)
			copyTo(t, dir, job.Path, job.Path+"-wal")
			info, err := os.Stat(job.Path + "-wal")
			if err == nil {
				err = os.Truncate(filepath.Join(dir, "zencrypt.db-wal"), info.Size()-100)
			}
			if err != nil {
				t.Fatal(err)
			}
			f := checkSmall(t, openV6(filepath.Join(dir, "zencrypt.db")))
			if f.accounts["user:2"]["login"] != "only in the log" || f.accounts["user:3"]["login"] != small.Login(2) {
				t.Error(f.accounts["user:2"], f.accounts["user:3"])
			}
		})
		t.Run("NoLog", func(t *testing.T) {
			dir := t.TempDir()
			mustExec(t, db, `PRAGMA wal_checkpoint(TRUNCATE)`)
			copyTo(t, dir, job.Path)
			locked(t, dir)
			before := tree(t, dir)
			if f := checkSmall(t, openV6(filepath.Join(dir, "zencrypt.db"))); f.accounts["user:2"]["login"] != "only in the log" {
				t.Error(f.accounts["user:2"])
			}
			if !reflect.DeepEqual(tree(t, dir), before) {
				t.Error("the source was touched")
			}
		})
	})
}

// TestV6_Changed is an old program that goes on writing.
func TestV6_Changed(t *testing.T) {
	job := made(t, small, "")
	db := writer(t, job.Path, walPragmas)
	mustExec(t, db, `UPDATE user SET email = 'x' WHERE id = 2`)
	s, err := OpenV6(context.Background(), job.Path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := 0
	for _, err = range s.Accounts(context.Background()) {
		if n++; n == 2 {
			mustExec(t, db, `UPDATE user SET email = 'y' WHERE id = 5`)
		}
	}
	if n != 3 || !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "stop the old Zencrypt") {
		t.Errorf("%d: %v", n, err)
	}
}

// TestV6_Journal is a database whose writer was killed: SQLite would have to write to take back what is half done.
func TestV6_Journal(t *testing.T) {
	job := made(t, small, "")
	db := writer(t, job.Path, "_pragma=cache_size(1)&_pragma=cache_spill(1)")
	mustExec(t, db, "BEGIN")
	mustExec(t, db, `UPDATE encrypted_text SET encrypted_content = encrypted_content || encrypted_content`)
	dir := t.TempDir()
	copyTo(t, dir, job.Path, job.Path+"-journal")
	before := tree(t, dir)
	s, err := OpenV6(context.Background(), filepath.Join(dir, "zencrypt.db"), Options{})
	if s != nil || !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "zencrypt.db-journal") {
		t.Error(err)
	}
	if !reflect.DeepEqual(tree(t, dir), before) {
		t.Error("the source was touched")
	}
}

// TestV5_Changed is a dump that somebody writes to.
func TestV5_Changed(t *testing.T) {
	job := made(t, small, older.Dump)
	s, err := OpenV5(context.Background(), job.Path, job.Key, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := 0
	for _, err = range s.Accounts(context.Background()) {
		if n++; n == 2 {
			name := filepath.Join(job.Path, "hashes.bson")
			b, err := os.ReadFile(name)
			if err == nil {
				err = os.WriteFile(name, b[:len(b)/2], 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if n != 3 || !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "hashes.bson was changed") {
		t.Errorf("%d: %v", n, err)
	}
}

// TestSpool looks for a compressed dump's texts where it was spooled.
func TestSpool(t *testing.T) {
	job := made(t, small, older.ArchiveGzip)
	dir := t.TempDir()
	s, err := OpenV5(context.Background(), job.Path, job.Key, Options{TempDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the spool has a name: %v, %v", left, err)
	}
	v := s.backend.(*v5)
	if _, err := v.spool.get(0); err != nil { // and so it is written out
		t.Fatal(err)
	}
	b := make([]byte, v.spool.end)
	if _, err := v.spool.file.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"gAAAAA", "encryptedText", "pbkdf2", "Person", "userId"} {
		if strings.Contains(string(b), part) {
			t.Errorf("the spool shows %q", part)
		}
	}
	b[spoolHead+3] ^= 1
	if _, err := v.spool.file.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := v.spool.get(0); err == nil {
		t.Error("a changed spool opens")
	}
}
