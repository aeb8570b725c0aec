package handlers

import (
	"time"

	"github.com/gofiber/fiber/v2"
)

// cookieName: a __Host- cookie can't be set by a neighbour or over http. On plain http it can't exist.
func (c *core) cookieName() string {
	if c.secure() {
		return "__Host-zencrypt"
	}
	return "zencrypt"
}

func (c *core) setCookie(x *fiber.Ctx, name, value string, life time.Duration) {
	x.Cookie(&fiber.Cookie{Name: name, Value: value, Path: "/", HTTPOnly: true, Secure: c.secure(),
		SameSite: fiber.CookieSameSiteLaxMode, MaxAge: int(life / time.Second), SessionOnly: life == 0})
}

// guestCookie holds a guest's session, which belongs to the results only.
func (c *core) guestCookie() string { return c.cookieName() + "-guest" }

func (c *core) clearCookie(x *fiber.Ctx, name string) {
	x.Cookie(&fiber.Cookie{Name: name, Path: "/", HTTPOnly: true, Secure: c.secure(),
		SameSite: fiber.CookieSameSiteLaxMode, Expires: time.Unix(1, 0), MaxAge: -1})
}
