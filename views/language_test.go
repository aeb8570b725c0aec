package views

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/a-h/templ"

	"zencrypt/embed"
	"zencrypt/lang"
	"zencrypt/lang/langtest"
)

// given is what the examples hold in place of handlers, and is cut or put together on the way to the page, or reads
// like a text of ours.
var given = []string{"… 8C44 0B7E 13D9 F2A5", "age1 ql3z 7hjy 54pw 3hyw …", "Format", "Text"}

// TestPages_Language: all that people read on the pages comes from the catalogue, but for what the examples put there.
// A text of the examples that is also one of ours would hide that one, so it has to be in given.
func TestPages_Language(t *testing.T) {
	data := slices.Clone(given)
	for _, s := range assets.Sums() {
		data = append(data, filepath.Base(s.Path))
	}
	ours := texts(t)
	for text := range literals(t) {
		if !ours[text] {
			data = append(data, text)
		}
	}
	ctx := lang.With(context.Background(), langtest.Pseudo(t).Find(langtest.Tag))
	all := map[string][]string{}
	for _, x := range examples() {
		for _, text := range langtest.Outside(renderIn(t, ctx, x), data...) {
			if !strings.HasPrefix(text, "<title>") { // the handlers' own, which are looked at there
				all[text] = append(all[text], x.name)
			}
		}
	}
	for _, text := range slices.Sorted(maps.Keys(all)) {
		t.Errorf("%q is in no catalogue: %s", text, strings.Join(all[text][:min(3, len(all[text]))], ", "))
	}
}

// literals are all strings of the examples.
func literals(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{hostile: true, strings.TrimSpace(sentence(hostile)): true}
	names, err := filepath.Glob("*examples_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil {
					all[strings.Join(strings.Fields(s), " ")] = true
				}
			}
			return true
		})
	}
	return all
}

// texts are those of the catalogue that the pages here ask for.
func texts(t *testing.T) map[string]bool {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(lang.English(), &all); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	ours, id := map[string]bool{}, regexp.MustCompile(`"([a-z]+\.[a-z-]+)"`)
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range id.FindAllStringSubmatch(string(src), -1) {
			if text, ok := all[m[1]].(string); ok {
				ours[text] = true
			}
		}
	}
	return ours
}

// TestWords: every word that the scripts ask for is on the page, and every one there is asked for.
func TestWords(t *testing.T) {
	ctx := context.Background()
	for file, attributes := range map[string][]templ.Attributes{"app.js": {words(ctx), sendingWords(ctx)}, "passkey.js": {passkeyWords(ctx)}} {
		src, _, _, ok := assets.Open(strings.TrimPrefix(assets.URL(file), assets.Base))
		if !ok {
			t.Fatalf("no %s", file)
		}
		asked := map[string]bool{}
		for _, name := range regexp.MustCompile(`\bsay[A-Z]\w*`).FindAllString(string(src), -1) {
			asked["data-"+regexp.MustCompile(`[A-Z]`).ReplaceAllStringFunc(name, func(s string) string { return "-" + strings.ToLower(s) })] = true
		}
		there := map[string]bool{}
		for _, a := range attributes {
			for name, text := range a {
				if text == "" {
					t.Errorf("%s is empty", name)
				}
				for _, form := range []string{"-one", "-other"} {
					name = strings.TrimSuffix(name, form)
				}
				there[name] = true
			}
		}
		if !maps.Equal(asked, there) {
			t.Errorf("%s asks for %q, there is %q", file, slices.Sorted(maps.Keys(asked)), slices.Sorted(maps.Keys(there)))
		}
	}
}

// TestRich: a text's words stay text, whatever they are; what is in a mark becomes the element's.
func TestRich(t *testing.T) {
	var b strings.Builder
	write := func(c templ.Component) string {
		b.Reset()
		if err := c.Render(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got, want := write(rich("settings.you-are-login", lang.Args{"Login": `</1><script>&`}, strongName())), `You are <strong dir="auto">&lt;/1&gt;&lt;script&gt;&amp;</strong>.`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := write(rich("settings.you-are-login", lang.Args{"Login": "Mira"})), `You are Mira.`; got != want {
		t.Errorf("without its element: got %s, want %s", got, want)
	}
	if got := write(rich("keys.nowhere<b>", nil)); got != "keys.nowhere&lt;b&gt;" {
		t.Errorf("an unknown id gives %s", got)
	}
}
