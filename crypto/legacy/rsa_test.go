package legacy_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"zencrypt/crypto/legacy"
)

func parseKey(t testing.TB, text string) legacy.PrivateKey {
	t.Helper()
	k, err := legacy.ParsePrivateKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestDecryptMessage_Fixtures(t *testing.T) {
	tr := readTruth(t, "v62")
	var all []legacy.PrivateKey
	var ids []int
	for _, u := range tr.Users {
		for _, k := range u.PGPKeys {
			all, ids = append(all, parseKey(t, k.Private)), append(ids, k.ID)
		}
	}
	messages := 0
	for _, u := range tr.Users {
		for _, m := range u.PGPMessages {
			messages++
			got, i, err := legacy.DecryptMessage([]byte(m.Ciphertext), all...)
			if err != nil || string(got) != m.Plaintext || ids[i] != m.Key {
				t.Errorf("%.20q with key %d: %q, %d, %v", m.Plaintext, m.Key, got, i, err)
			}
			if !legacy.LooksRSAMessage([]byte(m.Ciphertext+"\n")) || legacy.LooksWebFile([]byte(m.Ciphertext)) {
				t.Errorf("%.20q does not look like a message", m.Ciphertext)
			}
		}
	}
	if len(all) != 13 || messages == 0 {
		t.Errorf("%d keys, %d messages", len(all), messages)
	}
	t.Logf("%d messages under %d keys", messages, len(all))
}

// TestDecryptMessage_Wycheproof goes through this package's own door. It takes no label and one
// hash, so that vectors with a label or with MGF1-SHA-1, valid in themselves, are refused here.
func TestDecryptMessage_Wycheproof(t *testing.T) {
	files, err := filepath.Glob("testdata/wycheproof/rsa_oaep_*.json")
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	opened, refused := 0, 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var suite struct {
			TestGroups []struct {
				KeySize       int
				SHA, MGFSHA   string
				PrivateKeyPem string
				Tests         []struct {
					ID                              int `json:"tcId"`
					Comment, Msg, CT, Label, Result string
				}
			}
		}
		if err := json.Unmarshal(b, &suite); err != nil {
			t.Fatal(err)
		}
		for _, g := range suite.TestGroups {
			k := parseKey(t, g.PrivateKeyPem)
			if k.Bits() != g.KeySize {
				t.Errorf("%s: %d bits", file, k.Bits())
			}
			for _, v := range g.Tests {
				ct, err := hex.DecodeString(v.CT)
				if err != nil {
					t.Fatal(err)
				}
				got, i, err := legacy.DecryptMessage([]byte(base64.StdEncoding.EncodeToString(ct)), k)
				if v.Result == "valid" && v.Label == "" && g.SHA == "SHA-256" && g.MGFSHA == "SHA-256" {
					opened++
					if err != nil || hex.EncodeToString(got) != v.Msg || i != 0 {
						t.Errorf("%s %d (%s): %x, %v", file, v.ID, v.Comment, got, err)
					}
				} else {
					refused++
					if got != nil || i != -1 || !errors.Is(err, legacy.ErrNoKey) && !errors.Is(err, legacy.ErrFormat) {
						t.Errorf("%s %d (%s) opens: %x, %v", file, v.ID, v.Comment, got, err)
					}
				}
			}
		}
	}
	if opened < 12 || refused < 60 {
		t.Errorf("%d opened, %d refused", opened, refused)
	}
}

// newKey makes a key with Go, for what no published vector covers.
func newKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func pkcs8(t testing.TB, k any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return encode("PRIVATE KEY", der)
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func seal(t testing.TB, k *rsa.PrivateKey, plain []byte) []byte {
	t.Helper()
	ct, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.PublicKey, plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(base64.StdEncoding.EncodeToString(ct))
}

func TestDecryptMessage(t *testing.T) {
	k, other := newKey(t, 2048), newKey(t, 2048)
	mine := parseKey(t, pkcs8(t, k))
	keys := []legacy.PrivateKey{{}, parseKey(t, pkcs8(t, other)), mine}
	for _, n := range []int{0, 1, 190} {
		plain := bytes.Repeat([]byte{0xff}, n)
		m := seal(t, k, plain)
		for name, text := range map[string]string{
			"Plain": string(m), "Newline": string(m) + "\r\n", "BOM": "\ufeff" + string(m), "Wrapped": string(m[:76]) + "\n " + string(m[76:]),
		} {
			if got, i, err := legacy.DecryptMessage([]byte(text), keys...); err != nil || !bytes.Equal(got, plain) || i != 2 {
				t.Errorf("%d bytes, %s: %d, %v", n, name, i, err)
			}
			if !legacy.LooksRSAMessage([]byte(text)) {
				t.Errorf("%d bytes, %s: does not look like one", n, name)
			}
		}
		if _, i, err := legacy.DecryptMessage(m, keys[:2]...); !errors.Is(err, legacy.ErrNoKey) || i != -1 {
			t.Errorf("other keys: %d, %v", i, err)
		}
	}
	m := seal(t, k, []byte("x"))
	ct, _ := base64.StdEncoding.DecodeString(string(m))
	for i := range ct {
		changed := bytes.Clone(ct)
		changed[i] ^= 1 << (i % 8)
		if got, _, err := legacy.DecryptMessage([]byte(base64.StdEncoding.EncodeToString(changed)), mine); !errors.Is(err, legacy.ErrNoKey) {
			t.Errorf("byte %d changed: %q, %v", i, got, err)
		}
	}
	for n := range len(m) {
		if _, _, err := legacy.DecryptMessage(m[:n], mine); !errors.Is(err, legacy.ErrFormat) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
		if legacy.LooksRSAMessage(m[:n]) {
			t.Fatalf("cut to %d bytes and looks like one", n)
		}
	}
	for name, text := range map[string][]byte{
		"Behind": append(bytes.Clone(m), 'A'), "Long": bytes.Repeat([]byte("A"), 1<<20), "Words": []byte("hello, world"), "Text255": []byte(base64.StdEncoding.EncodeToString(ct[:255])),
	} {
		if _, _, err := legacy.DecryptMessage(text, mine); !errors.Is(err, legacy.ErrFormat) || legacy.LooksRSAMessage(text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// No label, and nothing but SHA-256.
	for name, h := range map[string]func() ([]byte, error){
		"Label": func() ([]byte, error) {
			return rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.PublicKey, []byte("x"), []byte("l"))
		},
		//lint:ignore SA1019 it has to be refused
		"PKCS1v1": func() ([]byte, error) { return rsa.EncryptPKCS1v15(rand.Reader, &k.PublicKey, []byte("x")) },
	} {
		ct, err := h()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := legacy.DecryptMessage([]byte(base64.StdEncoding.EncodeToString(ct)), mine); !errors.Is(err, legacy.ErrNoKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParsePrivateKey(t *testing.T) {
	k := newKey(t, 2048)
	p8, p1 := pkcs8(t, k), encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k))
	for name, text := range map[string]string{
		"PKCS8": p8, "PKCS1": p1, "CRLF": strings.ReplaceAll(p8, "\n", "\r\n"), "BOM": "\ufeff" + p8, "Around": "\n\n " + p8 + " \n", "NoNewline": strings.TrimSpace(p1),
	} {
		if k, err := legacy.ParsePrivateKey([]byte(text)); err != nil || k.Bits() != 2048 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if k := parseKey(t, pkcs8(t, newKey(t, 3072))); k.Bits() != 3072 {
		t.Errorf("%d bits", k.Bits())
	}
	public, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	huge := *k
	huge.N = new(big.Int).Lsh(k.N, 60_000)
	broken := *k
	broken.D = new(big.Int).Add(k.D, big.NewInt(2))
	broken.Precomputed = rsa.PrecomputedValues{}
	for name, tt := range map[string]struct {
		text string
		want error
	}{
		"Empty":     {"", legacy.ErrKey},
		"Words":     {"my key", legacy.ErrKey},
		"Public":    {encode("PUBLIC KEY", public), legacy.ErrKey},
		"Two":       {p8 + p8, legacy.ErrKey},
		"Before":    {"key:\n" + p8, legacy.ErrKey},
		"Behind":    {p8 + "x", legacy.ErrKey},
		"Cut":       {p8[:len(p8)/2], legacy.ErrKey},
		"WrongKind": {strings.ReplaceAll(p8, "PRIVATE KEY", "RSA PRIVATE KEY"), legacy.ErrKey},
		"EC":        {encode("EC PRIVATE KEY", []byte{0x30, 0}), legacy.ErrKey},
		"Nothing":   {encode("PRIVATE KEY", nil), legacy.ErrKey},
		"Long":      {p8 + strings.Repeat(" ", 20<<10) + p8, legacy.ErrKey},
		"Encrypted": {encode("ENCRYPTED PRIVATE KEY", public), legacy.ErrKeyEncrypted},
		"DEK":       {string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, Bytes: public})), legacy.ErrKeyEncrypted},
		"Small":     {pkcs8(t, newKey(t, 1024)), legacy.ErrKeySize},
		"Huge":      {encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(&huge)), legacy.ErrKeySize},
		"Broken":    {encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(&broken)), legacy.ErrKey},
	} {
		got, err := legacy.ParsePrivateKey([]byte(tt.text))
		if !errors.Is(err, tt.want) || got.Bits() != 0 {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestPrivateKey_Redacts(t *testing.T) {
	raw := newKey(t, 2048)
	k := parseKey(t, pkcs8(t, raw))
	held := struct {
		K legacy.PrivateKey
		k legacy.PrivateKey // fmt cannot call the methods of this one
	}{k, k}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{k, &k, held, []legacy.PrivateKey{k}} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, raw.D.String()[:20]) || len(out) > 200 {
				t.Errorf("%s of %T prints the key", verb, v)
			}
		}
	}
	if out, err := json.Marshal(held); err != nil || string(out) != `{"K":"[redacted]"}` {
		t.Errorf("json: %s, %v", out, err)
	}
}

// TestOpenSSL opens what openssl encrypts the way older versions did.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not installed, and CI needs it")
		}
		t.Skip("openssl is not installed; Wycheproof's vectors are tested above")
	}
	dir := t.TempDir()
	run := func(stdin []byte, args ...string) []byte {
		cmd := exec.Command("openssl", args...)
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("openssl %v: %v", args, err)
		}
		return out
	}
	for _, bits := range []string{"2048", "4096"} {
		p8 := run(nil, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:"+bits)
		p1 := run(p8, "rsa", "-traditional")
		if err := os.WriteFile(filepath.Join(dir, "k"), p8, 0o600); err != nil {
			t.Fatal(err)
		}
		ct := run([]byte("made elsewhere"), "pkeyutl", "-encrypt", "-inkey", "k", "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha256", "-pkeyopt", "rsa_mgf1_md:sha256")
		message := run(ct, "base64") // with line breaks
		for _, k := range [][]byte{p8, p1} {
			if got, _, err := legacy.DecryptMessage(message, parseKey(t, string(k))); err != nil || string(got) != "made elsewhere" {
				t.Errorf("%s bits: %q, %v", bits, got, err)
			}
		}
		if _, err := legacy.ParsePrivateKey(run(p8, "pkcs8", "-topk8", "-passout", "pass:x")); !errors.Is(err, legacy.ErrKeyEncrypted) {
			t.Errorf("under a passphrase: %v", err)
		}
	}
}

func FuzzParsePrivateKey(f *testing.F) {
	k := newKey(f, 2048)
	f.Add([]byte(pkcs8(f, k)))
	f.Add([]byte(encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k))))
	f.Add([]byte(encode("PRIVATE KEY", []byte{0x30, 0x03, 0x02, 0x01, 0x00})))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := legacy.ParsePrivateKey(text)
		switch {
		case err != nil && (k.Bits() != 0 || !errors.Is(err, legacy.ErrKey) && !errors.Is(err, legacy.ErrKeyEncrypted) && !errors.Is(err, legacy.ErrKeySize)):
			t.Errorf("%d bits, %v", k.Bits(), err)
		case err == nil && (k.Bits() < 2048 || k.Bits() > 4096):
			t.Errorf("%d bits", k.Bits())
		}
	})
}

func FuzzDecryptMessage(f *testing.F) {
	k := newKey(f, 2048)
	mine := parseKey(f, pkcs8(f, k))
	f.Add(seal(f, k, []byte("hello")))
	f.Add([]byte(strings.Repeat("A", 342) + "=="))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		got, i, err := legacy.DecryptMessage(text, mine)
		if err == nil && string(got) != "hello" {
			t.Errorf("forged: %q", got)
		}
		if err != nil && (got != nil || i != -1 || !errors.Is(err, legacy.ErrFormat) && !errors.Is(err, legacy.ErrNoKey)) {
			t.Errorf("%q, %d, %v", got, i, err)
		}
		if !bytes.Equal(before, text) {
			t.Error("changed its input")
		}
	})
}
