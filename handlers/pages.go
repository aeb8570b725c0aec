package handlers

import (
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/crypto/password"
	"zencrypt/views"
)

// pages are the ones that need no store.
type pages struct{ *core }

func (p *pages) about() views.About {
	return views.About{Version: p.opt.Version, Register: p.opt.Registration, Guests: p.opt.Guests, Assets: views.AssetSums()}
}

// Home handles GET /: for guests what this is; for a person 303 to the tools.
func (p *pages) Home(x *fiber.Ctx) error {
	if v := visitorOf(x); v.user != nil {
		return redirect(x, "/encrypt")
	} else if v.session != nil && v.session.Locked {
		return p.askUnlock(x)
	}
	return p.render(x, fiber.StatusOK, sheet{title: "titles.home"}, views.Home(p.about()))
}

// About handles GET /about: what the server sees and what it can't, and the digests of its assets.
func (p *pages) About(x *fiber.Ctx) error {
	return p.render(x, fiber.StatusOK, sheet{title: "titles.about", Page: views.Page{Active: "about"}}, views.AboutPage(p.about()))
}

// Healthz handles GET /healthz: 200 while the process answers.
func (p *pages) Healthz(x *fiber.Ctx) error {
	x.Set(fiber.HeaderContentType, fiber.MIMETextPlainCharsetUTF8)
	return x.SendString("ok\n")
}

// Readyz handles GET /readyz: 200 when the database takes writes, else 503.
func (p *pages) Readyz(x *fiber.Ctx) error {
	x.Set(fiber.HeaderContentType, fiber.MIMETextPlainCharsetUTF8)
	if err := p.db.Ready(x.UserContext()); err != nil {
		return x.Status(fiber.StatusServiceUnavailable).SendString(readyWord(p.db.Why()))
	}
	return x.SendString("ok\n")
}

// Static handles GET /static/*: an embedded file under its content's hash, so it never changes.
func (p *pages) Static(x *fiber.Ctx) error {
	data, kind, hash, ok := views.Asset(x.Params("*"))
	if !ok {
		return fiber.ErrNotFound
	}
	x.Set(fiber.HeaderContentType, kind)
	x.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	x.Set(fiber.HeaderETag, `"`+hash+`"`)
	return x.Send(data)
}

// Favicon handles GET /favicon.ico, which browsers ask for by themselves.
func (p *pages) Favicon(x *fiber.Ctx) error {
	return x.Redirect(views.AssetURL("favicon.png"), fiber.StatusFound)
}

// Robots handles GET /robots.txt: a private tool has nothing for search engines.
func (p *pages) Robots(x *fiber.Ctx) error {
	x.Set(fiber.HeaderContentType, fiber.MIMETextPlainCharsetUTF8)
	return x.SendString("User-agent: *\nDisallow: /\n")
}

// Theme handles POST /theme: sets the cookie and goes back to where the person was.
func (p *pages) Theme(x *fiber.Ctx) error {
	f, err := p.readForm(x, formLimit)
	if err != nil {
		return err
	}
	switch t := f.get("theme"); t {
	case "dark", "light", "system":
		p.setCookie(x, p.themeName(), t, deviceLife)
	default:
		return refuse(fiber.StatusUnprocessableEntity, "errors.no-theme", "errors.no-theme-detail", "")
	}
	return redirect(x, orElse(localPath(f.get("next")), "/"))
}

// Meter handles POST /meter: how hard a passphrase is to guess. Only its first 100 characters count.
func (p *pages) Meter(x *fiber.Ctx) error {
	if ok, wait := p.rates.meter.Take(visitorOf(x).client); !ok {
		return tooMany(wait, "errors.meter-tries")
	}
	f, err := p.readForm(x, formLimit)
	if err != nil {
		return err
	}
	s := views.Strength{Score: -1}
	pass := orElse(f.get("passphrase"), f.get("password"))
	if strings.TrimSpace(pass) != "" {
		var weak string
		s.Score, weak = password.Strength(pass)
		s.Warning = weakness(weak).In(x.UserContext())
		s.Label = say(x, [...]string{"strength.too-easy", "strength.weak", "strength.fair", "strength.strong",
			"strength.very-strong"}[min(max(s.Score, 0), 4)])
	}
	return p.html(x, fiber.StatusOK, views.StrengthMeter(s))
}
