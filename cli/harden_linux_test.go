package cli

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestRun_Harden: every command is closed to debuggers and writes no core, since users' commands read
// passwords too.
func TestRun_Harden(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"user", "list"}, {"nonsense"}} {
		if err := unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0); err != nil {
			t.Fatal(err)
		}
		newCommand(t).run("", args...)
		dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		var core unix.Rlimit
		if cerr := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil || cerr != nil || dumpable != 0 || core.Cur != 0 {
			t.Errorf("%q: dumpable %d, cores of %d bytes, %v, %v", args, dumpable, core.Cur, err, cerr)
		}
	}
}
