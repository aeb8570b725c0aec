//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// copied starts a server of its own on a data directory that came from a backup, with the server key supplied apart.
func copied(t *testing.T, data, keys string) *server {
	t.Helper()
	s := &server{t: t, data: data, secrets: filepath.Join(t.TempDir(), "secrets")}
	copyPrivate(t, keys, s.secrets)
	t.Cleanup(s.kill)
	s.start()
	return s
}

// TestBackup_UnderLoad backs a server up while people save and delete, to a file and to a folder: restored elsewhere,
// with the server key supplied apart, everything that was acknowledged before a backup began is there and whole. A
// backup with a changed byte is refused, wherever the byte is.
func TestBackup_UnderLoad(t *testing.T) {
	t.Parallel()
	r := newKillRun(t, savesOnly)
	dir := t.TempDir()
	keyPair(t, dir)
	done := r.work(1)
	var wg sync.WaitGroup
	// One more saves files and deletes them: they go while they are copied.
	fickle := r.client()
	fickle.register("fickle", killPassword)
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			a := fickle.read(fickle.multipart("/vault", file("gone", strings.Repeat("gone ", 5000))))
			if a.status != http.StatusSeeOther {
				t.Errorf("save: status %d", a.status)
				return
			}
			fickle.read(fickle.request(http.MethodPost, a.header.Get("Location")+"/delete", nil))
		}
	})
	enough := func(n int) {
		t.Helper()
		eventually(t, 2*time.Minute, fmt.Sprint(n, " saves"), func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.acked >= n
		})
	}
	type backup struct {
		path   string
		before []map[string]*kept // what was acknowledged before it began, of each person
		acked  int
		during int
	}
	var made []backup
	take := func(path string) {
		t.Helper()
		r.mu.Lock()
		b := backup{path: path, acked: r.acked}
		for _, p := range r.people {
			b.before = append(b.before, maps.Clone(p.items))
		}
		r.mu.Unlock()
		runTool(t, dir, 0, "", "backup", "--data", r.data, "-o", path, "-R", "pub")
		r.mu.Lock()
		b.during = r.acked - b.acked
		r.mu.Unlock()
		made = append(made, b)
	}
	enough(60)
	take("folder/")
	enough(120)
	take("b.tar.age")
	enough(180)
	take("folder/") // of the first one, only the second state is left
	close(stop)
	done()
	wg.Wait()
	for _, b := range made[1:] {
		data := filepath.Join(t.TempDir(), "data")
		runTool(t, dir, 0, "", "restore", "--check", "-i", "key", strings.TrimSuffix(b.path, "/"))
		runTool(t, dir, 0, "", "restore", "-i", "key", strings.TrimSuffix(b.path, "/"), "--data", data)
		again := &killRun{t: t, seed: r.seed, mix: r.mix, server: copied(t, data, r.secrets)}
		again.tidy()
		for i := range r.people {
			p := again.person(i)
			p.items = b.before[i]
			p.c.login(p.login, killPassword)
			p.later()
			p.check(true)
		}
		again.stop()
		t.Logf("%s: %d saves acknowledged before it, all there; %d more while it was made", b.path, b.acked, b.during)
	}
	if made[1].during+made[2].during == 0 {
		t.Error("nobody saved while a backup was made")
	}
	path := filepath.Join(dir, "b.tar.age")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 48 {
		at := i * (len(b) - 1) / 47
		b[at] ^= 1 << (i % 8)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		refusedBackup(t, dir, at, "restore", "--check", "-i", "key", path)
		refusedBackup(t, dir, at, "restore", "-i", "key", path, "--data", "changed")
		if _, err := os.Stat(filepath.Join(dir, "changed")); err == nil {
			t.Fatalf("byte %d of %d changed: something was restored", at, len(b))
		}
		b[at] ^= 1 << (i % 8)
	}
}

// refusedBackup runs a command that has to fail for what its input is.
func refusedBackup(t *testing.T, dir string, at int, args ...string) {
	t.Helper()
	c := newTool(t, dir, args...)
	c.start()
	<-c.done
	if code := c.cmd.ProcessState.ExitCode(); code < 3 || code > 5 {
		t.Fatalf("byte %d changed: exit %d: %s", at, code, c.stderr.String())
	}
}

// TestBackup_Killed kills the command at many of its steps: the backup before it stays whole, the next one goes through,
// and nothing is left in the data.
func TestBackup_Killed(t *testing.T) {
	bin, err := failpointBinary()
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t)
	c := s.client()
	c.register("keeps", killPassword)
	var paths []string
	content := func(i int) string { return strings.Repeat(fmt.Sprint("file ", i, "\n"), 1+i*97) }
	fill := func(n int) {
		for range n {
			i := len(paths)
			paths = append(paths, c.must(c.upload("/vault", file(fmt.Sprint(i), content(i))), http.StatusSeeOther).location())
		}
	}
	fill(12)
	dir := t.TempDir()
	targets := []string{"b.tar", "folder"}
	check := func(target string) string {
		t.Helper()
		c := newTool(t, dir, "restore", "--check", target)
		var out bytes.Buffer
		c.cmd.Stdout = &out
		c.start()
		c.ends(0)
		return regexp.MustCompile(`.*\n`).FindString(out.String())
	}
	runTool(t, dir, 0, "", "backup", "--data", s.data, "-o", "b.tar")
	runTool(t, dir, 0, "", "backup", "--data", s.data, "-o", "folder/")
	first := map[string]string{}
	for _, target := range targets {
		first[target] = check(target)
	}
	seed := newSeed(t)
	kills, finished := 0, 0
	fill(12)
	for i := 0; kills < 6; i++ {
		target := targets[i%2]
		cmd := exec.Command(bin, "backup", "--data", s.data, "-o", target)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), fmt.Sprintf("ZENCRYPT_FAILPOINT=%x-%d:%d", seed, i, []int{12, 40}[i/2%2]))
		out, err := cmd.CombinedOutput()
		state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		switch {
		case err == nil: // it passed every point: that is a new backup
			if finished++; finished > 60 {
				t.Fatal("no failpoint kills it")
			}
			first[target] = check(target)
		case ok && state.Signaled() && state.Signal() == syscall.SIGKILL:
			kills++
			if now := check(target); bytes.Contains(out, []byte("failpoint backup-placed,")) {
				first[target] = now // the new one was in its place by then
			} else if now != first[target] {
				t.Fatalf("after kill %d the backup is another:\n%s\n%s", kills, first[target], now)
			}
		default:
			t.Fatalf("%v: %s", err, out)
		}
	}
	for _, target := range []string{"b.tar", "folder"} {
		runTool(t, dir, 0, "", "backup", "--data", s.data, "-o", target)
		if _, err := os.Stat(filepath.Join(s.data, "backup.tmp")); err == nil {
			t.Error("a copy of the database is left in the data")
		}
		data := filepath.Join(t.TempDir(), "data")
		runTool(t, dir, 0, "", "restore", target, "--data", data)
		again := copied(t, data, s.secrets)
		back := again.client()
		back.login("keeps", killPassword)
		for i, path := range paths {
			if got := back.must(back.get(path+"/file"), http.StatusOK); got.body != content(i) {
				t.Errorf("%s: %d bytes, want %d", path, len(got.body), len(content(i)))
			}
		}
		again.stop()
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%d names beside the backups: %v", len(entries), err)
	}
	t.Logf("killed %d times, finished %d times in between", kills, finished)
}

// TestRestore_Notice: after a restore the account page asks for a new recovery code until there is one, and without the
// server key the code is what opens an account.
func TestRestore_Notice(t *testing.T) {
	s := newServer(t)
	c := s.client()
	code := c.register("mira", killPassword)
	note := c.must(c.post("/vault", "title", "note", "text", "from before"), http.StatusSeeOther).location()
	dir := t.TempDir()
	runTool(t, dir, 0, "", "backup", "--data", s.data, "-o", "b.tar")
	// What happens after the backup is not in it: another code, another note.
	c.must(c.post("/account/recovery", "current", killPassword), http.StatusSeeOther, "/register/confirm")
	later := c.confirm()
	s.stop()
	data := filepath.Join(dir, "data")
	runTool(t, dir, 0, "", "restore", "b.tar", "--data", data)
	again := copied(t, data, s.secrets)
	const notice = "Make a new recovery code"
	c = again.client()
	c.login("mira", killPassword)
	if a := c.must(c.get("/account"), http.StatusOK); !strings.Contains(a.body, notice) {
		t.Errorf("the account's page does not ask for a new code: %s", words(a.body))
	}
	tab := openBrowser(t).tab(again.url, true)
	tab.adopt(c)
	tab.open("/account")
	tab.reads(".notice", notice)
	tab.sound("account-restored")
	again.stop()

	// The server key is lost.
	if err := os.RemoveAll(again.secrets); err != nil {
		t.Fatal(err)
	}
	refused := runTool(t, dir, 1, "", "serve", "--addr", "127.0.0.1:0", "--data", data, "--secrets", again.secrets)
	if !strings.Contains(refused.stderr.String(), "secrets init --lost") {
		t.Errorf("it says %q", refused.stderr.String())
	}
	runTool(t, dir, 0, "lost\n", "secrets", "init", "--lost", "--data", data, "--secrets", again.secrets)
	again.start()
	c.logout() // the session outlives the key: its cookie is all that it needs
	tab.open("/login")
	tab.reads(".notice", "An older password may not work")
	tab.sound("login-key-lost")
	c = again.client()
	if a := c.must(c.post("/login", "login", "mira", "password", killPassword), http.StatusUnprocessableEntity); !strings.Contains(a.body, "An older password may not work") {
		t.Error("a refused log-in does not say why")
	}
	other := "another horse battery 10"
	c.must(c.post("/recover", "login", "mira", "code", later, "password", other, "password2", other), http.StatusUnprocessableEntity)
	c.must(c.post("/recover", "login", "mira", "code", code, "password", other, "password2", other), http.StatusSeeOther, "/register/confirm")
	c.confirm()
	if a := c.must(c.get(note+"/file"), http.StatusOK); a.body != "from before" {
		t.Errorf("the note is %q", a.body)
	}
	if a := c.must(c.get("/account"), http.StatusOK); strings.Contains(a.body, notice) {
		t.Error("the notice stays after a new code")
	}
	fresh := again.client()
	fresh.login("mira", other)
	if a := fresh.must(again.client().get("/login"), http.StatusOK); strings.Contains(a.body, "An older password may not work") {
		t.Error("the notice stays when nobody needs the lost key")
	}
}

// TestSecrets_Rotated: a person's log-in moves the account to the new key, and then the old one can go.
func TestSecrets_Rotated(t *testing.T) {
	s := newServer(t)
	s.client().register("mira", killPassword)
	s.stop()
	place := []string{"--data", s.data, "--secrets", s.secrets}
	run := func(code int, args ...string) string {
		t.Helper()
		c := newTool(t, filepath.Dir(s.data), append(args, place...)...)
		var out bytes.Buffer
		c.cmd.Stdout = &out
		c.start()
		c.ends(code)
		return out.String() + c.stderr.String()
	}
	run(0, "secrets", "rotate")
	s.start()
	if got := run(1, "secrets", "remove", "1"); !strings.Contains(got, "1 accounts and 0 given-up logins depend on") {
		t.Errorf("it says %q", got)
	}
	s.client().login("mira", killPassword)
	if got := run(0, "secrets", "check"); !regexp.MustCompile(`older +1 +0 accounts`).MatchString(got) {
		t.Errorf("it says %q", got)
	}
	run(0, "secrets", "remove", "1")
	s.restart()
	s.client().login("mira", killPassword)
}

// TestUpgrade_Down goes from the first version's database up and back down: it is what it was, and comes up again.
func TestUpgrade_Down(t *testing.T) {
	s := newServer(t)
	s.stop()
	for from, to := range map[string]string{"data": s.data, "keys": s.secrets} {
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		copyPrivate(t, filepath.Join(firstVersion, from), to)
	}
	const schema = "SELECT name || ' ' || coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"
	was := s.query("zencrypt.db", schema)
	items := s.query("zencrypt.db", "SELECT hex(id) || hex(sealed_meta) FROM items ORDER BY id")
	s.start()
	if now := s.query("zencrypt.db", schema); len(now) <= len(was) {
		t.Fatal("the upgrade added nothing")
	}
	s.stop()
	down := 0
	for s.query("zencrypt.db", "SELECT count(*) FROM bun_migrations")[0] != "2" {
		runTool(t, filepath.Dir(s.data), 0, "", "migrate", "down", "--yes", "--data", s.data)
		if down++; down > 100 {
			t.Fatal("it goes down without end")
		}
	}
	if now := s.query("zencrypt.db", schema); strings.Join(now, "\n") != strings.Join(was, "\n") {
		t.Errorf("the schema is\n%s\nand was\n%s", strings.Join(now, "\n"), strings.Join(was, "\n"))
	}
	if now := s.query("zencrypt.db", "SELECT hex(id) || hex(sealed_meta) FROM items ORDER BY id"); strings.Join(now, "\n") != strings.Join(items, "\n") {
		t.Error("items were changed")
	}
	// The first version would refuse sessions of a newer one.
	if _, err := os.Stat(filepath.Join(s.data, "sessions.db")); err == nil {
		t.Error("newer sessions are left")
	}
	s.start()
	s.client().login("First@Example.org", "four quiet horses 1852")
	s.stop()
}
