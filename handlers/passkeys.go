package handlers

import (
	"context"
	"encoding/json"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto/passkey"
	"zencrypt/models"
	"zencrypt/views"
)

type passkeyStore interface {
	List(ctx context.Context, u *models.Unlocked) ([]models.Passkey, error)
	Add(ctx context.Context, u *models.Unlocked, name string, c passkey.Credential, prf []byte) (codes []string, err error)
	Unlock(ctx context.Context, u *models.Unlocked, id models.ID, c passkey.Credential, prf []byte) error
	Remove(ctx context.Context, u *models.Unlocked, id models.ID, current string, keep bool) error
}

// passkeys are those of a person's account.
type passkeys struct {
	*factor
	store passkeyStore
}

var passkeyPage = sheet{title: "titles.passkey", Page: views.Page{Active: "account", Narrow: true}}

// here is an error unless browsers have passkeys for the name that the page was asked for under.
func (p *passkeys) here(x *fiber.Ctx) error {
	if p.passkeysHere(x) {
		return nil
	}
	return wrong("", "wrong.passkeys-elsewhere")
}

// Ask handles POST /passkeys/new: 200 with the page that makes a passkey, 422 with the form when a field is wrong.
func (p *passkeys) Ask(x *fiber.Ctx) error {
	var ask *views.PasskeyAsk
	done, err := p.confirm(x, "passkey", func(f *form, u *models.Unlocked) error {
		if err := p.here(x); err != nil {
			return err
		}
		name, err := models.CheckPasskeyName(f.get("name"))
		if err != nil {
			return err
		}
		if err := p.db.Accounts.CheckPassword(x.UserContext(), u, f.get("current")); err != nil {
			return err
		}
		all, err := p.store.List(x.UserContext(), u)
		if err != nil {
			return err
		}
		options, question, err := p.rp.Create(passkeyUser(u.Account), credentials(all))
		if err != nil {
			return err
		}
		ask, err = p.ask(visitorOf(x).session.ID, "create", ceremony{State: question, Name: name, Others: f.on("others")}, views.PasskeyAsk{
			Kind: "create", Action: "/passkeys", Options: string(options), Button: say(x, "results.make-passkey")})
		return err
	})
	if done || err != nil {
		return err
	}
	return p.render(x, fiber.StatusOK, passkeyPage, views.PasskeyStep(views.PasskeyPage{Ask: *ask}))
}

// Add handles POST /passkeys: keeps the passkey that the browser made. 200 with the one-time codes, once, when
// it is the account's first factor, or with the question whether it is to unlock too; else 303.
func (p *passkeys) Add(x *fiber.Ctx) error {
	f, err := p.readForm(x, formLimit)
	if err != nil {
		return err
	}
	ctx, v := x.UserContext(), visitorOf(x)
	u := v.user
	what, err := p.asked.get("create", v.session.ID, f.get("state"))
	if err != nil || p.rp == nil {
		return p.failed(x, "wrong.passkey-not-made")
	}
	made, verified, err := p.rp.Created(passkeyUser(u.Account), what.State, []byte(f.get("credential")))
	if err != nil || !p.asked.take(f.get("state")) {
		if err != nil {
			p.opt.Log.Info("a new passkey was refused", "request", requestID(x))
		}
		return p.failed(x, "wrong.passkey-answer")
	}
	prf := prfOf(f)
	if !verified {
		prf = nil
	}
	codes, err := p.store.Add(ctx, u, what.Name, made, prf)
	if err != nil {
		errs, err := fieldErrors(x, err)
		if err != nil {
			return err
		}
		return p.show(x, fiber.StatusUnprocessableEntity, "", "passkey", errs)
	}
	p.note(x, models.EventPasskeyAdded, what.Name)
	if prf != nil {
		p.note(x, models.EventPasskeyUnlocks, what.Name)
	}
	stay := p.endOthers(x, what.Others)
	var unlock *views.PasskeyAsk
	if prf == nil && offersPRF([]byte(f.get("credential"))) {
		if unlock, err = p.askUnlock(x, made); err != nil { // it is kept, and its codes are shown this once
			p.warn("a passkey that was made could not be asked to unlock as well", err)
			unlock = nil
		}
	}
	switch {
	case codes != nil:
		return p.codes(x, views.FactorCodes{Codes: codes, First: true, Unlock: unlock, Unlocks: prf != nil, OthersStay: stay})
	case unlock != nil:
		return p.render(x, fiber.StatusOK, passkeyPage, views.PasskeyStep(views.PasskeyPage{Ask: *unlock, Made: true, OthersStay: stay}))
	case prf != nil:
		return factorDone(x, "unlocks", stay)
	}
	return factorDone(x, "passkey", stay)
}

func (p *passkeys) failed(x *fiber.Ctx, why string) error {
	return p.show(x, fiber.StatusUnprocessableEntity, "", "passkey", views.Fields{"": say(x, why)})
}

// offersPRF tells whether the browser says of a new passkey that it has the PRF extension.
func offersPRF(response []byte) bool {
	var r struct {
		ClientExtensionResults struct {
			PRF struct{ Enabled bool } `json:"prf"`
		} `json:"clientExtensionResults"`
	}
	return json.Unmarshal(response, &r) == nil && r.ClientExtensionResults.PRF.Enabled
}

// askUnlock asks a passkey of the person's for what its PRF gives.
func (p *passkeys) askUnlock(x *fiber.Ctx, c passkey.Credential) (*views.PasskeyAsk, error) {
	v := visitorOf(x)
	all, err := p.store.List(x.UserContext(), v.user)
	if err != nil {
		return nil, err
	}
	for _, k := range all {
		if k.Unreadable || string(k.Credential.ID()) != string(c.ID()) {
			continue
		}
		options, question, err := p.rp.AskPRF(passkeyUser(v.user.Account), k.Credential)
		if err != nil {
			return nil, err
		}
		return p.ask(v.session.ID, "unlock", ceremony{State: question, Passkey: k.ID}, views.PasskeyAsk{
			Kind: "get", Action: "/passkeys/" + k.ID.String() + "/unlock", Options: string(options), Button: say(x, "results.let-it-unlock")})
	}
	return nil, models.Errorf(models.NotFound, "", "find passkey: it is not there")
}

// Unlock handles POST /passkeys/:id/unlock. With the password: 200 with the page that asks the passkey. With
// the passkey's answer: 303, and the passkey opens the account from then on; 422 when it can't.
func (p *passkeys) Unlock(x *fiber.Ctx) error {
	id, err := models.ParseID(x.Params("id"))
	if err != nil {
		return err
	}
	f, err := p.readForm(x, formLimit)
	if err != nil {
		return err
	}
	if f.get("credential") != "" {
		return p.unlocked(x, id, f)
	}
	var ask *views.PasskeyAsk
	done, err := p.confirmForm(x, f, func(f *form, u *models.Unlocked) error {
		k, err := p.find(x, id)
		if err != nil {
			return err
		}
		if err := p.here(x); err != nil {
			return err
		}
		if err := p.db.Accounts.CheckPassword(x.UserContext(), u, f.get("current")); err != nil {
			return err
		}
		ask, err = p.askUnlock(x, k.Credential)
		return err
	}, func(errs views.Fields) error {
		return p.show(x, fiber.StatusUnprocessableEntity, "", "unlock-"+id.String(), errs)
	})
	if done || err != nil {
		return err
	}
	return p.render(x, fiber.StatusOK, passkeyPage, views.PasskeyStep(views.PasskeyPage{Ask: *ask}))
}

func (p *passkeys) find(x *fiber.Ctx, id models.ID) (*models.Passkey, error) {
	all, err := p.store.List(x.UserContext(), visitorOf(x).user)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].ID == id && !all[i].Unreadable {
			return &all[i], nil
		}
	}
	return nil, models.Errorf(models.NotFound, "", "find passkey: it is not there")
}

func (p *passkeys) unlocked(x *fiber.Ctx, id models.ID, f *form) error {
	v := visitorOf(x)
	k, err := p.find(x, id)
	if err != nil {
		return err
	}
	what, err := p.asked.get("unlock", v.session.ID, f.get("state"))
	if err != nil || what.Passkey != id || p.rp == nil {
		return p.failed(x, "wrong.passkey-not-unlocking")
	}
	answered, err := p.answered(x, v.user, []models.Passkey{*k}, what, f)
	if err == nil {
		err = p.store.Unlock(x.UserContext(), v.user, id, answered.Credential, prfOf(f))
	}
	if err != nil {
		errs, err := fieldErrors(x, err)
		if err != nil {
			return err
		}
		return p.show(x, fiber.StatusUnprocessableEntity, "", "passkey", errs)
	}
	p.note(x, models.EventPasskeyUnlocks, k.Name)
	return redirect(x, "/account/factor?done=unlocks")
}

// Delete handles POST /passkeys/:id/delete: 303; 422 when the password is wrong.
func (p *passkeys) Delete(x *fiber.Ctx) error {
	id, err := models.ParseID(x.Params("id"))
	if err != nil {
		return err
	}
	others := false
	done, err := p.confirm(x, "delete-"+id.String(), func(f *form, u *models.Unlocked) error {
		others = f.on("others")
		return p.store.Remove(x.UserContext(), u, id, f.get("current"), p.opt.RequireFactor)
	})
	if done || err != nil {
		return err
	}
	p.note(x, models.EventPasskeyRemoved, "")
	return factorDone(x, "removed", p.endOthers(x, others))
}
