package password_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/password"
)

// cheap are the least costs argon2id allows in four lanes; 70 ms otherwise, 450 under the race detector.
func cheap() password.Params { return password.Params{Time: 1, MemoryKiB: 64, Threads: 4} }

// Made with Python's cryptography 48.0.0 (HMAC, Argon2id, HKDF over OpenSSL 3), not with this package.
const (
	vectorPepper = "1b9e0095db3ea90c20aab4c84f6abe9c6dab564fcb0220e4dcb92a8f5d4be980"
	vectorSalt   = "0123456789abcdef"
	vectorUnlock = "29b7fc30dc599e1b62106cc046e3e95b2b3ce6ab694aaa03096a8c70ecfb7081"
	vectorFull   = "24cada021cda9a99ffbe3104f7bf4d7090307a378f08a764eca028da008b8caf"
	vectorPHC    = "$argon2id$v=19$m=64,t=1,p=4$MDEyMzQ1Njc4OWFiY2RlZg$1N4ABvoO/yvTqTE6y8QB4YxR0bptZCxBZESbMbYjOgc"
)

func pepperKey() (key [32]byte) {
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

func TestVectors(t *testing.T) {
	peppered := password.Pepper(pepperKey(), "correct horse battery staple")
	if hex.EncodeToString(peppered) != vectorPepper {
		t.Errorf("Pepper = %x", peppered)
	}
	if key := password.UnlockKey(peppered, []byte(vectorSalt), cheap()); hex.EncodeToString(key[:]) != vectorUnlock {
		t.Errorf("UnlockKey = %x", key)
	}
	if ok, err := password.Verify(peppered, vectorPHC); err != nil || !ok {
		t.Errorf("Verify = %v, %v", ok, err)
	}
	if key := password.UnlockKey(peppered, []byte(vectorSalt), password.DefaultParams()); hex.EncodeToString(key[:]) != vectorFull {
		t.Errorf("UnlockKey at the real cost = %x", key)
	}
}

func TestDefaultParams_RFC9106(t *testing.T) {
	if p := password.DefaultParams(); p != (password.Params{Time: 3, MemoryKiB: 65536, Threads: 4}) || p.Memory() != 64<<20 {
		t.Errorf("DefaultParams = %+v, %d bytes", p, p.Memory())
	}
}

func TestHash_Verify(t *testing.T) {
	right, wrong := password.Pepper(pepperKey(), "right"), password.Pepper(pepperKey(), "wrong")
	phc, err := password.Hash(right, cheap())
	if err != nil {
		t.Fatal(err)
	}
	if p, err := password.ParamsOf(phc); err != nil || p != cheap() {
		t.Errorf("ParamsOf = %+v, %v", p, err)
	}
	if ok, err := password.Verify(right, phc); err != nil || !ok {
		t.Errorf("the right password: %v, %v", ok, err)
	}
	if ok, err := password.Verify(wrong, phc); err != nil || ok {
		t.Errorf("the wrong password: %v, %v", ok, err)
	}
	if again, _ := password.Hash(right, cheap()); again == phc {
		t.Error("two hashes have one salt")
	}
}

// A decoy looks like any other verifier, and nothing fits it.
func TestDecoy(t *testing.T) {
	right := password.Pepper(pepperKey(), "right")
	real, err := password.Hash(right, cheap())
	if err != nil {
		t.Fatal(err)
	}
	decoy, err := password.Decoy(cheap())
	if err != nil {
		t.Fatal(err)
	}
	if p, err := password.ParamsOf(decoy); err != nil || p != cheap() || len(decoy) != len(real) {
		t.Errorf("%q for %q: %+v, %v", decoy, real, p, err)
	}
	if ok, err := password.Verify(right, decoy); err != nil || ok {
		t.Errorf("Verify = %v, %v", ok, err)
	}
	if again, _ := password.Decoy(cheap()); again == decoy {
		t.Error("two decoys are the same")
	}
	if _, err := password.Decoy(password.Params{}); !errors.Is(err, password.ErrParams) {
		t.Errorf("costs of zero: %v", err)
	}
}

func TestVerify_Bounds(t *testing.T) {
	tail := vectorPHC[strings.Index(vectorPHC, "$MDEy"):]
	for name, phc := range map[string]string{
		"Memory":      "$argon2id$v=19$m=4194304,t=1,p=4" + tail,
		"MemoryMax":   "$argon2id$v=19$m=4294967295,t=1,p=4" + tail,
		"Time":        "$argon2id$v=19$m=64,t=4294967295,p=4" + tail,
		"TimeZero":    "$argon2id$v=19$m=64,t=0,p=4" + tail,
		"ThreadsZero": "$argon2id$v=19$m=64,t=1,p=0" + tail,
		"ThreadsMany": "$argon2id$v=19$m=65536,t=1,p=255" + tail,
		"TooLittle":   "$argon2id$v=19$m=8,t=1,p=4" + tail,
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if _, err := password.Verify([]byte("x"), phc); !errors.Is(err, password.ErrParams) {
				t.Errorf("Verify: %v, want ErrParams", err)
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("refusing took %s", d)
			}
		})
	}
	for _, phc := range []string{
		"", "$", "$argon2i$v=19$m=64,t=1,p=4" + tail, "$argon2id$v=16$m=64,t=1,p=4" + tail, "$argon2id$v=19$m=64,t=1,p=256" + tail,
		"$argon2id$v=19$m=64,t=1,p=4$$", "$argon2id$v=19$m=64,t=1,p=4$MDEyMzQ1Njc4OWFiY2RlZg$", strings.Repeat("$", 1<<20), vectorPHC + strings.Repeat("A", 400),
	} {
		if _, err := password.Verify([]byte("x"), phc); !errors.Is(err, password.ErrHash) {
			t.Errorf("Verify with %.40q: %v, want ErrHash", phc, err)
		}
	}
}

func TestNormalize(t *testing.T) {
	composed, err := password.Normalize("caf\u00e9 au lait")
	if err != nil {
		t.Fatal(err)
	}
	if decomposed, err := password.Normalize("cafe\u0301 au lait"); err != nil || decomposed != composed {
		t.Errorf("two spellings of é differ: %q and %q, %v", composed, decomposed, err)
	}
	for _, keep := range []string{"", " leading and trailing ", "\x00\x01\x02", "Ünï\tcödé\n", "🐎🔋", strings.Repeat("x", password.MaxBytes)} {
		if got, err := password.Normalize(keep); err != nil || got != keep {
			t.Errorf("Normalize(%.20q) = %.20q, %v", keep, got, err)
		}
	}
	// 1,025 bytes that NFC makes shorter are within the limit.
	if _, err := password.Normalize(strings.Repeat("e\u0301", 400)); err != nil {
		t.Errorf("1,200 bytes that compose to 800: %v", err)
	}
	for want, pw := range map[password.Reason]string{
		password.TooLong: strings.Repeat("x", password.MaxBytes+1), password.NotText: "abc\xff",
	} {
		var policy *password.PolicyError
		if _, err := password.Normalize(pw); !errors.As(err, &policy) || policy.Reason != want {
			t.Errorf("Normalize(%.20q): %v, want reason %d", pw, err, want)
		}
	}
	if _, err := password.Normalize(strings.Repeat("x", 64<<20)); err == nil {
		t.Error("64 MiB are a password")
	}
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		pw     string
		reason password.Reason // 0: taken
	}{
		{"correct horse battery staple", 0},
		{"ZQ81-canary-pw", 0},
		{"пароль лошадь скрепка", 0},
		{"tr\x00nul\x00bytes\x00xq", 0},
		{"elevenchars", password.TooShort},
		{"cafe\u0301cafe\u0301xyz", password.TooShort}, // 13 runes typed, 11 characters
		{"", password.TooShort},
		{"password1234", password.TooWeak},
		{"passwordpassword", password.TooWeak},
		{"123456789012", password.TooWeak},
		{"qwertyuiop12", password.TooWeak},
		{"aaaaaaaaaaaa", password.TooWeak},
		{"abcdefghijkl", password.TooWeak},
		{"iloveyou1234", password.TooWeak},
		{"alice@example.com", password.TooWeak}, // the login
		{strings.Repeat("a", 1000), password.TooWeak},
	} {
		err := password.Check(tc.pw, "alice@example.com", "al")
		var policy *password.PolicyError
		switch {
		case tc.reason == 0 && err != nil:
			t.Errorf("Check(%.30q): %v, want it taken", tc.pw, err)
		case tc.reason != 0 && (!errors.As(err, &policy) || policy.Reason != tc.reason):
			t.Errorf("Check(%.30q): %v, want reason %d", tc.pw, err, tc.reason)
		case err != nil && len(tc.pw) > 4 && strings.Contains(err.Error(), tc.pw):
			t.Errorf("the error repeats the password: %v", err)
		}
	}
	if err := password.Check("alice@example.com"); err != nil {
		t.Errorf("somebody else's login is taken as a password: %v", err)
	}
}

// Nobody's password is made of this program's name, or of what the place is called.
func TestCheck_PlaceWords(t *testing.T) {
	words := password.PlaceWords("https://Vault.Hollowbrook.example:8443", "http://127.0.0.1:8080", "http://[::1]:80", "http://localhost:80")
	if want := []string{"vault.hollowbrook.example", "vault", "hollowbrook", "localhost"}; !slices.Equal(words, want) {
		t.Fatalf("words are %q, want %q", words, want)
	}
	for _, pw := range []string{"zencrypt zencrypt", "Zencrypt12345", "hollowbrook1", "Hollowbrook2026", "vault.hollowbrook.example"} {
		var policy *password.PolicyError
		if err := password.Check(pw, append([]string{"ada"}, words...)...); !errors.As(err, &policy) || policy.Reason != password.TooWeak {
			t.Errorf("%q: %v", pw, err)
		}
	}
	if err := password.Check("vault.hollowbrook.example", "ada"); err != nil {
		t.Errorf("elsewhere it is taken: %v", err)
	}
	if err := password.Check("umber-otter-glacier-pivot", append([]string{"ada"}, words...)...); err != nil {
		t.Error(err)
	}
	if n := len(password.PlaceWords(slices.Repeat([]string{"https://one.two.three.four.example"}, 20)...)); n != 8 {
		t.Errorf("%d words", n)
	}
}

func TestStrength_Quick(t *testing.T) {
	for name, pw := range map[string]string{
		"Repeat":   strings.Repeat("a", 1000),
		"Mixed":    strings.Repeat("aB3$", 250),
		"Words":    strings.Repeat("password1", 111),
		"Digits":   strings.Repeat("19840229", 125),
		"Keyboard": strings.Repeat("qwertyuiop", 100),
		"Leet":     strings.Repeat("p4$$w0rd", 125),
		"Wide":     strings.Repeat("𝔸", 1000),
		"Invalid":  strings.Repeat("\xff", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			// 15 s without the cut; a second leaves room for the race detector, and ten tries for a machine that does other things.
			quickest := time.Hour
			for try := 0; try < 10 && quickest > time.Second; try++ {
				start := time.Now()
				if score, _ := password.Strength(pw); score < 0 || score > 4 {
					t.Errorf("score %d", score)
				}
				quickest = min(quickest, time.Since(start))
			}
			if quickest > time.Second {
				t.Errorf("took %s", quickest)
			}
		})
	}
	if score, warning := password.Strength("correct horse battery staple"); score != 4 || warning != "" {
		t.Errorf("four random words: %d, %q", score, warning)
	}
	if score, warning := password.Strength("password"); score != 0 || warning == "" {
		t.Errorf("password: %d, %q", score, warning)
	}
}

func TestRecoveryCode(t *testing.T) {
	code := password.NewRecoveryCode()
	if len(code) != 39 || strings.Count(code, "-") != 7 {
		t.Fatalf("a new code has %d characters: %d groups", len(code), strings.Count(code, "-")+1)
	}
	want, err := password.ParseRecoveryCode(code)
	if err != nil || len(want) != 20 {
		t.Fatalf("ParseRecoveryCode: %d bytes, %v", len(want), err)
	}
	bare := strings.ReplaceAll(code, "-", "")
	misread := strings.NewReplacer("O", "0", "I", "1", "B", "8").Replace(code)
	for _, typed := range []string{strings.ToLower(code), bare, " " + code + "\r\n", strings.ReplaceAll(code, "-", " "), strings.ReplaceAll(code, "-", " – "), strings.ReplaceAll(code, "-", "\u00a0"), misread, strings.ToLower(misread)} {
		if got, err := password.ParseRecoveryCode(typed); err != nil || !bytes.Equal(got, want) {
			t.Errorf("typed in another way: %v", err)
		}
	}
	for _, bad := range []string{"", "-", bare[:31], bare + "A", bare[:31] + "9", bare[:31] + "=", bare[:31] + "é", strings.Repeat("A", 1<<20)} {
		if _, err := password.ParseRecoveryCode(bad); !errors.Is(err, password.ErrRecoveryCode) {
			t.Errorf("ParseRecoveryCode(%.50q): %v, want ErrRecoveryCode", bad, err)
		}
	}
	if password.NewRecoveryCode() == code {
		t.Error("two codes are equal")
	}
	// RFC 4648 section 10: "foobar" is MZXW6YTBOI; here as the head of 20 bytes.
	got, err := password.ParseRecoveryCode("MZXW6YTBOJTG633CMFZGM33PMJQXEZTP")
	if err != nil || string(got) != "foobarfoobarfoobarfo" {
		t.Errorf("ParseRecoveryCode = %q, %v", got, err)
	}
}

func TestGenerate(t *testing.T) {
	p, err := password.Generate(password.Words)
	if err != nil || strings.Count(p, "-") < password.Words-1 {
		t.Fatalf("Generate = %d dashes, %v", strings.Count(p, "-"), err)
	}
	if err := password.Check(p); err != nil {
		t.Errorf("what we made ourselves is refused: %v", err)
	}
	for _, n := range []int{-1, 0, 3, 21, 1 << 30} {
		if _, err := password.Generate(n); err == nil {
			t.Errorf("Generate(%d) gave a passphrase", n)
		}
	}
}

func FuzzParseRecoveryCode(f *testing.F) {
	f.Add("MZXW6YTBOJTG633CMFZGM33PMJQXEZTP")
	f.Add("mzxw-6ytb-0jtg-633c-mfzg-m33p-mjqx-eztp")
	f.Fuzz(func(t *testing.T, s string) {
		if b, err := password.ParseRecoveryCode(s); err == nil && len(b) != 20 {
			t.Errorf("%d bytes", len(b))
		}
	})
}

func FuzzCheck(f *testing.F) {
	f.Add("correct horse battery staple", "alice")
	f.Add("\u0301\u0301", "\xff")
	f.Fuzz(func(t *testing.T, pw, input string) {
		var policy *password.PolicyError
		if err := password.Check(pw, input); err != nil && !errors.As(err, &policy) {
			t.Errorf("untyped error: %v", err)
		}
		password.Strength(pw)
	})
}

func FuzzParamsOf(f *testing.F) {
	f.Add(vectorPHC)
	f.Fuzz(func(t *testing.T, phc string) {
		if p, err := password.ParamsOf(phc); err == nil && p.Memory() > 256<<20 {
			t.Errorf("takes %d bytes", p.Memory())
		}
	})
}
