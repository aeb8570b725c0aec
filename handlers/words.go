package handlers

import (
	"context"
	"errors"
	"maps"

	"github.com/gofiber/fiber/v2"

	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

// told is a text for where nobody's language is known: tables, errors, refusals. fail and render look it up.
func told(id string, args ...lang.Args) lang.Text {
	t := lang.Text{ID: id}
	if len(args) > 0 {
		t.Args = args[0]
	}
	return t
}

// sheet is a page before its reader's language is known: title is the id of its title.
type sheet struct {
	title string
	views.Page
}

// trouble is a problem's card before its reader's language is known.
type trouble struct {
	title, detail, next lang.Text
	why                 string // stands for detail: in the reader's language already
	link                string // href for next
	newTab              bool
	id                  string // of the request
}

// problem is a card whose texts, given by their ids, have no values.
func problem(title, detail, next string) trouble {
	return trouble{title: told(title), detail: told(detail), next: told(next)}
}

func (t trouble) in(ctx context.Context) *views.Problem {
	return &views.Problem{Title: t.title.In(ctx), Detail: orElse(t.why, t.detail.In(ctx)), Next: t.next.In(ctx), Link: t.link, NewTab: t.newTab, ID: t.id}
}

// saidError is an error with a text for a person beside its code and field.
type saidError struct {
	said lang.Text
	err  *models.Error
}

func (e *saidError) Error() string { return e.in(context.Background()) }
func (e *saidError) Unwrap() error { return e.err }

// in says it in the language of ctx; an error among its values says why.
func (e *saidError) in(ctx context.Context) string {
	t := told(e.said.ID, maps.Clone(e.said.Args))
	for name, value := range t.Args {
		if why, ok := value.(error); ok {
			t.Args[name] = reason(ctx, why)
		}
	}
	return t.In(ctx)
}

// wrong is an Invalid error about a form's field, "" for all of it.
func wrong(field, id string, args ...lang.Args) error {
	return failed(models.Invalid, field, told(id, args...))
}

func failed(code models.Code, field string, why lang.Text) error {
	return &saidError{why, &models.Error{Code: code, Field: field}}
}

// reason says an error as a sentence in the language of ctx: what we say ourselves, what the catalogue has for a store's
// or a format's words, and else these words, which are English.
func reason(ctx context.Context, err error) string {
	var said *saidError
	var e *models.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &said):
		return said.in(ctx)
	case errors.As(err, &e):
		return storeReason(ctx, e)
	}
	return words(ctx, err)
}

// names joins up to four names and says how many more there are.
func names(x *fiber.Ctx, all []string) string {
	if len(all) > 4 {
		return lang.N(x.UserContext(), "results.names-and-others", len(all)-3,
			lang.Args{"Names": list(x, all[:3])})
	}
	if n := len(all) - 1; n > 0 {
		return say(x, "results.names-and", lang.Args{"Names": list(x, all[:n]), "Last": all[n]})
	}
	return list(x, all)
}

func list(x *fiber.Ctx, all []string) string {
	var out string
	for i, one := range all {
		if i == 0 {
			out = one
		} else {
			out = say(x, "results.names-comma", lang.Args{"Names": out, "Next": one})
		}
	}
	return out
}
