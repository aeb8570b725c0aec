// Package totp makes and checks the six digits of an authenticator app: RFC 6238 with HMAC-SHA-1, 30
// seconds a step, which is what every app reads. SHA-1 is broken for signatures, not inside an HMAC.
package totp

import (
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	lib "github.com/pquerna/otp/totp"
)

const (
	// SeedSize is the size of a seed in bytes: 160 bits, as RFC 4226 section 4 (R6) recommends.
	SeedSize = 20
	// Digits is the length of a code: a guess fits with 3 of a million, since three steps count.
	Digits = 6
	period = 30 // seconds, RFC 6238 section 5.2
	// skew is how many steps a clock may be off, either way (RFC 6238 section 5.2 recommends one).
	skew = 1
)

// ErrSeed is returned for a seed of another length than SeedSize.
var ErrSeed = errors.New("read seed of one-time codes: it has 20 bytes")

// NewSeed returns a random seed.
func NewSeed() []byte {
	seed := make([]byte, SeedSize)
	rand.Read(seed) // never fails since Go 1.24
	return seed
}

// Text is the seed for typing: 32 characters of RFC 4648's base32 in eight groups of four, with spaces,
// which apps pass over.
func Text(seed []byte) string {
	s := encode(seed)
	groups := make([]string, 0, len(s)/4+1)
	for ; len(s) > 4; s = s[4:] {
		groups = append(groups, s[:4])
	}
	return strings.Join(append(groups, s), " ")
}

// URL is what a QR code holds: otpauth://totp/ISSUER:ACCOUNT?..., as apps read it. Neither name may be
// empty; a colon in one becomes a dash, since it parts the two.
func URL(seed []byte, issuer, account string) (string, error) {
	if len(seed) != SeedSize {
		return "", ErrSeed
	}
	plain := strings.NewReplacer(":", "-")
	k, err := lib.Generate(lib.GenerateOpts{Issuer: plain.Replace(issuer), AccountName: plain.Replace(account), Secret: seed, Period: period})
	if err != nil {
		return "", fmt.Errorf("make address of one-time codes: %w", err)
	}
	return k.URL(), nil
}

// Step is the number of the time step that a moment lies in.
func Step(t time.Time) int64 { return t.Unix() / period }

// Code is the code of a step, as an app shows it.
func Code(seed []byte, step int64) (string, error) {
	if len(seed) != SeedSize {
		return "", ErrSeed
	}
	return hotp.GenerateCodeCustom(encode(seed), uint64(step), options())
}

// Check looks for the step whose code was typed: that of now, the one before and the one after. ok is
// true for a step after last, the last one that was accepted: a code works once (RFC 6238 section 5.2).
// used is true when the code is right and has had its turn. It compares in constant time, with all
// three steps always.
func Check(seed []byte, typed string, now time.Time, last int64) (step int64, ok, used bool, err error) {
	if len(seed) != SeedSize {
		return 0, false, false, ErrSeed
	}
	if !IsCode(typed) {
		return 0, false, false, nil
	}
	text := encode(seed)
	for s := Step(now) - skew; s <= Step(now)+skew; s++ {
		fits, err := hotp.ValidateCustom(typed, uint64(s), text, options())
		if err != nil {
			return 0, false, false, fmt.Errorf("check one-time code: %w", err)
		}
		switch {
		case fits && s > last:
			step, ok = s, true
		case fits:
			used = true
		}
	}
	return step, ok, used && !ok, nil
}

// IsCode tells whether a text is six digits.
func IsCode(s string) bool {
	if len(s) != Digits {
		return false
	}
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}

func options() hotp.ValidateOpts {
	return hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}
}

func encode(seed []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(seed)
}
