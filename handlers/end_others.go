package handlers

import (
	"github.com/gofiber/fiber/v2"

	"zencrypt/models"
)

// endOthers ends every other session of a person who changed a factor and left the box ticked. The change is done by then
// and has to be told, so what can't be ended now is refused from here on, and the janitor ends it.
func (c *core) endOthers(x *fiber.Ctx, wanted bool) {
	if !wanted {
		return
	}
	ctx, v := x.UserContext(), visitorOf(x)
	list, err := c.db.Sessions.List(ctx, v.user.Account.ID)
	if err != nil {
		c.warn("other sessions could not be listed, and go on", err)
		return
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
}
