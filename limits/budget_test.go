package limits

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const mib = 1 << 20

// The budget of most tests: 448 MiB, 128 of them for log-in, as by default.
func newTestBudget() *Budget { return NewBudget(448*mib, 128*mib, 32, 5*time.Second) }

// job is one Acquire in a goroutine of its own.
type job struct {
	release func()
	err     error
	ended   chan struct{}
}

func (j *job) done() bool {
	select {
	case <-j.ended:
		return true
	default:
		return false
	}
}

func start(b *Budget, ctx context.Context, c Class, weight int64) *job {
	j := &job{ended: make(chan struct{})}
	go func() {
		j.release, j.err = b.Acquire(ctx, c, weight)
		close(j.ended)
	}()
	synctest.Wait()
	return j
}

func (j *job) mustRun(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if !j.done() || j.err != nil {
		t.Fatalf("does not run: done %v, %v", j.done(), j.err)
	}
}

func (j *job) mustWait(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if j.done() {
		t.Fatalf("does not wait: %v", j.err)
	}
}

func (j *job) mustFail(t *testing.T, want error) {
	t.Helper()
	synctest.Wait()
	if !j.done() || j.release != nil || !errors.Is(j.err, want) {
		t.Fatalf("want %v: done %v, %v", want, j.done(), j.err)
	}
}

func (j *job) end() {
	j.release()
	synctest.Wait()
}

// mustBeFree fails if a permit or a waiter was left behind.
func mustBeFree(t *testing.T, b *Budget) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shared != 0 || b.logins != 0 || b.guest || len(b.waiting) != 0 || b.running != 0 {
		t.Errorf("left behind: shared %d, logins %d, guest %v, %d waiting, %d running", b.shared, b.logins, b.guest, len(b.waiting), b.running)
	}
}

func TestBudget_Acquire(t *testing.T) {
	bg := context.Background()
	// Each case runs in a bubble with a clock of its own.
	for name, test := range map[string]func(t *testing.T, b *Budget){
		"FIFO": func(t *testing.T, b *Budget) {
			running := start(b, bg, User, 320*mib)
			running.mustRun(t)
			large := start(b, bg, User, 300*mib)
			small := start(b, bg, User, 10*mib)
			last := start(b, bg, User, 10*mib)
			for _, j := range []*job{large, small, last} {
				j.mustWait(t)
			}
			running.end()
			large.mustRun(t)
			small.mustRun(t)
			last.mustRun(t)
			for _, j := range []*job{large, small, last} {
				j.end()
			}
		},
		"SmallDoesNotPassLarge": func(t *testing.T, b *Budget) {
			running := start(b, bg, User, 200*mib)
			large := start(b, bg, User, 300*mib)
			small := start(b, bg, User, 1*mib) // there would be room
			large.mustWait(t)
			small.mustWait(t)
			running.end()
			large.mustRun(t)
			small.mustRun(t)
			large.end()
			small.end()
		},
		"ReserveIsForLogin": func(t *testing.T, b *Budget) {
			user := start(b, bg, User, 320*mib)
			user.mustRun(t)
			blocked := start(b, bg, User, 1)
			blocked.mustWait(t)
			one, two := start(b, bg, Login, 64*mib), start(b, bg, Login, 64*mib)
			one.mustRun(t)
			two.mustRun(t)
			three := start(b, bg, Login, 64*mib)
			three.mustWait(t)
			one.end()
			three.mustRun(t)
			blocked.mustWait(t) // the reserve is no room for a user
			user.end()
			blocked.mustRun(t)
			for _, j := range []*job{two, three, blocked} {
				j.end()
			}
		},
		"GuestsStayOutOfTheReserve": func(t *testing.T, b *Budget) {
			user := start(b, bg, User, 320*mib)
			guest := start(b, bg, Guest, 1)
			guest.mustWait(t)
			user.end()
			guest.mustRun(t)
			guest.end()
		},
		"LoginsTakeAll": func(t *testing.T, b *Budget) {
			var jobs []*job
			for range 7 {
				j := start(b, bg, Login, 64*mib)
				j.mustRun(t)
				jobs = append(jobs, j)
			}
			eighth := start(b, bg, Login, 1)
			eighth.mustWait(t)
			user := start(b, bg, User, 1)
			user.mustWait(t)
			jobs[0].end()
			eighth.mustRun(t)
			user.mustRun(t)
			for _, j := range append(jobs[1:], eighth, user) {
				j.end()
			}
		},
		// While a user waits, later log-ins take no more than their reserve: or a
		// stream of them would keep the user waiting for ever.
		"LoginsDoNotStarveUsers": func(t *testing.T, b *Budget) {
			first := start(b, bg, Login, 200*mib)
			user := start(b, bg, User, 300*mib)
			user.mustWait(t)
			login := start(b, bg, Login, 64*mib)
			login.mustWait(t) // there would be room, but the user is waiting for it
			first.end()
			user.mustRun(t)
			login.mustRun(t)
			user.end()
			login.end()
		},
		"UsersDoNotPassLogins": func(t *testing.T, b *Budget) {
			first := start(b, bg, Login, 200*mib)
			login := start(b, bg, Login, 300*mib)
			user := start(b, bg, User, 100*mib) // there would be room
			login.mustWait(t)
			user.mustWait(t)
			first.end()
			login.mustRun(t)
			user.mustRun(t)
			login.end()
			user.end()
		},
		// Who is served and gone in the same moment has the weight or an error, never
		// an error and the weight.
		"CancelledWhenServed": func(t *testing.T, b *Budget) {
			for range 30 {
				running := start(b, bg, User, 320*mib)
				ctx, cancel := context.WithCancel(bg)
				waiting := start(b, ctx, User, 320*mib)
				running.release()
				cancel()
				if synctest.Wait(); waiting.err == nil {
					waiting.end()
				} else {
					waiting.mustFail(t, context.Canceled)
				}
				mustBeFree(t, b)
			}
		},
		"QueueOfLogins": func(t *testing.T, b *Budget) {
			running := start(b, bg, Login, 448*mib)
			var waiting []*job
			for range 32 {
				j := start(b, bg, Login, 1)
				j.mustWait(t)
				waiting = append(waiting, j)
			}
			start(b, bg, Login, 1).mustFail(t, ErrBusy)
			start(b, bg, User, 1).mustFail(t, ErrBusy)
			start(b, bg, Guest, 1).mustFail(t, ErrBusy)
			running.end()
			for _, j := range waiting {
				j.mustRun(t)
				j.end()
			}
		},
		"GuestsOneAtATime": func(t *testing.T, b *Budget) {
			one := start(b, bg, Guest, 1*mib)
			one.mustRun(t)
			two, three := start(b, bg, Guest, 1*mib), start(b, bg, Guest, 1*mib)
			two.mustWait(t)
			three.mustWait(t)
			user, login := start(b, bg, User, 300*mib), start(b, bg, Login, 64*mib)
			user.mustRun(t) // a guest waiting for a guest holds nobody else up
			login.mustRun(t)
			one.end()
			two.mustRun(t)
			three.mustWait(t)
			two.end()
			three.mustRun(t)
			for _, j := range []*job{three, user, login} {
				j.end()
			}
		},
		"Timeout": func(t *testing.T, b *Budget) {
			running := start(b, bg, User, 320*mib)
			waiting := start(b, bg, User, 1)
			time.Sleep(5*time.Second - 1)
			waiting.mustWait(t)
			time.Sleep(time.Nanosecond)
			waiting.mustFail(t, ErrBusy)
			var busy *BusyError
			if !errors.As(waiting.err, &busy) || busy.RetryAfter != 5*time.Second {
				t.Errorf("got %#v", waiting.err)
			}
			running.end()
		},
		"WhoLeavesUnblocksOthers": func(t *testing.T, b *Budget) {
			running := start(b, bg, User, 200*mib)
			ctx, cancel := context.WithCancel(bg)
			large := start(b, ctx, User, 300*mib)
			small := start(b, bg, User, 100*mib)
			small.mustWait(t)
			cancel()
			large.mustFail(t, context.Canceled)
			small.mustRun(t)
			running.end()
			small.end()
		},
		"WhoTimesOutUnblocksOthers": func(t *testing.T, b *Budget) {
			running := start(b, bg, User, 200*mib)
			large := start(b, bg, User, 300*mib)
			time.Sleep(time.Second)
			small := start(b, bg, User, 100*mib)
			small.mustWait(t)
			time.Sleep(4 * time.Second)
			large.mustFail(t, ErrBusy)
			small.mustRun(t)
			running.end()
			small.end()
		},
		"Deadline": func(t *testing.T, b *Budget) {
			running := start(b, bg, User, 320*mib)
			ctx, cancel := context.WithTimeout(bg, time.Second)
			defer cancel()
			waiting := start(b, ctx, User, 1)
			time.Sleep(time.Second)
			waiting.mustFail(t, context.DeadlineExceeded)
			running.end()
		},
		"CancelledBefore": func(t *testing.T, b *Budget) {
			ctx, cancel := context.WithCancel(bg)
			cancel()
			start(b, ctx, Login, 1).mustFail(t, context.Canceled)
		},
		"TooHeavy": func(t *testing.T, b *Budget) {
			start(b, bg, Login, 448*mib+1).mustFail(t, ErrTooHeavy)
			start(b, bg, User, 320*mib+1).mustFail(t, ErrTooHeavy)
			start(b, bg, Guest, 320*mib+1).mustFail(t, ErrTooHeavy)
			start(b, bg, User, math.MaxInt64).mustFail(t, ErrTooHeavy)
			start(b, bg, User, -1).mustFail(t, ErrTooHeavy)
			all := start(b, bg, Login, 448*mib)
			all.mustRun(t)
			all.end()
		},
		"ReleaseTwice": func(t *testing.T, b *Budget) {
			one, two := start(b, bg, User, 160*mib), start(b, bg, User, 160*mib)
			one.end()
			one.end()
			three := start(b, bg, User, 160*mib)
			three.mustRun(t)
			four := start(b, bg, User, 1)
			four.mustWait(t)
			two.end()
			four.mustRun(t)
			three.end()
			four.end()
		},
		"Queue": func(t *testing.T, b *Budget) {
			users, logins := start(b, bg, User, 320*mib), start(b, bg, Login, 128*mib)
			count := func(c Class, want int) (waiting []*job) {
				t.Helper()
				for range 40 {
					j := start(b, bg, c, 1)
					if !j.done() {
						waiting = append(waiting, j)
						continue
					}
					j.mustFail(t, ErrBusy)
				}
				if len(waiting) != want {
					t.Errorf("%d of class %d wait, want %d", len(waiting), c, want)
				}
				return waiting
			}
			// A flood of guests leaves places for users, both leave places for log-ins.
			all := slices.Concat(count(Guest, 8), count(User, 16), count(Login, 8))
			users.end()
			logins.end()
			time.Sleep(5 * time.Second)
			for _, j := range all {
				synctest.Wait()
				if j.done() && j.err == nil {
					j.end()
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newTestBudget()
				test(t, b)
				synctest.Wait()
				mustBeFree(t, b)
			})
		})
	}
}

func TestBudget_Acquire_NoQueue(t *testing.T) {
	b := NewBudget(10, 0, 0, 0)
	release, err := b.Acquire(context.Background(), Guest, 10)
	if err != nil {
		t.Fatal(err)
	}
	var busy *BusyError
	if _, err := b.Acquire(context.Background(), Login, 1); !errors.As(err, &busy) || busy.RetryAfter != time.Second {
		t.Errorf("got %v", err)
	}
	release()
	mustBeFree(t, b)
}

// Many goroutines with every ending there is; the bounds hold at every moment and
// nothing is left.
func TestBudget_Acquire_Many(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const total, reserve = 100, 30
		b := NewBudget(total, reserve, 16, 50*time.Millisecond)
		var (
			mu      sync.Mutex
			held    [3]int64
			running [3]int
			served  int
			wg      sync.WaitGroup
		)
		change := func(c Class, by int64, n int) {
			mu.Lock()
			defer mu.Unlock()
			held[c] += by
			running[c] += n
			if held[Guest]+held[User] > total-reserve || held[Guest]+held[User]+held[Login] > total || running[Guest] > 1 {
				t.Errorf("out of bounds: held %v, running %v", held, running)
			}
		}
		for i := range 2000 {
			wg.Go(func() {
				class, weight := Class(i%3), int64(i*7%60+1)
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%97+1)*time.Millisecond)
				defer cancel()
				time.Sleep(time.Duration(i%211) * time.Millisecond)
				release, err := b.Acquire(ctx, class, weight)
				if err != nil {
					if !errors.Is(err, ErrBusy) && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("got %v", err)
					}
					return
				}
				change(class, weight, 1)
				mu.Lock()
				served++
				mu.Unlock()
				time.Sleep(time.Duration(i%5) * time.Millisecond)
				change(class, -weight, -1)
				release()
				release()
			})
		}
		wg.Wait()
		mustBeFree(t, b)
		if served < 20 { // the rest found no room in time, as they should
			t.Errorf("only %d of 2000 were served", served)
		}
	})
}

func TestNewBudget_Bounds(t *testing.T) {
	for i, f := range []func(){
		func() { NewBudget(0, 0, 1, 1) },
		func() { NewBudget(1, 2, 1, 1) },
		func() { NewBudget(1, -1, 1, 1) },
		func() { NewBudget(1, 1, -1, 1) },
		func() { NewBudget(1, 1, 1, -1) },
		func() { NewGate(0) },
		func() { NewLimiter(0, 1, 1, time.Now) },
		func() { NewLimiter(1, 0, 1, time.Now) },
		func() { NewLimiter(1, 1, 0, time.Now) },
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			f()
		})
	}
}
