// Package cli is the zencrypt command: the only place where the parts are wired together.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"unicode"

	"github.com/alecthomas/kong"
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

	data    []workplace       // data directories whose owner gets what was made there, see worksOn
	used    []fs.FileInfo     // what was read so far, which no output may replace
	phrases map[string]string // what stands in files of passphrases: one that is a pipe is read only once

	// asking is held while a terminal shows nothing of what is typed. The program ends with it, so that a signal
	// which ends all other work at once still leaves the terminal as it was.
	asking sync.Mutex
}

type commands struct {
	Encrypt    encryptCmd    `cmd:"" help:"Encrypt files, folders or standard input."`
	Decrypt    decryptCmd    `cmd:"" help:"Decrypt anything: the format is recognised, the key that fits is found."`
	Sign       signCmd       `cmd:"" help:"Sign a file or a text with an OpenPGP key."`
	Verify     verifyCmd     `cmd:"" help:"Tell who signed something, and whether it was changed."`
	Hash       hashCmd       `cmd:"" help:"Compute and check digests and HMACs."`
	Password   passwordCmd   `cmd:"" help:"Make and verify password strings, as user tables hold them."`
	Keygen     keygenCmd     `cmd:"" help:"Make a key, or print the public part of one."`
	Inspect    inspectCmd    `cmd:"" help:"Tell what an input is. Opens nothing."`
	Sop        sopCmd        `cmd:"" passthrough:"" help:"Stateless OpenPGP: the command line that other programs drive, see 'zencrypt sop --help'."`
	Backup     backupCmd     `cmd:"" help:"Copy what a server keeps, while it runs."`
	Restore    restoreCmd    `cmd:"" help:"Check a backup, or make a data directory of it."`
	Serve      serveCmd      `cmd:"" help:"Run the server. Makes its data, its keys and its database when they are not there."`
	Import     importCmd     `cmd:"" help:"Bring the accounts of an older Zencrypt along."`
	Migrate    migrateCmd    `cmd:"" help:"Tell, apply and take back what a version changes in the databases."`
	Secrets    secretsCmd    `cmd:"" help:"Make, check, exchange and remove the server key."`
	User       userCmd       `cmd:"" help:"Add, list, invite, suspend and delete accounts on this machine."`
	Install    installCmd    `cmd:"" help:"Make a server of this machine: user, key, systemd unit, start."`
	Uninstall  uninstallCmd  `cmd:"" help:"Stop the server and take it off this machine; the data stays."`
	Doctor     doctorCmd     `cmd:"" help:"Look whether a server's data is as it should be. Changes nothing."`
	Completion completionCmd `cmd:"" help:"Print what makes a shell complete this command."`
	Assets     assetsCmd     `cmd:"" help:"List the files that the program gives to browsers, with their digests."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

const description = `Hash, encrypt, decrypt and keep text and files, on a machine you own.

` + exitCodes

// Run runs one command and returns its exit code, see exitCodes. One line on stderr says why.
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
	if line, ok := asked(os.Getenv); ok {
		complete(parser.Model, line, stdout)
		return exitDone
	}
	parsed, code := parse(parser, args, &exited)
	if code >= 0 {
		return code
	}
	if parsed.err != nil {
		fmt.Fprintf(stderr, "zencrypt: %s; see 'zencrypt --help' or 'zencrypt COMMAND --help'\n", oneLine(parsed.err.Error()))
		return exitUsage
	}
	e := &env{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr}
	err = parsed.ctx.Run(e)
	e.handOver()
	e.asking.Lock()
	e.fail(err)
	return exitCode(err)
}

// fail says in one line why something failed.
func (e *env) fail(err error) {
	var told *toldError
	if err != nil && !errors.As(err, &told) {
		fmt.Fprintln(e.stderr, "zencrypt:", oneLine(err.Error()))
	}
}

func (e *env) warn(text string) { fmt.Fprintln(e.stderr, "zencrypt: warning:", oneLine(text)) }

// typedSecret is a private key of age's, or one of Fernet's or a server's (32 bytes in base64 of either alphabet), which a
// person may give where a file's name belongs. One that begins with a dash looks like a flag, and is quoted as such.
var typedSecret = regexp.MustCompile(`(?i)AGE-(SECRET-KEY-|PLUGIN-)[0-9A-Z-]{16,}|[-0-9A-Z_+/]{43}=`)

// oneLine is a message that stays on its line of a terminal, whatever names stand in it, and repeats no
// private key.
func oneLine(text string) string {
	text = typedSecret.ReplaceAllString(strings.ReplaceAll(strings.TrimSpace(text), "\n", "; "), "[a private key, which belongs into a file]")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// describe is what the help says of a flag or argument: kong leaves out the default where there is a
// placeholder, and that a switch takes on and off.
func describe(v *kong.Value) string {
	s := v.Help
	if v.HasDefault && v.Default != "" && !strings.Contains(s, "Default: ") {
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
