package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// cleanedUp removes the built program after the tests.
type cleanedUp struct{ *testing.M }

func (m cleanedUp) Run() int {
	defer os.RemoveAll(builtDir())
	return m.M.Run()
}

func builtDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("zencrypt-cli-%d", os.Getpid()))
}

// program is the command as people get it, without the race detector, built once for all tests that ask for it.
var program = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(builtDir(), "zencrypt")
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", bin, "zencrypt")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return bin, nil
})

func built(t testing.TB) string {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// runBuilt runs the built program in a session of its own, so that it finds no terminal to ask at.
func runBuilt(t testing.TB, dir string, stdin io.Reader, args ...string) (code int, stdout []byte, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(built(t), args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, stdin, &out, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var ended *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.Bytes(), errs.String()
}
