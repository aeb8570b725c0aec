//go:build linux

package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	crowd         = 200       // accounts that log in at once
	crowdMemory   = 600 << 20 // bytes that the server may have at its peak
	crowdPassword = "nine lorries at the ford 77"
	// pageTime is how long a page without a slow hash may take meanwhile, half of the times. The slowest
	// page says more of the machine than of the server: answerTime bounds it.
	pageTime = 250 * time.Millisecond
	// answerTime is what nobody waits longer for: 5 s in the queue, the hashes themselves, and much room
	// for a machine that does other things.
	answerTime = time.Minute
)

func crowdLogin(i int) string { return fmt.Sprintf("crowd%03d", i) }

// crowdIP is one of 127.0.0.2 to 127.0.0.201.
func crowdIP(i int) string { return fmt.Sprintf("127.0.0.%d", i+2) }

// makeCrowd registers the accounts, at the real cost, two at a time.
func makeCrowd(t *testing.T, s *server) {
	t.Helper()
	next := make(chan int)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for i := range next {
				a, err := tryPost(s.clientFrom(crowdIP(i)), "/register", "login", crowdLogin(i), "password", crowdPassword, "password2", crowdPassword)
				if err != nil || a.status != http.StatusSeeOther {
					t.Errorf("register %d: %d, %v", i, a.status, err)
				}
			}
		})
	}
	for i := range crowd {
		next <- i
	}
	close(next)
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// tryPost is post for other goroutines than the test's own: its error comes back.
func tryPost(c *client, path string, pairs ...string) (answer, error) {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, err
	}
	req.Header = c.header.Clone()
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(b)}, err
}

// TestBulkAttack_Crowd: 200 people log in at the same moment, each from an address of their own.
func TestBulkAttack_Crowd(t *testing.T) {
	s := newServer(t)
	begin := time.Now()
	spent := s.cpu()
	makeCrowd(t, s)
	made, each := time.Since(begin), (s.cpu()-spent)/crowd
	t.Logf("%d accounts made in %v", crowd, made.Round(time.Second))
	s.restart() // VmHWM never falls: a fresh process
	s.waitReady()

	type result struct {
		answer
		err  error
		took time.Duration
	}
	results := make([]result, crowd)
	clients := make([]*client, crowd)
	for i := range clients {
		clients[i] = s.clientFrom(crowdIP(i))
	}
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			<-start
			begin := time.Now()
			a, err := tryPost(clients[i], "/login", "login", crowdLogin(i), "password", crowdPassword)
			results[i] = result{a, err, time.Since(begin)}
		})
	}
	stop, pages := make(chan struct{}), make(chan []time.Duration)
	for _, path := range []string{"/hash", "/login"} {
		go func() { pages <- pollPage(t, s.url+path, stop) }()
	}
	begin, spent = time.Now(), s.cpu()
	close(start)
	all.Wait()
	took, spent := time.Since(begin), s.cpu()-spent
	close(stop)
	polled := append(<-pages, <-pages...)

	in, busy, slowest := 0, 0, time.Duration(0)
	for i, r := range results {
		slowest = max(slowest, r.took)
		switch {
		case r.err != nil:
			t.Errorf("log-in %d got no answer in %v: %v", i, r.took, r.err)
		case r.status == http.StatusSeeOther && r.header.Get("Set-Cookie") != "":
			in++
		case r.status == http.StatusServiceUnavailable:
			busy++
			if after, err := strconv.Atoi(r.header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
				t.Errorf("log-in %d: 503 with Retry-After %q", i, r.header.Get("Retry-After"))
			}
			if !strings.Contains(r.body, "busy") || !strings.Contains(r.body, "Try again") {
				t.Errorf("log-in %d: 503 says: %s", i, words(r.body))
			}
		default:
			t.Errorf("log-in %d: %d: %s", i, r.status, words(r.body))
		}
	}
	// What this machine hashes without a crowd, in the 5 s that somebody waits at most, or in the processor time that it
	// left to the server meanwhile: half of that must get in, or the crowd costs the server its work.
	if able := min(int(crowd*5*time.Second/made), int(spent/each)); in < max(1, able/2) {
		t.Errorf("%d log-ins succeeded, want half of %d at least", in, able)
	}
	_, peak := s.memory()
	if peak > crowdMemory {
		t.Errorf("the server's peak is %d MiB, allowed are %d", peak>>20, crowdMemory>>20)
	}
	slices.Sort(polled)
	if len(polled) == 0 {
		t.Fatal("no page was asked for meanwhile")
	}
	last := polled[len(polled)-1]
	if half := polled[len(polled)/2]; half > pageTime {
		t.Errorf("half of the pages took %v and more meanwhile, allowed are %v", half, pageTime)
	}
	t.Logf("%d log-ins in %v: %d in, %d asked to wait, slowest answer %v; %v of processor time, %v for each that was made; peak %d MiB; %d pages meanwhile: p50 %v, p99 %v, max %v",
		crowd, took.Round(time.Millisecond), in, busy, slowest.Round(time.Millisecond), spent, each, peak>>20, len(polled),
		polled[len(polled)/2].Round(100*time.Microsecond), polled[len(polled)*99/100].Round(100*time.Microsecond), last.Round(100*time.Microsecond))

	// Nobody is locked out by it: who was told to wait gets in afterwards.
	for i, r := range results {
		if r.status == http.StatusServiceUnavailable {
			if a, err := tryPost(clients[i], "/login", "login", crowdLogin(i), "password", crowdPassword); err != nil || a.status != http.StatusSeeOther {
				t.Errorf("log-in %d after the rush: %d, %v", i, a.status, err)
			}
			break
		}
	}
}

// pollPage asks for a page over and over until stop, each time over a new connection, and returns how
// long each took.
func pollPage(t *testing.T, address string, stop <-chan struct{}) (took []time.Duration) {
	client := &http.Client{Timeout: answerTime, Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return took
		case <-tick.C:
		}
		begin := time.Now()
		res, err := client.Get(address)
		if err != nil {
			t.Errorf("poll: %v", err)
			return took
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("poll: %d, %v", res.StatusCode, err)
			return took
		}
		took = append(took, time.Since(begin))
	}
}

// TestAttack_Costly sends what would cost much to look at. Each is refused with little of the processor's
// time, and the server's memory stays where it was.
func TestAttack_Costly(t *testing.T) {
	s := newServer(t)
	c := s.client()
	// One of each kind of work first, so that what follows is measured against a warm server.
	c.register("costly", crowdPassword)
	c.must(c.post("/encrypt", "to", "passphrase", "passphrase", "warm", "text", "warm"), http.StatusOK)
	c.must(c.post("/meter", "passphrase", "warm"), http.StatusOK)
	guest := s.client()

	mac := strings.Repeat("A", 43)
	stanza := "-> X25519 " + mac + "\n" + mac + "\n"
	scrypt := func(factor string) string {
		return "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA " + factor + "\n" + mac + "\n--- " + mac + "\n" + strings.Repeat("x", 64)
	}
	many := "age-encryption.org/v1\n" + strings.Repeat(stanza, 1000) + "--- " + mac + "\n" + strings.Repeat("x", 64)
	endless := "age-encryption.org/v1\n-> " + strings.Repeat("a ", 1<<19)
	long := strings.Repeat("aB3$", 250)
	unlike := strings.Repeat("qwerty1234zxcvbnpassword", 42)[:1000] // matches zxcvbn's lists all over
	armor := func(s string) string {
		return "-----BEGIN AGE ENCRYPTED FILE-----\n" + wrap64(base64.StdEncoding.EncodeToString([]byte(s))) + "-----END AGE ENCRYPTED FILE-----\n"
	}
	_, before := s.memory()
	after := int64(0) // until the first that does take an argon2id run, as every log-in does
	for _, tc := range []struct {
		name   string
		limit  time.Duration
		status int
		says   string
		do     func() answer
	}{
		{"ManyStanzasText", time.Second, 422, "more than the 64 recipients", func() answer { return c.post("/decrypt", "passphrase", "x", "text", armor(many)) }},
		{"ManyStanzasFile", time.Second, 422, "more than the 64 recipients", func() answer { return c.upload("/decrypt", field("passphrase", "x"), file("many.age", many)) }},
		{"ManyStanzasGuest", time.Second, 422, "more than the 64 recipients", func() answer { return guest.upload("/decrypt", field("passphrase", "x"), file("many.age", many)) }},
		{"EndlessHeader", time.Second, 422, "", func() answer { return c.upload("/decrypt", file("endless.age", endless)) }},
		{"Factor40Text", time.Second, 422, "40", func() answer { return c.post("/decrypt", "passphrase", "x", "text", armor(scrypt("40"))) }},
		{"Factor40File", time.Second, 422, "40", func() answer { return c.upload("/decrypt", field("passphrase", "x"), file("f.age", scrypt("40"))) }},
		{"Factor40Guest", time.Second, 422, "40", func() answer { return guest.upload("/decrypt", field("passphrase", "x"), file("f.age", scrypt("40"))) }},
		{"Factor19", time.Second, 422, "19", func() answer { return c.post("/decrypt", "passphrase", "x", "text", armor(scrypt("19"))) }},
		{"Factor4000000000", time.Second, 422, "", func() answer { return c.post("/decrypt", "passphrase", "x", "text", armor(scrypt("4000000000"))) }},
		{"FactorNegative", time.Second, 422, "", func() answer { return c.post("/decrypt", "passphrase", "x", "text", armor(scrypt("-1"))) }},
		{"LongPasswordMeter", 500 * time.Millisecond, 200, "", func() answer { return c.post("/meter", "passphrase", long) }},
		{"LongListedMeter", 500 * time.Millisecond, 200, "", func() answer { return c.post("/meter", "passphrase", unlike) }},
		{"VeryLongMeter", 500 * time.Millisecond, 200, "", func() answer { return c.post("/meter", "passphrase", strings.Repeat("é", 2_000)) }},
		{"LongPasswordLogin", 5 * time.Second, 422, "do not go together", func() answer { return guest.post("/login", "login", "costly", "password", long) }},
		{"TooLongPasswordLogin", 5 * time.Second, 422, "do not go together", func() answer { return guest.post("/login", "login", "costly", "password", long+long) }},
		{"LongListedRegister", 5 * time.Second, 303, "", func() answer {
			return s.client().post("/register", "login", "long-listed", "password", unlike+"1", "password2", unlike+"1")
		}},
		{"TooLongRegister", time.Second, 422, "1024 bytes", func() answer {
			return s.client().post("/register", "login", "too-long", "password", long+long, "password2", long+long)
		}},
		{"LongRepeatedRegister", 5 * time.Second, 0, "", func() answer {
			return s.client().post("/register", "login", "repeated", "password", strings.Repeat("a", 1000), "password2", strings.Repeat("a", 1000))
		}},
	} {
		if after == 0 && tc.limit > time.Second {
			_, after = s.memory()
		}
		spent := s.cpu() // the processor's time, which other programs of the machine don't change
		a := tc.do()
		took := s.cpu() - spent
		if tc.status != 0 && a.status != tc.status || a.status >= 500 || !strings.Contains(a.body, tc.says) {
			t.Errorf("%s: %d, want %d saying %q: %s", tc.name, a.status, tc.status, tc.says, words(a.body))
		}
		if took > tc.limit {
			t.Errorf("%s took %v, allowed are %v", tc.name, took, tc.limit)
		}
		t.Logf("%s: %d in %v", tc.name, a.status, took)
	}
	if after-before > 16<<20 {
		t.Errorf("the peak rose from %d to %d MiB", before>>20, after>>20)
	}
	t.Logf("peak %d MiB before, %d after", before>>20, after>>20)
}

// wrap64 breaks base64 into armor's lines of 64.
func wrap64(s string) string {
	var b strings.Builder
	for len(s) > 64 {
		b.WriteString(s[:64] + "\n")
		s = s[64:]
	}
	return b.String() + s + "\n"
}
