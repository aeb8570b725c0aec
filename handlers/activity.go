package handlers

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"zencrypt/lang"
	"zencrypt/models"
	"zencrypt/views"
)

// activity is a person's own list of what happened to the account.
type activity struct{ *core }

var activityPage = sheet{title: "titles.activity", Page: views.Page{Active: "account"}}

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
	vm := views.ActivityPage{Keep: span(ctx, a.opt.ActivityKeep), Off: !settings.History, HistoryDiffers: settings.HistoryDiffers}
	if later {
		vm.Newest = "/activity"
	}
	if next != nil {
		vm.Older = "/activity?before=" + formatCursor(*next)
	}
	for i := range events {
		e := &events[i]
		day := dayName(ctx, e.Created)
		if n := len(vm.Days); n == 0 || vm.Days[n-1].Title != day {
			vm.Days = append(vm.Days, views.ActivityDay{Title: day})
		}
		row := eventRow(ctx, e)
		row.Own = e.Session == v.session.ID
		d := &vm.Days[len(vm.Days)-1]
		d.Rows = append(d.Rows, row)
	}
	return a.render(x, fiber.StatusOK, activityPage, views.Activity(vm))
}

// eventRow puts an event into words.
func eventRow(ctx context.Context, e *models.Event) views.ActivityRow {
	row := views.ActivityRow{At: e.Created}
	if e.Unreadable {
		row.Text, row.Alarm = lang.T(ctx, "events.unreadable"), true
		row.Detail = lang.T(ctx, "events.unreadable-detail")
		return row
	}
	if id, ok := failureWords[e.Kind]; ok {
		row.Text, row.Alarm = lang.N(ctx, id, e.Count), e.Count >= manyFailures || e.Kind == models.EventFactorMissing
		if e.Count != 1 {
			row.Detail = lang.T(ctx, "events.first-at", lang.Args{"Time": e.First.UTC().Format("15:04")})
		}
		return row
	}
	w, ok := eventWords[e.Kind]
	if !ok {
		w = eventText{text: "events.unknown"}
	}
	row.Text, row.Detail, row.Alarm, row.Name = lang.T(ctx, w.text), told(w.detail).In(ctx), w.alarm, e.Name
	if e.Kind == models.EventLogin && e.New {
		row.Text, row.Alarm = lang.T(ctx, "events.login-new"), true
	}
	return row
}

// manyFailures is when a person is told: two are a slip of one's own.
const manyFailures = 3

// failureWords are ids of texts that count.
var failureWords = map[string]string{
	models.EventLoginFailed:    "events.login-failed",
	models.EventRecoveryFailed: "events.recovery-failed",
	models.EventFactorFailed:   "events.factor-failed",
	models.EventFactorMissing:  "events.factor-missing",
	models.EventCurrentFailed:  "events.current-failed",
}

// eventText is how a kind of event is told, by ids. alarm marks what a person should look twice at.
type eventText struct {
	text, detail string
	alarm        bool
}

var eventWords = map[string]eventText{
	models.EventMade:            {text: "events.made"},
	models.EventLogin:           {text: "events.login"},
	models.EventLogout:          {text: "events.logout"},
	models.EventSessionEnded:    {text: "events.session-ended"},
	models.EventUnlocked:        {text: "events.unlocked"},
	models.EventPassword:        {text: "events.password", detail: "events.others-ended"},
	models.EventRecovery:        {text: "events.recovery", detail: "events.all-ended", alarm: true},
	models.EventRecoveryCode:    {text: "events.recovery-code"},
	models.EventRenewed:         {text: "events.renewed", detail: "events.others-ended"},
	models.EventLoginChanged:    {text: "events.login-changed", detail: "events.login-changed-detail", alarm: true},
	models.EventFactorOn:        {text: "events.factor-on"},
	models.EventFactorOff:       {text: "events.factor-off", alarm: true},
	models.EventFactorCodes:     {text: "events.factor-codes"},
	models.EventFactorCodeUsed:  {text: "events.factor-code-used", alarm: true},
	models.EventPasskeyAdded:    {text: "events.passkey-added", alarm: true},
	models.EventPasskeyUnlocks:  {text: "events.passkey-unlocks", alarm: true},
	models.EventPasskeyRemoved:  {text: "events.passkey-removed"},
	models.EventKeyMade:         {text: "events.key-made"},
	models.EventKeyImported:     {text: "events.key-imported"},
	models.EventKeyExported:     {text: "events.key-exported", alarm: true},
	models.EventKeyRotated:      {text: "events.key-rotated"},
	models.EventKeyRetired:      {text: "events.key-retired"},
	models.EventKeyRevoked:      {text: "events.key-revoked"},
	models.EventKeyDeleted:      {text: "events.key-deleted"},
	models.EventItemExported:    {text: "events.item-exported"},
	models.EventAccountExported: {text: "events.account-exported", alarm: true},
	models.EventImported:        {text: "events.imported"},
	models.EventImportDamaged:   {text: "events.import-damaged", detail: "events.import-damaged-detail", alarm: true},
	models.EventSettings:        {text: "events.settings"},
	models.EventHistoryOn:       {text: "events.history-on"},
	models.EventHistoryOff:      {text: "events.history-off", detail: "events.history-off-detail", alarm: true},
	models.EventHistoryCleared:  {text: "events.history-cleared", alarm: true},
	models.EventListed:          {text: "events.listed"},
	models.EventUnlisted:        {text: "events.unlisted"},
	models.EventPairExchanged: {text: "events.pair-exchanged", alarm: true,
		detail: "events.pair-exchanged-detail"},
	models.EventAdminSessions:  {text: "events.admin-sessions", alarm: true},
	models.EventAdminFactor:    {text: "events.admin-factor", alarm: true},
	models.EventAdminSuspended: {text: "events.admin-suspended", alarm: true},
	models.EventAdminResumed:   {text: "events.admin-resumed"},
	models.EventAdminMade:      {text: "events.admin-made"},
	models.EventAdminQuota:     {text: "events.admin-quota"},
	models.EventAdminRole:      {text: "events.admin-role"},
	models.EventAdminNoRole:    {text: "events.admin-no-role"},
}

// span writes a long time as people say it.
func span(ctx context.Context, d time.Duration) string {
	switch days := int(d.Hours() / 24); {
	case d <= 0:
		return ""
	case days == 365 || days == 366:
		return lang.T(ctx, "spans.a-year")
	case days > 1:
		return lang.N(ctx, "spans.days", days)
	case d == time.Hour:
		return lang.T(ctx, "spans.an-hour")
	case d > time.Hour && d%time.Hour == 0:
		return lang.N(ctx, "spans.hours", int(d.Hours()))
	case d < time.Minute:
		return lang.N(ctx, "spans.seconds", int(d.Seconds()))
	}
	return lang.N(ctx, "spans.minutes", int(d.Minutes()))
}

// dayName writes a day as a heading, UTC.
func dayName(ctx context.Context, t time.Time) string {
	t = t.UTC()
	return lang.T(ctx, "spans.day", lang.Args{"Weekday": lang.T(ctx, weekdays[t.Weekday()]), "Day": t.Day(),
		"Month": lang.T(ctx, months[t.Month()-1]), "Year": t.Year()})
}

var weekdays = [...]string{"spans.sunday", "spans.monday", "spans.tuesday", "spans.wednesday", "spans.thursday", "spans.friday", "spans.saturday"}

var months = [...]string{"spans.january", "spans.february", "spans.march", "spans.april", "spans.may", "spans.june", "spans.july", "spans.august", "spans.september", "spans.october", "spans.november", "spans.december"}
