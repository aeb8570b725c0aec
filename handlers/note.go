package handlers

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/audit"
	"zencrypt/models"
)

// note puts an event of the person who asks into their own list, and what the operator may know of it into the server
// log. The act is done by then: that it could not be noted is told to the operator and takes nothing back.
func (c *core) note(x *fiber.Ctx, kind, name string) {
	v := visitorOf(x)
	c.noteEvent(x.UserContext(), v.user, v.session, models.Event{Kind: kind, Name: name})
}

func (c *core) noteEvent(ctx context.Context, u *models.Unlocked, s *models.Session, e models.Event) {
	c.noteWith(ctx, u, s, e, nil)
}

// noteWith is noteEvent with facts for the server log.
func (c *core) noteWith(ctx context.Context, u *models.Unlocked, s *models.Session, e models.Event, info map[string]string) {
	if s != nil {
		e.Session = s.ID
	}
	if err := c.db.Activity.Note(ctx, u, &e); err != nil {
		c.warn("an event could not be put into a person's list", err)
	}
	if forOperator(e.Kind) {
		c.audit(audit.Event{Name: e.Kind, Account: u.Account.ID.String(), Info: info})
	}
}

// forOperator tells which kinds of events the server log has, with the account's id: how people come in, and what
// changes how they do. What they do with keys, items and settings is theirs alone, and sealed.
func forOperator(kind string) bool {
	switch kind {
	case models.EventMade, models.EventLogin, models.EventLogout, models.EventSessionEnded, models.EventUnlocked,
		models.EventPassword, models.EventRecovery, models.EventRecoveryCode, models.EventRenewed, models.EventLoginChanged,
		models.EventFactorOn, models.EventFactorOff, models.EventFactorCodes, models.EventFactorCodeUsed, models.EventPasskeyAdded,
		models.EventPasskeyUnlocks, models.EventPasskeyRemoved, models.EventAccountExported, models.EventImported, models.EventPairExchanged:
		return true
	}
	return false
}

// audit adds a line to the server log, which tells itself when that fails.
func (c *core) audit(e audit.Event) { _ = c.opt.Audit.Append(e) }

// noteLogin notes that a session began, and first what failed before it, so that the person sees both at once.
func (c *core) noteLogin(x *fiber.Ctx, u *models.Unlocked, s *models.Session) {
	c.noteCounts(c.db.Activity.FlushOf(x.UserContext(), u.Account))
	_, known := c.knownDevice(x, u.Account.ID)
	by, ok := x.Locals(localFactors).(string)
	if !ok {
		by = "password"
	}
	event := models.Event{Kind: models.EventLogin, New: !known && x.Locals(localMade) == nil}
	c.noteWith(x.UserContext(), u, s, event, map[string]string{"by": by})
}

// noteCounts takes failures that were written to the server log too. Those of logins that do not exist are one number:
// what was typed there may be a password.
func (c *core) noteCounts(counts []models.FailureCount, err error) {
	if err != nil {
		c.warn("failed log-ins could not be written; it is tried again within a minute", err)
		return
	}
	for _, f := range counts {
		e := audit.Event{Name: f.Kind, Counts: map[string]int64{"tries": int64(f.N)}}
		if !f.Account.IsZero() {
			e.Account = f.Account.String()
		}
		c.audit(e)
	}
}

// refusals count what was refused, by status, until the next line of the server log.
type refusals struct {
	mu sync.Mutex
	n  map[int]int64
}

// add counts an answer that refuses somebody. What a person mistyped is no refusal.
func (r *refusals) add(status int) {
	switch status {
	case fiber.StatusForbidden, fiber.StatusMisdirectedRequest, fiber.StatusTooManyRequests, fiber.StatusServiceUnavailable, fiber.StatusInsufficientStorage:
	default:
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n == nil {
		r.n = map[int]int64{}
	}
	r.n[status]++
}

func (r *refusals) take() map[string]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.n) == 0 {
		return nil
	}
	out := map[string]int64{}
	for status, n := range r.n {
		out[strconv.Itoa(status)] = n
	}
	clear(r.n)
	return out
}

// exports remember which items were taken out within the hour, so that a file that is fetched in parts, or again, is one
// event.
type exports struct {
	mu sync.Mutex
	at map[export]time.Time
}

type export struct{ session, item models.ID }

const exportEvery = time.Hour

// first tells whether an item was not taken out in this session within the hour.
func (e *exports) first(of export, now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if at, ok := e.at[of]; ok && now.Sub(at) < exportEvery {
		return false
	}
	if e.at == nil {
		e.at = map[export]time.Time{}
	}
	e.at[of] = now
	return true
}

func (e *exports) forget(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for of, at := range e.at {
		if now.Sub(at) >= exportEvery {
			delete(e.at, of)
		}
	}
}

// noteExport notes that an item was taken out of the vault.
func (c *core) noteExport(x *fiber.Ctx, item *models.Item) {
	if s := visitorOf(x).session; x.Method() == fiber.MethodGet && c.exports.first(export{s.ID, item.ID}, c.opt.Now()) {
		c.note(x, models.EventItemExported, item.Title)
	}
}

// remember is the janitor's part of what is remembered: failures that wait are written, refusals told, old events
// forgotten, idle sessions locked.
func (a *App) remember(ctx context.Context, check func(what string, err error)) {
	a.noteCounts(a.db.Activity.Flush(ctx))
	if n := a.refusals.take(); n != nil {
		a.audit(audit.Event{Name: "refused", Counts: n})
	}
	a.exports.forget(a.opt.Now())
	check("idle sessions", a.db.Sessions.LockIdle(ctx))
	if a.opt.ActivityKeep > 0 {
		for more, err := true, error(nil); more && err == nil; check("old events", err) {
			more, err = a.db.Activity.Prune(ctx, a.opt.Now().Add(-a.opt.ActivityKeep))
		}
	}
	a.opt.Audit.Tick()
}
