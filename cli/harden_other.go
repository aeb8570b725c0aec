//go:build !linux

package cli

// harden keeps passwords and keys out of core dumps. Other processes of the same user may still look,
// where the system lets them.
func harden() error { return noCore() }
