package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"zencrypt/config"
)

// doctorSettings are those of the server, without their Validate: they are whole only together with a settings file.
type doctorSettings config.Config

type doctorCmd struct {
	Server   doctorSettings `embed:""`
	Check    []string       `name:"check" placeholder:"NAME" help:"What to look at, by comma: service, tls, files, keys, database, backup, disk, machine, unit, log. Default: all."`
	Log      bool           `name:"log" help:"Check the server log: every line's MAC, that none is missing, exchanged or cut off, and the heads. The same as --check log."`
	Heads    []string       `name:"heads" placeholder:"FILE" help:"More files of heads, such as what a syslog on another machine kept."`
	Deep     bool           `name:"deep" help:"Read all of the databases, and compare every file of the vault with the row that names it."`
	Settings string         `name:"settings" placeholder:"FILE" help:"Settings of the service, NAME=value a line. Default: those of an installed service, unless --data or ZENCRYPT_DATA says where else to look."`
	JSON     bool           `name:"json" help:"Print one JSON object a line."`
	Root     string         `name:"root" hidden:"" placeholder:"DIR" help:"Look for /etc, /proc and the units below DIR."`
}

// Help is the long text of 'zencrypt doctor --help'.
func (doctorCmd) Help() string {
	return `Looks at an installation from the outside and from the inside, says what it finds and what to do about it, and
changes nothing. The server may run meanwhile, or not. Give it the settings that the server has: the same flags and
variables as for 'serve', or --settings FILE; where a service is installed and nothing else is named, its own are
taken. Run it as root, or as the user that the server runs as; what others can't see is left out, and said.

It asks nobody but the server itself, on its own address and under the name that people type.

--log finds a line of the server log that was changed, is missing, or stands in another's place, and names it. Lines
that were cut off at the end are found up to the last head that a second place holds (--log-anchor, --heads).

A finding is ok, a note (worth to know, or to change some time), or bad, which gives exit code 1, or 4 for a damaged
database, file or log. With --json a line has check, level, text and
do, and for the log kind, line, first and last.

` + exitCodes + `. With --log: the log is not as it was written`
}

// check is one of the things that the doctor looks at.
type check struct {
	name  string
	title string
	run   func(v *visit) error
}

// The levels of a diagnosis.
const (
	levelOK   = "ok"
	levelNote = "note"
	levelBad  = "bad"
)

// diagnosis is one line of what a check found out. Do says what to do about it.
type diagnosis struct {
	Check string `json:"check"`
	Level string `json:"level"`
	Kind  string `json:"kind,omitempty"`
	Line  int    `json:"line,omitempty"`
	First uint64 `json:"first,omitempty"`
	Last  uint64 `json:"last,omitempty"`
	Text  string `json:"text"`
	Do    string `json:"do,omitempty"`

	exit int // the exit code that a bad one asks for, 1 unless it says another
}

func (c *doctorCmd) checks() []check {
	return []check{
		{"service", "Service", checkService},
		{"tls", "TLS", checkTLS},
		{"files", "Files", checkFiles},
		{"keys", "Server key", checkKeys},
		{"database", "Database", checkDatabase},
		{"backup", "Backup", checkBackup},
		{"disk", "Disk", checkDisk},
		{"machine", "Machine", checkMachine},
		{"unit", "systemd", checkUnit},
		{"log", "Server log", c.checkLog},
	}
}

// asked are the checks to make.
func (c *doctorCmd) asked() ([]check, error) {
	names := c.Check
	if c.Log {
		names = append(names, "log")
	}
	all := c.checks()
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, k := range all {
		known = append(known, k.name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, &usageError{fmt.Errorf("set --check: there is no %q; give some of %s", name, strings.Join(known, ", "))}
		}
	}
	return slices.DeleteFunc(all, func(k check) bool { return !slices.Contains(names, k.name) }), nil
}

// Run makes the checks that were asked for, or all. A check that can't be made is a finding, unless it is the only one.
func (c *doctorCmd) Run(e *env) error {
	some, err := c.asked()
	if err != nil {
		return err
	}
	v, err := c.visit(e)
	if err != nil {
		return err
	}
	v.tells = slices.ContainsFunc(some, func(k check) bool { return k.name == "database" })
	bad, code := 0, exitDone
	for _, k := range some {
		v.found = nil
		if err := k.run(v); err != nil {
			if len(some) == 1 || e.ctx.Err() != nil {
				return err
			}
			v.bad("", "can't be looked at: %v", err)
		}
		if !c.JSON {
			fmt.Fprintln(e.stdout, k.title)
		}
		for _, d := range v.found {
			d.Check = k.name
			if d.Level == levelBad {
				bad, code = bad+1, max(code, d.exit, exitError)
			}
			if err := c.print(e, d); err != nil {
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

func (c *doctorCmd) print(e *env, d diagnosis) error {
	if c.JSON {
		d.Text, d.Do = oneLine(d.Text), oneLine(d.Do)
		out := json.NewEncoder(e.stdout)
		out.SetEscapeHTML(false)
		return out.Encode(d)
	}
	_, err := fmt.Fprintf(e.stdout, "  %-4s  %s\n", d.Level, oneLine(d.Text))
	if err == nil && d.Do != "" {
		_, err = fmt.Fprintf(e.stdout, "        > %s\n", oneLine(d.Do))
	}
	return err
}
