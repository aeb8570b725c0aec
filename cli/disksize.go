package cli

import (
	"math"
	"math/bits"

	"golang.org/x/sys/unix"
)

// diskSize is the size of dir's file system and what ordinary users may still take of it, in bytes.
func diskSize(dir string) (size, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, 0, err
	}
	return blocks(uint64(st.Blocks), uint64(st.Bsize)), blocks(uint64(max(int64(st.Bavail), 0)), uint64(st.Bsize)), nil
}

func blocks(n, size uint64) int64 {
	hi, lo := bits.Mul64(n, size)
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}
