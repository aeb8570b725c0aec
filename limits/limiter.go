package limits

import (
	"container/heap"
	"sync"
	"time"
)

// Limiter is a token bucket for every key. A bucket is kept as one time, the one
// at which it will be full again (the virtual scheduling algorithm of ITU-T
// I.371, annex A), and forgotten when that has come.
type Limiter struct {
	burst   int
	per     time.Duration
	maxKeys int
	now     func() time.Time
	free    int           // takes of a full bucket that no wait follows
	first   time.Duration // the wait after the next one; each after that is twice as long, up to per. 0: none

	mu      sync.Mutex
	buckets map[[16]byte]*bucket
	order   bucketHeap // the fullest first
}

type bucket struct {
	key  [16]byte
	full time.Time
	next time.Time // not before then, however many tokens there are
	at   int       // index in the heap
}

// NewLimiter allows burst at once and one more each per. It remembers at most
// maxKeys buckets that are not full; above that it forgets the fullest, so that a
// flood of new keys cannot make a bucket that is used up full again before those
// of the flood are used up too. Wrong bounds are the caller's mistake and panic.
func NewLimiter(burst int, per time.Duration, maxKeys int, now func() time.Time) *Limiter {
	if burst < 1 || per <= 0 || maxKeys < 1 {
		panic("limits: limiter out of bounds")
	}
	return &Limiter{burst: burst, per: per, maxKeys: maxKeys, now: now, buckets: make(map[[16]byte]*bucket)}
}

// Growing makes tokens come with a wait that grows with how many were taken: none after the first free-1,
// then first, twice that and so on, at most the time in which one token comes back. It is for guesses: the
// first few mistakes cost a person nothing, and the tenth guess no longer comes at once. Call it before use.
func (l *Limiter) Growing(free int, first time.Duration) *Limiter {
	if free < 1 || first <= 0 {
		panic("limits: limiter out of bounds")
	}
	l.free, l.first = free, first
	return l
}

// wait is how long after now a bucket gives no other token.
func (l *Limiter) wait(b *bucket, now time.Time) time.Duration {
	if l.first == 0 {
		return 0
	}
	used := int((b.full.Sub(now) + l.per - 1) / l.per)
	d := l.first
	for ; used > l.free && d < l.per; used-- {
		d *= 2
	}
	if used < l.free {
		return 0
	}
	return min(d, l.per)
}

// Take takes a token. Without one it changes nothing and says when there will be.
func (l *Limiter) Take(key [16]byte) (ok bool, retryAfter time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.forgetFull(now)
	b := l.buckets[key]
	if after := l.missing(b, now); after > 0 {
		return false, after
	}
	if b != nil {
		b.full = b.full.Add(l.per)
		b.next = now.Add(l.wait(b, now))
		heap.Fix(&l.order, b.at)
		return true, 0
	}
	if len(l.buckets) >= l.maxKeys {
		delete(l.buckets, heap.Pop(&l.order).(*bucket).key)
	}
	b = &bucket{key: key, full: now.Add(l.per)}
	b.next = now.Add(l.wait(b, now))
	l.buckets[key] = b
	heap.Push(&l.order, b)
	return true, 0
}

// Peek says what Take would, and takes nothing.
func (l *Limiter) Peek(key [16]byte) (ok bool, retryAfter time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	after := l.missing(l.buckets[key], l.now())
	return after == 0, after
}

// Return gives a token back, for what turned out not to count (a log-in that
// succeeded). A full bucket stays full.
func (l *Limiter) Return(key [16]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if b := l.buckets[key]; b != nil {
		b.full = b.full.Add(-l.per)
		if sooner := now.Add(l.wait(b, now)); sooner.Before(b.next) {
			b.next = sooner
		}
		heap.Fix(&l.order, b.at)
	}
	l.forgetFull(now)
}

// missing is the time until b has a token, 0 if it has one; nil is full.
func (l *Limiter) missing(b *bucket, now time.Time) time.Duration {
	if b == nil {
		return 0
	}
	return max(0, b.full.Sub(now)-time.Duration(l.burst-1)*l.per, b.next.Sub(now))
}

func (l *Limiter) forgetFull(now time.Time) {
	for len(l.order) > 0 && !l.order[0].full.After(now) {
		delete(l.buckets, heap.Pop(&l.order).(*bucket).key)
	}
}

type bucketHeap []*bucket

func (h bucketHeap) Len() int           { return len(h) }
func (h bucketHeap) Less(i, j int) bool { return h[i].full.Before(h[j].full) }
func (h bucketHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

func (h *bucketHeap) Push(x any) {
	b := x.(*bucket)
	b.at = len(*h)
	*h = append(*h, b)
}

func (h *bucketHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
