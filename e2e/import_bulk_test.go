//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"zencrypt/importer/testdata/older"
)

const (
	// importMemory bounds the peak of an import of any size, in bytes.
	importMemory = 256 << 20
	// importAccountsEnv is another number of accounts for TestBulkImport, each with ten texts and a digest: 100000 takes
	// some minutes.
	importAccountsEnv = "ZENCRYPT_E2E_IMPORT"
	importAccounts    = 5_000
)

var barShown = regexp.MustCompile(`importing \[#*-*\] [\d,]+ of [\d,]+ records, [\d,]+/s`)

// olderData makes an old database with ten texts and a digest for each account, of which the first can log in.
func olderData(t testing.TB, accounts int) (older.Spec, string) {
	t.Helper()
	spec := older.Spec{Seed: 5, Accounts: accounts, Texts: 10 * accounts, Digests: accounts, Passwords: 3}
	path := filepath.Join(t.TempDir(), "zencrypt.db")
	if err := spec.V6(path); err != nil {
		t.Fatal(err)
	}
	return spec, path
}

// importAll brings a database along and returns the time that it took and the most memory that it had.
func (s *server) importAll(path string) (time.Duration, int64) {
	s.t.Helper()
	c := newTool(s.t, filepath.Dir(s.data), "import", "v6", path, "--data", s.data, "--secrets", s.secrets, "--report", filepath.Join(s.t.TempDir(), "report"))
	begun := time.Now()
	c.start()
	c.ends(0)
	return time.Since(begun), c.peak
}

// Many accounts come in bounded memory, on a terminal with a bar, and each of them is whole.
func TestBulkImport(t *testing.T) {
	n := importAccounts
	if text := os.Getenv(importAccountsEnv); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 10 {
			t.Fatalf("%s: want a number of accounts", importAccountsEnv)
		}
	}
	spec, path := olderData(t, n)
	s := stopped(t)
	took, peak := s.importAll(path)
	records := spec.Accounts*2 + spec.Texts + spec.Digests // and a key each
	t.Logf("%d records of %d accounts in %v: %.0f records/s, peak memory %.1f MiB", records, n, took.Round(time.Millisecond), float64(records)/took.Seconds(), float64(peak)/(1<<20))
	if peak == 0 || peak > importMemory {
		t.Errorf("peak memory %d MiB, want at most %d", peak>>20, importMemory>>20)
	}
	for query, want := range map[string]int{
		"SELECT count(*) FROM accounts": n, "SELECT count(*) FROM waiting_accounts": n, "SELECT count(*) FROM items": spec.Texts + spec.Digests,
		"SELECT count(*) FROM imported_records": spec.Texts + spec.Digests + n,
	} {
		if got := s.query("zencrypt.db", query); len(got) != 1 || got[0] != strconv.Itoa(want) {
			t.Errorf("%s: %s, want %d", query, got, want)
		}
	}
	s.start()
	for i := range spec.Passwords {
		c := s.client()
		c.must(c.post("/login", "login", spec.Login(i), "password", spec.Password(i)), http.StatusSeeOther)
		c.confirm()
		texts := map[string]bool{}
		for _, body := range c.vaultBodies()["note"] {
			texts[body] = true
		}
		for record := range spec.Texts {
			if spec.Owner(record) == i && !texts[string(spec.Plain(record))] {
				t.Errorf("account %d has not its text %d", i, record)
			}
		}
	}
	t.Run("Terminal", func(t *testing.T) {
		script := program(t, "script", "the progress bar of an import on a terminal")
		_, path := olderData(t, 400)
		s := stopped(t)
		command := fmt.Sprintf("%s import v6 %s --data %s --secrets %s --report %s", binary(t), path, s.data, s.secrets, filepath.Join(t.TempDir(), "report"))
		out, err := exec.Command(script, "-qec", command, "/dev/null").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if !barShown.Match(out) {
			t.Errorf("no bar is shown:\n%q", tail(string(out), 2000))
		}
	})
}

// BenchmarkImport tells records a second, from 10,000 to 1,000,000 texts and a tenth of accounts. The sizes are runs of
// their own: a longer one must not be slower for each record.
func BenchmarkImport(b *testing.B) {
	for _, texts := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(texts), func(b *testing.B) {
			spec, path := olderData(b, texts/10)
			var took time.Duration
			var most int64
			b.ResetTimer()
			for range b.N {
				t, peak := stopped(b).importAll(path)
				took, most = took+t, max(most, peak)
			}
			b.ReportMetric(float64((spec.Accounts*2+spec.Texts+spec.Digests)*b.N)/took.Seconds(), "records/s")
			b.ReportMetric(float64(most)/(1<<20), "MiB-peak")
		})
	}
}
