package pgp_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"zencrypt/crypto/pgp"
)

func packetCipher(t testing.TB, key []byte) cipher.Block {
	t.Helper()
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRedaction(t *testing.T) {
	k := key(t, pgp.Curve25519)
	msg := encrypt(t, []byte("x"), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}})
	_, m, err := open(msg, pgp.OpenOptions{Keys: []*pgp.Key{k}})
	if err != nil {
		t.Fatal(err)
	}
	w, err := pgp.Encrypt(io.Discard, pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}})
	if err != nil {
		t.Fatal(err)
	}
	open := pgp.OpenOptions{Keys: []*pgp.Key{k}, Passphrases: []string{"hunter2"}, SessionKey: m.SessionKey}
	enc := pgp.EncryptOptions{Passphrases: []string{"hunter2"}, Sign: []*pgp.Key{k}}
	_, secret, _ := strings.Cut(m.SessionKey.Encode(), ":")
	for _, v := range []any{k, []*pgp.Key{k}, m, m.SessionKey, open, &open, enc, &enc, w, struct{ K *pgp.Key }{k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			out := strings.ToUpper(fmt.Sprintf(verb, v))
			if strings.Contains(out, "HUNTER2") || strings.Contains(out, "68756E74657232") || strings.Contains(out, secret) || len(out) > 500 {
				t.Errorf("%T prints under %s as %s", v, verb, out)
			}
		}
	}
}

func TestRedaction_JSON(t *testing.T) {
	k := key(t, pgp.Curve25519)
	_, m, err := open(encrypt(t, []byte("x"), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}}), pgp.OpenOptions{Keys: []*pgp.Key{k}})
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(m.SessionKey.Encode(), ":")
	for _, v := range []any{k, m, m.SessionKey, pgp.EncryptOptions{Passphrases: []string{"hunter2"}, Sign: []*pgp.Key{k}}, pgp.KeyInfo{}} {
		b, err := json.Marshal(v)
		if err != nil && !strings.Contains(err.Error(), "func()") {
			t.Errorf("%T: %v", v, err)
		}
		if s := strings.ToUpper(string(b)); strings.Contains(s, "HUNTER2") || strings.Contains(s, secret) || strings.Contains(s, "PRIVATE KEY") {
			t.Errorf("%T becomes %s", v, b)
		}
	}
}
