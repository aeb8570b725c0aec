package views

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// MemberRow is an account as an administrator sees it: how much, never what.
type MemberRow struct {
	ID, Login        string
	Admin, Suspended bool
	Created          time.Time
	Seen             time.Time // a day; zero: never
	Items            int
	Used, Quota      int64 // bytes
	Factor           bool  // asks for a second factor
	Self             bool
}

// AdminPeople is the state of /admin.
type AdminPeople struct {
	Rows          []MemberRow
	Query, Notice string
	Older, Newest string // paths, or ""
	Total         int    // accounts that fit the query
}

// AdminPerson is the page of one account.
type AdminPerson struct {
	Row          MemberRow
	Me           string // the administrator's login, for password managers
	Sessions     int
	OwnQuota     bool
	DefaultQuota int64
	Typed        string // of the space that was refused
	Notice       string
	Open         string            // which form to show open
	Errors       map[string]Fields // by form: "suspend", "sessions", "quota", "role", "factor", "delete"
}

// InviteRow is an invitation that can be used.
type InviteRow struct {
	ID, By           string // By is "" for one of the command line
	Created, Expires time.Time
	Uses, Left       int
}

// AdminInvites is the state of /admin/invites.
type AdminInvites struct {
	Rows             []InviteRow
	Registration     string // "open", "invite", "closed"
	Me               string
	Link             string // of the one just made: shown this once
	Made             InviteRow
	Uses, Days       string
	MaxUses, MaxDays int
	Notice           string
	Open             string // id of the row whose form failed, "" for the new one's
	Errors           Fields
}

// MigrationRow is a change of a database's schema.
type MigrationRow struct {
	Database, Name string
	At             time.Time
}

// ServerKeyRow is what depends on a version of the server key.
type ServerKeyRow struct {
	Fingerprint       string
	Active            bool
	Accounts, Retired int
}

// AdminServer is the state of /admin/server; sizes are in bytes, counts of refusals since Started.
type AdminServer struct {
	Version                                      string
	Started                                      time.Time
	Registration                                 string
	Guests                                       bool
	Accounts, Admins, Suspended, Sessions, Items int
	ItemBytes, Spool, Free                       int64
	Database, SessionsDatabase                   int64
	AccountQuota, GuestQuota, MaxUpload          int64
	Tries, Busy, Full, Disk                      int64
	ReadOnly                                     string    // why nothing can be saved, "" while it can
	Backup, Now                                  time.Time // Backup is zero when there was none
	Migrations                                   []MigrationRow
	Keys                                         []ServerKeyRow
}

// saving tells whether the server can save at present.
func (v AdminServer) saving() string {
	if v.ReadOnly == "" {
		return "works"
	}
	return "read-only: " + v.ReadOnly
}

// lastBackup is when the last backup was made, and how long that is ago.
func (v AdminServer) lastBackup() string {
	if v.Backup.IsZero() {
		return "none yet"
	}
	hours := int(max(v.Now.Sub(v.Backup), 0) / time.Hour)
	if hours < 48 {
		return when(v.Backup) + ", " + count(hours, "hour", "hours") + " ago"
	}
	return when(v.Backup) + ", " + count(hours/24, "day", "days") + " ago"
}

// seen writes the last day of use.
func seen(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return day(t)
}

func registrationText(mode string) string {
	switch mode {
	case "open":
		return "Anybody may register here (ZENCRYPT_REGISTRATION=open), so that nobody needs an invitation. A link works all the same."
	case "invite":
		return "Only who has a link from here may register (ZENCRYPT_REGISTRATION=invite)."
	}
	return "Nobody may register here (ZENCRYPT_REGISTRATION=closed): a link works again when that is invite or open."
}

func uses(r InviteRow) string {
	if r.Uses == 1 {
		return "for one account"
	}
	return count(r.Left, "account", "accounts") + " of " + number(r.Uses) + " left"
}

// newest is the last migration of each database, in the order in which they came.
func newest(all []MigrationRow) (out []MigrationRow) {
	for _, m := range all {
		i := slices.IndexFunc(out, func(o MigrationRow) bool { return o.Database == m.Database })
		if i < 0 {
			out = append(out, m)
		} else {
			out[i] = m
		}
	}
	return out
}

// sameSize tells whether a size for people says all of n.
func sameSize(s string, n int64) bool {
	units := map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "PiB": 1 << 50, "EiB": 1 << 60}
	value, unit, _ := strings.Cut(s, " ")
	whole, err := strconv.ParseInt(value, 10, 64)
	return err == nil && units[unit] > 0 && n%units[unit] == 0 && n/units[unit] == whole
}

func capital(s string) string { return strings.TrimSuffix(sentence(s), ".") }
