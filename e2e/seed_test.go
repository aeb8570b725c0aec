//go:build linux

package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	endian "encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// seedEnv names the variable that repeats a run's sizes and moments: 16 hex digits.
const seedEnv = "ZENCRYPT_TEST_SEED"

// seed is where everything comes from that a run leaves to chance.
type seed [8]byte

// newSeed is the seed that the environment gives, else a random one; a failed run is repeated by what it logs.
func newSeed(t testing.TB) (s seed) {
	t.Helper()
	rand.Read(s[:])
	if text := os.Getenv(seedEnv); text != "" {
		if n, err := hex.Decode(s[:], []byte(text)); err != nil || n != len(s) {
			t.Fatalf("%s: want 16 hex digits", seedEnv)
		}
	}
	t.Logf("%s=%x repeats this run", seedEnv, s)
	return s
}

// number is a number that depends on the seed alone.
func (s seed) number(what string, i int) int {
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %s %d", s, what, i))
	return int(endian.BigEndian.Uint32(sum[:]))
}

// text is size bytes that follow from the seed and a number.
func (s seed) text(i, size int) string {
	block := fmt.Sprintf("%x|", sha256.Sum256(fmt.Appendf(nil, "%x content %d", s, i)))
	return strings.Repeat(block, size/len(block)+1)[:size]
}

// numberFrom is a number of at least lowest that the environment may give.
func numberFrom(t testing.TB, env string, otherwise, lowest int) int {
	t.Helper()
	text := os.Getenv(env)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < lowest {
		t.Fatalf("%s=%q: want a number of at least %d", env, text, lowest)
	}
	return n
}
