package fernet_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zencrypt/crypto/fernet"
)

// vector is one entry of the specification's files.
type vector struct {
	Desc   string
	Token  string
	Now    time.Time
	TTL    int `json:"ttl_sec"`
	Src    string
	Secret string
}

func vectors(t *testing.T, name string) []vector {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	if err := json.Unmarshal(b, &vs); err != nil {
		t.Fatal(err)
	}
	if len(vs) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return vs
}

func key(t testing.TB, s string) fernet.Key {
	t.Helper()
	k, err := fernet.ParseKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func at(when time.Time) func() time.Time { return func() time.Time { return when } }

func TestDecrypt_SpecVerify(t *testing.T) {
	for _, name := range []string{"verify.json", "generate.json"} {
		for i, v := range vectors(t, name) {
			plain, _, err := fernet.Decrypt([]byte(v.Token), time.Duration(v.TTL)*time.Second, at(v.Now), key(t, v.Secret))
			if err != nil || string(plain) != v.Src {
				t.Errorf("%s %d: %q, %v, want %q", name, i, plain, err, v.Src)
			}
		}
	}
}

func TestDecrypt_SpecInvalid(t *testing.T) {
	for _, v := range vectors(t, "invalid.json") {
		t.Run(v.Desc, func(t *testing.T) {
			_, _, err := fernet.Decrypt([]byte(v.Token), time.Duration(v.TTL)*time.Second, at(v.Now), key(t, v.Secret))
			want := fernet.ErrFormat
			switch {
			case strings.Contains(v.Desc, "TS"), strings.Contains(v.Desc, "TTL"):
				want = fernet.ErrExpired
			case strings.Contains(v.Desc, "mac"), strings.Contains(v.Desc, "padding error"):
				want = fernet.ErrNoKey
			}
			if !errors.Is(err, want) {
				t.Errorf("Decrypt: %v, want %v", err, want)
			}
		})
	}
}

func TestEncrypt_RoundTrip(t *testing.T) {
	k, now := key(t, fernet.NewKey()), time.Unix(1700000000, 0)
	for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 1 << 20} {
		plain := bytes.Repeat([]byte{0, 0xff}, n/2+1)[:n]
		token, err := fernet.Encrypt(k, plain, now)
		if err != nil {
			t.Fatal(err)
		}
		if !fernet.Looks(token) || !fernet.Looks(token[:64]) {
			t.Errorf("%d bytes: own token does not look like one", n)
		}
		if made, err := fernet.Created(token); err != nil || !made.Equal(now) {
			t.Errorf("%d bytes: Created = %v, %v", n, made, err)
		}
		got, i, err := fernet.Decrypt(token, time.Minute, at(now.Add(time.Second)), fernet.Key{}, key(t, fernet.NewKey()), k)
		if err != nil || !bytes.Equal(got, plain) || i != 2 {
			t.Errorf("%d bytes: key %d, %v", n, i, err)
		}
	}
	if _, err := fernet.Encrypt(k, make([]byte, fernet.MaxMessage+1), now); !errors.Is(err, fernet.ErrTooLarge) {
		t.Errorf("64 MiB and a byte: %v, want ErrTooLarge", err)
	}
	if _, err := fernet.Encrypt(fernet.Key{}, nil, now); err == nil {
		t.Error("encrypted with no key")
	}
}

func TestDecrypt_EveryBit(t *testing.T) {
	k := key(t, fernet.NewKey())
	token, err := fernet.Encrypt(k, []byte("attack at dawn"), time.Unix(1700000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(token) * 8 {
		changed := bytes.Clone(token)
		changed[i/8] ^= 1 << (i % 8)
		if got, _, err := fernet.Decrypt(changed, 0, time.Now, k); err == nil {
			t.Fatalf("bit %d changed and opened as %q", i, got)
		}
	}
	for n := range len(token) {
		if _, _, err := fernet.Decrypt(token[:n], 0, time.Now, k); err == nil {
			t.Fatalf("opened when cut to %d bytes", n)
		}
	}
	// The spare bits of the last character: another text for the same bytes.
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		changed := bytes.Clone(token)
		if last := len(bytes.TrimRight(changed, "=")) - 1; changed[last] != c {
			changed[last] = c
			if _, _, err := fernet.Decrypt(changed, 0, time.Now, k); err == nil {
				t.Errorf("opened with the last character changed to %c", c)
			}
		}
	}
}

func TestDecrypt_Pasted(t *testing.T) {
	k := key(t, fernet.NewKey())
	token, _ := fernet.Encrypt(k, []byte("pasted"), time.Unix(1700000000, 0))
	for name, text := range map[string][]byte{
		"BOM":        append([]byte("\ufeff"), token...),
		"WhiteSpace": []byte(" \r\n\t" + string(token) + "\r\n \n"),
		"Wrapped":    []byte(string(token[:64]) + "\r\n" + string(token[64:])),
	} {
		if !fernet.Looks(text) {
			t.Errorf("%s: does not look like a token", name)
		}
		if got, _, err := fernet.Decrypt(text, 0, time.Now, k); err != nil || string(got) != "pasted" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestDecrypt_NoKey(t *testing.T) {
	token, _ := fernet.Encrypt(key(t, fernet.NewKey()), []byte("x"), time.Unix(1700000000, 0))
	for _, keys := range [][]fernet.Key{nil, {key(t, fernet.NewKey())}, {{}}} {
		if _, i, err := fernet.Decrypt(token, 0, time.Now, keys...); !errors.Is(err, fernet.ErrNoKey) || i != -1 {
			t.Errorf("%d keys: %d, %v", len(keys), i, err)
		}
	}
}

// Tokens that a holder of the key made badly. fernet-go indexes past the end of the short
// ones, and takes padding of 0 and of more than a block.
func TestDecrypt_AuthenticNonsense(t *testing.T) {
	secret := fernet.NewKey()
	raw, err := base64.URLEncoding.DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	k := key(t, secret)
	signed := func(body []byte) []byte {
		mac := hmac.New(sha256.New, raw[:16])
		mac.Write(body)
		return []byte(base64.URLEncoding.EncodeToString(mac.Sum(body)))
	}
	for n := 1; n < 64; n++ {
		body := make([]byte, n)
		body[0] = 0x80
		if _, _, err := fernet.Decrypt(signed(body), 0, time.Now, k); err == nil {
			t.Errorf("opened an authentic token of %d bytes", n)
		}
	}
	bc, err := aes.NewCipher(raw[16:])
	if err != nil {
		t.Fatal(err)
	}
	for pad, good := range map[byte]bool{0: false, 1: true, 16: true, 17: false, 32: false, 33: false} {
		body := make([]byte, 25, 25+32)
		body[0] = 0x80
		text := bytes.Repeat([]byte{pad}, 32)
		cipher.NewCBCEncrypter(bc, body[9:25]).CryptBlocks(text, text)
		if _, _, err := fernet.Decrypt(signed(append(body, text...)), 0, time.Now, k); (err == nil) != good {
			t.Errorf("padding of %d: %v", pad, err)
		}
	}
}

func TestParseKey(t *testing.T) {
	const standard = "cw/0x689RpI+jtRR7oE8h/eQsKImvJapLeSbXpwF4e4="
	const urlSafe = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
	for _, s := range []string{urlSafe, standard, strings.TrimSuffix(urlSafe, "="), " " + urlSafe + "\r\n", "\ufeff" + urlSafe} {
		if k, err := fernet.ParseKey(s); err != nil || k.Encode() != urlSafe {
			t.Errorf("ParseKey(%q): %v", s, err)
		}
	}
	for _, s := range []string{"", "=", urlSafe[1:], urlSafe + "A", strings.Replace(urlSafe, "4e4=", "4e5=", 1), urlSafe[:20] + "\n" + urlSafe[20:], strings.Repeat("A", 1<<20), "password"} {
		k, err := fernet.ParseKey(s)
		if !errors.Is(err, fernet.ErrKey) || k.Encode() != "" {
			t.Errorf("ParseKey(%.50q): %v, want ErrKey", s, err)
		}
		if len(s) > 20 && strings.Contains(err.Error(), s[:10]) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
}

func TestKey_Redacts(t *testing.T) {
	secret := fernet.NewKey()
	k := key(t, secret)
	raw, _ := base64.URLEncoding.DecodeString(secret)
	held := struct {
		K fernet.Key
		k fernet.Key // fmt cannot call the methods of this one
	}{k, k}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{k, &k, held, []fernet.Key{k}} {
			out := fmt.Sprintf(verb, v)
			if strings.Contains(out, secret) || strings.Contains(out, fmt.Sprintf("%x", raw[:8])) || strings.Contains(out, fmt.Sprintf("%d %d %d", raw[0], raw[1], raw[2])) {
				t.Errorf("%s of %T prints the key", verb, v)
			}
		}
	}
	if out, err := json.Marshal(held); err != nil || strings.Contains(string(out), secret) {
		t.Errorf("json: %s, %v", out, err)
	}
}

// python runs a script with whichever Python has the cryptography module.
func python(t *testing.T, script string, stdin []byte, args ...string) []byte {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import cryptography.fernet").Run() != nil {
			continue
		}
		cmd := exec.Command(name, append([]string{"-c", script}, args...)...)
		cmd.Stdin = bytes.NewReader(stdin)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return out
	}
	t.Skip("no Python with cryptography; the specification's vectors are tested above")
	return nil
}

func TestPython(t *testing.T) {
	secret, plain := fernet.NewKey(), bytes.Repeat([]byte("zencrypt\x00\xff"), 1000)
	k := key(t, secret)
	token, err := fernet.Encrypt(k, plain, time.Unix(1700000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	const open = `import sys; from cryptography.fernet import Fernet
sys.stdout.buffer.write(Fernet(sys.argv[1].encode()).decrypt(sys.stdin.buffer.read()))`
	if got := python(t, open, token, secret); !bytes.Equal(got, plain) {
		t.Error("Python opens something else than was encrypted")
	}
	const seal = `import sys; from cryptography.fernet import Fernet
sys.stdout.buffer.write(Fernet(sys.argv[1].encode()).encrypt(sys.stdin.buffer.read()))`
	got, _, err := fernet.Decrypt(python(t, seal, plain, secret), 0, time.Now, k)
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("Decrypt of Python's token: %v", err)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := fernet.ParseKey(s)
		if err != nil {
			return
		}
		if again, err := fernet.ParseKey(k.Encode()); err != nil || again.Encode() != k.Encode() {
			t.Errorf("%q does not read back", k.Encode())
		}
	})
}

func FuzzDecrypt(f *testing.F) {
	k, err := fernet.ParseKey("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA=="))
	f.Add([]byte("gAAA"))
	f.Fuzz(func(t *testing.T, token []byte) {
		if got, _, err := fernet.Decrypt(token, 0, time.Now, k); err == nil && string(got) != "hello" {
			t.Errorf("forged: %q", got)
		}
		fernet.Looks(token)
	})
}
