//go:build linux

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	soakTime    = 20 * time.Second // the short form that CI runs; ./task soak gives the long one by soakEnv
	soakEnv     = "ZENCRYPT_TEST_SOAK"
	soakPeople  = 6
	soakItems   = 60              // notes that each has all the time
	soakFlat    = 5 * time.Minute // from this length on the series are judged: before, the server still warms up
	soakSamples = 900             // so many in each run
	soakSettles = 90 * time.Second
)

// TestBulkSoak has people do everything there is at once, for a long time. Afterwards the server holds
// what it held before: no connection, no file in use, nothing in the spool, no goroutine that works on anything. In a long run
// memory, goroutines, handles, spool and databases are flat, too.
func TestBulkSoak(t *testing.T) {
	length := soakTime
	if text := os.Getenv(soakEnv); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil || length < 5*time.Second {
			t.Fatalf("%s=%q: want a time such as 30m", soakEnv, text)
		}
	}
	seed := newSeed(t)
	s := newServer(t)
	largest := 32 << 20
	if length < soakFlat {
		largest = 8 << 20
	}
	needDisk(t, s.data, int64(4*soakPeople*largest))
	s.stop()
	s.metrics = filepath.Join(filepath.Dir(s.data), "metrics")
	s.args = append(s.args, "--metrics-addr", "unix:"+s.metrics)
	s.start()
	var people []*soaker
	for i := range soakPeople {
		k := &soaker{s: s, c: s.clientFrom(fmt.Sprintf("127.0.0.%d", i+2)), login: fmt.Sprintf("soaker-%d", i), number: i, largest: largest,
			pick: rand.New(rand.NewPCG(uint64(seed.number("person", i)), 0)), done: map[string]int{}}
		k.c.register(k.login, killPassword)
		for n := range soakItems {
			k.c.must(k.c.upload("/vault", field("title", fmt.Sprint("kept ", n)), field("text", seed.text(n, 200))), http.StatusSeeOther)
		}
		k.c.http.CloseIdleConnections()
		people = append(people, k)
	}
	s.restart() // nobody is connected
	before := s.idleState()

	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	sampled := make(chan []*series, 1)
	go func() { sampled <- s.sample(ctx, length, max(length/soakSamples, 250*time.Millisecond)) }()
	begun := time.Now()
	done, waited, err := soak(ctx, people)
	took := time.Since(begun)
	cancel()
	all := <-sampled
	if err != nil {
		t.Error(err)
	}
	sum := 0
	for _, a := range soakActs {
		sum += done[a.what]
		t.Logf("%7d %s", done[a.what], a.what)
		if done[a.what] == 0 && err == nil && length >= soakFlat {
			t.Errorf("nobody did this: %s", a.what)
		}
	}
	t.Logf("%d acts of %d people in %v, %d times asked to wait", sum, soakPeople, took.Round(time.Second), waited)
	judged := length >= soakFlat
	for _, one := range all {
		t.Logf("%s", one)
		if judged && !one.flat() {
			t.Errorf("it is not flat: %s\n%s", one.name, one.all())
		}
	}
	if !judged {
		t.Logf("the series are judged in a soak of %v or more", soakFlat)
	}

	var now map[string]string
	s.settles(soakSettles, "the server holds what it held before the load", func() bool {
		now = s.idleState()
		for what, was := range before {
			if now[what] != was {
				return false
			}
		}
		return true
	}, func() string { return fmt.Sprintf("before %v\nnow    %v", before, now) })
	n, stacks := s.quit()
	for _, g := range strings.Split(stacks, "\n\n") {
		if ours := regexp.MustCompile(`zencrypt/(handlers|blobs|crypto)\S*`).FindString(g); ours != "" && !strings.Contains(g, "(*App).Serve") {
			t.Errorf("a goroutine is left in %s:\n%s", ours, g)
		}
	}
	t.Logf("%d goroutines at the end, by what made them: %v", n, madeBy(stacks))
}

var createdBy = regexp.MustCompile(`(?m)^created by (\S+)`)

// madeBy counts the goroutines of a dump by what started them.
func madeBy(stacks string) map[string]int {
	made := map[string]int{}
	for _, m := range createdBy.FindAllStringSubmatch(stacks, -1) {
		made[m[1]]++
	}
	return made
}

// settles is eventually for what has to tell more when it fails.
func (s *server) settles(limit time.Duration, what string, ok func() bool, tell func() string) {
	s.t.Helper()
	defer func() {
		if s.t.Failed() {
			s.t.Log(tell())
		}
	}()
	eventually(s.t, limit, what, ok)
}

// idleState is what an idle server holds. The databases' own handles come and go with their pools.
func (s *server) idleState() map[string]string {
	s.t.Helper()
	sockets, files := 0, []string{}
	for _, name := range s.openFiles() {
		switch {
		case strings.HasPrefix(name, "socket:"):
			sockets++
		case strings.HasPrefix(name, s.data+"/spool/"), strings.HasPrefix(name, s.data+"/blobs/"):
			files = append(files, name)
		}
	}
	return map[string]string{
		"sockets": fmt.Sprint(sockets), "files in use": fmt.Sprint(files),
		"spool":           fmt.Sprint(spooled(s.t, s)),
		"results":         fmt.Sprint(s.query("sessions.db", "SELECT count(*) FROM results")),
		"items":           fmt.Sprint(s.query("zencrypt.db", "SELECT count(*) FROM items WHERE trashed IS NULL")),
		"keys":            fmt.Sprint(s.query("zencrypt.db", "SELECT count(*) FROM keys")),
		"files of no row": s.withoutRow(),
	}
}

// withoutRow counts files in the vault's folder that no row names.
func (s *server) withoutRow() string {
	rows := map[string]bool{}
	for _, id := range s.query("zencrypt.db", "SELECT lower(hex(blob_id)) FROM items WHERE blob_id IS NOT NULL") {
		rows[id] = true
	}
	n := 0
	for _, path := range s.stored() {
		if filepath.Base(filepath.Dir(path)) == "blobs" && !rows[filepath.Base(path)] {
			n++
		}
	}
	return fmt.Sprint(n)
}

// sample measures the server again and again until the context ends.
func (s *server) sample(ctx context.Context, length, every time.Duration) []*series {
	const mib = 1 << 20
	all := []*series{
		{name: "resident memory, MiB", unit: mib, bound: 8 * mib, ratio: 0.1}, // Go keeps freed pages for a while
		{name: "Go heap in use, MiB", unit: mib, bound: 4 * mib, ratio: 0.05},
		{name: "goroutines", unit: 1, bound: 8}, // each of six people may be served, and keep a connection, in the quietest moment too
		{name: "open handles", unit: 1, bound: 4},
		{name: "spool, MiB", unit: mib, bound: 2 * mib},
		// Each log-in, wrong password, key, export and download is an entry of somebody's activity list, which is kept for
		// a year: half a KiB, and a thousand acts a minute at most.
		{name: "databases, MiB", unit: mib, bound: 2*mib + length.Minutes()/2*1000*512},
		{name: "their logs, MiB", unit: mib, bound: 16 * mib}, // they hold what was written since the last turn of upkeep
	}
	begun := time.Now()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		rss, _ := s.memory()
		metrics := samples(s.t, s.scrape(s.metrics))
		number := func(name string) float64 {
			v, err := strconv.ParseFloat(metrics[name], 64)
			if err != nil {
				s.t.Errorf("the metrics say %q of %s", metrics[name], name)
			}
			return v
		}
		values := []float64{
			float64(rss), number("go_memstats_heap_inuse_bytes"), number("go_goroutines"), float64(len(s.openFiles())),
			s.bytes("spool/*"), s.bytes("zencrypt.db") + s.bytes("sessions.db"), s.bytes("*-wal"),
		}
		at := time.Since(begun).Seconds()
		for i, v := range values {
			all[i].at, all[i].value = append(all[i].at, at), append(all[i].value, v)
		}
		select {
		case <-ctx.Done():
			return all
		case <-tick.C:
		}
	}
}

// bytes is how much the files have that a pattern names.
func (s *server) bytes(pattern string) (n float64) {
	paths, err := filepath.Glob(filepath.Join(s.data, pattern))
	if err != nil {
		s.t.Errorf("%s: %v", pattern, err)
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil { // some are gone by now
			n += float64(info.Size())
		}
	}
	return n
}
