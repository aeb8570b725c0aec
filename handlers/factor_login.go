package handlers

import (
	"errors"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto/passkey"
	"zencrypt/models"
	"zencrypt/views"
)

// enter goes on after the right password: to the second factor where there is one.
func (a *auth) enter(x *fiber.Ctx, u *models.Unlocked, next string) error {
	on, err := a.db.Factors.Has(x.UserContext(), u.Account.ID)
	if err != nil {
		return err
	}
	if !on {
		a.rememberDevice(x, u.Account.ID)
		return a.begin(x, u, orElse(next, "/encrypt"))
	}
	token, _, err := a.sessions.Create(x.UserContext(), u, true)
	if err != nil {
		return cantEnter(err)
	}
	return a.wait(x, token, u.Account.ID, next)
}

// recovering goes on after the right recovery code: nothing is changed before the second factor.
func (a *auth) recovering(x *fiber.Ctx, r *models.Recovery) error {
	on, err := a.db.Factors.Has(x.UserContext(), r.Account.ID)
	if err != nil {
		return err
	}
	if !on {
		return a.recovered(x, r)
	}
	token, _, err := a.sessions.CreateRecovering(x.UserContext(), r)
	if err != nil {
		return cantEnter(err)
	}
	return a.wait(x, token, r.Account.ID, "")
}

// recovered sets the new password and lets the person in.
func (a *auth) recovered(x *fiber.Ctx, r *models.Recovery) error {
	if err := a.accounts.FinishRecovery(x.UserContext(), r); err != nil {
		return err
	}
	a.transfers.cutAccount(r.Account.ID, nil)
	a.noteEvent(x.UserContext(), r.Unlocked, nil, models.Event{Kind: models.EventRecovery})
	if x.Locals(localFactors) == nil {
		x.Locals(localFactors, "recovery code")
	}
	return a.settled(x, a.begin(x, r.Unlocked, "/register/confirm"))
}

// wait gives a session that waits for its second factor, and ends the one before.
func (a *auth) wait(x *fiber.Ctx, token string, account models.ID, next string) error {
	if err := a.leave(x, account); err != nil {
		return err
	}
	a.setCookie(x, a.cookieName(), token, 0)
	_ = a.endGuest(x) // it ends by itself, or the janitor ends it
	if next != "" {
		return redirect(x, "/login/factor?next="+url.QueryEscape(next))
	}
	return redirect(x, "/login/factor")
}

// NewFactor handles GET /login/factor, for a session that waits for its second factor.
func (a *auth) NewFactor(x *fiber.Ctx) error {
	s := visitorOf(x).session
	return a.askFactor(x, fiber.StatusOK, s.Tries, localPath(x.Query("next")), nil)
}

var factorPage = sheet{title: "titles.factor", Page: views.Page{Active: "login", Narrow: true}}

func (a *auth) askFactor(x *fiber.Ctx, status, left int, next string, errs views.Fields) error {
	s := visitorOf(x).session
	u, r, err := a.sessions.OpenPending(x.UserContext(), s)
	if err != nil {
		return a.tooLate(x, err)
	}
	state, err := a.db.Factors.State(x.UserContext(), u)
	if err != nil {
		return err
	}
	form := views.FactorForm{TriesLeft: left, Next: next, Recovering: r != nil, App: !state.TOTP.IsZero(), Codes: state.CodesLeft > 0,
		Passkeys: len(state.Passkeys) > 0, Errors: errs}
	have := credentials(state.Passkeys)
	switch {
	case len(have) == 0:
	case !a.passkeysHere(x):
		form.PasskeyOrigin = a.passkeyOrigin()
	default:
		options, question, err := a.rp.Ask(passkeyUser(u.Account), have)
		if err != nil {
			return err
		}
		if form.Passkey, err = a.ask(s.ID, "factor", ceremony{State: question}, views.PasskeyAsk{
			Kind: "get", Action: "/login/factor", Options: string(options), Button: say(x, "results.use-passkey"), Next: next}); err != nil {
			return err
		}
	}
	return a.render(x, status, factorPage, views.Factor(form))
}

// ask completes a question to a passkey with the state that comes back with its answer.
func (c *core) ask(session models.ID, purpose string, what ceremony, form views.PasskeyAsk) (*views.PasskeyAsk, error) {
	text, err := c.asked.put(purpose, session, what)
	if err != nil {
		return nil, err
	}
	form.State = text
	return &form, nil
}

// tooLate leads to a new log-in when a pending session has ended meanwhile.
func (a *auth) tooLate(x *fiber.Ctx, err error) error {
	switch models.ErrorCode(err) {
	case models.Gone, models.Unauthorized:
		a.clearCookie(x, a.cookieName())
		return redirect(x, "/login?late=1")
	}
	return err
}

// Factor handles POST /login/factor: 303 to where the person wanted to go, under a new token; 422 with the
// tries that are left; 303 to the log-in page after the fifth; 429 with Retry-After.
func (a *auth) Factor(x *fiber.Ctx) error {
	f, err := a.readForm(x, formLimit)
	if err != nil {
		return err
	}
	ctx, s, next := x.UserContext(), visitorOf(x).session, localPath(f.get("next"))
	u, r, err := a.sessions.OpenPending(ctx, s)
	if err != nil {
		return a.tooLate(x, err)
	}
	keep, err := a.guessFactor(x, u.Account)
	if err != nil {
		return err
	}
	left, err := a.sessions.Try(ctx, s.ID)
	if err != nil {
		keep()
		return a.tooLate(x, err)
	}
	if err := a.checkFactor(x, u, s, f); err != nil {
		errs, err := fieldErrors(x, err)
		if err != nil {
			keep()
			return err
		}
		a.db.Activity.FailedFor(u.Account.ID, models.EventFactorFailed)
		if left > 0 {
			return a.askFactor(x, fiber.StatusUnprocessableEntity, left, next, errs)
		}
		if err := a.endSession(ctx, s.ID); err != nil {
			return err
		}
		a.clearCookie(x, a.cookieName())
		return redirect(x, "/login?tries=1")
	}
	keep()
	x.Locals(localFactors, factorsOf(r != nil, f))
	if f.get("credential") == "" && models.IsOneTimeCode(f.get("code")) {
		a.noteEvent(ctx, u, nil, models.Event{Kind: models.EventFactorCodeUsed})
	}
	a.rememberDevice(x, u.Account.ID)
	if r != nil {
		if err := a.sessions.Claim(ctx, s); err != nil {
			return a.tooLate(x, err)
		}
		return a.recovered(x, r)
	}
	token, fresh, u, err := a.sessions.Promote(ctx, s)
	if err != nil {
		return a.tooLate(x, err)
	}
	return a.admit(x, token, fresh, u, orElse(next, "/encrypt"))
}

// factorsOf names what a log-in was done with.
func factorsOf(recovering bool, f *form) string {
	first, second := "password", "app"
	if recovering {
		first = "recovery code"
	}
	switch {
	case f.get("credential") != "":
		second = "passkey"
	case models.IsOneTimeCode(f.get("code")):
		second = "one-time code"
	}
	return first + ", " + second
}

// checkFactor is nil when a code or a passkey's answer fits; Unauthorized when it does not.
func (a *auth) checkFactor(x *fiber.Ctx, u *models.Unlocked, s *models.Session, f *form) error {
	if f.get("credential") == "" {
		return a.db.Factors.Check(x.UserContext(), u, f.get("code"))
	}
	what, err := a.asked.get("factor", s.ID, f.get("state"))
	if err != nil || a.rp == nil {
		return failed(models.Unauthorized, "", told("wrong.passkey-too-long"))
	}
	all, err := a.db.Passkeys.List(x.UserContext(), u)
	if err != nil {
		return err
	}
	_, err = a.answered(x, u, all, what, f)
	return err
}

// answered checks a passkey's answer against those of a person, and keeps its new counter.
func (c *core) answered(x *fiber.Ctx, u *models.Unlocked, all []models.Passkey, what ceremony, f *form) (*models.Passkey, error) {
	got, err := c.rp.Answered(passkeyUser(u.Account), credentials(all), what.State, []byte(f.get("credential")))
	copied := errors.Is(err, passkey.ErrCopied)
	if err != nil && !copied {
		c.opt.Log.Info("a passkey's answer was refused", "request", requestID(x))
		return nil, failed(models.Unauthorized, "", told("wrong.passkey-does-not-fit"))
	}
	var found *models.Passkey
	for i := range all {
		if !all[i].Unreadable && string(all[i].Credential.ID()) == string(got.ID()) {
			found = &all[i]
		}
	}
	if found == nil || !copied && !c.asked.take(f.get("state")) {
		return nil, failed(models.Unauthorized, "", told("wrong.passkey-does-not-fit"))
	}
	if err := c.db.Passkeys.Used(x.UserContext(), u, found.ID, got, copied); err != nil {
		return nil, err
	}
	if copied {
		return nil, failed(models.Unauthorized, "",
			told("wrong.passkey-copied"))
	}
	found.Credential = got
	return found, nil
}

// askAnybody is the log-in page's question for a passkey that opens an account alone, or nil where there are none.
func (a *auth) askAnybody(x *fiber.Ctx, next string) *views.PasskeyAsk {
	if !a.passkeysHere(x) {
		return nil
	}
	options, question, err := a.rp.AskAnybody()
	if err != nil {
		return nil
	}
	form, err := a.ask(models.ID{}, "login", ceremony{State: question}, views.PasskeyAsk{
		Kind: "get", Action: "/login/passkey", Options: string(options), Button: say(x, "results.log-in-with-passkey"), Next: next})
	if err != nil {
		return nil
	}
	return form
}

// Passkey handles POST /login/passkey: a passkey that opens the account without the password. 303 to where
// the person wanted to go, 422 with the log-in page, 429 with Retry-After.
func (a *auth) Passkey(x *fiber.Ctx) error {
	f, err := a.readForm(x, formLimit)
	if err != nil {
		return err
	}
	next, client := localPath(f.get("next")), visitorOf(x).client
	if ok, wait := a.rates.loginClient.Take(client); !ok {
		return tooMany(wait, "errors.many-log-ins-failed")
	}
	u, err := a.byPasskey(x, f)
	if models.ErrorCode(err) == models.Unauthorized {
		a.db.Activity.FailedFor(models.ID{}, models.EventPasskeyFailed)
		errs, _ := fieldErrors(x, err)
		return a.showLogin(x, fiber.StatusUnprocessableEntity, views.LoginForm{Next: next, Errors: errs})
	}
	a.rates.loginClient.Return(client)
	if err != nil {
		return err
	}
	a.rememberDevice(x, u.Account.ID)
	x.Locals(localFactors, "passkey")
	return a.begin(x, u, orElse(next, "/encrypt"))
}

func (a *auth) byPasskey(x *fiber.Ctx, f *form) (*models.Unlocked, error) {
	if a.rp == nil {
		return nil, failed(models.Unauthorized, "", told("wrong.no-passkeys"))
	}
	what, err := a.asked.get("login", models.ID{}, f.get("state"))
	if err != nil {
		return nil, failed(models.Unauthorized, "", told("wrong.passkey-too-long"))
	}
	id, err := passkey.CredentialID([]byte(f.get("credential")))
	if err != nil {
		return nil, failed(models.Unauthorized, "", told("wrong.passkey-unreadable"))
	}
	prf := prfOf(f)
	if prf == nil {
		return nil, failed(models.Unauthorized, "",
			told("wrong.passkey-no-prf"))
	}
	u, k, err := a.db.Passkeys.Open(x.UserContext(), id, prf)
	if err != nil {
		return nil, err
	}
	// What opened the account says that it is the passkey; its signature says that it is here and now.
	if _, err := a.answered(x, u, []models.Passkey{*k}, what, f); err != nil {
		return nil, err
	}
	return u, nil
}
