package handlers

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"zencrypt/models"
)

// People adds somebody from outside, by a key made for them.
func (c *client) addOutside(name, note string) (path string) {
	c.t.Helper()
	path, _, _ = strings.Cut(c.post("/people", "name", name, "note", note, "public_key", testRecipient).want(c.t, 303).Header.Get("Location"), "?")
	return path
}

// TestPeople_Describe: name and note are changed later, and a refusal keeps what was typed.
func TestPeople_Describe(t *testing.T) {
	s := newServer(t)
	c, other := s.client(t), s.client(t)
	c.register("ada")
	other.register("bob")
	mira := c.addOutside("Mira", "by phone")
	bob := c.befriend("bob")
	c.post(bob+"/verify", "state", state(t, c.get(bob))).want(t, 303)
	c.get(mira).want(t, 200, "by phone", `action="`+mira+`/describe"`)
	if to := c.post(mira+"/describe", "name", "Mira Ö.", "note", "met at <b>work</b>\r\nsince").want(t, 303).Header.Get("Location"); to != mira+"?done=saved" {
		t.Errorf("sent to %q", to)
	}
	c.get(mira+"?done=saved").want(t, 200, "<h1", "Mira Ö.", "met at &lt;b&gt;work&lt;/b&gt;", "Saved.")
	c.post("/encrypt", "to", "people", "recipients", "mira ö.", "text", "x").want(t, 200, "Encrypted for Mira Ö.")
	c.post("/encrypt", "to", "people", "recipients", "mira", "text", "x").want(t, 422, "can be found here")
	c.post(bob+"/describe", "name", "Robert", "note", "").want(t, 303)
	c.get(bob).want(t, 200, "Robert", "bob on this server", "Verified")
	c.post("/encrypt", "to", "people", "recipients", "bob", "text", "x").want(t, 200, "Encrypted for Robert") // the login is still theirs
	form := func(fields ...string) func(*client) answer {
		return func(c *client) answer { return c.post(mira+"/describe", fields...) }
	}
	refused(t, s, c, []bad{
		{"Empty", 422, []string{"give a name"}, form("name", " ", "note", "typed note")},
		{"Kept", 422, []string{"typed note"}, form("name", " ", "note", "typed note")},
		{"Hidden", 422, []string{"give a name"}, form("name", "\u202e\u200e")},
		{"Comma", 422, []string{"comma"}, form("name", "a, b")},
		{"Long", 422, []string{"200 is the limit"}, form("name", strings.Repeat("n", 201))},
		{"LongNote", 422, []string{"2,000 is the limit"}, form("name", "n", "note", strings.Repeat("n", 2001))},
		{"Taken", 422, []string{"somebody of this name"}, form("name", "ROBERT")},
		{"TakenLogin", 422, []string{"somebody of this name"}, form("name", "Bob")},
		{"LikeKey", 422, []string{"starts like a key"}, form("name", "ssh-ed25519 AAAA")},
		{"Script", 422, []string{"&lt;script&gt;"}, form("name", "<script>,")},
		{"Nobody", 404, nil, func(c *client) answer { return c.post("/people/"+strangerID+"/describe", "name", "n") }},
		{"NoID", 404, nil, func(c *client) answer { return c.post("/people/zz/describe", "name", "n") }},
	})
	broken := c.addOutside("broken", "")
	s.change(t, "UPDATE people SET sealed_person = randomblob(200) WHERE hex(id) = upper(?)", strings.TrimPrefix(broken, "/people/"))
	c.post(broken+"/describe", "name", "whole").want(t, 409, "can only be removed")
	if a := c.get(broken); strings.Contains(a.body, "/describe") {
		t.Error("an entry that does not open offers to be changed")
	}
}

var (
	shownPerson = regexp.MustCompile(`<a class="breakable" dir="auto" href="(/people/[0-9a-f]{32})">([^<]*)</a>`)
	shownNext   = regexp.MustCompile(`href="([^"]*)">Next page`)
	shownFirst  = regexp.MustCompile(`href="([^"]*)">← First page`)
)

// walkPages follows a list to its end and returns what each page shows.
func walkPages(t *testing.T, c *client, path string, shown *regexp.Regexp) (pages [][]string) {
	t.Helper()
	for first := path; path != ""; {
		body := c.get(path).want(t, 200).body
		var page []string
		for _, m := range shown.FindAllStringSubmatch(body, -1) {
			page = append(page, html.UnescapeString(m[2]))
		}
		pages = append(pages, page)
		if back := shownFirst.FindStringSubmatch(body); len(pages) > 1 && (back == nil || html.UnescapeString(back[1]) != first) {
			t.Errorf("page %d leads back by %q, want %q", len(pages), back, first)
		}
		path = ""
		if m := shownNext.FindStringSubmatch(body); m != nil {
			path = html.UnescapeString(m[1])
		}
		if len(pages) > 50 {
			t.Fatal("the list does not end")
		}
	}
	return pages
}

// TestPeople_Pages: a long list comes in pages, each person once and in order, also those of a search; one whose key has
// changed is named on every page.
func TestPeople_Pages(t *testing.T) {
	s := newServer(t)
	c, other := s.client(t), s.client(t)
	c.register("ada")
	other.register("zoe")
	u := s.unlock(t, "ada")
	keys, err := models.ParsePublic(testRecipient)
	if err != nil {
		t.Fatal(err)
	}
	const n = 249
	var want []string
	for i := range n {
		name := fmt.Sprintf("Person %03d", (i*101)%n) // added out of order
		if err := s.db.People.Add(t.Context(), u, &models.Person{Name: name, Note: fmt.Sprintf("note %d", (i*101)%n%2), Keys: keys}); err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprintf("Person %03d", i))
	}
	zoe := c.befriend("zoe")
	want = append(want, "zoe")
	pages := walkPages(t, c, "/people", shownPerson)
	var all []string
	for _, p := range pages {
		all = append(all, p...)
	}
	if len(pages) != 5 || len(pages[0]) != 50 || strings.Join(all, "|") != strings.Join(want, "|") {
		t.Errorf("%d pages, of %d people: %q", len(pages), len(all), all)
	}
	// A search finds names, logins, notes and fingerprints, and its pages stay within it.
	for q, found := range map[string]int{"person": n, "PERSON 24": 9, "note 1": 124, "zoe": 1, testRecipient[10:30]: n, "no such person": 0} {
		sum := 0
		for _, p := range walkPages(t, c, "/people?q="+url.QueryEscape(q), shownPerson) {
			sum += len(p)
		}
		if sum != found {
			t.Errorf("%q finds %d, want %d", q, sum, found)
		}
	}
	c.get("/people?q=note+1").want(t, 200, "124 of 250 found for “note 1”", `value="note 1"`, "Show all")
	c.get("/people?q=%3Cscript%3E%00%ff").want(t, 200, "Nobody holds", "&lt;script&gt;", "Show all again", "Find somebody here")
	c.get("/people?after=zz").want(t, 404)
	c.get("/people?after="+strangerID).want(t, 200, "Person 000")
	c.get("/people?q="+strings.Repeat("x", 5000)).want(t, 200, "Nobody holds")

	_, evil := ageKey(t)
	s.change(t, "UPDATE key_versions SET public = ? WHERE public LIKE 'age1%' AND account_id = (SELECT id FROM accounts WHERE login = 'zoe')", evil)
	for _, path := range []string{"/people", "/people?q=person"} {
		c.get(path).want(t, 200, "A key has changed, on another page", zoe)
	}
	if a := c.get("/people?q=zoe").want(t, 200, "key changed"); strings.Contains(a.body, "on another page") {
		t.Error("it stands on this page")
	}
}

var shownKeyName = regexp.MustCompile(`class="breakable" dir="auto"><a href="(/keys/[0-9a-f]{32})">([^<]*)</a>`)

// TestKeys_ListPages: the same for the ring.
func TestKeys_ListPages(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ada")
	u := s.unlock(t, "ada")
	if a := c.get("/keys"); strings.Contains(a.body, `name="q"`) {
		t.Error("a short list asks for a search")
	}
	var pairs []models.Pair
	const n = 148
	for range n {
		p, err := models.NewPair(models.PairParams{Kind: models.KindAge, Now: s.opt.Now()})
		if err != nil {
			t.Fatal(err)
		}
		p.Name = fmt.Sprintf("Key %03d", len(pairs)%60)
		pairs = append(pairs, *p)
	}
	for from := 0; from < n; from += models.MaxImport {
		if _, err := s.db.Keys.Import(t.Context(), u, "", pairs[from:min(n, from+models.MaxImport)]); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	pages := walkPages(t, c, "/keys", shownKeyName)
	for _, p := range pages {
		seen += len(p)
	}
	if len(pages) != 3 || seen != n+2 {
		t.Errorf("%d keys on %d pages", seen, len(pages))
	}
	public := pairs[70].Public
	for q, found := range map[string]int{"KEY 01": 30, "key": n, "fernet": 1, public[5:40]: 1, public[5:20] + " " + public[20:40]: 1, "SECRET-KEY": 0} {
		sum := 0
		for _, p := range walkPages(t, c, "/keys?q="+url.QueryEscape(q), shownKeyName) {
			sum += len(p)
		}
		if sum != found {
			t.Errorf("%q finds %d, want %d", q, sum, found)
		}
	}
	c.get("/keys?q=%3Cscript%3E").want(t, 200, "No key holds", "&lt;script&gt;", "150 keys")
	// A form that comes back with its errors, and an import, do not stumble over a search.
	c.post("/keys?q=nothing", "kind", "none").want(t, 422, "Choose a kind")
}
