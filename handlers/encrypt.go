package handlers

import (
	"bytes"
	"encoding/base64"
	"io"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto"
	"zencrypt/crypto/password"
	"zencrypt/models"
	"zencrypt/views"
)

// encrypt is the verb: text or files, for a passphrase, my key, people, or public keys.
type encrypt struct{ *core }

var encryptPage = sheet{title: "titles.encrypt", Page: views.Page{Active: "encrypt", NoStore: true}}

// generatedWords is the length of a passphrase we make: ten words of 7,776 are 129 bits.
const generatedWords = 10

// New handles GET /encrypt: the empty form.
func (e *encrypt) New(x *fiber.Ctx) error {
	vm := e.form(x, nil)
	own, err := e.ringOf(x)
	if err != nil {
		return err
	}
	if id := x.Query("person"); id != "" && vm.LoggedIn {
		vm.To = "people"
		err = e.choices(x, &vm, own, []string{id})
	} else {
		err = e.choices(x, &vm, own, nil)
	}
	if err != nil {
		return err
	}
	if vm.Waiting, err = e.waiting(x, "encrypt"); err != nil {
		return err
	}
	return e.render(x, fiber.StatusOK, encryptPage, views.Encrypt(vm, views.Outcome{}))
}

func (e *encrypt) form(x *fiber.Ctx, f *form) views.EncryptForm {
	v := visitorOf(x)
	vm := views.EncryptForm{LoggedIn: v.user != nil, Mode: "text", To: "passphrase", Format: "age", AlsoMe: v.user != nil,
		MaxUpload: e.opt.MaxUpload, Quota: e.quota(v), QuotaUsed: e.files.Used(owner(v)), Errors: views.Fields{}}
	if v.user != nil {
		vm.To = "me"
	}
	if f == nil {
		return vm
	}
	if to := f.get("to"); to == "passphrase" || to == "people" || (to == "me" && v.user != nil) {
		vm.To = to
	} else if to == "" && f.get("passphrase") != "" {
		vm.To = "passphrase"
	} else if to == "" && f.get("recipients") != "" {
		vm.To = "people"
	} else if to == "me" {
		vm.Errors["to"] = say(x, "wrong.logged-out")
	} else if to != "" {
		vm.Errors["to"] = say(x, "wrong.choose-for-whom")
	}
	vm.SignWith, vm.SignOther = printable(f.get("sign_with")), printable(strings.TrimSpace(f.get("sign_other")))
	vm.Recipients, vm.AlsoMe, vm.Save = printableLines(f.get("recipients")), f.on("also_me"), f.on("save")
	vm.Text, vm.Mode = shown(f.text), f.mode()
	f.check(x, vm.Errors)
	if vm.SignWith+vm.SignOther != "" && v.user == nil {
		vm.Errors["sign_with"] = say(x, "wrong.logged-out-sign")
	}
	if vm.To == "people" && vm.AlsoMe && v.user == nil {
		vm.Errors["also_me"] = say(x, "wrong.logged-out-also-me")
	}
	switch format := f.get("format"); format {
	case "", "age":
	case "fernet", "pgp":
		vm.Format = format
	default:
		vm.Errors["format"] = say(x, "wrong.choose-format")
	}
	return vm
}

// Create handles POST /encrypt: 200 with the result, 422 with the form when a field is wrong. With
// generate set it only makes a passphrase.
func (e *encrypt) Create(x *fiber.Ctx) error {
	if err := e.checkSize(x); err != nil {
		return err
	}
	f, err := e.readForm(x, e.bodyLimit())
	if err != nil {
		return err
	}
	vm := e.form(x, f)
	own, err := e.ringOf(x)
	if err != nil {
		return err
	}
	if err := e.choices(x, &vm, own, f.values["person"]); err != nil {
		return err
	}
	if f.on("generate") {
		return e.generate(x, vm)
	}
	var job *encryptJob
	if vm.Errors["to"] == "" { // else what the choice asks for is not known
		if job, err = e.job(x, f, &vm, own); err != nil {
			return err
		}
	}
	var out views.Outcome
	if job != nil && len(vm.Errors) == 0 {
		out.Problem, out.Warning = job.stop, job.warn
	}
	if len(vm.Errors) == 0 && out.Problem == nil {
		if f.hasFile() {
			out.Files, err = e.filesOf(x, f, job)
		} else {
			out.Text, err = e.text(x, f, job, &vm)
		}
		if err != nil {
			return err
		}
	}
	status := fiber.StatusOK
	if out.Errors = vm.Errors; len(out.Errors) > 0 || out.Problem != nil {
		status = fiber.StatusUnprocessableEntity
	}
	return e.outcome(x, status, encryptPage, views.Encrypt(vm, out), out)
}

func (e *encrypt) generate(x *fiber.Ctx, vm views.EncryptForm) error {
	words, err := password.Generate(generatedWords)
	if err != nil {
		return err
	}
	if isFragment(x) {
		return e.html(x, fiber.StatusOK, views.PassphraseField(words, true))
	}
	vm.Passphrase, vm.To, vm.Errors = words, "passphrase", nil
	return e.render(x, fiber.StatusOK, encryptPage, views.Encrypt(vm, views.Outcome{}))
}

// ringOf are the keys of a logged-in person, none of a guest.
func (c *core) ringOf(x *fiber.Ctx) ([]models.Key, error) {
	u := visitorOf(x).user
	if u == nil {
		return nil, nil
	}
	return c.db.Keys.List(x.UserContext(), u)
}

// mostChoices is how many people a form offers to tick; the others are named by hand.
const mostChoices = 48

// choices fills in what a logged-in person may choose from: people to tick, and keys to sign with.
func (e *encrypt) choices(x *fiber.Ctx, vm *views.EncryptForm, own []models.Key, ticked []string) error {
	u := visitorOf(x).user
	if u == nil {
		return nil
	}
	offered, more := signers(own, e.opt.Now())
	vm.SignKeys, vm.MoreSign = signerChoices(offered), more
	vm.OwnPGP = ownDefault(own, models.KindPGP, e.opt.Now()) != nil
	people, offers, err := e.db.People.List(x.UserContext(), u)
	if err != nil {
		return err
	}
	for i := range people {
		p := &people[i]
		c := views.PersonChoice{ID: p.ID.String(), Name: p.Name, Checked: slices.Contains(ticked, p.ID.String())}
		if c.State = personRow(x, p, offers[p.Account]).State; p.Unreadable {
			continue
		}
		if len(vm.People) >= mostChoices && !c.Checked {
			vm.MorePeople++
			continue
		}
		vm.People = append(vm.People, c)
	}
	return nil
}

func activeVersion(k *models.Key) models.KeyVersion {
	for i := len(k.Versions) - 1; i >= 0; i-- {
		if k.Versions[i].State == "active" {
			return k.Versions[i]
		}
	}
	return models.KeyVersion{}
}

// seal opens a writer that encrypts into dst, with the slow part inside the budget.
func (e *encrypt) seal(x *fiber.Ctx, job *encryptJob, dst io.Writer) (io.WriteCloser, error) {
	if err := e.pin(x, job); err != nil {
		return nil, err
	}
	if n := job.target.Memory(); n > 0 {
		release, err := e.budget.Acquire(x.UserContext(), class(visitorOf(x)), n)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	return crypto.Encrypt(dst, job.target, e.opt.Now())
}

func (e *encrypt) text(x *fiber.Ctx, f *form, job *encryptJob, vm *views.EncryptForm) (*views.TextResult, error) {
	start := e.opt.Now()
	plain, err := f.content(maxText)
	if err != nil {
		return nil, err
	}
	if len(plain) == 0 {
		vm.Errors[emptyField(vm.Mode)] = say(x, "wrong.nothing-to-encrypt")
		return nil, nil
	}
	job.target.Armor = true
	var b bytes.Buffer
	w, err := e.seal(x, job, &b)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	r := &views.TextResult{OK: true, Verb: "encrypt", Headline: job.headline, Text: b.String(), Name: job.textName,
		Base64: base64.StdEncoding.EncodeToString(b.Bytes()), Size: int64(b.Len()), Took: e.opt.Now().Sub(start),
		Facts: append([]views.Fact{{Name: say(x, "results.format"), Value: detail(x.UserContext(), job.detail)}}, job.facts...), Commands: job.command(job.textName, "message.txt"), CanSave: vm.LoggedIn}
	if job.save {
		item := &models.Item{Kind: "ciphertext", Title: say(x, "results.encrypted-text"), Size: int64(b.Len()), Body: b.Bytes(), Meta: job.meta(r.Name)}
		if err := e.saveText(x, item); err != nil {
			return nil, err
		}
		r.Saved = "/vault/" + item.ID.String()
	}
	return r, nil
}

func (j *encryptJob) meta(name string) models.ItemMeta {
	m := models.ItemMeta{FileName: name, Format: j.format, Detail: j.detail}
	if j.key != nil {
		m.KeyID, m.KeyVersion = j.key.ID.String(), activeVersion(j.key).N
		m.Others = othersOf(j.target.Recipients, activeVersion(j.key).Public)
	}
	return m
}
