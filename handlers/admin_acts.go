package handlers

import (
	"context"
	"math"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/gofiber/fiber/v2"

	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

// act asks for the administrator's password, does one thing to an account and records it: 303 to its page, 422 with
// the page when a field is wrong, 404 for no account. handled is true when the answer is written already.
func (a *admin) act(x *fiber.Ctx, name string, do func(ctx context.Context, f *form, m *models.Member) (what string, err error)) (m *models.Member, handled bool, err error) {
	if m, err = a.member(x); err != nil {
		return nil, false, err
	}
	var typed, what string
	handled, err = a.confirm(x, func(f *form, u *models.Unlocked) error {
		typed = printable(f.get("quota"))
		if err := a.accounts.CheckPassword(x.UserContext(), u, f.get("current")); err != nil {
			return err
		}
		what, err = do(x.UserContext(), f, m)
		return err
	}, func(errs views.Fields) error {
		return a.person(x, fiber.StatusUnprocessableEntity, m, name, errs, typed)
	})
	if err == nil && !handled {
		a.recordAct(x, what, m.ID)
	}
	return m, handled, err
}

// plain is a whole handler around act, for what needs no tidying up.
func (a *admin) plain(x *fiber.Ctx, name string, do func(ctx context.Context, f *form, m *models.Member) (string, error)) error {
	m, handled, err := a.act(x, name, do)
	if handled || err != nil {
		return err
	}
	return redirect(x, "/admin/people/"+m.ID.String()+"?done="+name)
}

// ending is plain for what ends the sessions of the account. It is done when the store has done it: nothing after
// that may say that it was not.
func (a *admin) ending(x *fiber.Ctx, name string, do func(ctx context.Context, f *form, m *models.Member) (string, error)) error {
	m, handled, err := a.act(x, name, do)
	if handled || err != nil {
		return err
	}
	a.endAccount(x.UserContext(), m.ID)
	return redirect(x, "/admin/people/"+m.ID.String()+"?done="+name)
}

// endAccount removes the sessions and results of an account whose epoch has risen, and cuts what runs for it.
func (c *core) endAccount(ctx context.Context, id models.ID) {
	c.transfers.cutAccount(id, nil)
	gone, err := c.db.Sessions.EndAll(ctx, id, nil)
	if err != nil {
		c.opt.Log.Warn("removing ended sessions failed; they open nothing, and the janitor removes them", "error", errorClass(err))
	}
	c.dropResults(gone)
}

// closeAccount tidies up after an account that was deleted: its files, its sessions, and what the log holds of it.
func (c *core) closeAccount(ctx context.Context, id models.ID, files []models.ID) {
	c.endAccount(ctx, id)
	c.dropBlobs(files)
	c.files.SetUsed("account:"+id.String(), 0)
	if err := c.db.Checkpoint(ctx); err != nil {
		c.opt.Log.Warn("checkpoint after deleting an account failed; the next one is due within a minute")
	}
}

// own is what an administrator does to the own account on the account page.
func own(x *fiber.Ctx, m *models.Member) error {
	if m.ID == visitorOf(x).user.Account.ID {
		return failed(models.Conflict, "", told("wrong.own-account"))
	}
	return nil
}

// Suspend handles POST /admin/people/:id/suspend: nobody can log in to the account, and its sessions end.
func (a *admin) Suspend(x *fiber.Ctx) error {
	return a.ending(x, "suspend", func(ctx context.Context, _ *form, m *models.Member) (string, error) {
		if err := own(x, m); err != nil {
			return "", err
		}
		return models.ActSuspend, a.accounts.Suspend(ctx, m.ID)
	})
}

// Resume handles POST /admin/people/:id/resume.
func (a *admin) Resume(x *fiber.Ctx) error {
	return a.plain(x, "resume", func(ctx context.Context, _ *form, m *models.Member) (string, error) {
		return models.ActResume, a.accounts.Resume(ctx, m.ID)
	})
}

// Sessions handles POST /admin/people/:id/sessions: ends all of them.
func (a *admin) Sessions(x *fiber.Ctx) error {
	return a.ending(x, "sessions", func(ctx context.Context, _ *form, m *models.Member) (string, error) {
		if err := own(x, m); err != nil {
			return "", err
		}
		return models.ActEndSessions, a.accounts.EndSessions(ctx, m.ID)
	})
}

// Factor handles POST /admin/people/:id/factor: takes away a second factor that was lost.
func (a *admin) Factor(x *fiber.Ctx) error {
	return a.ending(x, "factor", func(ctx context.Context, _ *form, m *models.Member) (string, error) {
		if err := own(x, m); err != nil {
			return "", err
		}
		return models.ActResetFactor, a.accounts.ResetFactor(ctx, m.ID)
	})
}

// Quota handles POST /admin/people/:id/quota: a size of the account's own, or with an empty field the default.
func (a *admin) Quota(x *fiber.Ctx) error {
	return a.plain(x, "quota", func(ctx context.Context, f *form, m *models.Member) (string, error) {
		quota, err := parseQuota(f.get("quota"))
		if err != nil {
			return "", err
		}
		return models.ActQuota, a.accounts.SetQuota(ctx, m.ID, quota)
	})
}

// parseQuota reads a size as people write it: "50 GiB", "500MB", "1024". Empty is nil, the server's default.
func parseQuota(s string) (*int64, error) {
	if s = strings.TrimSpace(s); s == "" {
		return nil, nil
	}
	n, err := humanize.ParseBytes(s)
	if err != nil || n > math.MaxInt64 || strings.ContainsAny(s, ",") {
		return nil, wrong("quota", "wrong.quota")
	}
	quota := int64(n)
	return &quota, nil
}

// Role handles POST /admin/people/:id/role: makes an administrator of somebody (admin), or a user again (user).
func (a *admin) Role(x *fiber.Ctx) error {
	self := false
	m, handled, err := a.act(x, "role", func(ctx context.Context, f *form, m *models.Member) (string, error) {
		role, what := f.get("role"), models.ActMakeAdmin
		if role != models.RoleAdmin {
			what = models.ActUnmakeAdmin
			self = m.ID == visitorOf(x).user.Account.ID
		}
		return what, a.accounts.SetRole(ctx, m.ID, role, false)
	})
	if handled || err != nil {
		return err
	}
	if self { // these pages are no more for who asked
		return redirect(x, "/account")
	}
	return redirect(x, "/admin/people/"+m.ID.String()+"?done=role")
}

// Delete handles POST /admin/people/:id/delete: with the login typed out, removes the account, its rows and files.
func (a *admin) Delete(x *fiber.Ctx) error {
	var files []models.ID
	m, handled, err := a.act(x, "delete", func(ctx context.Context, f *form, m *models.Member) (string, error) {
		if err := own(x, m); err != nil {
			return "", err
		}
		typed, ok := models.LoginKey(f.get("login"))
		if login, _ := models.LoginKey(m.Login); !ok || typed != login {
			return "", wrong("login", "wrong.type-their-login", lang.Args{"Login": m.Login})
		}
		var err error
		files, err = a.accounts.DeleteByAdmin(ctx, m.ID)
		return models.ActDelete, err
	})
	if handled || err != nil {
		return err
	}
	a.closeAccount(x.UserContext(), m.ID, files)
	return redirect(x, "/admin?done=delete")
}
