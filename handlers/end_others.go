package handlers

import (
	"github.com/gofiber/fiber/v2"

	"zencrypt/models"
)

// endOthers ends every other session of a person who changed a factor and left the box ticked. The change is done by then;
// the session that asked for it goes on.
func (c *core) endOthers(x *fiber.Ctx, wanted bool) error {
	if !wanted {
		return nil
	}
	ctx, v := x.UserContext(), visitorOf(x)
	list, err := c.db.Sessions.List(ctx, v.user.Account.ID)
	if err != nil {
		return err
	}
	ended := false
	for i := range list {
		if list[i].ID != v.session.ID {
			ended = true
			if err := c.endSession(ctx, list[i].ID); err != nil {
				return err
			}
		}
	}
	if ended {
		c.note(x, models.EventSessionEnded, "")
	}
	return nil
}
