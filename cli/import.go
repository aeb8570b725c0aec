package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"zencrypt/audit"
	"zencrypt/importer"
	"zencrypt/models"
)

type importCmd struct {
	V6     importV6Cmd     `cmd:"" name:"v6" help:"Bring the database of a Zencrypt 6 along (SQLite)."`
	V5     importV5Cmd     `cmd:"" name:"v5" help:"Bring the database of a Zencrypt 5 along (a MongoDB dump or export)."`
	Export importExportCmd `cmd:"" help:"Take what somebody exported from another server into an account here."`
	Status importStatusCmd `cmd:"" help:"List the accounts whose people have not logged in here yet."`
	Purge  importPurgeCmd  `cmd:"" help:"Delete accounts whose people have not come for long."`
}

// Help is the long text of `zencrypt import --help`.
func (importCmd) Help() string {
	return `Accounts, keys, texts and digests of an older Zencrypt come into this one. People log in with the login and
the password that they had, and find everything; at the first log-in they get a recovery code.

Nothing is ever stored unsealed. Passwords are not known to anybody here: the old database holds a slow digest
of each, under which the account's new key waits until its person types the password again.

` + exitCodes
}

// importHelp is shared by both sources.
const importHelp = `The server must not run meanwhile: stop it first. An account comes whole or not at all, and the command can be
repeated: after it was cut, and when the old server went on for a while. What is here already is not doubled, and
what people changed or deleted here since stays as it is. New texts of somebody whose account is here come in
at the next log-in. The source is only read.

Without a database this makes one, and the server key with it, as 'serve' does.

Logins that are the same here (in another case or Unicode form, or with blanks around) and belong to several
people: the account that was made first keeps the login, the others get a suffix, -2 and so on, as does one whose
login exists here already. What they typed before leads them to their account by the password, for up to four of them.

What came is known again by the server key of that day, also after a rotation. Where that key is gone for good, the login
decides: an account whose login came before, or was given up, is refused, and the report names it. Put the key back as
zencrypt_key.N, or say --as-new when these are other people.

The report goes to the terminal and into two files, NAME.txt and NAME.json, for their owner alone: counts, each
record that does not come with the reason, and how to destroy the old database, which holds every key in clear text.

`

type importOptions struct {
	place  `embed:""`
	DryRun bool   `name:"dry-run" help:"Show what would come and what not, and change nothing. A database of an older version is refused."`
	Report string `name:"report" placeholder:"NAME" help:"Write the report to NAME.txt and NAME.json. Default: zencrypt-import-TIME in this folder; none with --dry-run."`
	JSON   bool   `name:"json" help:"Print the report as JSON."`
	AsNew  bool   `name:"as-new" help:"Bring accounts of which nobody can tell whether they came before as other people's, with a suffix."`
}

type importV6Cmd struct {
	importOptions `embed:""`
	File          string `arg:"" help:"The SQLite database, such as /var/lib/zencrypt/zencrypt.db. A -wal file beside it is read too."`
}

// Help is the long text of `zencrypt import v6 --help`.
func (importV6Cmd) Help() string { return importHelp + exitCodes }

func (c *importV6Cmd) Run(e *env) error {
	return c.run(e, c.File, func(ctx context.Context, o importer.Options) (*importer.Source, error) {
		return importer.OpenV6(ctx, c.File, o)
	})
}

type importV5Cmd struct {
	importOptions `embed:""`
	Dir           string `arg:"" help:"The folder that mongodump or mongoexport wrote, or an archive of 'mongodump --archive'."`
	KeyFile       string `name:"key-file" placeholder:"FILE" help:"The old server's zen.key. Without it no text opens; all are kept as they are."`
}

// Help is the long text of `zencrypt import v5 --help`.
func (importV5Cmd) Help() string {
	return `Reads *.bson and *.bson.gz of mongodump, its --archive files, and what mongoexport writes: JSON Lines or one
array, relaxed or canonical. The old server's key is /etc/secrets/zen.key there; the other files it encrypted
open with it on the Decrypt page, where it stands among each person's keys.

` + importHelp + exitCodes
}

func (c *importV5Cmd) Run(e *env) error {
	return c.run(e, c.Dir, func(ctx context.Context, o importer.Options) (*importer.Source, error) {
		return importer.OpenV5(ctx, c.Dir, c.KeyFile, o)
	})
}

// run brings everything along and reports.
func (o *importOptions) run(e *env, name string, open func(context.Context, importer.Options) (*importer.Source, error)) error {
	e.ctx = models.Unhurried(e.ctx)
	if o.Report == "" && !o.DryRun {
		o.Report = "zencrypt-import-" + time.Now().UTC().Format("20060102-150405")
	}
	files, err := e.reportFiles(o.Report)
	if err != nil {
		return err
	}
	defer files.abort()
	job := &importJob{e: e, dry: o.DryRun, asNew: o.AsNew, report: newImportReport(name, o.DryRun), bar: newCounter(e)}
	defer job.bar.wipe()
	src, err := open(e.ctx, importer.Options{Reject: job.reject, Note: job.note, Progress: job.bar.bytes})
	if err != nil {
		return importError(err)
	}
	defer src.Close()
	db, done, err := o.openForImport(e)
	if err != nil {
		return err
	}
	defer done()
	job.db, job.src = db, src
	failed := job.all()
	models.Failpoint("import-end")
	// What was deleted on the way, and the log, hold sealed values only; still nothing is left lying about.
	if err := db.Checkpoint(context.WithoutCancel(e.ctx)); err != nil && failed == nil {
		failed = err
	}
	job.bar.wipe()
	o.told(e, job)
	models.Failpoint("import-report")
	job.report.end(failed)
	if err := files.write(job.report); err != nil {
		return errors.Join(failed, err)
	}
	if err := job.report.print(e.stdout, o.JSON, files.named()); err != nil {
		return errors.Join(failed, err)
	}
	return failed
}

// told puts into the server log how many accounts came, also when it was cut.
func (o *importOptions) told(e *env, job *importJob) {
	if n := job.report.Accounts; !o.DryRun && n.New+n.Known > 0 {
		o.note(e, audit.Event{Name: models.EventImported, Counts: map[string]int64{"new": int64(n.New), "known": int64(n.Known)}})
	}
}

// importError gives what is no source of the kind that was named its exit code.
func importError(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return errInterrupted
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return err
	case errors.Is(err, importer.ErrSource):
		return &codeError{exitFormat, err}
	}
	return err
}

// openForImport opens the database with the server shut out. A dry run without a database gets one of its own, which
// is gone afterwards.
func (o *importOptions) openForImport(e *env) (db *models.DB, done func(), err error) {
	if o.DryRun && !models.Exists(o.Data) {
		return openScratch(e)
	}
	db, _, done, err = o.openAlone(e, o.DryRun)
	return db, done, err
}

// An importJob takes account after account.
type importJob struct {
	e      *env
	dry    bool
	asNew  bool
	db     *models.DB
	src    *importer.Source
	report *importReport
	bar    *counter
	ranks  map[[16]byte]int // accounts of the source by login, so far
}

func (j *importJob) reject(r importer.Reject) {
	j.bar.add(1)
	j.report.reject(rejectLine{Collection: r.Collection, ID: r.ID, Reason: r.Reason, Detail: r.Detail, Kept: r.Kept})
}

func (j *importJob) note(n importer.Note) {
	j.report.Notes = append(j.report.Notes, noteLine{n.Collection, n.ID, n.Text})
}

func (j *importJob) all() error {
	c := j.src.Counts()
	j.report.found(j.src.Version(), c)
	j.bar.begin(c.Accounts + c.Keys + c.RSA + c.Texts + c.Digests)
	j.ranks = make(map[[16]byte]int)
	for account, err := range j.src.Accounts(j.e.ctx) {
		if err != nil {
			return importError(err)
		}
		if j.e.ctx.Err() != nil {
			return errInterrupted
		}
		if err := j.one(account); err != nil {
			return importError(err)
		}
	}
	return j.report.forgot(j.e.ctx, j.db)
}

// one takes one account in.
func (j *importJob) one(a *importer.Account) error {
	j.bar.add(1 + int64(len(a.Keys)+len(a.RSA)))
	in, err := j.incoming(a)
	if err != nil {
		return j.refuse(a, err)
	}
	key, _ := models.LoginKey(a.Login)
	in.Rank = j.ranks[rankKey(key)]
	in.AsNew = j.asNew
	out, err := j.db.Imports.Import(j.e.ctx, in, j.dry)
	if code := models.ErrorCode(err); code == models.Invalid || code == models.Conflict {
		return j.refuse(a, err)
	}
	if err != nil {
		return fmt.Errorf("import %s: %w", a.Ref, err)
	}
	j.ranks[rankKey(key)]++
	j.report.brought(a, out)
	return nil
}

// refuse reports an account that can't come, with everything in it.
func (j *importJob) refuse(a *importer.Account, why error) error {
	reason := "password_not_usable"
	var e *models.Error
	if errors.As(why, &e) {
		switch e.Field {
		case "login":
			reason = "login_not_usable"
		case models.FieldOrigin:
			reason = "server_key_gone"
		}
	}
	j.report.Accounts.Refused++
	j.report.reject(lineOf(a.Ref, reason, models.ErrorMessage(why)))
	owned := func(ref string) { j.report.reject(lineOf(ref, "owner_rejected", "its account does not come")) }
	for _, k := range a.Keys {
		if !j.shared() {
			owned(k.Ref)
		}
	}
	for _, k := range a.RSA {
		owned(k.Ref)
	}
	for t, err := range a.Texts {
		if err != nil {
			return err
		}
		owned(t.Ref)
	}
	for d, err := range a.Digests {
		if err != nil {
			return err
		}
		owned(d.Ref)
	}
	return nil
}

// shared tells whether everybody of the old server had the same key.
func (j *importJob) shared() bool { return j.src.Version() == 5 }

// importAge is a time in days, weeks or hours: 90d, 12w, 36h.
type importAge time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *importAge) UnmarshalText(text []byte) error {
	s := string(text)
	unit := map[string]time.Duration{"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[s[max(0, len(s)-1):]]
	n, err := strconv.ParseUint(strings.TrimRight(s, "hdw"), 10, 16)
	if err != nil || unit == 0 || fmt.Sprint(n)+s[len(s)-1:] != s {
		return fmt.Errorf("read %.20q: want a number with h, d or w, such as 90d", s)
	}
	*d = importAge(time.Duration(n) * unit)
	return nil
}
