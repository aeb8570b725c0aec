package migrations

import (
	"slices"
	"testing"
)

// TestDown: every migration can be taken back, in one transaction, and says which tables go.
func TestDown(t *testing.T) {
	main, err := Main()
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := Sessions()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range append(main.Sorted(), sessions.Sorted()...) {
		if m.Up == nil || m.Down == nil || m.Comment == "" {
			t.Errorf("%s %s: up %v, down %v", m.Name, m.Comment, m.Up != nil, m.Down != nil)
		}
	}
	got, err := Drops("20260101000200")
	if err != nil || !slices.Equal(got, []string{"unlisted", "key_offers", "people"}) {
		t.Errorf("it removes %q: %v", got, err)
	}
	if got, err := Drops("20260101"); err != nil || len(got) != 0 {
		t.Errorf("half a name: %q, %v", got, err)
	}
}
