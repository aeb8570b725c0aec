package handlers

import (
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"zencrypt/crypto/password"
	"zencrypt/limits"
)

// BenchmarkLogin times log-ins that fail, each kind 200 times in turns, with the cost of slow hashes that a server
// has and without the limits on guessing. What a kind's median is to that of a wrong password is all that an answer's
// time gives away: 1.00 would be nothing.
func BenchmarkLogin(b *testing.B) {
	const tries = 200
	s := newServerOf(b, password.DefaultParams(), func(o *Options) { o.LoginCost = 128 << 20 })
	s.client(b).register("known")
	open := func() *limits.Limiter { return limits.NewLimiter(1<<20, time.Millisecond, 16, time.Now) }
	s.rates.loginClient, s.rates.loginName = open(), open()
	c := s.client(b)
	kinds := []struct{ name, login string }{{"wrong password", "known"}, {"unknown login", "unknown"}, {"impossible login", "a b"}}
	took := make([][]time.Duration, len(kinds))
	for b.Loop() {
		for i := range tries + 1 {
			for k, kind := range kinds {
				start := time.Now()
				a := c.post("/login", "login", kind.login, "password", fmt.Sprintf("wrong %d", i))
				d := time.Since(start)
				if a.StatusCode != 422 {
					b.Fatalf("%s: %d", url.QueryEscape(kind.name), a.StatusCode)
				}
				if i > 0 { // the first warms up
					took[k] = append(took[k], d)
				}
			}
		}
	}
	var base time.Duration
	for k, kind := range kinds {
		slices.Sort(took[k])
		median := took[k][len(took[k])/2]
		if k == 0 {
			base = median
		}
		ratio := float64(median) / float64(base)
		b.Logf("%-17s median of %d: %8v, %.3f of a wrong password's", kind.name, len(took[k]), median.Round(10*time.Microsecond), ratio)
		b.ReportMetric(ratio, url.PathEscape(kind.login)+"/known")
	}
}
