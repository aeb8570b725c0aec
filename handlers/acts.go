package handlers

import (
	"context"

	"github.com/gofiber/fiber/v2"

	"zencrypt/models"
)

// ActRecorder keeps what administrators do, for the person it was done to and for the server's log.
type ActRecorder interface {
	RecordAct(ctx context.Context, a models.Act) error
}

// recordAct is where every act of an administrator goes after it was done. The log line names nobody.
func (c *core) recordAct(x *fiber.Ctx, what string, account models.ID) {
	c.opt.Log.Info("an administrator acted", "request", requestID(x), "act", what)
	if c.opt.Acts == nil {
		return
	}
	act := models.Act{What: what, By: visitorOf(x).user.Account.ID, Account: account}
	if err := c.opt.Acts.RecordAct(x.UserContext(), act); err != nil {
		c.opt.Log.Error("recording an administrator's act failed", "request", requestID(x), "act", what, "error", errorClass(err))
	}
}
