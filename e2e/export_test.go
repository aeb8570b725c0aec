//go:build linux

package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const exportPassword = "horse battery staple 9"

// mover is a person who takes an account from one installation to another, with age and tar alone.
type mover struct {
	t         *testing.T
	dir       string // for the archives and what is unpacked
	recipient string // whose private part is dir/key
}

func newMover(t *testing.T) *mover {
	m := &mover{t: t, dir: t.TempDir()}
	for _, name := range []string{"age", "tar", "sha256sum", "bash"} {
		program(t, name, "an export, opened without Zencrypt")
	}
	keyPair(t, m.dir)
	b, err := os.ReadFile(filepath.Join(m.dir, "pub"))
	if err != nil {
		t.Fatal(err)
	}
	m.recipient = strings.TrimSpace(string(b))
	return m
}

// export downloads everything into dir/name, and returns the file's length.
func (m *mover) export(c *client, name string) int64 {
	m.t.Helper()
	form := "current=" + strings.ReplaceAll(exportPassword, " ", "+") + "&to=recipient&recipient=" + m.recipient
	req := c.request(http.MethodPost, "/account/export", strings.NewReader(form))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp := c.send(req)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		m.t.Fatalf("POST /account/export: %d %s", resp.StatusCode, words(string(b)))
	}
	f, err := os.Create(filepath.Join(m.dir, name))
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	n, err := io.Copy(f, resp.Body)
	if err != nil {
		m.t.Fatalf("the download broke off after %d bytes: %v", n, err)
	}
	return n
}

// shell runs bash in a folder and returns what it wrote.
func (m *mover) shell(dir, script string) string {
	m.t.Helper()
	return shell(m.t, dir, script)
}

func shell(t testing.TB, dir, script string) string {
	t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+binaryDir()+":"+os.Getenv("PATH"), "GNUPGHOME="+filepath.Join(dir, ".gnupg"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, tail(string(out), 3000))
	}
	return string(out)
}

// unpack opens an export as its README says, and returns the folder.
func (m *mover) unpack(name string) string {
	m.t.Helper()
	into := filepath.Join(m.dir, strings.TrimSuffix(name, ".tar.age"))
	if err := os.Mkdir(into, 0o700); err != nil {
		m.t.Fatal(err)
	}
	m.shell(into, fmt.Sprintf("age -d -i ../key -o export.tar ../%s && tar -xf export.tar && rm export.tar && sha256sum --quiet -c zencrypt-export/SHA256SUMS", name))
	return filepath.Join(into, "zencrypt-export")
}

// takeIn runs zencrypt import export on a stopped installation, and returns the report. The server log tells of it.
func (m *mover) takeIn(s *server, name, login string, more ...string) map[string]any {
	m.t.Helper()
	secret := filepath.Join(m.dir, "password")
	if err := os.WriteFile(secret, []byte(exportPassword+"\n"), 0o600); err != nil {
		m.t.Fatal(err)
	}
	args := append([]string{"import", "export", "--json", "--data", s.data, "--secrets", s.secrets, "-i", filepath.Join(m.dir, "key"),
		"--login", login, "--password-file", secret}, more...)
	cmd := exec.Command(binary(m.t), append(args, filepath.Join(m.dir, name))...)
	cmd.Dir = m.dir
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		m.t.Fatalf("%q: %v\n%s", args, err, tail(said.String(), 3000))
	}
	report := map[string]any{}
	if err := json.Unmarshal(out, &report); err != nil {
		m.t.Fatalf("read the report %q: %v", out, err)
	}
	if report["dry_run"] == false {
		log, err := os.ReadFile(filepath.Join(s.data, "log", "server.jsonl"))
		if err != nil || !strings.Contains(string(log), `"event":"old-data-imported","account":"`) {
			m.t.Errorf("the server log tells nothing of it: %v", err)
		}
	}
	return report
}

// counts are some numbers of a report.
func counts(r map[string]any, names ...string) string {
	var s []string
	for _, n := range names {
		s = append(s, fmt.Sprint(r[n]))
	}
	return strings.Join(s, " ")
}

// sums are the SHA-256 of all files below a folder.
func sums(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		all[name] = fmt.Sprintf("%x", h.Sum(nil))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// manifest is an archive's manifest without what differs from one export to the next.
func manifest(t testing.TB, dir string) map[string]any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]any{}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	delete(m, "created")
	delete(m, "account")
	return m
}

// equal compares what two exports hold: every file and every word of the manifest. What is said of other people's
// accounts on a server holds there alone, and so does what happened to the account there.
func (m *mover) equal(what, one, two string) {
	m.t.Helper()
	a, b := sums(m.t, one), sums(m.t, two)
	for name, sum := range a {
		switch name {
		case "README.txt", "manifest.json", "SHA256SUMS", "activity/activity.json":
			continue
		}
		if b[name] != sum {
			m.t.Errorf("%s: %s is not the same", what, name)
		}
	}
	if len(a) != len(b) || len(a) < 8 {
		m.t.Errorf("%s: %d files and %d", what, len(a), len(b))
	}
	x, y := manifest(m.t, one), manifest(m.t, two)
	for _, m := range []map[string]any{x, y} {
		for _, p := range m["people"].([]any) {
			delete(p.(map[string]any), "login")
			delete(p.(map[string]any), "account")
		}
	}
	for name := range x {
		left, _ := json.Marshal(x[name])
		right, _ := json.Marshal(y[name])
		if string(left) != string(right) {
			m.t.Errorf("%s: the manifest's %s differ:\n%s\n%s", what, name, tail(string(left), 3000), tail(string(right), 3000))
		}
	}
}

// settle fills an account with some of everything.
func settleIn(t *testing.T, c *client, m *mover) {
	t.Helper()
	saved := func(a answer) {
		t.Helper()
		c.must(a, http.StatusSeeOther)
	}
	key := regexp.MustCompile(`/keys/[0-9a-f]{32}`)
	first := key.FindString(c.get("/keys").body)
	armor := html.UnescapeString(shownArmor.FindString(c.must(c.post("/encrypt", "to", "me", "text", "a text for version 1"), 200).body))
	saved(c.post("/vault", "kind", "ciphertext", "title", "kept text", "text", armor))
	saved(c.post(first + "/rotate"))
	saved(c.post("/keys", "kind", "age-pq", "name", "later"))
	saved(c.post("/keys", "kind", "pgp", "algorithm", "curve25519", "name", "mail", "user_name", "Mira", "email", "mira@example.org"))
	saved(c.post("/keys", "kind", "fernet", "name", "app"))
	saved(c.post("/vault", "title", "../../Einkäufe\t<b>", "text", "milk\nbread 🥖\n"))
	saved(c.post("/vault", "title", "twice", "text", "one"))
	saved(c.post("/vault", "title", "twice", "text", "two"))
	saved(c.upload("/vault", file("päper \u202e\"x\".pdf", random(t, 300_000))))
	saved(c.upload("/vault", file("empty", "")))
	c.must(c.post("/hash", "algorithm", "sha256", "salt", "s", "save", "1", "text", "hashed"), 200)
	result := c.result(c.must(c.upload("/encrypt", field("to", "me"), field("mode", "files"), file("sealed.bin", random(t, 100_000))), 200))
	saved(c.post(result + "/save"))
	c.must(c.post("/encrypt", "to", "me", "format", "fernet", "save", "1", "text", "a token"), 200)
	c.must(c.post("/encrypt", "to", "me", "format", "pgp", "save", "1", "text", "a message"), 200)
	saved(c.post("/people", "login", "neighbour"))
	saved(c.post("/people", "name", "Ada by paper", "public_key", m.recipient))
}

// TestExport takes an account with some of everything out, opens it as the README says, and takes it in elsewhere.
func TestExport(t *testing.T) {
	t.Parallel()
	m := newMover(t)
	s := newServer(t)
	s.client().register("neighbour", exportPassword)
	c := s.client()
	c.register("mira", exportPassword)
	settleIn(t, c, m)
	m.export(c, "first.tar.age")
	first := m.unpack("first.tar.age")
	t.Run("Readme", func(t *testing.T) { readmeWorks(t, first, m.dir) })

	other := stopped(t)
	r := m.takeIn(other, "first.tar.age", "mira", "--dry-run")
	if got := counts(r, "new_account", "keys", "people", "items", "recovery_code"); got != "true 5 2 10 <nil>" {
		t.Errorf("the dry run says %s", got)
	}
	if entries, err := os.ReadDir(other.data); err == nil {
		t.Errorf("the dry run made %d files", len(entries))
	}
	r = m.takeIn(other, "first.tar.age", "mira")
	if got := counts(r, "new_account", "keys", "people", "items", "people_without_account"); got != "true 5 2 10 1" || r["recovery_code"] == nil {
		t.Errorf("the import says %s", got)
	}
	again := m.takeIn(other, "first.tar.age", "mira")
	if got := counts(again, "new_account", "keys", "known_keys", "people", "known_people", "items", "known_items"); got != "false 0 5 0 2 0 10" {
		t.Errorf("the second import says %s", got)
	}
	other.start()
	d := other.client()
	d.login("mira", exportPassword)
	d.must(d.post("/register/confirm", "code", r["recovery_code"].(string)), http.StatusSeeOther)
	m.export(d, "second.tar.age")
	m.equal("moved to another server", first, m.unpack("second.tar.age"))
	// The ring works there: what was encrypted to version 1 opens.
	armor, err := filepath.Glob(filepath.Join(first, "ciphertexts", "*kept_text*"))
	if err != nil || len(armor) != 1 {
		t.Fatalf("find the kept text: %q", armor)
	}
	text, _ := os.ReadFile(armor[0])
	if page := d.must(d.post("/decrypt", "text", string(text)), 200); !strings.Contains(page.body, "a text for version 1") {
		t.Error("the imported ring does not open it")
	}

	// Into a second account of the first server, whose ids are taken.
	s.client().register("second", exportPassword)
	s.stop()
	r = m.takeIn(s, "first.tar.age", "second")
	if got := counts(r, "new_account", "items"); got != "false 10" {
		t.Errorf("the import into a second account says %s", got)
	}
	if got := counts(m.takeIn(s, "first.tar.age", "second"), "keys", "people", "items", "known_items"); got != "0 0 0 10" {
		t.Errorf("a second time it says %s", got)
	}
	// Where it came from all is known.
	if got := counts(m.takeIn(s, "first.tar.age", "mira"), "keys", "key_versions", "people", "items"); got != "0 0 0 0" {
		t.Errorf("where it came from it says %s", got)
	}
	s.start()
	c = s.client()
	c.login("mira", exportPassword)
	m.export(c, "third.tar.age")
	m.equal("after all that", first, m.unpack("third.tar.age"))
}

// readmeWorks runs the README's commands for keys and ciphertexts.
func readmeWorks(t *testing.T, dir, keys string) {
	b, err := os.ReadFile(filepath.Join(dir, "README.txt"))
	if err != nil {
		t.Fatal(err)
	}
	readme := string(b)
	// A command of the README with a person's own names in place of the capital ones.
	run := func(start string, replace ...string) string {
		t.Helper()
		for line := range strings.Lines(readme) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, start) {
				for i := 0; i < len(replace); i += 2 {
					if !strings.Contains(line, replace[i]) {
						t.Fatalf("the README's line %q lacks %q", line, replace[i])
					}
					line = strings.Replace(line, replace[i], replace[i+1], 1)
				}
				return shell(t, dir, line)
			}
		}
		t.Fatalf("the README has no line that starts with %q", start)
		return ""
	}
	one := func(pattern string) string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("nothing is called %s", pattern)
		}
		name, _ := filepath.Rel(dir, found[0])
		return name
	}
	if out := run("(cd .. && sha256sum"); out != "" {
		t.Errorf("sha256sum says %q", out)
	}
	if out := run("python3 -c 'import json"); !strings.Contains(out, "milk") && !strings.Contains(out, "Einkäufe") {
		t.Errorf("the titles are %q", out)
	}
	run("age -d -i keys/01-age-NAME", "keys/01-age-NAME/v1-active.txt", one("keys/01-age-*/v1-retired.txt"), "FILE.age", one("ciphertexts/*kept_text*"), "FILE", "opened")
	if b, _ := os.ReadFile(filepath.Join(dir, "opened")); string(b) != "a text for version 1" {
		t.Errorf("age gave %q", b)
	}
	if err := os.Mkdir(filepath.Join(dir, ".gnupg"), 0o700); err != nil {
		t.Fatal(err)
	}
	run("gpg --import keys", "keys/03-pgp-NAME/v1-active.secret.asc", one("keys/*-pgp-*/v1-active.secret.asc"))
	var message string
	for _, f := range []string{"*.asc", "*.gpg", "*.pgp"} {
		if found, _ := filepath.Glob(filepath.Join(dir, "ciphertexts", f)); len(found) > 0 {
			message = found[0]
		}
	}
	if message == "" {
		t.Fatal("no OpenPGP message was kept")
	}
	run("gpg -o FILE", "FILE.asc", message, "FILE", "message.txt")
	if b, _ := os.ReadFile(filepath.Join(dir, "message.txt")); string(b) != "a message" {
		t.Errorf("gpg gave %q", b)
	}
	if exec.Command("python3", "-c", "import cryptography").Run() == nil {
		token := ""
		for _, pattern := range []string{"ciphertexts/*.fernet", "ciphertexts/*.txt"} {
			if found, _ := filepath.Glob(filepath.Join(dir, pattern)); len(found) > 0 {
				token, _ = filepath.Rel(dir, found[0])
				break
			}
		}
		if out := run("python3 -c 'import sys", "keys/02-fernet-NAME/v1-active.fernet", one("keys/02-fernet-*/v1-active.fernet"), "TOKEN", token); out != "a token" {
			t.Errorf("Python gave %q", out)
		}
	}
	run("age -R people", "people/001-NAME/age.txt", one("people/*Ada*/age.txt"), "FILE.age FILE", "to-ada.age opened")
	shell(t, dir, "age -d -i "+filepath.Join(keys, "key")+" to-ada.age | grep -q 'a text for version 1'")
	shell(t, dir, "rm -rf .gnupg opened message.txt to-ada.age")
}

// What is cut short or changed is refused, and changes nothing.
func TestExport_Damaged(t *testing.T) {
	t.Parallel()
	m := newMover(t)
	s := newServer(t)
	c := s.client()
	c.register("mira", exportPassword)
	c.must(c.upload("/vault", file("a.bin", random(t, 200_000))), http.StatusSeeOther)
	n := m.export(c, "whole.tar.age")
	whole, err := os.ReadFile(filepath.Join(m.dir, "whole.tar.age"))
	if err != nil || int64(len(whole)) != n {
		t.Fatal(err)
	}
	flipped := append([]byte{}, whole...)
	flipped[len(flipped)-100] ^= 1
	other := stopped(t)
	secret := filepath.Join(m.dir, "password")
	if err := os.WriteFile(secret, []byte(exportPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		content []byte
		args    []string
		code    int
	}{
		"Cut":       {whole[:len(whole)*2/3], nil, 4},
		"CutChunk":  {whole[:len(whole)-65552], nil, 4},
		"Changed":   {flipped, nil, 4},
		"NoExport":  {[]byte("hello"), nil, 5},
		"Empty":     {nil, nil, 5},
		"OtherKey":  {whole, []string{"-i", "other"}, 3},
		"NoServer":  {whole, []string{"-i", "key", "--password-file", "missing"}, 1},
		"Weak":      {whole, []string{"-i", "key", "--password-file", "weak"}, 1},
		"TakenName": {whole, []string{"-i", "key", "--login", "x"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(m.dir, "try-"+name)
			if err := os.WriteFile(path, tt.content, 0o600); err != nil {
				t.Fatal(err)
			}
			os.WriteFile(filepath.Join(m.dir, "weak"), []byte("password1234\n"), 0o600)
			runTool(t, m.dir, 0, "", "keygen", "-o", "other-"+name)
			args := tt.args
			if args == nil {
				args = []string{"-i", "key"}
			}
			for i := range args {
				if args[i] == "other" {
					args[i] = "other-" + name
				}
			}
			line := append([]string{"import", "export", "--data", other.data, "--secrets", other.secrets, "--password-file", secret}, args...)
			runTool(t, m.dir, tt.code, "", append(line, path)...)
			// The database may be there by now, an account is not.
			if _, err := os.Stat(filepath.Join(other.data, "zencrypt.db")); err == nil {
				if out := shell(t, m.dir, "zencrypt user list --json --data "+other.data+" --secrets "+other.secrets); strings.Contains(out, "login") {
					t.Errorf("there is an account: %s", out)
				}
			}
		})
	}
	t.Run("ServerRuns", func(t *testing.T) {
		runTool(t, m.dir, 1, "", "import", "export", "--data", s.data, "--secrets", s.secrets, "--password-file", secret, "-i", "key", "whole.tar.age")
	})
	t.Run("WrongPassword", func(t *testing.T) {
		s.stop()
		runTool(t, m.dir, 3, "", "import", "export", "--data", s.data, "--secrets", s.secrets, "--password-file", "weak", "-i", "key", "whole.tar.age")
	})
}

// An import that is killed on the way, again and again, is typed again until it is done: then all is there once.
func TestExport_Killed(t *testing.T) {
	t.Parallel()
	bin, err := failpointBinary()
	if err != nil {
		t.Fatal(err)
	}
	m := newMover(t)
	s := newServer(t)
	s.client().register("neighbour", exportPassword)
	c := s.client()
	c.register("mira", exportPassword)
	settleIn(t, c, m)
	for i := range 5 {
		c.must(c.upload("/vault", file(fmt.Sprintf("%d.bin", i), random(t, 70_000))), http.StatusSeeOther)
	}
	m.export(c, "first.tar.age")
	first := m.unpack("first.tar.age")
	s.stop()
	other := stopped(t)
	secret := filepath.Join(m.dir, "password")
	if err := os.WriteFile(secret, []byte(exportPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	seed, kills := random(t, 4), 0
	for run := 0; ; run++ {
		if run == 40 {
			t.Fatal("it is not done after 40 runs")
		}
		cmd := exec.Command(bin, "import", "export", "--data", other.data, "--secrets", other.secrets, "-i", "key", "--password-file", secret, "first.tar.age")
		cmd.Dir = m.dir
		cmd.Env = append(os.Environ(), fmt.Sprintf("ZENCRYPT_FAILPOINT=%x-%d:3", seed, run))
		out, err := cmd.CombinedOutput()
		if err == nil {
			break
		}
		if !strings.Contains(string(out), "failpoint export-") && !strings.Contains(string(out), "failpoint migrate-") { // the latter of the new database
			t.Fatalf("run %d ended in another way (seed %x): %v\n%s", run, seed, err, out)
		}
		kills++
	}
	t.Logf("killed %d times, seed %x", kills, seed)
	other.start()
	d := other.client()
	d.login("mira", exportPassword)
	d.confirm()
	m.export(d, "second.tar.age")
	m.equal("killed on the way", first, m.unpack("second.tar.age"))
	if n := len(blobFiles(t, other)); n != 8 {
		t.Errorf("%d files are in the vault's folder, want 8: those of the kills are swept at the start", n)
	}
}

func blobFiles(t *testing.T, s *server) (names []string) {
	entries, err := os.ReadDir(filepath.Join(s.data, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
