package pgp_test

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
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
