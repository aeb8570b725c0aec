package handlers

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"zencrypt/models"
	"zencrypt/views"
)

type invitationStore interface {
	Lookup(ctx context.Context, token string) (*models.Invitation, error)
}

// invites is how a person comes in by a link: one that an administrator gave, or the one by which the first
// administrator does.
type invites struct {
	*auth
	store invitationStore
}

// registerForm says who may register.
func (a *auth) registerForm() views.RegisterForm {
	return views.RegisterForm{Closed: !a.opt.Registration, ByInvitation: !a.opt.Registration && a.opt.Invites}
}

// find is 404 for a link that can't be used, whatever the reason.
func (i *invites) find(x *fiber.Ctx) (views.RegisterForm, error) {
	iv, err := i.store.Lookup(x.UserContext(), x.Params("token"))
	if err == nil && !iv.Admin && !i.opt.Invites {
		err = models.Errorf(models.NotFound, "", "find invitation: this server takes none")
	}
	if models.ErrorCode(err) == models.NotFound {
		return views.RegisterForm{}, refuse(fiber.StatusNotFound, "errors.invitation",
			"errors.invitation-detail", "errors.invitation-next")
	}
	if err != nil {
		return views.RegisterForm{}, err
	}
	return views.RegisterForm{Invite: x.Params("token"), Administrator: iv.Admin, Expires: iv.Expires}, nil
}

// New handles GET /invite/:token: the form, or 404.
func (i *invites) New(x *fiber.Ctx) error {
	if visitorOf(x).user != nil {
		return refuse(fiber.StatusConflict, "errors.logged-in", "errors.logged-in-detail",
			"errors.logged-in-next")
	}
	form, err := i.find(x)
	if err != nil {
		return err
	}
	return i.render(x, fiber.StatusOK, registerPage, views.Register(form))
}

// Register handles POST /invite/:token: 303 to the recovery code, 422 with the form when a field is wrong, 404 when
// the invitation can't be used any more.
func (i *invites) Register(x *fiber.Ctx) error {
	f, err := i.readForm(x, formLimit)
	if err != nil {
		return err
	}
	form, err := i.find(x)
	if err != nil {
		return err
	}
	login, pw := f.get("login"), f.get("password")
	var u *models.Unlocked
	if pw != f.get("password2") {
		err = wrong("password2", "wrong.passwords-differ")
	} else {
		u, err = i.register(x, login, pw, func(ctx context.Context) (*models.Unlocked, error) {
			return i.accounts.RegisterInvited(ctx, form.Invite, login, pw)
		})
	}
	if err == nil {
		return i.registered(x, u)
	}
	errs, err := fieldErrors(x, err)
	if err != nil {
		return err
	}
	form.Login, form.Errors = printable(login), errs
	return i.render(x, fiber.StatusUnprocessableEntity, registerPage, views.Register(form))
}
