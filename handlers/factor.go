package handlers

import (
	"context"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto/totp"
	"zencrypt/models"
	"zencrypt/views"
)

type factorStore interface {
	Has(ctx context.Context, account models.ID) (bool, error)
	State(ctx context.Context, u *models.Unlocked) (*models.FactorState, error)
	Begin(ctx context.Context, u *models.Unlocked, current string) error
	Cancel(ctx context.Context, u *models.Unlocked) error
	Confirm(ctx context.Context, u *models.Unlocked, code string) (codes []string, err error)
	NewCodes(ctx context.Context, u *models.Unlocked, current string) ([]string, error)
	TurnOff(ctx context.Context, u *models.Unlocked, current string, keep bool) error
}

// factor is a person's own second factor: app, one-time codes and the page that shows passkeys too.
type factor struct {
	*core
	store factorStore
}

// lacksFactor tells whether a person has still to set up the second factor that this server asks for.
func (c *core) lacksFactor(x *fiber.Ctx) (bool, error) {
	if !c.opt.RequireFactor {
		return false, nil
	}
	on, err := c.db.Factors.Has(x.UserContext(), visitorOf(x).user.Account.ID)
	return !on, err
}

var (
	secondPage = sheet{title: "titles.factor", Page: views.Page{Active: "account"}}
	codesPage  = sheet{title: "titles.codes", Page: views.Page{Active: "account", Narrow: true, NoStore: true}}
)

// Show handles GET /account/factor.
func (a *factor) Show(x *fiber.Ctx) error {
	done := notice(x, map[string]string{
		"on":        "notices.factor-on",
		"off":       "notices.factor-off",
		"cancelled": "notices.factor-cancelled",
		"passkey":   "notices.passkey-added",
		"unlocks":   "notices.passkey-unlocks",
		"removed":   "notices.passkey-removed",
	})
	return a.show(x, fiber.StatusOK, done, "", nil)
}

// show is the page; the form named open has the errors.
func (a *factor) show(x *fiber.Ctx, status int, notice, open string, errs views.Fields) error {
	u := visitorOf(x).user
	s, err := a.store.State(x.UserContext(), u)
	if err != nil {
		return err
	}
	p := views.FactorPage{Login: u.Account.Login, On: s.On(), Required: a.opt.RequireFactor, App: s.TOTP, CodesLeft: s.CodesLeft,
		CodesMade: s.CodesMade, Damaged: s.Damaged, PasskeysHere: a.passkeysHere(x), PasskeyOrigin: a.passkeyOrigin(),
		Notice: notice, OthersStay: x.Query("others") == "stay", Open: open, Errors: errs}
	if s.Setup != nil {
		address, err := totp.URL(s.Setup, "Zencrypt "+originHost(a.opt.Origins[0]), u.Account.Login)
		if err != nil {
			return err
		}
		p.Setup = &views.AppSetup{URL: address, Secret: totp.Text(s.Setup), QR: qrCode(address)}
	}
	for _, k := range s.Passkeys {
		p.Passkeys = append(p.Passkeys, views.PasskeyRow{ID: k.ID.String(), Name: k.Name, Created: k.Created, Used: k.Used,
			Unlocks: k.Unlocks, Copied: k.Copied, Unreadable: k.Unreadable})
	}
	page := secondPage
	page.NoStore = p.Setup != nil
	return a.render(x, status, page, views.SecondFactor(p))
}

// confirm is core's, with the page of the second factor for what was wrong.
func (a *factor) confirm(x *fiber.Ctx, name string, act func(f *form, u *models.Unlocked) error) (handled bool, err error) {
	return a.core.confirm(x, act, func(errs views.Fields) error {
		return a.show(x, fiber.StatusUnprocessableEntity, "", name, errs)
	})
}

// Begin handles POST /account/factor: a seed for an app, 303 to the page that shows it until its first code.
func (a *factor) Begin(x *fiber.Ctx) error {
	done, err := a.confirm(x, "app", func(f *form, u *models.Unlocked) error {
		return a.store.Begin(x.UserContext(), u, f.get("current"))
	})
	if done || err != nil {
		return err
	}
	return redirect(x, "/account/factor#setup")
}

// Confirm handles POST /account/factor/confirm: the app's first code. 200 with the one-time codes, once, when
// this is the account's first factor; else 303.
func (a *factor) Confirm(x *fiber.Ctx) error {
	f, err := a.readForm(x, formLimit)
	if err != nil {
		return err
	}
	codes, err := a.store.Confirm(x.UserContext(), visitorOf(x).user, f.get("code"))
	if models.ErrorCode(err) == models.Gone {
		return a.show(x, fiber.StatusUnprocessableEntity, "", "app", views.Fields{"": reason(x.UserContext(), err)})
	}
	if err != nil {
		errs, err := fieldErrors(x, err)
		if err != nil {
			return err
		}
		return a.show(x, fiber.StatusUnprocessableEntity, "", "setup", errs)
	}
	a.note(x, models.EventFactorOn, "")
	stay := a.endOthers(x, f.on("others"))
	if codes == nil {
		return factorDone(x, "on", stay)
	}
	return a.codes(x, views.FactorCodes{Codes: codes, First: true, OthersStay: stay})
}

// Cancel handles POST /account/factor/cancel: 303.
func (a *factor) Cancel(x *fiber.Ctx) error {
	if err := a.store.Cancel(x.UserContext(), visitorOf(x).user); err != nil {
		return err
	}
	return redirect(x, "/account/factor?done=cancelled")
}

// Codes handles POST /account/factor/codes: 200 with ten new one-time codes, once.
func (a *factor) Codes(x *fiber.Ctx) error {
	var codes []string
	done, err := a.confirm(x, "codes", func(f *form, u *models.Unlocked) (err error) {
		codes, err = a.store.NewCodes(x.UserContext(), u, f.get("current"))
		return err
	})
	if done || err != nil {
		return err
	}
	a.note(x, models.EventFactorCodes, "")
	return a.codes(x, views.FactorCodes{Codes: codes})
}

func (a *factor) codes(x *fiber.Ctx, v views.FactorCodes) error {
	v.Server = strings.TrimPrefix(strings.TrimPrefix(a.opt.Origins[0], "https://"), "http://")
	return a.render(x, fiber.StatusOK, codesPage, views.OneTimeCodes(v))
}

// Off handles POST /account/factor/off: 303.
func (a *factor) Off(x *fiber.Ctx) error {
	others := false
	done, err := a.confirm(x, "off", func(f *form, u *models.Unlocked) error {
		others = f.on("others")
		return a.store.TurnOff(x.UserContext(), u, f.get("current"), a.opt.RequireFactor)
	})
	if done || err != nil {
		return err
	}
	a.note(x, models.EventFactorOff, "")
	return factorDone(x, "off", a.endOthers(x, others))
}
