package sop_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"zencrypt/cli/sop"
)

// TestVerifications checks the form of the lines.
func TestVerifications(t *testing.T) {
	f := newFolder(t)
	text := f.read("text")
	for mode, verb := range map[string]string{"binary": "--as=binary", "text": "--as=text"} {
		f.write("sig", f.must(0, text, "sign", verb, "alice.key", "six.key"))
		lines := strings.Split(strings.TrimSuffix(f.must(0, text, "verify", "sig", "six.cert", "alice.cert"), "\n"), "\n")
		if len(lines) != 2 {
			t.Fatalf("%d lines: %q", len(lines), lines)
		}
		for i, length := range []string{"40", "64"} {
			want := `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ [0-9A-F]{` + length + `} [0-9A-F]{` + length + `} mode:` + mode + ` \{"signers":\["(six|alice)\.cert"\]\}$`
			if !regexp.MustCompile(want).MatchString(lines[i]) {
				t.Errorf("line %q", lines[i])
			}
		}
		// Line ends matter only to the binary signature.
		want := map[string]int{"binary": int(sop.NoSignature), "text": 0}[mode]
		f.must(want, strings.ReplaceAll(text, "\n", "\r\n"), "verify", "sig", "alice.cert")
	}
	// A certificate that is in two inputs is named with both.
	out := f.must(0, text, "verify", "text.sig", "alice.cert", "locked.cert")
	if !strings.Contains(out, `{"signers":["alice.cert","locked.cert"]}`) {
		t.Errorf("got %q", out)
	}
}

// TestTimes holds the bounds against the signature's own time.
func TestTimes(t *testing.T) {
	f := newFolder(t)
	line := f.must(0, f.read("text"), "verify", "text.sig", "alice.cert")
	at, err := time.Parse(time.RFC3339, strings.Fields(line)[0])
	if err != nil {
		t.Fatal(err)
	}
	when := func(d time.Duration) string { return at.Add(d).Format(time.RFC3339) }
	for _, tt := range []struct {
		from, to string
		code     int
	}{
		{"-", "-", 0}, {"-", "now", 0}, {when(0), when(0), 0}, {when(-time.Second), when(time.Second), 0},
		{when(time.Second), "-", 3}, {"-", when(-time.Second), 3},
	} {
		bounds := []string{"--not-before=" + tt.from, "--not-after=" + tt.to}
		f.must(tt.code, f.read("text"), append(append([]string{"verify"}, bounds...), "text.sig", "alice.cert")...)
		f.must(tt.code, f.read("text.signed"), append(append([]string{"inline-verify"}, bounds...), "alice.cert")...)
		f.must(0, f.read("text.pgp"), "decrypt", "--verify-with=alice.cert", "--verifications-out=v",
			"--verify-not-before="+tt.from, "--verify-not-after="+tt.to, "alice.key")
		if (f.read("v") == "") != (tt.code != 0) {
			t.Errorf("%v: verifications %q", bounds, f.read("v"))
		}
		os.Remove("v")
	}
}

// TestInline: the content comes back as it was, and its signatures hold without it.
func TestInline(t *testing.T) {
	f := newFolder(t)
	n := 0
	for _, text := range []string{"one\n", "one", "- dash\n-----BEGIN PGP\nFrom me\n", "ä\n\n\n", strings.Repeat("line\n", 30_000)} {
		for _, as := range []string{"binary", "text", "clearsigned"} {
			n++
			msg := f.must(0, text, "inline-sign", "--as="+as, "alice.key", "six.key")
			v := fmt.Sprint("v", n)
			got := f.must(0, msg, "inline-verify", "--verifications-out="+v, "alice.cert", "six.cert")
			want := text
			if as == "clearsigned" && !strings.HasSuffix(text, "\n") {
				want += "\n"
			}
			if got != want {
				t.Errorf("%s: %.60q became %.60q", as, text, got)
			}
			mode := "mode:" + map[string]string{"binary": "binary"}[as]
			if as != "binary" {
				mode = "mode:text"
			}
			if lines := f.read(v); strings.Count(lines, mode) != 2 {
				t.Errorf("%s: %s", as, lines)
			}
			sig := fmt.Sprint("sig", n)
			content := f.must(0, msg, "inline-detach", "--signatures-out="+sig)
			if lines := f.must(0, content, "verify", sig, "alice.cert", "six.cert"); strings.Count(lines, mode) != 2 {
				t.Errorf("%s, detached: %s", as, lines)
			}
			f.must(int(sop.NoSignature), content+"x", "verify", sig, "alice.cert", "six.cert")
		}
	}
}

// TestMicalg: the name as mail programs put it into a header.
func TestMicalg(t *testing.T) {
	f := newFolder(t)
	f.must(0, "hello", "sign", "--micalg-out=m", "alice.key")
	if got := f.read("m"); got != "pgp-sha512" {
		t.Errorf("got %q", got)
	}
}
