package lang

import (
	"bytes"
	"encoding/json"
	"fmt"
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
)

// idForm is a page and at most six words.
var idForm = regexp.MustCompile(`^[a-z]+\.[a-z]+(-[a-z]+){0,5}$`)

// TestEnglish_Form: an id stands once, is readable, and its group is not scattered over the file.
func TestEnglish_Form(t *testing.T) {
	d := json.NewDecoder(bytes.NewReader(English()))
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	last, groups := "", map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := key.(string)
		if seen[id] {
			t.Errorf("%s stands twice", id)
		}
		seen[id] = true
		if !idForm.MatchString(id) {
			t.Errorf("%q is no id: want page.words-like-this, at most six words", id)
		}
		group, _, _ := strings.Cut(id, ".")
		if group != last && groups[group] {
			t.Errorf("%s does not stand with the others of %s", id, group)
		}
		last, groups[group] = group, true
		var text json.RawMessage
		if err := d.Decode(&text); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != len(Default().languages[0].texts) {
		t.Errorf("%d ids in the file, %d were read", len(seen), len(Default().languages[0].texts))
	}
}

// TestUsage: the pages ask only for texts that there are, with the values and the elements that these have, and there
// is no text that no page asks for.
func TestUsage(t *testing.T) {
	u := usage{texts: Default().languages[0].texts, used: map[string]bool{}}
	for _, dir := range []string{"views", "handlers"} {
		names, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no sources in %s: %v", dir, err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			src, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			u.file(t, name, src)
		}
	}
	for _, f := range u.found {
		t.Error(f)
	}
	for _, id := range slices.Sorted(maps.Keys(u.texts)) {
		if !u.used[id] && id != "language.name" {
			t.Errorf("%s is used nowhere", id)
		}
	}
}

// TestUsage_Finds plants what must be found.
func TestUsage_Finds(t *testing.T) {
	english := load(t, map[string]string{"en.json": testEnglish}).languages[0]
	for _, tt := range []struct{ name, code, want string }{
		{"Fine", `lang.T(ctx, "a.plain")`, ""},
		{"Values", `lang.T(ctx, "a.value", lang.Args{"Name": n, "Age": 3})`, ""},
		{"Unknown", `lang.T(ctx, "a.nowhere")`, "a.nowhere is not in the catalogue"},
		{"UnknownInTable", `[]string{"a.nowhere"}`, "a.nowhere is not in the catalogue"},
		{"UnknownGroup", `lang.T(ctx, "b.nowhere")`, "b.nowhere is not in the catalogue"},
		{"FileName", `open("a.txt")`, ""},
		{"ValueMissing", `lang.T(ctx, "a.value", lang.Args{"Name": n})`, `a.value is given ["Name"], has ["Age" "Name"]`},
		{"NoValues", `say(x, "a.value")`, "a.value is given []"},
		{"ValueTooMuch", `lang.T(ctx, "a.plain", lang.Args{"Name": n})`, "a.plain is given"},
		{"Counted", `lang.N(ctx, "a.count", 3, lang.Args{"Name": n})`, ""},
		{"NotCounted", `lang.T(ctx, "a.count", lang.Args{"Name": n})`, "a.count is given"},
		{"Text", `lang.Text{ID: "a.value", Args: lang.Args{"Name": n, "Age": 3}}`, ""},
		{"Told", `told("a.value", lang.Args{"Name": n, "Age": 3})`, ""},
		{"ToldNoValues", `told("a.value")`, "a.value is given []"},
		{"WrongNoValues", `wrong("field", "a.value")`, "a.value is given []"},
		{"TextValues", `lang.Text{ID: "a.value"}`, "a.value is given []"},
		{"Rich", `rich("a.link", lang.Args{"Name": n}, link("/x"), strong(), code())`, ""},
		{"Elements", `rich("a.link", lang.Args{"Name": n}, link("/x"))`, "a.link is given 1 elements, has 3"},
		{"ElementsAsPlain", `lang.T(ctx, "a.link", lang.Args{"Name": n})`, "a.link is given 0 elements, has 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := usage{texts: english.texts, used: map[string]bool{}}
			u.file(t, "x.go", []byte("package x\nvar _ = "+tt.code+"\n"))
			got := strings.Join(u.found, "\n")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

type usage struct {
	texts map[string]message
	used  map[string]bool
	found []string
}

// fileNames look like ids to a program.
var fileNames = regexp.MustCompile(`\.(age|asc|css|db|enc|fernet|go|html|ico|js|json|key|png|sig|svg|tar|templ|txt)$`)

func (u *usage) file(t *testing.T, name string, src []byte) {
	t.Helper()
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	say := func(n ast.Node, format string, a ...any) {
		u.found = append(u.found, files.Position(n.Pos()).String()+": "+fmt.Sprintf(format, a...))
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			id := literal(n)
			group, _, ok := strings.Cut(id, ".")
			if !ok || !idForm.MatchString(id) || fileNames.MatchString(id) || !u.group(group) {
				return true
			}
			u.used[id] = true
			if u.texts[id].other == nil {
				say(n, "%s is not in the catalogue", id)
			}
		case *ast.CallExpr:
			var id, args ast.Expr
			counted, elements := false, 0
			switch called(n.Fun) {
			case "lang.T", "say":
				id, args = at(n.Args, 1), at(n.Args, 2)
			case "lang.N":
				id, args, counted = at(n.Args, 1), at(n.Args, 3), true
			case "told":
				id, args = at(n.Args, 0), at(n.Args, 1)
			case "wrong":
				id, args = at(n.Args, 1), at(n.Args, 2)
			case "rich":
				id, args, elements = at(n.Args, 0), at(n.Args, 1), len(n.Args)-2
			default:
				return true
			}
			u.check(say, n, id, args, counted, elements)
		case *ast.CompositeLit:
			if called(n.Type) == "lang.Text" {
				u.check(say, n, keyed(n, "ID"), keyed(n, "Args"), false, 0)
			}
		}
		return true
	})
}

// check compares what a call gives with what the text has, as far as both are written out there.
func (u *usage) check(say func(ast.Node, string, ...any), n ast.Node, idExpr, argsExpr ast.Expr, counted bool, elements int) {
	id := literal(idExpr)
	if id == "" {
		return
	}
	m, ok := u.texts[id]
	if !ok {
		if group, _, _ := strings.Cut(id, "."); !u.group(group) {
			say(n, "%s is not in the catalogue", id)
		}
		return
	}
	most := 0
	for _, p := range m.other {
		most = max(most, p.element)
	}
	if elements != most {
		say(n, "%s is given %d elements, has %d", id, elements, most)
	}
	var given []string
	switch a := argsExpr.(type) {
	case nil:
	case *ast.Ident:
		if a.Name != "nil" {
			return
		}
	case *ast.CompositeLit:
		for _, e := range a.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				given = append(given, literal(kv.Key))
			}
		}
	default:
		return
	}
	has := m.values()
	if m.forms != nil && !slices.Contains(has, "Count") {
		has = append(has, "Count")
	}
	if counted {
		given = append(given, "Count")
	}
	slices.Sort(given)
	slices.Sort(has)
	if !slices.Equal(given, has) {
		say(n, "%s is given %q, has %q", id, given, has)
	}
}

func (u *usage) group(name string) bool {
	for id := range u.texts {
		if strings.HasPrefix(id, name+".") {
			return true
		}
	}
	return false
}

// called is the name of a function or type as it is written.
func called(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			return x.Name + "." + e.Sel.Name
		}
	}
	return ""
}

func at(all []ast.Expr, i int) ast.Expr {
	if i < len(all) {
		return all[i]
	}
	return nil
}

func keyed(c *ast.CompositeLit, key string) ast.Expr {
	for _, e := range c.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok && called(kv.Key) == key {
			return kv.Value
		}
	}
	return nil
}

func literal(e ast.Expr) string {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(l.Value)
	if err != nil {
		return ""
	}
	return s
}
