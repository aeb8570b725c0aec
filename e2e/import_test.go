//go:build linux

package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// oldData is where data lies that older versions wrote, of invented people. It is not part of the project: its
// tests are left out where it is not.
var oldData = filepath.Join("..", "..", "shared", "fixtures", "legacy")

// oldPerson is somebody of an older Zencrypt, and everything that has to be there afterwards.
type oldPerson struct {
	Ref, Login, Password string
	Notes, Unreadable    []string
	Digests              []string // digest and salt as JSON
	Keys, RSA            []string
	Messages             map[string]string // of the old page "PGP": ciphertext to text
	Files                map[string]string // of the old file page: path to the path of the plaintext
}

// oldSource is an old database with the truth about it.
type oldSource struct {
	name    string
	args    []string // of zencrypt import
	people  []*oldPerson
	rejects []string // collection, id and reason
	secrets []secret // what may be found nowhere
	// sameAsAnother: another sample holds the same, so that not everybody needs to log in.
	sameAsAnother bool
}

type secret struct{ label, value string }

type oldTruth struct {
	Users []struct {
		ID              any
		OID             string `json:"_id"`
		Email, Password string
		PasswordHash    string `json:"password_hash"`
		Texts           []struct {
			Plaintext   string
			Recoverable *bool
			Token       string
		}
		Hashes []struct {
			Text, Salt, Digest string
		}
		Keys []struct{ Canonical string }
		RSA  []struct {
			Private string `json:"private_key"`
		} `json:"pgp_keys"`
		Messages []struct{ Plaintext, Ciphertext string } `json:"pgp_messages"`
	}
	Defects struct {
		Rejects []struct {
			Table, Reason string
			ID            int
		} `json:"expected_rejects"`
	} `json:"defects_db"`
	Rejects []struct {
		Collection, Reason string
		ID                 string `json:"_id"`
	} `json:"expected_rejects"`
	Key   string `json:"zen_key"`
	Files []struct {
		File, Plain string
		Owner       string `json:"user_email"`
	} `json:"web_files"`
}

// loadOld reads a truth, or ends the test where there is none.
func loadOld(t testing.TB, version string) (*oldTruth, []*oldPerson, []secret) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(oldData, version, "truth.json"))
	if err != nil {
		missing(t, "data of older versions", "bringing accounts of older versions along")
	}
	truth := new(oldTruth)
	if err := json.Unmarshal(b, truth); err != nil {
		t.Fatal(err)
	}
	var people []*oldPerson
	var secrets []secret
	hide := func(label, value string) {
		if len(value) >= 16 { // a shorter one stands in ciphertext by chance
			secrets = append(secrets, secret{label, value})
		}
	}
	for _, u := range truth.Users {
		p := &oldPerson{Ref: u.OID, Login: u.Email, Password: u.Password, Messages: map[string]string{}, Files: map[string]string{}}
		if p.Ref == "" {
			p.Ref = fmt.Sprint(u.ID)
		}
		hide("password of "+p.Ref, u.Password)
		digest := u.PasswordHash[strings.LastIndex(u.PasswordHash, "$")+1:]
		hide("digest H of "+p.Ref, digest)
		hide("digest H of "+p.Ref+" in bytes", unhex(t, digest))
		for _, x := range u.Texts {
			hide("token of "+p.Ref, x.Token)
			if x.Recoverable != nil && !*x.Recoverable {
				p.Unreadable = append(p.Unreadable, x.Token)
				continue
			}
			hide("text of "+p.Ref, x.Plaintext)
			p.Notes = append(p.Notes, x.Plaintext)
		}
		for _, x := range u.Hashes {
			hide("digest of "+p.Ref, x.Digest)
			p.Digests = append(p.Digests, digestKey(x.Digest, x.Salt))
		}
		for _, k := range u.Keys {
			hide("key of "+p.Ref, k.Canonical)
			hide("key of "+p.Ref+" in bytes", unbase64(t, k.Canonical))
			if !slices.Contains(p.Keys, k.Canonical) {
				p.Keys = append(p.Keys, k.Canonical)
			}
		}
		for _, k := range u.RSA {
			hide("RSA key of "+p.Ref, strings.Split(k.Private, "\n")[5])
			p.RSA = append(p.RSA, k.Private)
		}
		for _, m := range u.Messages {
			p.Messages[m.Ciphertext] = m.Plaintext
		}
		if truth.Key != "" {
			p.Keys = []string{truth.Key}
		}
		people = append(people, p)
	}
	for _, f := range truth.Files {
		for i, p := range people {
			if p.Login == f.Owner || f.Owner == "" && i == 0 { // one key for everybody
				p.Files[filepath.Join(oldData, version, f.File)] = filepath.Join(oldData, version, f.Plain)
			}
		}
	}
	if truth.Key != "" {
		hide("the shared key", truth.Key)
		hide("the shared key in bytes", unbase64(t, truth.Key))
	}
	return truth, people, secrets
}

func digestKey(digest, salt string) string {
	b, _ := json.Marshal([]string{digest, salt})
	return string(b)
}

var savedDigest = regexp.MustCompile(`^(?:salted )?SHA256 \(text\) = ([0-9A-Fa-f]{64})\n(?:salt = (".*")\n)?$`)

// oldV6 are the samples of version 6: the whole ones, or those with defects.
func oldV6(t testing.TB, defects bool) *oldSource {
	truth, people, secrets := loadOld(t, "v62")
	s := &oldSource{name: "v6", people: people, secrets: secrets, args: []string{"v6", absolute(t, filepath.Join(oldData, "v62", "zencrypt.db"))}}
	if defects {
		s.sameAsAnother = true
		s.name, s.args[1] = "v6-defects", absolute(t, filepath.Join(oldData, "v62", "zencrypt_defects.db"))
		for _, r := range truth.Defects.Rejects {
			s.rejects = append(s.rejects, fmt.Sprint(r.Table, " ", r.ID, ": ", r.Reason))
			if r.Table == "encrypted_text" { // of the first account, in order
				people[0].Notes = people[0].Notes[1:]
			}
		}
	}
	return s
}

// oldV5 are the samples of version 5, in one of the forms of dump and export.
func oldV5(t testing.TB, form string) *oldSource {
	truth, people, secrets := loadOld(t, "v53")
	dir := filepath.Join(oldData, "v53")
	s := &oldSource{name: "v5-" + form, people: people, secrets: secrets,
		args: []string{"v5", absolute(t, filepath.Join(dir, "dump")), "--key-file", absolute(t, filepath.Join(dir, "zen.key"))}}
	for _, r := range truth.Rejects {
		s.rejects = append(s.rejects, r.Collection+" "+r.ID+": "+r.Reason)
	}
	// What the truth calls ambiguous: it can be read, so it comes.
	dora := people[0]
	dora.Notes = append(dora.Notes, "  spaced  kelp thorn")
	dora.Digests = append(dora.Digests, digestKey(strings.Repeat("AB", 32), ""), digestKey(strings.Repeat("cd", 32), ""))
	if form != "dump" {
		s.sameAsAnother = true
		only := t.TempDir()
		suffix := map[string]string{"lines": ".json", "array": ".canonical.array.json"}[form]
		for _, c := range []string{"users", "hashes", "encrypted_texts"} {
			b, err := os.ReadFile(filepath.Join(dir, "export", c+suffix))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(only, c+".json"), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s.args[1] = only
	}
	return s
}

func absolute(t testing.TB, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// stopped is an installation that was not started yet.
func stopped(t testing.TB) *server {
	dir := t.TempDir()
	s := &server{t: t, data: filepath.Join(dir, "data"), secrets: filepath.Join(dir, "secrets")}
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("the server's output:\n%s", tail(s.output(), 4000))
		}
	})
	return s
}

// importReport is what the command writes in JSON.
type importReport struct {
	Complete bool
	Accounts struct{ New, Known, Gone, Refused int }
	Records  struct{ Keys, Notes, Unreadable, Digests, Known, Later int }
	Logins   []struct{ ID, Old, New string }
	Rejects  []struct {
		Collection, ID, Reason string
		Kept                   bool
	}
}

// bring runs zencrypt import on a stopped installation.
func (s *server) bring(args ...string) *importReport {
	s.t.Helper()
	name := filepath.Join(s.t.TempDir(), "report")
	args = append(append([]string{"import"}, args...), "--data", s.data, "--secrets", s.secrets, "--report", name)
	cmd := exec.Command(binary(s.t), args...)
	cmd.Dir = filepath.Dir(s.data)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%q: %v\n%s", args, err, tail(string(out), 3000))
	}
	return readReport(s.t, name)
}

func readReport(t testing.TB, name string) *importReport {
	t.Helper()
	r := new(importReport)
	b, err := os.ReadFile(name + ".json")
	if err == nil {
		err = json.Unmarshal(b, r)
	}
	if err != nil {
		t.Fatalf("read report: %v", err)
	}
	for _, file := range []string{name + ".json", name + ".txt"} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", file, info.Mode(), err)
		}
	}
	return r
}

// come logs a person in for the first time, from an address of their own, since log-ins are counted.
func (s *server) come(p *oldPerson, i int) *client {
	s.t.Helper()
	c := s.clientFrom(fmt.Sprintf("127.0.1.%d", i+1))
	c.must(c.post("/login", "login", p.Login, "password", p.Password), http.StatusSeeOther)
	c.must(c.get("/vault"), http.StatusSeeOther, "/register/confirm") // the code comes first
	if page := c.get("/register/confirm"); !strings.Contains(page.body, "Welcome back") {
		s.t.Errorf("%s: the page of the recovery code does not say where it comes from:\n%s", p.Ref, words(page.body))
	}
	c.confirm()
	return c
}

// vaultBodies are all items byte for byte, those of each kind sorted.
func (c *client) vaultBodies() map[string][]string {
	c.t.Helper()
	out := map[string][]string{}
	for _, kind := range []string{"note", "ciphertext", "digest", "file"} {
		for path := "/vault?kind=" + kind; path != ""; {
			page := c.must(c.get(path), http.StatusOK).body
			seen := map[string]bool{}
			for _, item := range regexp.MustCompile(`/vault/[0-9a-f]{32}`).FindAllString(page, -1) {
				if !seen[item] {
					seen[item] = true
					out[kind] = append(out[kind], c.must(c.get(item+"/file"), http.StatusOK).body)
				}
			}
			path = html.UnescapeString(regexp.MustCompile(`/vault\?[^"]*before=[^"]*`).FindString(page))
		}
		slices.Sort(out[kind])
	}
	return out
}

// holds compares what a person finds with the truth.
func (p *oldPerson) holds(c *client) {
	c.t.Helper()
	got := c.vaultBodies()
	same := func(what string, got, want []string) {
		c.t.Helper()
		want = slices.Sorted(slices.Values(want))
		if !slices.Equal(got, want) {
			c.t.Errorf("%s: %d %s, want %d: %.200q, want %.200q", p.Ref, len(got), what, len(want), got, want)
		}
	}
	same("notes", got["note"], p.Notes)
	same("unreadable texts", got["ciphertext"], p.Unreadable)
	var digests []string
	for _, body := range got["digest"] {
		m := savedDigest.FindStringSubmatch(body)
		if m == nil {
			c.t.Errorf("%s: a digest reads %q", p.Ref, body)
			continue
		}
		var salt string
		if m[2] != "" {
			if err := json.Unmarshal([]byte(m[2]), &salt); err != nil {
				c.t.Errorf("%s: a salt reads %q", p.Ref, m[2])
			}
		}
		digests = append(digests, digestKey(m[1], salt))
	}
	slices.Sort(digests)
	same("digests", digests, p.Digests)
	if len(got["file"]) > 0 {
		c.t.Errorf("%s: %d files", p.Ref, len(got["file"]))
	}
	p.holdsKeys(c)
	for sealed, plain := range p.Files {
		page := c.must(c.upload("/decrypt", file(filepath.Base(sealed), read(c.t, sealed))), http.StatusOK)
		if got := c.must(c.get(c.result(page)+"/file"), http.StatusOK).body; got != read(c.t, plain) {
			c.t.Errorf("%s: %s opened as something else", p.Ref, filepath.Base(sealed))
		}
	}
	for sealed, plain := range p.Messages {
		page := c.must(c.upload("/decrypt", field("text", sealed)), http.StatusOK)
		if !strings.Contains(page.body, ">"+html.EscapeString(plain)+"<") && !strings.Contains(html.UnescapeString(page.body), plain) {
			c.t.Errorf("%s: a message opened as something else:\n%s", p.Ref, words(page.body))
		}
	}
}

// holdsKeys looks for every old key, in its order, in what the ring exports.
func (p *oldPerson) holdsKeys(c *client) {
	c.t.Helper()
	var fernet, rsa []string
	seen := map[string]bool{}
	for _, path := range shownKey.FindAllString(c.must(c.get("/keys"), http.StatusOK).body, -1) {
		if seen[path] {
			continue
		}
		seen[path] = true
		key := c.must(c.post(path+"/export", "current", p.Password), http.StatusOK).body
		switch {
		case strings.Contains(key, "PRIVATE KEY"):
			rsa = append(rsa, strings.TrimSpace(key))
		case !strings.Contains(key, "AGE-SECRET-KEY-"):
			lines := strings.Fields(key)
			slices.Reverse(lines) // the newest is first in an export
			fernet = append(fernet, strings.Join(lines, " "))
		}
	}
	if want := strings.Join(p.Keys, " "); len(p.Keys) > 0 && !slices.Contains(fernet, want) {
		c.t.Errorf("%s: the ring has no Fernet key with the %d old ones as its versions", p.Ref, len(p.Keys))
	}
	slices.Sort(rsa)
	var want []string
	for _, k := range p.RSA {
		want = append(want, strings.TrimSpace(k))
	}
	if slices.Sort(want); !slices.Equal(rsa, want) {
		c.t.Errorf("%s: %d RSA keys, want %d, or others", p.Ref, len(rsa), len(want))
	}
}

// everybody does something for each person, two at a time.
func everybody(people []*oldPerson, do func(i int, p *oldPerson)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range 2 {
		wg.Go(func() {
			for i := range next {
				do(i, people[i])
			}
		})
	}
	for i := range people {
		next <- i
	}
	close(next)
	wg.Wait()
}

// TestImport_Truth brings each sample along, and everybody logs in with the old password and finds everything, byte for
// byte; what the truth says can't come is in the report with its reason, and nothing else is.
func TestImport_Truth(t *testing.T) {
	for _, load := range []func() *oldSource{
		func() *oldSource { return oldV6(t, false) }, func() *oldSource { return oldV6(t, true) },
		func() *oldSource { return oldV5(t, "dump") }, func() *oldSource { return oldV5(t, "lines") }, func() *oldSource { return oldV5(t, "array") },
	} {
		old := load()
		t.Run(old.name, func(t *testing.T) {
			s := stopped(t)
			report := s.bring(old.args...)
			if !report.Complete || report.Accounts.New != len(old.people) || report.Accounts.Known+report.Accounts.Gone+report.Accounts.Refused != 0 {
				t.Errorf("accounts %+v, want %d new ones", report.Accounts, len(old.people))
			}
			var rejects []string
			for _, r := range report.Rejects {
				rejects = append(rejects, r.Collection+" "+r.ID+": "+r.Reason)
			}
			for _, want := range old.rejects {
				if !slices.Contains(rejects, want) {
					t.Errorf("not in the report: %s", want)
				}
			}
			for i, got := range rejects {
				if !slices.Contains(old.rejects, got) {
					t.Errorf("in the report and not in the truth: %s", got)
				}
				// A whole token that no key opens is kept.
				if r := report.Rejects[i]; r.Kept {
					p := old.people[slices.IndexFunc(old.people, func(p *oldPerson) bool { return strings.HasPrefix(p.Login, "dora") })]
					p.Unreadable = append(p.Unreadable, keptToken(t, r.ID))
				}
			}
			s.start()
			come := old.people
			if old.sameAsAnother {
				come = come[:3]
			}
			everybody(come, func(i int, p *oldPerson) { p.holds(s.come(p, i)) })
			again := s.clientFrom("127.0.2.1") // with the password alone, as everybody does
			p := old.people[0]
			again.login(p.Login, p.Password)
			again.must(again.get("/vault"), http.StatusOK)
		})
	}
}

// keptToken is the text of the old database by its id.
func keptToken(t testing.TB, id string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(oldData, "v53", "export", "encrypted_texts.json"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var doc struct {
			ID struct {
				OID string `json:"$oid"`
			} `json:"_id"`
			Text string `json:"encryptedText"`
		}
		if err := json.Unmarshal([]byte(line), &doc); err == nil && doc.ID.OID == id {
			return doc.Text
		}
	}
	t.Fatalf("no text %s in the export", id)
	return ""
}

func unhex(t testing.TB, s string) string {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func unbase64(t testing.TB, s string) string {
	t.Helper()
	b, err := base64.URLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
