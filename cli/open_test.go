package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMakeData_Setgid: below a claim that Kubernetes opens to a group, which is refused as data itself, the folder that
// the server makes is for its user alone.
func TestMakeData_Setgid(t *testing.T) {
	claim := filepath.Join(t.TempDir(), "claim")
	if err := os.Mkdir(claim, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(claim, 0o770|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	if err := makeData(claim); err == nil {
		t.Error("data that a group may look into was taken")
	}
	for range 2 { // made, and found again
		if err := makeData(filepath.Join(claim, "zencrypt")); err != nil {
			t.Error(err)
		}
	}
}
