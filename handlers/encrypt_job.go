package handlers

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/password"
	"zencrypt/crypto/pgp"
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
		vm.Errors["format"] = "Fernet encrypts with a key only: choose “Only me”, which takes your own Fernet key, or another format."
		return job, nil
	}
	if vm.SignWith+vm.SignOther != "" {
		var s *signer
		if vm.SignOther != "" {
			var why string
			if s, why = namedSigner(own, vm.SignOther, e.opt.Now()); s == nil {
				vm.Errors["sign_other"] = why
				return job, nil
			}
		} else if s = pickSigner(own, vm.SignWith, e.opt.Now()); s == nil {
			vm.Errors["sign_with"] = "This key can't sign any more. Choose another, or no signature."
			return job, nil
		}
		if vm.Format != "pgp" && vm.To != "people" { // for people the signature makes it OpenPGP
			vm.Errors["format"] = "Only OpenPGP carries a signature: choose that format, or no signature."
			return job, nil
		}
		job.target.Sign = []*pgp.Key{s.pgp}
		job.facts = append(job.facts, views.Fact{Name: "Signed with", Value: s.key.Name})
	}
	switch vm.To {
	case "passphrase":
		e.withPassphrase(f.get("passphrase"), job, vm)
	case "people":
		return job, e.withPeople(x, f, job, vm, own)
	case "me":
		job.headline = "Encrypted for you"
		return job, e.withMine(job, vm, own)
	}
	return job, nil
}

func (e *encrypt) withPassphrase(p string, job *encryptJob, vm *views.EncryptForm) {
	switch {
	case p == "":
		vm.Errors["passphrase"] = "Type a passphrase, or let one be made for you."
	case !utf8.ValidString(p) || len(p) > password.MaxBytes:
		vm.Errors["passphrase"] = "A passphrase is text of at most 1,024 bytes."
	}
	job.target.Passphrase, job.headline = p, "Encrypted with your passphrase"
	if vm.Format == "pgp" {
		job.target.PassphraseFormat = crypto.FormatPGP
		job.asPGP("OpenPGP, passphrase", gpgWithPassphrase)
		return
	}
	job.asAge("age, passphrase (scrypt)", ageWithPassphrase)
}

func (e *encrypt) withMine(job *encryptJob, vm *views.EncryptForm, own []models.Key) error {
	switch vm.Format {
	case "fernet":
		k := ownDefault(own, "fernet", e.opt.Now())
		if k == nil {
			vm.Errors["format"] = "You have no Fernet key that can encrypt. Choose another format, or make one under Keys."
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
		if ok, err := e.addMe(job, models.KindPGP, own); err != nil || !ok {
			vm.Errors["format"] = "You have no OpenPGP key that can encrypt. Choose another format, or make one under Keys."
			return err
		}
	default:
		job.asAge("age, X25519", ageWithKey)
		if ok, err := e.addMe(job, models.KindAge, own); err != nil || ok {
			return err
		}
		job.asAge("age, post-quantum", ageWithKey)
		if ok, err := e.addMe(job, models.KindAgePQ, own); err != nil || !ok {
			vm.Errors["to"] = "You have no age key that can encrypt. Make one under Keys, or choose a passphrase."
			return err
		}
	}
	return nil
}

// addMe adds the person's own default key of a kind, as it stands in the sealed ring: what the database says in the
// clear may be another's, and is reported when it differs.
func (e *encrypt) addMe(job *encryptJob, kind string, own []models.Key) (bool, error) {
	k := ownDefault(own, kind, e.opt.Now())
	if k == nil {
		return false, nil
	}
	v := k.Active(e.opt.Now())
	job.key = k
	if v.PublicDiffers {
		job.warn = differs(k.Name)
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
func differs(name string) *views.Problem {
	return &views.Problem{Title: "The public copy of your key “" + name + "” was changed",
		Detail: "What this server's database gives to others is not your public key. Your own encryption is not affected: it takes the sealed copy. Others may be encrypting to somebody else.",
		Next:   "Tell whoever runs this server, and let people compare your key by another way."}
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
			vm.Errors["recipients"] = "You have no key of this format. Make one under Keys, or choose another format."
			return nil
		}
	} else {
		var ok bool
		if w, ok = choose(all, vm.Format == "pgp" || len(job.target.Sign) > 0, alsoMe, has, vm.Errors); !ok {
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
			job.facts = append(job.facts, views.Fact{Name: "New in your people", Value: r.who})
		}
	}
	job.headline = headline(all, alsoMe)
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
		if _, err := e.addMe(job, w.own, own); err != nil {
			return err
		}
	}
	if err := job.target.Check(e.opt.Now()); err != nil {
		vm.Errors["recipients"] = leaveOut(err, alsoMe && before == nil)
	}
	return nil
}

// headline names people, and counts keys.
func headline(all []recipient, alsoMe bool) string {
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
		who = append(who, count(keys, "public key", "public keys"))
	}
	if alsoMe {
		who = append(who, "you")
	}
	return "Encrypted for " + names(who)
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
