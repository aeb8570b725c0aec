package password_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/password"
)

func cheapCosts() password.StringCosts {
	return password.StringCosts{Argon2id: cheap(), Bcrypt: 4, Scrypt: 4, PBKDF2: 10}
}

// Strings that others made: argon2 from test.c of the reference implementation (P-H-C/phc-winner-argon2,
// CC0 or Apache 2.0), bcrypt from wrapper.c of crypt_blowfish 1.3 (public domain), the rest with Python's
// passlib 1.7.4 and Werkzeug 2.2.2.
var theirs = []struct{ name, pw, s string }{
	{"Argon2id", "password", "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"},
	{"Argon2idLanes", "password", "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"},
	{"Argon2id64M", "password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"},
	{"Bcrypt", "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
	{"BcryptLonger", "U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"},
	{"BcryptEmpty", "", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"},
	{"Bcrypt8Bit", "\xff\xff\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"},
	{"Scrypt", "pw", "$scrypt$ln=4,r=8,p=1$//79/P/+/fz//v38//79/A$0WtZiMsB6e7d7xwFlyGIzhAFv9nTPaZ+PWnysnDPSyo"},
	{"PBKDF2SHA256", "pw", "$pbkdf2-sha256$10$//79/Ps$Q6QkgHkkTQ1XpgJGcwxrqFgbacD5MIKxsKLedsOZD38"},
	{"PBKDF2SHA512", "pw", "$pbkdf2-sha512$10$//79/A$kA13voC9aRRG3hAaxSc8auZ.QYSMdGy/rALSw1yLO.wpszHKgkf55YWgxUiavONZTdnsspoDuCa0V6RRYztVnw"},
	{"PBKDF2SHA1", "pw", "$pbkdf2$10$//79/A$nU/V8F4ESD3K8IAYm.b5F7Q/aFk"},
}

func TestVerifyString_Published(t *testing.T) {
	for _, tt := range theirs {
		t.Run(tt.name, func(t *testing.T) {
			if ok, err := password.VerifyString(tt.pw, tt.s); err != nil || !ok {
				t.Errorf("the right password: %v, %v", ok, err)
			}
			for _, wrong := range []string{tt.pw + "x", "X" + tt.pw, strings.ToUpper(tt.pw) + "Y"} {
				if ok, err := password.VerifyString(wrong, tt.s); err != nil || ok {
					t.Errorf("%q: %v, %v", wrong, ok, err)
				}
			}
			if tt.name == "Argon2id64M" {
				return // slow, and the same code as the cheaper ones
			}
			for i := len(tt.s) - 20; i < len(tt.s)-1; i++ {
				c := byte('A')
				if tt.s[i] == c {
					c = 'B'
				}
				if ok, _ := password.VerifyString(tt.pw, tt.s[:i]+string(c)+tt.s[i+1:]); ok {
					t.Errorf("takes the password with character %d changed", i)
				}
			}
		})
	}
}

func TestHashString(t *testing.T) {
	for _, m := range password.Methods() {
		t.Run(string(m), func(t *testing.T) {
			s, err := password.HashString(m, "pässwörd", cheapCosts())
			if err != nil {
				t.Fatal(err)
			}
			if again, _ := password.HashString(m, "pässwörd", cheapCosts()); again == s {
				t.Error("two strings have one salt")
			}
			for pw, want := range map[string]bool{"pässwörd": true, "passwörd": false, "": false, "pässwörd ": false} {
				if ok, err := password.VerifyString(pw, s); err != nil || ok != want {
					t.Errorf("%q: %v, %v", pw, ok, err)
				}
			}
			info, err := password.InspectString(s)
			if err != nil || info.Method != m || info.Werkzeug || info.Memory <= 0 || info.Weak == "" || info.Memory != cheapCosts().Memory(m) {
				t.Errorf("%+v, %v, memory %d", info, err, cheapCosts().Memory(m))
			}
		})
	}
	for name, want := range map[string]string{"scrypt": "$scrypt$ln=4,r=8,p=1$", "bcrypt": "$2b$04$", "pbkdf2-sha256": "$pbkdf2-sha256$10$", "argon2id": "$argon2id$v=19$m=64,t=1,p=4$"} {
		if s, _ := password.HashString(password.Method(name), "x", cheapCosts()); !strings.HasPrefix(s, want) {
			t.Errorf("%s: %s", name, s)
		}
	}
}

// The real costs, once, and nothing that they make is called weak.
func TestHashString_Defaults(t *testing.T) {
	if raceDetector {
		t.Skip("an ordinary build runs the real costs")
	}
	c := password.DefaultStringCosts()
	for _, m := range password.Methods() {
		s, err := password.HashString(m, "correct horse", c)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := password.InspectString(s); err != nil || info.Weak != "" {
			t.Errorf("%s: %+v, %v", m, info, err)
		}
	}
}

func TestHashString_Errors(t *testing.T) {
	costs := func(change func(*password.StringCosts)) password.StringCosts {
		c := cheapCosts()
		change(&c)
		return c
	}
	for name, tt := range map[string]struct {
		m    password.Method
		pw   string
		c    password.StringCosts
		want error
	}{
		"Method":       {"md5", "x", cheapCosts(), password.ErrMethod},
		"Bcrypt73":     {password.Bcrypt, strings.Repeat("x", 73), cheapCosts(), password.ErrBcryptPassword},
		"BcryptNUL":    {password.Bcrypt, "x\x00y", cheapCosts(), password.ErrBcryptPassword},
		"Long":         {password.Argon2id, strings.Repeat("x", 4097), cheapCosts(), password.ErrPasswordLength},
		"BcryptCost":   {password.Bcrypt, "x", costs(func(c *password.StringCosts) { c.Bcrypt = 17 }), password.ErrCosts},
		"BcryptLow":    {password.Bcrypt, "x", costs(func(c *password.StringCosts) { c.Bcrypt = 3 }), password.ErrCosts},
		"ScryptMemory": {password.Scrypt, "x", costs(func(c *password.StringCosts) { c.Scrypt = 21 }), password.ErrCosts},
		"ScryptHuge":   {password.Scrypt, "x", costs(func(c *password.StringCosts) { c.Scrypt = 1000 }), password.ErrCosts},
		"ScryptZero":   {password.Scrypt, "x", costs(func(c *password.StringCosts) { c.Scrypt = 0 }), password.ErrCosts},
		"PBKDF2Zero":   {password.PBKDF2SHA256, "x", costs(func(c *password.StringCosts) { c.PBKDF2 = 0 }), password.ErrCosts},
		"PBKDF2Huge":   {password.PBKDF2SHA256, "x", costs(func(c *password.StringCosts) { c.PBKDF2 = 10_000_001 }), password.ErrCosts},
		"Argon2id":     {password.Argon2id, "x", costs(func(c *password.StringCosts) { c.Argon2id.MemoryKiB = 1 << 31 }), password.ErrCosts},
	} {
		if s, err := password.HashString(tt.m, tt.pw, tt.c); s != "" || !errors.Is(err, tt.want) {
			t.Errorf("%s: %q, %v", name, s, err)
		}
	}
	// 72 bytes are taken whole.
	at := strings.Repeat("x", 72)
	s, err := password.HashString(password.Bcrypt, at, cheapCosts())
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := password.VerifyString(at[:71], s); ok || err != nil {
		t.Errorf("71 bytes of 72: %v, %v", ok, err)
	}
	if ok, err := password.VerifyString(at+"y", s); ok || !errors.Is(err, password.ErrBcryptPassword) {
		t.Errorf("73 bytes: %v, %v", ok, err)
	}
}

func TestInspectString_Bounds(t *testing.T) {
	const argonTail = "$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	const scryptTail = "$//79/P/+/fz//v38//79/A$0WtZiMsB6e7d7xwFlyGIzhAFv9nTPaZ+PWnysnDPSyo"
	hex64, hex128 := strings.Repeat("ab", 32), strings.Repeat("ab", 64)
	for want, all := range map[error][]string{
		password.ErrCosts: {
			"$argon2id$v=19$m=1048577,t=1,p=1" + argonTail, "$argon2id$v=19$m=4294967295,t=1,p=1" + argonTail, "$argon2id$v=19$m=1048576,t=5,p=1" + argonTail,
			"$argon2id$v=19$m=64,t=4294967295,p=1" + argonTail, "$argon2id$v=19$m=64,t=0,p=1" + argonTail, "$argon2id$v=19$m=64,t=1,p=0" + argonTail,
			"$argon2id$v=19$m=65536,t=1,p=65" + argonTail, "$argon2id$v=19$m=7,t=1,p=1" + argonTail,
			"$2b$17" + theirs[3].s[6:], "$2b$31" + theirs[3].s[6:], "$2b$03" + theirs[3].s[6:],
			"$scrypt$ln=21,r=8,p=1" + scryptTail, "$scrypt$ln=0,r=8,p=1" + scryptTail, "$scrypt$ln=63,r=8,p=1" + scryptTail, "$scrypt$ln=4,r=0,p=1" + scryptTail,
			"$scrypt$ln=4,r=8,p=65" + scryptTail, "$scrypt$ln=20,r=8,p=8" + scryptTail, "$scrypt$ln=4,r=65,p=1" + scryptTail, "$scrypt$ln=4,r=2147483647,p=2147483647" + scryptTail,
			"$pbkdf2-sha256$10000001$//79/Ps$Q6QkgHkkTQ1XpgJGcwxrqFgbacD5MIKxsKLedsOZD38", "$pbkdf2-sha256$0$//79/Ps$Q6QkgHkkTQ1XpgJGcwxrqFgbacD5MIKxsKLedsOZD38",
			"scrypt:2097152:8:1$salt$" + hex128, "scrypt:1000:8:1$salt$" + hex128, "scrypt:1:8:1$salt$" + hex128, "scrypt:32768:8:1000000$salt$" + hex128,
			"pbkdf2:sha256:10000001$salt$" + hex64, "pbkdf2:sha256:0$salt$" + hex64,
		},
		password.ErrString: {
			"", "$", "password", "$argon2i$v=19$m=256,t=2,p=1" + argonTail, "$argon2id$v=16$m=256,t=2,p=1" + argonTail, "$argon2id$v=19x$m=256,t=2,p=1" + argonTail,
			"$argon2id$v=19$m=256,t=2,p=1,data=AAAA" + argonTail, "$argon2id$v=19$m=0256,t=2,p=1" + argonTail, "$argon2id$v=19$m=256,t=2,p=256" + argonTail, "$argon2id$v=19$m=256,t=2,p=1$YQ$YQ", "$argon2id$v=19$m=256,t=2,p=1" + argonTail + "$",
			"$2x$05" + theirs[3].s[6:], "$2$05" + theirs[3].s[6:], "$2b$5x" + theirs[3].s[6:], theirs[3].s + "A", theirs[3].s[:59], "$2b$05$" + strings.Repeat("=", 53), "$2b$+5" + theirs[3].s[6:],
			"$scrypt$ln=4,r=8" + scryptTail, "$scrypt$r=8,ln=4,p=1" + scryptTail, "$scrypt$ln=04,r=8,p=1" + scryptTail, "$scrypt$ln=+4,r=8,p=1" + scryptTail, "$scrypt$ln=4,r=8,p=1$$" + scryptTail[25:], "$scrypt$ln=4,r=8,p=1" + scryptTail + "=", "$scrypt$ln=4,r=99999999999,p=1" + scryptTail,
			"$pbkdf2-md5$10$//79/Ps$Q6QkgHkkTQ1XpgJGcwxrqFgbacD5MIKxsKLedsOZD38", "$pbkdf2-sha256$1_0$//79/Ps$Q6QkgHkkTQ1XpgJGcwxrqFgbacD5MIKxsKLedsOZD38", "$pbkdf2-sha512$10$//79/Ps$Q6QkgHkkTQ1XpgJGcwxrqFgbacD5MIKxsKLedsOZD38",
			"$pbkdf2-sha256$10$//79/P+$Q6QkgHkkTQ1XpgJGcwxrqFgbacD5MIKxsKLedsOZD38", "$pbkdf2-sha1$10$//79/A$nU/V8F4ESD3K8IAYm.b5F7Q/aFk",
			"pbkdf2:sha256$salt$" + hex64, "scrypt$salt$" + hex128, "pbkdf2:sha256:10$$" + hex64, "pbkdf2:sha256:10$salt$" + hex128, "pbkdf2:md5:10$salt$" + hex64[:32], "pbkdf2:sha256:10$salt$zz" + hex64[2:],
			"pbkdf2:sha256:10$salt", "scrypt:32768:8$salt$" + hex128, "scrypt:32768:8:1$salt$" + hex64, "scrypt:32768:8:1$salt$", "sha256$salt$" + hex64, "pbkdf2:sha256:10:1$salt$" + hex64, "pbkdf2:sha256:-1$salt$" + hex64,
			strings.Repeat("$", 1<<20), "scrypt:16:1:1$" + strings.Repeat("s", 300) + "$" + hex128, "pbkdf2:sha256:10$sa$lt$" + hex64,
		},
	} {
		for _, s := range all {
			start := time.Now()
			info, err := password.InspectString(s)
			if !errors.Is(err, want) || info != (password.StringInfo{}) {
				t.Errorf("%.60q: %+v, %v, want %v", s, info, err, want)
			}
			if ok, err := password.VerifyString("x", s); ok || !errors.Is(err, want) {
				t.Errorf("VerifyString %.60q: %v, %v", s, ok, err)
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("%.60q: refusing took %s", s, d)
			}
			if err != nil && len(s) > 30 && strings.Contains(err.Error(), s[len(s)-10:]) {
				t.Errorf("the error repeats the string: %v", err)
			}
		}
	}
}

func TestInspectString_Weak(t *testing.T) {
	const tail = "$c29tZXNhbHRzYWx0$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"
	h := strings.Repeat("ab", 64)
	for s, want := range map[string]string{
		"$argon2id$v=19$m=65536,t=3,p=4" + tail:   "",
		"$argon2id$v=19$m=1048576,t=1,p=4" + tail: "",
		"$argon2id$v=19$m=65536,t=2,p=4" + tail:   "65536 KiB of memory 2 times",
		"$argon2id$v=19$m=19456,t=20,p=4" + tail:  "19456 KiB of memory 20 times",
		"$2b$12" + theirs[3].s[6:]:                "",
		"$2y$11" + theirs[3].s[6:]:                "cost is 11",
		"scrypt:131072:8:1$saltsalt$" + h:         "",
		"scrypt:32768:8:1$saltsalt$" + h:          "32768 KiB of memory, and new ones 131072",
		"scrypt:131072:8:1$salt$" + h:             "its salt has 4 bytes",
		"pbkdf2:sha256:600000$saltsalt$" + h[:64]: "",
		"pbkdf2:sha256:260000$saltsalt$" + h[:64]: "260000 rounds, and 600000",
		"pbkdf2:sha512:210000$saltsalt$" + h:      "",
		"pbkdf2:sha1:600000$saltsalt$" + h[:40]:   "1300000",
	} {
		info, err := password.InspectString(s)
		if err != nil || (want == "") != (info.Weak == "") || !strings.Contains(info.Weak, want) {
			t.Errorf("%s: %q, %v, want %q", s, info.Weak, err, want)
		}
	}
	if info, err := password.InspectString("scrypt:32768:8:1$saltsalt$" + h); err != nil || info.Memory < 32<<20 || info.Memory > 33<<20 || !info.Werkzeug {
		t.Errorf("%+v, %v", info, err)
	}
}

// RFC 7914, sections 11 (the first 32 bytes) and 12; RFC 6070.
func TestWerkzeug_Published(t *testing.T) {
	for _, tt := range []struct{ method, salt, pw, want string }{
		{"scrypt:1024:8:16", "NaCl", "password", "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"},
		{"scrypt:16384:8:1", "SodiumChloride", "pleaseletmein", "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"},
		{"pbkdf2:sha256:1", "salt", "passwd", "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"},
		{"pbkdf2:sha256:80000", "NaCl", "Password", "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"},
		{"pbkdf2:sha1:1", "salt", "password", "0c60c80f961f0e71f3a9b524af6012062fe037a6"},
		{"pbkdf2:sha1:2", "salt", "password", "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"},
		{"pbkdf2:sha1:4096", "salt", "password", "4b007901b765489abead49d926f721d065a429c1"},
	} {
		if got, err := password.Werkzeug(tt.method, tt.salt, tt.pw); err != nil || hex.EncodeToString(got) != tt.want {
			t.Errorf("%s: %x, %v", tt.method, got, err)
		}
	}
	for _, bad := range [][2]string{{"scrypt", "s"}, {"pbkdf2:sha256", "s"}, {"pbkdf2:sha256:1", ""}, {"pbkdf2:sha256:1", "a$b"}, {"plain", "s"}, {"", "s"}} {
		if got, err := password.Werkzeug(bad[0], bad[1], "x"); got != nil || !errors.Is(err, password.ErrString) {
			t.Errorf("%v: %x, %v", bad, got, err)
		}
	}
	if _, err := password.Werkzeug("scrypt:1073741824:8:1", "s", "x"); !errors.Is(err, password.ErrCosts) {
		t.Errorf("1 TiB: %v", err)
	}
	if _, err := password.Werkzeug("pbkdf2:sha256:1", "s", strings.Repeat("x", 1<<20)); !errors.Is(err, password.ErrPasswordLength) {
		t.Errorf("a long password: %v", err)
	}
}

// TestWerkzeug_Fixtures checks every account that older versions made; see package legacy's tests.
func TestWerkzeug_Fixtures(t *testing.T) {
	for _, version := range []string{"v62", "v53"} {
		b, err := os.ReadFile(filepath.Join("../../../shared/fixtures/legacy", version, "truth.json"))
		if errors.Is(err, os.ErrNotExist) {
			t.Skip("the data of older versions is not here")
		} else if err != nil {
			t.Fatal(err)
		}
		var truth struct {
			Users []struct {
				Email, Password string
				Kind            string `json:"password_kind"`
				Hash            string `json:"password_hash"`
			}
		}
		if err := json.Unmarshal(b, &truth); err != nil {
			t.Fatal(err)
		}
		checked, kinds := 0, map[string]bool{}
		for _, u := range truth.Users {
			method, salt, want, err := password.ParseWerkzeug(u.Hash)
			if err != nil {
				t.Errorf("%s: %.40s: %v", u.Email, u.Hash, err)
				continue
			}
			checked++
			if raceDetector && kinds[u.Kind] {
				continue // an ordinary build does every account
			}
			got, err := password.Werkzeug(method, salt, u.Password)
			if err != nil || hex.EncodeToString(got) != hex.EncodeToString(want) {
				t.Errorf("%s (%s): %v", u.Email, u.Kind, err)
			}
			if kinds[u.Kind] {
				continue // the same work once more
			}
			kinds[u.Kind] = true
			if ok, err := password.VerifyString(u.Password, u.Hash); err != nil || !ok {
				t.Errorf("%s: %v, %v", u.Email, ok, err)
			}
		}
		t.Logf("%s: %d of %d", version, checked, len(truth.Users))
		if checked < 20 {
			t.Errorf("%s: only %d accounts", version, checked)
		}
	}
}

// python runs a script with whichever Python has the module. The script gets in, as JSON, in a
// variable of that name, and sets out.
func python(t *testing.T, module, script string, in, out any) {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-W", "ignore", "-c", "import "+module).Run() != nil {
			continue
		}
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(name, "-W", "ignore", "-c", "import sys, json\nin_ = json.load(sys.stdin)\n"+script+"\njson.dump(out, sys.stdout)")
		cmd.Stdin = bytes.NewReader(text)
		b, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := json.Unmarshal(b, out); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Skipf("no Python with %s; published strings are tested above", module)
}

var pairs = []string{"", "pw", "pässwörd 🔑", strings.Repeat("x", 72), " spaces ", "a$b\n\t"}

// bothVerify checks what another program made of pairs.
func bothVerify(t *testing.T, made []string) {
	t.Helper()
	for i, s := range made {
		pw := pairs[i%len(pairs)]
		if ok, err := password.VerifyString(pw, s); err != nil || !ok {
			t.Errorf("%q: %s: %v, %v", pw, s, ok, err)
		}
		if ok, err := password.VerifyString("x"+pw[:min(len(pw), 70)], s); err != nil || ok {
			t.Errorf("%q with a letter more: %s: %v, %v", pw, s, ok, err)
		}
	}
}

// oursOf makes a string of each of pairs.
func oursOf(t *testing.T, m password.Method) (ours [][2]string) {
	t.Helper()
	for _, pw := range pairs {
		s, err := password.HashString(m, pw, cheapCosts())
		if err != nil {
			t.Fatal(err)
		}
		ours = append(ours, [2]string{pw, s})
	}
	return ours
}

// TestPython_Passlib goes both ways; for argon2id passlib needs another module, see TestArgon2.
func TestPython_Passlib(t *testing.T) {
	for m, name := range map[password.Method]string{password.Scrypt: "scrypt", password.PBKDF2SHA256: "pbkdf2_sha256"} {
		var out struct {
			Right, Wrong []bool
			Made         []string
		}
		ours := oursOf(t, m)
		python(t, "passlib.hash", "from passlib.hash import "+name+` as h
out = dict(right=[h.verify(p, s) for p, s in in_], wrong=[h.verify(p + "x", s) for p, s in in_],
  made=[h.using(rounds=5).hash(p) for p, _ in in_])`, ours, &out)
		for i := range ours {
			if !out.Right[i] || out.Wrong[i] {
				t.Errorf("passlib says %v, %v of %s", out.Right[i], out.Wrong[i], ours[i][1])
			}
		}
		bothVerify(t, out.Made)
	}
}

func TestPython_Werkzeug(t *testing.T) {
	var made []string
	python(t, "werkzeug.security", `from werkzeug.security import generate_password_hash as g
out = [g(p, method=m) for m in ("pbkdf2:sha256:1000", "pbkdf2:sha1:1000", "pbkdf2:sha512:1000") for p in in_]`, pairs, &made)
	if len(made) != 3*len(pairs) {
		t.Fatal(made)
	}
	bothVerify(t, made)
}

// TestPython_Hashlib does what Werkzeug 2.3 and later do for scrypt.
func TestPython_Hashlib(t *testing.T) {
	var made []string
	python(t, "hashlib", `from hashlib import scrypt
out = [f"scrypt:{n}:{r}:{c}$Na1$" + scrypt(p.encode(), salt=b"Na1", n=n, r=r, p=c, maxmem=64 << 20).hex()
  for n, r, c in ((16, 8, 2), (1024, 8, 1), (2, 1, 1)) for p in in_]`, pairs, &made)
	if len(made) != 3*len(pairs) {
		t.Fatal(made)
	}
	bothVerify(t, made)
}

// TestPython_Crypt asks the C library's crypt, both ways.
func TestPython_Crypt(t *testing.T) {
	var out struct{ Again, Made []string }
	ours := oursOf(t, password.Bcrypt)
	python(t, "crypt", `from crypt import crypt
out = dict(again=[crypt(p, s) for p, s in in_], made=[crypt(p, "$2y$05$abcdefghijklmnopqrstuu") for p, _ in in_])`, ours, &out)
	for i := range ours {
		if out.Again[i] != ours[i][1] {
			t.Errorf("got %s, want %s", ours[i][1], out.Again[i])
		}
	}
	bothVerify(t, out.Made)
}

// TestArgon2 asks the reference implementation's command.
func TestArgon2(t *testing.T) {
	if _, err := exec.LookPath("argon2"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("argon2 is not installed, and CI needs it")
		}
		t.Skip("argon2 is not installed; its own strings are tested above")
	}
	for i, args := range [][]string{{"-t", "1", "-k", "64", "-p", "1"}, {"-t", "3", "-k", "128", "-p", "4"}, {"-t", "2", "-m", "16", "-p", "2", "-l", "24"}} {
		for _, pw := range pairs {
			if pw == "" {
				continue // the command takes none
			}
			cmd := exec.Command("argon2", append(append([]string{fmt.Sprintf("saltsalt%d", i), "-id"}, args...), "-e")...)
			cmd.Stdin = strings.NewReader(pw)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			s := strings.TrimSpace(string(out))
			if ok, err := password.VerifyString(pw, s); err != nil || !ok {
				t.Errorf("%q: %s: %v, %v", pw, s, ok, err)
			}
		}
	}
	// And it makes the same of our salt and costs.
	s, err := password.HashString(password.Argon2id, "pw", cheapCosts())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := password.InspectString(s); err != nil || info.Memory != 64<<10 {
		t.Errorf("%+v, %v", info, err)
	}
}

func FuzzInspectString(f *testing.F) {
	for _, tt := range theirs {
		f.Add(tt.s)
	}
	for _, s := range []string{"scrypt:32768:8:1$salt$" + strings.Repeat("ab", 64), "pbkdf2:sha1:1$s$" + strings.Repeat("ab", 20), "$scrypt$ln=,r=,p=$$", "$pbkdf2$$$", "$2b$", "$argon2id$"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		info, err := password.InspectString(s)
		if err != nil {
			if info != (password.StringInfo{}) || !errors.Is(err, password.ErrString) && !errors.Is(err, password.ErrCosts) {
				t.Errorf("%+v, %v", info, err)
			}
			return
		}
		if info.Memory <= 0 || info.Memory > password.MaxStringMemory+2<<20 || info.Method == "" {
			t.Errorf("%+v", info)
		}
		if info.Werkzeug {
			method, salt, digest, err := password.ParseWerkzeug(s)
			if again := method + "$" + salt + "$" + hex.EncodeToString(digest); err != nil || !strings.EqualFold(again, s) {
				t.Errorf("%q: %v", s, err)
			}
		}
	})
}
