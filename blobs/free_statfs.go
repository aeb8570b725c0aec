//go:build linux || darwin || freebsd

package blobs

import (
	"fmt"
	"math"
	"math/bits"
	"syscall"
)

// statfsFree is the space of dir's file system that is free for ordinary
// users, in bytes: root's reserve is not ours to use.
func statfsFree(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("read free space: %w", err)
	}
	hi, lo := bits.Mul64(uint64(max(int64(st.Bavail), 0)), uint64(st.Bsize))
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64, nil
	}
	return int64(lo), nil
}

// otherDevice tells whether two folders lie on different file systems.
func otherDevice(a, b string) (bool, error) {
	var one, two syscall.Stat_t
	if err := syscall.Stat(a, &one); err != nil {
		return false, err
	}
	if err := syscall.Stat(b, &two); err != nil {
		return false, err
	}
	return one.Dev != two.Dev, nil
}
