// Package lang holds every sentence that a person reads on the web pages, and finds it in the person's language.
//
// A language is one file beside this one, named after its BCP 47 tag: en.json, pt-BR.json. Its form is
// go-i18n's, so that its tools and translators' programs read it: an id to a text, or to one text for each
// plural form that CLDR gives the language. In a text
//
//	{{.Name}}       is a value that the page gives
//	<1>text</1>     is text inside the page's first element, mostly a link; <1/> is an element without text
//
// and nothing else is special: texts are escaped like any other. English is the source. What a language does
// not have, or has with other values, other elements or a missing plural form, is shown in English.
package lang

import (
	"context"
	"maps"
)

// Args are the values of a text by name. Count, an int, also chooses the plural form.
type Args map[string]any

// Text is a text that is not looked up yet: for tables and errors that are made where nobody's language is known.
type Text struct {
	ID   string
	Args Args
}

// In gives the text in the language of ctx, and those of its values that are Texts too. The zero Text is "".
func (t Text) In(ctx context.Context) string {
	if t.ID == "" {
		return ""
	}
	args := maps.Clone(t.Args)
	for name, value := range args {
		if inner, ok := value.(Text); ok {
			args[name] = inner.In(ctx)
		}
	}
	return T(ctx, t.ID, args)
}

// T gives the text of an id in the language of ctx, its elements' marks left out.
func T(ctx context.Context, id string, args ...Args) string {
	a := first(args)
	return From(ctx).find(id, a).plain(a)
}

// N is T for a text that counts something.
func N(ctx context.Context, id string, n int, args ...Args) string {
	all := Args{"Count": n}
	maps.Copy(all, first(args))
	return T(ctx, id, all)
}

// Pieces gives the text of an id cut at its elements, for the page to put them in.
func Pieces(ctx context.Context, id string, args Args) []Piece {
	return From(ctx).find(id, args).pieces(args)
}

// Piece is a stretch of text, or an element of the page with what stands in it.
type Piece struct {
	Text    string
	Element int // 1 for the page's first; 0 for text
	Inside  []Piece
}

func first(args []Args) Args {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

type inContext struct{}

// With puts a language into the context of a request.
func With(ctx context.Context, l *Language) context.Context {
	return context.WithValue(ctx, inContext{}, l)
}

// From gives the language of ctx; English when it has none.
func From(ctx context.Context) *Language {
	if l, ok := ctx.Value(inContext{}).(*Language); ok && l != nil {
		return l
	}
	return Default().languages[0]
}

// Forms gives a text that counts something in each plural form of the language of ctx, by CLDR's name of the form: for
// a script that counts by itself.
func Forms(ctx context.Context, id string, args Args) map[string]string {
	l := From(ctx)
	out := map[string]string{}
	for at := l; at != nil; at = at.english {
		if m, ok := at.texts[id]; ok {
			for form, v := range m.all() {
				out[name(form)] = v.plain(args)
			}
			break
		}
	}
	return out
}
