package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test program be the command, so that scripts start the real thing as a process of its own.
func TestMain(m *testing.M) {
	testscript.Main(cleanedUp{m}, map[string]func(){"zencrypt": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		os.Exit(Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}})
}

// raced are the scripts whose commands run under the race detector when the tests do.
var raced = []string{"script-folder", "script-encrypt_passphrase"}

// TestScript runs testdata/script. $F is a folder of keys and inputs, see makeFixtures; it is shared, and only read.
func TestScript(t *testing.T) {
	fixtures, bin := makeFixtures(t), built(t)
	legacy, err := filepath.Abs(legacyFixtures)
	if err != nil {
		t.Fatal(err)
	}
	unit, err := filepath.Abs("../deploy/zencrypt.service")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("F", fixtures)
			e.Setenv("LEGACY", legacy)
			e.Setenv("UNIT", unit)
			e.Setenv("ZENCRYPT_MIN_FREE_DISK", "0") // the disk of the tests may be small, or nearly full
			e.Setenv("CREDENTIALS_DIRECTORY", "")
			// Under the race detector a process needs ten times as long to start: those that do several things at once
			// are tried with it, the others in the build that people get.
			if raceDetector && !slices.Contains(raced, filepath.Base(e.WorkDir)) {
				e.Setenv("PATH", filepath.Dir(bin)+string(filepath.ListSeparator)+e.Getenv("PATH"))
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "legacy":
				_, err := os.Stat(legacy)
				return err == nil, nil
			}
			return false, errors.New("unknown condition " + cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "mode": mode, "files": files, "sum": sum, "flip": flip, "fill": fill, "archive": tarball,
		},
	})
}

// legacyFixtures is where data lies that older versions wrote, of invented people. It is not part of the project.
const legacyFixtures = "../../shared/fixtures/legacy"

// exits CODE ARGS... runs zencrypt, which has to end with the code, and holds it to what every failure must be:
// one line that says why, no secret, and nothing on standard output where results go.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec("zencrypt", args[1:]...)
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	stdout, stderr := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if got != want {
		ts.Fatalf("exit %d, want %d", got, want)
	}
	if secretText.MatchString(stderr) {
		ts.Fatalf("a secret stands on standard error")
	}
	if got == 0 {
		return
	}
	if !slices.Contains([]string{"hash", "verify"}, args[1]) && stdout != "" {
		ts.Fatalf("a failure left %d bytes on standard output", len(stdout))
	}
	lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
	failed := 0
	for _, line := range lines {
		switch rest, ok := strings.CutPrefix(line, "zencrypt: "); {
		case verdictLine.MatchString(line):
		case !ok || rest == "":
			ts.Fatalf("a line that does not say who speaks: %q", line)
		case !strings.HasPrefix(rest, "warning: "):
			failed++
		}
	}
	if failed != 1 && !slices.Contains(args, "--out-dir") && args[1] != "hash" {
		ts.Fatalf("%d lines that say why, want one", failed)
	}
}

var (
	// secretText is what no message may repeat.
	secretText  = regexp.MustCompile(fixturePass + `|AGE-SECRET-KEY-(PQ-)?1[0-9A-Z]{8}|-----BEGIN .*PRIVATE KEY`)
	verdictLine = regexp.MustCompile(`^[a-z ]+ signature( by |, )`)
)

// mode OCTAL FILE compares permissions.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.ParseUint(args[0], 8, 32)
	ts.Check(err)
	info, err := os.Lstat(ts.MkAbs(args[1]))
	ts.Check(err)
	if (info.Mode().Perm() == os.FileMode(want)) == neg {
		ts.Fatalf("%s has mode %04o", args[1], info.Mode().Perm())
	}
}

// files DIR NAMES... compares what lies in a folder, hidden files too.
func files(ts *testscript.TestScript, neg bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := slices.Sorted(slices.Values(args[1:]))
	if slices.Equal(names, want) == neg {
		ts.Fatalf("%s holds %q, want %q", args[0], names, want)
	}
}

// sum SHA256 FILE compares a digest.
func sum(ts *testscript.TestScript, neg bool, args []string) {
	got := sha256.Sum256([]byte(ts.ReadFile(args[1])))
	if (hex.EncodeToString(got[:]) == args[0]) == neg {
		ts.Fatalf("%s has SHA-256 %x", args[1], got)
	}
}

// flip FILE OFFSET changes a bit; a negative offset counts from the end.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	b, err := os.ReadFile(name)
	ts.Check(err)
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	if at < 0 {
		at += len(b)
	}
	b[at] ^= 1
	ts.Check(os.WriteFile(name, b, 0o600))
}

// fill FILE SIZE writes SIZE bytes that don't repeat soon.
func fill(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8*13 + i>>16)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}
