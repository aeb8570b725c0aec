package handlers

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"runtime/debug"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/pgp"
	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

// decrypt is the verb: anything, with whichever key fits.
type decrypt struct{ *core }

var decryptPage = sheet{title: "titles.decrypt", Page: views.Page{Active: "decrypt", NoStore: true}}

// openTries is how often a locked result may be tried with another passphrase or key.
const openTries = 5

// New handles GET /decrypt: the empty form.
func (d *decrypt) New(x *fiber.Ctx) error {
	vm := d.form(x, nil)
	var err error
	if vm.Waiting, err = d.waiting(x, "decrypt"); err != nil {
		return err
	}
	return d.render(x, fiber.StatusOK, decryptPage, views.Decrypt(vm, views.Outcome{}))
}

func (d *decrypt) form(x *fiber.Ctx, f *form) views.DecryptForm {
	v := visitorOf(x)
	vm := views.DecryptForm{LoggedIn: v.user != nil, Mode: "text", MaxUpload: d.opt.MaxUpload, Quota: d.quota(v),
		QuotaUsed: d.files.Used(owner(v)), Errors: views.Fields{}}
	if f == nil {
		return vm
	}
	vm.Save, vm.OldFile = f.on("save"), f.on("old_file")
	if text, err := f.content(2 * maxText); err == nil && isText(text) {
		vm.Text = string(text) // also when it came as base64: a passphrase may be wanted yet
	} else {
		vm.Text = shown(f.text)
	}
	vm.Mode = f.mode()
	f.check(x, vm.Errors)
	return vm
}

// Create handles POST /decrypt: 200 with the result, 422 when nothing could be opened. A file that no
// key fits waits in the spool, as it came, for another try.
func (d *decrypt) Create(x *fiber.Ctx) error {
	if err := d.checkSize(x); err != nil {
		return err
	}
	f, err := d.readForm(x, d.bodyLimit())
	if err != nil {
		return err
	}
	vm := d.form(x, f)
	keys := d.keys(x, f, vm.Errors)
	var out views.Outcome
	status := fiber.StatusOK
	switch {
	case len(vm.Errors) > 0:
	case vm.OldFile:
		d.checkOld(x, f, vm.Errors)
		if len(vm.Errors) == 0 {
			out.Files, err = d.filesOf(x, f, keys, vm.Save, d.openOld)
		}
	case f.hasFile():
		out.Files, err = d.filesOf(x, f, keys, vm.Save, d.check)
	case f.get("item") != "" && vm.LoggedIn:
		vm.Mode = "files"
		out.Files, err = d.item(x, f.get("item"), keys, vm.Save)
	default:
		out.Text, out.Problem, err = d.text(x, f, keys, &vm)
	}
	if err != nil {
		return err
	}
	for _, r := range out.Files {
		if r.State != "ready" {
			status = fiber.StatusUnprocessableEntity
		}
	}
	if out.Errors = vm.Errors; out.Problem != nil || len(out.Errors) > 0 {
		status = fiber.StatusUnprocessableEntity
	}
	return d.outcome(x, status, decryptPage, views.Decrypt(vm, out), out)
}

// keys are everything that may fit: what was typed, and all keys and versions of the person.
func (c *core) keys(x *fiber.Ctx, f *form, errs views.Fields) (k openKeys) {
	k.typed.Passphrase = f.get("passphrase")
	if pasted := strings.TrimSpace(f.get("identity")); pasted != "" {
		one, err := crypto.KeyFile{Label: say(x, "opening.pasted-key")}.Private([]byte(pasted))
		if err != nil {
			errs["identity"] = pastedKeyProblem(x, err)
		}
		k.typed.Add(one)
	}
	if u := visitorOf(x).user; u != nil {
		k.ring = func(f crypto.Format) (*ownKeys, error) {
			list, err := c.db.Keys.ListKinds(x.UserContext(), u, kindsFor(f)...)
			return c.ownKeys(x.UserContext(), list), err
		}
	}
	return k
}

// pastedKeyProblem says what is wrong with a private key without repeating any of it.
func pastedKeyProblem(x *fiber.Ctx, err error) string {
	switch {
	case errors.Is(err, agefile.ErrPublicKey), errors.Is(err, pgp.ErrPublicKey):
		return say(x, "wrong.public-key")
	case errors.Is(err, pgp.ErrKeys), errors.Is(err, pgp.ErrRefused), errors.Is(err, pgp.ErrDamaged), errors.Is(err, pgp.ErrTooLarge):
		return reason(x.UserContext(), err)
	}
	return say(x, "wrong.no-private-key")
}

// largeHash is the memory of a slow hash, in bytes, from which on it is given back at once.
const largeHash = 128 << 20

// unseal starts to decrypt src. A slow hash runs inside the budget, weighed by what the header asks for. Signatures are
// checked against the person's own keys and people. Keys and certificates are read once the format is told: reading
// hundreds of certificates is not free.
func (c *core) unseal(x *fiber.Ctx, src io.Reader, k openKeys) (*crypto.Plain, error) {
	br := bufio.NewReaderSize(src, crypto.Sniff)
	start, _ := br.Peek(crypto.Sniff) // what fails here fails again where it is read
	format, _ := crypto.Detect(start)
	keys, src, err := k.of(format, br)
	if err != nil {
		return nil, err
	}
	known := &circle{}
	if format == crypto.FormatPGP {
		if known, err = c.circle(x); err != nil {
			return nil, err
		}
	}
	return crypto.Decrypt(src, keys, crypto.Options{Now: c.opt.Now, Verify: known.certs, Acquire: func(n int64) (func(), error) {
		release, err := c.budget.Acquire(x.UserContext(), class(visitorOf(x)), n)
		if err != nil || n < largeHash {
			return release, err
		}
		// Its memory goes back to the system before the next one may begin: two at once are over the budget.
		return func() { debug.FreeOSMemory(); release() }, nil
	}})
}

func (d *decrypt) text(x *fiber.Ctx, f *form, k openKeys, vm *views.DecryptForm) (*views.TextResult, *views.Problem, error) {
	start := d.opt.Now()
	sealed, err := f.content(2 * maxText)
	if err != nil {
		return nil, nil, err
	}
	if len(bytes.TrimSpace(sealed)) == 0 {
		vm.Errors[emptyField(vm.Mode)] = say(x, "wrong.nothing-to-decrypt")
		return nil, nil, nil
	}
	p, err := d.unseal(x, bytes.NewReader(sealed), k)
	var plain []byte
	if err == nil {
		plain, err = io.ReadAll(p)
	}
	if err != nil {
		pr, err := openProblem(x, err, vm.LoggedIn)
		return nil, pr, err
	}
	r := &views.TextResult{OK: true, Verb: "decrypt", Headline: openedWith(x, p), Name: "message.txt",
		Base64: base64.StdEncoding.EncodeToString(plain), Size: int64(len(plain)), Took: d.opt.Now().Sub(start),
		Facts: append([]views.Fact{{Name: say(x, "results.format"), Value: detail(x.UserContext(), p.Format.Title())}}, sendersName(x, p)...), CanSave: vm.LoggedIn}
	if r.Signatures, err = d.judged(x, p); err != nil {
		return nil, nil, err
	}
	if isText(plain) {
		r.Text = string(plain)
	} else {
		r.Binary, r.Name = true, "message.bin"
	}
	vm.Text = "" // the ciphertext has done its work; the result is what matters now
	if vm.Save {
		item := &models.Item{Kind: "note", Title: say(x, "results.decrypted-text"), Size: int64(len(plain)), Body: plain, Meta: models.ItemMeta{FileName: r.Name}}
		if err := d.saveText(x, item); err != nil {
			return nil, nil, err
		}
		r.Saved = "/vault/" + item.ID.String()
	}
	return r, nil, nil
}

// sendersName is what an OpenPGP message calls its file, as gpg writes it. Nobody has signed that, so that it is told and
// names nothing: what is downloaded is called after what was uploaded.
func sendersName(x *fiber.Ctx, p *crypto.Plain) []views.Fact {
	name := strings.TrimSpace(pgp.Display(p.Name()))
	if name == "" || name == "_CONSOLE" { // RFC 9580 section 5.9: for the reader's eyes only
		return nil
	}
	return []views.Fact{{Name: say(x, "results.name-inside"), Value: name}}
}

// openedWith names what has opened something.
func openedWith(x *fiber.Ctx, p *crypto.Plain) string {
	key := p.Label
	if p.Passphrase {
		key = say(x, "opening.the-passphrase")
	}
	return say(x, "opening.opened-with", lang.Args{"Key": key})
}

// openProblem says in words why nothing was opened. An error of another kind comes back.
func openProblem(x *fiber.Ctx, err error, loggedIn bool) (*views.Problem, error) {
	var p trouble
	why := reason(x.UserContext(), err)
	with := lang.Args{"Reason": why}
	switch {
	case errors.Is(err, crypto.ErrWrongPassphrase):
		p = problem("opening.wrong-passphrase", "opening.wrong-passphrase-detail",
			"opening.wrong-passphrase-next")
	case errors.Is(err, crypto.ErrNoKey) && crypto.NeedsPassphrase(err):
		p = problem("opening.needs-passphrase", "opening.needs-passphrase-detail",
			"opening.needs-passphrase-next")
	case errors.Is(err, crypto.ErrNoKey):
		p = problem("opening.no-key", "",
			"opening.no-key-next")
		p.detail = told("opening.no-key-detail", with)
		if !loggedIn {
			p.next = told("opening.no-key-next-guest")
		}
	case errors.Is(err, crypto.ErrDamaged):
		p = problem("opening.damaged", "", "opening.damaged-next")
		p.detail = told("opening.damaged-detail", with)
	case errors.Is(err, crypto.ErrRefused):
		p = problem("opening.refused", "", "opening.refused-next")
		p.detail = told("opening.refused-detail", with)
	case errors.Is(err, crypto.ErrFormat):
		p = problem("opening.format", "", "opening.format-next")
		p.why = why
	case errors.Is(err, crypto.ErrExpired):
		p = problem("opening.expired", "", "opening.expired-next")
		p.why = why
	case errors.Is(err, crypto.ErrTooLarge):
		p = problem("opening.too-large", "", "opening.too-large-next")
		p.why = why
	default:
		return nil, err
	}
	return p.in(x.UserContext()), nil
}
