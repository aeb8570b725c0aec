package views

import (
	"context"
	"slices"
	"strings"
	"time"

	"zencrypt/lang"
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
	Migrations                                   []MigrationRow
	Keys                                         []ServerKeyRow
}

// seen writes the last day of use.
func seen(ctx context.Context, t time.Time) string {
	if t.IsZero() {
		return lang.T(ctx, "server.never")
	}
	return day(ctx, t)
}

func registrationText(ctx context.Context, mode string) string {
	switch mode {
	case "open":
		return lang.T(ctx, "server.anybody-may-register-here")
	case "invite":
		return lang.T(ctx, "server.only-who-has-link")
	}
	return lang.T(ctx, "server.nobody-may-register-here")
}

func uses(ctx context.Context, r InviteRow) string {
	if r.Uses == 1 {
		return lang.T(ctx, "server.for-one-account")
	}
	return lang.N(ctx, "server.accounts-left", r.Left, lang.Args{"Uses": r.Uses})
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

// whole tells whether a size for people says all of n.
func whole(n int64) bool {
	if n < 1024 {
		return false
	}
	for n >= 1024 {
		if n%1024 != 0 {
			return false
		}
		n /= 1024
	}
	return true
}

// registrationName is who may register, as the configuration says it.
func registrationName(ctx context.Context, mode string) string {
	switch mode {
	case "open":
		return lang.T(ctx, "server.open")
	case "invite":
		return lang.T(ctx, "server.invite")
	case "closed":
		return lang.T(ctx, "server.closed")
	}
	return mode
}

func capital(s string) string { return strings.TrimSuffix(sentence(s), ".") }
