package pgp_test

import (
	"bytes"
	"io"
	"testing"

	"zencrypt/crypto/pgp"
)

func BenchmarkMessage(b *testing.B) {
	plain := content(16 << 20)
	for _, a := range []pgp.Algorithm{pgp.Curve25519, pgp.Curve25519V6} {
		k := key(b, a)
		to := []*pgp.Certificate{k.Certificate()}
		for name, armored := range map[string]bool{"Binary": false, "Armor": true} {
			b.Run("Encrypt/"+string(a)+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(plain)))
				for range b.N {
					w, err := pgp.Encrypt(io.Discard, pgp.EncryptOptions{To: to, Armor: armored})
					if err == nil {
						_, err = w.Write(plain)
					}
					if err == nil {
						err = w.Close()
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
			msg := encrypt(b, plain, pgp.EncryptOptions{To: to, Armor: armored})
			b.Run("Open/"+string(a)+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(plain)))
				for range b.N {
					m, err := pgp.Open(bytes.NewReader(msg), pgp.OpenOptions{Keys: []*pgp.Key{k}})
					if err == nil {
						_, err = io.Copy(io.Discard, m)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
