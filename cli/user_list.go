package cli

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"zencrypt/models"
)

type userListCmd struct {
	place `embed:""`
	JSON  bool `name:"json" help:"Print one JSON object a line."`
}

// Help is the long text of `zencrypt user list --help`.
func (userListCmd) Help() string {
	return `One account a line, newest first. The last day of use is a day: no time and no address is
kept. With --json a line has login, created, role, suspended, last_seen (a day or null), items, bytes, quota (bytes,
null for the server's default) and second_factor.

` + exitCodes
}

func (c *userListCmd) Run(e *env) error {
	db, _, err := c.openExisting(e)
	if err != nil {
		return err
	}
	defer db.Close()
	out := bufio.NewWriter(e.stdout)
	var before *models.Cursor
	for n := 0; ; {
		page, err := db.Accounts.Members(e.ctx, "", before, 500)
		if err != nil {
			return err
		}
		for i := range page.Members {
			m := &page.Members[i]
			if err := c.line(out, m); err != nil {
				return err
			}
			before = &models.Cursor{Created: m.Created, ID: m.ID}
			n++
		}
		if !page.More {
			if n == 0 && !c.JSON {
				fmt.Fprintln(out, "No accounts yet. Make one with: zencrypt user add LOGIN")
			}
			return out.Flush()
		}
	}
}

func (c *userListCmd) line(out io.Writer, m *models.Member) error {
	seen := "never"
	if !m.Seen.IsZero() {
		seen = m.Seen.Format(time.DateOnly)
	}
	if !c.JSON {
		notes := ""
		for _, n := range []struct {
			on   bool
			text string
		}{{m.Admin(), "  administrator"}, {m.Suspended, "  suspended"}, {m.Factor, "  second factor"}} {
			if n.on {
				notes += n.text
			}
		}
		_, err := fmt.Fprintf(out, "%s  seen %-10s  %6d items  %10s  %s%s\n", m.Created.UTC().Format(time.DateOnly), seen, m.Items, humanize.IBytes(uint64(m.Bytes)), oneLine(m.Login), notes)
		return err
	}
	line := map[string]any{"login": m.Login, "created": m.Created.UTC().Format(time.RFC3339), "role": m.Role, "suspended": m.Suspended,
		"last_seen": nil, "items": m.Items, "bytes": m.Bytes, "quota": m.Quota, "second_factor": m.Factor}
	if !m.Seen.IsZero() {
		line["last_seen"] = seen
	}
	return json.NewEncoder(out).Encode(line)
}
