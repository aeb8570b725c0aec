package handlers

import (
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/models"
	"zencrypt/views"
)

// registration is the server's mode in a word.
func (c *core) registration() string {
	switch {
	case c.opt.Registration:
		return "open"
	case c.opt.Invites:
		return "invite"
	}
	return "closed"
}

// Invites handles GET /admin/invites: the invitations that can be used, and a form for one more.
func (a *admin) Invites(x *fiber.Ctx) error {
	notice := ""
	if x.Query("done") == "delete" {
		notice = say(x, "notices.invitation-taken-back")
	}
	return a.invites(x, fiber.StatusOK, views.AdminInvites{Notice: notice})
}

func (a *admin) invites(x *fiber.Ctx, status int, vm views.AdminInvites) error {
	list, err := a.invitations.List(x.UserContext())
	if err != nil {
		return err
	}
	vm.Me, vm.Registration, vm.MaxUses = visitorOf(x).user.Account.Login, a.registration(), models.MaxInvitationUses
	vm.MaxDays = int(models.MaxInvitationLife / (24 * time.Hour))
	vm.Uses, vm.Days = orElse(vm.Uses, "1"), orElse(vm.Days, "7")
	for _, iv := range list {
		vm.Rows = append(vm.Rows, views.InviteRow{ID: iv.ID.String(), By: iv.By, Created: iv.Created, Expires: iv.Expires, Uses: iv.Uses, Left: iv.Left})
	}
	return a.render(x, status, adminPage("titles.invitations"), views.AdminInvitesPage(vm))
}

// Invite handles POST /admin/invites: 200 with the link, which is shown this once, 422 with the form when a field is
// wrong.
func (a *admin) Invite(x *fiber.Ctx) error {
	var vm views.AdminInvites
	handled, err := a.confirm(x, func(f *form, u *models.Unlocked) error {
		vm.Uses, vm.Days = printable(f.get("uses")), printable(f.get("days"))
		uses, err := wholeNumber("uses", vm.Uses)
		if err != nil {
			return err
		}
		days, err := wholeNumber("days", vm.Days)
		if err != nil {
			return err
		}
		if err := a.accounts.CheckPassword(x.UserContext(), u, f.get("current")); err != nil {
			return err
		}
		token, iv, err := a.invitations.Create(x.UserContext(), &u.Account.ID, uses, time.Duration(days)*24*time.Hour)
		if err != nil {
			return err
		}
		vm.Link, vm.Made = a.opt.Origins[0]+"/invite/"+token, views.InviteRow{ID: iv.ID.String(), Expires: iv.Expires, Uses: iv.Uses, Left: iv.Left}
		return nil
	}, func(errs views.Fields) error {
		vm.Errors = errs
		return a.invites(x, fiber.StatusUnprocessableEntity, vm)
	})
	if handled || err != nil {
		return err
	}
	a.recordAct(x, models.ActInvite, models.ID{})
	vm.Uses, vm.Days = "", ""
	return a.invites(x, fiber.StatusOK, vm)
}

// wholeNumber reads a field; what is above its bound is the store's to refuse, and a length of time never overflows.
func wholeNumber(field, s string) (int, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 16)
	if err != nil {
		return 0, wrong(field, "wrong.whole-number")
	}
	return int(n), nil
}

// Uninvite handles POST /admin/invites/:id/delete: 303, or 404 for one that is not there any more.
func (a *admin) Uninvite(x *fiber.Ctx) error {
	id, err := models.ParseID(x.Params("id"))
	if err != nil {
		return err
	}
	handled, err := a.confirm(x, func(f *form, u *models.Unlocked) error {
		if err := a.accounts.CheckPassword(x.UserContext(), u, f.get("current")); err != nil {
			return err
		}
		return a.invitations.Revoke(x.UserContext(), id)
	}, func(errs views.Fields) error {
		return a.invites(x, fiber.StatusUnprocessableEntity, views.AdminInvites{Open: id.String(), Errors: errs})
	})
	if handled || err != nil {
		return err
	}
	a.recordAct(x, models.ActUninvite, models.ID{})
	return redirect(x, "/admin/invites?done=delete")
}
