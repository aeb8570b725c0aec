package handlers

import (
	"bufio"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/models"
)

// errCut ends a transfer whose session was ended on purpose (log-out, a changed password). It is answered as
// a request without a session is.
var errCut = errors.New("transfer cut: its session was ended")

// transfers are the up- and downloads under way, and the requests of accounts whose forms are still coming in, so
// that log-out can end them at once. One that only outlives its session's time goes on: it began in a valid session.
type transfers struct {
	mu   sync.Mutex
	all  map[*transfer]struct{}
	over bool // all were cut, and so is what comes
}

type transfer struct {
	session, account models.ID
	stopped          atomic.Bool
	touched          time.Time
}

func newTransfers() *transfers { return &transfers{all: map[*transfer]struct{}{}} }

func (t *transfers) add(s *models.Session) *transfer {
	tr := &transfer{}
	if s != nil {
		tr.session = s.ID
		if s.Account != nil {
			tr.account = *s.Account
		}
	}
	t.mu.Lock()
	t.all[tr] = struct{}{}
	tr.stopped.Store(t.over)
	t.mu.Unlock()
	return tr
}

// belong notes the session of a transfer that began before there was one.
func (t *transfers) belong(tr *transfer, session models.ID) {
	t.mu.Lock()
	tr.session = session
	t.mu.Unlock()
}

// attend registers a request of an account whose body is still to come, so that what ends its session reaches
// it. It is false when that has happened since the session was looked up.
func (c *core) attend(x *fiber.Ctx, s *models.Session) (bool, error) {
	if s.Account == nil || !unread(bodyLength(x)) {
		return true, nil
	}
	tr := c.transfers.add(s)
	alive, err := c.alive(x.UserContext(), s)
	if err != nil || !alive {
		c.transfers.done(tr)
		return false, err
	}
	x.Locals(localPending, tr)
	return true, nil
}

// alive tells whether a session that was looked up before has not been ended since.
func (c *core) alive(ctx context.Context, s *models.Session) (bool, error) {
	if _, ended := c.ended.Load(s.ID); ended {
		return false, nil
	}
	return c.db.Sessions.Lives(ctx, s.ID)
}

// pendingOf is what attend registered of a request; nil for none.
func pendingOf(x *fiber.Ctx) *transfer {
	tr, _ := x.Locals(localPending).(*transfer)
	return tr
}

func (t *transfers) done(tr *transfer) {
	t.mu.Lock()
	delete(t.all, tr)
	t.mu.Unlock()
}

func (t *transfers) stop(which func(*transfer) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for tr := range t.all {
		if which(tr) {
			tr.stopped.Store(true)
		}
	}
}

// cut ends the transfers of one session.
func (t *transfers) cut(session models.ID) {
	t.stop(func(tr *transfer) bool { return tr.session == session })
}

// cutAccount ends the transfers of an account, but those of the session to keep.
func (t *transfers) cutAccount(account models.ID, keep *models.ID) {
	t.stop(func(tr *transfer) bool { return tr.account == account && (keep == nil || tr.session != *keep) })
}

// cutAll ends all of them, and those that begin later.
func (t *transfers) cutAll() {
	t.mu.Lock()
	t.over = true
	t.mu.Unlock()
	t.stop(func(*transfer) bool { return true })
}

// guarded reads until its transfer is cut, and counts as its session's activity once a minute.
type guarded struct {
	io.Reader
	tr    *transfer
	now   func() time.Time
	touch func()
}

func (g *guarded) Read(p []byte) (int, error) {
	if g.tr.stopped.Load() {
		return 0, errCut
	}
	if now := g.now(); now.Sub(g.tr.touched) > time.Minute {
		g.tr.touched = now
		g.touch()
	}
	return g.Reader.Read(p)
}

// send streams a file answer. It owns done, which runs when the answer is sent or broken.
func (c *core) send(x *fiber.Ctx, name string, size int64, body io.Reader, done func()) error {
	first := bufio.NewReaderSize(body, 64<<10)
	if _, err := first.Peek(1); err != nil && err != io.EOF {
		done()
		return err
	}
	s := visitorOf(x).session
	tr := c.transfers.add(s)
	// Between the look at the session and now may lie a slow hash, or what was typed slowly.
	if alive, err := c.alive(x.UserContext(), s); err != nil || !alive {
		c.transfers.done(tr)
		done()
		if err == nil {
			err = errCut
		}
		return err
	}
	c.moves(&c.moving.down, 1)
	tr.touched = c.opt.Now()
	attachment(x, name)
	x.Context().SetBodyStream(&download{
		guarded: guarded{Reader: first, tr: tr, now: c.opt.Now, touch: c.touchSession(s.ID)},
		done:    func() { c.transfers.done(tr); c.moves(&c.moving.down, -1); done() },
	}, int(size))
	return nil
}

// download is a body that fasthttp reads after the handler and closes at the end, however it ends.
type download struct {
	guarded
	done func()
}

// Close gives back the file and the place among the transfers.
func (d *download) Close() error {
	if d.done != nil {
		d.done()
		d.done = nil
	}
	return nil
}

// accounts are those for which something runs.
func (t *transfers) accounts() map[models.ID]struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(map[models.ID]struct{})
	for tr := range t.all {
		if !tr.account.IsZero() {
			out[tr.account] = struct{}{}
		}
	}
	return out
}

// cutSuspended ends what runs for accounts that the command line suspended or deleted.
func (c *core) cutSuspended(ctx context.Context) error {
	for id := range c.transfers.accounts() {
		a, err := c.db.Accounts.Get(ctx, id)
		if models.ErrorCode(err) == models.NotFound || err == nil && a.Suspended {
			c.transfers.cutAccount(id, nil)
		} else if err != nil {
			return err
		}
	}
	return nil
}
