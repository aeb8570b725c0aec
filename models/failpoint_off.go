//go:build !(failpoint && linux)

package models

// Failpoint does nothing: see the build with the tag failpoint.
func Failpoint(string) {}
