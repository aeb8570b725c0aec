package views

import (
	"strings"
	"time"
)

func memberRows() []MemberRow {
	return []MemberRow{
		{ID: "m1", Login: "mira", Admin: true, Self: true, Factor: true, Created: moment0, Seen: moment0, Items: 1, Used: 5 << 20, Quota: 20 << 30},
		{ID: "m2", Login: hostile, Suspended: true, Created: moment0, Items: 1204, Used: 19 << 30, Quota: 20 << 30},
		{ID: "m3", Login: "jonas@example.org", Created: moment0, Seen: moment0, Quota: 50 << 30},
	}
}

func adminExamples() []example {
	administrator := user
	administrator.Admin = true
	page := func(title string) Page { return wide(on(administrator, "admin", title)) }
	person := func(row int, change func(*AdminPerson)) AdminPerson {
		p := AdminPerson{Row: memberRows()[row], Me: "mira", Sessions: 2, DefaultQuota: 20 << 30}
		change(&p)
		return p
	}
	failed := func(form string, errs Fields) func(*AdminPerson) {
		return func(p *AdminPerson) { p.Open, p.Errors = form, map[string]Fields{form: errs} }
	}
	invites := AdminInvites{Registration: "invite", Me: "mira", Uses: "1", Days: "7", MaxUses: 1000, MaxDays: 90, Rows: []InviteRow{
		{ID: "i1", By: "mira", Created: moment0, Expires: moment0, Uses: 1, Left: 1}, {ID: "i2", By: hostile, Created: moment0, Expires: moment0, Uses: 20, Left: 1}, {ID: "i3", Created: moment0, Expires: moment0, Uses: 20, Left: 7}}}
	invite := func(change func(*AdminInvites)) AdminInvites {
		v := invites
		change(&v)
		return v
	}
	link := "https://zen.example/invite/" + strings.Repeat("Ab3_", 11)[:43]
	return []example{
		{name: "admin-people", page: page("People"), body: AdminPeoplePage(AdminPeople{Rows: memberRows(), Total: 3, Older: "/admin?before=x", Newest: "/admin", Notice: "The account is deleted."})},
		{name: "admin-people-none", page: page("People"), body: AdminPeoplePage(AdminPeople{Query: hostile})},
		{name: "admin-person", page: page("Person"), body: AdminPersonPage(person(2, func(p *AdminPerson) { p.Notice = "The role is changed." }))},
		{name: "admin-person-self", page: page("Person"), body: AdminPersonPage(person(0, func(p *AdminPerson) { p.OwnQuota = true }))},
		{name: "admin-person-self-role", page: page("Person"), body: AdminPersonPage(person(0, failed("role", Fields{"": "This is the last administrator."})))},
		{name: "admin-person-suspended", page: page("Person"), body: AdminPersonPage(person(1, failed("resume", Fields{"current": "The password is wrong."})))},
		{name: "admin-person-full", page: page("Person"), body: AdminPersonPage(person(2, func(p *AdminPerson) { p.Row.Quota, p.OwnQuota, p.Row.Factor, p.Row.Admin = 0, true, true, true }))},
		{name: "admin-person-suspend-error", page: page("Person"), body: AdminPersonPage(person(2, failed("suspend", Fields{"current": "The password is wrong."})))},
		{name: "admin-person-sessions-error", page: page("Person"), body: AdminPersonPage(person(2, failed("sessions", Fields{"current": "The password is wrong."})))},
		{name: "admin-person-quota-error", page: page("Person"), body: AdminPersonPage(person(2, func(p *AdminPerson) {
			failed("quota", Fields{"quota": "Give a size.", "current": "The password is wrong."})(p)
			p.Typed = hostile
		}))},
		{name: "admin-person-delete-error", page: page("Person"), body: AdminPersonPage(person(2, failed("delete", Fields{"login": "Type the login.", "current": "The password is wrong."})))},
		{name: "admin-invites", page: page("Invitations"), body: AdminInvitesPage(invites)},
		{name: "admin-invites-made", page: page("Invitations"), body: AdminInvitesPage(invite(func(v *AdminInvites) { v.Link, v.Made, v.Notice = link, invites.Rows[2], "Taken back." }))},
		{name: "admin-invites-errors", page: page("Invitations"), body: AdminInvitesPage(invite(func(v *AdminInvites) {
			v.Registration, v.Uses, v.Days, v.Errors = "open", hostile, hostile, Fields{"uses": "Give a number.", "days": "Give a number.", "current": "The password is wrong."}
		}))},
		{name: "admin-invites-row-error", page: page("Invitations"), body: AdminInvitesPage(invite(func(v *AdminInvites) {
			v.Registration, v.Open, v.Errors = "closed", "i2", Fields{"current": "The password is wrong."}
		}))},
		{name: "admin-server", page: page("Server"), body: AdminServerPage(AdminServer{Version: "1.2.3", Started: moment0, Registration: "invite", Accounts: 12, Admins: 1, Suspended: 1, Sessions: 4, Items: 1204, ItemBytes: 19 << 30,
			Spool: 5 << 20, Free: 300 << 30, Database: 12 << 20, SessionsDatabase: 1 << 20, AccountQuota: 20 << 30, GuestQuota: 1 << 30, MaxUpload: 10 << 30, Tries: 17,
			Backup: moment0.Add(-5 * time.Hour), Now: moment0,
			Migrations: []MigrationRow{{"zencrypt.db", "20260101000000", moment0}, {"sessions.db", "20260101000000", moment0}},
			Keys:       []ServerKeyRow{{Fingerprint: "0123456789abcdef", Active: true, Accounts: 11, Retired: 2}, {Fingerprint: "fedcba9876543210", Accounts: 1}}})},
		{name: "admin-server-troubled", page: page("Server"), body: AdminServerPage(AdminServer{Version: "1.2.3", Started: moment0, Registration: "open", ReadOnly: "disk full", Busy: 3, Disk: 4,
			Migrations: []MigrationRow{{"zencrypt.db", "20260101000000", moment0}}, Keys: []ServerKeyRow{{Fingerprint: "0123456789abcdef", Active: true}}})},
		{name: "register-by-invitation", page: narrow(on(Page{}, "register", "Register")), body: Register(RegisterForm{Closed: true, ByInvitation: true})},
		{name: "invite", page: narrow(on(Page{}, "register", "Register")), body: Register(RegisterForm{Closed: true, Invite: "token", Login: hostile, Errors: Fields{"login": "Taken.", "password": "Weak.", "password2": "They differ."}})},
		{name: "invite-administrator", page: narrow(on(guest, "register", "Register")), body: Register(RegisterForm{Invite: "token", Administrator: true, Expires: moment0})},
	}
}
