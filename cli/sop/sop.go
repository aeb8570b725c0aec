// Package sop is the Stateless OpenPGP command line, draft-dkg-openpgp-stateless-cli-14, which
// other programs and test suites drive. Its options, files and exit codes are the draft's and
// not those of the other commands.
//
// What decrypt and inline-verify put out was authenticated or verified before: content that
// cannot be checked as it comes is held in memory, up to [MaxHeld].
package sop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/alecthomas/kong"
)

// Spec is the version of the draft.
const Spec = "draft-dkg-openpgp-stateless-cli-14"

// A Program runs subcommands.
type Program struct {
	Version string           // of the program that this is part of
	Now     func() time.Time // nil for the real clock
	MaxHeld int64            // bytes of content that are held back; 0 is [MaxHeld]
}

// grammar is every subcommand; kong names them after the fields.
type grammar struct {
	Version           versionCmd        `cmd:"" help:"Print the version."`
	ListProfiles      listProfilesCmd   `cmd:"" help:"Print the profiles of a subcommand."`
	GenerateKey       generateKeyCmd    `cmd:"" help:"Make a private key."`
	ChangeKeyPassword changePasswordCmd `cmd:"" help:"Lock private keys with another password, or with none."`
	RevokeKey         revokeKeyCmd      `cmd:"" help:"Make the revoked certificates of private keys."`
	ExtractCert       extractCertCmd    `cmd:"" help:"Print the certificates of private keys."`
	MergeCerts        mergeCertsCmd     `cmd:"" help:"Add to certificates what other copies of them have."`
	CertifyUserid     certifyUserIDCmd  `cmd:"" help:"Sign user ids in certificates."`
	ValidateUserid    validateUserIDCmd `cmd:"" help:"Tell whether somebody vouches for a user id in certificates."`
	Sign              signCmd           `cmd:"" help:"Make detached signatures."`
	Verify            verifyCmd         `cmd:"" help:"Check detached signatures."`
	Encrypt           encryptCmd        `cmd:"" help:"Encrypt a message."`
	Decrypt           decryptCmd        `cmd:"" help:"Decrypt a message."`
	InlineDetach      inlineDetachCmd   `cmd:"" help:"Split signatures from a signed message."`
	InlineVerify      inlineVerifyCmd   `cmd:"" help:"Check a signed message, and print its content."`
	InlineSign        inlineSignCmd     `cmd:"" help:"Make a signed message."`
	Armor             armorCmd          `cmd:"" help:"Turn binary OpenPGP into text."`
	Dearmor           dearmorCmd        `cmd:"" help:"Turn text into binary OpenPGP."`
}

const description = `The Stateless OpenPGP command line (` + Spec + `).

Input and output are standard input and output. Other files are named as they are, or as @FD:N for a file that is open
already, or for inputs @ENV:NAME for what an environment variable holds. No output replaces a file.`

// A job is one run of a subcommand.
type job struct {
	ctx     context.Context
	version string
	now     func() time.Time
	maxHeld int64
	stdin   io.Reader
	stdout  io.Writer
	out     *stdout // the same

	mu      sync.Mutex
	outputs []*output
	ended   bool
}

// Run runs one subcommand and returns the draft's exit code. One line on stderr says why it
// is not 0. When ctx ends, so does the run, also in the middle of a read that does not come back.
func (p Program) Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	j := &job{ctx: ctx, version: p.Version, now: p.Now, maxHeld: p.MaxHeld, stdin: &untilDone{ctx, stdin}, stdout: stdout}
	if j.now == nil {
		j.now = time.Now
	}
	if j.maxHeld == 0 {
		j.maxHeld = MaxHeld
	}
	done := make(chan error, 1)
	go func() { done <- j.run(args) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		err = errors.New("interrupted")
	}
	if err = j.finish(err); err == nil {
		return int(Success)
	}
	fmt.Fprintln(stderr, "zencrypt sop:", strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
	return int(code(err))
}

// runner is a subcommand.
type runner interface{ Run(j *job) error }

// run parses and runs. Output that is still in the buffer is written only on success.
func (j *job) run(args []string) error {
	out := &stdout{w: bufio.NewWriterSize(j.stdout, outRoom)}
	helped := false
	parser, err := kong.New(&grammar{}, kong.Name("zencrypt sop"), kong.Description(description), kong.Writers(out, out),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Exit(func(int) { helped = true; panic(helpPanic{}) }))
	if err != nil {
		return err
	}
	err = func() error {
		defer func() {
			if r := recover(); r != nil {
				if _, ok := r.(helpPanic); !ok {
					panic(r)
				}
			}
		}()
		if err := checkArgs(parser.Model, args); err != nil {
			return err
		}
		parsed, err := parser.Parse(args)
		if err != nil {
			return fail(MissingArg, "%v", err) // all else was looked at
		}
		j.stdout, j.out = out, out
		cmd, ok := parsed.Selected().Target.Addr().Interface().(runner)
		if !ok {
			return fail(UnsupportedSubcommand, "there is no subcommand %q", args[0])
		}
		return cmd.Run(j)
	}()
	if err != nil && !helped {
		return err
	}
	if err := out.w.Flush(); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}

// outRoom is how much output waits for the end of a run, in bytes: of shorter output nothing
// is seen when the run fails.
const outRoom = 64 << 10

// stdout is standard output behind its buffer, past which io.Copy shall not reach.
type stdout struct {
	w    *bufio.Writer
	last byte
}

func (s *stdout) Write(p []byte) (int, error) {
	if len(p) > 0 {
		s.last = p[len(p)-1]
	}
	return s.w.Write(p)
}

// endLine ends the last line of armor, so that another can follow in the same file.
func (s *stdout) endLine(armored bool) error {
	if !armored || s.last == '\n' {
		return nil
	}
	_, err := s.Write([]byte{'\n'})
	return err
}

type helpPanic struct{}

// checkArgs tells apart what kong reports as one kind of error: the draft has an exit code for each.
func checkArgs(app *kong.Application, args []string) error {
	if len(args) == 0 {
		return fail(MissingArg, "name a subcommand: 'zencrypt sop --help' lists them")
	}
	if args[0] == "--help" || args[0] == "-h" {
		return nil
	}
	for _, node := range app.Children {
		if node.Name == args[0] {
			return checkOptions(node, args[1:])
		}
	}
	return fail(UnsupportedSubcommand, "there is no subcommand %q", args[0])
}

func checkOptions(node *kong.Node, args []string) error {
	flags := make(map[string]*kong.Flag)
	for _, group := range node.AllFlags(false) {
		for _, f := range group {
			flags[f.Name] = f
			for _, alias := range f.Aliases {
				flags[alias] = f
			}
		}
	}
	for i := 0; i < len(args) && args[i] != "--"; i++ {
		arg := args[i]
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			if len(node.Positional) == 0 {
				return fail(UnsupportedOption, "%s takes no argument %q", node.Name, arg)
			}
			continue
		}
		name, value, given := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		f := flags[name]
		switch {
		case arg == "-h":
		case f == nil || !strings.HasPrefix(arg, "--"):
			return fail(UnsupportedOption, "%s has no option %s", node.Name, "--"+strings.TrimLeft(name, "-"))
		case f.IsBool() && given:
			return fail(UnsupportedOption, "--%s takes no value", name)
		case !f.IsBool() && !given:
			if i++; i == len(args) {
				return fail(MissingArg, "--%s needs a value", name)
			}
		case !f.IsBool() && value == "":
			return fail(MissingArg, "--%s needs a value", name)
		}
	}
	return nil
}

// untilDone ends reading when the context does.
type untilDone struct {
	ctx context.Context
	src io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.src.Read(p)
}
