package handlers

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto"
	"zencrypt/crypto/pgp"
	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

// verify is the verb: who signed this, and was it changed.
type verify struct{ *core }

var verifyPage = sheet{title: "titles.verify", Page: views.Page{Active: "verify", NoStore: true}}

// New handles GET /verify: the empty form.
func (v *verify) New(x *fiber.Ctx) error {
	return v.render(x, fiber.StatusOK, verifyPage, views.Verify(v.form(x, nil), views.Outcome{}))
}

func (v *verify) form(x *fiber.Ctx, f *form) views.VerifyForm {
	vm := views.VerifyForm{LoggedIn: visitorOf(x).user != nil, Mode: "text", MaxUpload: v.opt.MaxUpload, Errors: views.Fields{}}
	if f != nil {
		vm.Certificate, vm.Signature = printableLines(f.get("certificate")), printableLines(f.get("signature"))
		if text, err := f.content(2 * maxText); err == nil && isText(text) {
			vm.Text = string(text) // also when it came as base64, from the vault
		} else {
			vm.Text = shown(f.text)
		}
		vm.Mode = f.mode()
		f.check(x, vm.Errors)
	}
	return vm
}

// verifyJob is what a valid form asks for.
type verifyJob struct {
	circle    *circle
	signature string // detached; "" when it is part of the content
}

// Create handles POST /verify: 200 with a verdict on every signature, whatever it is; 422 when there is none to
// speak of, or a field is wrong. Nothing is stored.
func (v *verify) Create(x *fiber.Ctx) error {
	if err := v.checkSize(x); err != nil {
		return err
	}
	f, err := v.readForm(x, v.bodyLimit())
	if err != nil {
		return err
	}
	vm := v.form(x, f)
	job, err := v.job(x, f, &vm)
	if err != nil {
		return err
	}
	var out views.Outcome
	if len(vm.Errors) == 0 {
		if f.hasFile() {
			err = v.filesOf(x, f, job, &vm, &out)
		} else {
			err = v.text(x, f, job, &vm, &out)
		}
		if err != nil {
			return err
		}
	}
	status := fiber.StatusOK
	if out.Errors = vm.Errors; len(out.Errors) > 0 || out.Problem != nil {
		status = fiber.StatusUnprocessableEntity
	}
	return v.outcome(x, status, verifyPage, views.Verify(vm, out), out)
}

func (v *verify) job(x *fiber.Ctx, f *form, vm *views.VerifyForm) (*verifyJob, error) {
	own, err := v.circle(x)
	if err != nil {
		return nil, err
	}
	job := &verifyJob{circle: own, signature: orElse(f.get("signature_file"), f.get("signature"))}
	if strings.TrimSpace(job.signature) == "" {
		job.signature = ""
	}
	if f.get("signature_file") != "" && strings.TrimSpace(f.get("signature")) != "" {
		vm.Errors["signature"] = say(x, "wrong.signature-once")
	}
	if text := f.get("certificate"); strings.TrimSpace(text) != "" {
		var pasted []*pgp.Certificate
		keys, err := publicKeys(text)
		if err != nil {
			vm.Errors["certificate"] = reason(x.UserContext(), err)
			if models.IsPrivate(text) {
				vm.Certificate = "" // a secret stays no longer than it must
			}
			return job, nil
		}
		for i := range keys {
			c, err := keys[i].Certificate()
			if err != nil {
				return nil, err
			}
			if c == nil {
				vm.Errors["certificate"] = say(x, "wrong.key-does-not-sign", lang.Args{"Kind": kindTitle(x, keys[i].Kind)})
				return job, nil
			}
			pasted = append(pasted, c)
		}
		job.circle = own.with(pasted)
	} else if !vm.LoggedIn {
		vm.Errors["certificate"] = say(x, "wrong.paste-signers-key")
	}
	return job, nil
}

func (v *verify) text(x *fiber.Ctx, f *form, job *verifyJob, vm *views.VerifyForm, out *views.Outcome) error {
	text, err := f.content(2 * maxText)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(text)) == 0 {
		vm.Errors[emptyField(vm.Mode)] = say(x, "wrong.nothing-to-verify")
		return nil
	}
	r, err := v.one(x, say(x, "results.the-text"), bytes.NewReader(text), job)
	return v.answer(x, r, err, vm, out)
}

// filesOf stores nothing, so it reserves no space.
func (v *verify) filesOf(x *fiber.Ctx, f *form, job *verifyJob, vm *views.VerifyForm, out *views.Outcome) error {
	return v.eachFile(x, f, 0, func(_ *upload, name string, content io.Reader) error {
		r, err := v.one(x, name, content, job)
		return v.answer(x, r, err, vm, out)
	})
}

// answer puts a verdict, or why there is none, into what is shown. An error of another kind comes back.
func (v *verify) answer(x *fiber.Ctx, r *views.VerifyResult, err error, vm *views.VerifyForm, out *views.Outcome) error {
	var p trouble
	why := reason(x.UserContext(), err)
	switch {
	case err == nil:
		out.Verify = append(out.Verify, *r)
		return nil
	case errors.Is(err, errNoSignature):
		vm.Errors["signature"] = say(x, "wrong.no-signature-inside")
		return nil
	case errors.Is(err, errSignature):
		vm.Errors["signature"] = say(x, "wrong.no-detached-signature", lang.Args{"Reason": reason(x.UserContext(), errors.Unwrap(err))})
		return nil
	case errors.Is(err, pgp.ErrFormat):
		p = problem("opening.not-signed", "", "opening.not-signed-next")
		p.why = why
	case errors.Is(err, pgp.ErrDamaged):
		p = problem("opening.damaged", "", "opening.signed-damaged-next")
		p.detail = told("opening.signed-damaged-detail", lang.Args{"Reason": why})
	case errors.Is(err, pgp.ErrRefused):
		p = problem("opening.refused", "", "opening.signed-refused-next")
		p.why = why
	case errors.Is(err, pgp.ErrTooLarge):
		p = problem("opening.too-large", "", "opening.signed-too-large-next")
		p.why = why
	default:
		return err
	}
	out.Problem = p.in(x.UserContext())
	return nil
}

var errNoSignature = errors.New("verify: there is no signature")

// errSignature says that the fault is the signature's and not the content's; it wraps why.
var errSignature = errors.New("verify: read the signature")

type signatureError struct{ err error }

func (e *signatureError) Error() string        { return errSignature.Error() + ": " + e.err.Error() }
func (e *signatureError) Unwrap() error        { return e.err }
func (e *signatureError) Is(target error) bool { return target == errSignature }

// one reads content to its end and judges its signatures: the detached one that was given, or those inside.
func (v *verify) one(x *fiber.Ctx, name string, content io.Reader, job *verifyJob) (*views.VerifyResult, error) {
	r := &views.VerifyResult{Name: name}
	if job.signature != "" {
		sigs, err := pgp.Verify(content, strings.NewReader(job.signature), job.circle.certs, pgp.VerifyOptions{Now: v.opt.Now})
		if errors.Is(err, pgp.ErrFormat) || errors.Is(err, pgp.ErrDamaged) {
			return nil, &signatureError{err}
		}
		if err != nil {
			return nil, err
		}
		r.Signatures = job.circle.judgeAll(x.UserContext(), sigs)
		return r, nil
	}
	head := bufio.NewReaderSize(content, crypto.Sniff)
	start, err := head.Peek(crypto.Sniff)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if bytes.Contains(start, []byte("-----BEGIN PGP SIGNED MESSAGE-----")) {
		t, err := pgp.VerifyText(head, job.circle.certs, 0, pgp.VerifyOptions{Now: v.opt.Now})
		if err != nil {
			return nil, err
		}
		r.Signatures, r.Around = job.circle.judgeAll(x.UserContext(), t.Signatures), t.Around
		if r.HasText = isText(t.Text); r.HasText {
			r.Text = string(t.Text)
		}
		return r, nil
	}
	if is, _ := pgp.Looks(start); !is {
		return nil, errNoSignature
	}
	m, err := pgp.OpenSigned(head, pgp.OpenOptions{Verify: job.circle.certs, Now: v.opt.Now})
	if errors.Is(err, pgp.ErrFormat) {
		return nil, errNoSignature
	}
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if _, err := io.Copy(&bounded{&text, maxText}, m); err != nil {
		return nil, err
	}
	if r.Signatures = job.circle.judgeAll(x.UserContext(), m.Signatures()); len(r.Signatures) == 0 {
		return nil, errNoSignature
	}
	if r.HasText = text.Len() <= maxText && isText(text.Bytes()); r.HasText {
		r.Text = text.String()
	}
	return r, nil
}

// bounded keeps one byte more than it may hold, and drops the rest.
type bounded struct {
	buf *bytes.Buffer
	max int
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.max + 1 - b.buf.Len(); room > 0 {
		b.buf.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}
