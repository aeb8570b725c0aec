package lang

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func load(t *testing.T, files map[string]string) *Catalogue {
	t.Helper()
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	c, err := Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const testEnglish = `{
	"language.name": "English",
	"a.plain": "Log in",
	"a.only": "English alone",
	"a.value": "You are {{.Name}}, {{.Age}}",
	"a.count": {"one": "{{.Count}} key of {{.Name}}", "other": "{{.Count}} keys of {{.Name}}"},
	"a.link": "Read <1>the <2>whole</2> help</1> of {{.Name}} <3/> <first> 1 < 2."
}`

func TestDefault(t *testing.T) {
	if p := Default().Problems; len(p) > 0 {
		t.Error(strings.Join(p, "\n"))
	}
	if got := Default().Languages()[0].Tag(); got != "en" {
		t.Errorf("the first language is %s", got)
	}
}

func TestT(t *testing.T) {
	c := load(t, map[string]string{"en.json": testEnglish, "pl.json": `{
		"language.name": "Polski",
		"a.plain": "Zaloguj",
		"a.value": "{{.Age}} {{.Name}}",
		"a.count": {"one": "{{.Name}}: klucz", "few": "{{.Name}}: {{.Count}} klucze", "many": "{{.Name}}: {{.Count}} kluczy", "other": "{{.Name}}: {{.Count}} klucza"}
	}`})
	en, pl := With(context.Background(), c.Find("en")), With(context.Background(), c.Find("pl"))
	mira := Args{"Name": "Mira", "Age": 30}
	for _, tt := range []struct {
		name      string
		got, want string
	}{
		{"Plain", T(en, "a.plain"), "Log in"},
		{"Other", T(pl, "a.plain"), "Zaloguj"},
		{"OnlyEnglish", T(pl, "a.only"), "English alone"},
		{"Nowhere", T(pl, "a.nowhere"), "a.nowhere"},
		{"Values", T(en, "a.value", mira), "You are Mira, 30"},
		{"ValuesInTheirOrder", T(pl, "a.value", mira), "30 Mira"},
		{"ValueMissing", T(en, "a.value"), "You are {Name}, {Age}"},
		{"Markup", T(en, "a.value", Args{"Name": "<1>{{.Age}}", "Age": ""}), "You are <1>{{.Age}}, "},
		{"One", N(en, "a.count", 1, mira), "1 key of Mira"},
		{"None", N(en, "a.count", 0, mira), "0 keys of Mira"},
		{"Eleven", N(en, "a.count", 11, mira), "11 keys of Mira"},
		{"PolishOne", N(pl, "a.count", 1, mira), "Mira: klucz"},
		{"PolishFew", N(pl, "a.count", 22, mira), "Mira: 22 klucze"},
		{"PolishMany", N(pl, "a.count", 12, mira), "Mira: 12 kluczy"},
		{"WithoutElements", T(en, "a.link", mira), "Read the whole help of Mira  <first> 1 < 2."},
		{"Text", Text{ID: "a.value", Args: mira}.In(pl), "30 Mira"},
		{"TextEmpty", Text{}.In(pl), ""},
		{"NoLanguage", T(context.Background(), "language.name"), "English"},
		{"NilLanguage", T(With(context.Background(), nil), "language.name"), "English"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %q, want %q", tt.got, tt.want)
			}
		})
	}
}

// TestPieces: values never become elements, whatever they hold.
func TestPieces(t *testing.T) {
	c := load(t, map[string]string{"en.json": testEnglish})
	got := Pieces(With(context.Background(), c.Find("en")), "a.link", Args{"Name": "</1><1>x"})
	var write func(all []Piece) string
	write = func(all []Piece) string {
		s := ""
		for _, p := range all {
			if p.Element > 0 {
				s += "[" + string(rune('0'+p.Element)) + ":" + write(p.Inside) + "]"
			} else {
				s += p.Text
			}
		}
		return s
	}
	if want := "Read [1:the [2:whole] help] of </1><1>x [3:] <first> 1 < 2."; write(got) != want {
		t.Errorf("got %q, want %q", write(got), want)
	}
}

// TestLoad_Broken: whatever is wrong with a language, its other texts are used, and English stands in.
func TestLoad_Broken(t *testing.T) {
	for _, tt := range []struct{ name, file, text, problem, id, want string }{
		{"Syntax", "de.json", `{"a.plain": `, "read de.json", "a.plain", "Log in"},
		{"List", "de.json", `{"a.plain": 7}`, "read de.json", "a.plain", "Log in"},
		{"NoTag", "german language.json", `{}`, "no language tag", "a.plain", "Log in"},
		{"Empty", "de.json", `{"a.plain": ""}`, "has no text", "a.plain", "Log in"},
		{"Braces", "de.json", `{"a.plain": "{{"}`, "braces", "a.plain", "Log in"},
		{"Program", "de.json", `{"a.value": "{{range .Name}}{{.Age}}{{end}}"}`, "no value", "a.value", "You are Mira, 30"},
		{"Function", "de.json", `{"a.value": "{{printf .Name}}{{.Age}}"}`, "no value", "a.value", "You are Mira, 30"},
		{"ValueLost", "de.json", `{"a.value": "{{.Name}}"}`, `has the values ["Name"]`, "a.value", "You are Mira, 30"},
		{"ValueUnknown", "de.json", `{"a.plain": "{{.Name}}"}`, `has the values ["Name"]`, "a.plain", "Log in"},
		{"PluralForm", "pl.json", `{"a.count": {"one": "{{.Name}}", "other": "{{.Name}}"}}`, "has no plural form", "a.count", "3 keys of Mira"},
		{"PluralWhereNone", "de.json", `{"a.plain": {"one": "x", "other": "y"}}`, "English has none", "a.plain", "Log in"},
		{"ElementLost", "de.json", `{"a.link": "{{.Name}} <1>x</1> <3/>"}`, "has the elements", "a.link", "Read the whole help of Mira  <first> 1 < 2."},
		{"ElementOpen", "de.json", `{"a.link": "{{.Name}} <1>x <2></2><3/>"}`, "does not close <1>", "a.link", "Read the whole help of Mira  <first> 1 < 2."},
		{"ElementCrossed", "de.json", `{"a.link": "{{.Name}} <1>x <2></1></2><3/>"}`, "closes <1>", "a.link", "Read the whole help of Mira  <first> 1 < 2."},
		{"NotInEnglish", "de.json", `{"a.new": "neu"}`, "is not in English", "a.new", "a.new"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, map[string]string{"en.json": testEnglish, tt.file: tt.text})
			if len(c.Problems) != 1 || !strings.Contains(c.Problems[0], tt.problem) {
				t.Errorf("problems are %q, want %q", c.Problems, tt.problem)
			}
			ctx := With(context.Background(), c.Choose(strings.TrimSuffix(tt.file, ".json"), ""))
			if got := N(ctx, tt.id, 3, Args{"Name": "Mira", "Age": 30}); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for name, files := range map[string]fstest.MapFS{"NoEnglish": {}, "BrokenEnglish": {source: {Data: []byte(`{"a": "{{.A"}`)}}, "EnglishPlural": {source: {Data: []byte(`{"a.b": "{{.Count}} keys"}`)}}} {
		if _, err := Load(files); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}

func TestChoose(t *testing.T) {
	c := load(t, map[string]string{"en.json": testEnglish, "de.json": `{"language.name": "Deutsch"}`, "pt-BR.json": `{}`, "ar.json": `{}`})
	for _, tt := range []struct{ name, chosen, accept, want string }{
		{"Nothing", "", "", "en"},
		{"Header", "", "de", "de"},
		{"Region", "", "de-AT,en;q=0.5", "de"},
		{"Order", "", "fr;q=0.9, de;q=0.8, en;q=0.7", "de"},
		{"Unknown", "", "ja", "en"},
		{"Near", "", "pt", "pt-BR"},
		{"Chosen", "de", "en", "de"},
		{"ChosenUnknown", "xx", "de", "de"},
		{"Garbage", "\x00", "%%%;q=x", "en"},
		{"Long", "", strings.Repeat("de-", 5000), "en"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.Choose(tt.chosen, tt.accept).Tag(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	var names []string
	for _, l := range c.Languages() {
		names = append(names, l.Name())
	}
	if want := []string{"English", "ar", "Deutsch", "pt-BR"}; !slices.Equal(names, want) {
		t.Errorf("languages are %q, want %q", names, want)
	}
	if !c.Find("ar").RightToLeft() || c.Find("de").RightToLeft() {
		t.Error("the way of writing is wrong")
	}
	if got := Default().Choose("de", "de").Tag(); got != "en" && Default().Find("de") == nil {
		t.Errorf("a language that is not there was chosen: %s", got)
	}
}

func BenchmarkT(b *testing.B) {
	c, err := Load(fstest.MapFS{source: {Data: []byte(testEnglish)}})
	if err != nil {
		b.Fatal(err)
	}
	ctx := With(context.Background(), c.languages[0])
	b.Run("Plain", func(b *testing.B) {
		for b.Loop() {
			T(ctx, "a.plain")
		}
	})
	b.Run("Count", func(b *testing.B) {
		args := Args{"Name": "Mira"}
		for b.Loop() {
			N(ctx, "a.count", 7, args)
		}
	})
}
