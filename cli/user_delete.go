package cli

import (
	"errors"
	"fmt"
	"time"

	"zencrypt/blobs"
	"zencrypt/models"
)

type userDeleteCmd struct {
	place    `embed:""`
	Login    string `arg:"" help:"The account's login."`
	answered `embed:""`
	Yes      bool `name:"yes" short:"y" help:"Do not ask."`
}

// Help is the long text of `zencrypt user delete --help`.
func (userDeleteCmd) Help() string {
	return `Deletes the account, its keys, its vault and its sessions, for good, and never gives its login to another.
Backups that were made earlier still hold it. Asks for the login once more, unless --yes is given. The last
administrator is not deleted: make another one first, or take the role with 'zencrypt user admin --remove'.

` + exitCodes
}

func (c *userDeleteCmd) Run(e *env) error {
	db, cfg, err := c.openExisting(e)
	if err != nil {
		return err
	}
	defer db.Close()
	a, err := db.Accounts.ByLogin(e.ctx, c.Login)
	if err != nil {
		return explain(err)
	}
	items, size, err := db.Accounts.Usage(e.ctx, a.ID)
	if err != nil {
		return err
	}
	if !c.Yes {
		fmt.Fprintf(e.stderr, "This deletes %s with %d items (%d bytes), for good. Type the login to go on: ", oneLine(a.Login), items, size)
		typed, err := answer(e.ctx, func() (string, error) { return firstLine(e.stdin) })
		if err != nil {
			return err
		}
		// As the pages ask: in any spelling that leads there, since an old login may hold what can't be typed.
		own, _ := models.LoginKey(a.Login)
		if key, ok := models.LoginKey(typed); !ok || key != own {
			return errors.New("delete account: what was typed is not the login. Nothing was deleted")
		}
	}
	files, err := blobs.Open(blobs.Options{Dir: cfg.Data, Now: time.Now}) // first: without it the files would stay
	if err != nil {
		return err
	}
	defer files.Close()
	gone, err := db.Accounts.DeleteByAdmin(e.ctx, a.ID)
	if err != nil {
		return explain(err)
	}
	for _, id := range gone {
		if err := files.Remove(blobs.Blobs, blobs.ID(id)); err != nil {
			return err
		}
	}
	results, err := db.Sessions.EndAll(e.ctx, a.ID, nil)
	if err != nil {
		return err
	}
	for _, r := range results {
		if err := files.Remove(blobs.Spool, blobs.ID(r.Blob)); err != nil {
			return err
		}
	}
	if err := db.Checkpoint(e.ctx); err != nil {
		return err
	}
	c.recordAct(e, db, models.ActDelete, a.ID)
	return c.answer(e, fmt.Sprintf("Account %s is deleted. Its login is not given again.", oneLine(a.Login)), map[string]any{"login": a.Login, "deleted": true, "items": items})
}
