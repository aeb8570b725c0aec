package sop_test

import (
	"strings"
	"testing"
)

// TestListProfiles: at most four, whose names hold neither a colon nor white space, and each of which works.
func TestListProfiles(t *testing.T) {
	f := newFolder(t)
	for _, verb := range []string{"generate-key", "encrypt"} {
		lines := strings.Split(strings.TrimSpace(f.must(0, "", "list-profiles", verb)), "\n")
		if len(lines) < 2 || len(lines) > 4 {
			t.Errorf("%s: %d profiles", verb, len(lines))
		}
		for i, line := range lines {
			name, about, ok := strings.Cut(line, ": ")
			if !ok || about == "" || strings.ContainsAny(name, " \t") || i == 0 && name != "default" {
				t.Errorf("%s: %q", verb, line)
			}
			if verb == "generate-key" {
				f.must(0, f.must(0, "", verb, "--profile="+name, "A"), "extract-cert")
			} else {
				f.must(0, "text", verb, "--profile="+name, "--with-password=pass")
			}
		}
	}
}

// TestPasswords: new ones lose white space at their end, old ones are tried with and without.
func TestPasswords(t *testing.T) {
	f := newFolder(t)
	f.write("spaced", "open sesame \n")
	f.write("other", "another")
	msg := f.must(0, "hello", "encrypt", "--with-password=spaced", "--with-password=other")
	for _, name := range []string{"spaced", "pass", "other"} {
		if got := f.must(0, msg, "decrypt", "--with-password=text", "--with-password="+name); got != "hello" {
			t.Errorf("%s: %q", name, got)
		}
	}
	key := f.must(0, "", "generate-key", "--with-key-password=spaced")
	f.must(0, key, "change-key-password", "--old-key-password=pass", "--new-key-password=other")
	f.must(0, key, "change-key-password", "--old-key-password=spaced")
	f.write("k", key)
	if got := f.must(0, "hello", "sign", "--with-key-password=text", "--with-key-password=spaced", "k"); got == "" {
		t.Error("nothing signed")
	}
}

// TestKeyPasswords: a key that was locked and unlocked again is the same.
func TestKeyPasswords(t *testing.T) {
	f := newFolder(t)
	for _, who := range []string{"alice", "six"} {
		key := f.read(who + ".key")
		locked := f.must(0, key, "change-key-password", "--new-key-password=pass")
		if locked == key {
			t.Error("not locked")
		}
		if got := f.must(0, locked, "change-key-password", "--old-key-password=text", "--old-key-password=pass"); got != key {
			t.Errorf("%s: unlocked it is\n%s\nit was\n%s", who, got, key)
		}
	}
	both := f.must(0, f.read("alice.key")+f.read("six.key"), "change-key-password", "--new-key-password=pass")
	if got := f.must(0, both, "extract-cert"); f.must(0, got, "dearmor") != f.must(0, f.read("alice.cert")+f.read("six.cert"), "dearmor") {
		t.Error("two keys did not become two certificates")
	}
}
