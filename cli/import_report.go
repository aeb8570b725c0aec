package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"zencrypt/importer"
	"zencrypt/models"
)

// importReport says what came and what did not. It holds logins and ids, and no content.
type importReport struct {
	Source   string    `json:"source"`
	Version  int       `json:"version"` // of the old Zencrypt
	DryRun   bool      `json:"dry_run"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	Complete bool      `json:"complete"`
	Failed   string    `json:"failed,omitempty"` // why it is not

	Found    foundCounts   `json:"found"` // in the source, of all kinds
	Accounts accountCounts `json:"accounts"`
	Records  recordCounts  `json:"records"`
	Logins   []loginLine   `json:"logins"`  // that got a suffix
	Rejects  []rejectLine  `json:"rejects"` // that do not come, or are kept unreadable
	Notes    []noteLine    `json:"notes"`   // that come, but not just as they were

	Forgotten     int      `json:"forgotten"` // accounts of earlier imports that are known by their login alone
	ForgottenKeys []string `json:"forgotten_keys,omitempty"`
}

type foundCounts struct {
	Accounts int64 `json:"accounts"`
	Keys     int64 `json:"keys"`
	RSA      int64 `json:"rsa_pairs"`
	Texts    int64 `json:"texts"`
	Digests  int64 `json:"digests"`
}

type accountCounts struct {
	New     int `json:"new"`     // made now
	Known   int `json:"known"`   // here already
	Gone    int `json:"gone"`    // brought along before, and deleted here since
	Refused int `json:"refused"` // can't come to this version
}

type recordCounts struct {
	Keys       int `json:"keys"`
	RSA        int `json:"rsa_pairs"`
	Notes      int `json:"notes"`
	Unreadable int `json:"unreadable"`
	Digests    int `json:"digests"`
	Known      int `json:"known"` // that came at an earlier import
	Later      int `json:"later"` // of those that come, how many the next log-in of their person takes in
}

type loginLine struct {
	Collection string `json:"collection"`
	ID         string `json:"id"`
	Old        string `json:"old"`
	New        string `json:"new"`
	// AsBefore is false when more than four people have the login: then only the new one leads to this account.
	AsBefore bool `json:"as_before"`
}

type rejectLine struct {
	Collection string `json:"collection"`
	ID         string `json:"id"`
	Reason     string `json:"reason"`
	Detail     string `json:"detail,omitempty"`
	Kept       bool   `json:"kept"` // in the vault as it was, since the key may turn up
}

type noteLine struct {
	Collection string `json:"collection"`
	ID         string `json:"id"`
	Text       string `json:"text"`
}

func newImportReport(source string, dry bool) *importReport {
	return &importReport{Source: absolute(source), DryRun: dry, Started: time.Now().UTC().Truncate(time.Second),
		Logins: []loginLine{}, Rejects: []rejectLine{}, Notes: []noteLine{}}
}

func (r *importReport) found(version int, c importer.Counts) {
	r.Version = version
	r.Found = foundCounts{c.Accounts, c.Keys, c.RSA, c.Texts, c.Digests}
}

func (r *importReport) reject(l rejectLine) { r.Rejects = append(r.Rejects, l) }

// brought adds what became of one account.
func (r *importReport) brought(a *importer.Account, out *models.Brought) {
	line := lineOf(a.Ref, "", "")
	switch out.State {
	case models.ImportNew:
		r.Accounts.New++
	case models.ImportKnown:
		r.Accounts.Known++
	case models.ImportGone:
		r.Accounts.Gone++
		r.Notes = append(r.Notes, noteLine{line.Collection, line.ID, "was brought along before and deleted here since: it stays away with all its texts"})
	}
	if out.State == models.ImportNew && out.Renamed {
		r.Logins = append(r.Logins, loginLine{line.Collection, line.ID, a.Login, out.Login, out.AsBefore})
	}
	if out.State == models.ImportNew && out.Odd {
		r.Notes = append(r.Notes, noteLine{line.Collection, line.ID, "its login breaks the rules for new ones; it works"})
	}
	r.Records.Keys += out.Keys
	r.Records.RSA += out.RSA
	r.Records.Notes += out.Notes
	r.Records.Unreadable += out.Unreadable
	r.Records.Digests += out.Digests
	r.Records.Known += out.Known
	r.Records.Later += out.Later
	for _, refused := range out.Refused {
		l := lineOf(refused.Ref, "not_usable", refused.Reason)
		r.reject(l)
	}
}

// forgot notes how many accounts of earlier imports are not known again by their ids.
func (r *importReport) forgot(ctx context.Context, db *models.DB) (err error) {
	r.Forgotten, r.ForgottenKeys, err = db.Imports.Forgotten(ctx)
	return err
}

func (r *importReport) end(failed error) {
	r.Finished = time.Now().UTC().Truncate(time.Second)
	r.Complete = failed == nil
	if failed != nil {
		r.Failed = oneLine(failed.Error())
	}
}

// verb is what stands before the counts.
func (r *importReport) verb() string {
	if r.DryRun {
		return "Would come"
	}
	return "Came"
}

// shownLines is how many lines of a list the terminal gets; the files have all.
const shownLines = 50

// print writes the report to the terminal.
func (r *importReport) print(w io.Writer, asJSON bool, files string) error {
	if asJSON {
		return r.writeJSON(w)
	}
	return r.write(w, shownLines, files)
}

func (r *importReport) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// write is the report for people; most bounds the lines of each list, 0 for all.
func (r *importReport) write(out io.Writer, most int, files string) error {
	w := &reportWriter{Writer: bufio.NewWriter(out), most: most, files: files}
	switch {
	case !r.Complete:
		w.line("NOT COMPLETE: %s", r.Failed)
		if !r.DryRun {
			w.line("What is counted below is here. Run the same command again for the rest; nothing is doubled.")
		}
	case r.DryRun:
		w.line("Dry run: nothing was changed. This is what an import would do.")
	default:
		w.line("Done.")
	}
	w.line("")
	w.line("Source        %s (Zencrypt %d)", printable(r.Source), r.Version)
	w.line("Found         %d accounts, %d keys, %d RSA pairs, %d texts, %d digests", r.Found.Accounts, r.Found.Keys, r.Found.RSA, r.Found.Texts, r.Found.Digests)
	w.line("Accounts      %d new, %d here already, %d deleted here since, %d refused", r.Accounts.New, r.Accounts.Known, r.Accounts.Gone, r.Accounts.Refused)
	w.line("%-13s %d keys, %d RSA pairs, %d texts, %d texts that no key opened, %d digests", r.verb(), r.Records.Keys, r.Records.RSA, r.Records.Notes, r.Records.Unreadable, r.Records.Digests)
	if r.Records.Known > 0 {
		w.line("Here already  %d records of earlier imports", r.Records.Known)
	}
	if r.Records.Later > 0 {
		w.line("Waiting       %d of those that came belong to accounts that were here. Nobody but their people has the key:", r.Records.Later)
		w.line("              they lie sealed, and come in when their person logs in next.")
	}
	if r.Forgotten > 0 {
		w.line("Not known     %d accounts here came by an import under a server key that is not here any more (%s).", r.Forgotten, cmp.Or(strings.Join(r.ForgottenKeys, ", "), "older than its note"))
		w.line("              Of each that comes, the login told whether it is one of them; which were refused so stands below.")
	}
	w.list("Logins that got a suffix, since somebody else has the login in other letters", "What these people typed until now still leads them to their account, by their password.", len(r.Logins), func(i int) string {
		l := r.Logins[i]
		s := fmt.Sprintf("%s %s: %q is now %q", l.Collection, printable(l.ID), l.Old, l.New)
		if !l.AsBefore {
			s += "; only that leads here, for more than four people had the login: tell the person"
		}
		return s
	})
	w.list("Does not come, or is kept unreadable", "", len(r.Rejects), func(i int) string {
		l := r.Rejects[i]
		s := fmt.Sprintf("%s %s: %s", l.Collection, printable(l.ID), l.Reason)
		if l.Detail != "" {
			s += " (" + printable(l.Detail) + ")"
		}
		if l.Kept {
			s += "; kept as it is"
		}
		return s
	})
	w.list("Comes, but not just as it was", "", len(r.Notes), func(i int) string {
		l := r.Notes[i]
		return strings.TrimSpace(fmt.Sprintf("%s %s: %s", l.Collection, printable(l.ID), printable(l.Text)))
	})
	if r.Complete && !r.DryRun {
		w.line("")
		w.line("%s", destroyText)
	}
	if files != "" {
		w.line("")
		w.line("This report: %s", files)
	}
	return errors.Join(w.err, w.Flush())
}

// destroyText is what remains to be done.
const destroyText = `Now destroy the old database, once you have logged in here and looked.
  It holds every key in clear text beside the texts that they encrypt: whoever gets one copy of it, from the old
  disk, a snapshot or a backup, reads everything that was brought along, whatever this server does. It also
  holds digests of passwords that can be tried offline.
  - Stop the old server for good, and keep the database until people have found their things here.
  - On a disk of your own: shred -u zencrypt.db zencrypt.db-wal zencrypt.db-shm (of MongoDB: its data folder, and the dump
    and zen.key, too). On flash disks and copy-on-write file systems that does not reach every copy: erase the disk.
  - In a cloud: delete the volume and every snapshot and backup of it; encrypted volumes are gone with their key.
  - Who had a copy of it has the keys: rotate the Fernet key here (Keys, Rotate) and rewrap what still stands under it.
  docs/MIGRATE.md goes through it step by step. 'zencrypt import status' tells who has not come yet.`

type reportWriter struct {
	*bufio.Writer
	most  int
	files string
	err   error
}

func (w *reportWriter) line(format string, args ...any) {
	if _, err := fmt.Fprintf(w, format+"\n", args...); err != nil {
		w.err = err
	}
}

func (w *reportWriter) list(title, hint string, n int, text func(int) string) {
	if n == 0 {
		return
	}
	w.line("")
	w.line("%s (%d):", title, n)
	if hint != "" {
		w.line("%s", hint)
	}
	for i := range n {
		if w.most > 0 && i == w.most {
			where := "name a file with --report to see them"
			if w.files != "" {
				where = "the files have them"
			}
			w.line("  ... and %d more; %s", n-i, where)
			return
		}
		w.line("  %s", text(i))
	}
}

// printable is a text of the old database as it may stand on a terminal.
func printable(s string) string { return oneLine(s) }

// reportFiles are the two files of a report, which appear whole.
type reportFiles struct {
	text, json *output
	name       string
}

// reportFiles opens them before the work begins, so that a folder that can't be written to is known first.
func (e *env) reportFiles(name string) (*reportFiles, error) {
	if name == "" {
		return &reportFiles{}, nil
	}
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".json"), ".txt")
	f := &reportFiles{name: name}
	var err error
	if f.text, err = e.create(name+".txt", outputOptions{mode: 0o600}); err != nil {
		return nil, err
	}
	if f.json, err = e.create(name+".json", outputOptions{mode: 0o600}); err != nil {
		f.abort()
		return nil, err
	}
	return f, nil
}

func (f *reportFiles) named() string {
	if f.name == "" {
		return ""
	}
	return absolute(f.name+".txt") + " and .json"
}

func (f *reportFiles) write(r *importReport) error {
	if f.name == "" {
		return nil
	}
	for _, o := range []struct {
		to    *output
		write func(io.Writer) error
	}{
		{f.json, r.writeJSON},
		{f.text, func(w io.Writer) error { return r.write(w, 0, "") }},
	} {
		b := bufio.NewWriter(o.to)
		if err := errors.Join(o.write(b), b.Flush()); err != nil {
			return err
		}
		if err := o.to.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func (f *reportFiles) abort() {
	for _, o := range []*output{f.text, f.json} {
		if o != nil {
			o.Abort()
		}
	}
}
