package handlers

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/password"
	"zencrypt/models"
	"zencrypt/views"
)

// encrypt is the verb: text or files, for a passphrase, my key, or public keys.
type encrypt struct{ *core }

var encryptPage = views.Page{Title: "Encrypt", Active: "encrypt", NoStore: true}

// generatedWords is the length of a passphrase we make: ten words of 7,776 are 129 bits.
const generatedWords = 10

// New handles GET /encrypt: the empty form.
func (e *encrypt) New(x *fiber.Ctx) error {
	vm := e.form(x, nil)
	var err error
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
		vm.Errors["to"] = "You are logged out. Log in again, in another tab, and send this once more: what you typed is still here."
	} else if to != "" {
		vm.Errors["to"] = "Choose for whom: a passphrase, a public key, or (logged in) only you."
	}
	vm.Recipients, vm.AlsoMe, vm.Save = printableLines(f.get("recipients")), f.on("also_me"), f.on("save")
	vm.Text, vm.Mode = shown(f.text), f.mode()
	f.check(v, vm.Errors)
	if vm.To == "people" && vm.AlsoMe && v.user == nil {
		vm.Errors["also_me"] = "You are logged out, so it can't be encrypted to you too. Log in in another tab and send it again."
	}
	switch format := f.get("format"); format {
	case "", "age":
	case "fernet":
		vm.Format = format
	default:
		vm.Errors["format"] = "Choose age or Fernet."
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
	if f.on("generate") {
		return e.generate(x, vm)
	}
	var job *encryptJob
	if vm.Errors["to"] == "" { // else what the choice asks for is not known
		if job, err = e.job(x, f, &vm); err != nil {
			return err
		}
	}
	var out views.Outcome
	if len(vm.Errors) == 0 {
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
	if out.Errors = vm.Errors; len(out.Errors) > 0 {
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

// encryptJob is what a valid form asks for.
type encryptJob struct {
	target   crypto.Target
	format   string
	save     bool
	headline string
	detail   string // the recipients' kind, for the facts
	suffix   string
	key      *models.Key // the person's own key it was encrypted to, noted in the vault
	command  func(in, out string) []string
}

// job reads for whom to encrypt. What is wrong goes into vm.Errors.
func (e *encrypt) job(x *fiber.Ctx, f *form, vm *views.EncryptForm) (*encryptJob, error) {
	job := &encryptJob{format: vm.Format, save: vm.Save, suffix: ".age", command: ageWithKey}
	if vm.Format == "fernet" && vm.To != "me" {
		vm.Errors["format"] = "Fernet encrypts with a key only: choose “Only me”, which takes your own Fernet key, or the age format."
		return job, nil
	}
	switch vm.To {
	case "passphrase":
		p := f.get("passphrase")
		switch {
		case p == "":
			vm.Errors["passphrase"] = "Type a passphrase, or let one be made for you."
		case !utf8.ValidString(p) || len(p) > password.MaxBytes:
			vm.Errors["passphrase"] = "A passphrase is text of at most 1,024 bytes."
		}
		job.target.Passphrase, job.headline, job.detail, job.command = p, "Encrypted with your passphrase", "age, passphrase (scrypt)", ageWithPassphrase
	case "people":
		if strings.TrimSpace(f.get("recipients")) == "" {
			vm.Errors["recipients"] = "Paste at least one public key: age1… or ssh-ed25519 …, separated by commas or lines."
			return job, nil
		}
		rs, err := agefile.ParseRecipients(f.get("recipients"))
		if err != nil {
			vm.Errors["recipients"] = sentence(err.Error())
			if errors.Is(err, agefile.ErrPrivateKey) {
				vm.Recipients = "" // a secret stays no longer than it must
			}
			return job, nil
		}
		job.target.Recipients, job.headline, job.detail = rs, "Encrypted for "+count(len(rs), "public key", "public keys"), "age, public key"
		own := false
		if vm.AlsoMe && vm.LoggedIn {
			own = agefile.Check(rs...) == nil
			if err := e.addMe(x, job); err != nil {
				return nil, err
			}
			job.headline += " and you"
		}
		if err := agefile.Check(job.target.Recipients...); err != nil {
			vm.Errors["recipients"] = leaveOut(err, own)
		}
	case "me":
		job.headline = "Encrypted for you"
		if vm.Format == "fernet" {
			k, err := e.db.Keys.Default(x.UserContext(), visitorOf(x).user, "fernet")
			if err != nil {
				return nil, err
			}
			key, err := fernet.ParseKey(string(activeVersion(k).Secret))
			if err != nil {
				return nil, err
			}
			job.target.Fernet, job.key, job.detail, job.suffix, job.command = &key, k, "Fernet", ".fernet", fernetCommand
			return job, nil
		}
		job.detail = "age, X25519"
		return job, e.addMe(x, job)
	}
	return job, nil
}

func (e *encrypt) addMe(x *fiber.Ctx, job *encryptJob) error {
	k, err := e.db.Keys.Default(x.UserContext(), visitorOf(x).user, "age")
	if err != nil {
		return err
	}
	rs, err := agefile.ParseRecipients(activeVersion(k).Public)
	if err != nil {
		return err
	}
	job.target.Recipients, job.key = append(job.target.Recipients, rs...), k
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
		vm.Errors[emptyField(vm.Mode)] = "Nothing to encrypt: type or paste a text, or choose a file."
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
	r := &views.TextResult{OK: true, Verb: "encrypt", Headline: job.headline, Text: b.String(), Name: "message" + job.suffix,
		Base64: base64.StdEncoding.EncodeToString(b.Bytes()), Size: int64(b.Len()), Took: e.opt.Now().Sub(start),
		Facts: []views.Fact{{Name: "Format", Value: job.detail}}, Commands: job.command("message"+job.suffix, "message.txt"), CanSave: vm.LoggedIn}
	if job.save {
		item := &models.Item{Kind: "ciphertext", Title: "Encrypted text", Size: int64(b.Len()), Body: b.Bytes(), Meta: job.meta(r.Name)}
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

// leaveOut says which public keys to drop when one file can't have them all. own is set when they could
// do without the person's own.
func leaveOut(err error, own bool) string {
	switch {
	case own && errors.Is(err, agefile.ErrMixed):
		return "Post-quantum keys (age1pq1…) can't share a file with your own key, which is not one. Clear “Also to me”, or give other keys."
	case own:
		return fmt.Sprintf("With your own key these are more than the %d public keys a file may have. Clear “Also to me”, or leave one out.", agefile.MaxStanzas)
	case errors.Is(err, agefile.ErrMixed):
		return "Post-quantum keys can't share a file with other keys. Leave out those that begin with age1pq1, or all the others."
	}
	return sentence(err.Error())
}
