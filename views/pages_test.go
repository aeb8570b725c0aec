package views

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zencrypt/embed"
)

// element is one start tag with what it stands in; text is what it holds, its children's text too.
type element struct {
	name   string
	attrs  map[string]string
	parent *element
	text   strings.Builder
}

func (e *element) has(name string) bool { _, ok := e.attrs[name]; return ok }

func (e *element) within(name string) *element {
	for p := e.parent; p != nil; p = p.parent {
		if p.name == name {
			return p
		}
	}
	return nil
}

func render(t *testing.T, x example) string {
	t.Helper()
	return renderIn(t, context.Background(), x)
}

func renderIn(t *testing.T, ctx context.Context, x example) string {
	t.Helper()
	body := x.body
	if !x.fragment {
		body = Layout(x.page, body)
	}
	var b strings.Builder
	if err := body.Render(ctx, &b); err != nil {
		t.Fatalf("render %s: %v", x.name, err)
	}
	return b.String()
}

// parse reads the page as a list of elements in tree order; the HTML we write is close enough to XML.
func parse(t *testing.T, page string) []*element {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(page, "<!doctype html>")))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var all []*element
	var open *element
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("parse page: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := &element{name: token.Name.Local, attrs: map[string]string{}, parent: open}
			for _, a := range token.Attr {
				name := a.Name.Local
				if a.Name.Space != "" {
					name = a.Name.Space + ":" + name
				}
				e.attrs[name] = a.Value
			}
			all, open = append(all, e), e
		case xml.EndElement:
			if open != nil {
				open = open.parent
			}
		case xml.CharData:
			for e := open; e != nil; e = e.parent {
				e.text.Write(token)
			}
		}
	}
}

func controls(all []*element) (list []*element) {
	for _, e := range all {
		if (e.name == "input" && e.attrs["type"] != "hidden") || e.name == "textarea" || e.name == "select" {
			list = append(list, e)
		}
	}
	return list
}

// TestPages_NothingInline: the Content-Security-Policy refuses inline code and style, and other sites.
func TestPages_NothingInline(t *testing.T) {
	for _, x := range examples() {
		t.Run(x.name, func(t *testing.T) {
			for _, e := range parse(t, render(t, x)) {
				if e.name == "style" || e.name == "iframe" || e.name == "object" {
					t.Errorf("found <%s>", e.name)
				}
				if e.name == "script" && (e.attrs["src"] == "" || strings.TrimSpace(e.text.String()) != "") {
					t.Error("found an inline script")
				}
				for name, value := range e.attrs {
					if name == "style" || strings.HasPrefix(name, "on") || strings.HasPrefix(name, "hx-on") || strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "js:") {
						t.Errorf("<%s> has %s=%q", e.name, name, value)
					}
					// A link leads away only when a person follows it; everything else would be loaded.
					loads := name == "src" || name == "action" || name == "formaction" || name == "hx-post" || name == "hx-get" || (name == "href" && e.name == "link")
					if loads && !strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "data:image/png;") {
						t.Errorf("<%s> %s=%q is not on this site", e.name, name, value)
					}
					if name == "hx-trigger" && strings.Contains(value, "[") {
						t.Errorf("%s=%q needs eval", name, value)
					}
				}
			}
		})
	}
}

// TestPages_Hostile: what people typed comes out as text.
func TestPages_Hostile(t *testing.T) {
	for _, x := range examples() {
		if page := render(t, x); strings.Contains(page, "<script>") || strings.Contains(page, "<b onclick") {
			t.Errorf("%s: markup of a person's text was not escaped", x.name)
		}
	}
}

// TestPages_Accessible: every control has a name, every id is there once, every reference leads somewhere.
func TestPages_Accessible(t *testing.T) {
	for _, x := range examples() {
		t.Run(x.name, func(t *testing.T) {
			all := parse(t, render(t, x))
			ids, labelled := map[string]bool{}, map[string]bool{}
			for _, e := range all {
				if id, ok := e.attrs["id"]; ok {
					if ids[id] || id == "" {
						t.Errorf("id %q stands twice or is empty", id)
					}
					ids[id] = true
				}
				if e.name == "label" && strings.TrimSpace(e.text.String()) != "" {
					labelled[e.attrs["for"]] = true
				}
			}
			for _, e := range controls(all) {
				if label := e.within("label"); !e.has("aria-label") && !labelled[e.attrs["id"]] && (label == nil || strings.TrimSpace(label.text.String()) == "") {
					t.Errorf("<%s name=%q> has no label", e.name, e.attrs["name"])
				}
			}
			for _, e := range all {
				if e.name == "button" && strings.TrimSpace(e.text.String()) == "" && !e.has("aria-label") {
					t.Error("a button has no name")
				}
				if e.name == "button" && e.attrs["type"] != "button" && e.attrs["type"] != "submit" {
					t.Errorf("button %q has no type", e.text.String())
				}
				if e.name == "img" && !e.has("alt") {
					t.Errorf("image %q has no alt", e.attrs["src"])
				}
				if x.fragment {
					continue // what it refers to stands on the page around it
				}
				for _, name := range []string{"for", "aria-labelledby", "aria-describedby", "data-copy", "data-reveal", "data-field"} {
					for _, id := range strings.Fields(e.attrs[name]) {
						if !ids[id] {
							t.Errorf("<%s> %s=%q leads nowhere", e.name, name, id)
						}
					}
				}
			}
		})
	}
}

// TestPages_Forms: options come before text and file, so that a handler knows what to do when content
// arrives; files travel as multipart; and nothing is asked by GET that changes something.
func TestPages_Forms(t *testing.T) {
	for _, x := range examples() {
		t.Run(x.name, func(t *testing.T) {
			content := map[*element]string{}
			for _, e := range parse(t, render(t, x)) {
				if e.name == "form" {
					if e.within("form") != nil {
						t.Error("a form stands in a form")
					}
					if m := e.attrs["method"]; m != "post" && m != "get" {
						t.Errorf("form %q has no method", e.attrs["action"])
					}
					if m := e.attrs["method"]; m == "get" && e.attrs["class"] != "search" && e.attrs["class"] != "search list" && !slices.Contains([]string{"/vault", "/admin"}, e.attrs["action"]) {
						t.Errorf("form %q asks by GET", e.attrs["action"])
					}
				}
				form := e.within("form")
				if form == nil || !e.has("name") || (e.name != "input" && e.name != "textarea" && e.name != "button") {
					continue
				}
				name := e.attrs["name"]
				if name == "text" || name == "file" {
					content[form] = name
					if form.attrs["enctype"] != "multipart/form-data" {
						t.Errorf("form %q sends %s and is not multipart", form.attrs["action"], name)
					}
				} else if c := content[form]; c != "" {
					t.Errorf("form %q: %s stands behind %s", form.attrs["action"], name, c)
				}
			}
		})
	}
}

// TestPages_Secrets: nothing that was typed as a secret comes back; only a made passphrase is shown.
func TestPages_Secrets(t *testing.T) {
	for _, x := range examples() {
		for _, e := range controls(parse(t, render(t, x))) {
			if e.attrs["type"] == "password" && e.has("value") {
				t.Errorf("%s: password field %q has a value", x.name, e.attrs["name"])
			}
		}
	}
}

// TestLayout_Tabs: a guest sees no tab that leads to a refusal, and the current tab is marked once.
func TestLayout_Tabs(t *testing.T) {
	for _, c := range []struct {
		name      string
		page      Page
		has, lack []string
	}{
		{"Guest", Page{Guests: true, Register: true}, []string{"/encrypt", "/verify", "/login", "/register"}, []string{"/sign", "/people", "/vault", "/account", "/logout"}},
		{"Closed", Page{}, []string{"/login"}, []string{"/encrypt", "/register", "/vault"}},
		{"User", Page{Login: "m", Active: "vault"}, []string{"/encrypt", "/sign", "/verify", "/people", "/vault", "/account", "/logout"}, []string{"/login", "/register"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var to []string
			current := 0
			for _, e := range parse(t, render(t, example{page: c.page, body: Home(About{})})) {
				if e.within("header") == nil {
					continue
				}
				to = append(to, e.attrs["href"], e.attrs["action"])
				if e.has("aria-current") {
					current++
				}
			}
			for _, path := range c.has {
				if !slices.Contains(to, path) {
					t.Errorf("%s is missing", path)
				}
			}
			for _, path := range c.lack {
				if slices.Contains(to, path) {
					t.Errorf("%s is there", path)
				}
			}
			if want := len(c.page.Active); (current == 1) != (want > 0) {
				t.Errorf("%d tabs are marked as the current one", current)
			}
		})
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1024: "1 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1 MiB", 10 << 30: "10 GiB", -1: "unknown size"} {
		if got := size(context.Background(), n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

// TestPages_Write puts every example into the directory that VIEWS_OUT names, with its assets, to be looked at.
func TestPages_Write(t *testing.T) {
	dir := os.Getenv("VIEWS_OUT")
	if dir == "" {
		t.Skip("VIEWS_OUT is not set")
	}
	for _, s := range assets.Sums() {
		data, _, _, _ := assets.Open(strings.TrimPrefix(s.Path, assets.Base))
		write(t, filepath.Join(dir, s.Path), data)
	}
	for _, x := range examples() {
		write(t, filepath.Join(dir, x.name+".html"), []byte(render(t, x)))
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
