package handlers

import (
	"github.com/gofiber/fiber/v2"

	"zencrypt/models"
)

// endOthers ends every other session of a person who changed a factor and left the box ticked, one that waits for its
// second factor too: whoever waits there has the password. The change is done by then and has to be told, so what can't be
// ended now is refused from here on, and the janitor ends it. stay tells that the others are not known and go on, which the
// page that follows has to say.
func (c *core) endOthers(x *fiber.Ctx, wanted bool) (stay bool) {
	if !wanted {
		return false
	}
	ctx, v := x.UserContext(), visitorOf(x)
	list, err := c.db.Sessions.List(ctx, v.user.Account.ID)
	if err != nil {
		c.warn("other sessions could not be listed, and go on", err)
		return true
	}
	ended := false
	for i := range list {
		if list[i].ID != v.session.ID {
			ended = true
			if err := c.endSession(ctx, list[i].ID); err != nil {
				c.warn("another session could not be ended yet", err)
			}
		}
	}
	if ended {
		c.note(x, models.EventSessionEnded, "")
	}
	return false
}

// factorDone leads to the page of the second factor, which says what was done, and whether other sessions stay.
func factorDone(x *fiber.Ctx, what string, stay bool) error {
	to := "/account/factor?done=" + what
	if stay {
		to += "&others=stay"
	}
	return redirect(x, to)
}

// waiting counts the sessions of a list that wait for their second factor.
func waiting(list []models.Session) (n int) {
	for i := range list {
		if list[i].Pending {
			n++
		}
	}
	return n
}
