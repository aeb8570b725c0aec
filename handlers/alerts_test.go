package handlers

import (
	"strings"
	"testing"
	"time"

	"zencrypt/models"
)

func TestAlertsOf(t *testing.T) {
	own, other := models.NewID(), models.NewID()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	mine := models.Event{Kind: models.EventLogin, Session: own, New: true, Created: at}
	before := models.Event{Kind: models.EventLogin, Session: other, Created: at.Add(-time.Hour)}
	failed := func(n int) models.Event {
		return models.Event{Kind: models.EventLoginFailed, Count: n, Created: at.Add(-time.Minute), First: at.Add(-time.Hour)}
	}
	many := make([]models.Event, models.MostSince)
	for i := range many {
		many[i] = failed(1)
	}
	for name, tt := range map[string]struct {
		events []models.Event
		known  bool
		want   string // the alerts' beginnings
	}{
		"Nothing":          {nil, true, ""},
		"FirstLogin":       {[]models.Event{mine, {Kind: models.EventMade}}, false, ""},
		"LastLogin":        {[]models.Event{mine, before}, false, "Your last log-in"},
		"OfKnownBrowser":   {[]models.Event{mine, before}, true, ""},
		"Strange":          {[]models.Event{{Kind: models.EventLogin, Session: other, New: true}}, true, "Logged in from a browser"},
		"OneSlip":          {[]models.Event{mine, failed(2)}, true, ""},
		"Tried":            {[]models.Event{mine, failed(2), failed(1)}, true, "3 wrong passwords"},
		"TriedBefore":      {[]models.Event{mine, failed(2), before, failed(7)}, false, "Your last log-in"},
		"TriedAllTheTime":  {many, false, "100 wrong passwords"},
		"OwnExport":        {[]models.Event{{Kind: models.EventKeyExported, Session: own}}, true, ""},
		"StrangeExport":    {[]models.Event{{Kind: models.EventKeyExported, Session: other, Name: "k"}}, true, "A private key was exported"},
		"Administrator":    {[]models.Event{{Kind: models.EventAdminFactor}}, true, "An administrator removed"},
		"DoesNotOpen":      {[]models.Event{{Unreadable: true}}, true, "An entry that does not open"},
		"ExchangedPair":    {[]models.Event{{Kind: models.EventPairExchanged}}, true, "Somebody had changed a key"},
		"Everyday":         {[]models.Event{{Kind: models.EventKeyMade, Session: other}}, true, ""},
		"UnknownKind":      {[]models.Event{{Kind: "of-a-later-version"}}, true, ""},
		"NotMoreThanAFew":  {slicesOf(models.Event{Unreadable: true}, 20), true, strings.TrimSuffix(strings.Repeat("An entry that does not open; ", maxAlerts), "; ")},
		"FailuresAreFirst": {append(slicesOf(models.Event{Unreadable: true}, 20), failed(9)), true, "9 wrong passwords; An entry; An entry; An entry; An entry"},
	} {
		t.Run(name, func(t *testing.T) {
			got := alertsOf(t.Context(), tt.events, own, tt.known)
			want := strings.Split(tt.want, "; ")
			if tt.want == "" {
				want = nil
			}
			if len(got) != len(want) {
				t.Fatalf("got %+v, want %q", got, want)
			}
			for i := range want {
				if !strings.HasPrefix(got[i].Text, want[i]) {
					t.Errorf("got %+v, want %q", got, want)
				}
			}
		})
	}
}

func slicesOf(e models.Event, n int) (out []models.Event) {
	for range n {
		out = append(out, e)
	}
	return out
}

// Every kind of event has words of its own.
func TestEventRow_Words(t *testing.T) {
	for _, kind := range []string{models.EventMade, models.EventLogin, models.EventLogout, models.EventSessionEnded, models.EventUnlocked, models.EventPassword,
		models.EventRecovery, models.EventRecoveryCode, models.EventRenewed, models.EventLoginChanged, models.EventFactorOn, models.EventFactorOff,
		models.EventFactorCodes, models.EventFactorCodeUsed, models.EventPasskeyAdded, models.EventPasskeyUnlocks, models.EventPasskeyRemoved, models.EventKeyMade, models.EventKeyImported,
		models.EventKeyExported, models.EventKeyRotated, models.EventKeyRetired, models.EventKeyRevoked, models.EventKeyDeleted, models.EventItemExported,
		models.EventAccountExported, models.EventImported, models.EventImportDamaged, models.EventSettings, models.EventHistoryOn, models.EventHistoryOff, models.EventHistoryCleared,
		models.EventListed, models.EventUnlisted, models.EventPairExchanged, models.EventAdminSessions, models.EventAdminFactor, models.EventAdminSuspended,
		models.EventAdminResumed, models.EventAdminMade, models.EventLoginFailed, models.EventRecoveryFailed, models.EventFactorFailed, models.EventCurrentFailed} {
		row := eventRow(t.Context(), &models.Event{Kind: kind, Count: 2})
		if row.Text == "" || strings.Contains(row.Text, "does not know") || strings.HasSuffix(row.Text, ".") || strings.Contains(row.Text, "%") {
			t.Errorf("%s is told as %q", kind, row.Text)
		}
	}
}
