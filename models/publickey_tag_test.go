package models

import (
	"os"
	"strings"
	"testing"
)

// Keys on hardware are public keys like others, of the kind that they can be encrypted together with.
func TestParsePublic_Tagged(t *testing.T) {
	b, err := os.ReadFile("../crypto/agefile/testdata/tag.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	for i, want := range []PublicKey{{Kind: KindAge, Algorithm: "P-256, tagged"}, {Kind: KindAgePQ, Algorithm: "post-quantum, tagged"}} {
		keys, err := ParsePublic(" " + lines[i+1] + "\n")
		if err != nil || len(keys) != 1 {
			t.Fatalf("%.12s: %d keys, %v", lines[i+1], len(keys), err)
		}
		k := keys[0]
		if k.Kind != want.Kind || k.Algorithm != want.Algorithm || k.Public != lines[i+1] || k.Fingerprint == "" || len(k.Fingerprint) > 80 {
			t.Errorf("%.12s is %s, %s, %.12s, %s", lines[i+1], k.Kind, k.Algorithm, k.Public, k.Fingerprint)
		}
		if rs, err := k.Recipients(); err != nil || len(rs) != 1 {
			t.Errorf("%.12s reads back as %d recipients, %v", lines[i+1], len(rs), err)
		}
	}
}
