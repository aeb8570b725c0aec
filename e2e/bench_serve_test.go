//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"zencrypt/importer/testdata/older"
)

const (
	serveItems  = 100_000
	serveRounds = 5 // odd, for the median
	serveTime   = 2 * time.Second
	startTimes  = 10
)

// wrkResult is what testdata/wrk/request.lua prints, and the processor time that the server took meanwhile.
type wrkResult struct {
	Requests, Us, Bytes, Failed, Refused, P50, P99 int64
	cpu                                            time.Duration
}

func (r wrkResult) perSecond() float64 { return float64(r.Requests) / (float64(r.Us) / 1e6) }
func (r wrkResult) cpuMs() float64     { return float64(r.cpu.Microseconds()) / 1e3 / float64(r.Requests) }

// serveJob is a request that wrk sends.
type serveJob struct {
	name, method, path string
	as                 *client // whose session, nil for none
	form               url.Values
	connections        int
}

// BenchmarkServe has wrk send the same requests again and again, in turns, and prints requests a second, processor time
// of the server a request, and how both stand to /healthz in the same run, which does nothing. Then the start and memory.
//
// It looks at the whole way, so it is run once (-benchtime 1x) and counts its own rounds.
func BenchmarkServe(b *testing.B) {
	if !optional(b, "wrk") {
		b.Skip("left out, for want of wrk (Debian: apt-get install wrk): requests a second")
	}
	empty := newServer(b)
	empty.waitReady()
	idle, _ := empty.memory()
	emptyStart := empty.starts(b)

	s, many := bigVault(b)
	few := s.client()
	few.register("few", killPassword)
	for i := range 20 {
		few.must(few.post("/vault", "title", fmt.Sprint("note ", i), "text", "a text"), http.StatusSeeOther)
	}
	s.restart() // the sessions live on, argon2id's memory does not
	deep := "/vault"
	for range 3 {
		deep = olderLink.FindString(many.must(many.get(deep), http.StatusOK).body)
	}
	text := strings.Repeat("0123456789abcdef", 64)
	jobs := []serveJob{
		{"GET /healthz", "GET", "/healthz", nil, nil, 4},
		{"GET /encrypt, nobody logged in", "GET", "/encrypt", nil, nil, 4},
		{"GET /encrypt, logged in", "GET", "/encrypt", few, nil, 4},
		{"POST /hash, 1 KiB of text", "POST", "/hash", nil, url.Values{"algorithm": {"sha256"}, "text": {text}}, 4},
		{"POST /encrypt, 1 KiB to me", "POST", "/encrypt", few, url.Values{"to": {"me"}, "text": {text}}, 4},
		{"POST /vault, a note of 1 KiB", "POST", "/vault", few, url.Values{"title": {"bench"}, "text": {text}}, 4},
		{"GET /vault, 20 items and those", "GET", "/vault", few, nil, 4},
		{"GET /vault, 100,000 items", "GET", "/vault", many, nil, 4},
		{"  its fourth page", "GET", deep, many, nil, 4},
		{"  a search that finds nothing", "GET", "/vault?q=nothing-has-this-title", many, nil, 1},
	}
	for i := range jobs {
		jobs[i].path = strings.ReplaceAll(jobs[i].path, "&amp;", "&")
	}
	loaded := int64(0)
	results := make([][]wrkResult, len(jobs))
	for round := range serveRounds {
		for i := range jobs {
			if round%2 == 1 {
				i = len(jobs) - 1 - i
			}
			results[i] = append(results[i], s.wrk(b, jobs[i]))
		}
	}
	_, loaded = s.memory()
	login := serveJob{"POST /login (argon2id, 64 MiB)", "POST", "/login", nil, url.Values{"login": {"few"}, "password": {killPassword}}, 2}
	jobs, results = append(jobs, login), append(results, nil)
	for range serveRounds {
		results[len(jobs)-1] = append(results[len(jobs)-1], s.wrk(b, login))
	}
	_, withLogins := s.memory()

	fmt.Printf("wrk, one thread, %d connections (fewer where the work is long), medians of %d rounds of %v in turns; without the log of requests\n", jobs[0].connections, serveRounds, serveTime)
	fmt.Printf("  %-34s %10s %10s %10s %12s %12s\n", "", "requests/s", "CPU ms", "p99 ms", "of healthz", "CPU x healthz")
	of := func(i int, f func(wrkResult) float64) float64 {
		var all []float64
		for _, r := range results[i] {
			all = append(all, f(r))
		}
		return median(all)
	}
	for i, job := range jobs {
		rate, cpu := of(i, wrkResult.perSecond), of(i, wrkResult.cpuMs)
		p99 := of(i, func(r wrkResult) float64 { return float64(r.P99) / 1000 })
		fmt.Printf("  %-34s %10.1f %10.3f %10.2f %12.4f %12.1f\n", job.name, rate, cpu, p99, rate/of(0, wrkResult.perSecond), cpu/of(0, wrkResult.cpuMs))
		name := strings.Join(strings.FieldsFunc(strings.ToLower(job.name), func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') }), "-")
		b.ReportMetric(rate, name+"/s")
	}
	info, err := os.Stat(binary(b))
	if err != nil {
		b.Fatal(err)
	}
	fmt.Printf("  the program has %.1f MB\n", float64(info.Size())/1e6)
	fmt.Printf("  from start to the first byte of an answer, median of %d: %v; with 100,000 items %v\n", startTimes, emptyStart.Round(time.Millisecond), s.starts(b).Round(time.Millisecond))
	fmt.Printf("  resident memory: idle %.1f MiB, at most %.1f under these requests, at most %.1f with log-ins\n", float64(idle)/(1<<20), float64(loaded)/(1<<20), float64(withLogins)/(1<<20))
	b.ReportMetric(0, "ns/op") // says nothing here
}

// bigVault is a server with an account of 100,000 items, and a person who is logged in there.
func bigVault(t testing.TB) (s *server, c *client) {
	t.Helper()
	spec := older.Spec{Seed: 5, Accounts: 1, Texts: serveItems, Passwords: 1}
	path := filepath.Join(t.TempDir(), "zencrypt.db")
	if err := spec.V6(path); err != nil {
		t.Fatal(err)
	}
	s = stopped(t)
	s.args = append(s.args, "--log-level", "warn") // so that nobody reads 100 MB of log beside the server
	s.importAll(path)
	s.start()
	c = s.client()
	c.must(c.post("/login", "login", spec.Login(0), "password", spec.Password(0)), http.StatusSeeOther)
	c.confirm()
	return s, c
}

var wrkLine = regexp.MustCompile(`(?m)^JSON(\{.*\})$`)

// wrk sends a request for a time.
func (s *server) wrk(b *testing.B, job serveJob) (r wrkResult) {
	b.Helper()
	cookie, body := "-", "-"
	if job.as != nil {
		var all []string
		for _, k := range job.as.http.Jar.Cookies(job.as.request(http.MethodGet, "/", nil).URL) {
			all = append(all, k.Name+"="+k.Value)
		}
		cookie = strings.Join(all, "; ")
	}
	if job.form != nil {
		body = filepath.Join(b.TempDir(), "body")
		if err := os.WriteFile(body, []byte(job.form.Encode()), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	// Long enough for some, however slow the machine is.
	c := job.as
	if c == nil {
		c = s.client()
	}
	req := c.request(job.method, job.path, strings.NewReader(job.form.Encode()))
	if job.form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	begun := time.Now()
	if _, err := c.try(req); err != nil {
		b.Fatal(err)
	}
	length := max(serveTime, 4*time.Since(begun)).Round(time.Second)
	before := s.cpu()
	out, err := exec.Command("wrk", "-t1", fmt.Sprintf("-c%d", job.connections), fmt.Sprintf("-d%ds", int(length.Seconds())), "--timeout", "20s",
		"-s", "testdata/wrk/request.lua", s.url, "--", job.method, job.path, cookie, body).CombinedOutput()
	r.cpu = s.cpu() - before
	m := wrkLine.FindSubmatch(out)
	if err != nil || m == nil {
		b.Fatalf("wrk: %v\n%s", err, out)
	}
	if err := json.Unmarshal(m[1], &r); err != nil {
		b.Fatal(err)
	}
	if r.Failed > 0 || r.Refused > 0 || r.Requests == 0 {
		b.Fatalf("%s: of %d requests %d failed and %d were refused", job.name, r.Requests, r.Failed, r.Refused)
	}
	return r
}

// starts is the median time from exec to the first byte of an answer.
func (s *server) starts(b *testing.B) time.Duration {
	b.Helper()
	var all []time.Duration
	for range startTimes {
		s.stop()
		cmd := exec.Command(binary(b), "serve", "--addr", strings.TrimPrefix(s.url, "http://"), "--data", s.data, "--secrets", s.secrets)
		first := make(chan time.Duration, 1)
		begun := time.Now()
		go func() {
			for {
				if conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://")); err == nil {
					_, _ = fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", strings.TrimPrefix(s.url, "http://"))
					if n, _ := conn.Read(make([]byte, 1)); n == 1 {
						first <- time.Since(begun)
						conn.Close()
						return
					}
					conn.Close()
				}
				time.Sleep(time.Millisecond)
			}
		}()
		s.run(cmd)
		all = append(all, <-first)
	}
	slices.Sort(all)
	return all[len(all)/2]
}
