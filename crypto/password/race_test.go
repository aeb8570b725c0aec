//go:build race

package password_test

// raceDetector says that every run of a slow hash takes six times as long.
const raceDetector = true
