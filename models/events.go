package models

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// The kinds of events in an account's own list. Their text is sealed in rows and never changes.
const (
	EventMade            = "account-made"
	EventLogin           = "login"
	EventLogout          = "logout"
	EventSessionEnded    = "session-ended"
	EventUnlocked        = "session-unlocked" // after an idle lock, by the password
	EventPassword        = "password-changed"
	EventRecovery        = "recovery-used"
	EventRecoveryCode    = "recovery-code-made"
	EventRenewed         = "account-key-renewed"
	EventLoginChanged    = "login-changed"
	EventFactorOn        = "factor-on"
	EventFactorOff       = "factor-off"
	EventFactorCodes     = "factor-codes-made"
	EventFactorCodeUsed  = "factor-code-used"
	EventPasskeyAdded    = "passkey-added"
	EventPasskeyUnlocks  = "passkey-unlocks" // it opens the account without the password from then on
	EventPasskeyRemoved  = "passkey-removed"
	EventKeyMade         = "key-made"
	EventKeyImported     = "key-imported"
	EventKeyExported     = "key-exported"
	EventKeyRotated      = "key-rotated"
	EventKeyRetired      = "key-retired"
	EventKeyRevoked      = "key-revoked"
	EventKeyDeleted      = "key-deleted"
	EventItemExported    = "item-exported"
	EventAccountExported = "account-exported"
	EventImported        = "old-data-imported"
	EventImportDamaged   = "old-data-damaged" // some of what an import left does not open
	EventSettings        = "settings-changed"
	EventHistoryOn       = "history-on"
	EventHistoryOff      = "history-off"
	EventHistoryCleared  = "history-cleared"
	EventListed          = "listed"
	EventUnlisted        = "unlisted"
	EventPairExchanged   = "pair-exchanged" // somebody had put another public key in the account's row
	EventAdminSessions   = "admin-sessions-ended"
	EventAdminFactor     = "admin-factor-reset"
	EventAdminSuspended  = "admin-suspended"
	EventAdminResumed    = "admin-resumed"
	EventAdminMade       = "admin-account-made"
	EventAdminQuota      = "admin-quota"
	EventAdminRole       = "admin-made-admin"
	EventAdminNoRole     = "admin-unmade-admin"

	// Failures are counted, one event an hour and kind.
	EventLoginFailed    = "login-failed"
	EventRecoveryFailed = "recovery-failed"
	EventFactorFailed   = "factor-failed"
	EventCurrentFailed  = "current-password-failed"
	EventFactorMissing  = "factor-missing" // the password or the recovery code was right, and no second factor followed
	EventPasskeyFailed  = "passkey-failed" // at the log-in page, where nobody has said whose it is: for the server log alone
)

// Event is one thing that happened to an account.
type Event struct {
	ID      ID
	Created time.Time // of the last, where it is counted
	Kind    string
	Name    string    // of the key or item it was about, as it was called then
	Count   int       // of failures
	First   time.Time // of them
	Session ID        // in which it was done; zero where that was none
	New     bool      // a log-in from a browser that had not logged in before
	// Unreadable is true when the seal did not open: the row was changed, or made by somebody else.
	Unreadable bool
}

// Format implements fmt.Formatter: what somebody did stays out of logs.
func (e Event) Format(s fmt.State, _ rune) { io.WriteString(s, "event "+e.ID.String()) }

// MarshalJSON implements json.Marshaler, for a log that writes JSON.
func (e Event) MarshalJSON() ([]byte, error) { return json.Marshal("event " + e.ID.String()) }

// LogValue implements slog.LogValuer.
func (e Event) LogValue() slog.Value { return slog.StringValue("event " + e.ID.String()) }
