// Package limits keeps the server alive under load: a budget of memory for the
// hashes that are slow on purpose, and rates and counts a client.
//
// Everything is held in memory and bounded. Clients are known by a keyed hash of
// their address only, under a key that is made at start and never stored.
package limits

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Class is who asks the Budget.
type Class int

// Guests run one job at a time. Log-ins have a part of the budget, and of the
// queue, that nobody else may take.
const (
	Guest Class = iota
	User
	Login
)

// ErrBusy is the kind of every *BusyError.
var ErrBusy = errors.New("server is busy")

// ErrTooHeavy is a weight that no waiting would ever find room for.
var ErrTooHeavy = errors.New("job needs more memory than there is for its kind")

// BusyError means: not now. It is ErrBusy under errors.Is.
type BusyError struct {
	RetryAfter time.Duration // whole seconds, for the header of that name (RFC 9110, section 10.2.3)
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("%v: try again in %d seconds", ErrBusy, int64(e.RetryAfter/time.Second))
}

// Is reports whether target is ErrBusy.
func (e *BusyError) Is(target error) bool { return target == ErrBusy }

// Budget hands out weights, in bytes, to jobs that run and lets a bounded number
// of others wait for a bounded time.
//
// Waiters are served first come, first served. Two things let a waiter pass one
// that came earlier, since it takes nothing that the earlier one waits for: a
// guest who waits for another guest holds nobody else up, and a log-in takes
// from the reserve whatever others wait for.
type Budget struct {
	total, reserve int64
	queue          int
	wait           time.Duration

	mu      sync.Mutex
	shared  int64 // held by guests and users: at most total-reserve
	logins  int64 // held by log-ins: all held together are at most total
	guest   bool  // a guest's job runs
	waiting []*waiter
	running int
	watch   func(Outcome)
}

type waiter struct {
	class  Class
	weight int64
	ready  chan struct{} // closed under Budget.mu once the weight is held
}

// NewBudget makes a budget of total bytes of which loginReserve are for Login
// alone. At most queue callers wait, each at most wait. Wrong bounds are the
// caller's mistake and panic.
func NewBudget(total, loginReserve int64, queue int, wait time.Duration) *Budget {
	if total <= 0 || loginReserve < 0 || loginReserve > total || queue < 0 || wait < 0 {
		panic("limits: budget out of bounds")
	}
	return &Budget{total: total, reserve: loginReserve, queue: queue, wait: wait}
}

// Acquire takes weight bytes, waiting for them if need be. Release gives them
// back and may be called more than once; it is nil with an error. Errors are a
// *BusyError when the queue is full or the wait was in vain, ErrTooHeavy at once
// when weight is below zero or above what the class may ever hold, and ctx's own.
func (b *Budget) Acquire(ctx context.Context, c Class, weight int64) (release func(), err error) {
	if b.watch != nil {
		begun := time.Now()
		defer func() { b.watch(Outcome{Class: c, Waited: time.Since(begun), Err: err}) }()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if limit := b.limit(c); weight < 0 || weight > limit {
		return nil, fmt.Errorf("%w: %d of %d bytes", ErrTooHeavy, weight, limit)
	}
	w := &waiter{class: c, weight: weight, ready: make(chan struct{})}
	if !b.enqueue(w) {
		return nil, b.busy()
	}
	timer := time.NewTimer(b.wait)
	defer timer.Stop()
	select {
	case <-w.ready:
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = b.busy()
	}
	if err != nil && b.leave(w) {
		return nil, err
	}
	// Here the weight is held. It may have come together with the end of the wait,
	// which is in time; a caller that has gone gives it back.
	release = sync.OnceFunc(func() { b.release(w) })
	if err := ctx.Err(); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

func (b *Budget) limit(c Class) int64 {
	if c == Login {
		return b.total
	}
	return b.total - b.reserve
}

// busy names the wait as the time to come back: by then whoever waits now is
// served or gone.
func (b *Budget) busy() error {
	return &BusyError{RetryAfter: max(time.Second, (b.wait + time.Second - 1).Truncate(time.Second))}
}

// places is how much of the queue a class may fill: a quarter is kept for log-ins,
// and guests, who are served one by one, get a quarter.
func (b *Budget) places(c Class) int {
	switch c {
	case Login:
		return b.queue
	case User:
		return b.queue - b.queue/4
	default:
		return (b.queue + 3) / 4
	}
}

// enqueue lets w in, to run at once or to wait; false if there is no place.
func (b *Budget) enqueue(w *waiter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, w)
	b.admit()
	if w.held() {
		return true
	}
	// Still last in the queue. Guests count against the users' places too.
	same := 0
	for _, o := range b.waiting {
		if o.class <= w.class {
			same++
		}
	}
	if len(b.waiting) > b.queue || same > b.places(w.class) {
		b.waiting = b.waiting[:len(b.waiting)-1]
		return false
	}
	return true
}

// leave takes w out of the queue; false if it holds its weight already.
func (b *Budget) leave(w *waiter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, o := range b.waiting {
		if o == w {
			b.waiting = append(b.waiting[:i:i], b.waiting[i+1:]...)
			b.admit() // those behind may have waited for w alone
			return true
		}
	}
	return false
}

func (b *Budget) release(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running--
	switch w.class {
	case Login:
		b.logins -= w.weight
	case Guest:
		b.guest = false
		fallthrough
	default:
		b.shared -= w.weight
	}
	b.admit()
}

// admit walks the queue from the front and starts what may start. What is blocked
// blocks everything behind it that wants the same.
func (b *Budget) admit() {
	var sharedBlocked, loginBlocked, guestBlocked bool
	rest := make([]*waiter, 0, len(b.waiting))
	for _, w := range b.waiting {
		room := b.total - b.shared - b.logins
		ok := false
		switch {
		case w.class == Login:
			fits := w.weight <= room
			if sharedBlocked { // then only out of the reserve
				fits = fits && b.logins+w.weight <= b.reserve
			}
			if ok = fits && !loginBlocked; ok {
				b.logins += w.weight
			} else {
				loginBlocked, sharedBlocked = true, true
			}
		case w.class == Guest && (b.guest || guestBlocked):
			guestBlocked = true
		default:
			if ok = !sharedBlocked && w.weight <= room && b.shared+w.weight <= b.total-b.reserve; ok {
				b.shared += w.weight
				b.guest = b.guest || w.class == Guest
			} else {
				sharedBlocked = true
				guestBlocked = guestBlocked || w.class == Guest
			}
		}
		if ok {
			b.running++
			close(w.ready)
		} else {
			rest = append(rest, w)
		}
	}
	b.waiting = rest
}

func (w *waiter) held() bool {
	select {
	case <-w.ready:
		return true
	default:
		return false
	}
}
