package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"zencrypt/audit"
	"zencrypt/models"
)

type importStatusCmd struct {
	place `embed:""`
	JSON  bool `name:"json" help:"Print one JSON object a line."`
}

// Help is the long text of 'zencrypt import status --help'.
func (importStatusCmd) Help() string {
	return `One account a line: the day it was brought along, its items, its login. The server may run meanwhile.
With --json a line has login, created, imported and items.

` + exitCodes
}

func (c *importStatusCmd) Run(e *env) error {
	e.ctx = models.Unhurried(e.ctx)
	db, _, err := c.openExisting(e)
	if err != nil {
		return err
	}
	defer db.Close()
	all, waiting, err := db.Imports.Tally(e.ctx)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(e.stdout)
	if !c.JSON {
		switch {
		case all == 0:
			fmt.Fprintln(out, "No account here came from an older Zencrypt.")
		case waiting == 0:
			fmt.Fprintf(out, "All %d accounts that were brought along have logged in here.\n", all)
		default:
			fmt.Fprintf(out, "%d of %d accounts that were brought along have not logged in here yet:\n", waiting, all)
		}
	}
	err = eachWaiting(e, db, func(w models.Waiting) error {
		if c.JSON {
			return json.NewEncoder(out).Encode(map[string]any{"login": w.Login, "created": w.Created.Format(time.RFC3339),
				"imported": w.Imported.Format(time.RFC3339), "items": w.Items})
		}
		_, err := fmt.Fprintf(out, "%s  %6d items  %s\n", w.Imported.Format(time.DateOnly), w.Items, printable(w.Login))
		return err
	})
	return errors.Join(err, out.Flush())
}

func eachWaiting(e *env, db *models.DB, do func(models.Waiting) error) error {
	var after models.ID
	for {
		list, err := db.Imports.Waiting(e.ctx, after, 500)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, w := range list {
			if err := do(w); err != nil {
				return err
			}
			after = w.ID
		}
	}
}

type importPurgeCmd struct {
	place     `embed:""`
	OlderThan importAge `name:"older-than" required:"" placeholder:"AGE" help:"Only accounts that were brought along longer ago than this: 90d, 12w, 36h."`
	Yes       bool      `name:"yes" short:"y" help:"Do not ask."`
}

// Help is the long text of 'zencrypt import purge --help'.
func (importPurgeCmd) Help() string {
	return `Deletes accounts that were brought along and whose people have not logged in since, with everything in them, for
good. They do not come back by another import, and their logins are never given to others. Backups made earlier
still hold them. Asks for the number of accounts, unless --yes is given. The server may run meanwhile: who logs in
before it is their turn stays.

` + exitCodes
}

func (c *importPurgeCmd) Run(e *env) error {
	e.ctx = models.Unhurried(e.ctx)
	db, _, err := c.openExisting(e)
	if err != nil {
		return err
	}
	defer db.Close()
	before := time.Now().Add(-time.Duration(c.OlderThan))
	var ids []models.ID
	items := 0
	err = eachWaiting(e, db, func(w models.Waiting) error {
		if w.Imported.Before(before) {
			ids = append(ids, w.ID)
			items += w.Items
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		fmt.Fprintln(e.stdout, "No account has waited for that long.")
		return nil
	}
	if !c.Yes {
		fmt.Fprintf(e.stderr, "This deletes %d accounts with %d items, for good. Type the number of accounts to go on: ", len(ids), items)
		typed, err := answer(e.ctx, func() (string, error) { return firstLine(e.stdin) })
		if err != nil {
			return err
		}
		if typed != fmt.Sprint(len(ids)) {
			return errors.New("purge accounts: what was typed is not their number. Nothing was deleted")
		}
	}
	gone := 0
	defer func() {
		if gone > 0 {
			c.note(e, audit.Event{Name: "imports-purged", Counts: map[string]int64{"accounts": int64(gone)}})
		}
	}()
	for _, id := range ids {
		if e.ctx.Err() != nil {
			break
		}
		deleted, err := db.Imports.Purge(e.ctx, id)
		if err != nil {
			return err
		}
		if deleted {
			gone++
		}
	}
	if err := db.Checkpoint(e.ctx); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%d accounts are deleted.\n", gone)
	return nil
}
