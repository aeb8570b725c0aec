package handlers

import (
	"context"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"zencrypt/limits"
	"zencrypt/models"
	"zencrypt/views"
)

type unlockStore interface {
	LoginOf(ctx context.Context, id models.ID) (string, error)
	AuthenticateAs(ctx context.Context, id models.ID, password string) (*models.Unlocked, error)
}

// unlock is the door of a session that locked itself: its sealed account key is gone, and the password makes it anew.
type unlock struct {
	*core
	accounts unlockStore
	sessions *models.Sessions
}

var unlockPage = sheet{title: "titles.locked", Page: views.Page{Active: "account/unlock", Narrow: true}}

// New handles GET /account/unlock (next).
func (u *unlock) New(x *fiber.Ctx) error {
	return u.show(x, fiber.StatusOK, localPath(x.Query("next")), "")
}

func (u *unlock) show(x *fiber.Ctx, status int, next, wrong string) error {
	login, err := u.accounts.LoginOf(x.UserContext(), *visitorOf(x).session.Account)
	if err != nil {
		return err
	}
	form := views.UnlockForm{Login: login, Next: next}
	if wrong != "" {
		form.Errors = views.Fields{"password": wrong}
	}
	return u.render(x, status, unlockPage, views.Unlock(form))
}

// Create handles POST /account/unlock (password, next): 303 to where the person was, under a new token; 422 when the
// password is wrong.
func (u *unlock) Create(x *fiber.Ctx) error {
	f, err := u.readForm(x, formLimit)
	if err != nil {
		return err
	}
	ctx, s, next := x.UserContext(), visitorOf(x).session, localPath(f.get("next"))
	key := [16]byte(*s.Account)
	if ok, wait := u.rates.password.Take(key); !ok {
		return tooMany(wait, "errors.wrong-password-tries")
	}
	var who *models.Unlocked
	err = u.slow(x, limits.Login, func() error {
		who, err = u.accounts.AuthenticateAs(ctx, *s.Account, f.get("password"))
		return err
	})
	if models.ErrorCode(err) == models.Unauthorized {
		u.db.Activity.FailedFor(*s.Account, models.EventCurrentFailed)
		return u.show(x, fiber.StatusUnprocessableEntity, next, say(x, "wrong.password"))
	}
	u.rates.password.Return(key)
	if err != nil {
		return err
	}
	token, err := u.sessions.Unlock(ctx, s, who)
	if err != nil {
		return err
	}
	u.setCookie(x, u.cookieName(), token, 0)
	u.noteCounts(u.db.Activity.FlushOf(ctx, who.Account))
	u.noteEvent(ctx, who, s, models.Event{Kind: models.EventUnlocked})
	return redirect(x, orElse(next, "/encrypt"))
}

// placeOf is the page that a person is on: the one that is asked for, or of what was sent the page it stood on.
func (c *core) placeOf(x *fiber.Ctx) string {
	if x.Method() == fiber.MethodGet {
		return localPath(x.OriginalURL())
	}
	from, err := url.Parse(x.Get(fiber.HeaderReferer))
	if err != nil || !strings.EqualFold(from.Host, string(x.Request().Host())) {
		return ""
	}
	return localPath(from.RequestURI())
}

// askUnlock sends to the unlock page and back afterwards: 303, or 401 under htmx. A post under htmx came from a page
// that still holds what was typed, so that page stays and shows a card; any other is as askLogin has it.
func (c *core) askUnlock(x *fiber.Ctx) error {
	to := "/account/unlock"
	if place := c.placeOf(x); place != "" && place != "/" {
		to += "?next=" + url.QueryEscape(place)
	}
	x.Vary("HX-Request")
	switch {
	case x.Method() == fiber.MethodPost && (isFragment(x) || c.wrote(x)):
		return askBeside(x, to, problem("errors.locked", "errors.locked-detail", "errors.locked-next"))
	case !isFragment(x):
		return x.Redirect(to, fiber.StatusSeeOther)
	}
	x.Set("HX-Redirect", to)
	return x.SendStatus(fiber.StatusUnauthorized)
}

// askBeside is 401 with a link that opens in another tab: what was typed is on the page and stays there.
func askBeside(x *fiber.Ctx, to string, p trouble) error {
	if isFragment(x) && x.Get("HX-Target") != "result" {
		x.Set("HX-Reswap", "afterbegin") // what is swapped otherwise is the very form
	}
	p.link, p.newTab = to, true
	return &refusal{status: fiber.StatusUnauthorized, problem: p}
}
