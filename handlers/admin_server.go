package handlers

import (
	"github.com/gofiber/fiber/v2"

	"zencrypt/views"
)

// Server handles GET /admin/server: version, schema, sizes, server keys, limits that were hit. Nothing of it opens
// anything.
func (a *admin) Server(x *fiber.Ctx) error {
	st, err := a.db.Status(x.UserContext())
	if err != nil {
		return err
	}
	free, spool, err := a.files.Space()
	if err != nil {
		return err
	}
	backup, _, err := a.db.LastBackup(x.UserContext())
	if err != nil {
		return err
	}
	vm := views.AdminServer{Version: a.opt.Version, Started: a.started, Registration: a.registration(), Guests: a.opt.Guests,
		Accounts: st.Accounts, Admins: st.Admins, Suspended: st.Suspended, Sessions: st.Sessions, Items: st.Items,
		ItemBytes: st.ItemBytes, Spool: spool, Free: free, Database: st.MainBytes, SessionsDatabase: st.SessionsBytes,
		AccountQuota: a.opt.AccountQuota, GuestQuota: a.opt.GuestQuota, MaxUpload: a.opt.MaxUpload,
		Tries: a.hits.tries.Load(), Busy: a.hits.busy.Load(), Full: a.hits.quota.Load(), Disk: a.hits.disk.Load(),
		ReadOnly: a.db.Stats().Why, Backup: backup.Time, Now: a.opt.Now()}
	for _, m := range st.Migrations {
		vm.Migrations = append(vm.Migrations, views.MigrationRow{Database: m.Database, Name: m.Name, At: m.At})
	}
	for _, k := range st.ServerKeys {
		vm.Keys = append(vm.Keys, views.ServerKeyRow{Fingerprint: k.Fingerprint, Active: k.Fingerprint == st.ActiveKey, Accounts: k.Accounts, Retired: k.RetiredLogins})
	}
	return a.render(x, fiber.StatusOK, adminPage("titles.server"), views.AdminServerPage(vm))
}
