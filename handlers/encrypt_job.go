package handlers

import (
	"errors"
	"slices"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/password"
	"zencrypt/crypto/pgp"
	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

// encryptJob is what a valid form asks for.
type encryptJob struct {
	target   crypto.Target
	format   string
	save     bool
	headline string
	detail   string // the recipients' kind, for the facts
	facts    []views.Fact
	suffix   string      // of a file
	textName string      // of a text
	key      *models.Key // the person's own key it was encrypted to, noted in the vault
	command  func(in, out string) []string
	fresh    []*models.Person // found by login just now, pinned before anything is encrypted to them
	stop     *views.Problem   // a page that has to be looked at first
	warn     *views.Problem   // shown beside the result
}

// asPGP and asAge say what a result is called and how it is opened elsewhere.
func (j *encryptJob) asAge(detail string, command func(in, out string) []string) {
	j.format, j.detail, j.suffix, j.textName, j.command = "age", detail, ".age", "message.age", command
}

func (j *encryptJob) asPGP(detail string, command func(in, out string) []string) {
	j.format, j.detail, j.suffix, j.textName, j.command = "pgp", detail, ".gpg", "message.asc", command
}

// job reads for whom to encrypt. What is wrong goes into vm.Errors.
func (e *encrypt) job(x *fiber.Ctx, f *form, vm *views.EncryptForm, own []models.Key) (*encryptJob, error) {
	job := &encryptJob{save: vm.Save}
	if vm.Format == "fernet" && vm.To != "me" {
		vm.Errors["format"] = say(x, "wrong.fernet-only-me")
		return job, nil
	}
	if vm.SignWith+vm.SignOther != "" {
		var s *signer
		if vm.SignOther != "" {
			var err error
			if s, err = namedSigner(own, vm.SignOther, e.opt.Now()); err != nil {
				vm.Errors["sign_other"] = reason(x.UserContext(), err)
				return job, nil
			}
		} else if s = pickSigner(own, vm.SignWith, e.opt.Now()); s == nil {
			vm.Errors["sign_with"] = say(x, "wrong.cannot-sign-or-none")
			return job, nil
		}
		if vm.Format != "pgp" && vm.To != "people" { // for people the signature makes it OpenPGP
			vm.Errors["format"] = say(x, "wrong.only-pgp-signs")
			return job, nil
		}
		job.target.Sign = []*pgp.Key{s.pgp}
		job.facts = append(job.facts, views.Fact{Name: say(x, "results.signed-with"), Value: s.key.Name})
	}
	switch vm.To {
	case "passphrase":
		e.withPassphrase(x, f.get("passphrase"), job, vm)
	case "people":
		return job, e.withPeople(x, f, job, vm, own)
	case "me":
		job.headline = say(x, "results.encrypted-for-you")
		return job, e.withMine(x, job, vm, own)
	}
	return job, nil
}

func (e *encrypt) withPassphrase(x *fiber.Ctx, p string, job *encryptJob, vm *views.EncryptForm) {
	switch {
	case p == "":
		vm.Errors["passphrase"] = say(x, "wrong.type-passphrase")
	case !utf8.ValidString(p) || len(p) > password.MaxBytes:
		vm.Errors["passphrase"] = say(x, "wrong.passphrase-text")
	}
	job.target.Passphrase, job.headline = p, say(x, "results.encrypted-with-passphrase")
	if vm.Format == "pgp" {
		job.target.PassphraseFormat = crypto.FormatPGP
		job.asPGP("OpenPGP, passphrase", gpgWithPassphrase)
		return
	}
	job.asAge("age, passphrase (scrypt)", ageWithPassphrase)
}

func (e *encrypt) withMine(x *fiber.Ctx, job *encryptJob, vm *views.EncryptForm, own []models.Key) error {
	switch vm.Format {
	case "fernet":
		k := ownDefault(own, "fernet", e.opt.Now())
		if k == nil {
			vm.Errors["format"] = say(x, "wrong.no-own-fernet-key")
			return nil
		}
		key, err := fernet.ParseKey(string(activeVersion(k).Secret))
		if err != nil {
			return err
		}
		job.target.Fernet, job.key, job.format, job.detail = &key, k, "fernet", "Fernet"
		job.suffix, job.textName, job.command = ".fernet", "message.fernet", fernetCommand
	case "pgp":
		job.asPGP("OpenPGP, public key", gpgWithKey)
		if ok, err := e.addMe(x, job, models.KindPGP, own); err != nil || !ok {
			vm.Errors["format"] = say(x, "wrong.no-own-pgp-key")
			return err
		}
	default:
		job.asAge("age, X25519", ageWithKey)
		if ok, err := e.addMe(x, job, models.KindAge, own); err != nil || ok {
			return err
		}
		job.asAge("age, post-quantum", ageWithKey)
		if ok, err := e.addMe(x, job, models.KindAgePQ, own); err != nil || !ok {
			vm.Errors["to"] = say(x, "wrong.no-own-age-key")
			return err
		}
	}
	return nil
}

// addMe adds the person's own default key of a kind, as it stands in the sealed ring: what the database says in the
// clear may be another's, and is reported when it differs.
func (e *encrypt) addMe(x *fiber.Ctx, job *encryptJob, kind string, own []models.Key) (bool, error) {
	k := ownDefault(own, kind, e.opt.Now())
	if k == nil {
		return false, nil
	}
	v := k.Active(e.opt.Now())
	job.key = k
	if v.PublicDiffers {
		job.warn = differs(x, k.Name)
	}
	if kind == models.KindPGP {
		key, err := ownPGP(*v)
		if err != nil {
			return false, err
		}
		job.target.PGP = append(job.target.PGP, key.Certificate())
		return true, nil
	}
	rs, err := agefile.ParseRecipients(v.Public)
	job.target.Recipients = append(job.target.Recipients, rs...)
	return err == nil, err
}

// differs warns of a public copy that is not the owner's own.
func differs(x *fiber.Ctx, name string) *views.Problem {
	return &views.Problem{Title: say(x, "errors.public-copy-changed", lang.Args{"Key": name}),
		Detail: say(x, "errors.public-copy-changed-detail"),
		Next:   say(x, "errors.public-copy-changed-next")}
}

func (e *encrypt) withPeople(x *fiber.Ctx, f *form, job *encryptJob, vm *views.EncryptForm, own []models.Key) error {
	all, me, stop, err := e.recipients(x, f, vm)
	if err != nil || stop != nil || vm.Errors["recipients"] != "" {
		job.stop = stop
		return err
	}
	alsoMe := (vm.AlsoMe || me) && vm.LoggedIn
	has := func(kind string) bool { return ownDefault(own, kind, e.opt.Now()) != nil }
	var w way
	if len(all) == 0 { // only the person's own login was given
		w = way{"age", nil, models.KindAge}
		if vm.Format == "pgp" || len(job.target.Sign) > 0 {
			w = way{"pgp", nil, models.KindPGP}
		}
		if !has(w.own) {
			vm.Errors["recipients"] = say(x, "wrong.no-own-key-of-format")
			return nil
		}
	} else {
		var ok bool
		if w, ok = choose(x, all, vm.Format == "pgp" || len(job.target.Sign) > 0, alsoMe, has, vm.Errors); !ok {
			return nil
		}
	}
	modern := true
	for _, r := range all {
		for _, k := range r.keys {
			if !slices.Contains(w.kinds, k.Kind) {
				continue
			}
			rs, err := k.Recipients()
			if err != nil {
				return err
			}
			job.target.Recipients = append(job.target.Recipients, rs...)
			if c, err := k.Certificate(); err != nil {
				return err
			} else if c != nil {
				job.target.PGP = append(job.target.PGP, c)
				modern = modern && c.Info(e.opt.Now()).Version == 6
			}
		}
		if r.fresh != nil {
			job.fresh = append(job.fresh, r.fresh)
			job.facts = append(job.facts, views.Fact{Name: say(x, "results.new-in-people"), Value: r.who})
		}
	}
	job.headline = headline(x, all, alsoMe)
	detail := map[string]string{models.KindAgePQ: "age, post-quantum public key"}[w.own]
	switch {
	case w.format == "age":
		job.asAge(orElse(detail, "age, public key"), ageWithKey)
	case modern && len(all) > 0 && !alsoMe:
		job.asPGP("OpenPGP, public key (version 6)", sopWithKey)
	default:
		job.asPGP("OpenPGP, public key", gpgWithKey)
	}
	before := job.target.Check(e.opt.Now())
	if alsoMe {
		if _, err := e.addMe(x, job, w.own, own); err != nil {
			return err
		}
	}
	if err := job.target.Check(e.opt.Now()); err != nil {
		vm.Errors["recipients"] = leaveOut(x, err, alsoMe && before == nil)
	}
	return nil
}

// headline names people, and counts keys.
func headline(x *fiber.Ctx, all []recipient, alsoMe bool) string {
	var who []string
	keys := 0
	for _, r := range all {
		if r.named {
			who = append(who, r.who)
		} else {
			keys++
		}
	}
	if keys > 0 {
		who = append(who, lang.N(x.UserContext(), "results.public-keys", keys))
	}
	if alsoMe {
		who = append(who, say(x, "results.you"))
	}
	return say(x, "results.encrypted-for", lang.Args{"Names": names(x, who)})
}

// leaveOut says which public keys to drop when one file can't have them all. own is set when they could
// do without the person's own.
func leaveOut(x *fiber.Ctx, err error, own bool) string {
	switch {
	case own && errors.Is(err, agefile.ErrMixed):
		return say(x, "wrong.mixed-with-own")
	case own:
		return lang.N(x.UserContext(), "wrong.too-many-with-own", agefile.MaxStanzas)
	case errors.Is(err, agefile.ErrMixed):
		return say(x, "wrong.mixed")
	}
	return reason(x.UserContext(), err)
}

// pin keeps those who were found by login for this, so that their keys are compared from now on.
func (e *encrypt) pin(x *fiber.Ctx, job *encryptJob) error {
	for _, p := range job.fresh {
		if err := e.db.People.Add(x.UserContext(), visitorOf(x).user, p); err != nil {
			return err
		}
	}
	job.fresh = nil
	return nil
}
