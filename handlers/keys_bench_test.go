package handlers

import (
	"fmt"
	"testing"
	"time"

	"zencrypt/models"
)

// BenchmarkKeys is the server's time for GET /keys with rings of 10, 100 and 1,000 keys, the last of which shows
// 60 of them.
func BenchmarkKeys(b *testing.B) {
	for _, n := range []int{10, 100, models.MaxKeys} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newServer(b)
			c := s.client(b)
			c.register("ring")
			_, u, err := s.db.Sessions.Lookup(b.Context(), sessionToken(b, c))
			if err != nil {
				b.Fatal(err)
			}
			have := 2
			for have < n {
				var pairs []models.Pair
				for range min(models.MaxImport, n-have) {
					kind := models.KindAge
					if (have+len(pairs))%10 == 0 {
						kind = models.KindPGP
					}
					p, err := models.NewPair(models.PairParams{Kind: kind, Name: "Ann", Now: time.Now()})
					if err != nil {
						b.Fatal(err)
					}
					pairs = append(pairs, *p)
				}
				if _, err := s.db.Keys.Import(b.Context(), u, "", pairs); err != nil {
					b.Fatal(err)
				}
				have += len(pairs)
			}
			for b.Loop() {
				c.get("/keys").want(b, 200, fmt.Sprintf("%d keys", n))
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/page")
		})
	}
}
