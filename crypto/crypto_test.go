package crypto_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"filippo.io/age"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
)

func now() time.Time { return time.Unix(1_700_000_000, 0) }

// keys are one of each kind, with what encrypts to them.
type keys struct {
	age       crypto.NamedAge
	recipient age.Recipient
	fernet    crypto.NamedFernet
}

func newKeys(t testing.TB, name string) keys {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	k, err := fernet.ParseKey(fernet.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return keys{crypto.NamedAge{Label: name, Identity: id}, id.Recipient(), crypto.NamedFernet{Label: name + " fernet", Key: k}}
}

func encrypt(t testing.TB, target crypto.Target, plain []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := crypto.Encrypt(&buf, target, now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, iotest.HalfReader(bytes.NewReader(plain))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func decrypt(in []byte, k crypto.Keys) ([]byte, *crypto.Plain, error) {
	p, err := crypto.Decrypt(bytes.NewReader(in), k, crypto.Options{Now: now})
	if err != nil {
		return nil, nil, err
	}
	got, err := io.ReadAll(p)
	return got, p, err
}

func TestDecrypt_FindsTheKey(t *testing.T) {
	other, mine := newKeys(t, "other"), newKeys(t, "mine")
	all := crypto.Keys{
		Passphrase: "correct horse", Age: []crypto.NamedAge{other.age, mine.age}, Fernet: []crypto.NamedFernet{other.fernet, mine.fernet},
	}
	for _, n := range []int{0, 1, 1000, agefile.ChunkSize, agefile.ChunkSize + 1, 5 * agefile.ChunkSize} {
		plain := bytes.Repeat([]byte{7}, n)
		for name, tc := range map[string]struct {
			target     crypto.Target
			format     crypto.Format
			armored    bool
			label      string
			index      int
			passphrase bool
			size       int64
		}{
			"Age":               {crypto.Target{Recipients: []age.Recipient{mine.recipient}}, crypto.FormatAge, false, "mine", 1, false, -1},
			"AgeArmor":          {crypto.Target{Recipients: []age.Recipient{mine.recipient}, Armor: true}, crypto.FormatAge, true, "mine", 1, false, -1},
			"BothOfMine":        {crypto.Target{Recipients: []age.Recipient{mine.recipient, other.recipient}}, crypto.FormatAge, false, "other", 0, false, -1},
			"Passphrase":        {crypto.Target{Passphrase: "correct horse", WorkFactor: 10, Armor: true}, crypto.FormatAge, true, "the passphrase", -1, true, -1},
			"PassphraseDefault": {crypto.Target{Passphrase: "correct horse"}, crypto.FormatAge, false, "the passphrase", -1, true, -1},
			"Fernet":            {crypto.Target{Fernet: &mine.fernet.Key}, crypto.FormatFernet, true, "mine fernet", 1, false, int64(n)},
		} {
			if name == "PassphraseDefault" && n != 1 {
				continue // once is enough of the real cost
			}
			t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
				file := encrypt(t, tc.target, plain)
				if f, armored := crypto.Detect(file[:64]); f != tc.format || armored != tc.armored {
					t.Errorf("Detect = %s, %v", f, armored)
				}
				got, p, err := decrypt(file, all)
				if err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("%d bytes, %v", len(got), err)
				}
				if p.Format != tc.format || p.Armored != tc.armored || p.Label != tc.label || p.KeyIndex != tc.index || p.Passphrase != tc.passphrase || p.Size != tc.size {
					t.Errorf("%+v", *p)
				}
				if tc.format == crypto.FormatAge {
					r, err := agefile.OpenWithFileKey(bytes.NewReader(file), p.FileKey)
					if err != nil {
						t.Fatal(err)
					}
					if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
						t.Errorf("with the file key: %d bytes, %v", len(got), err)
					}
				}
			})
		}
	}
}

func TestDecrypt_Errors(t *testing.T) {
	mine, other := newKeys(t, "mine"), newKeys(t, "other")
	toMe := encrypt(t, crypto.Target{Recipients: []age.Recipient{mine.recipient}}, []byte("x"))
	toPass := encrypt(t, crypto.Target{Passphrase: "right", WorkFactor: 10, Armor: true}, []byte("x"))
	token := encrypt(t, crypto.Target{Fernet: &mine.fernet.Key}, []byte("x"))
	pass := func(p string) crypto.Keys { return crypto.Keys{Passphrase: p} }
	ageKeys := func(k keys) crypto.Keys { return crypto.Keys{Age: []crypto.NamedAge{k.age}} }
	factor := func(n int) []byte {
		return fmt.Appendf(nil, "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA %d\n%s\n--- %s\n", n, strings.Repeat("A", 43), strings.Repeat("A", 43))
	}
	many := "age-encryption.org/v1\n" + strings.Repeat("-> X25519 "+strings.Repeat("A", 43)+"\n"+strings.Repeat("A", 43)+"\n", 1000) + "--- " + strings.Repeat("A", 43) + "\n"
	for _, tc := range []struct {
		name       string
		in         []byte
		keys       crypto.Keys
		want       error
		mentions   string
		passphrase bool // NeedsPassphrase
	}{
		{"WrongPassphrase", toPass, pass("wrong"), crypto.ErrWrongPassphrase, "wrong passphrase", true},
		{"PassphraseNeeded", toPass, ageKeys(mine), crypto.ErrNoKey, "encrypted with a passphrase", true},
		{"NothingGiven", toPass, crypto.Keys{}, crypto.ErrNoKey, "encrypted with a passphrase", true},
		{"KeyNeeded", toMe, pass("right"), crypto.ErrNoKey, "a private key is needed", false},
		{"WrongKey", toMe, ageKeys(other), crypto.ErrNoKey, "does not fit", false},
		{"FernetKeyNeeded", token, pass("right"), crypto.ErrNoKey, "a Fernet key is needed", false},
		{"WrongFernetKey", token, crypto.Keys{Fernet: []crypto.NamedFernet{other.fernet}}, crypto.ErrNoKey, "no key fits, or the token was changed", false},
		{"CutFernet", token[:len(token)-4], crypto.Keys{Fernet: []crypto.NamedFernet{mine.fernet}}, crypto.ErrFormat, "complete", false},
		{"Empty", nil, pass("x"), crypto.ErrFormat, "empty", false},
		{"Blank", []byte(" \n\t\r\n"), pass("x"), crypto.ErrFormat, "empty", false},
		{"Text", []byte("hello, world"), pass("x"), crypto.ErrFormat, "neither", false},
		{"NUL", make([]byte, 10_000), pass("x"), crypto.ErrFormat, "neither", false},
		{"InvalidUTF8", bytes.Repeat([]byte{0xff, 0xfe}, 5000), pass("x"), crypto.ErrFormat, "neither", false},
		{"Version2", []byte("age-encryption.org/v2\n-> X25519 x\n"), pass("x"), crypto.ErrFormat, "not an age file", false},
		{"CutFirstLine", toMe[:10], pass("x"), crypto.ErrDamaged, "first line", false},
		{"CutHeader", toMe[:60], ageKeys(mine), crypto.ErrDamaged, "header", false},
		{"CutPayload", toMe[:len(toMe)-1], ageKeys(mine), crypto.ErrDamaged, "damaged", false},
		{"CutArmor", toPass[:len(toPass)-40], pass("right"), crypto.ErrDamaged, "armor", false},
		{"Factor19", factor(19), pass("x"), crypto.ErrRefused, "work factor 19, at most 18", false},
		{"Factor40", factor(40), pass("x"), crypto.ErrRefused, "work factor 40", false},
		{"Stanzas1000", []byte(many), ageKeys(mine), crypto.ErrRefused, "more than the 64", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			start := time.Now()
			got, _, err := decrypt(tc.in, tc.keys)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.mentions) {
				t.Fatalf("%q, error %v, want %v about %q", got, err, tc.want, tc.mentions)
			}
			for _, kind := range []error{crypto.ErrFormat, crypto.ErrNoKey, crypto.ErrWrongPassphrase, crypto.ErrDamaged, crypto.ErrTooLarge, crypto.ErrRefused, crypto.ErrExpired} {
				if kind != tc.want && errors.Is(err, kind) {
					t.Errorf("the error is also of kind %v", kind)
				}
			}
			if crypto.NeedsPassphrase(err) != tc.passphrase {
				t.Errorf("NeedsPassphrase = %v", !tc.passphrase)
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("took %s", d)
			}
		})
	}
}

func TestDecrypt_Expired(t *testing.T) {
	mine := newKeys(t, "mine")
	token := encrypt(t, crypto.Target{Fernet: &mine.fernet.Key}, []byte("x"))
	later := func() time.Time { return now().Add(time.Hour) }
	k := crypto.Keys{Fernet: []crypto.NamedFernet{mine.fernet}}
	if _, err := crypto.Decrypt(bytes.NewReader(token), k, crypto.Options{FernetTTL: time.Minute, Now: later}); !errors.Is(err, crypto.ErrExpired) {
		t.Errorf("error %v, want ErrExpired", err)
	}
	if _, err := crypto.Decrypt(bytes.NewReader(token), k, crypto.Options{Now: later}); err != nil {
		t.Errorf("without a ttl: %v", err)
	}
}

func TestDecrypt_TooLarge(t *testing.T) {
	mine := newKeys(t, "mine")
	k := crypto.Keys{Fernet: []crypto.NamedFernet{mine.fernet}}
	token := encrypt(t, crypto.Target{Fernet: &mine.fernet.Key}, make([]byte, 100_000))
	for limit, want := range map[int64]error{10: crypto.ErrTooLarge, 99_999: crypto.ErrTooLarge, 100_000: nil} {
		_, err := crypto.Decrypt(bytes.NewReader(token), k, crypto.Options{FernetMax: limit})
		if !errors.Is(err, want) {
			t.Errorf("limit %d: %v, want %v", limit, err, want)
		}
	}
	w, err := crypto.Encrypt(io.Discard, crypto.Target{Fernet: &mine.fernet.Key}, now())
	if err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 1<<20)
	for range 64 {
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := w.Write(piece[:1]); !errors.Is(err, crypto.ErrTooLarge) {
			t.Errorf("64 MiB and a byte: %v, want ErrTooLarge", err)
		}
	}
	if err := w.Close(); !errors.Is(err, crypto.ErrTooLarge) {
		t.Errorf("Close: %v, want ErrTooLarge", err)
	}
}

func TestDecrypt_Acquire(t *testing.T) {
	file := encrypt(t, crypto.Target{Passphrase: "right", WorkFactor: 10}, []byte("x"))
	var held, most int64
	acquire := func(n int64) (func(), error) {
		held += n
		most = max(most, held)
		return func() { held -= n }, nil
	}
	if _, err := crypto.Decrypt(bytes.NewReader(file), crypto.Keys{Passphrase: "right"}, crypto.Options{Acquire: acquire}); err != nil || held != 0 || most != 1<<20 {
		t.Errorf("%v, holds %d, held %d", err, held, most)
	}
	busy := errors.New("busy")
	_, err := crypto.Decrypt(bytes.NewReader(file), crypto.Keys{Passphrase: "right"}, crypto.Options{Acquire: func(int64) (func(), error) { return nil, busy }})
	if !errors.Is(err, busy) || errors.Is(err, crypto.ErrDamaged) {
		t.Errorf("error %v, want the budget's own", err)
	}
	if m := (crypto.Target{Passphrase: "x"}).Memory(); m != 32<<20 {
		t.Errorf("a passphrase needs %d bytes, want 32 MiB", m)
	}
	if m := (crypto.Target{}).Memory(); m != 0 {
		t.Errorf("a key needs %d bytes", m)
	}
}

// goid is a reader that notes which goroutine reads from it.
type goid struct {
	io.Reader
	seen map[string]bool
}

func (g *goid) Read(p []byte) (int, error) {
	g.seen[goroutine()] = true
	return g.Reader.Read(p[:min(len(p), 1000)])
}

func goroutine() string {
	var buf [64]byte
	id, _, _ := strings.Cut(string(buf[:runtime.Stack(buf[:], false)]), " [")
	return id
}

func TestDecrypt_ReadsOnTheCallersGoroutine(t *testing.T) {
	mine := newKeys(t, "mine")
	for _, target := range []crypto.Target{
		{Recipients: []age.Recipient{mine.recipient}}, {Recipients: []age.Recipient{mine.recipient}, Armor: true}, {Fernet: &mine.fernet.Key},
	} {
		src := &goid{bytes.NewReader(encrypt(t, target, make([]byte, 300_000))), map[string]bool{}}
		p, err := crypto.Decrypt(src, crypto.Keys{Age: []crypto.NamedAge{mine.age}, Fernet: []crypto.NamedFernet{mine.fernet}}, crypto.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, p); err != nil {
			t.Fatal(err)
		}
		if len(src.seen) != 1 || !src.seen[goroutine()] {
			t.Errorf("%s: read from %v, we are %s", p.Format, src.seen, goroutine())
		}
	}
}

func TestDecrypt_SourceError(t *testing.T) {
	mine := newKeys(t, "mine")
	lost := errors.New("connection lost")
	for _, target := range []crypto.Target{
		{Recipients: []age.Recipient{mine.recipient}}, {Recipients: []age.Recipient{mine.recipient}, Armor: true}, {Fernet: &mine.fernet.Key},
	} {
		file := encrypt(t, target, make([]byte, 200_000))
		for _, n := range []int{0, 10, 100, 1000, 100_000, len(file) - 1} {
			p, err := crypto.Decrypt(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(lost)),
				crypto.Keys{Age: []crypto.NamedAge{mine.age}, Fernet: []crypto.NamedFernet{mine.fernet}}, crypto.Options{})
			if err == nil {
				_, err = io.Copy(io.Discard, p)
			}
			if !errors.Is(err, lost) || errors.Is(err, crypto.ErrDamaged) {
				t.Errorf("lost after %d of %d bytes: %v", n, len(file), err)
			}
		}
	}
}

func TestDetect(t *testing.T) {
	const armor = "-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+\n"
	const token = "gAAAAABlU_EAAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOP"
	for name, tc := range map[string]struct {
		in      string
		format  crypto.Format
		armored bool
	}{
		"Binary": {"age-encryption.org/v1\n-> X25519 ", crypto.FormatAge, false}, "Armor": {armor, crypto.FormatAge, true},
		"ArmorBOM": {"\ufeff" + armor, crypto.FormatAge, true}, "ArmorSpace": {" \r\n\t" + armor, crypto.FormatAge, true},
		"ArmorCRLF": {strings.ReplaceAll(armor, "\n", "\r\n"), crypto.FormatAge, true}, "ArmorText": {"Hello,\nhere:\n\n" + armor, crypto.FormatAge, true},
		"ArmorInLine": {"see " + armor, crypto.FormatUnknown, false}, "Fernet": {token, crypto.FormatFernet, true}, "FernetSpace": {"\ufeff\r\n " + token, crypto.FormatFernet, true},
		"FernetLike": {"gAAAAA is how tokens begin!", crypto.FormatUnknown, false}, "Text": {"hello", crypto.FormatUnknown, false}, "Empty": {"", crypto.FormatUnknown, false},
		"PGP": {"-----BEGIN PGP MESSAGE-----\n", crypto.FormatPGP, true}, "PGPQuoted": {"On Monday Ada wrote:\n> -----BEGIN PGP MESSAGE-----\n> \n", crypto.FormatPGP, true}, "SpaceBinary": {" age-encryption.org/v1\n", crypto.FormatUnknown, false},
	} {
		t.Run(name, func(t *testing.T) {
			if f, armored := crypto.Detect([]byte(tc.in)); f != tc.format || armored != tc.armored {
				t.Errorf("Detect = %s, %v, want %s, %v", f, armored, tc.format, tc.armored)
			}
		})
	}
}

func TestInspect(t *testing.T) {
	mine := newKeys(t, "mine")
	info, err := crypto.Inspect(bytes.NewReader(encrypt(t, crypto.Target{Passphrase: "x", WorkFactor: 10, Armor: true}, nil)))
	if err != nil || info.Format != crypto.FormatAge || !info.Armored || info.Age.WorkFactor != 10 || !info.Age.Passphrase {
		t.Errorf("passphrase: %+v, %v", info, err)
	}
	info, err = crypto.Inspect(bytes.NewReader(encrypt(t, crypto.Target{Fernet: &mine.fernet.Key}, nil)))
	if err != nil || info.Format != crypto.FormatFernet || !info.Created.Equal(now()) {
		t.Errorf("Fernet: %+v, %v", info, err)
	}
	if _, err := crypto.Inspect(strings.NewReader("hello")); !errors.Is(err, crypto.ErrFormat) {
		t.Errorf("text: %v, want ErrFormat", err)
	}
}

func TestEncrypt_Target(t *testing.T) {
	mine := newKeys(t, "mine")
	for name, target := range map[string]crypto.Target{
		"Nothing": {}, "PassphraseAndKey": {Passphrase: "x", Recipients: []age.Recipient{mine.recipient}}, "FernetAndPassphrase": {Passphrase: "x", Fernet: &mine.fernet.Key},
	} {
		if _, err := crypto.Encrypt(io.Discard, target, now()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRedacts(t *testing.T) {
	mine := newKeys(t, "mine")
	secret := mine.age.Identity.(*age.X25519Identity).String()
	k := crypto.Keys{Passphrase: "hunter2-passphrase", Age: []crypto.NamedAge{mine.age}, Fernet: []crypto.NamedFernet{mine.fernet}}
	target := crypto.Target{Passphrase: "hunter2-passphrase", Fernet: &mine.fernet.Key}
	_, plain, err := decrypt(encrypt(t, crypto.Target{Recipients: []age.Recipient{mine.recipient}}, nil), k)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{k, &k, target, &target, mine.age, k.Age, k.Fernet, plain} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			out := fmt.Sprintf(verb, v)
			for _, leak := range []string{secret, "hunter2", mine.fernet.Key.Encode(), strings.Trim(fmt.Sprint(plain.FileKey[:8]), "[]")} {
				if strings.Contains(out, leak) {
					t.Errorf("%s of %T prints a secret", verb, v)
				}
			}
		}
		if out, err := json.Marshal(v); err == nil && (bytes.Contains(out, []byte("hunter2")) || bytes.Contains(out, []byte(secret))) {
			t.Errorf("json of %T holds a secret", v)
		}
	}
}

func FuzzDetect(f *testing.F) {
	for _, seed := range []string{"age-encryption.org/v1\n", "\ufeff-----BEGIN AGE ENCRYPTED FILE-----\n", "gAAAAABlU_EA", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, prefix []byte) {
		switch format, armored := crypto.Detect(prefix); {
		case format == crypto.FormatUnknown && armored, format == crypto.FormatFernet && !armored:
			t.Errorf("%s, armored %v", format, armored)
		}
	})
}
