package totp_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/totp"
)

// The secret of RFC 6238's appendix B for SHA-1, and its times with the last six of the eight digits.
var (
	seed    = []byte("12345678901234567890")
	vectors = []struct {
		unix int64
		code string
	}{
		{59, "287082"}, {1111111109, "081804"}, {1111111111, "050471"},
		{1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"},
	}
)

func TestCode_RFC6238(t *testing.T) {
	for _, v := range vectors {
		got, err := totp.Code(seed, totp.Step(time.Unix(v.unix, 0)))
		if err != nil || got != v.code {
			t.Errorf("at %d: %q, %v, want %q", v.unix, got, err, v.code)
		}
	}
}

func TestCheck(t *testing.T) {
	now := time.Unix(1234567890, 0)
	at := totp.Step(now)
	code := func(step int64) string {
		s, err := totp.Code(seed, step)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, c := range map[string]struct {
		typed    string
		last     int64
		step     int64
		ok, used bool
	}{
		"Now":        {code(at), 0, at, true, false},
		"Before":     {code(at - 1), 0, at - 1, true, false},
		"After":      {code(at + 1), 0, at + 1, true, false},
		"TooOld":     {code(at - 2), 0, 0, false, false},
		"TooEarly":   {code(at + 2), 0, 0, false, false},
		"Again":      {code(at), at, 0, false, true},
		"OlderAgain": {code(at - 1), at, 0, false, true},
		"NextAfter":  {code(at + 1), at, at + 1, true, false},
		"Wrong":      {"000000", 0, 0, false, false},
		"Empty":      {"", 0, 0, false, false},
		"Seven":      {code(at) + "0", 0, 0, false, false},
		"Letters":    {"abcdef", 0, 0, false, false},
		"Arabic":     {"٠٠٥٩٢٤", 0, 0, false, false},
		"Spaces":     {" " + code(at)[1:], 0, 0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			step, ok, used, err := totp.Check(seed, c.typed, now, c.last)
			if err != nil || step != c.step || ok != c.ok || used != c.used {
				t.Errorf("%d, %v, %v, %v; want %d, %v, %v", step, ok, used, err, c.step, c.ok, c.used)
			}
		})
	}
	if _, _, _, err := totp.Check(seed[:10], code(at), now, 0); !errors.Is(err, totp.ErrSeed) {
		t.Errorf("a short seed: %v", err)
	}
}

func TestURL(t *testing.T) {
	s, err := totp.URL(seed, "Zencrypt zen.example:8443", "mira:x ä@example.org")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" {
		t.Fatalf("%q: %v", s, err)
	}
	if u.Path != "/Zencrypt zen.example-8443:mira-x ä@example.org" {
		t.Errorf("label %q", u.Path)
	}
	q := u.Query()
	if q.Get("secret") != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" || q.Get("period") != "30" || q.Get("digits") != "6" || q.Get("algorithm") != "SHA1" ||
		q.Get("issuer") != "Zencrypt zen.example-8443" || strings.Contains(s, "+") {
		t.Errorf("query %v in %s", q, s)
	}
	if got := totp.Text(seed); got != "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ" {
		t.Errorf("text %q", got)
	}
}

func TestNewSeed(t *testing.T) {
	a, b := totp.NewSeed(), totp.NewSeed()
	if len(a) != totp.SeedSize || string(a) == string(b) {
		t.Error("seeds are short or equal")
	}
}
