package sop_test

import (
	"regexp"
	"strings"
	"testing"
)

// TestArmor: both ways, and once more without effect.
func TestArmor(t *testing.T) {
	f := newFolder(t)
	for name, kind := range map[string]string{
		"alice.key": "PRIVATE KEY BLOCK", "six.cert": "PUBLIC KEY BLOCK", "text.sig": "SIGNATURE", "text.pgp": "MESSAGE", "text.signed": "MESSAGE",
	} {
		binary := f.must(0, "before\n\n"+f.read(name)+"\nafter\n", "dearmor")
		if f.must(0, binary, "dearmor") != binary {
			t.Errorf("%s: binary was changed", name)
		}
		armored := f.must(0, binary, "armor")
		if !strings.HasPrefix(armored, "-----BEGIN PGP "+kind+"-----\n") {
			t.Errorf("%s: %.40q", name, armored)
		}
		if f.must(0, armored, "armor") != armored || f.must(0, armored, "dearmor") != binary {
			t.Errorf("%s: armor is not idempotent", name)
		}
		if sum := regexp.MustCompile(`\n=\S{4}\n`).MatchString(armored); sum == (name == "six.cert") {
			t.Errorf("%s: checksum %v", name, sum)
		}
	}
	// A signature before its content is a message (RFC 9580 section 10.3).
	sig := f.must(0, f.must(0, "hello", "sign", "alice.key"), "dearmor")
	old := sig + "\xcb\x0bb\x00\x00\x00\x00\x00hello"
	if got := f.must(0, old, "armor"); !strings.HasPrefix(got, "-----BEGIN PGP MESSAGE-----") {
		t.Errorf("got %.40q", got)
	}
	if got := f.must(0, old, "inline-verify", "alice.cert"); got != "hello" {
		t.Errorf("got %q", got)
	}
	if got := f.must(0, old, "inline-detach", "--no-armor", "--signatures-out=old.sig"); got != "hello" || f.read("old.sig") != sig {
		t.Errorf("got %q", got)
	}
}
