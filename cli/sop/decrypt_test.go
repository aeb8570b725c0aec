package sop_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"zencrypt/cli/sop"
)

// TestDecrypt_SessionKeys: what one run learns opens the message in another, also among others that do not fit.
func TestDecrypt_SessionKeys(t *testing.T) {
	f := newFolder(t)
	for _, who := range []string{"alice", "six"} {
		msg := f.must(0, "hello", "encrypt", "--session-key-out="+who+".sk", who+".cert")
		f.must(0, msg, "decrypt", "--session-key-out="+who+".sk2", who+".key")
		if one, two := f.read(who+".sk"), f.read(who+".sk2"); one != two || !regexp.MustCompile(`^9:[0-9A-F]{64}\n$`).MatchString(one) {
			t.Errorf("session keys %q and %q", one, two)
		}
		f.write("wrong", "9:"+strings.Repeat("00", 32))
		for _, args := range [][]string{
			{"--with-session-key=" + who + ".sk"},
			{"--with-session-key=wrong", "--with-session-key=" + who + ".sk"},
			{"--with-session-key=wrong", who + ".key"},
			{"--with-session-key=wrong", "--with-password=pass", who + ".key"},
		} {
			if got := f.must(0, msg, append([]string{"decrypt"}, args...)...); got != "hello" {
				t.Errorf("%s: %q", args, got)
			}
		}
		f.must(int(sop.CannotDecrypt), msg, "decrypt", "--with-session-key=wrong")
		if info, err := os.Stat(who + ".sk"); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("session key: %v, %v", info.Mode(), err)
		}
	}
}

// TestDecrypt_Damaged flips every byte of a message: what can't be authenticated before its
// end is never put out, what can is a beginning.
func TestDecrypt_Damaged(t *testing.T) {
	f := newFolder(t)
	plain := strings.Repeat("some text, longer than one block\n", 12)
	for _, who := range []string{"alice", "six"} {
		msg := f.must(0, plain, "encrypt", "--no-armor", who+".cert")
		step := 1
		if testing.Short() {
			step = 17
		}
		for i := 0; i < len(msg); i += step {
			bad := msg[:i] + string(msg[i]^4) + msg[i+1:]
			code, out, _ := run(t.Context(), strings.NewReader(bad), "decrypt", who+".key")
			if code == 0 && out != plain || code != 0 && out != "" {
				t.Errorf("%s, byte %d changed: exit %d, put out %d bytes", who, i, code, len(out))
			}
			code, out, _ = run(t.Context(), strings.NewReader(msg[:i]), "decrypt", who+".key")
			if code == 0 || out != "" {
				t.Errorf("%s, cut at %d: exit %d, put out %d bytes", who, i, code, len(out))
			}
		}
	}
}

// TestDecrypt_Signed: a signature that does not count is no failure, and shows.
func TestDecrypt_Signed(t *testing.T) {
	f := newFolder(t)
	for i, cert := range []string{"alice.cert", "six.cert", "revoked.cert"} {
		out := fmt.Sprint("v", i)
		if got := f.must(0, f.read("text.pgp"), "decrypt", "--verify-with="+cert, "--verifications-out="+out, "alice.key"); got != f.read("text") {
			t.Errorf("got %q", got)
		}
		if (strings.Count(f.read(out), "\n") == 1) != (i == 0) {
			t.Errorf("%s: %q", cert, f.read(out))
		}
	}
}

// TestInterrupted: a run that waits for input ends when its context does, and leaves nothing.
func TestInterrupted(t *testing.T) {
	newFolder(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	ended := make(chan int, 1)
	go func() {
		code, _, _ := run(ctx, r, "decrypt", "--session-key-out=new", "alice.key")
		ended <- code
	}()
	// The first byte is taken only once the output is there.
	if _, err := w.Write([]byte{0xc1}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if code := <-ended; code != int(sop.UnspecifiedFailure) {
		t.Errorf("exit %d", code)
	}
	if _, err := os.Stat("new"); err == nil {
		t.Error("left an output behind")
	}
}

// TestHeld: content that can't be checked before its end is held up to a bound, and beyond it
// refused with nothing put out; what is authenticated as it comes has no bound.
func TestHeld(t *testing.T) {
	f := newFolder(t)
	const bound = 3 << 20
	for _, n := range []int{bound, bound + 1} {
		plain := strings.Repeat("x", n)
		for _, who := range []string{"alice", "six"} {
			for verb, msg := range map[string]string{
				"decrypt " + who + ".key":        f.must(0, plain, "encrypt", who+".cert"),
				"inline-verify " + who + ".cert": f.must(0, plain, "inline-sign", who+".key"),
			} {
				var out, errs bytes.Buffer
				code := sop.Program{MaxHeld: bound}.Run(t.Context(), strings.Fields(verb), strings.NewReader(msg), &out, &errs)
				if fits := n == bound || verb == "decrypt six.key"; fits && (code != 0 || out.String() != plain) || !fits && (code == 0 || out.Len() > 0) {
					t.Errorf("%s, %d bytes: exit %d, put out %d bytes: %s", verb, n, code, out.Len(), &errs)
				}
			}
		}
	}
}
