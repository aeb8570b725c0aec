package handlers

import (
	"github.com/gofiber/fiber/v2"

	"zencrypt/models"
)

// weakPassword tells whether a person who came from an older Zencrypt is asked to choose a better password. Where
// it can't be read nobody is asked; it comes again with the next page.
func (c *core) weakPassword(x *fiber.Ctx, u *models.Unlocked) bool {
	if u.Account.RecoveryPending {
		return false // first things first
	}
	advice, err := c.db.Imports.Advice(x.UserContext(), u)
	return err == nil && advice.WeakPassword
}

// anyImported tells whether accounts came from an older Zencrypt, of whichever people.
func (c *core) anyImported(x *fiber.Ctx) bool {
	any, err := c.db.Imports.Any(x.UserContext())
	return err == nil && any
}
