package cli

import "golang.org/x/sys/unix"

// stopEcho keeps a terminal from showing what is typed; all else stays as it is.
func stopEcho(fd int) error {
	termios, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	termios.Lflag &^= unix.ECHO
	return unix.IoctlSetTermios(fd, unix.TCSETS, termios)
}
