package handlers

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/crypto"
	"zencrypt/lang"
	"zencrypt/limits"
	"zencrypt/models"
	"zencrypt/views"
)

// refusal is an error that already knows its page. Its texts are shown, so they hold nothing secret.
type refusal struct {
	status  int
	problem trouble
	retry   time.Duration
	cause   error // may be nil
}

func (r *refusal) Error() string { return r.problem.title.ID }

func (r *refusal) Unwrap() error { return r.cause }

// refuse is a refusal whose texts, given by their ids, have no values.
func refuse(status int, title, detail, next string) error {
	return &refusal{status: status, problem: problem(title, detail, next)}
}

// tooMany refuses for a while; detail is the id of why.
func tooMany(wait time.Duration, detail string) error {
	p := problem("errors.too-many-tries", detail, "")
	p.next = told("errors.wait-and-try", lang.Args{"Time": waitTime(wait)})
	return &refusal{status: fiber.StatusTooManyRequests, retry: wait, problem: p}
}

// waitTime is how long somebody has to wait, rounded up.
func waitTime(d time.Duration) lang.Text {
	n := int(d/time.Second) + 1
	if n == 1 {
		return told("spans.a-second")
	}
	if n >= 120 {
		return told("spans.minutes", lang.Args{"Count": (n + 59) / 60})
	}
	return told("spans.seconds", lang.Args{"Count": n})
}

// fail is the only place where an error becomes an answer. What it does not know is a 500 without its
// text: error texts may name paths or hold what a person typed.
func (c *core) fail(x *fiber.Ctx, err error) error {
	if errors.Is(err, errCut) {
		if err = c.askLogin(x); err == nil {
			return nil
		}
	}
	status, p, retry := c.classify(x, err)
	foreseen := c.foreseen(err)
	c.hits.note(status, err, foreseen)
	if status >= 500 && !foreseen {
		c.opt.Log.Error("request failed", "request", requestID(x), "route", routePattern(x), "error", errorClass(err))
	}
	c.refusals.add(status)
	if retry > 0 {
		x.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(retry/time.Second)+1))
	}
	if p.title.ID == "" {
		return x.SendStatus(status)
	}
	shown := p.in(x.UserContext())
	if isFragment(x) {
		return c.html(x, status, views.OutcomeFragment(views.Outcome{Problem: shown}))
	}
	switch {
	case status == fiber.StatusInsufficientStorage, status == fiber.StatusServiceUnavailable, status == fiber.StatusUnauthorized, errors.Is(err, blobs.ErrQuota):
		shown.Typed = typed(x) // the same may work later
	}
	return c.render(x, status, sheet{Page: views.Page{Title: shown.Title, Narrow: shown.Typed == nil}}, views.ProblemPage(*shown))
}

// foreseen tells whether an error is a bound that holds, or a server that is read-only, and no fault: metrics count those,
// and a line for each would let whoever runs into it fill the log. There is a line when a server becomes read-only; what is
// refused while it is not, as by a disk that can't be read, is a fault.
func (c *core) foreseen(err error) bool {
	var (
		r    *refusal
		busy *limits.BusyError
	)
	if models.ReadOnly(err) {
		return c.db.Why() != ""
	}
	return errors.As(err, &r) || errors.As(err, &busy) || errors.Is(err, blobs.ErrSpoolFull) || errors.Is(err, blobs.ErrDisk)
}

func (c *core) classify(x *fiber.Ctx, err error) (int, trouble, time.Duration) {
	var (
		r    *refusal
		busy *limits.BusyError
		f    *fiber.Error
		full *blobs.SpaceError
	)
	why := reason(x.UserContext(), err)
	switch {
	case errors.As(err, &r):
		return r.status, r.problem, r.retry
	case errors.As(err, &busy):
		p := problem("errors.busy",
			"errors.busy-passwords", "")
		p.next = tryIn(busy.RetryAfter)
		return fiber.StatusServiceUnavailable, p, busy.RetryAfter
	case errors.Is(err, blobs.ErrDamaged), errors.Is(err, fs.ErrNotExist): // files have no other names than ours
		p := problem("errors.copy-damaged", "errors.nothing-sent",
			"errors.backup")
		p.id = requestID(x)
		return fiber.StatusInternalServerError, p, 0
	case errors.Is(err, limits.ErrTooHeavy):
		return fiber.StatusUnprocessableEntity, problem("errors.too-heavy",
			"errors.too-heavy-detail",
			"errors.too-heavy-next"), 0
	case errors.Is(err, blobs.ErrQuota):
		p := problem("errors.storage-full", "errors.quota-used-up",
			"errors.delete-some")
		if errors.As(err, &full) {
			p.detail = told("errors.quota",
				lang.Args{"Want": full.Want, "Used": full.Used, "Limit": full.Limit})
		}
		return fiber.StatusRequestEntityTooLarge, p, 0
	case errors.Is(err, blobs.ErrSpoolFull):
		return fiber.StatusInsufficientStorage, problem("errors.spool-full",
			"errors.spool-full-detail",
			"errors.spool-full-next"), 10 * time.Minute
	case models.ReadOnly(err):
		return fiber.StatusInsufficientStorage, readOnlyProblem(c.whyNot(err)), readOnlyRetry
	case models.Busy(err):
		return fiber.StatusServiceUnavailable, problem("errors.busy", "errors.database-slow",
			"errors.try-soon"), 5 * time.Second
	case models.ErrorCode(err) == models.Unavailable:
		p := problem("errors.nothing-stored", "", "errors.tell-operator")
		p.why = why
		return fiber.StatusInsufficientStorage, p, time.Minute
	case errors.Is(err, blobs.ErrDisk):
		return fiber.StatusInsufficientStorage, problem("errors.disk-full",
			"errors.disk-full-detail", "errors.tell-operator"), time.Minute
	case errors.Is(err, errCutForm), errors.Is(err, errGone): // of the latter nobody is there to read it
		return httpProblem(fiber.StatusBadRequest)
	case errors.Is(err, errSlow):
		return fiber.StatusRequestTimeout, problem("errors.slow",
			"errors.slow-detail", "errors.slow-next"), 0
	case errors.Is(err, crypto.ErrTooLarge):
		p := problem("errors.too-large-for-format", "", "errors.use-age")
		p.detail = told("errors.reason-nothing-stored", lang.Args{"Reason": why})
		return fiber.StatusRequestEntityTooLarge, p, 0
	case errors.As(err, &f):
		return httpProblem(f.Code)
	}
	switch models.ErrorCode(err) {
	case models.Invalid:
		p := problem("errors.invalid", "", "")
		p.detail = told("errors.reason-nothing-changed", lang.Args{"Reason": why})
		return fiber.StatusUnprocessableEntity, p, 0
	case models.Unauthorized:
		p := problem("errors.not-allowed", "", "")
		p.why = why
		return fiber.StatusForbidden, p, 0
	case models.Suspended:
		return fiber.StatusForbidden, problem("errors.suspended",
			"errors.suspended-detail",
			"errors.suspended-next"), 0
	case models.NotFound, models.Gone:
		return httpProblem(fiber.StatusNotFound)
	case models.Conflict:
		p := problem("errors.conflict", "", "errors.conflict-next")
		p.why = why
		return fiber.StatusConflict, p, 0
	}
	p := problem("errors.internal",
		"errors.internal-detail", "errors.try-again")
	p.id = requestID(x)
	return fiber.StatusInternalServerError, p, 0
}

func tryIn(wait time.Duration) lang.Text {
	return told("errors.try-in", lang.Args{"Time": waitTime(wait)})
}

func httpProblem(code int) (int, trouble, time.Duration) {
	switch code {
	case fiber.StatusNotFound:
		p := problem("errors.not-found", "errors.not-found-detail", "errors.go-to-start")
		p.link = "/"
		return code, p, 0
	case fiber.StatusMethodNotAllowed:
		p := problem("errors.method", "errors.method-detail", "errors.go-to-start")
		p.link = "/"
		return code, p, 0
	case fiber.StatusRequestEntityTooLarge:
		return code, problem("errors.too-large", "errors.too-large-detail",
			"errors.too-large-next"), 0
	case fiber.StatusUnsupportedMediaType:
		return code, problem("errors.not-form",
			"errors.not-form-detail",
			"errors.not-form-next"), 0
	case fiber.StatusBadRequest:
		return code, problem("errors.unreadable", "errors.unreadable-detail", "errors.send-again"), 0
	}
	if code >= 400 && code < 500 {
		return code, problem("errors.refused", "errors.refused-detail", ""), 0
	}
	return code, problem("errors.internal", "errors.nothing-changed", "errors.try-again"), 0
}

// errorClass names an unexpected error for the log: its types, outermost first, and the text only of
// errors that are ours or the database's and so hold no user's content.
func errorClass(err error) string {
	s := ""
	for e, n := err, 0; e != nil && n < 6; e, n = errors.Unwrap(e), n+1 {
		s += fmt.Sprintf("%T ", e)
	}
	var coded interface{ Code() int } // modernc.org/sqlite's error
	if errors.As(err, &coded) {
		s += fmt.Sprintf("sqlite %d", coded.Code())
	}
	return s
}

// sentence makes an error text fit for a page: it starts small, has no stop, and often says first what
// was being done ("open age file: ..."), which the person knows.
func sentence(s string) string {
	if doing, rest, ok := strings.Cut(s, ": "); ok && len(strings.Fields(doing)) <= 4 && doing == strings.ToLower(doing) {
		s = rest
	}
	if s == "" {
		return ""
	}
	if s[0] >= 'a' && s[0] <= 'z' {
		s = string(s[0]-'a'+'A') + s[1:]
	}
	if last := s[len(s)-1]; last != '.' && last != '!' && last != '?' {
		s += "."
	}
	return s
}
