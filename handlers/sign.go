package handlers

import (
	"encoding/base64"
	"errors"
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/crypto/pgp"
	"zencrypt/models"
	"zencrypt/views"
)

// sign is the verb: a clear-signed text, or a detached signature over a file, with one's own OpenPGP key.
type sign struct{ *core }

var signPage = views.Page{Title: "Sign", Active: "sign", NoStore: true}

// New handles GET /sign: the empty form, or how to make a key.
func (s *sign) New(x *fiber.Ctx) error {
	vm, _, _, err := s.form(x, nil)
	if err != nil {
		return err
	}
	if vm.Waiting, err = s.waiting(x, "sign"); err != nil {
		return err
	}
	return s.render(x, fiber.StatusOK, signPage, views.Sign(vm, views.Outcome{}))
}

// form also returns the ring, and what of it can sign.
func (s *sign) form(x *fiber.Ctx, f *form) (views.SignForm, []models.Key, []signer, error) {
	v := visitorOf(x)
	vm := views.SignForm{Mode: "text", MaxUpload: s.opt.MaxUpload, Quota: s.quota(v), QuotaUsed: s.files.Used(owner(v)), Errors: views.Fields{}}
	own, err := s.ringOf(x)
	if err != nil {
		return vm, nil, nil, err
	}
	keys, more := signers(own, s.opt.Now())
	vm.MoreKeys = more
	vm.Keys = signerChoices(keys)
	if f != nil {
		vm.KeyOther = printable(strings.TrimSpace(f.get("key_other")))
		vm.Key, vm.Armor, vm.Text, vm.Mode = printable(f.get("key")), f.on("armor"), shown(f.text), f.mode()
		f.check(v, vm.Errors)
	}
	return vm, own, keys, nil
}

// Create handles POST /sign: 200 with the signed text or the signatures, 422 with the form when a field is wrong.
func (s *sign) Create(x *fiber.Ctx) error {
	if err := s.checkSize(x); err != nil {
		return err
	}
	f, err := s.readForm(x, s.bodyLimit())
	if err != nil {
		return err
	}
	vm, own, keys, err := s.form(x, f)
	if err != nil {
		return err
	}
	var with *signer
	switch {
	case len(keys) == 0:
		vm.Errors["key"] = "You have no OpenPGP key that can sign. Make or import one under Keys."
	case vm.KeyOther != "":
		var why string
		if with, why = namedSigner(own, vm.KeyOther, s.opt.Now()); with == nil {
			vm.Errors["key_other"] = why
		}
	case vm.Key == "":
		with = &keys[0]
	default:
		if with = pickSigner(own, vm.Key, s.opt.Now()); with == nil {
			vm.Errors["key"] = "This key can't sign any more. Choose another."
		}
	}
	var out views.Outcome
	if len(vm.Errors) == 0 {
		if f.hasFile() {
			out.Files, err = s.filesOf(x, f, with, vm.Armor)
		} else {
			out.Text, err = s.text(f, with, &vm)
		}
		if err != nil {
			return err
		}
	}
	status := fiber.StatusOK
	if out.Errors = vm.Errors; len(out.Errors) > 0 {
		status = fiber.StatusUnprocessableEntity
	}
	return s.outcome(x, status, signPage, views.Sign(vm, out), out)
}

func (s *sign) text(f *form, with *signer, vm *views.SignForm) (*views.TextResult, error) {
	start := s.opt.Now()
	plain, err := f.content(maxText)
	if err != nil {
		return nil, err
	}
	if len(plain) == 0 {
		vm.Errors[emptyField(vm.Mode)] = "Nothing to sign: type or paste a text, or choose a file."
		return nil, nil
	}
	signed, err := pgp.SignText(plain, []*pgp.Key{with.pgp}, maxText, pgp.SignOptions{Now: s.opt.Now})
	switch {
	case errors.Is(err, pgp.ErrFormat), errors.Is(err, pgp.ErrTooLarge):
		vm.Errors["text"] = sentence(err.Error())
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &views.TextResult{OK: true, Verb: "sign", Headline: "Signed with your key “" + with.key.Name + "”", Text: string(signed), Name: "message.asc",
		Base64: base64.StdEncoding.EncodeToString(signed), Size: int64(len(signed)), Took: s.opt.Now().Sub(start),
		Facts: []views.Fact{{Name: "Format", Value: "OpenPGP, clear-signed"}}, Commands: verifyText("message.asc"), CanSave: true}, nil
}

func (s *sign) filesOf(x *fiber.Ctx, f *form, with *signer, armor bool) (out []views.FileResult, err error) {
	err = s.eachFile(x, f, 0, func(u *upload, name string, content io.Reader) error {
		r, err := s.one(u, name, content, with, armor)
		if err == nil {
			out = append(out, *r)
		}
		return err
	})
	return out, err
}

// one signs a file as it arrives. Nothing of the file is kept: the result is the signature.
func (s *sign) one(u *upload, name string, content io.Reader, with *signer, armor bool) (*views.FileResult, error) {
	spool, err := u.create(blobs.Spool)
	if err != nil {
		return nil, err
	}
	defer spool.Abort()
	w, err := pgp.SignDetached(spool, []*pgp.Key{with.pgp}, pgp.SignOptions{Armor: armor, Now: s.opt.Now})
	if err != nil {
		return nil, err
	}
	if _, err := copyTo(w, content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	ref, err := spool.Commit()
	if err != nil {
		return nil, err
	}
	signature := name + ".sig"
	if armor {
		signature = name + ".asc"
	}
	r := &models.Result{Verb: "sign", State: models.StateReady, Size: ref.Size, Meta: models.ResultMeta{Name: signature, FileFormat: "pgp",
		Headline: "Signed with your key “" + with.key.Name + "”", Facts: [][2]string{{"Format", "OpenPGP, detached signature"}, {"Over", name}},
		Item: models.ItemMeta{FileName: signature, Format: "pgp-signature", Detail: "OpenPGP, detached signature"}, Commands: verifyFile(signature, name)}}
	if err := u.store(r, ref); err != nil {
		return nil, err
	}
	return resultView(r, "", u.v), nil
}
