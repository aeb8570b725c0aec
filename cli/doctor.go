package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"zencrypt/audit"
	"zencrypt/config"
	"zencrypt/secrets"
)

type doctorCmd struct {
	place `embed:""`
	Log   bool     `name:"log" help:"Check the server log: every line's MAC, that none is missing, exchanged or cut off, and the heads."`
	Heads []string `name:"heads" placeholder:"FILE" help:"More files of heads, such as what a syslog on another machine kept."`
	JSON  bool     `name:"json" help:"Print one JSON object a line."`
}

// Help is the long text of 'zencrypt doctor --help'.
func (doctorCmd) Help() string {
	return `Looks at a server's data and changes nothing; the server may run meanwhile. Without a flag that names a check
all are made.

--log finds a line of the server log that was changed, is missing, or stands in another's place, and names it. Lines
that were cut off at the end are found up to the last head that a second place holds (--log-anchor, --heads).
With --json a line has check, level (ok, note or bad), kind, line, first, last and text.

` + exitCodes + `. With --log: the log is not as it was written`
}

// check is one of the things that the doctor looks at.
type check struct {
	name  string
	title string
	asked bool
	run   func(e *env, cfg config.Config) ([]diagnosis, error)
}

// The levels of a diagnosis.
const (
	levelOK   = "ok"
	levelNote = "note"
	levelBad  = "bad"
)

// diagnosis is one line of what a check found out.
type diagnosis struct {
	Check string `json:"check"`
	Level string `json:"level"`
	Kind  string `json:"kind,omitempty"`
	Line  int    `json:"line,omitempty"`
	First uint64 `json:"first,omitempty"`
	Last  uint64 `json:"last,omitempty"`
	Text  string `json:"text"`

	exit int // the exit code that a bad one asks for
}

func (c *doctorCmd) checks() []check {
	return []check{
		{name: "log", title: "Server log", asked: c.Log, run: c.checkLog},
	}
}

// Run makes the checks that were asked for, or all.
func (c *doctorCmd) Run(e *env) error {
	cfg := c.config()
	all := c.checks()
	some := false
	for _, k := range all {
		some = some || k.asked
	}
	bad, code := 0, exitDone
	for _, k := range all {
		if some && !k.asked {
			continue
		}
		found, err := k.run(e, cfg)
		if err != nil {
			return err
		}
		if !c.JSON {
			fmt.Fprintln(e.stdout, k.title)
		}
		for _, d := range found {
			d.Check = k.name
			if d.Level == levelBad {
				bad, code = bad+1, max(code, d.exit)
			}
			if c.JSON {
				err = json.NewEncoder(e.stdout).Encode(d)
			} else {
				_, err = fmt.Fprintf(e.stdout, "  %-4s  %s\n", d.Level, oneLine(d.Text))
			}
			if err != nil {
				return err
			}
		}
	}
	switch bad {
	case 0:
		return nil
	case 1:
		return &codeError{code, errors.New("one thing is not as it should be, see above")}
	}
	return &codeError{code, fmt.Errorf("%d things are not as they should be, see above", bad)}
}

// existingKeys reads the server key and makes none.
func existingKeys(cfg config.Config) (*secrets.Keyring, error) {
	dir, found := secrets.Find(cfg.Secrets, os.Getenv, "")
	if !found {
		return nil, fmt.Errorf("find server key: there is no %s in %s. Name its directory with --secrets", secrets.KeyFile, dir)
	}
	return secrets.Load(dir, secrets.LoadOptions{AllowShared: bool(cfg.SharedSecrets) || secrets.Mounted(dir, os.Getenv, "")})
}

func (c *doctorCmd) checkLog(_ *env, cfg config.Config) ([]diagnosis, error) {
	ring, err := existingKeys(cfg)
	if err != nil {
		return nil, err
	}
	for _, path := range c.Heads {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("read heads of server log: %w", err)
		}
	}
	r, err := audit.Check(cfg.ServerLogFile(), auditKeys(ring), append(headFiles(cfg.LogAnchors()), c.Heads...))
	if err != nil {
		return nil, err
	}
	var out []diagnosis
	for _, f := range r.Findings {
		out = append(out, diagnosis{Level: levelBad, Kind: f.Kind, Line: f.Line, First: f.First, Last: f.Last, Text: f.Text, exit: exitDamaged})
	}
	if r.More > 0 {
		out = append(out, diagnosis{Level: levelBad, Kind: "more", Text: fmt.Sprintf("%d more findings are not listed", r.More), exit: exitDamaged})
	}
	if len(r.Findings) == 0 {
		text := fmt.Sprintf("%d lines, numbers %d to %d, from %s to %s: each is as it was written", r.Lines, r.First, r.Last, r.Since, r.Until)
		out = append(out, diagnosis{Level: levelOK, First: r.First, Last: r.Last, Text: text})
		if r.Heads > 0 {
			out = append(out, diagnosis{Level: levelOK, Last: r.Anchored, Text: fmt.Sprintf("heads in a second place, the last of number %d", r.Anchored)})
		}
	}
	for _, n := range r.Notes {
		out = append(out, diagnosis{Level: levelNote, Text: n})
	}
	return out, nil
}
