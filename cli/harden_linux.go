package cli

import (
	"errors"

	"golang.org/x/sys/unix"
)

// harden keeps passwords and keys out of core dumps and out of reach of other processes of the same
// user. A process that is not dumpable can't be traced, and only root may read its memory (prctl(2)).
func harden() error {
	var err error
	if unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) != nil {
		err = errors.New("make the process undumpable: refused by the system")
	}
	return errors.Join(err, noCore())
}
