//go:build linux

package e2e

import (
	"crypto/aes"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
)

// planted is an installation and everything that was typed into it.
type planted struct {
	*server
	*finder
	t      *testing.T
	tmp    string // the server's TMPDIR
	values map[string]string
}

func newPlanted(t *testing.T) *planted {
	dir := t.TempDir()
	p := &planted{t: t, finder: new(finder), tmp: filepath.Join(dir, "tmp"), values: map[string]string{}}
	if err := os.Mkdir(p.tmp, 0o700); err != nil {
		t.Fatal(err)
	}
	p.server = &server{
		t: t, data: filepath.Join(dir, "data"), secrets: filepath.Join(dir, "secrets"),
		args: []string{"--log-level", "debug", "--metrics-addr", "unix:" + filepath.Join(dir, "metrics")}, env: []string{"TMPDIR=" + p.tmp},
	}
	t.Cleanup(p.kill)
	p.start()
	return p
}

// value is a text that nobody else has, planted under its label.
func (p *planted) value(label string) string {
	if _, ok := p.values[label]; !ok {
		p.values[label] = "Zq7" + rand.Text()
		p.plantText(label, p.values[label])
	}
	return p.values[label]
}

// search fails the test for whatever of the planted stands anywhere.
func (p *planted) search(when string) {
	p.t.Helper()
	found, files := p.inTree(p.t, filepath.Dir(p.data)) // data, secrets, and what a crash would drop beside them
	for _, s := range p.in([]byte(p.output())) {
		found = append(found, "the log: "+s)
	}
	if files < 4 {
		p.t.Errorf("%s: only %d files were there to search", when, files)
	}
	if p.cmd != nil {
		for _, s := range p.in([]byte(p.scrapeQuiet(filepath.Join(filepath.Dir(p.data), "metrics"), visibleLogin, "127.0.0.77"))) {
			found = append(found, "the metrics: "+s)
		}
		more, open := p.inProcess(p.t, p.cmd.Process.Pid)
		found = append(found, more...)
		if open < 4 { // both databases and their logs
			p.t.Errorf("%s: only %d open files were there to search", when, open)
		}
	}
	for _, s := range found {
		p.t.Errorf("%s: found in %s", when, s)
	}
}

var (
	shownArmor    = regexp.MustCompile(`-----BEGIN AGE ENCRYPTED FILE-----[^<]*-----END AGE ENCRYPTED FILE-----`)
	shownFernet   = regexp.MustCompile(`gAAAAA[\w=-]+`)
	shownResult   = regexp.MustCompile(`/results/[0-9a-f]{32}`)
	shownKey      = regexp.MustCompile(`/keys/[0-9a-f]{32}`)
	nextKeys      = regexp.MustCompile(`"(/keys\?after=[0-9a-f]{32})"`)
	shownIdentity = regexp.MustCompile(`AGE-SECRET-KEY-1[0-9A-Z]+`)
)

// find is the first match of re in an answer's text.
func (p *planted) find(re *regexp.Regexp, a answer) string {
	p.t.Helper()
	s := re.FindString(html.UnescapeString(a.body))
	if s == "" {
		p.t.Fatalf("no %s on the page:\n%s", re, words(a.body))
	}
	return s
}

// visibleLogin stands in the database in clear.
const visibleLogin = "visible-by-design-7q"

func TestPlanted(t *testing.T) {
	t.Parallel()
	p := newPlanted(t)
	const login = visibleLogin
	const address = "127.0.0.77"
	c := p.clientFrom(address)
	c.header.Set("User-Agent", p.value("user agent"))
	c.header.Set("Referer", p.url+"/vault?q="+p.value("referrer"))

	p.account(c, login)
	p.hash(c)
	p.texts(c)
	p.files(c)
	p.vault(c)
	p.ring(c)
	p.people(c)
	p.settings(c, login)
	p.admin(c, login)
	p.leaving(c)
	p.badInput(c)
	p.guest()
	p.factor()
	p.search("while results wait")
	p.underWay(c)
	p.accountEnds(c, login)
	p.search("after the account's changes")
	p.restart()
	p.search("after a restart")

	// The login is stored in clear, so it shows that the search sees what is there; the log has neither
	// it nor the address.
	control := new(finder)
	control.plantText("login", login)
	if found, _ := control.inTree(t, p.data); len(found) == 0 {
		t.Error("the login was not found in the database: the search is blind")
	}
	control.plantText("address", address+":")
	control.plantText("a full address", address+`"`)
	if found := control.in([]byte(p.output())); len(found) > 0 || strings.Contains(p.output(), address) {
		t.Errorf("the log tells who came: %q", found)
	}
}

// account registers, fails to, logs in, fails to, and takes the private keys out.
func (p *planted) account(c *client, login string) {
	password := p.value("password")
	c.must(c.post("/register", "login", login, "password", password, "password2", p.value("mistyped password")), 422)
	p.plantCode("recovery code", c.register(login, password))
	c.must(c.post("/meter", "passphrase", p.value("metered passphrase")), 200)
	c.logout()
	c.must(c.post("/login", "login", login, "password", p.value("wrong password")), 422)
	c.must(c.post("/login", "login", p.value("password in the login's place"), "password", password), 422)
	c.must(c.get("/login?next=/vault%3Fq="+p.value("next")), 200)
	c.login(login, password)
	page := c.must(c.get("/keys"), 200)
	for _, key := range shownKey.FindAllString(page.body, -1) {
		path := key + "/export"
		c.must(c.post(path, "current", p.value("wrong current password")), 422)
		key := strings.TrimSpace(c.must(c.post(path, "current", password), 200).body)
		if identity := shownIdentity.FindString(key); identity != "" {
			p.plantIdentity("own age key", identity)
			p.values["own age key"] = identity
			continue
		}
		raw, err := base64.URLEncoding.DecodeString(key)
		if err != nil || len(raw) != 32 {
			p.t.Fatalf("the second key is no Fernet key: %v", err)
		}
		p.plantText("own Fernet key", key)
		p.plant("own Fernet key decoded", raw)
		p.values["own Fernet key"] = key
	}
	if p.values["own age key"] == "" || p.values["own Fernet key"] == "" {
		p.t.Fatal("the ring exported no two keys")
	}
	p.cookies("session", c)
}

// cookies plants the values of a client's cookies, and what they decode to.
func (p *planted) cookies(label string, c *client) {
	req := c.request(http.MethodGet, "/", nil)
	n := 0
	for _, k := range c.http.Jar.Cookies(req.URL) {
		raw, err := base64.RawURLEncoding.DecodeString(k.Value)
		if err != nil || len(raw) < 32 {
			continue
		}
		n++
		p.plantText(label+" "+k.Name, k.Value)
		p.plant(label+" "+k.Name+" decoded", raw)
	}
	if n == 0 {
		p.t.Fatal("there is no cookie to plant")
	}
}

func (p *planted) hash(c *client) {
	options := []part{field("algorithm", "sha256"), field("algorithm", "blake3"), field("salt", p.value("salt"))}
	text := field("text", p.value("hashed text"))
	c.must(c.upload("/hash", append(options, field("save", "1"), text)...), 200)
	c.must(c.upload("/hash", append(options, field("expected", p.value("expected digest")), text)...), 422)
	c.must(c.upload("/hash", field("algorithm", "sha512"), field("hmac_key", p.value("HMAC key")), field("save", "1"),
		file(p.value("hashed file's name"), p.content("hashed file"))), 200)
	c.must(c.post("/hash", "algorithm", p.value("algorithm"), "text", p.value("hashed text")), 422)
}

// content is a file's, with a value at several offsets and over several age chunks.
func (p *planted) content(label string) string {
	return strings.Repeat(p.value(label)+" ", 10000)
}

func (p *planted) texts(c *client) {
	t, text, passphrase := p.t, p.value("encrypted text"), p.value("passphrase")
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	p.plantIdentity("pasted identity", other.String())
	p.values["pasted identity"] = other.String()
	made := c.must(c.read(htmx(c.multipart("/encrypt", field("generate", "1")))), 200)
	words := regexp.MustCompile(`[a-z]+(?:-[a-z]+){9,}`).FindString(made.body)
	p.plantText("generated passphrase", words)
	for _, tc := range []struct {
		name    string
		encrypt []part
		open    []part
		form    *regexp.Regexp
	}{
		{"passphrase", []part{field("to", "passphrase"), field("passphrase", passphrase)}, []part{field("passphrase", passphrase)}, shownArmor},
		{"generated", []part{field("to", "passphrase"), field("passphrase", words)}, []part{field("passphrase", words)}, shownArmor},
		{"me", []part{field("to", "me")}, nil, shownArmor},
		{"fernet", []part{field("to", "me"), field("format", "fernet")}, nil, shownFernet},
		{"people", []part{field("to", "people"), field("recipients", other.Recipient().String())}, []part{field("identity", other.String())}, shownArmor},
	} {
		sealed := p.find(tc.form, c.must(c.upload("/encrypt", append(tc.encrypt, field("save", "1"), field("text", text))...), 200))
		a := c.must(c.upload("/decrypt", append(tc.open, field("save", "1"), field("text", sealed))...), 200)
		if !strings.Contains(a.body, text) {
			t.Errorf("%s: what was encrypted does not open", tc.name)
		}
		if tc.open != nil {
			c.must(c.upload("/decrypt", field("passphrase", p.value("wrong passphrase")), field("text", sealed)), 422)
		}
	}
	c.must(c.upload("/encrypt", field("to", "people"), field("recipients", other.String()), field("text", text)), 422)
	c.must(c.upload("/decrypt", field("identity", p.value("no identity")), field("text", text)), 422)
	c.must(c.upload("/results/download", field("name", p.value("downloaded name")), field("encoding", "base64"),
		field("text", base64.StdEncoding.EncodeToString([]byte(p.value("downloaded text"))))), 200)
}

func (p *planted) files(c *client) {
	content, name := p.content("file content"), p.value("file name")
	identity, err := age.ParseX25519Identity(p.values["pasted identity"])
	if err != nil {
		p.t.Fatal(err)
	}
	for _, tc := range []struct {
		label   string
		options []part
		key     [2]string // what opens it where no key of the account does
	}{
		{"me", []part{field("to", "me"), field("save", "1")}, [2]string{}},
		{"fernet", []part{field("to", "me"), field("format", "fernet")}, [2]string{}},
		{"passphrase", []part{field("to", "passphrase"), field("passphrase", p.value("file's passphrase"))}, [2]string{"passphrase", p.value("file's passphrase")}},
		{"people", []part{field("to", "people"), field("recipients", identity.Recipient().String())}, [2]string{"identity", identity.String()}},
	} {
		page := c.must(c.upload("/encrypt", append(tc.options, file(name+".txt", content))...), 200)
		path := p.find(shownResult, page)
		c.must(c.get(path), 200)
		sealed := c.must(c.get(path+"/file"), 200).body
		up := file(name+".txt.age", sealed)
		if tc.key[0] == "" {
			path = p.find(shownResult, c.must(c.upload("/decrypt", field("save", "1"), up), 200))
		} else {
			path = p.find(shownResult, c.must(c.upload("/decrypt", up), 422))
			wrong := map[string]string{"passphrase": p.value("wrong passphrase"), "identity": p.values["own age key"]}[tc.key[0]]
			c.must(c.post(path+"/open", tc.key[0], wrong), 422)
			c.must(c.post(path+"/open", tc.key[0], tc.key[1]), 303, path)
		}
		if got := c.must(c.get(path+"/file"), 200).body; got != content {
			p.t.Errorf("%s: %d bytes came back instead of %d", tc.label, len(got), len(content))
		}
	}
	// One of an older version's command line, which says nothing of itself.
	page := c.must(c.upload("/decrypt", field("old_file", "1"), field("passphrase", p.value("old file's passphrase")),
		file(p.value("old file's name")+".enc", oldCFB(p.t, p.value("old file's passphrase"), p.content("old file")))), 200)
	if got := c.must(c.get(p.find(shownResult, page)+"/file"), 200).body; got != p.content("old file") {
		p.t.Errorf("the old file opened as %d other bytes", len(got))
	}
	// One that stays locked, and plaintext sent to be decrypted by mistake.
	page = c.must(c.upload("/encrypt", field("to", "people"), field("recipients", identity.Recipient().String()), file(name, content)), 200)
	sealed := c.must(c.get(p.find(shownResult, page)+"/file"), 200).body
	c.must(c.upload("/decrypt", file(name+".age", sealed)), 422)
	c.must(c.upload("/decrypt", file(name, p.content("plaintext sent to be decrypted"))), 422)
}

func (p *planted) vault(c *client) {
	note := c.must(c.upload("/vault", field("title", p.value("title")), field("text", p.value("note"))), 303).location()
	c.must(c.post("/vault", "text", p.value("first line of a note without a title")+"\nmore"), 303)
	kept := c.must(c.upload("/vault", field("title", p.value("file's title")), file(p.value("kept file's name"), p.content("kept file"))), 303).location()
	c.must(c.upload("/vault", file(p.value("first of two"), "a"), file(p.value("second of two"), "b")), 303, "/vault")
	c.must(c.post(note+"/rename", "title", p.value("new title")), 303)
	c.must(c.post(note+"/rename", "title", strings.Repeat(p.value("title that is too long"), 20)), 422)
	for _, path := range []string{note, note + "/file", kept, kept + "/file", "/vault?q=" + p.value("title"), "/vault?kind=note&q=" + p.value("searched for")} {
		c.must(c.get(path), 200)
	}
	if a := c.get("/vault?q=" + p.value("new title")); !strings.Contains(a.body, note) {
		p.t.Error("the renamed note is not found by its title")
	}
}

// ring makes, imports, changes and exports keys. An OpenPGP user id is for others and so stands in the clear; what
// the person calls a key does not.
func (p *planted) ring(c *client) {
	imported, err := age.GenerateX25519Identity()
	if err != nil {
		p.t.Fatal(err)
	}
	p.plantIdentity("imported identity", imported.String())
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		p.t.Fatal(err)
	}
	p.plant("imported Fernet key decoded", raw)
	token := base64.URLEncoding.EncodeToString(raw)
	p.plantText("imported Fernet key", token)
	c.must(c.post("/keys/import", "name", p.value("imported key's name"), "text", imported.String()), 200)
	c.must(c.upload("/keys/import", field("passphrase", p.value("import's passphrase")), file(p.value("imported file's name"), token+"\n")), 200)
	c.must(c.post("/keys/import", "text", p.value("no key to import")), 422)
	c.must(c.post("/keys/import", "text", imported.String()+"\n"+p.value("rest of an import")), 422)
	c.must(c.upload("/keys/import", file(p.value("refused file's name"), p.value("refused file"))), 422)
	for _, kind := range []string{"age", "age-pq", "fernet", "pgp"} {
		path := p.find(shownKey, answer{body: c.must(c.post("/keys", "kind", kind, "name", p.value("name of "+kind), "expires", "2099-01-01"), 303).location()})
		c.must(c.post(path+"/describe", "name", p.value("second name of "+kind), "description", p.value("description of "+kind)), 303)
		c.must(c.post(path+"/describe", "name", strings.Repeat(p.value("name that is too long"), 10), "description", p.value("description of "+kind)), 422)
		c.must(c.post(path+"/rotate"), 303)
		c.must(c.post(path+"/versions/1/revoke"), 303)
		for _, passphrase := range []string{"", p.value("export's passphrase")} {
			key := c.must(c.post(path+"/export", "current", p.value("password"), "passphrase", passphrase), 200).body
			for i, identity := range regexp.MustCompile(`AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]+`).FindAllString(key, -1) {
				p.plantIdentity(fmt.Sprint("made ", kind, " key ", i), identity)
			}
		}
		c.must(c.get(path), 200)
		c.must(c.post(path+"/versions/1/delete", "current", p.value("password")), 303)
	}
	c.must(c.get("/keys"), 200)
	c.must(c.post("/keys/rewrap"), 303)
	c.must(c.post("/keys/"+p.value("no id")+"/rotate"), 404)
}

// badInput sends what is refused at each layer, and what never becomes a request.
func (p *planted) badInput(c *client) {
	v := p.value("refused")
	c.must(c.get("/nothing/"+v), 404)
	c.must(c.get("/vault/"+v), 404)
	c.must(c.get("/vault?before="+v), 404)
	c.must(c.get("/results/"+v+"/file"), 404)
	c.must(c.post("/vault/delete", "id", v), 400)
	c.must(c.post("/vault", "text", strings.Repeat(v, 3<<20/len(v))), 413)
	c.must(c.post("/vault", "title", strings.Repeat(v, 200), "text", v), 303)
	c.must(c.post("/login", "login", strings.Repeat(v, 20), "password", v), 422)
	for _, kind := range []string{v + "/" + v, "text/plain", "multipart/form-data", "multipart/form-data; boundary=" + v} {
		req := c.request(http.MethodPost, "/encrypt?"+v, strings.NewReader(v))
		req.Header.Set("Content-Type", kind)
		if a := c.read(req); a.status < 400 || a.status >= 500 {
			p.t.Errorf("content type %s: status %d", kind, a.status)
		}
	}
	req := c.request(http.MethodPost, "/vault", strings.NewReader("text="+v))
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	c.must(c.read(req), 403)
	req = c.request(http.MethodGet, "/", nil)
	req.Host = v
	c.must(c.read(req), 421)
	req = p.client().request(http.MethodGet, "/vault", nil)
	req.AddCookie(&http.Cookie{Name: "zencrypt", Value: v})
	c.must(p.client().read(req), 303)
	for _, raw := range []string{v + "\r\n\r\n", "GET /" + v + " HTTP/9.9\r\n" + v + "\r\n\r\n", "POST /hash HTTP/1.1\r\nHost: x\r\nContent-Length: " + v + "\r\n\r\n",
		"GET / HTTP/1.1\r\nX: " + strings.Repeat(v, 5000) + "\r\n\r\n"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			p.t.Fatal(err)
		}
		_, _ = io.WriteString(conn, raw)
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	}
}

func (p *planted) guest() {
	c := p.client()
	text, passphrase := p.value("guest's text"), p.value("guest's passphrase")
	c.must(c.upload("/hash", field("salt", p.value("guest's salt")), field("text", text)), 200)
	sealed := p.find(shownArmor, c.must(c.upload("/encrypt", field("passphrase", passphrase), field("text", text)), 200))
	c.must(c.upload("/decrypt", field("passphrase", passphrase), field("text", sealed)), 200)
	page := c.must(c.upload("/encrypt", field("passphrase", passphrase), file(p.value("guest's file"), p.content("guest's content"))), 200)
	c.must(c.get(p.find(shownResult, page)+"/file"), 200)
	p.cookies("guest's session", c)
}

// accountEnds changes everything that can be changed about an account.
func (p *planted) accountEnds(c *client, login string) {
	second, third := p.value("second password"), p.value("third password")
	c.must(c.post("/account/password", "current", p.value("password"), "password", second, "password2", second), 303)
	c.must(c.post("/account/recovery", "current", second), 303)
	p.plantCode("second recovery code", c.confirm())
	c.must(c.post("/account/renew", "current", second), 303)
	code := c.confirm()
	p.plantCode("third recovery code", code)
	p.cookies("renewed session", c)
	other := p.client()
	other.must(other.post("/recover", "login", login, "code", p.value("wrong recovery code"), "password", third, "password2", third), 422)
	other.must(other.post("/recover", "login", login, "code", code, "password", third, "password2", third), 303)
	p.plantCode("fourth recovery code", other.confirm())
	other.must(other.get("/account"), 200)
	third2 := p.client()
	third2.login(login, third)
	other.must(other.post("/account/sessions", "current", third, "all", "1"), 303)
	third2.must(third2.get("/vault"), 303)
	p.cookies("recovered session", other)
}

// oldCFB is a file of an older Zencrypt's command line: salt, 16 bytes, IV, 16, and AES-256 in CFB mode, where each
// block is masked with the encryption of the one before.
func oldCFB(t testing.TB, passphrase, plain string) string {
	t.Helper()
	out := []byte("salt-of-16-bytes" + "iv---of-16-bytes")
	key, err := pbkdf2.Key(sha256.New, passphrase, out[:16], 100_000, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	mask := make([]byte, 16)
	for i := range len(plain) {
		if i%16 == 0 {
			block.Encrypt(mask, out[len(out)-16:])
		}
		out = append(out, plain[i]^mask[i%16])
	}
	return string(out)
}
