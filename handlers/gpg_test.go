package handlers

import (
	"crypto/ed25519"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// gpg is a GnuPG with a home of its own.
type gpg struct {
	t    *testing.T
	home string
}

func newGPG(t *testing.T) *gpg {
	home, err := os.MkdirTemp("", "gpg") // a socket's path may have 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	return &gpg{t, home}
}

func (g *gpg) run(stdin string, args ...string) string {
	g.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", g.home, "--batch", "--yes", "--quiet", "--no-permission-warning", "--pinentry-mode", "loopback", "--trust-model", "always"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		g.t.Fatalf("gpg %q: %v\n%s", args, err, errs.String())
	}
	return string(out)
}

func ed25519Public(t *testing.T) ed25519.PublicKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// needGPG skips a test where there is no gpg, and fails it under CI, which installs one.
func needGPG(t testing.TB) {
	t.Helper()
	_, err := exec.LookPath("gpg")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal("gpg is not here, and CI needs it")
	default:
		t.Skip("gpg is not here")
	}
}
