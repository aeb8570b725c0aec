package handlers

import (
	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto/pgp"
	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

// Show handles GET /people/:id: the person's keys, what has changed, and how to compare. 404 for anybody else's.
func (p *people) Show(x *fiber.Ctx) error {
	done := notice(x, map[string]string{
		"added":      "notices.person-added",
		"accepted":   "notices.person-accepted",
		"verified":   "notices.person-verified",
		"unverified": "notices.person-unverified",
		"saved":      "notices.saved",
	})
	return p.show(x, fiber.StatusOK, done, nil, nil)
}

func (p *people) id(x *fiber.Ctx) (models.ID, error) {
	id, err := models.ParseID(x.Params("id"))
	if err != nil {
		return id, fiber.ErrNotFound
	}
	return id, nil
}

// show shows a person; describe is the form for name and note when that was wrong.
func (p *people) show(x *fiber.Ctx, status int, notice string, errs views.Fields, describe *views.DescribeForm) error {
	id, err := p.id(x)
	if err != nil {
		return err
	}
	person, now, err := p.store.Get(x.UserContext(), visitorOf(x).user, id)
	if err != nil {
		return err
	}
	vm := views.PersonPage{Row: personRow(x, person, now), Created: person.Created, Note: person.Note, Verified: person.Verified,
		State: person.State(now), Notice: notice, Errors: errs, Acceptable: true,
		Describe: views.DescribeForm{Name: person.Name, Note: person.Note}}
	if describe != nil {
		vm.Describe = *describe
	}
	for i := range person.Keys {
		vm.Keys = append(vm.Keys, p.keyView(x, &person.Keys[i], true))
	}
	if person.Gone(now) {
		vm.Changes = append(vm.Changes, views.ChangeView{Title: say(x, "changes.gone"), Loud: true,
			Detail: say(x, "changes.gone-detail")})
	}
	for _, c := range person.Changes(now) {
		vm.Changes = append(vm.Changes, p.changeView(x, c))
		vm.Acceptable = vm.Acceptable && !c.Unusable
	}
	_, vm.Stopped = person.Usable(now)
	if !person.Account.IsZero() && !vm.Stopped {
		if vm.Phrases, err = p.phrases(x, person); err != nil {
			return err
		}
	}
	page := peoplePage
	page.Title, page.Wide = orElse(person.Name, say(x, "titles.person")), false
	return p.render(x, status, page, views.Person(vm))
}

// phrases are what the two people read to each other, one for each kind of key that both have. One's own keys are
// those of the sealed ring.
func (p *people) phrases(x *fiber.Ctx, person *models.Person) (all []views.Phrase, err error) {
	own, err := p.ringOf(x)
	if err != nil {
		return nil, err
	}
	for _, k := range person.Keys {
		mine := ownDefault(own, k.Kind, p.opt.Now())
		if mine == nil {
			continue
		}
		keys, err := models.ParsePublic(mine.Active(p.opt.Now()).Public)
		if err != nil || len(keys) != 1 {
			continue // a key that others can't be given either
		}
		all = append(all, views.Phrase{Kind: kindTitle(x, k.Kind), Words: models.SafetyPhrase(k.Kind, keys[0].Fingerprint, k.Fingerprint)})
	}
	return all, nil
}

// keyView is a key as a page shows it. The QR code is made where people compare keys.
func (p *people) keyView(x *fiber.Ctx, k *models.PublicKey, code bool) views.PublicKeyView {
	vm := views.PublicKeyView{Kind: kindTitle(x, k.Kind), Algorithm: k.Algorithm, Fingerprint: k.Fingerprint, Public: k.Public, Pinned: k.Pinned}
	qr := k.Fingerprint
	if c, err := k.Certificate(); err != nil {
		vm.Problem = reason(x.UserContext(), err)
	} else if c != nil {
		info := c.Info(p.opt.Now())
		vm.Fingerprint, qr = grouped(k.Fingerprint), "OPENPGP4FPR:"+k.Fingerprint
		for _, id := range info.UserIDs {
			vm.UserIDs = append(vm.UserIDs, pgp.Display(id))
		}
		vm.Problem = reason(x.UserContext(), info.EncryptErr)
	} else if k.Kind == models.KindAgePQ {
		vm.Fingerprint = grouped(k.Fingerprint)
	}
	if code {
		vm.QR = qrCode(qr)
	}
	return vm
}

func (p *people) changeView(x *fiber.Ctx, c models.Change) views.ChangeView {
	kind := lang.Args{"Kind": kindTitle(x, c.Kind)}
	vm := views.ChangeView{Loud: c.Stops()}
	if c.Pinned != nil {
		k := p.keyView(x, c.Pinned, false)
		vm.Pinned = &k
	}
	if c.Offered != nil {
		k := p.keyView(x, c.Offered, false)
		vm.Offered = &k
	}
	switch {
	case c.Unusable:
		vm.Title = say(x, "changes.no-key", kind)
		vm.Detail = say(x, "changes.no-key-detail")
	case c.Announced:
		vm.Title = say(x, "changes.renewed", kind)
		vm.Detail = say(x, "changes.renewed-detail")
	case c.Pinned == nil:
		vm.Title = say(x, "changes.new", kind)
		vm.Detail = say(x, "changes.new-detail")
	case c.Offered == nil:
		vm.Title = say(x, "changes.taken-back", kind)
		vm.Detail = say(x, "changes.taken-back-detail")
	default:
		vm.Title = say(x, "changes.changed", kind)
		vm.Detail = say(x, "changes.changed-detail")
	}
	return vm
}

// change reads the form of a person and runs act; a page that is out of date comes back with 409.
func (p *people) change(x *fiber.Ctx, act func(f *form, id models.ID) (done string, err error)) error {
	f, err := p.readForm(x, formLimit)
	if err != nil {
		return err
	}
	id, err := p.id(x)
	if err != nil {
		return err
	}
	done, err := act(f, id)
	if errs, other := fieldErrors(x, err); err != nil && other == nil && errs[""] == "" {
		return p.show(x, fiber.StatusUnprocessableEntity, "", nil, &views.DescribeForm{Name: printable(f.get("name")), Note: printableLines(f.get("note")), Errors: errs})
	}
	if models.ErrorCode(err) == models.Conflict {
		return p.show(x, fiber.StatusConflict, "", views.Fields{"": reason(x.UserContext(), err)}, nil)
	}
	if err != nil {
		return err
	}
	return redirect(x, done)
}

// Describe handles POST /people/:id/describe (name, note): 303 to the person, 422 with the form when a field is wrong.
func (p *people) Describe(x *fiber.Ctx) error {
	return p.change(x, func(f *form, id models.ID) (string, error) {
		return "/people/" + id.String() + "?done=saved", p.store.Describe(x.UserContext(), visitorOf(x).user, id, f.get("name"), f.get("note"))
	})
}

// Accept handles POST /people/:id/accept: pins what is offered now; 303, or 409 when that is not what the page showed.
func (p *people) Accept(x *fiber.Ctx) error {
	return p.change(x, func(f *form, id models.ID) (string, error) {
		return "/people/" + id.String() + "?done=accepted", p.store.Accept(x.UserContext(), visitorOf(x).user, id, f.get("state"))
	})
}

// Verify handles POST /people/:id/verify: notes that the keys were compared, or with undo takes it back; 303, or
// 409 as for Accept.
func (p *people) Verify(x *fiber.Ctx) error {
	return p.change(x, func(f *form, id models.ID) (string, error) {
		done := "verified"
		if f.on("undo") {
			done = "unverified"
		}
		return "/people/" + id.String() + "?done=" + done, p.store.Verify(x.UserContext(), visitorOf(x).user, id, f.get("state"), !f.on("undo"))
	})
}

// Delete handles POST /people/:id/delete: 303 to the list.
func (p *people) Delete(x *fiber.Ctx) error {
	return p.change(x, func(_ *form, id models.ID) (string, error) {
		return "/people?done=deleted", p.store.Delete(x.UserContext(), visitorOf(x).user, id)
	})
}

// Listed handles POST /account/listed: whether others find the account by its login; 303.
func (a *account) Listed(x *fiber.Ctx) error {
	f, err := a.readForm(x, formLimit)
	if err != nil {
		return err
	}
	unlisted := !f.on("listed")
	if err := a.db.Accounts.SetUnlisted(x.UserContext(), visitorOf(x).user, unlisted); err != nil {
		return err
	}
	if unlisted {
		a.note(x, models.EventUnlisted, "")
		return redirect(x, "/account?done=unlisted")
	}
	a.note(x, models.EventListed, "")
	return redirect(x, "/account?done=listed")
}
