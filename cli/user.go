package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"zencrypt/blobs"
	"zencrypt/config"
	"zencrypt/models"
)

type userCmd struct {
	Add    userAddCmd    `cmd:"" help:"Make an account. Prints its recovery code, once."`
	List   userListCmd   `cmd:"" help:"List accounts: login, day made, items."`
	Delete userDeleteCmd `cmd:"" help:"Delete an account with everything in it."`
}

// Help is the long text of `zencrypt user --help`.
func (userCmd) Help() string {
	return `These commands work on the data directory of a server on this machine, which may run meanwhile. Name the
same --data and --secrets as for 'serve', or set the same variables, and run them as the same user.
None of them opens what an account holds.

` + exitCodes
}

// place is where a server keeps its things; the same flags and variables as those of serve.
type place struct {
	Data          string        `name:"data" env:"ZENCRYPT_DATA" default:"./data" placeholder:"DIR" help:"Directory of the databases and the encrypted files."`
	Secrets       string        `name:"secrets" env:"ZENCRYPT_SECRETS" placeholder:"DIR" help:"Directory of the server key; looked for as 'serve' does."`
	SharedSecrets config.Switch `name:"shared-secrets" env:"ZENCRYPT_SHARED_SECRETS" default:"off" placeholder:"on|off" help:"Accept a server key that other users of this machine can read."`
}

// openExisting is open for commands that are pointless without a database: one of a mistyped name is not
// made.
func (p place) openExisting(e *env) (*models.DB, config.Config, error) {
	if !models.Exists(p.Data) {
		return nil, config.Config{}, fmt.Errorf("find database: there is none in %s. Name the server's data directory with --data or ZENCRYPT_DATA", absolute(p.Data))
	}
	return p.open(e)
}

func (p place) open(e *env) (*models.DB, config.Config, error) {
	cfg := config.Default()
	cfg.Data, cfg.Secrets, cfg.SharedSecrets = p.Data, p.Secrets, p.SharedSecrets
	if err := makeData(cfg.Data); err != nil {
		return nil, cfg, err
	}
	if err := notUnderServer(e, cfg.Data); err != nil {
		return nil, cfg, err
	}
	ring, err := openKeys(cfg, e.stderr)
	if err != nil {
		return nil, cfg, err
	}
	db, err := openModels(e.ctx, cfg, ring)
	return db, cfg, err
}

type userAddCmd struct {
	place        `embed:""`
	Login        string `arg:"" help:"Login: 3 to 254 characters, a name or an e-mail address."`
	PasswordFile string `name:"password-file" placeholder:"FILE" help:"Read the password from the first line of FILE; '-' is standard input. Otherwise it is asked for."`
}

// Help is the long text of `zencrypt user add --help`.
func (userAddCmd) Help() string {
	return `The password is asked for twice without showing it, or read from a file, never from the command line. It has
at least 12 characters and must not be easy to guess. Without a database this makes one, and the server key
with it, as 'serve' does.

` + exitCodes
}

func (c *userAddCmd) Run(e *env) error {
	pw, err := readNewPassword(e, c.PasswordFile)
	if err != nil {
		return err
	}
	db, _, err := c.open(e)
	if err != nil {
		return err
	}
	defer db.Close()
	u, err := db.Accounts.Register(e.ctx, c.Login, pw)
	if err != nil {
		return explain(err)
	}
	code, _, _, err := db.Accounts.Pending(e.ctx, u)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "Account %s is made.\nRecovery code: %s\nIt opens the account when the password is lost. The person is asked to confirm it at the first log-in.\n", u.Account.Login, code)
	return nil
}

// explain gives a person's words for a store's complaint.
func explain(err error) error {
	switch models.ErrorCode(err) {
	case models.Invalid, models.Conflict, models.NotFound:
		return errors.New(models.ErrorMessage(err))
	}
	return err
}

// readNewPassword asks twice on a terminal, without echo, or reads one line of a file. It is never an
// argument or a variable: other processes can read those.
func readNewPassword(e *env, file string) (string, error) {
	switch file {
	case "":
	case "-":
		return answer(e.ctx, func() (string, error) { return firstLine(e.stdin) })
	default:
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("open password file: %w", err)
		}
		defer f.Close()
		return firstLine(f)
	}
	in, ok := e.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", &usageError{errors.New("read password: standard input is no terminal. Name a file with --password-file, or '-' to read it from there")}
	}
	state, err := term.GetState(int(in.Fd()))
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	var typed [2]string
	for i, prompt := range []string{"Password: ", "Again: "} {
		fmt.Fprint(e.stderr, prompt)
		b, err := answer(e.ctx, func() ([]byte, error) { return term.ReadPassword(int(in.Fd())) })
		fmt.Fprintln(e.stderr)
		if err != nil {
			_ = term.Restore(int(in.Fd()), state) // else the terminal stays without echo
			return "", fmt.Errorf("read password: %w", err)
		}
		typed[i] = string(b)
	}
	if typed[0] != typed[1] {
		return "", errors.New("read password: the two differ. Nothing was made")
	}
	return typed[0], nil
}

// answer waits for a person, or for the signal that ends the program, which no read notices. The read goes
// on then, until the program has ended. After the signal nothing is begun any more.
func answer[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if ctx.Err() != nil {
		return none, errInterrupted
	}
	done := make(chan result, 1)
	go func() {
		v, err := read()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, errInterrupted
	}
}

func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

type userListCmd struct {
	place `embed:""`
	JSON  bool `name:"json" help:"Print one JSON object a line."`
}

// Help is the long text of `zencrypt user list --help`.
func (userListCmd) Help() string {
	return `One account a line, in no order that means anything. With --json a line has login, created, items and bytes.

` + exitCodes
}

func (c *userListCmd) Run(e *env) error {
	db, _, err := c.openExisting(e)
	if err != nil {
		return err
	}
	defer db.Close()
	out := bufio.NewWriter(e.stdout)
	var after models.ID
	for n := 0; ; {
		list, err := db.Accounts.List(e.ctx, after, 500)
		if err != nil {
			return err
		}
		for _, a := range list {
			items, size, err := db.Accounts.Usage(e.ctx, a.ID)
			if err != nil {
				return err
			}
			if c.JSON {
				err = json.NewEncoder(out).Encode(map[string]any{"login": a.Login, "created": a.Created.UTC().Format(time.RFC3339), "items": items, "bytes": size})
			} else {
				_, err = fmt.Fprintf(out, "%s  %6d items  %s\n", a.Created.UTC().Format(time.DateOnly), items, a.Login)
			}
			if err != nil {
				return err
			}
			after = a.ID
			n++
		}
		if len(list) == 0 {
			if n == 0 && !c.JSON {
				fmt.Fprintln(out, "No accounts yet. Make one with: zencrypt user add LOGIN")
			}
			return out.Flush()
		}
	}
}

type userDeleteCmd struct {
	place `embed:""`
	Login string `arg:"" help:"The account's login."`
	Yes   bool   `name:"yes" short:"y" help:"Do not ask."`
}

// Help is the long text of `zencrypt user delete --help`.
func (userDeleteCmd) Help() string {
	return `Deletes the account, its keys, its vault and its sessions, for good, and never gives its login to another.
Backups that were made earlier still hold it. Asks for the login once more, unless --yes is given.

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
		fmt.Fprintf(e.stderr, "This deletes %s with %d items (%d bytes), for good. Type the login to go on: ", a.Login, items, size)
		typed, err := answer(e.ctx, func() (string, error) { return firstLine(e.stdin) })
		if err != nil {
			return err
		}
		if typed != a.Login {
			return errors.New("delete account: what was typed is not the login. Nothing was deleted")
		}
	}
	gone, err := db.Accounts.DeleteByAdmin(e.ctx, a.ID)
	if err != nil {
		return explain(err)
	}
	files, err := blobs.Open(blobs.Options{Dir: cfg.Data, Now: time.Now})
	if err != nil {
		return err
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
	fmt.Fprintf(e.stdout, "Account %s is deleted. Its login is not given again.\n", a.Login)
	return nil
}
