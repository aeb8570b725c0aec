package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"zencrypt/archive"
	"zencrypt/audit"
	"zencrypt/blobs"
	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/password"
	"zencrypt/models"
)

type importExportCmd struct {
	place        `embed:""`
	Identity     []string `name:"identity" short:"i" sep:"none" placeholder:"FILE" help:"Open the export with the private keys in FILE: age or SSH. Can be given several times."`
	passphrases  `embed:""`
	Login        string `name:"login" placeholder:"LOGIN" help:"The account here, which is made when it is not there. Default: the login that it had."`
	PasswordFile string `name:"password-file" placeholder:"FILE" help:"Read the password of the account here from the first line of FILE; '-' is standard input. Otherwise it is asked for."`
	DryRun       bool   `name:"dry-run" help:"Check the export and show what would come, and change nothing. A database of an older version is refused."`
	JSON         bool   `name:"json" help:"Print the report as JSON."`
	File         string `arg:"" help:"The export, as the page “Take everything with you” makes it: zencrypt-export.tar.age."`
}

// Help is the long text of `zencrypt import export --help`.
func (importExportCmd) Help() string {
	return `Examples:

    zencrypt import export --dry-run zencrypt-export.tar.age
    zencrypt import export --login mira -i my.key zencrypt-export.tar.age

Takes all of an exported account into an account here: keys in every version, people, notes, files, digests and
ciphertexts, with their dates. What happened to the account there can be read in the export, and is not taken in: the
activity list here is of what happens here. Everything is sealed under that account, so that its password is
needed: of an account that is here already, or a new one, whose recovery code is printed. The second factor is
not asked for.

The export is read to its end and compared with its sums before anything is written, so that it has to be a
regular file. A new account comes with its keys and people whole or not at all; items follow one by one. After an
interruption type the same again: what is here already is not doubled and stays as it is. A key that the
account has under another name gets the versions that it lacks. Default keys of an account that is here stay.

The server must not run meanwhile: stop it first. Without a database this makes one, and the server key with
it, as 'serve' does. The account's quota is not asked for.

` + exitCodes
}

// exportReport says what came.
type exportReport struct {
	Login      string    `json:"login"`
	NewAccount bool      `json:"new_account"`
	DryRun     bool      `json:"dry_run"`
	Made       time.Time `json:"export_created"`
	From       string    `json:"export_login"`

	Keys      int   `json:"keys"`
	Versions  int   `json:"key_versions"` // for keys that were here already
	KnownKeys int   `json:"known_keys"`
	People    int   `json:"people"`
	Known     int   `json:"known_people"`
	Renamed   int   `json:"renamed_people"`
	Outside   int   `json:"people_without_account"`
	Items     int   `json:"items"`
	Bytes     int64 `json:"bytes"`
	KnownItem int   `json:"known_items"`

	LeftOut  []string `json:"left_out"`
	Recovery string   `json:"recovery_code,omitempty"`
}

func (c *importExportCmd) Run(e *env) error {
	e.ctx = models.Unhurried(e.ctx)
	if err := onlyOnce(c.passphrases, []string{c.File}, append([]string{c.PasswordFile}, c.Identity...)...); err != nil {
		return err
	}
	list, err := e.sources([]string{c.File})
	if err != nil {
		return err
	}
	if !list[0].seeks {
		return &usageError{errors.New("import export: the file is read twice, so it has to be a regular file")}
	}
	t := &taking{env: e, cmd: c, in: list[0]}
	if err := t.check(); err != nil {
		return err
	}
	done, err := t.open()
	if err != nil {
		return err
	}
	defer done()
	if err := t.account(); err != nil {
		return explain(err)
	}
	if c.DryRun {
		err = t.lookAtItems()
	} else {
		err = t.items()
	}
	if err != nil {
		return t.interrupted(err)
	}
	return t.print()
}

// taking is one import of an export.
type taking struct {
	*env
	cmd      *importExportCmd
	in       source
	contents *archive.Contents
	again    *crypto.Plain // how it was opened
	db       *models.DB
	files    *blobs.Store
	u        *models.Unlocked
	moved    *models.MovedIn
	batch    []*models.Item
	held     int // bytes of the batch
	report   exportReport
}

// read opens the export and hands its tar archive on. The key that opened it first opens it again.
func (t *taking) read(f func(io.Reader) error) error {
	src, err := t.env.open(t.in)
	if err != nil {
		return err
	}
	defer src.Close()
	r, done := t.progress(t.in, src)
	defer done()
	if t.again != nil {
		plain, err := crypto.Reopen(r, t.again, crypto.Options{})
		if err != nil {
			return err
		}
		return f(plain)
	}
	keys, err := t.privateKeys(t.cmd.Identity, t.cmd.passphrases)
	if err != nil {
		return err
	}
	keys.Ask = (&decryptCmd{passphrases: t.cmd.passphrases}).asker(t.env, t.in)
	t.again, err = crypto.Decrypt(r, keys, crypto.Options{Format: crypto.FormatAge, MaxWorkFactor: agefile.CommandMaxWorkFactor, Strict: true, Workers: agefile.Workers()})
	if err != nil {
		return err
	}
	return f(t.again)
}

// check reads all of the export.
func (t *taking) check() error {
	err := t.read(func(r io.Reader) (err error) {
		t.contents, err = archive.Check(r)
		return err
	})
	if errors.Is(err, archive.ErrFormat) {
		return &codeError{exitFormat, err}
	}
	return err
}

// open opens the server's data. The server must not run: it would take a file whose row is yet to come for a crash's
// leavings, and count the account's space wrongly.
func (t *taking) open() (done func(), err error) {
	c := t.cmd
	if c.DryRun && !models.Exists(c.Data) {
		t.db, done, err = openScratch(t.env)
		return done, err
	}
	db, cfg, closeDB, err := c.openAlone(t.env, c.DryRun)
	if err != nil {
		return nil, err
	}
	if t.files, err = blobs.Open(blobs.Options{Dir: cfg.Data, MinFree: int64(cfg.MinFreeDisk), Now: time.Now}); err != nil {
		closeDB()
		return nil, err
	}
	_ = handOver(cfg.Data) // its folders
	t.db = db
	return func() {
		_ = t.files.Close()
		closeDB()
	}, nil
}

// account opens or makes the account, and takes keys and people in.
func (t *taking) account() error {
	b, err := t.belongings()
	if err != nil {
		return err
	}
	login := t.cmd.Login
	if login == "" {
		login = t.contents.Account.Login
	}
	t.report = exportReport{Login: login, DryRun: t.cmd.DryRun, Made: t.contents.Created, From: t.contents.Account.Login, LeftOut: t.report.LeftOut}
	account, err := t.db.Accounts.ByLogin(t.ctx, login)
	switch {
	case models.ErrorCode(err) == models.NotFound:
		t.report.NewAccount = true
		err = t.make(login, b)
	case err == nil:
		t.report.Login = account.Login
		err = t.enter(login, b)
	}
	if err != nil {
		return err
	}
	if !t.cmd.DryRun {
		t.noted()
	}
	m := t.moved
	r := &t.report
	r.Keys, r.Versions, r.KnownKeys, r.People, r.Known, r.Renamed, r.Outside = m.Keys, m.Versions, m.KnownKeys, m.People, m.KnownPeople, m.Renamed, m.Outside
	return nil
}

// noted tells the account's person and the server log that somebody brought data in.
func (t *taking) noted() {
	if t.report.NewAccount {
		t.cmd.recordAct(t.env, t.db, models.ActAdd, t.u.Account.ID)
	}
	if err := t.db.Activity.Note(t.ctx, t.u, &models.Event{Kind: models.EventImported}); err != nil {
		t.warn("this could not be noted in the account's list: " + err.Error())
	}
	t.cmd.note(t.env, audit.Event{Name: models.EventImported, Account: t.u.Account.ID.String()})
}

func (t *taking) make(login string, b models.Belongings) (err error) {
	var pw string
	if t.cmd.DryRun {
		pw, err = password.Generate(passphraseWords) // nothing is made, and nobody has to think of one
	} else {
		fmt.Fprintf(t.stderr, "There is no account %s here: it is made. Choose its password.\n", oneLine(login))
		pw, err = readNewPassword(t.env, t.cmd.PasswordFile)
	}
	if err != nil {
		return err
	}
	if t.u, t.moved, err = t.db.Accounts.RegisterWith(t.ctx, login, pw, b, t.cmd.DryRun); err != nil || t.cmd.DryRun {
		return err
	}
	models.Failpoint("export-registered")
	t.report.Recovery, _, _, err = t.db.Accounts.Pending(t.ctx, t.u)
	return err
}

func (t *taking) enter(login string, b models.Belongings) (err error) {
	pw, err := passphrases{PassphraseFile: t.cmd.PasswordFile}.ask(t.env, "Password of "+oneLine(login)+" on this server")
	if err != nil {
		return err
	}
	if t.u, err = t.db.Accounts.Authenticate(t.ctx, login, pw); err != nil {
		if models.ErrorCode(err) == models.Unauthorized {
			return &codeError{exitNoKey, errors.New("import export: the password of the account here is wrong. Nothing was changed")}
		}
		return err
	}
	if t.moved, err = t.db.Accounts.MoveIn(t.ctx, t.u, b, t.cmd.DryRun); err != nil {
		return err
	}
	models.Failpoint("export-moved-in")
	return nil
}

func (t *taking) leaveOut(format string, args ...any) {
	t.report.LeftOut = append(t.report.LeftOut, oneLine(fmt.Sprintf(format, args...)))
}

func (t *taking) print() error {
	r := &t.report
	if t.cmd.JSON {
		return json.NewEncoder(t.stdout).Encode(r)
	}
	var b strings.Builder
	will := ""
	if r.DryRun {
		will = "Nothing was changed. This would come:\n"
	}
	fmt.Fprintf(&b, "%sExport of %s, made %s, into %s", will, oneLine(r.From), r.Made.UTC().Format("2006-01-02 15:04 UTC"), oneLine(r.Login))
	if r.NewAccount {
		b.WriteString(" (a new account)")
	}
	b.WriteString("\n")
	line := func(what string, came, known int, more string) {
		fmt.Fprintf(&b, "  %-8s %6d came, %d were here already%s\n", what, came, known, more)
	}
	versions := ""
	if r.Versions > 0 {
		versions = fmt.Sprintf(", %d versions were added to those", r.Versions)
	}
	line("keys", r.Keys, r.KnownKeys, versions)
	people := ""
	if r.Outside > 0 {
		people = fmt.Sprintf("; %d are known by their keys alone here, since they have no account", r.Outside)
	}
	if r.Renamed > 0 {
		people += fmt.Sprintf("; %d got a number, since their name was another's", r.Renamed)
	}
	line("people", r.People, r.Known, people)
	line("items", r.Items, r.KnownItem, ", "+humanize.IBytes(uint64(r.Bytes)))
	for _, s := range r.LeftOut {
		fmt.Fprintf(&b, "  left out: %s\n", s)
	}
	if r.Recovery != "" {
		fmt.Fprintf(&b, "Recovery code: %s\nIt opens the account when the password is lost. It is asked for at the first log-in.\n", r.Recovery)
	}
	_, err := io.WriteString(t.stdout, b.String())
	return err
}

// interrupted says how it goes on after items were cut.
func (t *taking) interrupted(err error) error {
	if t.report.Recovery != "" {
		fmt.Fprintf(t.stderr, "zencrypt: the account %s was made. Recovery code: %s\n", oneLine(t.report.Login), t.report.Recovery)
	}
	if errors.Is(err, archive.ErrFormat) {
		err = &codeError{exitFormat, err}
	}
	return fmt.Errorf("%w. What came is kept; type the same again to go on", explain(err))
}
