package cli

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zencrypt/importer/testdata/older"
)

func oldDatabase(t *testing.T, accounts int) (older.Spec, string) {
	t.Helper()
	spec := older.Spec{Seed: 3, Accounts: accounts, Texts: 5 * accounts, Digests: accounts, Passwords: accounts}
	path := filepath.Join(t.TempDir(), "old.db")
	if err := spec.V6(path); err != nil {
		t.Fatal(err)
	}
	return spec, path
}

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestImport(t *testing.T) {
	c := newCommand(t)
	spec, path := oldDatabase(t, 10)
	for _, args := range []string{"import", "import v6", "import v5", "import status", "import purge"} {
		has(t, c.must(0, "", append(strings.Fields(args), "--help")...), "Exit codes")
	}
	help := strings.Join(strings.Fields(c.must(0, "", "import", "v6", "--help")), " ")
	has(t, help, "The server must not run meanwhile", "can be repeated", "NAME.json", "--dry-run")

	has(t, c.must(0, "", "import", "v6", path, "--dry-run"), "nothing was changed", "10 new", "50 texts", "10 digests")
	if made := names(t, c.dir); len(made) > 0 {
		t.Fatalf("a dry run made %q", made)
	}
	done := c.must(0, "", "import", "v6", path, "--report", "first.json")
	has(t, done, "Done.", "10 new", "Now destroy the old database", "clear text", "first.txt")
	if got := names(t, c.dir); !slices.Equal(got, []string{"data", "first.json", "first.txt", "secrets"}) {
		t.Fatalf("it made %q", got)
	}
	var report importReport
	b, err := os.ReadFile("first.json")
	if err == nil {
		err = json.Unmarshal(b, &report)
	}
	if err != nil || !report.Complete || report.Accounts.New != 10 || report.Records.Notes != 50 || report.Records.Digests != 10 || report.Records.Keys != 10 || report.Version != 6 {
		t.Fatalf("report %+v, %v", report, err)
	}
	for _, name := range []string{"first.json", "first.txt"} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	// Without a name the reports get one of their own, and --json prints what stands in the file.
	out := c.must(0, "", "import", "v6", path, "--json")
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Accounts.Known != 10 || report.Accounts.New != 0 || report.Records.Known != 70 {
		t.Fatalf("again: %+v, %v", report.Accounts, err)
	}
	if got := names(t, c.dir); len(got) != 6 || !strings.HasPrefix(got[4], "zencrypt-import-2") && !strings.HasPrefix(got[5], "zencrypt-import-2") {
		t.Fatalf("reports %q", got)
	}
	has(t, c.must(0, "", "import", "v6", path, "--dry-run"), "10 here already")

	has(t, c.must(0, "", "import", "status"), "10 of 10 accounts", "6 items", spec.Login(3))
	if lines := strings.Split(strings.TrimSpace(c.must(0, "", "import", "status", "--json")), "\n"); len(lines) != 10 || !strings.Contains(lines[0], `"imported":"20`) {
		t.Errorf("status: %q", lines)
	}
	has(t, c.must(0, "", "user", "list"), spec.Login(3))
	has(t, c.must(0, "", "user", "delete", strings.ToUpper(spec.Login(3)), "--yes"), "deleted")
	has(t, c.must(0, "", "import", "v6", path, "--report", "third"), "9 here already", "1 deleted here since", "stays away")

	has(t, c.must(2, "", "import", "purge"), "--older-than")
	for _, age := range []string{"90", "d", "90x", "-1d", "1.5d", "999999d", "90dd"} {
		has(t, c.must(2, "", "import", "purge", "--older-than="+age), "such as 90d")
	}
	has(t, c.must(0, "", "import", "purge", "--older-than", "90d"), "No account has waited for that long")
	has(t, c.must(1, "8\n", "import", "purge", "--older-than", "0h"), "9 accounts with 54 items", "Nothing was deleted")
	has(t, c.must(0, "9\n", "import", "purge", "--older-than", "0h"), "9 accounts are deleted")
	has(t, c.must(0, "", "import", "status"), "No account here")
	log, err := os.ReadFile(filepath.Join("data", "log", "server.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`"event":"old-data-imported","by":"command line","counts":{"known":0,"new":10}`, `"event":"imports-purged","by":"command line","counts":{"accounts":9}`} {
		if strings.Count(string(log), line) != 1 {
			t.Errorf("the server log lacks %s:\n%s", line, log)
		}
	}
	has(t, c.must(0, "", "import", "v6", path, "--report", "fourth"), "10 deleted here since")
}

// TestImport_HalfMade: an import goes on where another was killed between the two databases that it made.
func TestImport_HalfMade(t *testing.T) {
	c := newCommand(t)
	_, path := oldDatabase(t, 2)
	c.must(0, "", "import", "v6", path)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join("data", "sessions.db"+suffix)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	has(t, c.must(0, "", "import", "v6", path), "Done.", "2 here already")
}

// TestImport_DryOlder: what changes nothing does not bring a database up to date either, which the server of its version
// would refuse then. It says what to do, and works after that.
func TestImport_DryOlder(t *testing.T) {
	dir, keys := firstServer(t)
	c := newCommand(t)
	_, path := oldDatabase(t, 2)
	before := c.must(0, "", "migrate", "status", "--data", dir)
	has(t, before, "not applied")
	has(t, c.must(1, "", "import", "v6", "--dry-run", path, "--data", dir, "--secrets", keys), "zencrypt migrate up", "zencrypt backup")
	var stderr strings.Builder
	export := &taking{env: &env{ctx: t.Context(), stderr: &stderr}, cmd: &importExportCmd{place: place{Data: dir, Secrets: keys}, DryRun: true}}
	if _, err := export.open(); err == nil || !strings.Contains(err.Error(), "zencrypt migrate up") {
		t.Errorf("of an export: %v", err)
	}
	if after := c.must(0, "", "migrate", "status", "--data", dir); after != before {
		t.Errorf("the migrations are\n%s\nand were\n%s", after, before)
	}
	if _, err := os.Stat(filepath.Join(dir, "upgrades")); err == nil {
		t.Error("the database was copied")
	}
	// With a copy, as it says.
	c.must(0, "", "backup", "--data", dir, "-o", "older.tar", "--min-free-disk", "0")
	c.must(0, "", "restore", "older.tar", "--data", "older")
	c.must(0, "", "migrate", "up", "--data", "older")
	has(t, c.must(0, "", "import", "v6", "--dry-run", path, "--data", "older", "--secrets", keys), "2 new")
	// A copy of what is up to date lacks the sessions alone.
	c.must(0, "", "migrate", "up", "--data", dir)
	c.must(0, "", "backup", "--data", dir, "-o", "newer.tar", "--min-free-disk", "0")
	c.must(0, "", "restore", "newer.tar", "--data", "newer")
	said := c.must(1, "", "import", "v6", "--dry-run", path, "--data", "newer", "--secrets", keys)
	has(t, said, "sessions.db", "migrate up --data "+absolute("newer"))
	if strings.Contains(said, "zencrypt restore") {
		t.Errorf("it leads back here: %s", said)
	}
	c.must(0, "", "migrate", "up", "--data", "newer")
	has(t, c.must(0, "", "import", "v6", "--dry-run", path, "--data", "newer", "--secrets", keys), "2 new")
	has(t, c.must(0, "", "import", "v6", "--dry-run", path, "--data", dir, "--secrets", keys), "2 new")
	done, err := export.open()
	if err != nil {
		t.Fatal(err)
	}
	done()
}

// After the server key of an import is gone, a second import doubles nobody and says why.
func TestImport_KeyGone(t *testing.T) {
	c := newCommand(t)
	_, path := oldDatabase(t, 3)
	c.must(0, "", "import", "v6", path, "--report", "first")
	c.must(0, "", "secrets", "rotate", "--secrets", "secrets")
	has(t, c.must(0, "", "import", "v6", path, "--report", "second"), "3 here already")
	has(t, c.must(0, "", "secrets", "remove", "1", "--force", "--yes", "--secrets", "secrets"), "3 accounts that came by an import under this key are known by their logins alone")
	has(t, c.must(0, "", "doctor", "--log", "--secrets", "secrets"), "each is as it was written", "as they were when their server key")
	has(t, c.must(0, "", "import", "v6", path, "--report", "third"), "0 new, 0 here already, 0 deleted here since, 3 refused",
		"3 accounts here came by an import under a server key that is not here", "server_key_gone", "owner_rejected")
	var report importReport
	b, err := os.ReadFile("third.json")
	if err == nil {
		err = json.Unmarshal(b, &report)
	}
	if err != nil || report.Forgotten != 3 || len(report.ForgottenKeys) != 1 || !report.Complete {
		t.Fatalf("report %+v, %v", report, err)
	}
	has(t, c.must(0, "", "import", "v6", path, "--report", "fourth", "--as-new"), "3 new", "got a suffix")
}

// What can't be read, or not now, leaves nothing half done.
func TestImport_Refused(t *testing.T) {
	c := newCommand(t)
	_, path := oldDatabase(t, 3)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"text.db": []byte("this is no database, only a text that is long enough"), "cut.db": whole[:len(whole)/2], "empty.db": nil} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		has(t, c.must(5, "", "import", "v6", name), name)
	}
	has(t, c.must(1, "", "import", "v6", "nothing.db"), "nothing.db")
	has(t, c.must(5, "", "import", "v5", filepath.Dir(path)), "zencrypt: ")
	has(t, c.must(1, "", "import", "v6", path, "--report", "no/such/folder/report"), "no/such/folder")
	if got := names(t, c.dir); !slices.Equal(got, []string{"cut.db", "empty.db", "text.db"}) {
		t.Fatalf("it left %q", got)
	}
	has(t, c.must(1, "", "import", "status"), "find database")
	c.must(0, "", "import", "v6", path, "--report", "r")
	unlock, err := lock(filepath.Join("data", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	has(t, c.must(1, "", "import", "v6", path, "--report", "s"), "another server runs", "Stop it first")
	c.must(0, "", "import", "status") // beside it
	unlock()
	if _, err := os.Stat("s.txt"); err == nil {
		t.Error("a report of nothing was written")
	}
}

// TestImport_OlderSchema: imports hold the server's lock, which they must not take for that of an older server: an older
// version's database is brought up to date, and one that a kill left half made is finished.
func TestImport_OlderSchema(t *testing.T) {
	dir, keys := firstServer(t)
	opens := func(open func(*env) (done func(), err error)) {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(dir, "upgrades")); err != nil {
			t.Fatal(err)
		}
		done, err := open(&env{ctx: t.Context(), stderr: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		done()
		areThere(t, filepath.Join(dir, "upgrades"))
	}
	opens(func(e *env) (func(), error) {
		var o importOptions
		o.Data, o.Secrets = dir, keys
		_, done, err := o.openForImport(e)
		return done, err
	})
	if code := Run(t.Context(), []string{"migrate", "down", "--yes", "--data", dir}, nil, io.Discard, io.Discard); code != 0 {
		t.Fatalf("down: exit %d", code)
	}
	opens(func(e *env) (func(), error) {
		var c importExportCmd
		c.Data, c.Secrets = dir, keys
		return (&taking{env: e, cmd: &c}).open()
	})
}
