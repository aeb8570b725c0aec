package handlers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/blobs"
	"zencrypt/limits"
	"zencrypt/models"
	"zencrypt/views"
)

// rewrapJob renews what stands under older versions of a person's keys, in the background while a session
// lives. That it was asked for stands sealed with the keys, so that it goes on at the next log-in.
type rewrapJob struct {
	*core
	user *models.Unlocked
	tr   *transfer

	cancelled atomic.Bool
	bytesDone atomic.Int64

	done  chan struct{} // closed at its end
	mu    sync.Mutex
	state views.Rewrap
	left  map[string]int // what stays as it is, by the reason
	ended time.Time      // zero while it runs
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

// startRewrap starts the account's job unless it runs already; one that runs sees what was asked for since. One
// whose session has just ended is waited for.
func (c *core) startRewrap(u *models.Unlocked, s *models.Session) {
	job := &rewrapJob{core: c, user: u, tr: c.transfers.add(s), left: map[string]int{}, done: make(chan struct{})}
	job.state.Running = true
	var before *rewrapJob
	for {
		other, found := c.rewraps.LoadOrStore(u.Account.ID, job)
		if !found {
			break
		}
		if before = other.(*rewrapJob); !before.over() && !before.stopped() {
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
		job.finish(job.run(context.Background()))
	})
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
	if err := j.settle(ctx, j.user); err != nil {
		return err
	}
	tried := map[models.ID]int{}
	for {
		todo, err := j.todo(ctx, tried)
		if err != nil {
			return err
		}
		if len(todo) == 0 {
			return j.db.Keys.AskRewrap(ctx, j.user, false, func(*models.Key) bool { return true })
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
				j.keep(string(kept))
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

// keptError is why an item stays as it is, for the person; %s is a number of items.
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

// keep notes that an item stays as it is.
func (j *rewrapJob) keep(reason string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.left[reason]++
}

// patiently repeats work for which the server was busy, once a second for a minute.
func (j *rewrapJob) patiently(work func() error) error {
	for tries := 0; ; tries++ {
		err := work()
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
	case errors.Is(err, errStopped), errors.Is(err, errCut), j.stopped():
		j.state.Cancelled = true
	case errors.Is(err, blobs.ErrDisk), models.ErrorCode(err) == models.Unavailable:
		j.state.Problem = "The server's disk is full or busy. It goes on at the next log-in, or when you start it again."
	default:
		j.state.Problem = "Something went wrong on the server; its log has the reason. It goes on at the next log-in, or when you start it again."
		j.opt.Log.Error("rewrapping stopped; it goes on at the next log-in", "error", errorClass(err))
	}
	for reason, n := range j.left {
		j.state.Left = append(j.state.Left, fmt.Sprintf(reason, count(n, "item", "items")))
	}
}

// rewrapState is how an account's renewal goes on, for the page.
func (c *core) rewrapState(account models.ID) views.Rewrap {
	found, ok := c.rewraps.Load(account)
	if !ok {
		return views.Rewrap{}
	}
	j := found.(*rewrapJob)
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.state
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
