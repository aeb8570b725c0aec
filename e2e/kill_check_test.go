//go:build linux

package e2e

import (
	"bytes"
	"database/sql"
	"fmt"
	"html"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	_ "modernc.org/sqlite"
)

var (
	savedLink  = regexp.MustCompile(`/vault/[0-9a-f]{32}`)
	olderLink  = regexp.MustCompile(`/vault\?before=[\w-]+`)
	savedRow   = regexp.MustCompile(`<a class="breakable" dir="auto" href="(/vault/[0-9a-f]{32})">([^<]*)</a>`)
	newestKey  = regexp.MustCompile(`<pre id="recipient"[^>]*>(age1[0-9a-z]+)</pre>`)
	keyVersion = regexp.MustCompile(`>version (\d+)</th>`)
)

// sampled is how many of what was read back before are read again after each kill.
const sampled = 4

// check reads what a person keeps after a start: everything that was acknowledged is listed under its title, nothing
// that was deleted is, and of what was not acknowledged at most what was in doubt. What is new is opened, and some of
// the rest; all of it when full is set.
func (p *person) check(full bool) {
	listed, ok := p.listed()
	if !ok {
		return
	}
	p.settle(listed)
	for path, item := range p.items {
		title, there := listed[path]
		switch {
		case !there:
			p.r.t.Errorf("%s, save %d, was acknowledged and is gone", path, item.n)
		case item.title == "": // the server chose it
			item.title = title
		case title != item.title:
			p.r.t.Errorf("%s is called %q instead of %q", path, title, item.title)
		}
	}
	for path := range listed {
		if p.items[path] == nil {
			p.r.t.Errorf("%s, %q, is there, and nobody knows of it (deleted: %t)", path, listed[path], p.gone[path] != nil)
		}
	}
	for path := range p.some(p.items, full) {
		if got, ok := p.open(path); ok && got != p.r.content(p.items[path].n) {
			p.r.t.Errorf("%s is not save %d: %d bytes, %.40q", path, p.items[path].n, len(got), got)
		}
	}
	p.checkKeys(full)
	for path := range p.gone {
		if a, ok := p.get(path); full && ok && a.status != http.StatusNotFound {
			p.r.t.Errorf("%s was deleted and answers %d", path, a.status)
		}
		if !full {
			break
		}
	}
	clear(p.fresh)
	p.doubt = nil
}

// later takes note of what came after the acknowledged ones: in a backup there may be some, each of them whole.
func (p *person) later() {
	listed, _ := p.listed()
	for path := range listed {
		if p.items[path] != nil {
			continue
		}
		var n int
		got, _ := p.open(path)
		if _, err := fmt.Sscanf(got, "%d|", &n); err != nil || got != p.r.content(n) {
			p.r.t.Errorf("%s: %d bytes that are no save: %.40q", path, len(got), got)
		}
		p.items[path] = &kept{n: n}
	}
}

// some are those to read: the fresh ones and a few others, or all.
func (p *person) some(from map[string]*kept, full bool) map[string]bool {
	out := map[string]bool{}
	for path := range from { // in a random order
		if full || p.fresh[path] || len(out) < sampled+len(p.fresh) && !p.fresh[path] {
			out[path] = true
		}
	}
	return out
}

// settle finds out what became of what was in doubt: either all of it was done or nothing.
func (p *person) settle(listed map[string]string) {
	a := p.doubt
	if a == nil {
		return
	}
	switch a.what {
	case "notes", "files", "sealed texts", "sealed files":
		for path := range listed {
			if p.items[path] == nil && p.gone[path] == nil {
				p.items[path], p.fresh[path] = &kept{a.n, a.text}, true
				return
			}
		}
	case "renames":
		if listed[a.path] == a.text {
			p.items[a.path].title = a.text
		}
	case "deletions":
		if _, there := listed[a.path]; !there {
			p.gone[a.path] = p.items[a.path]
			delete(p.items, a.path)
			delete(p.fresh, a.path)
		}
	case "undeletions":
		if _, there := listed[a.path]; there {
			p.items[a.path], p.fresh[a.path] = p.gone[a.path], true
			delete(p.gone, a.path)
		}
	}
}

// listed is the vault by its pages: titles by path.
func (p *person) listed() (map[string]string, bool) {
	out := map[string]string{}
	for page := "/vault"; page != ""; {
		a, ok := p.get(page)
		if !ok || a.status != http.StatusOK {
			p.r.t.Errorf("%s: status %d", page, a.status)
			return nil, false
		}
		for _, row := range savedRow.FindAllStringSubmatch(a.body, -1) {
			out[row[1]] = html.UnescapeString(row[2])
		}
		page = olderLink.FindString(a.body)
	}
	return out, true
}

// open reads an item, and decrypts it where it is a ciphertext.
func (p *person) open(path string) (string, bool) {
	a, ok := p.get(path + "/file")
	switch {
	case !ok || a.status != http.StatusOK:
		p.r.t.Errorf("%s: status %d", path, a.status)
		return "", false
	case isSealed(a.body):
		return p.decrypt(path, a.body)
	}
	return a.body, true
}

func (p *person) decrypt(what, sealed string) (string, bool) {
	got, err := p.c.unseal(sealed)
	if err != nil {
		p.r.t.Errorf("decrypt %s: %v", what, err)
	}
	return got, err == nil
}

var shownText = regexp.MustCompile(`(?s)<pre id="result-text"[^>]*>(.*?)</pre>`)

func isSealed(s string) bool {
	return strings.HasPrefix(s, "age-encryption.org/v1\n") || strings.HasPrefix(s, "-----BEGIN AGE")
}

// unseal has the server decrypt an age file or text to this account, and leaves nothing there.
func (c *client) unseal(sealed string) (string, error) {
	in := file("f.age", sealed)
	if strings.HasPrefix(sealed, "-----BEGIN") {
		in = field("text", sealed)
	}
	a, err := c.try(c.multipart("/decrypt", in))
	if err != nil || a.status != http.StatusOK {
		return "", fmt.Errorf("status %d (%w): %s", a.status, err, words(a.body))
	}
	if in.field == "text" {
		m := shownText.FindStringSubmatch(a.body)
		if m == nil {
			return "", fmt.Errorf("no text is shown: %s", words(a.body))
		}
		return html.UnescapeString(m[1]), nil
	}
	result := shownResult.FindString(a.body)
	got, err := c.try(c.request(http.MethodGet, result+"/file", nil))
	if err != nil || got.status != http.StatusOK {
		return "", fmt.Errorf("%s: status %d (%w)", result, got.status, err)
	}
	_, err = c.try(c.request(http.MethodPost, result+"/delete", strings.NewReader("")))
	return got.body, err
}

// findKey finds the key that registration made.
func (p *person) findKey() {
	a, _ := p.get("/keys")
	for _, path := range shownKey.FindAllString(a.body, -1) {
		if page, _ := p.get(path); newestKey.MatchString(page.body) {
			p.main = path
		}
	}
	if p.main == "" {
		p.r.t.Fatal("a new account has no age key")
	}
	p.keys[p.main] = &held{versions: 1}
	p.fresh[p.main] = true
}

// checkKeys does for keys what check does for items. That a private key is whole shows what it opens.
func (p *person) checkKeys(full bool) {
	if p.main == "" {
		return
	}
	listed := map[string]bool{}
	for next := []string{"", "/keys"}; next != nil; { // a long ring comes in pages
		a, ok := p.get(next[1])
		if !ok || a.status != http.StatusOK {
			p.r.t.Errorf("%s: status %d", next[1], a.status)
			return
		}
		before := len(listed)
		for _, path := range shownKey.FindAllString(a.body, -1) {
			listed[path] = true
		}
		if next = nextKeys.FindStringSubmatch(a.body); next != nil && len(listed) == before {
			p.r.t.Errorf("%s follows a page without keys", next[1])
			return
		}
	}
	doubt := p.doubt
	if doubt == nil {
		doubt = new(act)
	}
	if doubt.what == "key deletions" && !listed[doubt.path] {
		delete(p.keys, doubt.path)
		p.lost[doubt.path] = true
	}
	for path := range listed {
		page, ok := p.get(path)
		switch {
		case p.lost[path]:
			p.r.t.Errorf("%s was deleted and is listed", path)
		case p.keys[path] == nil && !newestKey.MatchString(page.body): // those of other kinds, from registration
		case p.keys[path] == nil && doubt.what == "keys":
			p.keys[path] = &held{versions: 1}
			doubt.what = "" // that one alone
			fallthrough
		default:
			if p.keys[path] == nil || !ok {
				p.r.t.Errorf("%s is there, and nobody knows of it (%t)", path, ok)
				continue
			}
			if full || p.fresh[path] || path == p.main || doubt.path == path || p.r.number("look "+path, p.r.acked)%8 == 0 {
				p.checkKey(path, page.body, doubt, full)
			}
		}
	}
	for path := range p.keys {
		if !listed[path] {
			p.r.t.Errorf("%s was acknowledged and is gone", path)
		}
	}
}

func (p *person) checkKey(path, page string, doubt *act, full bool) {
	k := p.keys[path]
	if doubt.path == path && doubt.what == "key rotations" && len(keyVersion.FindAllString(page, -1)) == k.versions+1 {
		k.versions++
	}
	if doubt.path == path && doubt.what == "key descriptions" && strings.Contains(page, ">"+doubt.text+"<") {
		k.description = doubt.text
	}
	if got := len(keyVersion.FindAllString(page, -1)); got != k.versions {
		p.r.t.Errorf("%s has %d versions instead of %d", path, got, k.versions)
	}
	if k.description != "" && !strings.Contains(page, ">"+k.description+"<") {
		p.r.t.Errorf("%s is not described as %q", path, k.description)
	}
	m := newestKey.FindStringSubmatch(page)
	if m == nil {
		p.r.t.Errorf("%s shows no public key", path)
		return
	}
	if !slices.Contains(k.publics, m[1]) {
		k.publics = append(k.publics, m[1])
	}
	if len(k.publics) > k.versions {
		p.r.t.Errorf("%s has %d versions and showed %d public keys", path, k.versions, len(k.publics))
	}
	try := k.publics[len(k.publics)-1:]
	if full {
		try = k.publics
	}
	for _, public := range try {
		text := fmt.Sprintf("for %s", public)
		if got, ok := p.decrypt(public, sealTo(p.r, public, text)); ok && got != text {
			p.r.t.Errorf("%s: what was encrypted to %s opens as %q", path, public, got)
		}
	}
}

func sealTo(r *killRun, public, text string) string {
	var out bytes.Buffer
	to, err := age.ParseX25519Recipient(public)
	if err == nil {
		var w io.WriteCloser
		if w, err = age.Encrypt(&out, to); err == nil {
			if _, err = io.WriteString(w, text); err == nil {
				err = w.Close()
			}
		}
	}
	if err != nil {
		r.t.Errorf("encrypt to %q: %v", public, err)
	}
	return out.String()
}

// renewed asks for a last rewrap and waits until nothing stands under an older version.
func (p *person) renewed() {
	if a, ok := p.ask(p.form("/keys/rewrap")); !ok || a.status != http.StatusSeeOther {
		p.r.t.Errorf("rewrap: status %d", a.status)
		return
	}
	eventually(p.r.t, 2*time.Minute, "everything is rewrapped", func() bool {
		ring, _ := p.get("/keys")
		page, _ := p.get(p.main)
		return !strings.Contains(ring.body, "Rewrapping") && !rewrapButton.MatchString(page.body)
	})
}

func (p *person) get(path string) (answer, bool) {
	return p.ask(p.c.request(http.MethodGet, path, nil))
}

// ask sends a request that must be answered.
func (p *person) ask(req *http.Request) (answer, bool) {
	a, err := p.c.try(req)
	if err != nil {
		p.r.t.Errorf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	return a, err == nil
}

// tidy looks at the disk after a start: files and rows belong together, and both databases are sound.
func (s *server) tidy() {
	s.t.Helper()
	for _, name := range []string{"zencrypt.db", "sessions.db"} {
		if got := s.query(name, "PRAGMA integrity_check"); !slices.Equal(got, []string{"ok"}) {
			s.t.Errorf("integrity of %s: %q", name, got)
		}
	}
	for dir, want := range map[string][]string{
		"blobs": s.query("zencrypt.db", "SELECT lower(hex(blob_id)) FROM items WHERE blob_id IS NOT NULL"),
		"spool": s.query("sessions.db", "SELECT lower(hex(blob_id)) FROM results"),
	} {
		var got []string
		for _, path := range s.stored() {
			if filepath.Base(filepath.Dir(path)) == dir {
				got = append(got, filepath.Base(path))
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			s.t.Errorf("%d files in %s and %d rows that name one", len(got), dir, len(want))
		}
	}
}

// query reads one column of a database of the running server.
func (s *server) query(name, query string) (column []string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.data, name)+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		s.t.Fatalf("ask %s: %v", name, err)
	}
	defer rows.Close()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			s.t.Fatalf("ask %s: %v", name, err)
		}
		column = append(column, v)
	}
	if err := rows.Err(); err != nil {
		s.t.Fatalf("ask %s: %v", name, err)
	}
	return column
}
