package views

import (
	"time"

	"zencrypt/lang"
)

// Alert is what a person should know at once, shown once above a page.
type Alert struct {
	Text string // without a stop; the time follows
	Name string // of the key it is about, or ""
	At   time.Time
	Calm bool // nothing to worry about
}

// ActivityPage is the state of /activity.
type ActivityPage struct {
	Days           []ActivityDay
	Older          string // path of the next page, or ""
	Newest         string // path back to the first page when on a later one, or ""
	Keep           string // "a year"; "" keeps all
	Off            bool   // nothing is kept at the moment
	HistoryDiffers bool   // the database says otherwise than the person's seal whether anything is kept
}

// ActivityDay is what happened on a day, newest first.
type ActivityDay struct {
	Title string // "Friday, 2 January 2026"
	Rows  []ActivityRow
}

// ActivityRow is one event in words.
type ActivityRow struct {
	At     time.Time
	Text   string // without a stop
	Name   string // of the key or item it was about, or ""
	Detail string
	Own    bool // done in this session
	Alarm  bool // worth a second look
}

// SettingsPage is the state of /settings. Times in minutes are texts, "0" for none.
type SettingsPage struct {
	Login          string
	Theme          string           // "system", "dark", "light"
	Languages      []*lang.Language // offered when there are several
	History        bool
	HistoryDiffers bool
	Unreadable     bool   // the seal of the settings does not open
	Keep           string // how long history is kept: "a year"
	Sessions       []Choice
	Session        string
	Longest        string // "12 hours"
	Locks          []Choice
	Lock           string
	Idle           string // after which a session ends anyway
	NewLogin       string
	Notice         string
	Open           string // the form that was wrong: "session", "on", "off", "clear", "login"
	Errors         Fields
}

func (s SettingsPage) errors(form string) Fields {
	if s.Open != form {
		return nil
	}
	return s.Errors
}

// UnlockForm is the state of /account/unlock.
type UnlockForm struct {
	Login  string
	Next   string // local path to go to afterwards, or ""
	Errors Fields
}
