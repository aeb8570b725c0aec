package views

import (
	"slices"
	"testing"
)

// TestPages_PasswordFields: an account's password is typed unseen and at any length, and a password manager knows
// which field it is. A passphrase that the page made is another matter: it is shown, to be kept.
func TestPages_PasswordFields(t *testing.T) {
	kinds := map[string][]string{
		"current":   {"current-password"},
		"password":  {"current-password", "new-password"},
		"password2": {"new-password"},
	}
	seen := map[string]int{}
	for _, x := range examples() {
		for _, e := range controls(parse(t, render(t, x))) {
			name := e.attrs["name"]
			want, ok := kinds[name]
			if !ok {
				continue
			}
			seen[name]++
			if e.attrs["type"] != "password" {
				t.Errorf("%s: %s (%s) shows what is typed: type %q", x.name, name, e.attrs["id"], e.attrs["type"])
			}
			if !slices.Contains(want, e.attrs["autocomplete"]) {
				t.Errorf("%s: %s (%s) has autocomplete %q, want one of %q", x.name, name, e.attrs["id"], e.attrs["autocomplete"], want)
			}
			for _, bound := range []string{"maxlength", "pattern", "readonly"} {
				if e.has(bound) {
					t.Errorf("%s: %s (%s) has %s, which bounds what can be typed or pasted", x.name, name, e.attrs["id"], bound)
				}
			}
		}
	}
	if seen["current"] < 10 || seen["password"] < 4 || seen["password2"] < 3 {
		t.Errorf("too few fields were looked at: %v", seen)
	}
}
