//go:build !(failpoint && linux)

package models

import "time"

// Failpoint does nothing: see the build with the tag failpoint.
func Failpoint(string) {}

// JanitorTime is how often a server cleans up: the usual time.
func JanitorTime(usual time.Duration) time.Duration { return usual }
