package handlers

import (
	"context"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

// While the disk is full or refuses to write, the server is read-only as a whole: what would save is refused before
// anything is worked on, and what needs no write goes on. models finds out when, and when it is over.

// readOnlyRetry is what Retry-After says: the server looks every few seconds, and somebody has to make room first.
const readOnlyRetry = time.Minute

// readOnlyProblem is the one page for all that could not be saved.
func readOnlyProblem(why string) trouble {
	if why == models.WhyRefused {
		return problem("errors.cannot-save", "errors.disk-refuses-detail", "errors.tell-operator")
	}
	return problem("errors.cannot-save", "errors.disk-full-safe", "errors.delete-or-tell")
}

// readOnlyWords are for the banner.
func readOnlyWords(x *fiber.Ctx, why string) string {
	switch why {
	case "":
		return ""
	case models.WhyRefused:
		return say(x, "errors.this-disk-refuses")
	}
	return say(x, "errors.this-disk-full")
}

// whyNot is why something could not be saved: as is known by now, or as the error says where the disk has room again.
func (c *core) whyNot(err error) string { return orElse(c.db.Why(), models.WhyOf(err)) }

// cantEnter says in words that a log-in, which has to be written down, can't be had.
func cantEnter(err error) error {
	if !models.ReadOnly(err) {
		return err
	}
	return &refusal{status: fiber.StatusInsufficientStorage, retry: readOnlyRetry, cause: err,
		problem: problem("errors.nobody-logged-in", "errors.nobody-logged-in-detail", "errors.nobody-logged-in-next")}
}

// warn logs what went wrong beside a request, unless it is that nothing can be saved: of that there is one line, when
// it begins.
func (c *core) warn(text string, err error) {
	if models.ReadOnly(err) && c.db.Why() != "" {
		return
	}
	c.opt.Log.Warn(text, "error", errorClass(err))
}

// localTyped is the form of a request, once it was read.
const localTyped = "typed"

// typedField is a field of a form that is shown again.
type typedField struct {
	name  string
	label lang.Text
	long  bool
}

// typedFields are shown again when a form could not be saved, each with its label. None of them is a secret.
func typedFields() []typedField {
	return []typedField{
		{"title", told("typed.title"), false}, {"name", told("typed.name"), false}, {"login", told("typed.login"), false},
		{"description", told("typed.description"), true}, {"recipients", told("typed.recipients"), true},
		{"public_key", told("typed.public-key"), true}, {"note", told("typed.note"), true},
	}
}

// keptFields go along unseen and whole: a signature or a public key of which a line is missing is another one.
func keptFields() []string {
	return []string{"to", "person", "also_me", "sign_with", "format", "armor", "save", "mode", "kind", "encoding", "algorithm", "key", "next", "inline",
		"sign_other", "key_other", "expires", "email", "user_name", "signature", "certificate", "expected", "recipient", "old_file"}
}

// secretIn tells that somebody put a private key where a public one belongs: it stays no longer than it must.
func secretIn(field, value string) bool {
	switch field {
	case "recipients", "public_key", "certificate", "recipient":
		return models.IsPrivate(value)
	}
	return false
}

// wrote tells whether something was typed into a form that is refused for want of a session, and reads it for that, as
// far as to a file. A form with a file, and one that can't be read, is refused without a look at what else it holds.
func (c *core) wrote(x *fiber.Ctx) bool {
	f, ok := x.Locals(localTyped).(*form)
	if !ok {
		var err error
		if f, err = c.readForm(x, maxEncoded); err != nil {
			return false
		}
	}
	return !f.hasFile() && typed(x) != nil // what was read is not asked for again: the rest may never come
}

// typed gives back what a person typed into a form that was refused for a while, as 422 does: secrets excepted. Under htmx
// the form is still on the page. A file has to be chosen again, and an imported key is a secret.
func typed(x *fiber.Ctx) *views.Typed {
	f, ok := x.Locals(localTyped).(*form)
	if !ok || !f.whole || x.Method() != fiber.MethodPost || isFragment(x) || routePattern(x) == "/keys/import" {
		return nil // of a form that was refused while it came in, the text is the first to be missing
	}
	action := localPath(x.OriginalURL())
	if action == "" {
		return nil
	}
	t := &views.Typed{Action: action}
	for _, field := range typedFields() {
		value := f.get(field.name)
		if !field.long {
			value = printable(value)
		}
		if value != "" && !secretIn(field.name, value) {
			t.Fields = append(t.Fields, views.TypedField{Name: field.name, Label: field.label.In(x.UserContext()), Long: field.long, Value: value})
		}
	}
	switch {
	case len(f.text) == 0:
	case f.encoded():
		t.Hidden = append(t.Hidden, views.Fact{Name: "text", Value: string(f.text)})
	default:
		t.Fields = append(t.Fields, views.TypedField{Name: "text", Label: say(x, "typed.text"), Long: true, Value: string(f.text)})
	}
	if len(t.Hidden) == 0 && (len(t.Fields) == 0 || len(t.Fields) == 1 && t.Fields[0].Name == "login") {
		return nil // a login alone is typed quickly, and goes with a password that is not shown
	}
	for name, values := range f.values {
		if slices.Contains(keptFields(), name) {
			for _, v := range values {
				if !secretIn(name, v) {
					t.Hidden = append(t.Hidden, views.Fact{Name: name, Value: shown([]byte(v))})
				}
			}
		}
	}
	t.File = f.files || f.hasFile() || f.get("signature_file") != ""
	return t
}

// readyWord is why the server is not ready, as /readyz says it.
func readyWord(why string) string {
	if why == "" {
		why = "database does not take writes"
	}
	return "read-only: " + why + "\n"
}

// pause waits while nothing can be saved, for work that nobody waits for. It returns when something can be, or when
// stopped says so.
func (c *core) pause(ctx context.Context, stopped func() bool) {
	for c.db.Why() != "" && !stopped() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}
