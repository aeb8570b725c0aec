//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestImport_Planted looks everywhere below the installation, right after both old databases were brought along and
// again when everybody has logged in, for every key, text, digest and password of theirs.
func TestImport_Planted(t *testing.T) {
	t.Parallel()
	v6, v5 := oldV6(t, false), oldV5(t, "dump")
	s := stopped(t)
	tmp := filepath.Join(filepath.Dir(s.data), "tmp")
	if err := os.Mkdir(tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	s.env = []string{"TMPDIR=" + tmp}
	f := new(finder)
	for _, x := range append(v6.secrets, v5.secrets...) {
		f.plantText(x.label, x.value)
	}
	t.Logf("%d values in %d forms", len(v6.secrets)+len(v5.secrets), len(f.patterns))
	search := func(when string) {
		t.Helper()
		found, files := f.inTree(t, filepath.Dir(s.data))
		if files < 3 {
			t.Errorf("%s: only %d files were there to search", when, files)
		}
		for _, x := range append(found, f.in([]byte(s.output()))...) {
			t.Errorf("%s: found in %s", when, x)
		}
	}
	s.bring(v6.args...)
	s.bring(v5.args...)
	search("after the import")
	s.bring(v6.args...)
	search("after another import")
	s.start()
	everybody(v6.people, func(i int, p *oldPerson) { s.come(p, i) })
	everybody(v5.people, func(i int, p *oldPerson) { s.come(p, 100+i) })
	search("while the server runs")
	s.stop()
	search("when everybody has logged in")
	if got := s.query("zencrypt.db", "SELECT count(*) FROM waiting_accounts"); !slices.Equal(got, []string{"0"}) {
		t.Errorf("%s accounts still wait", got)
	}
	control := new(finder)
	control.plantText("login", v6.people[0].Login)
	if found, _ := control.inTree(t, s.data); len(found) == 0 {
		t.Error("a login was not found in the database: the search is blind")
	}
}

// everything counts what an installation holds for each login; ids and seals differ from one to the other.
func (s *server) everything() []string {
	s.t.Helper()
	return slices.Concat(
		s.query("zencrypt.db", `SELECT printf('%s %d %d: %d items, %d keys, %d versions, %d records, waits %d, aliases %d', login, created, epoch,
			(SELECT count(*) FROM items WHERE account_id = a.id), (SELECT count(*) FROM keys WHERE account_id = a.id),
			(SELECT count(*) FROM key_versions WHERE account_id = a.id), (SELECT count(*) FROM imported_records WHERE account_id = a.id),
			(SELECT count(*) FROM waiting_accounts WHERE id = a.id), (SELECT count(*) FROM login_aliases WHERE account_id = a.id)) FROM accounts a ORDER BY login`),
		s.query("zencrypt.db", `SELECT printf('%d origins, %d in the inbox', (SELECT count(*) FROM imported_accounts), (SELECT count(*) FROM imported_inbox))`),
		s.query("zencrypt.db", "PRAGMA integrity_check"), s.query("zencrypt.db", "PRAGMA foreign_key_check"))
}

// failpointLine names the point that killed an import; a new database's own steps come before.
var failpointLine = regexp.MustCompile(`failpoint ((?:import|migrate)-[a-z]+), pass`)

// importKills is how often the command is killed.
const importKills = 12

// TestImport_Killed kills the import again and again, while half the people log in between, and the end is the same as
// that of an import that nobody disturbed.
func TestImport_Killed(t *testing.T) {
	t.Parallel()
	seed := newSeed(t)
	bin, err := failpointBinary()
	if err != nil {
		t.Fatal(err)
	}
	old := oldV6(t, false)
	half := old.people[:len(old.people)/2]
	calm := stopped(t)
	calm.bring(old.args...)
	calm.start()
	everybody(half, func(i int, p *oldPerson) { calm.come(p, i) })
	calm.stop()
	calm.bring(old.args...)
	want := calm.everything()

	s := stopped(t)
	report := filepath.Join(t.TempDir(), "report")
	kills := map[string]int{}
	total := 0
	// attempt runs the command with failpoints armed and tells whether one killed it.
	attempt := func(run int) bool {
		t.Helper()
		cmd := exec.Command(bin, append(append([]string{"import"}, old.args...), "--data", s.data, "--secrets", s.secrets, "--report", report)...)
		cmd.Dir = filepath.Dir(s.data)
		cmd.Env = append(os.Environ(), fmt.Sprintf("ZENCRYPT_FAILPOINT=%x-%d:25", seed, run))
		out, err := cmd.CombinedOutput()
		if err == nil {
			return false
		}
		m := failpointLine.FindStringSubmatch(string(out))
		if m == nil {
			t.Fatalf("run %d ended in another way: %v\n%s", run, err, out)
		}
		kills[m[1]]++
		total++
		return true
	}
	run := 0
	for ; total < importKills/2; run++ {
		attempt(run)
	}
	s.bring(old.args...)
	s.start()
	everybody(half, func(i int, p *oldPerson) { s.come(p, i) })
	s.stop()
	for ; total < importKills && run < 20*importKills; run++ {
		attempt(run)
	}
	if total < 10 {
		t.Fatalf("%d kills only", total)
	}
	s.bring(old.args...)
	t.Logf("%d kills in %d runs: %v", total, run, kills)
	if got := s.everything(); !slices.Equal(got, want) {
		t.Errorf("the end state is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	s.start()
	for i, p := range old.people[:3] {
		c := s.clientFrom(fmt.Sprintf("127.0.2.%d", i+1))
		c.login(p.Login, p.Password)
		p.holds(c)
	}
	last := len(old.people) - 1
	s.arrivesKilled(bin, seed, old.people[last])
	old.people[last].holds(s.come(old.people[last], 250))
}

// arrivesKilled kills the server in a person's first log-in, before it counts.
func (s *server) arrivesKilled(bin string, seed seed, p *oldPerson) {
	s.t.Helper()
	s.stop()
	env := s.env
	s.env = []string{fmt.Sprintf("ZENCRYPT_FAILPOINT=%x:1", seed)}
	s.run(exec.Command(bin, "serve", "--addr", strings.TrimPrefix(s.url, "http://"), "--data", s.data, "--secrets", s.secrets))
	c := s.clientFrom("127.0.3.1")
	req := c.request(http.MethodPost, "/login", strings.NewReader("login="+p.Login+"&password="+p.Password))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if resp, err := c.http.Do(req); err == nil {
		resp.Body.Close()
		s.t.Errorf("the log-in was answered with %d", resp.StatusCode)
	}
	<-s.done
	s.ended()
	if !strings.Contains(s.output(), "failpoint import-arrive, pass") {
		s.t.Errorf("it ended in another way:\n%s", tail(s.output(), 1000))
	}
	s.env = env
	s.start()
}
