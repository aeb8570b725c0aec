//go:build race

package pgp_test

// raceEnabled tells that computing is five to ten times as slow: large contents and the
// full size of bombs are left to the ordinary build.
const raceEnabled = true
