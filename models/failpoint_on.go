//go:build failpoint && linux

package models

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// FailpointEnv names the variable that arms the failpoints of a test build: SEED:ONE_IN, such as 1f2e:40.
const FailpointEnv = "ZENCRYPT_FAILPOINT"

// JanitorEnv names the variable that has a server clean up more often, so that kills come while it does.
const JanitorEnv = "ZENCRYPT_FAILPOINT_JANITOR"

// JanitorTime is how often a server cleans up.
func JanitorTime(usual time.Duration) time.Duration {
	if d, err := time.ParseDuration(os.Getenv(JanitorEnv)); err == nil && d > 0 {
		return d
	}
	return usual
}

// failpoints counts the points passed, so that a seed always kills at the same one. Only a test build has it.
var failpoints atomic.Uint64

// Failpoint kills the process, as a loss of power would, with the probability 1/ONE_IN. Which pass of which
// point it is follows from the seed alone.
func Failpoint(name string) {
	seed, in, ok := strings.Cut(os.Getenv(FailpointEnv), ":")
	oneIn, err := strconv.ParseUint(in, 10, 32)
	if !ok || err != nil || oneIn == 0 {
		return
	}
	n := failpoints.Add(1)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", seed, name, n))
	if binary.BigEndian.Uint64(sum[:])%oneIn == 0 {
		fmt.Fprintf(os.Stderr, "failpoint %s, pass %d: killed\n", name, n)
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
		select {} // the signal comes
	}
}
