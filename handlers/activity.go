package handlers

import (
	"fmt"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/models"
	"zencrypt/views"
)

// activity is a person's own list of what happened to the account.
type activity struct{ *core }

var activityPage = views.Page{Title: "Activity", Active: "account"}

// eventsPage is how many events a page has.
const eventsPage = 50

// List handles GET /activity (before): 200 with a page of events, newest first, by day.
func (a *activity) List(x *fiber.Ctx) error {
	ctx, v := x.UserContext(), visitorOf(x)
	a.noteCounts(a.db.Activity.FlushOf(ctx, v.user.Account))
	before, later := parseCursor(x.Query("before"))
	events, next, err := a.db.Activity.List(ctx, v.user, before, eventsPage)
	if err != nil {
		return err
	}
	settings, err := a.db.Accounts.Settings(ctx, v.user)
	if err != nil {
		return err
	}
	vm := views.ActivityPage{Keep: span(a.opt.ActivityKeep), Off: !settings.History, HistoryDiffers: settings.HistoryDiffers}
	if later {
		vm.Newest = "/activity"
	}
	if next != nil {
		vm.Older = "/activity?before=" + formatCursor(*next)
	}
	for i := range events {
		e := &events[i]
		day := e.Created.UTC().Format("Monday, 2 January 2006")
		if n := len(vm.Days); n == 0 || vm.Days[n-1].Title != day {
			vm.Days = append(vm.Days, views.ActivityDay{Title: day})
		}
		row := eventRow(e)
		row.Own = e.Session == v.session.ID
		d := &vm.Days[len(vm.Days)-1]
		d.Rows = append(d.Rows, row)
	}
	return a.render(x, fiber.StatusOK, activityPage, views.Activity(vm))
}

// eventRow puts an event into words.
func eventRow(e *models.Event) views.ActivityRow {
	row := views.ActivityRow{At: e.Created}
	if e.Unreadable {
		row.Text, row.Detail, row.Alarm = "An entry that does not open", "It was changed in the database, or somebody else put it there.", true
		return row
	}
	if text, ok := failureWords[e.Kind]; ok {
		row.Text, row.Alarm = fmt.Sprintf(text[0], e.Count), e.Count >= manyFailures || e.Kind == models.EventFactorMissing
		if e.Count == 1 {
			row.Text = text[1]
		} else {
			row.Detail = "The first at " + e.First.UTC().Format("15:04") + " UTC."
		}
		return row
	}
	w, ok := eventWords[e.Kind]
	if !ok {
		w = words{text: "Something of a kind that this version does not know"}
	}
	row.Text, row.Detail, row.Alarm, row.Name = w.text, w.detail, w.alarm, e.Name
	if e.Kind == models.EventLogin && e.New {
		row.Text, row.Alarm = "Logged in from a browser that was new here", true
	}
	return row
}

// manyFailures is when a person is told: two are a slip of one's own.
const manyFailures = 3

// failureWords are for several and for one.
var failureWords = map[string][2]string{
	models.EventLoginFailed:    {"%d log-ins failed: wrong password", "A log-in failed: wrong password"},
	models.EventRecoveryFailed: {"%d recoveries failed: wrong code", "A recovery failed: wrong code"},
	models.EventFactorFailed:   {"%d times a second factor was wrong, after the right password", "A second factor was wrong, after the right password"},
	models.EventFactorMissing:  {"%d log-ins stopped at the second factor, after the right password", "A log-in stopped at the second factor, after the right password"},
	models.EventCurrentFailed:  {"%d times the password was wrong when it was asked again", "The password was wrong when it was asked again"},
}

// words are how a kind of event is told. alarm marks what a person should look twice at.
type words struct {
	text, detail string
	alarm        bool
}

var eventWords = map[string]words{
	models.EventMade:            {text: "The account was made"},
	models.EventLogin:           {text: "Logged in"},
	models.EventLogout:          {text: "Logged out"},
	models.EventSessionEnded:    {text: "Another session was ended"},
	models.EventUnlocked:        {text: "Unlocked with the password"},
	models.EventPassword:        {text: "The password was changed", detail: "Every other session ended."},
	models.EventRecovery:        {text: "The recovery code was used and a new password set", detail: "Every session ended.", alarm: true},
	models.EventRecoveryCode:    {text: "A new recovery code was made"},
	models.EventRenewed:         {text: "The account key was renewed", detail: "Every other session ended."},
	models.EventLoginChanged:    {text: "The login was changed", detail: "The old one is never given to anybody again.", alarm: true},
	models.EventFactorOn:        {text: "The second factor was turned on"},
	models.EventFactorOff:       {text: "The second factor was turned off", alarm: true},
	models.EventFactorCodes:     {text: "New one-time codes were made"},
	models.EventFactorCodeUsed:  {text: "A one-time code was used to log in", alarm: true},
	models.EventPasskeyAdded:    {text: "A passkey was added", alarm: true},
	models.EventPasskeyUnlocks:  {text: "A passkey was let open the account without the password", alarm: true},
	models.EventPasskeyRemoved:  {text: "A passkey was removed"},
	models.EventKeyMade:         {text: "A key was made"},
	models.EventKeyImported:     {text: "A key was imported"},
	models.EventKeyExported:     {text: "A private key was exported", alarm: true},
	models.EventKeyRotated:      {text: "A key got a new version"},
	models.EventKeyRetired:      {text: "A version of a key was retired"},
	models.EventKeyRevoked:      {text: "A version of a key was revoked"},
	models.EventKeyDeleted:      {text: "A key was deleted"},
	models.EventItemExported:    {text: "An item was downloaded from the vault"},
	models.EventAccountExported: {text: "Everything was exported", alarm: true},
	models.EventImported:        {text: "Data was brought in, from an export or an older version"},
	models.EventImportDamaged: {text: "Some of what came from an older Zencrypt does not open", alarm: true,
		detail: "Somebody changed it in the database. It is set aside and the rest came. Ask whoever runs this server whether the old database is kept."},
	models.EventSettings:       {text: "Session length or lock was changed"},
	models.EventHistoryOn:      {text: "This list was turned on"},
	models.EventHistoryOff:     {text: "This list was turned off", detail: "What happened until it was turned on again is not in it.", alarm: true},
	models.EventHistoryCleared: {text: "This list was emptied", alarm: true},
	models.EventListed:         {text: "Others find you by your login again"},
	models.EventUnlisted:       {text: "You were hidden from who looks for your login"},
	models.EventPairExchanged: {text: "Somebody had changed a key of yours in the database", alarm: true,
		detail: "It is put right. What was noted in between while you were logged out may be missing, and known to them. Tell whoever runs this server."},
	models.EventAdminSessions:  {text: "An administrator ended your sessions", alarm: true},
	models.EventAdminFactor:    {text: "An administrator removed your second factor", alarm: true},
	models.EventAdminSuspended: {text: "An administrator suspended the account", alarm: true},
	models.EventAdminResumed:   {text: "An administrator lifted the suspension"},
	models.EventAdminMade:      {text: "An administrator made the account"},
	models.EventAdminQuota:     {text: "An administrator changed how much disk you may use"},
	models.EventAdminRole:      {text: "You were made an administrator"},
	models.EventAdminNoRole:    {text: "You are no longer an administrator"},
}

// span writes a long time as people say it.
func span(d time.Duration) string {
	switch days := int(d.Hours() / 24); {
	case d <= 0:
		return ""
	case days == 365 || days == 366:
		return "a year"
	case days > 1:
		return fmt.Sprintf("%d days", days)
	case d == time.Hour:
		return "an hour"
	case d > time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	case d < time.Minute:
		return fmt.Sprintf("%d seconds", int(d.Seconds()))
	}
	return fmt.Sprintf("%d minutes", int(d.Minutes()))
}
