package cli

import (
	"errors"

	"golang.org/x/sys/unix"
)

// noCore switches core files off, for this process and its children.
func noCore() error {
	if unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) != nil {
		return errors.New("switch core dumps off: refused by the system")
	}
	return nil
}
