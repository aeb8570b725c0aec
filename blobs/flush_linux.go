package blobs

import (
	"os"

	"golang.org/x/sys/unix"
)

// startFlush lets the disk begin with n bytes of f at off, without waiting for it. It is a hint: only
// Commit's sync tells whether they got there.
func startFlush(f *os.File, off, n int64) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.SyncFileRange(int(fd), off, n, unix.SYNC_FILE_RANGE_WRITE) })
}
