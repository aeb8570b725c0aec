package handlers

import (
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"zencrypt/lang/langtest"
	"zencrypt/views"
)

// noWords are what stands on pages and is no word of ours: public keys and ids, names of algorithms, what a language
// calls itself; noTexts fingerprints, codes, and phrases made of a list of words.
var (
	noWords = regexp.MustCompile(`\bage1[0-9a-z]+|\b[0-9a-f]{32,}\b|\b(SHA|BLAKE|MD)[0-9a-z]*[-0-9/]*\b|\bX25519\b|\bEnglish\b`)
	noTexts = regexp.MustCompile(`(<(?:p|dd) (?:id="[a-z-]+" )?class="(?:fp|made|recovery|secret)"[^>]*>)[^<]*`)
)

// outstanding is how many texts of pages don't come from the catalogue yet: errors and notices that are made here and
// in models. It only goes down.
const outstanding = 101

// TestRoutes_Language asks for every page of the table, and sends every form of it empty, in the pseudo-language: what
// people read there comes from the catalogue, but for what they typed.
func TestRoutes_Language(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Languages, o.ActivityKeep = langtest.Pseudo(t), 1<<50 })
	admin, _ := s.administrator(t, "zq-admin")
	user, guest := s.client(t), s.client(t)
	user.register("zq-user")
	item := user.post("/vault", "title", "zq-title", "text", "zq-note").want(t, 303).Header.Get("Location")
	person := user.post("/people", "login", "zq-admin").want(t, 303).Header.Get("Location")
	person, _, _ = strings.Cut(person, "?")
	key := regexp.MustCompile(`/keys/[0-9a-f]{32}`).FindString(user.get("/keys").want(t, 200).body)
	result := regexp.MustCompile(`/results/[0-9a-f]{32}`).FindString(user.upload("/encrypt", []string{"to", "me", "mode", "files"}, [2]string{"zq-file.txt", "x"}).want(t, 200).body)
	ids := map[string]string{"/vault/": item, "/people/": person, "/keys/": key, "/results/": result, "/admin/people/": "/admin/people/" + s.idOf(t, "zq-user").String()}

	data := []string{"zq-admin", "zq-user", "zq-title", "zq-file.txt", "zq-file.txt.age", "none", "test", "NIST P-256", "NIST P-384", "NIST P-521", "zencrypt.db", "sessions.db"}
	for _, a := range views.AssetSums() {
		data = append(data, filepath.Base(a.Path))
	}
	found := map[string]string{}
	pages := 0
	look := func(from string, a answer) {
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			return
		}
		pages++
		if strings.Contains(a.body, "<html") && !strings.Contains(a.body, `<html lang="`+langtest.Tag+`"`) {
			t.Errorf("%s is not in the language that was asked for", from)
		}
		for _, text := range langtest.Outside(noWords.ReplaceAllString(noTexts.ReplaceAllString(a.body, "$1"), ""), data...) {
			_, text, _ = strings.Cut(text, ": ")
			found[text] = from
		}
	}
	for _, c := range []*client{guest, user, admin} {
		c.accept = langtest.Tag
		for _, r := range s.Routes() {
			to := path(r)
			for prefix, own := range ids {
				if rest, ok := strings.CutPrefix(r.Path, prefix+":id"); ok {
					to = own + strings.ReplaceAll(rest, ":n", "1")
				}
			}
			switch {
			case r.Method == "GET":
				look(r.Method+" "+r.Path, c.get(to))
			case !slices.Contains([]string{"/logout", "/language", "/vault/:id/delete", "/results/:id/delete", "/people/:id/delete"}, r.Path):
				look(r.Method+" "+r.Path, c.do(r.Method, to, "application/x-www-form-urlencoded", strings.NewReader(url.Values{"current": {"wrong"}}.Encode())))
			}
		}
	}
	for _, to := range []string{"/keys?new=1", "/keys?import=1", "/vault?new=1", "/vault?q=none", "/vault?kind=digest", "/people?q=none", "/nowhere"} {
		look(to, user.get(to))
	}
	for _, verb := range []string{"/encrypt", "/decrypt", "/hash", "/sign", "/verify"} {
		for _, c := range []*client{user, guest} {
			look("POST "+verb, c.post(verb, "to", "passphrase", "passphrase", "zq zq zq zq zq", "algorithm", "sha256", "text", "x"))
		}
	}
	if len(found) > outstanding {
		for _, text := range slices.Sorted(maps.Keys(found)) {
			t.Logf("%q: %s", text, found[text])
		}
		t.Errorf("%d texts are in no catalogue, at most %d may be", len(found), outstanding)
	}
	if pages < 150 {
		t.Errorf("only %d pages were looked at", pages)
	}
}
