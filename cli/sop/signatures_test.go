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

// TestTimes holds the bounds against the signature's own time: that of each
// message by itself, since the messages need not be made within one second.
func TestTimes(t *testing.T) {
	f := newFolder(t)
	const found = "v"
	for name, check := range map[string]func(code int, from, to string){
		"detached": func(code int, from, to string) {
			f.write(found, f.must(code, f.read("text"), "verify", "--not-before="+from, "--not-after="+to, "text.sig", "alice.cert"))
		},
		"inline": func(code int, from, to string) {
			f.must(code, f.read("text.signed"), "inline-verify", "--not-before="+from, "--not-after="+to, "--verifications-out="+found, "alice.cert")
		},
		"encrypted": func(_ int, from, to string) {
			f.must(0, f.read("text.pgp"), "decrypt", "--verify-with=alice.cert", "--verifications-out="+found,
				"--verify-not-before="+from, "--verify-not-after="+to, "alice.key")
		},
	} {
		os.Remove(found)
		check(0, "-", "-")
		at, err := time.Parse(time.RFC3339, strings.Fields(f.read(found))[0])
		if err != nil {
			t.Fatal(err)
		}
		when := func(d time.Duration) string { return at.Add(d).Format(time.RFC3339) }
		for _, tt := range []struct {
			from, to string
			code     int
		}{
			{"-", "now", 0}, {when(0), when(0), 0}, {when(-time.Second), when(time.Second), 0},
			{when(time.Second), "-", 3}, {"-", when(-time.Second), 3},
		} {
			os.Remove(found)
			check(tt.code, tt.from, tt.to)
			if got, err := os.ReadFile(found); tt.code == 0 && len(got) == 0 || tt.code != 0 && len(got) != 0 {
				t.Errorf("%s, %s to %s: verifications %q, %v", name, tt.from, tt.to, got, err)
			}
		}
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
