package handlers

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"zencrypt/crypto/agefile"
	"zencrypt/models"
)

// BenchmarkPeople is the list with so many people, half of them accounts here: the whole request, which is to stay
// below 50 ms.
func BenchmarkPeople(b *testing.B) {
	g := growth{}
	for _, n := range []int{10, 100, 1000} {
		s := newServer(b)
		c := s.client(b)
		c.register("bench")
		u := s.unlock(b, "bench")
		for i := range n {
			_, public, err := agefile.NewIdentity()
			if err != nil {
				b.Fatal(err)
			}
			keys, err := models.ParsePublic(public)
			if err != nil {
				b.Fatal(err)
			}
			p := &models.Person{Name: fmt.Sprintf("Person %d", i), Keys: keys}
			if i%2 == 0 {
				other, err := s.db.Accounts.Register(b.Context(), fmt.Sprintf("login-%d", i), testPassword)
				if err != nil {
					b.Fatal(err)
				}
				offer, err := s.db.People.Find(b.Context(), other.Account.Login)
				if err != nil {
					b.Fatal(err)
				}
				p.Account, p.Login, p.Keys = other.Account.ID, other.Account.Login, offer.Keys()
			}
			if err := s.db.People.Add(b.Context(), u, p); err != nil {
				b.Fatal(err)
			}
		}
		for _, path := range []string{"/people", "/people?q=person", "/encrypt"} {
			b.Run(fmt.Sprintf("%s/%d", path[1:], n), func(b *testing.B) {
				g.measure(b, path, func() {
					res, err := c.Get(c.base + path)
					if err != nil {
						b.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
						b.Fatal(res.StatusCode, err)
					}
					_ = res.Body.Close()
				})
			})
		}
	}
}
