package limits

import (
	"bytes"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// clock is time that moves when a test says so.
type clock struct{ t time.Time }

func newClock() *clock               { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }
func (c *clock) now() time.Time      { return c.t }
func (c *clock) add(d time.Duration) { c.t = c.t.Add(d) }

func key(n int) (k [16]byte) {
	k[0], k[1], k[2] = byte(n), byte(n>>8), byte(n>>16)
	return k
}

func TestClients_Key(t *testing.T) {
	c := NewClients(newClock().now)
	of := func(s string) [16]byte { return c.Key(netip.MustParseAddr(s)) }
	for _, same := range [][2]string{
		{"192.0.2.1", "192.0.2.1"},
		{"192.0.2.1", "::ffff:192.0.2.1"},
		{"2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"},
		{"fe80::1%eth0", "fe80::1%eth1"},
	} {
		if of(same[0]) != of(same[1]) {
			t.Errorf("%s and %s are two clients", same[0], same[1])
		}
	}
	for _, differ := range [][2]string{
		{"192.0.2.1", "192.0.2.2"},
		{"2001:db8::1", "2001:db8:0:1::1"},
		{"192.0.2.1", "c000:201::"}, // the same leading bytes
		{"0.0.0.0", "::"},
	} {
		if of(differ[0]) == of(differ[1]) {
			t.Errorf("%s and %s are one client", differ[0], differ[1])
		}
	}
	if invalid := c.Key(netip.Addr{}); invalid == of("0.0.0.0") || invalid == of("::") {
		t.Error("the invalid address is not a client of its own")
	}

	t.Run("Keyed", func(t *testing.T) {
		addr := netip.MustParseAddr("192.0.2.1")
		if other := NewClients(newClock().now).Key(addr); other == c.Key(addr) {
			t.Error("two servers know a client by the same hash")
		}
		k := c.Key(addr)
		if bytes.Contains(k[:], addr.AsSlice()) {
			t.Error("the hash shows the address")
		}
	})
	t.Run("Forgets", func(t *testing.T) {
		clock := newClock()
		c, addr := NewClients(clock.now), netip.MustParseAddr("192.0.2.1")
		first := c.Key(addr)
		clock.add(24*time.Hour - 1)
		if c.Key(addr) != first {
			t.Error("changes within the day")
		}
		clock.add(1)
		second := c.Key(addr)
		if second == first {
			t.Error("does not change after a day")
		}
		clock.add(time.Hour)
		if c.Key(addr) != second {
			t.Error("changes at every call after a day")
		}
	})
}

func TestLimiter_Take(t *testing.T) {
	take := func(t *testing.T, l *Limiter, k int, wantOK bool, wantAfter time.Duration) {
		t.Helper()
		if ok, after := l.Peek(key(k)); ok != wantOK || after != wantAfter {
			t.Errorf("Peek: %v, %v; want %v, %v", ok, after, wantOK, wantAfter)
		}
		if ok, after := l.Take(key(k)); ok != wantOK || after != wantAfter {
			t.Errorf("Take: %v, %v; want %v, %v", ok, after, wantOK, wantAfter)
		}
	}
	t.Run("Burst", func(t *testing.T) {
		c := newClock()
		l := NewLimiter(3, time.Minute, 10, c.now)
		for range 3 {
			take(t, l, 1, true, 0)
		}
		take(t, l, 1, false, time.Minute)
		take(t, l, 2, true, 0) // another key is not touched
		c.add(59 * time.Second)
		take(t, l, 1, false, time.Second) // and a refusal costs nothing
		c.add(time.Second)
		take(t, l, 1, true, 0)
		take(t, l, 1, false, time.Minute)
		c.add(time.Hour) // no more than burst comes together
		for range 3 {
			take(t, l, 1, true, 0)
		}
		take(t, l, 1, false, time.Minute)
	})
	t.Run("One", func(t *testing.T) {
		c := newClock()
		l := NewLimiter(1, time.Second, 1, c.now)
		take(t, l, 1, true, 0)
		take(t, l, 1, false, time.Second)
		c.add(time.Second)
		take(t, l, 1, true, 0)
	})
	t.Run("Return", func(t *testing.T) {
		c := newClock()
		l := NewLimiter(2, time.Minute, 10, c.now)
		l.Return(key(1)) // full stays full
		take(t, l, 1, true, 0)
		take(t, l, 1, true, 0)
		l.Return(key(1))
		take(t, l, 1, true, 0)
		take(t, l, 1, false, time.Minute)
		for range 5 {
			l.Return(key(1))
		}
		take(t, l, 1, true, 0)
		take(t, l, 1, true, 0)
		take(t, l, 1, false, time.Minute)
	})
	t.Run("ForgetsFull", func(t *testing.T) {
		c := newClock()
		l := NewLimiter(2, time.Minute, 1000, c.now)
		for k := range 1000 {
			l.Take(key(k))
		}
		c.add(time.Minute)
		l.Take(key(5000))
		if len(l.buckets) != 1 || len(l.order) != 1 {
			t.Errorf("keeps %d buckets, %d in order", len(l.buckets), len(l.order))
		}
	})
	t.Run("ForgetsReturned", func(t *testing.T) {
		l := NewLimiter(2, time.Minute, 10, newClock().now)
		l.Take(key(1))
		l.Return(key(1))
		if len(l.buckets) != 0 || len(l.order) != 0 {
			t.Error("keeps a full bucket")
		}
	})
	t.Run("Bounded", func(t *testing.T) {
		c := newClock()
		l := NewLimiter(5, time.Hour, 100, c.now)
		for range 5 {
			take(t, l, 1, true, 0) // the one that a flood should wash away
		}
		for k := 2; k < 100_000; k++ {
			l.Take(key(k))
			c.add(time.Microsecond)
		}
		if len(l.buckets) != 100 || len(l.order) != 100 {
			t.Fatalf("keeps %d buckets, %d in order", len(l.buckets), len(l.order))
		}
		if ok, _ := l.Peek(key(1)); ok {
			t.Error("a flood of other keys gave a used-up bucket back")
		}
		for i, b := range l.order {
			if b.at != i || l.buckets[b.key] != b {
				t.Fatal("heap and map disagree")
			}
		}
	})
	t.Run("Concurrent", func(t *testing.T) {
		c := newClock()
		l := NewLimiter(50, time.Hour, 10, c.now)
		var (
			wg    sync.WaitGroup
			mu    sync.Mutex
			taken int
		)
		for range 200 {
			wg.Go(func() {
				l.Peek(key(1))
				if ok, _ := l.Take(key(1)); ok {
					mu.Lock()
					taken++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if taken != 50 {
			t.Errorf("%d of 50 taken", taken)
		}
	})
}

// The wait grows while tokens are taken, and shrinks as they come back.
func TestLimiter_Growing(t *testing.T) {
	c := newClock()
	l := NewLimiter(10, time.Minute, 8, c.now).Growing(5, time.Second)
	var waits []time.Duration
	for range 13 {
		for {
			ok, after := l.Take(key(1))
			if ok {
				break
			}
			if _, peeked := l.Peek(key(1)); peeked != after {
				t.Fatalf("Take says %v, Peek %v", after, peeked)
			}
			waits = append(waits, after)
			c.add(after)
		}
	}
	want := []time.Duration{1, 2, 4, 8, 16}
	for i, w := range want {
		if waits[i] != w*time.Second {
			t.Errorf("wait %d is %v, want %v", i, waits[i], w*time.Second)
		}
	}
	for _, w := range waits[len(want):] {
		if w < 28*time.Second || w > time.Minute {
			t.Errorf("later on the wait is %v", w)
		}
	}
	if ok, _ := l.Take(key(2)); !ok {
		t.Error("another key has to wait too")
	}
	// A guess that was right takes its wait back with it.
	l.Return(key(1))
	if _, after := l.Peek(key(1)); after > time.Minute {
		t.Errorf("%v after a right one", after)
	}
	c.add(time.Hour)
	for i := range 5 {
		if ok, after := l.Take(key(1)); !ok {
			t.Fatalf("take %d an hour later: wait %v", i, after)
		}
	}
	t.Run("RightOnes", func(t *testing.T) {
		l := NewLimiter(10, time.Minute, 8, c.now).Growing(1, time.Second)
		for i := range 100 {
			if ok, after := l.Take(key(3)); !ok {
				t.Fatalf("take %d: wait %v", i, after)
			}
			l.Return(key(3))
		}
	})
}

func TestGate_Enter(t *testing.T) {
	g := NewGate(2)
	enter := func(k int, want bool) func() {
		t.Helper()
		leave, ok := g.Enter(key(k))
		if ok != want || (leave != nil) != want {
			t.Fatalf("got %v, want %v", ok, want)
		}
		return leave
	}
	one, two := enter(1, true), enter(1, true)
	enter(1, false)
	other := enter(2, true)
	one()
	one() // counts once
	three := enter(1, true)
	enter(1, false)
	two()
	three()
	other()
	if len(g.inside) != 0 {
		t.Errorf("keeps %d keys", len(g.inside))
	}

	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		inside int
	)
	for range 100 {
		wg.Go(func() {
			leave, ok := g.Enter(key(1))
			if !ok {
				return
			}
			mu.Lock()
			if inside++; inside > 2 {
				t.Error("too many inside")
			}
			mu.Unlock()
			mu.Lock()
			inside--
			mu.Unlock()
			leave()
		})
	}
	wg.Wait()
	if len(g.inside) != 0 {
		t.Errorf("keeps %d keys", len(g.inside))
	}
}
