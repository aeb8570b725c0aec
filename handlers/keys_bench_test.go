package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"zencrypt/crypto/fernet"
	"zencrypt/crypto/pgp"
	"zencrypt/models"
)

// growth reports what a page takes, and how many times as much as with the fewest entries: one that does not grow with
// its list stays near 1. What the processors did for it is told beside, since that of a busy machine is not the clock's.
type growth map[string]float64

// measure runs get as often as it takes, once before that.
func (g growth) measure(b *testing.B, page string, get func()) {
	get()
	before := processors()
	for b.Loop() {
		get()
	}
	cpu := float64((processors() - before).Microseconds()) / 1000 / float64(b.N)
	ms := float64(b.Elapsed().Microseconds()) / 1000 / float64(b.N)
	if _, known := g[page]; !known {
		g[page] = cpu
	}
	b.ReportMetric(ms, "ms/page")
	b.ReportMetric(cpu, "cpu-ms/page")
	b.ReportMetric(cpu/g[page], "x-of-10")
	b.ReportMetric(0, "ns/op") // the same in another unit
}

// processors is the time that all of them gave to this process, the tests' own client in it.
func processors() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fill imports pairs into the ring of a client until it has n keys.
func (s *server) fill(b *testing.B, c *client, n int, make func(i int) models.Pair) {
	b.Helper()
	_, u, err := s.db.Sessions.Lookup(b.Context(), sessionToken(b, c))
	if err != nil {
		b.Fatal(err)
	}
	for have := 2; have < n; {
		var pairs []models.Pair
		for range min(models.MaxImport, n-have) {
			pairs = append(pairs, make(have+len(pairs)))
		}
		if _, err := s.db.Keys.Import(b.Context(), u, "", pairs); err != nil {
			b.Fatal(err)
		}
		have += len(pairs)
	}
}

func newPair(b *testing.B, p models.PairParams) models.Pair {
	b.Helper()
	p.Now = time.Now()
	pair, err := models.NewPair(p)
	if err != nil {
		b.Fatal(err)
	}
	return *pair
}

// BenchmarkKeys is the server's time for GET /keys with rings of 10, 100 and 1,000 keys, of which it shows 60 at most,
// and for a search in them.
func BenchmarkKeys(b *testing.B) {
	g := growth{}
	for _, n := range []int{10, 100, models.MaxKeys} {
		s := newServer(b)
		c := s.client(b)
		c.register("ring")
		s.fill(b, c, n, func(i int) models.Pair {
			kind := models.KindAge
			if i%10 == 0 {
				kind = models.KindPGP
			}
			return newPair(b, models.PairParams{Kind: kind, Name: fmt.Sprintf("Ann %d", i)})
		})
		for _, page := range []string{"/keys", "/keys?q=ann", "/keys?new=1"} {
			b.Run(fmt.Sprintf("%s/%d", page[1:], n), func(b *testing.B) {
				g.measure(b, page, func() { c.get(page).want(b, 200, fmt.Sprintf("%d keys", n)) })
			})
		}
	}
}

// BenchmarkDecrypt is POST /decrypt with rings of 10, 100 and 1,000 OpenPGP keys: of a message for one of them, and of
// what they are not for; of one that names nobody, for which all are read and tried; and of the forms that offer those keys to sign with.
func BenchmarkDecrypt(b *testing.B) {
	g := growth{}
	for _, n := range []int{10, 100, models.MaxKeys} {
		s := newServer(b)
		c := s.client(b)
		c.register("ring")
		key := newPGP(b, pgp.KeyParams{Name: "First"})
		s.fill(b, c, n, func(i int) models.Pair {
			if i > 2 {
				return newPair(b, models.PairParams{Kind: models.KindPGP, Name: fmt.Sprintf("Ann %d", i)})
			}
			pairs, err := models.ReadPairs(key.Bytes(), models.ReadOptions{Now: time.Now()})
			if err != nil {
				b.Fatal(err)
			}
			return pairs[0]
		})
		token, err := fernet.Encrypt(mustFernet(b), []byte("content"), time.Now())
		if err != nil {
			b.Fatal(err)
		}
		var message, signed bytes.Buffer
		for out, sign := range map[*bytes.Buffer][]*pgp.Key{&message: nil, &signed: {key}} {
			w, err := pgp.Encrypt(out, pgp.EncryptOptions{To: []*pgp.Certificate{key.Certificate()}, Sign: sign, Armor: true})
			if err != nil {
				b.Fatal(err)
			}
			fmt.Fprint(w, "content")
			if err := w.Close(); err != nil {
				b.Fatal(err)
			}
		}
		anonymous := anonymousFor(b, key.Certificate())
		mine := armorOf(b, c.post("/encrypt", "to", "me", "text", "content").body)
		for _, in := range []struct {
			name, text string
			status     int
			says       string
		}{{"age", mine, 200, "Opened with"}, {"fernet", string(token), 422, "No key fits"}, {"pgp", message.String(), 200, "Opened with"},
			{"anonymous", anonymous, 200, "Opened with"},
			{"signed", signed.String(), 200, "Good signature by you"}} {
			if in.name == "anonymous" && n > pgp.MaxAttempts {
				in.status, in.says = 422, "too many keys for its recipients"
			}
			b.Run(fmt.Sprintf("%s/%d", in.name, n), func(b *testing.B) {
				g.measure(b, in.name, func() { c.post("/decrypt", "text", in.text).want(b, in.status, in.says) })
			})
		}
		for _, page := range []string{"/encrypt", "/sign"} {
			b.Run(fmt.Sprintf("form%s/%d", page, n), func(b *testing.B) { g.measure(b, page, func() { c.get(page).want(b, 200, "First") }) })
		}
	}
}

// anonymousFor is a message whose recipient's key id is zeros, as gpg --throw-keyids makes it: it is no part of what is
// authenticated.
func anonymousFor(tb testing.TB, to *pgp.Certificate) string {
	tb.Helper()
	var out bytes.Buffer
	w, err := pgp.Encrypt(&out, pgp.EncryptOptions{To: []*pgp.Certificate{to}})
	if err != nil {
		tb.Fatal(err)
	}
	fmt.Fprint(w, "content")
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	b := out.Bytes()
	if b[0] != 0xc1 || b[2] != 3 { // a new header of one octet's length, PKESK version 3 (RFC 9580, section 5.1.1)
		tb.Fatalf("the message begins with % x", b[:12])
	}
	clear(b[3:11])
	var armored bytes.Buffer
	a, err := armor.Encode(&armored, "PGP MESSAGE", nil)
	if err == nil {
		_, err = a.Write(b)
	}
	if err = errors.Join(err, a.Close()); err != nil {
		tb.Fatal(err)
	}
	return armored.String()
}

func mustFernet(b *testing.B) fernet.Key {
	b.Helper()
	k, err := fernet.ParseKey(fernet.NewKey())
	if err != nil {
		b.Fatal(err)
	}
	return k
}
