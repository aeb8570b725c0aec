//go:build !linux

package cli

import "golang.org/x/sys/unix"

// stopEcho keeps a terminal from showing what is typed. It gives whole lines, ends them as usual and minds Ctrl+C.
func stopEcho(fd int) error {
	termios, err := unix.IoctlGetTermios(fd, unix.TIOCGETA)
	if err != nil {
		return err
	}
	termios.Lflag &^= unix.ECHO
	termios.Lflag |= unix.ICANON | unix.ISIG
	termios.Iflag |= unix.ICRNL
	return unix.IoctlSetTermios(fd, unix.TIOCSETA, termios)
}
