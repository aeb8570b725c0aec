//go:build linux

package e2e

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The short form that CI runs. `./task drill` gives the numbers of the long one by these variables.
const (
	killTimes    = 10
	killTimesEnv = "ZENCRYPT_TEST_KILLS"
	killActs     = 500 // acknowledged ones
	killActsEnv  = "ZENCRYPT_TEST_WRITES"
	killPeople   = 4 // who work at the same time
	killStarts   = 4 // every so many kills, another one comes within startKill of the start
	startKill    = 1500 * time.Millisecond
	readyGoal    = 2 * time.Second // from exec until /readyz says 200; measured and told, since it is about the machine too
)

// killRun is a server that is killed while people work.
type killRun struct {
	*server
	seed
	t      *testing.T
	mix    []share
	people []*person

	mu    sync.Mutex
	acked int            // writes that the server acknowledged
	kinds map[string]int // of these
	next  int            // number of the next act; negative: nobody begins another
	at    int            // so many acknowledged ones are the moment of the next kill
	now   chan struct{}  // closed at that moment
	dying bool           // from here on an answer may fail to come
}

// newKillRun starts a server with people who have an account each and an address each.
func newKillRun(t *testing.T, mix []share) *killRun {
	r := &killRun{t: t, seed: newSeed(t), mix: mix, kinds: map[string]int{}, server: newServer(t)}
	for i := range killPeople {
		p := r.person(i)
		p.c.register(p.login, killPassword)
		r.people = append(r.people, p)
	}
	return r
}

// TestBulkKill kills the server again and again while people save texts and files, rename and delete them, make, rotate
// and delete keys, rewrap, and have uploads under way; after some of these kills also the server that then starts. Whatever it has acknowledged is there and whole after
// each start, what was deleted stays deleted, and nothing else is left: of what was not acknowledged, at most the one
// thing that each person was about, whole or not at all.
func TestBulkKill(t *testing.T) {
	kills, acts := numberFrom(t, killTimesEnv, killTimes, 1), numberFrom(t, killActsEnv, killActs, 100)
	r := newKillRun(t, everything)
	for _, p := range r.people {
		p.findKey()
	}
	busy, err := failpointBinary()
	if err != nil {
		t.Fatal(err)
	}
	plain := r.env
	courier := r.clientFrom("127.0.0.9")
	courier.register("courier", killPassword)
	names := r.names()
	var ready []time.Duration
	halves, starting, begun := 0, 0, time.Now()
	for kill := range kills + 1 {
		at := acts
		if kill < kills { // somewhere in the kill's own share of the writes
			share := max(1, acts/(kills+1))
			at = kill*share + 1 + r.number("moment", kill)%share
		}
		stop := r.work(at)
		if kill == kills {
			stop()
			break
		}
		parts := r.underWay(courier, kill)
		r.mu.Lock()
		r.dying = true
		r.mu.Unlock()
		r.kill()
		stop()
		parts()
		for _, path := range r.stored() {
			if strings.HasSuffix(path, ".part") {
				halves++
			}
		}
		// Every other server cleans up all the time, so that a kill finds it at that: purging, VACUUM, the log.
		if r.bin, r.env = "", plain; kill%2 == 0 {
			r.bin, r.env = busy, append(slices.Clone(plain), "ZENCRYPT_FAILPOINT_JANITOR=100ms")
		}
		if (kill+r.number("first start", 0))%killStarts == 0 {
			starting++
			r.killStarting(time.Duration(r.number("start", kill)%int(startKill.Milliseconds())) * time.Millisecond)
		}
		start := time.Now()
		r.start()
		r.waitReady()
		ready = append(ready, time.Since(start))
		r.dying = false
		r.tidy()
		if now := r.names(); !slices.Equal(now, names) {
			t.Errorf("after kill %d the data folder holds %q, and held %q", kill, now, names)
		}
		// An old session lives on; a new log-in opens the same, and goes on with a rewrap.
		r.people[kill%killPeople].c.login(r.people[kill%killPeople].login, killPassword)
		r.each(func(p *person) { p.check(false) })
		if t.Failed() {
			t.Fatalf("after kill %d", kill)
		}
	}
	r.each(func(p *person) { p.renewed() })
	r.tidy()
	r.each(func(p *person) { p.check(true) })
	r.tidy()
	if r.acked < acts {
		t.Errorf("%d writes were acknowledged, want %d", r.acked, acts)
	}
	if halves == 0 {
		t.Error("no file was half written at a kill: the run shows too little")
	}
	for _, s := range r.mix {
		if r.kinds[s.what] == 0 && s.of*acts >= 2000 { // twenty of them are to be expected
			t.Errorf("nobody did this: %s", s.what)
		}
	}
	slices.Sort(ready)
	t.Logf("%d kills and %d acknowledged writes in %v: %s", len(ready), r.acked, time.Since(begun).Round(time.Second), summary(r.kinds))
	t.Logf("%d uploads were half written at a kill; %d servers were killed while they started", halves, starting)
	t.Logf("from start until /readyz is 200: median %v, most %v (goal %v)", ready[len(ready)/2].Round(time.Millisecond), ready[len(ready)-1].Round(time.Millisecond), readyGoal)
}

func summary(kinds map[string]int) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		out = append(out, fmt.Sprintf("%d %s", kinds[k], k))
	}
	return strings.Join(out, ", ")
}

// work lets everybody work until so many writes are acknowledged, and they go on until stop, which waits for them.
func (r *killRun) work(at int) (stop func()) {
	r.t.Helper()
	r.mu.Lock()
	r.at, r.now = max(at, r.acked+1), make(chan struct{}) // those under way at the kill may have come further
	r.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range r.people {
		wg.Go(p.work)
	}
	select {
	case <-r.now:
	case <-time.After(2 * time.Minute):
		r.t.Fatalf("%d of %d writes after two minutes", r.acked, at)
	}
	return func() {
		r.mu.Lock()
		was := r.next
		if !r.dying {
			r.next = -1
		}
		r.mu.Unlock()
		wg.Wait()
		if !r.dying {
			r.next = was
		}
	}
}

// killStarting starts a server and kills it so long after, wherever its start has come.
func (s *server) killStarting(after time.Duration) {
	s.t.Helper()
	var out output
	cmd := s.command()
	s.dress(cmd, &out)
	out.said = true // nobody waits for its address
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start the server: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		s.t.Errorf("the server that was to be killed %v after its start ended by itself: %v\n%s", after, err, out.String())
		return
	case <-time.After(after):
	}
	_ = cmd.Process.Kill()
	<-done
	s.logs.WriteString(out.String())
}

// underWay begins uploads that only a kill ends, and waits until the disk has something of them; done waits for their
// end. Nothing of them may be left.
func (r *killRun) underWay(c *client, kill int) (done func()) {
	r.t.Helper()
	paths := []string{"/vault", "/encrypt"}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var sent []chan struct{}
	for i, path := range paths {
		h := &half{sent: make(chan struct{}), stop: stop, Reader: noise(int64(1<<20 + r.number("part", kill*len(paths)+i)%(2<<20)))}
		sent = append(sent, h.sent)
		req := c.multipart(path, field("to", "me"), field("save", "1"), part{field: "file", name: "under way", content: h, size: 64 << 20})
		wg.Go(func() {
			if resp, err := c.http.Do(req); err == nil {
				r.t.Errorf("an upload that was cut got status %d", resp.StatusCode)
				resp.Body.Close()
			}
		})
	}
	for _, s := range sent {
		select {
		case <-s:
		case <-time.After(time.Minute):
			r.t.Fatal("the server did not take the first bytes of an upload within a minute")
		}
	}
	eventually(r.t, time.Minute, "these uploads are on the disk", func() bool {
		return strings.Count(strings.Join(r.stored(), "\n"), ".part") >= len(paths)
	})
	return func() { close(stop); wg.Wait(); c.http.CloseIdleConnections() }
}

// each does something for everybody at once.
func (r *killRun) each(do func(p *person)) {
	var wg sync.WaitGroup
	for _, p := range r.people {
		wg.Go(func() { do(p) })
	}
	wg.Wait()
}

// names are those in the data folder, but the ones that come and go with open databases.
func (s *server) names() (names []string) {
	s.t.Helper()
	entries, err := os.ReadDir(s.data)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "-wal") && !strings.HasSuffix(e.Name(), "-shm") {
			names = append(names, e.Name())
		}
	}
	return names
}

// try sends req; its error says that no whole answer came.
func (c *client) try(req *http.Request) (answer, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body)}, err
}
