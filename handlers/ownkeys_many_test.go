package handlers

import (
	"fmt"
	"testing"

	"zencrypt/crypto/pgp"
	"zencrypt/models"
)

// A message that names nobody is tried on as many keys as are ever tried, and refused beyond that; the key that fits, given
// for this time, opens it.
func TestOwnKeys_Anonymous(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("ring")
	u := s.unlock(t, "ring")
	key := newPGP(t, pgp.KeyParams{Name: "First"})
	add := func(n int, first bool) {
		t.Helper()
		var pairs []models.Pair
		for range n {
			p, err := models.NewPair(models.PairParams{Kind: models.KindPGP, Name: "Ann", Now: s.opt.Now()})
			if err != nil {
				t.Fatal(err)
			}
			pairs = append(pairs, *p)
		}
		if first {
			own, err := models.ReadPairs(key.Bytes(), models.ReadOptions{Now: s.opt.Now()})
			if err != nil {
				t.Fatal(err)
			}
			pairs[0] = own[0]
		}
		for len(pairs) > 0 {
			some := pairs[:min(len(pairs), models.MaxImport)]
			pairs = pairs[len(some):]
			if _, err := s.db.Keys.Import(t.Context(), u, "", some); err != nil {
				t.Fatal(err)
			}
		}
	}
	message := anonymousFor(t, key.Certificate())
	add(manyKeys+2, true)
	c.post("/decrypt", "text", message).want(t, 200, "Opened with")
	add(pgp.MaxAttempts, false)
	c.post("/decrypt", "text", message).want(t, 422, "too many keys for its recipients", fmt.Sprint(pgp.MaxAttempts))
	c.post("/decrypt", "text", message, "identity", key.Armor()).want(t, 200, "content")
	c.post("/decrypt", "text", message, "identity", newPGP(t, pgp.KeyParams{Name: "Another"}).Armor()).want(t, 422, "No key fits")
}
