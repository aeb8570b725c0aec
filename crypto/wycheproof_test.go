package crypto_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What the formats below stand on, against inputs that were made to be mistaken for good ones:
// points that are not on their curve, signatures that were altered or cut. Every line of
// testdata/wycheproof is what our own doors rely on being refused.

type wycheproof struct {
	TestGroups []struct {
		Curve     string
		PublicKey struct{ PK string }
		Tests     []struct {
			ID      int `json:"tcId"`
			Comment string
			Flags   []string
			Result  string
			Public, Private, Shared,
			Msg, Sig string
		}
	}
}

func readWycheproof(t *testing.T, name string) (w wycheproof) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "wycheproof", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &w); err != nil {
		t.Fatal(err)
	}
	return w
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWycheproof_ECDH(t *testing.T) {
	for name, curve := range map[string]ecdh.Curve{
		"ecdh_secp256r1_ecpoint_test.json": ecdh.P256(), "ecdh_secp384r1_ecpoint_test.json": ecdh.P384(),
		"ecdh_secp521r1_ecpoint_test.json": ecdh.P521(), "x25519_test.json": ecdh.X25519(),
	} {
		t.Run(name, func(t *testing.T) {
			size := map[ecdh.Curve]int{ecdh.P256(): 32, ecdh.P384(): 48, ecdh.P521(): 66, ecdh.X25519(): 32}[curve]
			agreed, refused := 0, 0
			for _, g := range readWycheproof(t, name).TestGroups {
				for _, v := range g.Tests {
					// Their scalars have a sign byte or lack leading zeros; Go wants them whole.
					scalar := bytes.TrimLeft(unhex(t, v.Private), "\x00")
					if curve == ecdh.X25519() {
						scalar = unhex(t, v.Private)
					}
					private, err := curve.NewPrivateKey(append(make([]byte, size-len(scalar)), scalar...))
					if err != nil {
						t.Fatalf("%d: %v", v.ID, err)
					}
					// "acceptable" are compressed points, which no door of ours takes, and for X25519
					// points on the twist, which RFC 7748 takes unless the secret is zero.
					good := v.Result == "valid" || curve == ecdh.X25519() && !slices.Contains(v.Flags, "ZeroSharedSecret")
					var shared []byte
					public, err := curve.NewPublicKey(unhex(t, v.Public))
					if err == nil {
						shared, err = private.ECDH(public)
					}
					if good {
						agreed++
						if err != nil || hex.EncodeToString(shared) != v.Shared {
							t.Errorf("%d (%s): %x, %v", v.ID, v.Comment, shared, err)
						}
					} else {
						refused++
						if err == nil {
							t.Errorf("%d (%s) gives %x", v.ID, v.Comment, shared)
						}
					}
				}
			}
			if agreed < 10 || refused < 19 {
				t.Errorf("%d agreed, %d refused", agreed, refused)
			}
		})
	}
}

func TestWycheproof_Ed25519(t *testing.T) {
	good, bad := 0, 0
	for _, g := range readWycheproof(t, "ed25519_test.json").TestGroups {
		public := ed25519.PublicKey(unhex(t, g.PublicKey.PK))
		for _, v := range g.Tests {
			if ok := ed25519.Verify(public, unhex(t, v.Msg), unhex(t, v.Sig)); ok != (v.Result == "valid") {
				t.Errorf("%d (%s, %v): %v", v.ID, v.Comment, v.Flags, ok)
			}
			if v.Result == "valid" {
				good++
			} else {
				bad++
			}
		}
	}
	if good < 10 || bad < 60 {
		t.Errorf("%d good, %d bad", good, bad)
	}
}
