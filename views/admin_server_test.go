package views

import (
	"testing"
	"time"
)

func TestAdminServer_LastBackup(t *testing.T) {
	for age, want := range map[time.Duration]string{
		-time.Minute:    "1 Jan 2026 12:01 UTC, 0 hours ago", // another clock was ahead
		time.Hour:       "1 Jan 2026 11:00 UTC, 1 hour ago",
		47 * time.Hour:  "30 Dec 2025 13:00 UTC, 47 hours ago",
		100 * time.Hour: "28 Dec 2025 08:00 UTC, 4 days ago",
	} {
		now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
		if got := (AdminServer{Backup: now.Add(-age), Now: now}).lastBackup(); got != want {
			t.Errorf("%v: %q, want %q", age, got, want)
		}
	}
	if got := (AdminServer{}).lastBackup(); got != "none yet" {
		t.Errorf("without one: %q", got)
	}
}
