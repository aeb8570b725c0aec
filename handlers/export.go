package handlers

import (
	"bufio"
	"context"
	"errors"
	"io"
	"unicode/utf8"

	"filippo.io/age"
	"github.com/gofiber/fiber/v2"

	"zencrypt/archive"
	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/password"
	"zencrypt/limits"
	"zencrypt/models"
	"zencrypt/views"
)

// exporting is "everything I have": all of an account as one encrypted archive, made while it is sent.
type exporting struct {
	*core
	accounts ownAccountStore
	gate     *limits.Gate // one at a time for each account
	parts    []exportPart
	// told hears of every export that begins, for the account's list of what happened. It may be nil.
	told func(ctx context.Context, u *models.Unlocked) error
}

// An exportPart is a member of the archive that another store has, such as activity/activity.json.
type exportPart struct {
	name  string
	write func(ctx context.Context, u *models.Unlocked, w io.Writer) error
}

const exportName = "zencrypt-export.tar.age"

var exportPage = sheet{title: "titles.export", Page: views.Page{Active: "account", NoStore: true}}

// New handles GET /account/export: what will be in the archive, and for whom to encrypt it.
func (e *exporting) New(x *fiber.Ctx) error {
	return e.show(x, fiber.StatusOK, views.ExportForm{To: "passphrase"})
}

func (e *exporting) show(x *fiber.Ctx, status int, vm views.ExportForm) error {
	ctx, u := x.UserContext(), visitorOf(x).user
	var err error
	if vm.Holds, err = e.holds(ctx, u); err != nil {
		return err
	}
	vm.Login = u.Account.Login
	keys, err := e.db.Keys.List(ctx, u)
	if err != nil {
		return err
	}
	for i := range keys {
		if ageRecipient(&keys[i], e.opt.Now) != "" {
			vm.Keys = append(vm.Keys, views.Choice{Value: keys[i].ID.String(), Label: keys[i].Name})
		}
	}
	if vm.Suggestion, err = password.Generate(generatedWords); err != nil {
		return err
	}
	return e.render(x, status, exportPage, views.Export(vm))
}

// holds counts what an account has, for the pages that take it along or delete it.
func (c *core) holds(ctx context.Context, u *models.Unlocked) (h views.Holds, err error) {
	if h.Items, h.Bytes, err = c.db.Accounts.Usage(ctx, u.Account.ID); err != nil {
		return h, err
	}
	keys, err := c.db.Keys.List(ctx, u)
	if err != nil {
		return h, err
	}
	for i := range keys {
		h.Keys++
		h.KeyVersions += len(keys[i].Versions)
	}
	people, _, err := c.db.People.List(ctx, u)
	h.People = len(people)
	return h, err
}

// Create handles POST /account/export (current, to, passphrase, passphrase2, key, recipient): the archive as an
// attachment without a length, since it is made while it is sent; one that is cut short does not open to its end.
// 422 with the page for a wrong password or nobody to encrypt to, 429 while another export of the account is sent.
func (e *exporting) Create(x *fiber.Ctx) error {
	ctx, u := context.WithoutCancel(x.UserContext()), visitorOf(x).user
	var target crypto.Target
	var vm views.ExportForm
	handled, err := e.confirm(x, func(f *form, u *models.Unlocked) (err error) {
		vm.To, vm.Key, vm.Recipient = f.get("to"), f.get("key"), shown([]byte(f.get("recipient")))
		if target, err = e.target(ctx, u, f); err != nil {
			return err
		}
		return e.accounts.CheckPassword(ctx, u, f.get("current"))
	}, func(errs views.Fields) error {
		vm.Errors = formFields(errs, "current", "passphrase", "passphrase2", "key", "recipient", "to")
		return e.show(x, fiber.StatusUnprocessableEntity, vm)
	})
	if handled || err != nil {
		return err
	}
	if n, _, err := e.db.Accounts.Usage(ctx, u.Account.ID); err != nil {
		return err
	} else if n > archive.MaxItems {
		return refuse(fiber.StatusUnprocessableEntity, "errors.too-many-items",
			"errors.too-many-items-detail", "errors.too-many-items-next")
	}
	unlisted, err := e.db.Accounts.Unlisted(ctx, u.Account.ID)
	if err != nil {
		return err
	}
	leave, ok := e.gate.Enter([16]byte(u.Account.ID))
	if !ok {
		return &refusal{status: fiber.StatusTooManyRequests, problem: problem("errors.export-under-way",
			"errors.export-under-way-detail", "errors.export-under-way-next")}
	}
	about := archive.Account{Login: u.Account.Login, Created: u.Account.Created.UTC(), Unlisted: unlisted}
	body := pull(func(w io.Writer) error { return e.write(ctx, u, w, target, about) }, func(place string) {
		e.opt.Log.Error("export panicked", "at", place)
	})
	done := func() { _ = body.Close(); leave() }
	// The first bytes come after the slow hash and the first look at the account: what can fail early fails here.
	first := bufio.NewReaderSize(body, 64<<10)
	release, err := e.budget.Acquire(ctx, limits.User, target.Memory())
	if err == nil {
		_, err = first.Peek(1)
		release()
	}
	if err == nil && e.told != nil {
		err = e.told(ctx, u)
	}
	if err != nil {
		done()
		return err
	}
	return e.send(x, exportName, -1, first, done)
}

// target says for whom an export is encrypted. Invalid for the fields.
func (e *exporting) target(ctx context.Context, u *models.Unlocked, f *form) (t crypto.Target, err error) {
	switch f.get("to") {
	case "passphrase":
		p := f.get("passphrase")
		switch {
		case !utf8.ValidString(p) || len(p) > password.MaxBytes:
			return t, wrong("passphrase", "wrong.passphrase-text")
		case p != f.get("passphrase2"):
			return t, wrong("passphrase2", "wrong.passphrases-differ")
		}
		if err := e.db.Accounts.CheckPassphrase(p, u.Account.Login); err != nil {
			var policy *password.PolicyError
			if !errors.As(err, &policy) {
				return t, err
			}
			return t, failed(models.Invalid, "passphrase", passphrasePolicy(policy))
		}
		t.Passphrase = p
	case "key":
		id, err := models.ParseID(f.get("key"))
		if err != nil {
			return t, wrong("key", "wrong.choose-age-key")
		}
		k, err := e.db.Keys.Get(ctx, u, id)
		if models.ErrorCode(err) == models.NotFound {
			return t, wrong("key", "wrong.choose-age-key")
		}
		if err != nil {
			return t, err
		}
		t.Recipients, err = agefile.ParseRecipients(ageRecipient(k, e.opt.Now))
		if err != nil {
			return t, wrong("key", "wrong.key-cannot-encrypt")
		}
	case "recipient":
		r, err := agefile.KeyReader{}.Recipient(f.get("recipient"))
		if errors.Is(err, agefile.ErrPrivateKey) {
			return t, wrong("recipient", "wrong.private-key")
		}
		if err != nil {
			return t, wrong("recipient", "wrong.not-one-public-key")
		}
		t.Recipients = []age.Recipient{r}
	default:
		return t, wrong("to", "wrong.choose-what-opens")
	}
	return t, nil
}
