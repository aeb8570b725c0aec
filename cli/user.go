package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"zencrypt/audit"
	"zencrypt/config"
	"zencrypt/models"
)

type userCmd struct {
	Add         userAddCmd         `cmd:"" help:"Make an account. Prints its recovery code, once."`
	Invite      userInviteCmd      `cmd:"" help:"Make a link by which others register. Prints it, once."`
	List        userListCmd        `cmd:"" help:"List accounts: login, role, days, items and space."`
	Suspend     userSuspendCmd     `cmd:"" help:"Let nobody log in to an account, and end its sessions."`
	Resume      userResumeCmd      `cmd:"" help:"Lift a suspension."`
	Quota       userQuotaCmd       `cmd:"" help:"Give an account a limit of its own."`
	Admin       userAdminCmd       `cmd:"" help:"Make an account an administrator's, or a user's again."`
	ResetFactor userResetFactorCmd `cmd:"" help:"Take away a second factor that was lost."`
	Delete      userDeleteCmd      `cmd:"" help:"Delete an account with everything in it."`
}

// Help is the long text of `zencrypt user --help`.
func (userCmd) Help() string {
	return `These commands work on the data directory of a server on this machine, which may run meanwhile. Name the
same --data and --secrets as for 'serve', or set the same variables, and run them as the same user; what root makes
in the data directory is handed to its owner.
None of them opens what an account holds.

` + exitCodes
}

// place is where a server keeps its things; the same flags and variables as those of serve.
type place struct {
	Data          string        `name:"data" env:"ZENCRYPT_DATA" default:"./data" placeholder:"DIR" help:"Directory of the databases and the encrypted files."`
	Secrets       string        `name:"secrets" env:"ZENCRYPT_SECRETS" placeholder:"DIR" help:"Directory of the server key; looked for as 'serve' does."`
	ServerKeyFile string        `name:"server-key-file" env:"ZENCRYPT_SERVER_KEY_FILE" placeholder:"FILE" help:"File of the server key, instead of --secrets."`
	SharedSecrets config.Switch `name:"shared-secrets" env:"ZENCRYPT_SHARED_SECRETS" default:"off" placeholder:"on|off" help:"Accept a server key that other users of this machine can read."`
	ServerLog     string        `name:"server-log" env:"ZENCRYPT_SERVER_LOG" placeholder:"FILE" help:"File of the server log. Default: log/server.jsonl in --data."`
	LogAnchor     []string      `name:"log-anchor" env:"ZENCRYPT_LOG_ANCHOR" placeholder:"PLACE" help:"Second places of the server log, as 'serve' has them."`
}

// note is log for what is done and stays so.
func (p place) note(e *env, event audit.Event) {
	if err := p.log(event); err != nil {
		e.warn("this is done, and could not be noted in the server log: " + err.Error())
	}
}

// worksOn is env's, for commands that may be the first to write the server log.
func (p place) worksOn(e *env) { e.worksOn(p.Data, logFiles(p.config())...) }

func (p place) config() config.Config {
	cfg := config.Default()
	cfg.Data, cfg.Secrets, cfg.ServerKeyFile, cfg.SharedSecrets, cfg.ServerLog, cfg.LogAnchor = p.Data, p.Secrets, p.ServerKeyFile, p.SharedSecrets, p.ServerLog, p.LogAnchor
	return cfg
}

// log adds what was done here to the server log. It is done by then, so that a log that can't be written is a warning.
func (p place) log(event audit.Event) error {
	event.By = "command line"
	cfg := p.config()
	cfg.LogKeep = 0 // forgetting is for the server
	ring, err := existingKeys(cfg)
	if err != nil {
		return err
	}
	log, err := openServerLog(cfg, ring, func(error) {})
	if err != nil {
		return err
	}
	return errors.Join(log.Append(event), log.Close())
}

// openExisting is open for commands that are pointless without a database: one of a mistyped name is not
// made.
func (p place) openExisting(e *env) (*models.DB, config.Config, error) {
	if err := needDatabase(p.Data); err != nil {
		return nil, config.Config{}, err
	}
	return p.open(e)
}

func (p place) open(e *env) (*models.DB, config.Config, error) {
	cfg := p.config()
	if err := makeData(cfg.Data); err != nil {
		return nil, cfg, err
	}
	p.worksOn(e)
	if err := notUnderServer(e, cfg.Data); err != nil {
		return nil, cfg, err
	}
	db, err := openWithKeys(e, cfg)
	return db, cfg, err
}

// openAlone is open with the server shut out until done, which closes the database too. A dry run changes no schema.
func (p place) openAlone(e *env, dry bool) (db *models.DB, cfg config.Config, done func(), err error) {
	cfg = p.config()
	if err := makeData(cfg.Data); err != nil {
		return nil, cfg, nil, err
	}
	p.worksOn(e)
	unlock, err := lock(filepath.Join(cfg.Data, lockFile))
	if err != nil {
		return nil, cfg, nil, err
	}
	if dry {
		err = dataPlace{Data: cfg.Data}.asItIs(e)
	}
	if err == nil {
		db, err = openWithKeys(e, cfg)
	}
	if err != nil {
		unlock()
		return nil, cfg, nil, err
	}
	_ = handOver(cfg.Data) // an import takes long, and a kill would leave new databases; Run tells what stays root's
	return db, cfg, func() { _ = db.Close(); unlock() }, nil
}

func openWithKeys(e *env, cfg config.Config) (*models.DB, error) {
	ring, err := openKeys(cfg, e.stderr)
	if err != nil {
		return nil, err
	}
	if err := (dataPlace{Data: cfg.Data}).ready(e); err != nil {
		return nil, err
	}
	return openModels(e.ctx, cfg, ring)
}

type userAddCmd struct {
	place        `embed:""`
	Login        string `arg:"" help:"Login: 3 to 254 characters, a name or an e-mail address."`
	Admin        bool   `name:"admin" help:"Make it an administrator's."`
	answered     `embed:""`
	PasswordFile string `name:"password-file" placeholder:"FILE" help:"Read the password from the first line of FILE; '-' is standard input. Otherwise it is asked for."`
}

// Help is the long text of `zencrypt user add --help`.
func (userAddCmd) Help() string {
	return `The password is asked for twice without showing it, or read from a file, never from the command line. It has
at least 12 characters and must not be easy to guess. Without a database this makes one, and the server key
with it, as 'serve' does. With --admin it is an administrator's: that role sees who has an account and how much
it holds, and opens nothing. With --json the answer has login, role and recovery_code.

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
	register, what := db.Accounts.Register, "Account"
	if c.Admin {
		register, what = db.Accounts.RegisterAdmin, "Administrator's account"
	}
	u, err := register(e.ctx, c.Login, pw)
	if err != nil {
		return explain(err)
	}
	c.recordAct(e, db, models.ActAdd, u.Account.ID)
	code, _, _, err := db.Accounts.Pending(e.ctx, u)
	if err != nil {
		return err
	}
	return c.answer(e, fmt.Sprintf("%s %s is made.\nRecovery code: %s\nIt opens the account when the password is lost. The person is asked to confirm it at the first log-in.", what, u.Account.Login, code),
		map[string]any{"login": u.Account.Login, "role": u.Account.Role, "recovery_code": code})
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
