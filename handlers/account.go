package handlers

import (
	"context"
	"errors"

	"github.com/gofiber/fiber/v2"

	"zencrypt/lang"
	"zencrypt/limits"
	"zencrypt/models"
	"zencrypt/views"
)

type ownAccountStore interface {
	CheckPassword(ctx context.Context, u *models.Unlocked, current string) error
	ChangePassword(ctx context.Context, u *models.Unlocked, current, password string) error
	NewRecovery(ctx context.Context, u *models.Unlocked, current string) error
	Renew(ctx context.Context, u *models.Unlocked, current string) error
	ResealLeft(ctx context.Context, u *models.Unlocked) (int, error)
	Delete(ctx context.Context, u *models.Unlocked, current string) ([]models.ID, error)
	Usage(ctx context.Context, account models.ID) (items int, bytes int64, err error)
}

type ownSessionStore interface {
	Create(ctx context.Context, u *models.Unlocked, pending bool) (string, *models.Session, error)
	List(ctx context.Context, account models.ID) ([]models.Session, error)
}

// account is a person's own account: sessions, password, recovery, renewal, the end.
type account struct {
	*core
	accounts ownAccountStore
	sessions ownSessionStore
}

// Show handles GET /account.
func (a *account) Show(x *fiber.Ctx) error {
	done := notice(x, map[string]string{
		"password": "notices.password-changed",
		"sessions": "notices.session-ended",
		"renew":    "notices.account-key-renewed",
		"listed":   "notices.listed",
		"unlisted": "notices.unlisted",
	})
	open := ""
	if x.Query("open") == "password" {
		open = "password"
	}
	return a.show(x, fiber.StatusOK, done, open, nil)
}

func (a *account) show(x *fiber.Ctx, status int, notice, open string, errs views.Fields) error {
	ctx, v := x.UserContext(), visitorOf(x)
	u := v.user
	p := views.AccountPage{Login: u.Account.Login, Created: u.Account.Created, Notice: notice, Open: open,
		Quota: a.quota(v), QuotaUsed: a.files.Used(owner(v)), KeyVersion: u.Account.KeyVersion,
		RecoveryCreated: u.Account.RecoveryCreated}
	if errs != nil {
		p.Errors = map[string]views.Fields{open: errs}
	}
	list, err := a.sessions.List(ctx, u.Account.ID)
	if err != nil {
		return err
	}
	p.Waiting = waiting(list)
	for _, s := range list {
		if s.Pending {
			continue
		}
		p.Sessions = append(p.Sessions, views.SessionRow{ID: s.ID.String(), Created: s.Created, Touched: s.Touched,
			Expires: s.Expires, Current: s.ID == v.session.ID})
	}
	if p.Holds, err = a.holds(ctx, u); err != nil {
		return err
	}
	p.Items = p.Holds.Items
	if p.Unlisted, err = a.db.Accounts.Unlisted(ctx, u.Account.ID); err != nil {
		return err
	}
	advice, err := a.db.Imports.Advice(ctx, u)
	if err != nil {
		return err
	}
	p.Renamed, p.OddLogin = advice.Renamed, advice.OddLogin
	p.Damaged = advice.Damaged
	if p.Factor, err = a.db.Factors.Has(ctx, u.Account.ID); err != nil {
		return err
	}
	if p.ResealLeft, err = a.accounts.ResealLeft(ctx, u); err != nil {
		return err
	}
	restored, ok, err := a.db.Restored(ctx)
	if err != nil {
		return err
	}
	if ok && !u.Account.RecoveryCreated.After(restored.At) {
		p.RestoredOf = restored.Of
	}
	return a.render(x, status, sheet{title: "titles.account", Page: views.Page{Active: "account"}}, views.Account(p))
}

// confirm is core's, with the page of the account for what was wrong.
func (a *account) confirm(x *fiber.Ctx, name string, act func(f *form, u *models.Unlocked) error) (handled bool, err error) {
	return a.core.confirm(x, act, func(errs views.Fields) error {
		return a.show(x, fiber.StatusUnprocessableEntity, "", name, errs)
	})
}

// confirm reads the form and runs act, which checks the current password, within the limits on guessing
// and on slow work. handled is true when the answer is already written: again, with what was wrong.
func (c *core) confirm(x *fiber.Ctx, act func(f *form, u *models.Unlocked) error, again func(views.Fields) error) (handled bool, err error) {
	f, err := c.readForm(x, formLimit)
	if err != nil {
		return false, err
	}
	return c.confirmForm(x, f, act, again)
}

// confirmForm is confirm with a form that was read already.
func (c *core) confirmForm(x *fiber.Ctx, f *form, act func(f *form, u *models.Unlocked) error, again func(views.Fields) error) (handled bool, err error) {
	u := visitorOf(x).user
	key := [16]byte(u.Account.ID)
	if ok, wait := c.rates.password.Take(key); !ok {
		return false, tooMany(wait, "errors.current-password-tries")
	}
	err = c.slow(x, limits.Login, func() error { return act(f, u) })
	if models.ErrorCode(err) != models.Unauthorized {
		c.rates.password.Return(key)
	} else {
		c.db.Activity.FailedFor(u.Account.ID, models.EventCurrentFailed)
	}
	if err == nil {
		return false, nil
	}
	errs, err := fieldErrors(x, err)
	if err != nil {
		return false, err
	}
	return true, again(errs)
}

// Password handles POST /account/password: 303, all other sessions end and this one gets a new token.
func (a *account) Password(x *fiber.Ctx) error {
	done, err := a.confirm(x, "password", func(f *form, u *models.Unlocked) error {
		if f.get("password") != f.get("password2") {
			return wrong("password2", "wrong.new-passwords-differ")
		}
		return a.accounts.ChangePassword(x.UserContext(), u, f.get("current"), f.get("password"))
	})
	if done || err != nil {
		return err
	}
	a.note(x, models.EventPassword, "")
	return a.anew(x, "/account?done=password")
}

// Recovery handles POST /account/recovery: 303 to the page that shows the new code once.
func (a *account) Recovery(x *fiber.Ctx) error {
	done, err := a.confirm(x, "recovery", func(f *form, u *models.Unlocked) error {
		return a.accounts.NewRecovery(x.UserContext(), u, f.get("current"))
	})
	if done || err != nil {
		return err
	}
	a.note(x, models.EventRecoveryCode, "")
	return redirect(x, "/register/confirm")
}

// Renew handles POST /account/renew: a new account key, 303 to the new recovery code.
func (a *account) Renew(x *fiber.Ctx) error {
	done, err := a.confirm(x, "renew", func(f *form, u *models.Unlocked) error {
		return a.accounts.Renew(x.UserContext(), u, f.get("current"))
	})
	if done || err != nil {
		return err
	}
	a.note(x, models.EventRenewed, "")
	return a.anew(x, "/register/confirm")
}

// anew gives the person a session under a new token after the epoch rose and ended all others. What
// waits for its download comes along. The change itself is made: nothing here may say that it was not.
func (a *account) anew(x *fiber.Ctx, next string) error {
	ctx, v := x.UserContext(), visitorOf(x)
	a.transfers.cutAccount(v.user.Account.ID, nil)
	token, s, err := a.sessions.Create(ctx, v.user, false)
	if err != nil {
		return a.settled(x, err)
	}
	a.setCookie(x, a.cookieName(), token, 0)
	err = a.db.Results.Rebind(ctx, v.session, s)
	gone, endErr := a.db.Sessions.EndAll(ctx, v.user.Account.ID, &s.ID)
	a.dropResults(gone)
	if err = errors.Join(err, endErr, a.reseal(ctx, v.user, s)); err != nil {
		// The others open nothing by their epoch, and the janitor removes them; a renewal goes on later.
		a.opt.Log.Warn("tidying up after a change of an account failed", "error", errorClass(err))
	}
	a.resumeRewrap(ctx, v.user, s)
	return redirect(x, next)
}

// Sessions handles POST /account/sessions: ends one session (id) or all others (all), those too that wait for their
// second factor. Ending the own one is logging out.
func (a *account) Sessions(x *fiber.Ctx) error {
	v := visitorOf(x)
	var only models.ID
	all := false
	done, err := a.confirm(x, "sessions", func(f *form, u *models.Unlocked) error {
		if err := a.accounts.CheckPassword(x.UserContext(), u, f.get("current")); err != nil {
			return err
		}
		if all = f.on("all"); all {
			return nil
		}
		id, err := models.ParseID(f.get("id"))
		if err != nil {
			return wrong("id", "wrong.choose-session")
		}
		only = id
		return nil
	})
	if done || err != nil {
		return err
	}
	list, err := a.sessions.List(x.UserContext(), v.user.Account.ID)
	if err != nil {
		return err
	}
	found := all
	for _, s := range list {
		if (all && s.ID != v.session.ID) || s.ID == only {
			found = true
			err = errors.Join(err, a.endSession(x.UserContext(), s.ID)) // one that stays keeps none of the others
		}
	}
	if err != nil {
		return err
	}
	if !found {
		return fiber.ErrNotFound
	}
	a.note(x, models.EventSessionEnded, "")
	if only == v.session.ID {
		a.clearCookie(x, a.cookieName())
		return redirect(x, "/login?out=1")
	}
	return redirect(x, "/account?done=sessions")
}

// Delete handles POST /account/delete: asks for the password and the login typed out, then removes the
// account, its rows and its files.
func (a *account) Delete(x *fiber.Ctx) error {
	u := visitorOf(x).user
	var files []models.ID
	done, err := a.confirm(x, "delete", func(f *form, u *models.Unlocked) error {
		var err error
		typed, ok := models.LoginKey(f.get("login"))
		if own, _ := models.LoginKey(u.Account.Login); !ok || typed != own {
			return wrong("login", "wrong.type-your-login", lang.Args{"Login": u.Account.Login})
		}
		files, err = a.accounts.Delete(x.UserContext(), u, f.get("current"))
		return err
	})
	if done || err != nil {
		return err
	}
	a.accountDeleted(u.Account.ID)
	a.closeAccount(x.UserContext(), u.Account.ID, files)
	a.clearCookie(x, a.cookieName())
	return redirect(x, "/login?deleted=1")
}
