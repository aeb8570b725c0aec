package models

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun/migrate"
)

// firstData is a data folder that the first version wrote, see e2e's TestUpgrade_First.
const firstData = "../e2e/testdata/first/data"

// firstCopy is a folder of one's own with the first version's databases.
func firstCopy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{mainFile, sessionsFile} {
		b, err := os.ReadFile(filepath.Join(firstData, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// dump is the schema of a database and, but for what an upgrade may note, all that stands in it.
func dump(t *testing.T, path string) (schema, content string) {
	t.Helper()
	db, err := openPlain(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	query := func(q string) (out []string) {
		t.Helper()
		rows, err := db.QueryContext(t.Context(), q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		defer rows.Close()
		for rows.Next() {
			var s sql.NullString
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			out = append(out, s.String)
		}
		return out
	}
	var text strings.Builder
	for _, table := range query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name") {
		var columns []string
		for _, c := range query("SELECT name FROM pragma_table_info('" + table + "')") {
			columns = append(columns, "quote("+c+")")
		}
		all := query("SELECT " + strings.Join(columns, " || ',' || ") + " FROM " + table + " ORDER BY 1")
		text.WriteString(table + ":\n" + strings.Join(all, "\n") + "\n")
	}
	return strings.Join(query("SELECT name || ' ' || coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"), "\n"), text.String()
}

// TestMigrate_First brings the first version's database up to date and takes every migration back: what it was is what
// it is, and the first version takes it. Each step leaves a copy of before it, and all of those stay.
func TestMigrate_First(t *testing.T) {
	dir, c := firstCopy(t), newClock()
	o := testOptions(t, dir, c)
	path := filepath.Join(dir, mainFile)
	wantSchema, wantContent := dump(t, path)

	if err := MigrateUp(t.Context(), dir, o.Main, o.Sessions, c.now); err != nil {
		t.Fatal(err)
	}
	states, kept, err := MigrationStatus(t.Context(), dir, o.Main, o.Sessions)
	if err != nil {
		t.Fatal(err)
	}
	var added []string
	for _, s := range states {
		if s.Applied == nil || !s.Known {
			t.Errorf("%+v after migrating", s)
		}
		if s.Database == mainFile {
			added = append(added, s.Name)
		}
	}
	added = added[baseMigrations:]
	if len(added) == 0 {
		t.Fatal("there was nothing to migrate")
	}
	if len(kept) != 1 || filepath.Base(kept[0].Path) != "zencrypt-20260101000100.db" || !kept[0].Time.Equal(c.now()) {
		t.Fatalf("copies: %+v", kept)
	}
	if schema, content := dump(t, kept[0].Path); schema != wantSchema || content != wantContent {
		t.Error("the copy is not what the database was")
	}
	// Nothing to do, no copy.
	if err := MigrateUp(t.Context(), dir, o.Main, o.Sessions, c.now); err != nil {
		t.Fatal(err)
	}
	if _, kept, _ := MigrationStatus(t.Context(), dir, o.Main, o.Sessions); len(kept) != 1 {
		t.Errorf("copies: %+v", kept)
	}

	full, _ := dump(t, path)
	slices.Reverse(added)
	var all string // the copy that the first step down left
	for _, want := range added {
		c.add(time.Minute)
		undone, copied, err := MigrateDown(t.Context(), dir, o.Main, c.now)
		if err != nil || undone != want || filepath.Base(copied) != "zencrypt-"+want+"-down-"+c.now().Format("20060102T150405.000Z")+".db" {
			t.Fatalf("took back %s, copy %s: %v", undone, copied, err)
		}
		if all == "" {
			all = copied
		}
	}
	schema, content := dump(t, path)
	if schema != wantSchema {
		t.Errorf("the schema is\n%s\nand was\n%s", schema, wantSchema)
	}
	if content != wantContent {
		t.Errorf("the content is\n%s\nand was\n%s", content, wantContent)
	}
	if _, _, err := MigrateDown(t.Context(), dir, o.Main, c.now); err == nil {
		t.Error("the oldest schema was taken back")
	}
	// The first version knows fewer migrations, in both databases, and starts.
	if err := MigrateUp(t.Context(), dir, cutTo(o.Main, baseMigrations), cutTo(o.Sessions, 1), c.now); err != nil {
		t.Errorf("the first version: %v", err)
	}
	// And up again, all of it. What the first step down saved lies there still.
	if err := MigrateUp(t.Context(), dir, o.Main, o.Sessions, c.now); err != nil {
		t.Fatal(err)
	}
	if _, kept, _ := MigrationStatus(t.Context(), dir, o.Main, o.Sessions); len(kept) != 1+len(added) {
		t.Errorf("%d copies are kept", len(kept))
	}
	if schema, _ := dump(t, all); schema != full {
		t.Error("the copy before the first step down is not what the database was")
	}
}

// cutTo are the migrations that an older version had.
func cutTo(ms *migrate.Migrations, n int) *migrate.Migrations {
	older := migrate.NewMigrations()
	for _, m := range ms.Sorted()[:n] {
		older.Add(m)
	}
	return older
}

// TestMigrate_Ahead: the copy that was just made stays, though others are dated after it by a clock that was ahead.
func TestMigrate_Ahead(t *testing.T) {
	dir, c := firstCopy(t), newClock()
	o := testOptions(t, dir, c)
	placed(t, filepath.Join(dir, CopiesDir), c.now(), map[string]time.Duration{"zencrypt-1.db": -24 * time.Hour, "zencrypt-2.db": -48 * time.Hour})
	if err := MigrateUp(t.Context(), dir, o.Main, o.Sessions, c.now); err != nil {
		t.Fatal(err)
	}
	if got, want := namesIn(t, filepath.Join(dir, CopiesDir)), []string{"zencrypt-2.db", "zencrypt-20260101000100.db"}; !slices.Equal(got, want) {
		t.Errorf("kept %q, want %q", got, want)
	}
}

// placed makes files of an age.
func placed(t *testing.T, dir string, now time.Time, ages map[string]time.Duration) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, age := range ages {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestMigrate_NoCopy: a migration whose copy can't be made is not begun.
func TestMigrate_NoCopy(t *testing.T) {
	dir, c := firstCopy(t), newClock()
	o := testOptions(t, dir, c)
	wantSchema, wantContent := dump(t, filepath.Join(dir, mainFile))
	if err := os.WriteFile(filepath.Join(dir, CopiesDir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := MigrateUp(t.Context(), dir, o.Main, o.Sessions, c.now)
	if err == nil || !strings.Contains(err.Error(), "copy it first") || !strings.Contains(err.Error(), "Nothing was changed") {
		t.Fatalf("got %v", err)
	}
	if schema, content := dump(t, filepath.Join(dir, mainFile)); schema != wantSchema || content != wantContent {
		t.Error("the database was changed")
	}
}

// TestMigrate_Fails: a migration that fails leaves the database as it was, however often it is tried, and one copy.
func TestMigrate_Fails(t *testing.T) {
	dir, c := firstCopy(t), newClock()
	o := testOptions(t, dir, c)
	wantSchema, wantContent := dump(t, filepath.Join(dir, mainFile))
	broken := migrate.NewMigrations()
	for _, m := range o.Main.Sorted()[:baseMigrations] {
		broken.Add(m)
	}
	broken.Add(migrate.Migration{Name: "20990101000000", Up: func(ctx context.Context, m *migrate.Migrator, _ *migrate.Migration) error {
		tx, err := m.DB().BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, "CREATE TABLE halfway (a)"); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO nowhere VALUES (1)")
		return err
	}})
	for range 4 {
		c.add(time.Minute)
		if err := MigrateUp(t.Context(), dir, broken, o.Sessions, c.now); err == nil {
			t.Fatal("no error")
		}
	}
	if schema, content := dump(t, filepath.Join(dir, mainFile)); schema != wantSchema || content != wantContent {
		t.Error("the database was changed")
	}
	if _, kept, err := MigrationStatus(t.Context(), dir, o.Main, o.Sessions); err != nil || len(kept) != 1 {
		t.Errorf("copies: %+v, %v", kept, err)
	}
}

// TestMigrate_Newer: what a newer version wrote is refused, before anything is copied.
func TestMigrate_Newer(t *testing.T) {
	dir, c := firstCopy(t), newClock()
	o := testOptions(t, dir, c)
	older := migrate.NewMigrations()
	older.Add(o.Main.Sorted()[0])
	for name, f := range map[string]func() error{
		"Up":   func() error { return MigrateUp(t.Context(), dir, older, o.Sessions, c.now) },
		"Down": func() error { _, _, err := MigrateDown(t.Context(), dir, older, c.now); return err },
		"Copy": func() error { _, err := CheckCopy(t.Context(), filepath.Join(dir, mainFile), older); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), "written by a newer version (migration 20260101000100 is not known)") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, CopiesDir)); err == nil {
		t.Error("a copy was made")
	}
	states, _, err := MigrationStatus(t.Context(), dir, older, o.Sessions)
	if err != nil || !slices.ContainsFunc(states, func(s MigrationState) bool { return !s.Known && s.Name == "20260101000100" }) {
		t.Errorf("status: %+v, %v", states, err)
	}
}

func TestPruneCopies(t *testing.T) {
	db, c := newTestDB(t)
	if err := db.PruneCopies(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(db.opts.Dir, CopiesDir)
	const down = "zencrypt-4-down-20260201T000000.000Z.db"
	placed(t, dir, c.now(), map[string]time.Duration{"zencrypt-1.db": time.Hour, "zencrypt-2.db": copyMaxAge - time.Hour, "zencrypt-3.db": copyMaxAge - time.Minute,
		down: copyMaxAge - time.Minute, "zencrypt-5.db.part": 0, "zencrypt-5.db.part-journal": 0, "notes.txt": 2 * copyMaxAge})
	for _, want := range [][]string{{"notes.txt", "zencrypt-1.db", "zencrypt-2.db", down}, {"notes.txt", "zencrypt-1.db"}} {
		if err := db.PruneCopies(); err != nil {
			t.Fatal(err)
		}
		if got := namesIn(t, dir); !slices.Equal(got, want) {
			t.Errorf("kept %q, want %q", got, want)
		}
		c.add(2 * time.Hour)
	}
}

// TestMigrateDown_Waiting: the imports' migration stays while somebody waits, and goes when nobody does.
func TestMigrateDown_Waiting(t *testing.T) {
	c := newClock()
	o := testOptions(t, filepath.Join(t.TempDir(), "data"), c)
	db := openTest(t, o)
	bring(t, db, incoming(t, "1", "ada", "old pass"))
	bring(t, db, incoming(t, "2", "bob", "old pass"))
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	down := func() (string, error) {
		c.add(time.Minute)
		undone, _, err := MigrateDown(t.Context(), o.Dir, o.Main, c.now)
		return undone, err
	}
	var err error
	for undone := ""; err == nil && undone != importsMigration; {
		undone, err = down()
	}
	if err == nil || !strings.Contains(err.Error(), "2 accounts") || !strings.Contains(err.Error(), "import purge") {
		t.Fatalf("taken back while two wait: %v", err)
	}
	if err := MayUndo(t.Context(), o.Dir, importsMigration); err == nil {
		t.Error("it may be undone")
	}
	db = openTest(t, o)
	enter(t, db, "ada", "old pass")
	enter(t, db, "bob", "old pass")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for undone := ""; undone != importsMigration; {
		if undone, err = down(); err != nil {
			t.Fatal(err)
		}
	}
}
