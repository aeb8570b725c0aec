package views

import "time"

func activityDays() []ActivityDay {
	return []ActivityDay{
		{Title: "Friday, 2 January 2026", Rows: []ActivityRow{
			{At: moment0, Text: "Logged in", Own: true},
			{At: moment0.Add(-time.Minute), Text: "7 log-ins failed: wrong password", Detail: "The first at 14:12 UTC.", Alarm: true},
			{At: moment0.Add(-time.Hour), Text: "A private key was exported", Name: hostile, Alarm: true},
		}},
		{Title: "Thursday, 1 January 2026", Rows: []ActivityRow{
			{At: moment0.Add(-24 * time.Hour), Text: "A key got a new version", Name: "work"},
			{At: moment0.Add(-25 * time.Hour), Text: "An entry that does not open", Detail: "It was changed in the database, or somebody else put it there.", Alarm: true},
			{At: moment0.Add(-26 * time.Hour), Text: "The account was made"},
		}},
	}
}

func settingsExample(open string, errors Fields) SettingsPage {
	return SettingsPage{Login: "Mira", Theme: "dark", History: true, Keep: "a year", Open: open, Errors: errors,
		Sessions: []Choice{{Value: "0", Label: "As long as the server allows: 12 hours"}, {Value: "60", Label: "After an hour"}}, Session: "60", Longest: "12 hours",
		Locks: []Choice{{Value: "0", Label: "Never"}, {Value: "5", Label: "After 5 minutes"}}, Lock: "0", Idle: "30 minutes"}
}

func activityExamples() []example {
	off := settingsExample("login", Fields{"login": "This login is taken, choose another.", "current": "The password is wrong."})
	off.History, off.HistoryDiffers, off.Unreadable, off.NewLogin, off.Login = false, true, true, hostile, hostile
	alerts := with(on(user, "encrypt", "Encrypt"), func(p *Page) {
		p.Alerts = []Alert{{Text: "Your last log-in before this one was", At: moment0, Calm: true}, {Text: "Logged in from a browser that was new here", At: moment0},
			{Text: "A private key was exported", Name: hostile, At: moment0}, {Text: "12 wrong passwords or codes were tried on your account, the last", At: moment0}}
	})
	locked := narrow(on(Page{Guests: true, Locked: true, Register: true}, "account/unlock", "Locked"))
	saved := settingsExample("", nil)
	saved.Notice = "Saved."
	return []example{
		{name: "activity", page: on(user, "activity", "Activity"), body: Activity(ActivityPage{Days: activityDays(), Older: "/activity?before=x", Keep: "a year"})},
		{name: "activity-empty", page: on(user, "activity", "Activity"), body: Activity(ActivityPage{})},
		{name: "activity-off", page: on(user, "activity", "Activity"), body: Activity(ActivityPage{Off: true, HistoryDiffers: true, Newest: "/activity", Keep: "30 days"})},
		{name: "alerts", page: alerts, body: Activity(ActivityPage{Days: activityDays()})},
		{name: "settings", page: on(user, "settings", "Settings"), body: Settings(saved)},
		{name: "settings-session", page: on(user, "settings", "Settings"), body: Settings(settingsExample("session", Fields{"session": "Choose a time from the list.", "lock": "Choose a time.", "current": "The password is wrong."}))},
		{name: "settings-off", page: on(user, "settings", "Settings"), body: Settings(settingsExample("off", wrong("current")))},
		{name: "settings-clear", page: on(user, "settings", "Settings"), body: Settings(settingsExample("clear", wrong("current")))},
		{name: "settings-login", page: on(user, "settings", "Settings"), body: Settings(off)},
		{name: "unlock", page: locked, body: Unlock(UnlockForm{Login: "Mira", Next: "/vault"})},
		{name: "unlock-wrong", page: locked, body: Unlock(UnlockForm{Login: hostile, Next: hostile, Errors: Fields{"password": "The password is wrong."}})},
	}
}
