package handlers

import (
	"context"
	"errors"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/limits"
	"zencrypt/models"
	"zencrypt/views"
)

type accountStore interface {
	CanRegister(ctx context.Context, login, password string) error
	Register(ctx context.Context, login, password string) (*models.Unlocked, error)
	RegisterInvited(ctx context.Context, token, login, password string) (*models.Unlocked, error)
	Authenticate(ctx context.Context, login, password string) (*models.Unlocked, error)
	AuthenticateAs(ctx context.Context, id models.ID, password string) (*models.Unlocked, error)
	OpenRecovery(ctx context.Context, login, code, password string) (*models.Recovery, error)
	FinishRecovery(ctx context.Context, r *models.Recovery) error
	Pending(ctx context.Context, u *models.Unlocked) (code, reason string, ok bool, err error)
	Confirm(ctx context.Context, u *models.Unlocked, code string) error
}

type sessionStore interface {
	Create(ctx context.Context, u *models.Unlocked, pending bool) (string, *models.Session, error)
	CreateRecovering(ctx context.Context, r *models.Recovery) (string, *models.Session, error)
	OpenPending(ctx context.Context, pending *models.Session) (*models.Unlocked, *models.Recovery, error)
	Promote(ctx context.Context, pending *models.Session) (string, *models.Session, *models.Unlocked, error)
	Claim(ctx context.Context, pending *models.Session) error
	Try(ctx context.Context, id models.ID) (left int, err error)
}

// auth is how a person comes in and goes out.
type auth struct {
	*core
	accounts accountStore
	sessions sessionStore
}

// formLimit bounds the forms that carry neither a text nor a file, in bytes: 64 pasted private keys are 5 KiB.
const formLimit = 64 << 10

// NewAccount handles GET /register: 200 with the form, or that registration is closed.
func (a *auth) NewAccount(x *fiber.Ctx) error {
	if visitorOf(x).user != nil {
		return redirect(x, "/encrypt")
	}
	return a.render(x, fiber.StatusOK, registerPage, views.Register(a.registerForm()))
}

var (
	registerPage = sheet{title: "titles.register", Page: views.Page{Active: "register", Narrow: true}}
	loginPage    = sheet{title: "titles.login", Page: views.Page{Active: "login", Narrow: true}}
	recoverPage  = sheet{title: "titles.recover", Page: views.Page{Active: "recover", Narrow: true}}
	recoveryPage = sheet{title: "titles.recovery-code", Page: views.Page{Active: "register/confirm", Narrow: true, NoStore: true}}
)

// Register handles POST /register: 303 to the recovery code, 422 with the form when a field is wrong,
// 403 when registration is closed.
func (a *auth) Register(x *fiber.Ctx) error {
	if !a.opt.Registration {
		return a.render(x, fiber.StatusForbidden, registerPage, views.Register(a.registerForm()))
	}
	f, err := a.readForm(x, formLimit)
	if err != nil {
		return err
	}
	login, pw := f.get("login"), f.get("password")
	var u *models.Unlocked
	if pw != f.get("password2") {
		err = wrong("password2", "wrong.passwords-differ")
	} else {
		u, err = a.register(x, login, pw, func(ctx context.Context) (*models.Unlocked, error) {
			return a.accounts.Register(ctx, login, pw)
		})
	}
	if err == nil {
		return a.registered(x, u)
	}
	errs, err := fieldErrors(x, err)
	if err != nil {
		return err
	}
	return a.render(x, fiber.StatusUnprocessableEntity, registerPage, views.Register(views.RegisterForm{Login: printable(login), Errors: errs}))
}

// register makes an account. What is cheap to refuse is refused first: a typo waits for no slow hash,
// and counts as no account.
func (a *auth) register(x *fiber.Ctx, login, pw string, create func(context.Context) (*models.Unlocked, error)) (u *models.Unlocked, err error) {
	client := visitorOf(x).client
	if ok, wait := a.rates.typo.Peek(client); !ok {
		return nil, tooMany(wait, "errors.many-registrations-refused")
	}
	if err := a.accounts.CanRegister(x.UserContext(), login, pw); err != nil {
		a.rates.typo.Take(client) // it cost a look at the password, and may say that a login is taken
		return nil, err
	}
	if ok, wait := a.rates.register.Take(client); !ok {
		return nil, tooMany(wait, "errors.many-accounts-made")
	}
	// Not of the log-in's part of the budget: a crowd that registers must not keep anybody out.
	err = a.slow(x, limits.User, func() error {
		u, err = create(x.UserContext())
		return err
	})
	return u, err
}

// registered notes a new account and lets its person in.
func (a *auth) registered(x *fiber.Ctx, u *models.Unlocked) error {
	a.noteEvent(x.UserContext(), u, nil, models.Event{Kind: models.EventMade})
	a.rememberDevice(x, u.Account.ID)
	x.Locals(localMade, true)
	return a.settled(x, a.begin(x, u, "/register/confirm"))
}

// ShowRecovery handles GET /register/confirm: the code that still has to be confirmed.
func (a *auth) ShowRecovery(x *fiber.Ctx) error { return a.recovery(x, fiber.StatusOK, nil) }

func (a *auth) recovery(x *fiber.Ctx, status int, errs views.Fields) error {
	code, reason, ok, err := a.accounts.Pending(x.UserContext(), visitorOf(x).user)
	if err != nil {
		return err
	}
	if !ok {
		return redirect(x, "/encrypt")
	}
	return a.render(x, status, recoveryPage, views.Recovery(views.RecoveryCode{Code: code, Reason: reason, Errors: errs}))
}

// ConfirmRecovery handles POST /register/confirm: 303 to the tools, 422 when the code differs.
func (a *auth) ConfirmRecovery(x *fiber.Ctx) error {
	f, err := a.readForm(x, formLimit)
	if err != nil {
		return err
	}
	if err := a.accounts.Confirm(x.UserContext(), visitorOf(x).user, f.get("code")); err != nil {
		errs, err := fieldErrors(x, err)
		if err != nil {
			return err
		}
		return a.recovery(x, fiber.StatusUnprocessableEntity, errs)
	}
	return redirect(x, "/encrypt")
}

// NewLogin handles GET /login.
func (a *auth) NewLogin(x *fiber.Ctx) error {
	next := localPath(x.Query("next"))
	if visitorOf(x).user != nil {
		return redirect(x, orElse(next, "/encrypt"))
	}
	form := views.LoginForm{Next: next}
	switch {
	case x.Query("late") != "":
		form.Notice = say(x, "notices.second-step-late")
	case x.Query("tries") != "":
		form.Notice = say(x, "notices.five-codes-wrong")
	case x.Query("out") != "":
		form.Notice = say(x, "notices.logged-out")
	case x.Query("kept") != "":
		form.Notice = say(x, "notices.disk-full-no-session")
	case x.Query("deleted") != "":
		form.Notice = say(x, "notices.own-account-deleted")
	case next != "":
		form.Notice = say(x, "notices.log-in-to-go-on")
	}
	return a.showLogin(x, fiber.StatusOK, form)
}

// showLogin renders the log-in's page. The same for everybody: whose password it is about is not told.
func (a *auth) showLogin(x *fiber.Ctx, status int, form views.LoginForm) (err error) {
	form.Register, form.Guests, form.Passkey = a.opt.Registration, a.opt.Guests, a.askAnybody(x, form.Next)
	if form.KeyLost, _, err = a.db.KeyLost(x.UserContext()); err != nil {
		return err
	}
	return a.render(x, status, loginPage, views.Login(form))
}

// Login handles POST /login: 303 to where the person wanted to go, 422 with the same words for an
// unknown login and a wrong password, 429 or 503 with Retry-After.
func (a *auth) Login(x *fiber.Ctx) error {
	f, err := a.readForm(x, formLimit)
	if err != nil {
		return err
	}
	login, next := f.get("login"), localPath(f.get("next"))
	only, keep, err := a.guess(x, login)
	if err != nil {
		return err
	}
	var u *models.Unlocked
	err = a.slow(x, limits.Login, func() error {
		if only != nil {
			u, err = a.accounts.AuthenticateAs(x.UserContext(), *only, f.get("password"))
		} else {
			u, err = a.accounts.Authenticate(x.UserContext(), login, f.get("password"))
		}
		return err
	})
	if models.ErrorCode(err) == models.Unauthorized {
		a.db.Activity.Failed(login, models.EventLoginFailed)
		return a.showLogin(x, fiber.StatusUnprocessableEntity, views.LoginForm{Login: printable(login), Next: next,
			Errors: views.Fields{"": say(x, "wrong.login-and-password")}})
	}
	keep()
	if err != nil {
		return err
	}
	return a.enter(x, u, next)
}

// NewRecover handles GET /recover.
func (a *auth) NewRecover(x *fiber.Ctx) error {
	return a.render(x, fiber.StatusOK, recoverPage, views.Recover(views.RecoverForm{Imported: a.anyImported(x)}))
}

// Recover handles POST /recover: a new password by the recovery code; 303 to the code that replaces it, or to
// the second factor where there is one.
func (a *auth) Recover(x *fiber.Ctx) error {
	f, err := a.readForm(x, formLimit)
	if err != nil {
		return err
	}
	form := views.RecoverForm{Login: printable(f.get("login")), Imported: a.anyImported(x)}
	if f.get("password") != f.get("password2") {
		form.Errors = views.Fields{"password2": say(x, "wrong.passwords-differ")}
		return a.render(x, fiber.StatusUnprocessableEntity, recoverPage, views.Recover(form))
	}
	_, keep, err := a.guess(x, f.get("login")) // a code of 160 bits is guessed by no device
	if err != nil {
		return err
	}
	var r *models.Recovery
	err = a.slow(x, limits.Login, func() error {
		r, err = a.accounts.OpenRecovery(x.UserContext(), f.get("login"), f.get("code"), f.get("password"))
		return err
	})
	switch models.ErrorCode(err) {
	case "":
		keep()
		return a.recovering(x, r)
	case models.Unauthorized:
		a.db.Activity.Failed(f.get("login"), models.EventRecoveryFailed)
		form.Errors = views.Fields{"": say(x, "wrong.login-and-code")}
	case models.Invalid:
		keep()
		if form.Errors, err = fieldErrors(x, err); err != nil {
			return err
		}
	default:
		keep()
		return err
	}
	return a.render(x, fiber.StatusUnprocessableEntity, recoverPage, views.Recover(form))
}

// Logout handles POST /logout: ends the session, its results and its transfers, and a guest's session beside it.
func (a *auth) Logout(x *fiber.Ctx) error {
	if s := visitorOf(x).session; s != nil {
		if visitorOf(x).user != nil {
			a.note(x, models.EventLogout, "")
		}
		// On a full disk the row stays for now; this server does not take it any more.
		if err := a.endSession(x.UserContext(), s.ID); err != nil && models.ErrorCode(err) != models.Unavailable {
			return err
		}
	}
	a.clearCookie(x, a.cookieName())
	if err := a.endGuest(x); err != nil { // the account's session has ended, whatever becomes of this one
		a.opt.Log.Warn("a guest's session could not be ended at a log-out; it ends by its time", "error", errorClass(err))
	}
	return redirect(x, "/login?out=1")
}

// begin opens a session under a new token, ends the one before (a guest's too), and goes on to next.
func (a *auth) begin(x *fiber.Ctx, u *models.Unlocked, next string) error {
	if err := a.leave(x, u.Account.ID); err != nil {
		return err
	}
	token, s, err := a.sessions.Create(x.UserContext(), u, false)
	if err != nil {
		return cantEnter(err)
	}
	return a.admit(x, token, s, u, next)
}

// endGuest ends the session that a browser had as a guest, beside a person's or alone, and takes its cookie back.
func (a *auth) endGuest(x *fiber.Ctx) error {
	token := x.Cookies(a.guestCookie())
	if token == "" {
		return nil
	}
	a.clearCookie(x, a.guestCookie())
	s, _, err := a.db.Sessions.Lookup(x.UserContext(), token)
	switch models.ErrorCode(err) {
	case "":
		return a.endSession(x.UserContext(), s.ID)
	case models.NotFound, models.Gone, models.Unauthorized, models.Invalid:
		return nil // there is none to end
	}
	return err
}

// leave ends the session that a browser had before an account logs in anew. One that waited for that account's second
// factor did not stop there: its person is here again. One that waited for another's did, and is told to its owner.
func (a *auth) leave(x *fiber.Ctx, account models.ID) error {
	s := visitorOf(x).session
	if s == nil {
		return nil
	}
	if s.Pending && s.Account != nil && *s.Account == account {
		_ = a.sessions.Claim(x.UserContext(), s) // else it is counted as a log-in that stopped, which it may well be
	}
	if err := a.endSession(x.UserContext(), s.ID); err != nil && !models.ReadOnly(err) { // then it is ended in memory
		return err
	}
	return nil
}

// admit lets a person in under a new session's token.
func (a *auth) admit(x *fiber.Ctx, token string, s *models.Session, u *models.Unlocked, next string) error {
	a.setCookie(x, a.cookieName(), token, 0)
	a.noteLogin(x, u, s)
	// What an import left: the password takes it in as it opens the account, a passkey or a recovery code here. What does
	// not come for want of space comes at the next log-in.
	_, _ = a.db.Imports.Receive(x.UserContext(), u)
	_ = a.endGuest(x) // it ends by itself, or the janitor ends it
	// A renewal of the account key that was cut short goes on at the next log-in.
	if err := a.reseal(x.UserContext(), u, s); err != nil {
		return err
	}
	// So does a rewrap.
	a.resumeRewrap(x.UserContext(), u, s)
	return redirect(x, next)
}

// resealBatch bounds the rows that one transaction reseals: about 50 ms of work, during which no other
// write gets in.
const resealBatch = 500

// reseal goes on with the renewal of an account key: a first part at once, which is all for most, and
// the rest in the background while the session lives.
func (c *core) reseal(ctx context.Context, u *models.Unlocked, s *models.Session) error {
	left, err := c.db.Accounts.Reseal(models.Unhurried(ctx), u, resealBatch)
	if models.ReadOnly(err) || models.Busy(err) { // who could be logged in is; this goes on at the next log-in
		return nil
	}
	if err != nil || left == 0 {
		return err
	}
	tr := c.transfers.add(s)
	c.background.Go(func() {
		defer c.transfers.done(tr)
		for left > 0 && err == nil && !tr.stopped.Load() {
			c.pause(context.Background(), tr.stopped.Load)
			left, err = c.db.Accounts.Reseal(models.Unhurried(context.Background()), u, resealBatch)
			if models.Busy(err) || models.ReadOnly(err) && c.db.Why() != "" {
				time.Sleep(time.Second)
				left, err = 1, nil // it is paused, and looks again
			}
		}
		if err != nil {
			c.opt.Log.Error("renewing an account key stopped; it goes on at the next log-in", "error", errorClass(err))
		}
	})
	return nil
}

// endSession ends a session with its results and running transfers.
func (c *core) endSession(ctx context.Context, id models.ID) error {
	c.transfers.cut(id)
	gone, err := c.db.Sessions.End(ctx, id)
	if err != nil {
		c.ended.Store(id, struct{}{}) // the janitor tries again
		c.transfers.cut(id)
		return err
	}
	c.ended.Delete(id)
	c.transfers.cut(id) // what found the session while it was being removed
	c.dropResults(gone)
	return nil
}

// settled goes on after the account was changed for good: when no session can be opened for want of
// disk, the person is told that it is done, and not that nothing was.
func (c *core) settled(x *fiber.Ctx, err error) error {
	if models.ErrorCode(err) != models.Unavailable {
		return err
	}
	c.clearCookie(x, c.cookieName())
	return redirect(x, "/login?kept=1")
}

// slow runs something that is slow on purpose inside the server's one budget for it.
func (c *core) slow(x *fiber.Ctx, class limits.Class, work func() error) error {
	release, err := c.budget.Acquire(x.UserContext(), class, c.opt.LoginCost)
	if err != nil {
		return err
	}
	defer release()
	return work()
}

// fieldErrors turns a store's complaint about a field into the form's; any other error comes back.
func fieldErrors(x *fiber.Ctx, err error) (views.Fields, error) {
	var e *models.Error
	if errors.As(err, &e) {
		switch e.Code {
		case models.Invalid, models.Conflict, models.Unauthorized:
			return views.Fields{e.Field: reason(x.UserContext(), err)}, nil
		}
	}
	return nil, err
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
