package models

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zencrypt/crypto/passkey"
	"zencrypt/crypto/totp"
)

// appCode is what an app shows now, or some steps later.
func appCode(t testing.TB, db *DB, seed []byte, later int64) string {
	t.Helper()
	code, err := totp.Code(seed, totp.Step(db.now())+later)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// turnOn sets up an app and returns its seed and the one-time codes.
func turnOn(t testing.TB, db *DB, u *Unlocked) (seed []byte, codes []string) {
	t.Helper()
	if err := db.Factors.Begin(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	s, err := db.Factors.State(t.Context(), u)
	if err != nil || len(s.Setup) != totp.SeedSize {
		t.Fatalf("set up: %v", err)
	}
	if codes, err = db.Factors.Confirm(t.Context(), u, appCode(t, db, s.Setup, 0)); err != nil {
		t.Fatal(err)
	}
	return s.Setup, codes
}

func credentialID(n byte) []byte { return bytes.Repeat([]byte{n + 1}, 16) }

func credential(t testing.TB, n byte) passkey.Credential {
	t.Helper()
	b, err := json.Marshal(map[string]any{"id": credentialID(n), "publicKey": []byte("a public key")})
	if err != nil {
		t.Fatal(err)
	}
	c, err := passkey.ParseCredential(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFactors_TOTP(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	has := func(want bool) {
		t.Helper()
		if got, err := db.Factors.Has(t.Context(), u.Account.ID); err != nil || got != want {
			t.Fatalf("Has = %v, %v", got, err)
		}
	}
	has(false)
	wantCode(t, db.Factors.Begin(t.Context(), u, otherPassword), Unauthorized, "current")
	_, err := db.Factors.Confirm(t.Context(), u, "123456")
	wantCode(t, err, Gone, "")
	if err := db.Factors.Begin(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	has(false) // before its first code
	s, err := db.Factors.State(t.Context(), u)
	if err != nil || s.On() || s.Setup == nil {
		t.Fatal(err)
	}
	_, err = db.Factors.Confirm(t.Context(), u, appCode(t, db, s.Setup, 5))
	wantCode(t, err, Invalid, "code")
	c.add(setupLife)
	_, err = db.Factors.Confirm(t.Context(), u, appCode(t, db, s.Setup, 0))
	wantCode(t, err, Gone, "")
	if s, _ := db.Factors.State(t.Context(), u); s.Setup != nil {
		t.Fatal("an old seed is shown")
	}

	seed, codes := turnOn(t, db, u)
	has(true)
	if len(codes) != oneTimeCodes {
		t.Fatalf("%d codes", len(codes))
	}
	// The code that confirmed has had its turn.
	wantCode(t, db.Factors.Check(t.Context(), u, appCode(t, db, seed, 0)), Unauthorized, "code")
	c.add(30 * time.Second)
	now := appCode(t, db, seed, 0)
	if err := db.Factors.Check(t.Context(), u, " "+now[:3]+" "+now[3:]); err != nil {
		t.Fatal(err)
	}
	err = db.Factors.Check(t.Context(), u, now)
	wantCode(t, err, Unauthorized, "code")
	if !strings.Contains(err.Error(), "used already") {
		t.Fatal(err)
	}
	wantCode(t, db.Factors.Check(t.Context(), u, appCode(t, db, seed, -1)), Unauthorized, "code") // older than the last
	for _, wrong := range []string{"", "1", "abcdef", strings.Repeat("1", 1000), "000000", "AAAA-AAAA-AAAA-AAAA"} {
		wantCode(t, db.Factors.Check(t.Context(), u, wrong), Unauthorized, "code")
	}

	// Another app takes its place only with its first code.
	if err := db.Factors.Begin(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	c.add(time.Minute)
	if err := db.Factors.Check(t.Context(), u, appCode(t, db, seed, 0)); err != nil {
		t.Fatal(err)
	}
	if err := db.Factors.Cancel(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	next, none := turnOn(t, db, u)
	if none != nil || bytes.Equal(next, seed) {
		t.Fatal("the codes that there were are replaced, or the seed is not")
	}
	c.add(time.Minute)
	wantCode(t, db.Factors.Check(t.Context(), u, appCode(t, db, seed, 0)), Unauthorized, "code")

	wantCode(t, db.Factors.TurnOff(t.Context(), u, otherPassword, false), Unauthorized, "current")
	wantCode(t, db.Factors.TurnOff(t.Context(), u, goodPassword, true), Invalid, "")
	has(true)
	if err := db.Factors.TurnOff(t.Context(), u, goodPassword, false); err != nil {
		t.Fatal(err)
	}
	has(false)
	wantCode(t, db.Factors.Check(t.Context(), u, codes[0]), Unauthorized, "code")
}

// However many requests bring the same code at once, one of them gets in.
func TestFactors_Once(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	seed, codes := turnOn(t, db, u)
	c.add(time.Minute)
	for _, code := range []string{appCode(t, db, seed, 0), codes[3]} {
		var in atomic.Int32
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if db.Factors.Check(t.Context(), u, code) == nil {
					in.Add(1)
				}
			})
		}
		all.Wait()
		if in.Load() != 1 {
			t.Errorf("%d got in with one code", in.Load())
		}
	}
}

func TestFactors_Codes(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	_, err := db.Factors.NewCodes(t.Context(), u, goodPassword)
	wantCode(t, err, Invalid, "")
	_, codes := turnOn(t, db, u)
	left := func(want int) {
		t.Helper()
		if s, err := db.Factors.State(t.Context(), u); err != nil || s.CodesLeft != want {
			t.Fatalf("%d left, %v; want %d", s.CodesLeft, err, want)
		}
	}
	left(10)
	if err := db.Factors.Check(t.Context(), u, strings.ToLower(strings.ReplaceAll(codes[4], "-", " "))); err != nil {
		t.Fatal(err)
	}
	left(9)
	wantCode(t, db.Factors.Check(t.Context(), u, codes[4]), Unauthorized, "code")
	_, err = db.Factors.NewCodes(t.Context(), u, otherPassword)
	wantCode(t, err, Unauthorized, "current")
	next, err := db.Factors.NewCodes(t.Context(), u, goodPassword)
	if err != nil || len(next) != 10 || slices.Contains(next, codes[0]) {
		t.Fatal(err)
	}
	left(10)
	wantCode(t, db.Factors.Check(t.Context(), u, codes[0]), Unauthorized, "code")
	for i, code := range next {
		if err := db.Factors.Check(t.Context(), u, code); err != nil {
			t.Fatalf("code %d: %v", i, err)
		}
	}
	left(0)
}

// A part that does not open counts as on and fits nothing, and what is done meanwhile does not end it.
func TestFactors_Damaged(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	_, codes := turnOn(t, db, u)
	exec(t, db.main, "UPDATE factors SET sealed_totp = randomblob(100)")
	if err := db.Factors.Check(t.Context(), u, codes[0]); err != nil {
		t.Fatal(err)
	}
	s, err := db.Factors.State(t.Context(), u)
	if err != nil || !s.On() || !s.Damaged {
		t.Fatalf("%+v, %v", s, err)
	}
	if on, err := db.Factors.Has(t.Context(), u.Account.ID); err != nil || !on {
		t.Fatal("the factor went off")
	}
	if err := db.Factors.TurnOff(t.Context(), u, goodPassword, false); err != nil {
		t.Fatal(err)
	}
	if on, err := db.Factors.Has(t.Context(), u.Account.ID); err != nil || on {
		t.Fatal("it can't be turned off")
	}
}

func TestFactors_Renew(t *testing.T) {
	db, c := newTestDB(t)
	u := register(t, db, "ada")
	seed, codes := turnOn(t, db, u)
	prf := bytes.Repeat([]byte{7}, passkey.PRFSize)
	if _, err := db.Passkeys.Add(t.Context(), u, "Laptop", credential(t, 1), prf); err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts.ChangePassword(t.Context(), u, goodPassword, otherPassword); err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Passkeys.Open(t.Context(), credentialID(1), prf); err != nil {
		t.Fatalf("after a new password: %v", err)
	}
	if err := db.Accounts.Renew(t.Context(), u, otherPassword); err != nil {
		t.Fatal(err)
	}
	_, _, err := db.Passkeys.Open(t.Context(), credentialID(1), prf)
	wantCode(t, err, Unauthorized, "")
	if n := count(t, db.main, "SELECT count(*) FROM passkeys WHERE sealed_unlock IS NOT NULL OR credential_hash IS NOT NULL"); n != 0 {
		t.Fatal("the seal under the passkey stayed")
	}
	c.add(time.Minute)
	// Half way, with rows under both keys, and at the end.
	if err := db.Factors.Check(t.Context(), u, appCode(t, db, seed, 0)); err != nil {
		t.Fatal(err)
	}
	for left := 1; left > 0; {
		if left, err = db.Accounts.Reseal(t.Context(), u, 1); err != nil {
			t.Fatal(err)
		}
	}
	u, err = db.Accounts.Authenticate(t.Context(), "ada", otherPassword)
	if err != nil {
		t.Fatal(err)
	}
	if _, older := u.Ring.Key(1); older {
		t.Fatal("the old key is still needed")
	}
	s, err := db.Factors.State(t.Context(), u)
	if err != nil || s.Damaged || s.CodesLeft != 10 || len(s.Passkeys) != 1 || s.Passkeys[0].Name != "Laptop" || s.Passkeys[0].Unlocks {
		t.Fatalf("%+v, %v", s, err)
	}
	if err := db.Factors.Check(t.Context(), u, codes[0]); err != nil {
		t.Fatal(err)
	}
	if err := db.Passkeys.Unlock(t.Context(), u, s.Passkeys[0].ID, s.Passkeys[0].Credential, prf); err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Passkeys.Open(t.Context(), credentialID(1), prf); err != nil {
		t.Fatal(err)
	}
}

func TestFactors_Reset(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	turnOn(t, db, u)
	if _, err := db.Passkeys.Add(t.Context(), u, "", credential(t, 1), nil); err != nil {
		t.Fatal(err)
	}
	wantCode(t, db.Accounts.ResetFactor(t.Context(), NewID()), NotFound, "")
	if err := db.Accounts.ResetFactor(t.Context(), u.Account.ID); err != nil {
		t.Fatal(err)
	}
	if on, err := db.Factors.Has(t.Context(), u.Account.ID); err != nil || on {
		t.Fatal("it is still on")
	}
}

// The account's deletion takes what could open it in its first step.
func TestFactors_Delete(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	turnOn(t, db, u)
	if _, err := db.Passkeys.Add(t.Context(), u, "", credential(t, 1), bytes.Repeat([]byte{1}, 32)); err != nil {
		t.Fatal(err)
	}
	if err := db.Accounts.retire(t.Context(), u.Account.ID); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db.main, "SELECT (SELECT count(*) FROM factors) + (SELECT count(*) FROM passkeys)"); n != 0 {
		t.Fatalf("%d rows are left", n)
	}
}

func TestFactors_Redacted(t *testing.T) {
	db, _ := newTestDB(t)
	u := register(t, db, "ada")
	seed, _ := turnOn(t, db, u)
	if err := db.Factors.Begin(t.Context(), u, goodPassword); err != nil {
		t.Fatal(err)
	}
	s, err := db.Factors.State(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(s)
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", *s), fmt.Sprintf("%x", s), string(b)} {
		if !strings.Contains(shown, redacted) {
			t.Errorf("a state prints as %.60q", shown)
		}
	}
	if bytes.Equal(s.Setup, seed) {
		t.Error("a new seed is the old one")
	}
}
