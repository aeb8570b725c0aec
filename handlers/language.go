package handlers

import (
	"github.com/gofiber/fiber/v2"

	"zencrypt/lang"
)

// languageCookie keeps what a person chose, in this browser alone, as the theme's does.
const languageCookie = "language"

// speak gives the request's context the language in which it is answered: the one chosen, else the best for the
// browser's Accept-Language. While there is one language, nothing is read and nothing varies.
func (c *core) speak(x *fiber.Ctx) error {
	l := c.opt.Languages.Choose(x.Cookies(languageCookie), x.Get(fiber.HeaderAcceptLanguage))
	x.SetUserContext(lang.With(x.UserContext(), l))
	return x.Next()
}

// say is the text of an id in the request's language.
func say(x *fiber.Ctx, id string, args ...lang.Args) string {
	return lang.T(x.UserContext(), id, args...)
}

// notice is what stands above a page after something was done: of the texts, by id, that which the query's "done" names.
func notice(x *fiber.Ctx, ids map[string]string) string {
	return told(ids[x.Query("done")]).In(x.UserContext())
}

// Language handles POST /language (language, next): sets the cookie and goes back to where the person was; 422 for one
// that is not there.
func (p *pages) Language(x *fiber.Ctx) error {
	f, err := p.readForm(x, formLimit)
	if err != nil {
		return err
	}
	l := p.opt.Languages.Find(f.get("language"))
	if l == nil {
		return refuse(fiber.StatusUnprocessableEntity, "settings.no-language", "settings.no-language-detail", "")
	}
	p.setCookie(x, languageCookie, l.Tag(), deviceLife)
	return redirect(x, orElse(localPath(f.get("next")), "/"))
}
