package handlers

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// guessFrom posts a wrong password from an address of this machine and gives the status.
func guessFrom(s *server, address, path, body string) (status int, retry string, err error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext}
	req, err := http.NewRequest("POST", s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode, res.Header.Get("Retry-After"), nil
}

// TestSecurity_Guesses: 10,000 guesses from 200 addresses within 50 minutes against one login. Few are tested, the
// owner's known device gets in all the time, nothing is locked afterwards, and memory stays flat.
func TestSecurity_Guesses(t *testing.T) {
	const guesses, addresses = 10_000, 200
	const step = 300 * time.Millisecond
	s, clk := clocked(t, func(o *Options) { o.Log = slog.New(slog.DiscardHandler) })
	owner := s.client(t)
	owner.register("owner")
	owner.post("/logout").want(t, 303)
	owner.post("/login", "login", "owner", "password", testPassword).want(t, 303)
	before := s.db.SlowHashes()
	own := int64(0)
	var refused, tested atomic.Int64
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var early uint64
	for round := range guesses / addresses {
		var all sync.WaitGroup
		turns := make(chan int)
		for range 8 {
			all.Go(func() {
				for i := range turns {
					clk.add(step)
					status, retry, err := guessFrom(s, fmt.Sprintf("127.0.0.%d", 2+i), "/login", fmt.Sprintf("login=owner&password=guess+%d+%d", round, i))
					switch {
					case err != nil:
						t.Error(err)
					case status == 429 && retry != "":
						refused.Add(1)
					case status == 422:
						tested.Add(1)
					default:
						t.Errorf("guess %d of round %d: %d, Retry-After %q", i, round, status, retry)
					}
				}
			})
		}
		for i := range addresses {
			turns <- i
		}
		close(turns)
		all.Wait()
		// The owner comes back on a device from before, and mistypes once.
		owner.post("/login", "login", "owner", "password", otherPassword).want(t, 422)
		owner.post("/login", "login", "owner", "password", testPassword).want(t, 303)
		own += 4
		if round == 9 {
			early = heap()
		}
	}
	if late := heap(); late > early+4<<20 {
		t.Errorf("the heap grew from %d to %d KiB between the 2,000th and the last guess", early>>10, late>>10)
	}
	runs := s.db.SlowHashes() - before - own
	most := int64(10 + guesses*step/time.Minute + 1)
	t.Logf("%d guesses in %v: %d tested, %d refused, %d slow hashes", guesses, guesses*step, tested.Load(), refused.Load(), runs)
	if runs != 2*tested.Load() || tested.Load() > most || tested.Load() < 10 {
		t.Errorf("%d guesses were tested with %d slow hashes, at most %d with two each are allowed", tested.Load(), runs, most)
	}
	if tested.Load()+refused.Load() != guesses {
		t.Errorf("%d answers to %d guesses", tested.Load()+refused.Load(), guesses)
	}
	// Who has a new device waits a minute at most.
	clk.add(time.Minute + time.Second)
	s.client(t).post("/login", "login", "owner", "password", testPassword).want(t, 303)
}
