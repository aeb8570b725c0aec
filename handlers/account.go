package handlers

import (
	"context"
	"encoding/base64"
	"errors"
	"strconv"

	"github.com/gofiber/fiber/v2"
	"rsc.io/qr"

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

type keyStore interface {
	List(ctx context.Context, u *models.Unlocked) ([]models.Key, error)
}

// account is a person's own account: sessions, password, recovery, renewal, export of keys, the end.
type account struct {
	*core
	accounts ownAccountStore
	sessions ownSessionStore
	keys     keyStore
}

// Show handles GET /account.
func (a *account) Show(x *fiber.Ctx) error {
	notice := map[string]string{
		"password": "Your password is changed, and every other session is ended.",
		"sessions": "The session is ended.",
		"renew":    "Your account key is renewed.",
		"listed":   "Others find you by your login now.",
		"unlisted": "Nobody finds you by your login any more.",
	}[x.Query("done")]
	return a.show(x, fiber.StatusOK, notice, "", nil)
}

func (a *account) show(x *fiber.Ctx, status int, notice, open string, errs views.Fields) error {
	ctx, v := x.UserContext(), visitorOf(x)
	u := v.user
	p := views.AccountPage{Login: u.Account.Login, Created: u.Account.Created, Notice: notice, Open: open,
		Quota: a.opt.AccountQuota, QuotaUsed: a.files.Used(owner(v)), KeyVersion: u.Account.KeyVersion,
		RecoveryCreated: u.Account.RecoveryCreated}
	if errs != nil {
		p.Errors = map[string]views.Fields{open: errs}
	}
	list, err := a.sessions.List(ctx, u.Account.ID)
	if err != nil {
		return err
	}
	for _, s := range list {
		p.Sessions = append(p.Sessions, views.SessionRow{ID: s.ID.String(), Created: s.Created, Touched: s.Touched,
			Expires: s.Expires, Current: s.ID == v.session.ID})
	}
	if p.Items, _, err = a.accounts.Usage(ctx, u.Account.ID); err != nil {
		return err
	}
	if p.Unlisted, err = a.db.Accounts.Unlisted(ctx, u.Account.ID); err != nil {
		return err
	}
	if p.ResealLeft, err = a.accounts.ResealLeft(ctx, u); err != nil {
		return err
	}
	keys, err := a.keys.List(ctx, u)
	if err != nil {
		return err
	}
	for _, k := range keys {
		row := views.KeyRow{ID: k.ID.String(), Name: k.Name, Kind: k.Kind, Created: k.Created}
		if n := len(k.Versions); n > 0 && k.Kind == "age" {
			row.Public = k.Versions[n-1].Public
			if k.Default {
				p.Recipient, p.RecipientQR = row.Public, qrCode(row.Public)
			}
		}
		p.Keys = append(p.Keys, row)
	}
	return a.render(x, status, views.Page{Title: "Account", Active: "account"}, views.Account(p))
}

// qrCode is a data URL of a PNG, which Tor Browser's safest level shows too (it blocks SVG).
func qrCode(s string) string {
	code, err := qr.Encode(s, qr.M)
	if err != nil {
		return "" // longer than a QR code holds: the text beside it stays
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG())
}

// confirm reads the form and runs act, which checks the current password, within the limits on guessing
// and on slow work. handled is true when the answer is already written.
func (a *account) confirm(x *fiber.Ctx, name string, act func(f *form, u *models.Unlocked) error) (handled bool, err error) {
	f, err := a.readForm(x, formLimit)
	if err != nil {
		return false, err
	}
	u := visitorOf(x).user
	key := [16]byte(u.Account.ID)
	if ok, wait := a.rates.password.Take(key); !ok {
		return false, tooMany(wait, "A wrong current password was tried too often.")
	}
	err = a.slow(x, limits.Login, func() error { return act(f, u) })
	if models.ErrorCode(err) != models.Unauthorized {
		a.rates.password.Return(key)
	}
	if err == nil {
		return false, nil
	}
	errs, err := fieldErrors(err)
	if err != nil {
		return false, err
	}
	return true, a.show(x, fiber.StatusUnprocessableEntity, "", name, errs)
}

// Password handles POST /account/password: 303, all other sessions end and this one gets a new token.
func (a *account) Password(x *fiber.Ctx) error {
	done, err := a.confirm(x, "password", func(f *form, u *models.Unlocked) error {
		if f.get("password") != f.get("password2") {
			return models.Errorf(models.Invalid, "password2", "the two new passwords differ; type the same one twice")
		}
		return a.accounts.ChangePassword(x.UserContext(), u, f.get("current"), f.get("password"))
	})
	if done || err != nil {
		return err
	}
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
	return redirect(x, next)
}

// Sessions handles POST /account/sessions: ends one session (id) or all others (all). Ending the own
// one is logging out.
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
			return models.Errorf(models.Invalid, "id", "choose the session to end")
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
			if err := a.endSession(x.UserContext(), s.ID); err != nil {
				return err
			}
		}
	}
	if !found {
		return fiber.ErrNotFound
	}
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
		_, typed, err := models.NormalizeLogin(f.get("login"))
		if _, own, _ := models.NormalizeLogin(u.Account.Login); err != nil || typed != own {
			return models.Errorf(models.Invalid, "login", "type your login, %s, to confirm", u.Account.Login)
		}
		files, err = a.accounts.Delete(x.UserContext(), u, f.get("current"))
		return err
	})
	if done || err != nil {
		return err
	}
	a.transfers.cutAccount(u.Account.ID, nil)
	a.dropBlobs(files)
	// The account is gone, so nothing below may say that nothing was changed.
	gone, err := a.db.Sessions.EndAll(x.UserContext(), u.Account.ID, nil)
	if err != nil {
		a.opt.Log.Warn("ending the sessions of a deleted account failed; they open nothing, and the janitor removes them")
	}
	a.dropResults(gone)
	if err := a.db.Checkpoint(x.UserContext()); err != nil {
		a.opt.Log.Warn("checkpoint after deleting an account failed; the next one is due within a minute")
	}
	a.clearCookie(x, a.cookieName())
	return redirect(x, "/login?deleted=1")
}

// ExportKey handles POST /keys/:id/export: the private key as a file for age or for Fernet libraries,
// after asking for the password again.
func (a *account) ExportKey(x *fiber.Ctx) error {
	id, err := models.ParseID(x.Params("id"))
	if err != nil {
		return fiber.ErrNotFound
	}
	keys, err := a.keys.List(x.UserContext(), visitorOf(x).user)
	if err != nil {
		return err
	}
	var key *models.Key
	for i := range keys {
		if keys[i].ID == id {
			key = &keys[i]
		}
	}
	if key == nil {
		return fiber.ErrNotFound
	}
	done, err := a.confirm(x, "export-"+id.String(), func(f *form, u *models.Unlocked) error {
		return a.accounts.CheckPassword(x.UserContext(), u, f.get("current"))
	})
	if done || err != nil {
		return err
	}
	var b []byte
	name := "zencrypt-fernet-key.txt"
	for i := len(key.Versions) - 1; i >= 0; i-- { // newest first: the first is the one to encrypt with
		v := key.Versions[i]
		if key.Kind == "age" {
			name = "zencrypt-age-key.txt"
			b = append(b, "# created: "+v.Created.UTC().Format("2006-01-02T15:04:05Z")+"\n# public key: "+v.Public+"\n"...)
		}
		b = append(append(b, v.Secret...), '\n')
	}
	attachment(x, name)
	x.Set(fiber.HeaderContentLength, strconv.Itoa(len(b)))
	return x.Send(b)
}
