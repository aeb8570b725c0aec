package handlers

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"zencrypt/models"
)

// visitor is what the middleware found out about the sender of a request.
type visitor struct {
	session *models.Session
	user    *models.Unlocked // nil for guests and for sessions that wait for a second factor
	client  [16]byte         // keyed hash of the address; the address itself is kept nowhere
}

const (
	localVisitor = "visitor"
	localRequest = "request"
	localForm    = "form"
	localPending = "pending" // the request among the transfers, while its form comes in
	localFactors = "factors" // what this log-in was done with, where that is more or other than a password
	localMade    = "made"    // this request made the account: its first browser is no stranger
)

func visitorOf(x *fiber.Ctx) *visitor {
	if v, ok := x.Locals(localVisitor).(*visitor); ok {
		return v
	}
	return &visitor{}
}

func requestID(x *fiber.Ctx) string { s, _ := x.Locals(localRequest).(string); return s }

// routePattern is the route as it was declared, so that a log line never holds an id or what was typed.
func routePattern(x *fiber.Ctx) string {
	if r := x.Route(); r != nil && r.Path != "/" {
		return r.Path
	}
	if x.Path() == "/" {
		return "/"
	}
	return "unknown"
}

// observe recovers, numbers and logs a request: no address, user agent, query string or content.
func (c *core) observe(x *fiber.Ctx) (err error) {
	var id [8]byte
	_, _ = rand.Read(id[:])
	x.Locals(localRequest, hex.EncodeToString(id[:]))
	start := c.opt.Now()
	defer releaseForm(x)
	defer func() {
		if tr := pendingOf(x); tr != nil {
			c.transfers.done(tr)
		}
	}()
	defer func() {
		if r := recover(); r != nil {
			// The panic's text may hold content, so only its place is worth a line.
			c.opt.Log.Error("handler panicked", "request", requestID(x), "at", panicPlace())
			err = c.fail(x, fiber.ErrInternalServerError)
		}
		c.opt.Log.Info("request", "request", requestID(x), "method", x.Method(), "route", routePattern(x),
			"status", x.Response().StatusCode(), "ms", float64(c.opt.Now().Sub(start).Microseconds())/1000)
		c.tell(Seen{Method: methodName(x), Route: routePattern(x), Status: x.Response().StatusCode(), Took: c.opt.Now().Sub(start)})
	}()
	if err = x.Next(); err != nil {
		err = c.fail(x, err) // here, so that the log line has the status
	}
	return err
}

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers sets what every answer carries, also one to a request that never reaches the middleware. Pages
// show secrets, so nothing is cached unless a handler says so.
func (c *core) headers(h *fasthttp.ResponseHeader) {
	h.Set(fiber.HeaderContentSecurityPolicy, policy)
	if !c.plainHTTP() { // browsers ignore it there, and complain in the console of every page
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
	}
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	h.Set(fiber.HeaderXFrameOptions, "DENY")
	// With no-referrer browsers send "Origin: null", and every post would be refused.
	h.Set(fiber.HeaderReferrerPolicy, "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=()")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set(fiber.HeaderCacheControl, "no-store")
	if c.secure() {
		h.Set(fiber.HeaderStrictTransportSecurity, "max-age=31536000; includeSubDomains")
	}
}

// checkHost answers 421 for a name that is not ours: DNS rebinding and poisoned links end here.
func (c *core) checkHost(x *fiber.Ctx) error {
	host := strings.ToLower(string(x.Request().Host()))
	for _, o := range c.opt.Origins {
		if isHost(host, o) {
			return x.Next()
		}
	}
	if p := x.Path(); p == "/healthz" || p == "/readyz" {
		return x.Next() // probes ask by address
	}
	if isGet(x) && slices.Contains(c.opt.Names, hostName(host)) {
		return x.Redirect(c.opt.Origins[0]+orElse(localPath(x.OriginalURL()), "/"), fiber.StatusMovedPermanently)
	}
	x.Context().SetConnectionClose()
	return refuse(fiber.StatusMisdirectedRequest, "errors.not-our-name",
		"errors.not-our-name-detail", "errors.not-our-name-next")
}

// isGet: HEAD is answered as GET is, but for the body (RFC 9110, section 9.3.2).
func isGet(x *fiber.Ctx) bool {
	return x.Method() == fiber.MethodGet || x.Method() == fiber.MethodHead
}

// hostName is a Host header without its port.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

// isHost tells whether a Host header, in lower case, belongs to an origin. Some programs write the scheme's own port.
func isHost(host, origin string) bool {
	own := originHost(origin)
	return host == own || strings.HasPrefix(origin, "https:") && host == own+":443" || strings.HasPrefix(origin, "http:") && host == own+":80"
}

// originHost is the Host header that belongs to an origin: browsers leave a scheme's own port out.
func originHost(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// checkOrigin refuses what another site made the browser send, before anything of the body is read.
func (c *core) checkOrigin(x *fiber.Ctx) error {
	switch x.Method() {
	case fiber.MethodGet, fiber.MethodHead, fiber.MethodOptions:
		return x.Next()
	}
	switch site := x.Get("Sec-Fetch-Site"); site {
	case "same-origin", "none":
		return x.Next()
	case "":
		// Browsers send Sec-Fetch-Site only to trustworthy origins; Origin stands in on plain http.
		origin := strings.ToLower(x.Get(fiber.HeaderOrigin))
		if origin != "" && slices.ContainsFunc(c.opt.Origins, func(o string) bool { return strings.ToLower(o) == origin }) &&
			isHost(strings.ToLower(string(x.Request().Host())), origin) {
			return x.Next()
		}
	}
	x.Context().SetConnectionClose()
	return refuse(fiber.StatusForbidden, "errors.other-site", "errors.other-site-detail",
		"errors.other-site-next")
}

// visit finds the session. Static files and probes have none, so that they cost no query.
func (c *core) visit(x *fiber.Ctx) error {
	v := &visitor{client: c.clients.Key(c.address(x))}
	x.Locals(localVisitor, v)
	if p := x.Path(); strings.HasPrefix(p, "/static/") || p == "/healthz" || p == "/readyz" {
		return x.Next()
	}
	// A guest's cookie has a name of its own: an answer to a guest that comes late must not take the place
	// of a log-in, and a log-in that ended must not hide what a guest made since.
	for _, name := range []string{c.cookieName(), c.guestCookie()} {
		token := x.Cookies(name)
		if token == "" {
			continue
		}
		s, u, err := c.db.Sessions.Lookup(x.UserContext(), token)
		switch models.ErrorCode(err) {
		case "":
			if _, ended := c.ended.Load(s.ID); ended {
				c.clearCookie(x, name)
				continue
			}
			alive, err := c.attend(x, s)
			if err != nil {
				return err
			}
			if !alive {
				c.clearCookie(x, name)
				continue
			}
			v.session, v.user = s, u
			return x.Next()
		case models.NotFound, models.Gone, models.Unauthorized, models.Invalid:
			c.clearCookie(x, name)
		default:
			return err
		}
	}
	return x.Next()
}

// guard lets a request through by the route's access.
func (c *core) guard(need Access) fiber.Handler {
	return func(x *fiber.Ctx) error {
		v := visitorOf(x)
		switch need {
		case Public:
			return x.Next()
		case Pending:
			if v.session != nil && v.session.Pending {
				return x.Next()
			}
			return c.askLogin(x)
		case Locked:
			switch {
			case v.session != nil && v.session.Locked:
				return x.Next()
			case v.user == nil:
				return c.askLogin(x)
			case !v.user.Account.RecoveryPending:
				return redirect(x, orElse(localPath(x.Query("next")), "/encrypt"))
			}
		}
		if v.session != nil && v.session.Locked {
			return c.askUnlock(x)
		}
		if need == Admin && (v.user == nil || !v.user.Account.Admin()) {
			return fiber.ErrNotFound // as for a page that does not exist, to guests too
		}
		if v.user != nil {
			if v.user.Account.RecoveryPending && need != Unconfirmed {
				return redirect(x, "/register/confirm")
			}
			if need != Unconfirmed && need != Setup {
				missing, err := c.lacksFactor(x)
				if err != nil {
					return err
				}
				if missing {
					return redirect(x, "/account/factor")
				}
			}
			return x.Next()
		}
		switch {
		case v.session != nil && v.session.Pending:
			return redirect(x, "/login/factor")
		case need == Guest && c.opt.Guests:
			return x.Next()
		case need == Visitor && v.session != nil:
			return x.Next()
		case need == Visitor:
			return fiber.ErrNotFound // a result is its session's own: nobody else learns that it exists
		}
		return c.askLogin(x)
	}
}

// askLogin sends to the log-in page and back afterwards: 303, or 401 under htmx. A post under htmx came
// from a page that still holds what was typed, so that page stays and shows a card. Any other post left its page, which
// browsers fetch anew: where something was typed, the answer is 401 with that, to be sent again.
func (c *core) askLogin(x *fiber.Ctx) error {
	to := "/login"
	if isGet(x) && localPath(x.OriginalURL()) != "" && x.Path() != "/" {
		to += "?next=" + url.QueryEscape(x.OriginalURL())
	}
	x.Vary("HX-Request")
	if x.Method() == fiber.MethodPost && (isFragment(x) || c.wrote(x)) {
		return askBeside(x, to, problem("errors.logged-out", "errors.logged-out-detail", "errors.logged-out-next"))
	}
	if isFragment(x) {
		x.Set("HX-Redirect", to)
		return x.SendStatus(fiber.StatusUnauthorized)
	}
	return x.Redirect(to, fiber.StatusSeeOther)
}
