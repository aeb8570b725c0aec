package handlers

import (
	"github.com/gofiber/fiber/v2"

	"zencrypt/limits"
)

// Access says who may use a route.
type Access int

// The kinds of access. A person who has not confirmed the recovery code yet reaches only Public and
// Unconfirmed routes; one without a factor where everybody needs one only Public, Unconfirmed and Setup ones; a
// session that waits for its second factor reaches only Public and Pending ones, one that locked itself only Public
// and Locked ones.
const (
	Public      Access = iota // everybody
	Guest                     // everybody while guests are allowed, else a logged-in person
	Visitor                   // whoever has a session, a guest's too: what it shows belongs to the session
	Unconfirmed               // a logged-in person, confirmed or not
	User                      // a logged-in person
	Pending                   // a session that waits for the second factor
	Setup                     // a logged-in person, also one who still has to set up the second factor that this server asks for
	Locked                    // a session that locked itself
	Admin                     // an administrator: for everybody else there is no such page
)

// Route is one line of the table that the server is built from; there is no other way to add one.
type Route struct {
	Method, Path string
	Access       Access
	Handler      fiber.Handler
}

func (a *App) table() []Route {
	c := a.core
	var (
		pages   = &pages{c}
		auth    = &auth{core: c, accounts: c.db.Accounts, sessions: c.db.Sessions}
		account = &account{core: c, accounts: c.db.Accounts, sessions: c.db.Sessions}
		hash    = &hash{c}
		encrypt = &encrypt{c}
		decrypt = &decrypt{c}
		results = &results{core: c, store: c.db.Results}
		vault   = &vault{core: c, items: c.db.Items}
		keys    = &keys{core: c, store: c.db.Keys, accounts: c.db.Accounts}
		sign    = &sign{c}
		verify  = &verify{c}
		people  = &people{core: c, store: c.db.People}
		factor  = &factor{core: c, store: c.db.Factors}
		fobs    = &passkeys{factor: factor, store: c.db.Passkeys}

		activity = &activity{c}
		settings = &settings{c}
		unlock   = &unlock{core: c, accounts: c.db.Accounts, sessions: c.db.Sessions}
		invites  = &invites{auth: auth, store: c.db.Invitations}
		admin    = &admin{core: c, accounts: c.db.Accounts, sessions: c.db.Sessions, invitations: c.db.Invitations}
		exports  = &exporting{core: c, accounts: c.db.Accounts, gate: limits.NewGate(1), parts: []exportPart{{"activity/activity.json", c.writeActivity}}, told: c.noteTakeout}
		help     = &help{c}
	)
	return []Route{
		{"GET", "/", Public, pages.Home},
		{"GET", "/about", Public, pages.About},
		{"GET", "/help", Public, help.Index},
		{"GET", "/help/:topic", Public, help.Show},
		{"GET", "/healthz", Public, pages.Healthz},
		{"GET", "/readyz", Public, pages.Readyz},
		{"GET", "/static/*", Public, pages.Static},
		{"GET", "/favicon.ico", Public, pages.Favicon},
		{"GET", "/robots.txt", Public, pages.Robots},
		{"POST", "/theme", Public, pages.Theme},
		{"POST", "/language", Public, pages.Language},
		{"POST", "/meter", Public, pages.Meter},

		{"GET", "/register", Public, auth.NewAccount},
		{"POST", "/register", Public, auth.Register},
		{"GET", "/register/confirm", Unconfirmed, auth.ShowRecovery},
		{"POST", "/register/confirm", Unconfirmed, auth.ConfirmRecovery},
		{"GET", "/invite/:token", Public, invites.New},
		{"POST", "/invite/:token", Public, invites.Register},
		{"GET", "/login", Public, auth.NewLogin},
		{"POST", "/login", Public, auth.Login},
		{"GET", "/login/factor", Pending, auth.NewFactor},
		{"POST", "/login/factor", Pending, auth.Factor},
		{"POST", "/login/passkey", Public, auth.Passkey},
		{"GET", "/recover", Public, auth.NewRecover},
		{"POST", "/recover", Public, auth.Recover},
		{"POST", "/logout", Public, auth.Logout},

		{"GET", "/hash", Guest, hash.New},
		{"POST", "/hash", Guest, hash.Create},
		{"GET", "/encrypt", Guest, encrypt.New},
		{"POST", "/encrypt", Guest, encrypt.Create},
		{"GET", "/decrypt", Guest, decrypt.New},
		{"POST", "/decrypt", Guest, decrypt.Create},
		{"GET", "/sign", User, sign.New},
		{"POST", "/sign", User, sign.Create},
		{"GET", "/verify", Guest, verify.New},
		{"POST", "/verify", Guest, verify.Create},

		{"POST", "/results/download", Guest, results.Echo},
		{"GET", "/results/:id", Visitor, results.Show},
		{"GET", "/results/:id/file", Visitor, results.File},
		{"POST", "/results/:id/open", Visitor, results.Open},
		{"POST", "/results/:id/save", User, results.Save},
		{"POST", "/results/:id/delete", Visitor, results.Delete},

		{"GET", "/vault", User, vault.List},
		{"POST", "/vault", User, vault.Create},
		{"POST", "/vault/delete", User, vault.DeleteMany},
		{"POST", "/vault/restore", User, vault.Restore},
		{"GET", "/vault/:id", User, vault.Show},
		{"GET", "/vault/:id/file", User, vault.File},
		{"POST", "/vault/:id/rename", User, vault.Rename},
		{"POST", "/vault/:id/delete", User, vault.Delete},

		{"GET", "/people", User, people.List},
		{"POST", "/people", User, people.Create},
		{"POST", "/people/find", User, people.Find},
		{"GET", "/people/:id", User, people.Show},
		{"POST", "/people/:id/describe", User, people.Describe},
		{"POST", "/people/:id/accept", User, people.Accept},
		{"POST", "/people/:id/verify", User, people.Verify},
		{"POST", "/people/:id/delete", User, people.Delete},

		{"POST", "/account/listed", User, account.Listed},
		{"GET", "/account", User, account.Show},
		{"POST", "/account/password", User, account.Password},
		{"POST", "/account/recovery", User, account.Recovery},
		{"POST", "/account/renew", User, account.Renew},
		{"POST", "/account/sessions", User, account.Sessions},
		{"GET", "/account/export", User, exports.New},
		{"POST", "/account/export", User, exports.Create},
		{"POST", "/account/delete", Unconfirmed, account.Delete},

		{"GET", "/account/factor", Setup, factor.Show},
		{"POST", "/account/factor", Setup, factor.Begin},
		{"POST", "/account/factor/confirm", Setup, factor.Confirm},
		{"POST", "/account/factor/cancel", Setup, factor.Cancel},
		{"POST", "/account/factor/codes", Setup, factor.Codes},
		{"POST", "/account/factor/off", Setup, factor.Off},
		{"POST", "/passkeys/new", Setup, fobs.Ask},
		{"POST", "/passkeys", Setup, fobs.Add},
		{"POST", "/passkeys/:id/unlock", Setup, fobs.Unlock},
		{"POST", "/passkeys/:id/delete", Setup, fobs.Delete},
		{"GET", "/account/unlock", Locked, unlock.New},
		{"POST", "/account/unlock", Locked, unlock.Create},

		{"GET", "/activity", User, activity.List},
		{"GET", "/settings", User, settings.Show},
		{"POST", "/settings", User, settings.Save},

		{"GET", "/keys", User, keys.List},
		{"POST", "/keys", User, keys.Create},
		{"POST", "/keys/import", User, keys.Import},
		{"POST", "/keys/rewrap", User, keys.Rewrap},
		{"GET", "/keys/:id", User, keys.Show},
		{"POST", "/keys/:id/rotate", User, keys.Rotate},
		{"POST", "/keys/:id/default", User, keys.Default},
		{"POST", "/keys/:id/describe", User, keys.Describe},
		{"POST", "/keys/:id/expiry", User, keys.Expiry},
		{"POST", "/keys/:id/export", User, keys.Export},
		{"POST", "/keys/:id/delete", User, keys.Delete},
		{"POST", "/keys/:id/versions/:n/retire", User, keys.Retire},
		{"POST", "/keys/:id/versions/:n/revoke", User, keys.Revoke},
		{"POST", "/keys/:id/versions/:n/delete", User, keys.DeleteVersion},

		{"GET", "/admin", Admin, admin.People},
		{"GET", "/admin/server", Admin, admin.Server},
		{"GET", "/admin/invites", Admin, admin.Invites},
		{"POST", "/admin/invites", Admin, admin.Invite},
		{"POST", "/admin/invites/:id/delete", Admin, admin.Uninvite},
		{"GET", "/admin/people/:id", Admin, admin.Person},
		{"POST", "/admin/people/:id/suspend", Admin, admin.Suspend},
		{"POST", "/admin/people/:id/resume", Admin, admin.Resume},
		{"POST", "/admin/people/:id/sessions", Admin, admin.Sessions},
		{"POST", "/admin/people/:id/quota", Admin, admin.Quota},
		{"POST", "/admin/people/:id/role", Admin, admin.Role},
		{"POST", "/admin/people/:id/factor", Admin, admin.Factor},
		{"POST", "/admin/people/:id/delete", Admin, admin.Delete},
	}
}

// Routes is the table, for tests that walk all of it.
func (a *App) Routes() []Route { return a.routes }
