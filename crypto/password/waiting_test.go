package password_test

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"zencrypt/crypto/password"
)

// FORMAT.md's words, put together here by hand.
func TestWaitingKey(t *testing.T) {
	pepper := [32]byte{1, 2, 3}
	digest := []byte("a digest of thirty-two bytes ...")
	mac := hmac.New(sha256.New, pepper[:])
	mac.Write(digest)
	want, err := hkdf.Key(sha256.New, mac.Sum(nil), nil, "zencrypt/v1/waiting", 32)
	if err != nil {
		t.Fatal(err)
	}
	got := password.WaitingKey(pepper, digest)
	if hex.EncodeToString(got[:]) != hex.EncodeToString(want) {
		t.Errorf("WaitingKey = %x, want %x", got, want)
	}
	const frozen = "1724eb5b18c124baeeea5abe84fe6a3d528227f23bc29924888a649694500e33"
	if s := hex.EncodeToString(got[:]); s != frozen {
		t.Errorf("WaitingKey = %s, and it was %s: what waits would not open any more", s, frozen)
	}
	if password.WaitingKey([32]byte{1, 2, 4}, digest) == got || password.WaitingKey(pepper, digest[1:]) == got {
		t.Error("another pepper or digest gives the same key")
	}
}

func TestCheckWaiting(t *testing.T) {
	for method, want := range map[string]error{
		"pbkdf2:sha256:1": nil, "pbkdf2:sha256:260000": nil, "pbkdf2:sha256:1000000": nil, "pbkdf2:sha256:2000000": nil, "pbkdf2:sha1:1000": nil, "pbkdf2:sha512:2000000": nil,
		"scrypt:32768:8:1": nil, "scrypt:65536:8:1": nil, "scrypt:32768:8:4": nil,
		"pbkdf2:sha256:2000001": password.ErrCosts, "pbkdf2:sha256:99999999": password.ErrCosts, "scrypt:131072:8:1": password.ErrCosts, "scrypt:65536:8:5": password.ErrCosts,
		"scrypt:1024:1:64": nil, "scrypt:1073741824:64:64": password.ErrCosts, "pbkdf2:sha256:0": password.ErrCosts,
		"pbkdf2:sha256": password.ErrString, "pbkdf2:md5:1000": password.ErrString, "scrypt": password.ErrString, "md5": password.ErrString, "": password.ErrString,
	} {
		if err := password.CheckWaiting(method, "salt"); !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%q: %v, want %v", method, err, want)
		}
	}
	for _, salt := range []string{"", "a$b", string(make([]byte, 300))} {
		if err := password.CheckWaiting("pbkdf2:sha256:1000", salt); !errors.Is(err, password.ErrString) {
			t.Errorf("salt %q: %v", salt, err)
		}
	}
	// What may be waited under fits what a log-in is reckoned with.
	if s, err := password.InspectString("scrypt:65536:8:1$salt$" + hex.EncodeToString(make([]byte, 64))); err != nil || s.Memory > password.MaxWaitingMemory || s.Memory > 2*password.DefaultParams().Memory() {
		t.Errorf("%d bytes, %v", s.Memory, err)
	}
}
