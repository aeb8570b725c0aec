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
	"zencrypt/limits"
	"zencrypt/models"
	"zencrypt/views"
)

// refusal is an error that already knows its page. Message is shown, so it holds nothing secret.
type refusal struct {
	status  int
	problem views.Problem
	retry   time.Duration
	cause   error // may be nil
}

func (r *refusal) Error() string { return r.problem.Title }

func (r *refusal) Unwrap() error { return r.cause }

func refuse(status int, title, detail, next string) error {
	return &refusal{status: status, problem: views.Problem{Title: title, Detail: detail, Next: next}}
}

func tooMany(wait time.Duration, detail string) error {
	return &refusal{status: fiber.StatusTooManyRequests, retry: wait,
		problem: views.Problem{Title: "Too many tries", Detail: detail, Next: "Wait " + seconds(wait) + " and try again."}}
}

func seconds(d time.Duration) string {
	n := int(d/time.Second) + 1
	if n == 1 {
		return "a second"
	}
	if n >= 120 {
		return fmt.Sprintf("%d minutes", (n+59)/60)
	}
	return fmt.Sprintf("%d seconds", n)
}

// fail is the only place where an error becomes an answer. What it does not know is a 500 without its
// text: error texts may name paths or hold what a person typed.
func (c *core) fail(x *fiber.Ctx, err error) error {
	status, p, retry := c.classify(x, err)
	c.hits.note(status, err)
	if status >= 500 && !models.ReadOnly(err) { // of that there is a line when it begins
		c.opt.Log.Error("request failed", "request", requestID(x), "route", routePattern(x), "error", errorClass(err))
	}
	c.refusals.add(status)
	if retry > 0 {
		x.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(retry/time.Second)+1))
	}
	if p.Title == "" {
		return x.SendStatus(status)
	}
	if isFragment(x) {
		return c.html(x, status, views.OutcomeFragment(views.Outcome{Problem: &p}))
	}
	if status == fiber.StatusInsufficientStorage || status == fiber.StatusServiceUnavailable || errors.Is(err, blobs.ErrQuota) {
		p.Typed = typed(x) // the same may work later
	}
	return c.render(x, status, views.Page{Title: p.Title, Narrow: p.Typed == nil}, views.ProblemPage(p))
}

func (c *core) classify(x *fiber.Ctx, err error) (int, views.Problem, time.Duration) {
	var (
		r    *refusal
		busy *limits.BusyError
		f    *fiber.Error
	)
	switch {
	case errors.As(err, &r):
		return r.status, r.problem, r.retry
	case errors.As(err, &busy):
		return fiber.StatusServiceUnavailable, views.Problem{Title: "The server is busy",
			Detail: "Passwords and passphrases are slow to check on purpose, and many are being checked right now. Nothing was changed.",
			Next:   "Try again in " + seconds(busy.RetryAfter) + "."}, busy.RetryAfter
	case errors.Is(err, blobs.ErrDamaged), errors.Is(err, fs.ErrNotExist): // files have no other names than ours
		return fiber.StatusInternalServerError, views.Problem{Title: "The stored copy is damaged", Detail: "Nothing of it was sent.",
			Next: "Whoever runs this server may have a backup.", ID: requestID(x)}, 0
	case errors.Is(err, limits.ErrTooHeavy):
		return fiber.StatusUnprocessableEntity, views.Problem{Title: "Too heavy for this server",
			Detail: "A passphrase is slow to try on purpose, and this takes more memory than the server has for one. Nothing was tried or stored.",
			Next:   "Use the age command on your own machine, or ask whoever runs this server for a higher ZENCRYPT_KDF_MEMORY."}, 0
	case errors.Is(err, blobs.ErrQuota):
		return fiber.StatusRequestEntityTooLarge, views.Problem{Title: "Your storage is full",
			Detail: err.Error() + ". Nothing was stored.", Next: "Delete results or items that you no longer need, then try again."}, 0
	case errors.Is(err, blobs.ErrSpoolFull):
		return fiber.StatusInsufficientStorage, views.Problem{Title: "The server's space for results is full",
			Detail: "Results of others take all of it right now. Nothing was stored.", Next: "They live for an hour at most: try again later."}, 10 * time.Minute
	case models.ReadOnly(err):
		return fiber.StatusInsufficientStorage, readOnlyProblem(c.whyNot(err)), readOnlyRetry
	case models.Busy(err):
		return fiber.StatusServiceUnavailable, views.Problem{Title: "The server is busy",
			Detail: "Its database took too long. Nothing was changed.", Next: "Try again in a few seconds."}, 5 * time.Second
	case models.ErrorCode(err) == models.Unavailable:
		return fiber.StatusInsufficientStorage, views.Problem{Title: "Nothing was stored",
			Detail: sentence(models.ErrorMessage(err)), Next: "Tell whoever runs this server, and try again later."}, time.Minute
	case errors.Is(err, blobs.ErrDisk):
		return fiber.StatusInsufficientStorage, views.Problem{Title: "The server's disk is full",
			Detail: "Nothing was stored, and what was there is as it was.", Next: "Tell whoever runs this server, and try again later."}, time.Minute
	case errors.Is(err, errCutForm), errors.Is(err, errGone): // of the latter nobody is there to read it
		return httpProblem(fiber.StatusBadRequest)
	case errors.Is(err, errSlow):
		return fiber.StatusRequestTimeout, views.Problem{Title: "The upload was too slow",
			Detail: "Less than 16 KiB a second arrived over a minute. Nothing was stored.", Next: "Try again on a better connection."}, 0
	case errors.Is(err, crypto.ErrTooLarge):
		return fiber.StatusRequestEntityTooLarge, views.Problem{Title: "Too large for this format",
			Detail: sentence(err.Error()) + " Nothing was stored.", Next: "Use the age format: it has no limit of its own."}, 0
	case errors.As(err, &f):
		return httpProblem(f.Code)
	}
	switch models.ErrorCode(err) {
	case models.Invalid:
		return fiber.StatusUnprocessableEntity, views.Problem{Title: "That can't be done", Detail: sentence(models.ErrorMessage(err)) + " Nothing was changed."}, 0
	case models.Unauthorized:
		return fiber.StatusForbidden, views.Problem{Title: "Not allowed", Detail: sentence(models.ErrorMessage(err))}, 0
	case models.Suspended:
		return fiber.StatusForbidden, views.Problem{Title: "This account is suspended",
			Detail: "What you typed is right, and all that the account holds is kept. It can be opened again when whoever runs this server lifts the suspension.",
			Next:   "Ask whoever runs this server."}, 0
	case models.NotFound, models.Gone:
		return httpProblem(fiber.StatusNotFound)
	case models.Conflict:
		return fiber.StatusConflict, views.Problem{Title: "It changed meanwhile", Detail: sentence(models.ErrorMessage(err)), Next: "Load the page again."}, 0
	}
	return fiber.StatusInternalServerError, views.Problem{Title: "Something went wrong on the server",
		Detail: "Nothing was changed. The server's log has the reason under this number.", Next: "Try again.", ID: requestID(x)}, 0
}

func httpProblem(code int) (int, views.Problem, time.Duration) {
	switch code {
	case fiber.StatusNotFound:
		return code, views.Problem{Title: "Nothing is here", Detail: "There is no such page, or it is not yours, or its time is over.", Next: "Go to the start.", Link: "/"}, 0
	case fiber.StatusMethodNotAllowed:
		return code, views.Problem{Title: "Not like this", Detail: "This address does not take that kind of request.", Next: "Go to the start.", Link: "/"}, 0
	case fiber.StatusRequestEntityTooLarge:
		return code, views.Problem{Title: "Too large", Detail: "More was sent than this form takes: a text may have 1 MiB. Nothing was stored.",
			Next: "Put a long text into a file and choose that, or send less at a time."}, 0
	case fiber.StatusUnsupportedMediaType:
		return code, views.Problem{Title: "Not a form", Detail: "The server takes what web forms send: multipart/form-data or application/x-www-form-urlencoded. Nothing was stored.",
			Next: "Use the form on the page."}, 0
	case fiber.StatusBadRequest:
		return code, views.Problem{Title: "The request could not be read", Detail: "It was cut short or malformed. Nothing was stored.", Next: "Send it again."}, 0
	}
	if code >= 400 && code < 500 {
		return code, views.Problem{Title: "Refused", Detail: "The server does not take this request. Nothing was changed."}, 0
	}
	return code, views.Problem{Title: "Something went wrong on the server", Detail: "Nothing was changed.", Next: "Try again."}, 0
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
