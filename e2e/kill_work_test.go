//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const killPassword = "horse battery staple 9"

// share is one kind of what people do, and how often of a hundred times.
type share struct {
	what string
	of   int
}

var (
	// savesOnly are what a backup is made of: nothing that was acknowledged goes away again.
	savesOnly = []share{{"notes", 62}, {"files", 26}, {"sealed files", 12}}
	// everything is what writes.
	everything = []share{
		{"notes", 34}, {"files", 14}, {"sealed texts", 8}, {"sealed files", 8}, {"renames", 11}, {"deletions", 9}, {"undeletions", 3},
		{"keys", 4}, {"key descriptions", 4}, {"key rotations", 3}, {"key deletions", 1}, {"rewraps", 1},
	}
)

// person works in one account, one thing after the other, and knows what the server acknowledged. At a kill at most
// one thing is in doubt.
type person struct {
	r     *killRun
	c     *client
	login string

	items map[string]*kept // by path in the vault
	fresh map[string]bool  // of these and of the keys, what was not read back since it was written
	gone  map[string]*kept // deleted
	keys  map[string]*held // by path
	lost  map[string]bool  // deleted keys
	main  string           // the key that "to me" means
	doubt *act
}

// kept is an item: what it holds follows from its number.
type kept struct {
	n     int
	title string
}

// held is a key of the person's.
type held struct {
	description string
	versions    int
	publics     []string // of those versions that the page has shown as the newest
}

// act is one write that somebody asks for.
type act struct {
	what string
	n    int
	path string // of what it is about
	text string // the title or the description that it is to have
	req  *http.Request
	ok   func(answer) (path string) // where the answer says that it went well; "" for any other answer
}

func (r *killRun) person(i int) *person {
	return &person{
		r: r, c: r.clientFrom(fmt.Sprintf("127.0.0.%d", i+2)), login: fmt.Sprintf("person-%d", i),
		items: map[string]*kept{}, fresh: map[string]bool{}, gone: map[string]*kept{}, keys: map[string]*held{}, lost: map[string]bool{},
	}
}

// content is what save n holds: its number, and bytes that follow from seed and number.
func (r *killRun) content(n int) string {
	size := 1 + r.number("size", n)%3000
	if what := r.pick(n); what == "files" || what == "sealed files" {
		size = 1 + r.number("size", n)%(200<<10) // up to four age chunks
	}
	return fmt.Sprintf("%d|", n) + r.text(n, size)
}

// pick is what act n is to be.
func (r *killRun) pick(n int) string {
	at := r.number("act", n) % 100
	for _, s := range r.mix {
		if at -= s.of; at < 0 {
			return s.what
		}
	}
	panic("the shares are fewer than a hundred")
}

// work acts until the server is gone or nobody is to begin another.
func (p *person) work() {
	for {
		p.r.mu.Lock()
		n := p.r.next
		if n < 0 {
			p.r.mu.Unlock()
			return
		}
		p.r.next++
		a := p.begin(n)
		p.doubt = a
		p.r.mu.Unlock()
		got, err := p.c.try(a.req)
		p.r.mu.Lock()
		if err != nil { // the status may have come, the answer did not
			if !p.r.dying {
				p.r.t.Errorf("%s %d: %v", a.what, n, err)
			}
			p.r.mu.Unlock()
			return
		}
		path := a.ok(got)
		if path == "" {
			p.r.t.Errorf("%s %d: status %d to %q: %s", a.what, n, got.status, got.location(), words(got.body))
			p.r.mu.Unlock()
			return
		}
		p.doubt = nil
		if p.done(a, path) {
			p.r.kinds[a.what]++
			if p.r.acked++; p.r.acked == p.r.at {
				close(p.r.now)
			}
		}
		p.r.mu.Unlock()
	}
}

// begin is act n; where there is nothing that it could be about, it saves a note.
func (p *person) begin(n int) *act {
	what, title := p.r.pick(n), fmt.Sprintf("save %d", n)
	item := choose(p.r, n, p.items)
	bin := choose(p.r, n, p.gone)
	key := choose(p.r, n, p.keys)
	goes := func(path string, pairs ...string) *http.Request { return p.form(path, pairs...) }
	switch {
	case what == "files":
		return &act{what, n, "", title, p.c.multipart("/vault", file(title, p.r.content(n))), to(savedLink)}
	case what == "sealed texts":
		return &act{what, n, "", "", p.c.multipart("/encrypt", field("to", "me"), field("save", "1"), field("text", p.r.content(n))), shows(savedLink)}
	case what == "sealed files":
		return &act{what, n, "", "", p.c.multipart("/encrypt", field("to", "me"), field("save", "1"), file(title, p.r.content(n))), shows(savedLink)}
	case what == "renames" && item != "":
		title = fmt.Sprintf("%d, named %d", p.items[item].n, n)
		return &act{what, n, item, title, goes(item+"/rename", "title", title), to(savedLink)}
	case what == "deletions" && item != "":
		return &act{what, n, item, "", goes(item + "/delete"), to(regexp.MustCompile(`^/vault\?undo=.*`))}
	case what == "undeletions" && bin != "":
		return &act{what, n, bin, "", goes("/vault/restore", "id", strings.TrimPrefix(bin, "/vault/")), to(regexp.MustCompile(`^/vault\?done=.*`))}
	case what == "keys":
		return &act{what, n, "", "", goes("/keys", "kind", "age", "name", title), to(shownKey)}
	case what == "key descriptions" && key != "":
		text := fmt.Sprintf("described by %d", n)
		return &act{what, n, key, text, goes(key+"/describe", "name", "described", "description", text), to(shownKey)}
	case what == "key rotations" && key != "":
		if n%2 == 0 {
			key = p.main
		}
		if p.keys[key].versions < 60 { // 64 are the most
			return &act{what, n, key, "", goes(key + "/rotate"), to(shownKey)}
		}
	case what == "key deletions" && key != "" && key != p.main:
		return &act{what, n, key, "", goes(key+"/delete", "current", killPassword), to(regexp.MustCompile(`^/keys\?done=deleted`))}
	case what == "rewraps" && p.main != "":
		return &act{what, n, "", "", goes("/keys/rewrap"), to(regexp.MustCompile(`^/keys$`))}
	}
	return &act{"notes", n, "", title, p.c.multipart("/vault", field("title", title), field("text", p.r.content(n))), to(savedLink)}
}

// choose takes one that is there, by the number of the act.
func choose[T any](r *killRun, n int, from map[string]T) string {
	if len(from) == 0 {
		return ""
	}
	all := make([]string, 0, len(from))
	for path := range from {
		all = append(all, path)
	}
	slices.Sort(all)
	return all[r.number("which", n)%len(all)]
}

// to wants a redirect, shows a page with a link.
func to(want *regexp.Regexp) func(answer) string {
	return func(a answer) string {
		if a.status != http.StatusSeeOther {
			return ""
		}
		return want.FindString(a.location())
	}
}

func shows(want *regexp.Regexp) func(answer) string {
	return func(a answer) string {
		if a.status != http.StatusOK {
			return ""
		}
		return want.FindString(a.body)
	}
}

func (p *person) form(path string, pairs ...string) *http.Request {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	req := p.c.request(http.MethodPost, path, strings.NewReader(v.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

// done takes note of what was acknowledged, and tells whether anything was.
func (p *person) done(a *act, path string) bool {
	switch a.what {
	case "notes", "files", "sealed texts", "sealed files":
		p.items[path] = &kept{a.n, a.text}
		p.fresh[path] = true
	case "renames":
		p.items[a.path].title = a.text
	case "deletions":
		p.gone[a.path] = p.items[a.path]
		delete(p.items, a.path)
		delete(p.fresh, a.path)
	case "undeletions":
		if path != "/vault?done=restored" { // the minute was over
			return false
		}
		p.items[a.path] = p.gone[a.path]
		delete(p.gone, a.path)
		p.fresh[a.path] = true
	case "keys":
		p.keys[path] = &held{versions: 1}
		p.fresh[path] = true
	case "key descriptions":
		p.keys[a.path].description = a.text
		p.fresh[a.path] = true
	case "key rotations":
		p.keys[a.path].versions++
		p.fresh[a.path] = true
	case "key deletions":
		delete(p.keys, a.path)
		delete(p.fresh, a.path)
		p.lost[a.path] = true
	}
	return true
}
