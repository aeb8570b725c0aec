package models

import (
	"slices"
	"testing"
	"time"

	"zencrypt/crypto/password"
)

// BenchmarkAuthenticate compares what a refused log-in takes with the real costs: for a login that does not exist, a
// wrong password, and a suspended account with a wrong and with the right one. The four take turns, so that what else
// the machine does falls on all alike. 200 tries each: go test -run '^$' -bench Authenticate -benchtime 200x ./models
func BenchmarkAuthenticate(b *testing.B) {
	o := testOptions(b, b.TempDir(), newClock())
	o.KDF = password.DefaultParams()
	db, err := Open(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for _, login := range []string{"mira", "suspended"} {
		u, err := db.Accounts.Register(b.Context(), login, goodPassword)
		if err != nil {
			b.Fatal(err)
		}
		if login == "suspended" {
			if err := db.Accounts.Suspend(b.Context(), u.Account.ID); err != nil {
				b.Fatal(err)
			}
		}
	}
	kinds := []struct{ name, login, pw string }{
		{"unknown", "nobody", goodPassword}, {"wrong", "mira", "wrong " + goodPassword},
		{"suspended", "suspended", "wrong " + goodPassword}, {"suspended-right", "suspended", goodPassword},
	}
	took := make([][]time.Duration, len(kinds))
	for b.Loop() {
		for i, k := range kinds {
			start := time.Now()
			if _, err := db.Accounts.Authenticate(b.Context(), k.login, k.pw); err == nil {
				b.Fatalf("%s: it opens", k.name)
			}
			took[i] = append(took[i], time.Since(start))
		}
	}
	for i, k := range kinds {
		slices.Sort(took[i])
		b.ReportMetric(float64(took[i][len(took[i])/2].Microseconds())/1000, k.name+"-median-ms")
	}
}
