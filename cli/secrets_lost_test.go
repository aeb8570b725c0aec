package cli

import (
	"strings"
	"testing"

	"zencrypt/models"
)

// Who waits since an import has no recovery code, and is not counted among those whom one helps.
func TestConsequences_Waiting(t *testing.T) {
	got := consequences("give up", []models.KeyUse{{Fingerprint: "aa", Accounts: 5, Waiting: 3, RetiredLogins: 1}, {Fingerprint: "bb", Accounts: 1}})
	if !strings.Contains(got, "aa and bb: 3 accounts then open with their recovery code only, 3 accounts that came by an import") || !strings.Contains(got, "1 logins that were given up") {
		t.Error(got)
	}
	if got := consequences("remove", []models.KeyUse{{Fingerprint: "aa", Accounts: 2}}); strings.Contains(got, "import") {
		t.Error(got)
	}
}
