package handlers

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/lang"
	"zencrypt/limits"
	"zencrypt/models"
	"zencrypt/views"
)

// rewrapJob renews what stands under older versions of a person's keys, in the background while the session lives in
// which it was asked for. It does not count as that session's use, so that nobody's key stays in memory for hours
// because there was much to renew: it stops within a minute after the session has ended, and another session of the
// account that is there goes on, else the next log-in. That it was asked for stands sealed with the keys.
type rewrapJob struct {
	*core
	user    *models.Unlocked
	session models.ID
	tr      *transfer

	cancelled atomic.Bool
	bytesDone atomic.Int64

	done  chan struct{} // closed at its end
	mu    sync.Mutex
	state views.Rewrap
	why   lang.Text // it has ended
	heirs []heir
	ended time.Time // zero while it runs
}

// heir is another session of the account, in which it was asked for too.
type heir struct {
	user    *models.Unlocked
	session *models.Session
}

// Rewrap handles POST /keys/rewrap (key: that one alone; cancel): 303 to the ring, which shows how it goes on.
func (k *keys) Rewrap(x *fiber.Ctx) error {
	f, err := k.readForm(x, formLimit)
	if err != nil {
		return err
	}
	ctx, v := x.UserContext(), visitorOf(x)
	if f.on("cancel") {
		if job, ok := k.rewraps.Load(v.user.Account.ID); ok {
			job.(*rewrapJob).cancelled.Store(true)
		}
		if err := k.db.Keys.AskRewrap(ctx, v.user, false, func(*models.Key) bool { return true }); err != nil {
			return err
		}
		return redirect(x, "/keys")
	}
	which := func(*models.Key) bool { return true }
	if only := f.get("key"); only != "" {
		id, err := models.ParseID(only)
		if err != nil {
			return fiber.ErrNotFound
		}
		if _, err := k.store.Get(ctx, v.user, id); err != nil {
			return err
		}
		which = func(k *models.Key) bool { return k.ID == id }
	}
	now := k.opt.Now()
	err = k.db.Keys.AskRewrap(ctx, v.user, true, func(k *models.Key) bool { return which(k) && k.Active(now) != nil })
	if err != nil {
		return err
	}
	k.startRewrap(v.user, v.session)
	return redirect(x, "/keys")
}

// resumeRewrap goes on with a renewal that was asked for in an earlier session.
func (c *core) resumeRewrap(ctx context.Context, u *models.Unlocked, s *models.Session) {
	list, err := c.db.Keys.List(ctx, u)
	if err != nil {
		c.opt.Log.Warn("a renewal of items could not go on; it does at the next log-in", "error", errorClass(err))
		return
	}
	for i := range list {
		if list[i].Rewrap {
			c.startRewrap(u, s)
			return
		}
	}
}

// startRewrap starts the account's job unless it runs already; one that runs sees what was asked for since, and this
// session goes on with it when its own ends. One whose session has just ended is waited for.
func (c *core) startRewrap(u *models.Unlocked, s *models.Session) {
	job := &rewrapJob{core: c, user: u, session: s.ID, tr: c.transfers.add(s), done: make(chan struct{})}
	job.state.Running = true
	var before *rewrapJob
	for {
		other, found := c.rewraps.LoadOrStore(u.Account.ID, job)
		if !found {
			break
		}
		if before = other.(*rewrapJob); before.bequeath(u, s) {
			c.transfers.done(job.tr)
			return
		}
		if c.rewraps.CompareAndSwap(u.Account.ID, other, job) {
			break
		}
	}
	c.background.Go(func() {
		defer c.transfers.done(job.tr)
		defer close(job.done)
		if before != nil {
			<-before.done
		}
		err := job.run(context.Background())
		if err != nil && job.tr.stopped.Load() && !job.cancelled.Load() {
			job.handOn() // before its end shows, so that the page sees one going on
		}
		job.finish(err)
	})
}

// handOn lets another session go on with a job whose own has ended.
func (j *rewrapJob) handOn() {
	j.mu.Lock()
	heirs := j.heirs
	j.mu.Unlock()
	for _, next := range heirs {
		if lives, err := j.db.Sessions.Lives(context.Background(), next.session.ID); err == nil && lives {
			j.startRewrap(next.user, next.session)
			return
		}
	}
}

// bequeath notes who goes on when the job's session ends; false when the job runs no more.
func (j *rewrapJob) bequeath(u *models.Unlocked, s *models.Session) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.ended.IsZero() || j.stopped() {
		return false
	}
	if s.ID != j.session {
		j.heirs = append(j.heirs, heir{u, s})
	}
	return true
}

// look stops the job when its session has ended by itself, idle or too old. A log-out stops it at once.
func (j *rewrapJob) look() {
	if lives, err := j.db.Sessions.Lives(context.Background(), j.session); err == nil && !lives {
		j.tr.stopped.Store(true)
	}
}

func (j *rewrapJob) over() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return !j.ended.IsZero()
}

// stopped tells whether the person cancelled it or the session ended.
func (j *rewrapJob) stopped() bool { return j.cancelled.Load() || j.tr.stopped.Load() }

var (
	// errStopped ends a job that was cancelled or whose session ended.
	errStopped = errors.New("rewrap stopped")
	// errAgain is an item that was changed while it was renewed.
	errAgain = errors.New("item changed meanwhile")
)

// itemTries is how often a job takes up an item that is changed meanwhile.
const itemTries = 3

// run renews item by item. One that can't be renewed is left as it is and told; what fails for all (a full disk)
// ends the job.
func (j *rewrapJob) run(ctx context.Context) error {
	if err := j.patiently(func() error { return j.settle(ctx, j.user) }); err != nil {
		return err
	}
	tried := map[models.ID]int{}
	for {
		var todo []rewrapTask
		err := j.patiently(func() (err error) { todo, err = j.todo(ctx, tried); return err })
		if err != nil {
			return err
		}
		if len(todo) == 0 {
			return j.patiently(func() error { return j.db.Keys.AskRewrap(ctx, j.user, false, func(*models.Key) bool { return true }) })
		}
		for _, t := range todo {
			if j.stopped() {
				return errStopped
			}
			tried[t.Item]++
			before := j.bytesDone.Load()
			err := j.patiently(func() error { return j.renew(ctx, t) })
			var kept keptError
			switch {
			case errors.Is(err, errAgain):
				j.bytesDone.Store(before)
				j.uncount(t)
			case errors.As(err, &kept):
				tried[t.Item] = itemTries
				j.bytesDone.Store(before)
				j.uncount(t)
				if err := j.patiently(func() error { return j.db.Items.Keep(ctx, j.user, t.Item, string(kept)) }); err != nil && models.ErrorCode(err) != models.NotFound {
					return err
				}
			case err != nil:
				return err
			default:
				j.bytesDone.Store(before + t.Size)
				j.mu.Lock()
				j.state.Done++
				j.mu.Unlock()
			}
		}
	}
}

// keptError is why an item stays as it is, as models.ItemMeta notes it.
type keptError string

func (e keptError) Error() string { return "item kept: " + string(e) }

// rewrapTask is an item that stands under an older version of a key.
type rewrapTask struct {
	models.Standing
	key *models.Key
}

// todo lists what is to be renewed and was not tried yet, of all keys for which it was asked.
func (j *rewrapJob) todo(ctx context.Context, tried map[models.ID]int) (todo []rewrapTask, err error) {
	list, err := j.db.Keys.List(ctx, j.user)
	if err != nil {
		return nil, err
	}
	asked := map[models.ID]*models.Key{}
	for i := range list {
		if k := &list[i]; k.Rewrap && k.Active(j.opt.Now()) != nil {
			asked[k.ID] = k
		}
	}
	all, err := j.db.Items.Standing(ctx, j.user)
	if err != nil {
		return nil, err
	}
	var bytes int64
	for _, s := range all {
		k := asked[s.Key]
		if k == nil || tried[s.Item] >= itemTries || s.Version == k.Active(j.opt.Now()).N {
			continue
		}
		todo = append(todo, rewrapTask{s, k})
		bytes += s.Size
	}
	j.mu.Lock()
	j.state.Total += len(todo)
	j.state.Bytes += bytes
	j.mu.Unlock()
	return todo, nil
}

// uncount takes an item off what is to be done.
func (j *rewrapJob) uncount(t rewrapTask) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state.Total--
	j.state.Bytes -= t.Size
}

// patiently repeats work for which the server was busy, once a second for a minute.
func (j *rewrapJob) patiently(work func() error) error {
	for tries := 0; ; tries++ {
		j.pause(context.Background(), j.stopped)
		err := work()
		if models.ReadOnly(err) && j.db.Why() != "" && !j.stopped() { // it waits until something can be saved, however long that is
			time.Sleep(time.Second)
			tries = -1
			continue
		}
		var busy *limits.BusyError
		if !errors.As(err, &busy) && !models.Busy(err) || tries == 60 {
			return err
		}
		if j.stopped() {
			return errStopped
		}
		time.Sleep(time.Second)
	}
}

func (j *rewrapJob) finish(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = j.opt.Now()
	j.state.Running, j.state.Ended = false, true
	switch {
	case err == nil:
	case j.cancelled.Load():
		j.state.Cancelled = true
	case errors.Is(err, errStopped), errors.Is(err, errCut), j.stopped():
		j.why = told("jobs.session-ended")
	case errors.Is(err, blobs.ErrDisk), models.ErrorCode(err) == models.Unavailable && !models.Busy(err):
		j.why = told("jobs.disk-full")
	default:
		j.why = told("jobs.internal")
		j.opt.Log.Error("rewrapping stopped; it goes on at the next log-in", "error", errorClass(err))
	}
}

// rewrapState is how an account's renewal goes on, for the page.
func (c *core) rewrapState(ctx context.Context, account models.ID) views.Rewrap {
	found, ok := c.rewraps.Load(account)
	if !ok {
		return views.Rewrap{}
	}
	j := found.(*rewrapJob)
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.state
	s.Problem = j.why.In(ctx)
	s.BytesDone = min(j.bytesDone.Load(), s.Bytes)
	return s
}

// rewrapShown is how long the end of a renewal stays on the page.
const rewrapShown = 10 * time.Minute

// forgetRewraps drops the jobs that ended a while ago.
func (c *core) forgetRewraps() {
	c.rewraps.Range(func(account, found any) bool {
		j := found.(*rewrapJob)
		j.mu.Lock()
		old := !j.ended.IsZero() && c.opt.Now().Sub(j.ended) > rewrapShown
		j.mu.Unlock()
		if old {
			c.rewraps.CompareAndDelete(account, found)
		}
		return true
	})
}
