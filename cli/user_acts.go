package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"zencrypt/config"
	"zencrypt/models"
)

// one is part of every command that changes one account.
type one struct {
	place    `embed:""`
	answered `embed:""`
	Login    string `arg:"" help:"The account's login."`
}

// change finds the account, does something to it, records it and says so.
func (c *one) change(e *env, what, text string, fields map[string]any, do func(db *models.DB, a *models.Account) error) error {
	db, _, err := c.openExisting(e)
	if err != nil {
		return err
	}
	defer db.Close()
	a, err := db.Accounts.ByLogin(e.ctx, c.Login)
	if err != nil {
		return explain(err)
	}
	if err := do(db, a); err != nil {
		return explain(err)
	}
	c.recordAct(e, db, what, a.ID)
	fields["login"] = a.Login
	return c.answer(e, fmt.Sprintf(text, oneLine(a.Login)), fields)
}

type userSuspendCmd struct {
	one `embed:""`
}

// Help is the long text of `zencrypt user suspend --help`.
func (userSuspendCmd) Help() string {
	return `Nobody can log in to the account until 'zencrypt user resume', and its sessions end at once; what a running server
is sending it ends within a minute. All that it holds is kept. Whoever types the right password or recovery code is
told that the account is suspended; a wrong one gets the answer that it always gets. New people don't find the
account by its login; who added the person before keeps the keys. The last administrator is not suspended.

` + exitCodes
}

func (c *userSuspendCmd) Run(e *env) error {
	return c.change(e, models.ActSuspend, "Account %s is suspended, and its sessions are ended.", map[string]any{"suspended": true},
		func(db *models.DB, a *models.Account) error { return db.Accounts.Suspend(e.ctx, a.ID) })
}

type userResumeCmd struct {
	one `embed:""`
}

// Help is the long text of `zencrypt user resume --help`.
func (userResumeCmd) Help() string {
	return `The person can log in again with the same password, and finds everything as it was.

` + exitCodes
}

func (c *userResumeCmd) Run(e *env) error {
	return c.change(e, models.ActResume, "Account %s can be used again.", map[string]any{"suspended": false},
		func(db *models.DB, a *models.Account) error { return db.Accounts.Resume(e.ctx, a.ID) })
}

type userAdminCmd struct {
	one    `embed:""`
	Remove bool `name:"remove" help:"Take the role away, from the last administrator too."`
}

// Help is the long text of `zencrypt user admin --help`.
func (userAdminCmd) Help() string {
	return `An administrator sees under /admin who has an account and how much it holds, invites, suspends and deletes. The role
opens nothing. It can be used at once, without another log-in. Invitations that somebody made end with the role.

` + exitCodes
}

func (c *userAdminCmd) Run(e *env) error {
	role, what, text := models.RoleAdmin, models.ActMakeAdmin, "Account %s is an administrator's now."
	if c.Remove {
		role, what, text = models.RoleUser, models.ActUnmakeAdmin, "Account %s is a user's now."
	}
	return c.change(e, what, text, map[string]any{"role": role}, func(db *models.DB, a *models.Account) error {
		return db.Accounts.SetRole(e.ctx, a.ID, role, true)
	})
}

type userResetFactorCmd struct {
	one `embed:""`
}

// Help is the long text of `zencrypt user reset-factor --help`.
func (userResetFactorCmd) Help() string {
	return `For somebody who lost their device and their one-time codes: until they set up another second factor, the password
alone lets them in. Be sure that it is them who ask. Their sessions end. Fails for an account that has none.

` + exitCodes
}

func (c *userResetFactorCmd) Run(e *env) error {
	return c.change(e, models.ActResetFactor, "The second factor of account %s is taken away, and its sessions are ended.", map[string]any{"second_factor": false},
		func(db *models.DB, a *models.Account) error { return db.Accounts.ResetFactor(e.ctx, a.ID) })
}

type userQuotaCmd struct {
	one  `embed:""`
	Size string `arg:"" help:"Such as 50GiB, or 'default' for the server's."`
}

// Help is the long text of `zencrypt user quota --help`.
func (userQuotaCmd) Help() string {
	return `What the account's vault and waiting results may take on the disk. What is there already stays, also when it is more.
'default' is what 'serve --account-quota' says.

` + exitCodes
}

func (c *userQuotaCmd) Run(e *env) error {
	var quota *int64
	text := "Account %s has the server's default limit."
	if c.Size != "default" {
		var size config.Size
		if err := size.UnmarshalText([]byte(c.Size)); err != nil {
			return &usageError{err}
		}
		n := int64(size)
		quota, text = &n, "Account %s may store "+humanize.IBytes(uint64(n))+"."
	}
	return c.change(e, models.ActQuota, text, map[string]any{"quota": quota}, func(db *models.DB, a *models.Account) error {
		return db.Accounts.SetQuota(e.ctx, a.ID, quota)
	})
}

type userInviteCmd struct {
	place    `embed:""`
	answered `embed:""`
	Uses     int      `name:"uses" default:"1" placeholder:"N" help:"Accounts that can be made with it, up to 1000."`
	Days     int      `name:"days" default:"7" placeholder:"N" help:"Days for which it works, up to 90."`
	Origin   string   `name:"origin" env:"ZENCRYPT_ORIGIN" placeholder:"URL" help:"Address of the server, which the link begins with: the same as for 'serve'. Default: of --domain, or http://127.0.0.1:8080."`
	Domain   []string `name:"domain" env:"ZENCRYPT_DOMAIN" placeholder:"NAME" help:"Name of the server, as for 'serve'."`
}

// Help is the long text of `zencrypt user invite --help`.
func (userInviteCmd) Help() string {
	return `Prints a link, which is stored nowhere: whoever has it can register while the server's --registration is invite or
open. An administrator can take it back under /admin/invites. With --json the answer has link, uses and expires.

` + exitCodes
}

func (c *userInviteCmd) Run(e *env) error {
	if c.Days < 1 || time.Duration(c.Days) > models.MaxInvitationLife/day {
		return &usageError{fmt.Errorf("invite: give --days a number from 1 to %d", models.MaxInvitationLife/day)}
	}
	if c.Uses < 1 || c.Uses > models.MaxInvitationUses {
		return &usageError{fmt.Errorf("invite: give --uses a number from 1 to %d", models.MaxInvitationUses)}
	}
	origin := config.Config{Origin: c.Origin, Domain: c.Domain}.Settled().Origin
	if origin == "" {
		origin = "http://127.0.0.1:8080"
		e.warn("the link begins with an address that this machine alone knows. Elsewhere, type --origin https://NAME")
	}
	db, _, err := c.openExisting(e)
	if err != nil {
		return err
	}
	defer db.Close()
	token, iv, err := db.Invitations.Create(e.ctx, nil, c.Uses, time.Duration(c.Days)*day)
	if err != nil {
		return explain(err)
	}
	c.recordAct(e, db, models.ActInvite, models.ID{})
	link := strings.TrimSuffix(origin, "/") + "/invite/" + token
	return c.answer(e, link, map[string]any{"link": link, "uses": iv.Uses, "expires": iv.Expires.UTC().Format(time.RFC3339)})
}

const day = 24 * time.Hour
