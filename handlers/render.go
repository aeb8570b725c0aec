package handlers

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"zencrypt/views"
)

// render sends body inside the layout, or alone when htmx asked for a fragment. The full page is the
// fragment inside the layout, never a copy of it.
func (c *core) render(x *fiber.Ctx, status int, p sheet, body templ.Component) error {
	if !isFragment(x) {
		body = views.Layout(c.page(x, p, status), body)
	}
	return c.html(x, status, body)
}

// outcome sends what a verb answered: the part for #result under htmx, else the whole page.
func (c *core) outcome(x *fiber.Ctx, status int, p sheet, full templ.Component, o views.Outcome) error {
	if isFragment(x) {
		return c.html(x, status, views.OutcomeFragment(o))
	}
	return c.render(x, status, p, full)
}

func (c *core) html(x *fiber.Ctx, status int, body templ.Component) error {
	var b bytes.Buffer
	if err := body.Render(x.UserContext(), &b); err != nil {
		return err
	}
	x.Vary("HX-Request")
	x.Set(fiber.HeaderContentType, "text/html; charset=utf-8")
	return x.Status(status).Send(b.Bytes())
}

// page fills in what every page shares.
func (c *core) page(x *fiber.Ctx, s sheet, status int) views.Page {
	p := s.Page
	if p.Title == "" {
		p.Title = say(x, s.title)
	}
	v := visitorOf(x)
	asks := status != fiber.StatusServiceUnavailable // a database that is too busy is asked nothing more
	if v.user != nil {
		p.Login, p.Admin = v.user.Account.Login, v.user.Account.Admin()
		p.WeakPassword = asks && c.weakPassword(x, v.user)
	}
	p.Locked = v.session != nil && v.session.Locked
	if asks {
		p.Alerts = c.alerts(x)
	}
	p.ReadOnly = readOnlyWords(x, c.db.Why())
	p.Guests, p.Register, p.PlainHTTP = c.opt.Guests, c.opt.Registration, c.plainHTTP()
	p.Theme = c.themeOf(x)
	p.Path = "/" + p.Active
	if isGet(x) {
		p.Path = x.Path()
	}
	return p
}

// isFragment: a fragment is sent only to htmx's own requests, not to boosted links or a history restore.
func isFragment(x *fiber.Ctx) bool {
	return x.Get("HX-Request") == "true" && x.Get("HX-Boosted") != "true" && x.Get("HX-History-Restore-Request") != "true"
}

// redirect answers 303, which htmx cannot see: it gets 200 with HX-Redirect.
func redirect(x *fiber.Ctx, to string) error {
	x.Vary("HX-Request")
	if isFragment(x) {
		x.Set("HX-Redirect", to)
		return x.SendStatus(fiber.StatusOK)
	}
	return x.Redirect(to, fiber.StatusSeeOther)
}

// localPath gives p when it is a path on this site, else "".
func localPath(p string) string {
	u, err := url.Parse(p)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || len(p) > 512 ||
		!strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.ContainsAny(p, "\\\r\n\t") {
		return ""
	}
	return p
}

func (c *core) themeName() string {
	if c.secure() {
		return "__Host-zencrypt-theme"
	}
	return "zencrypt-theme"
}

func (c *core) themeOf(x *fiber.Ctx) string {
	switch t := x.Cookies(c.themeName()); t {
	case "dark", "light":
		return t
	}
	return "system"
}
