package models

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// writeWait is how long a writer waits for its turn. The one before it has writeTime at most, and most take
// a few milliseconds, nearly all of it the disk's sync.
const writeWait = 5 * time.Second

// waitBounds are the upper bounds of the waits that are counted, in seconds. The last is writeWait: above it are
// the writers that were turned away.
func waitBounds() [len(Waits{}.Counts) - 1]float64 {
	return [...]float64{0.001, 0.005, 0.025, 0.1, 0.5, 1, writeWait.Seconds()}
}

// queue is the line of writers before a database's one writing connection: first come, first served, each for a
// bounded time. database/sql would let them wait without a bound or a number.
type queue struct {
	turn    chan struct{} // holds one value while nobody writes
	waiting atomic.Int64
	max     time.Duration

	mu    sync.Mutex
	waits Waits
}

func newQueue(longest time.Duration) *queue {
	q := &queue{turn: make(chan struct{}, 1), max: longest}
	q.turn <- struct{}{}
	return q
}

// enter waits for a turn, which the returned function ends. It is Unavailable and [Busy] when that took too long.
func (q *queue) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	leave = func() { q.turn <- struct{}{} }
	select {
	case <-q.turn:
		q.note(0, false)
		return leave, nil
	default:
	}
	q.waiting.Add(1)
	defer q.waiting.Add(-1)
	begun := time.Now() // the wait is real, whatever clock the rest goes by
	late := time.NewTimer(q.max)
	defer late.Stop()
	select {
	case <-q.turn:
		q.note(time.Since(begun), false)
		return leave, nil
	case <-late.C:
		q.note(time.Since(begun), true)
		return nil, errQueue
	case <-ctx.Done():
		q.note(time.Since(begun), true)
		return nil, ctx.Err()
	}
}

func (q *queue) note(d time.Duration, refused bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waits.add(d, refused)
}

func (q *queue) stats() (waiting int, w Waits) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return int(q.waiting.Load()), q.waits
}

// Waits are how long writers waited for their turn. Counts are by the upper bounds of [Waits.Bounds], each wait
// counted once; the last is of those above all bounds.
type Waits struct {
	Counts  [8]uint64
	Total   uint64 // of all counts
	Refused uint64 // of these: they went without their turn, since it took too long or nobody waited any more
	Seconds float64
}

// Bounds are the upper bounds in seconds of all Counts but the last.
func (Waits) Bounds() []float64 {
	b := waitBounds()
	return b[:]
}

func (w *Waits) add(d time.Duration, refused bool) {
	s, i := d.Seconds(), 0
	bounds := waitBounds()
	for i < len(bounds) && s > bounds[i] {
		i++
	}
	w.Counts[i]++
	w.Total++
	w.Seconds += s
	if refused {
		w.Refused++
	}
}

func (w Waits) plus(o Waits) Waits {
	for i := range w.Counts {
		w.Counts[i] += o.Counts[i]
	}
	w.Total += o.Total
	w.Refused += o.Refused
	w.Seconds += o.Seconds
	return w
}
