// Package cli is the zencrypt command: the only place where the parts are wired together.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/alecthomas/kong"
)

// Exit codes, as DESIGN lists them for every command.
const (
	exitDone  = 0
	exitError = 1
	exitUsage = 2
)

// version is set by the linker from git; a build without it says what the module knows.
var version = ""

// Version is what this binary calls itself.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}

// env is what commands get from outside.
type env struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
}

type commands struct {
	Serve   serveCmd   `cmd:"" help:"Run the server. Makes its data, its keys and its database when they are not there."`
	User    userCmd    `cmd:"" help:"Add, list and delete accounts on this machine."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

const description = `Hash, encrypt, decrypt and keep text and files, on a machine you own.

` + exitCodes

// exitCodes is part of the help of every command.
const exitCodes = `Exit codes:

    0  done; of 'serve': ended by SIGTERM or Ctrl+C
    1  failed, with one line on standard error that says why
    2  wrong usage, or a setting that can't be used`

// Run runs one command and returns its exit code: 0 done, 1 failed, 2 wrong usage or setting. One line on
// stderr says why.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if err := harden(); err != nil {
		fmt.Fprintln(stderr, "zencrypt: warning:", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	var c commands
	exited := -1
	parser, err := kong.New(&c, kong.Name("zencrypt"), kong.Description(description), kong.UsageOnError(), kong.ValueFormatter(describe),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { exited = code; panic(exitPanic{}) }))
	if err != nil {
		fmt.Fprintln(stderr, "zencrypt:", err)
		return exitError
	}
	parsed, code := parse(parser, args, &exited)
	if code >= 0 {
		return code
	}
	if parsed.err != nil {
		fmt.Fprintf(stderr, "zencrypt: %v\nRun 'zencrypt --help', or 'zencrypt COMMAND --help'.\n", parsed.err)
		return exitUsage
	}
	if err := parsed.ctx.Run(&env{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr}); err != nil {
		fmt.Fprintln(stderr, "zencrypt:", strings.TrimSpace(err.Error()))
		var u *usageError
		if errors.As(err, &u) {
			return exitUsage
		}
		return exitError
	}
	return exitDone
}

// describe is what the help says of a flag or argument: kong leaves out the default where there is a
// placeholder, and that a switch takes on and off.
func describe(v *kong.Value) string {
	s := v.Help
	if v.HasDefault {
		s += " Default: " + v.Default
		if v.IsBool() {
			s += "; give on or off"
		}
		s += "."
	}
	if len(v.Tag.Envs) > 0 {
		s += " ($" + strings.Join(v.Tag.Envs, ", $") + ")"
	}
	return s
}

type exitPanic struct{}

type parsed struct {
	ctx *kong.Context
	err error
}

// parse runs kong's parser; --help ends the program from inside it, which Exit turns into a panic.
func parse(k *kong.Kong, args []string, exited *int) (p parsed, code int) {
	code = -1
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(exitPanic); !ok {
				panic(r)
			}
			code = *exited
		}
	}()
	p.ctx, p.err = k.Parse(args)
	return p, code
}

// usageError is a command line that can't be right, whatever the state of things.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

type versionCmd struct{}

// Help is the long text of `zencrypt version --help`.
func (versionCmd) Help() string { return exitCodes }

func (versionCmd) Run(e *env) error {
	_, err := fmt.Fprintln(e.stdout, "zencrypt", Version())
	return err
}
