package cli

import (
	"fmt"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"
	posener "github.com/posener/complete"

	"zencrypt/crypto/digest"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is the long text of `zencrypt completion --help`.
func (completionCmd) Help() string {
	return `Prints what the shell has to run once. Put it where your shell reads it at its start:

    zencrypt completion bash >> ~/.bashrc
    zencrypt completion zsh >> ~/.zshrc
    zencrypt completion fish > ~/.config/fish/completions/zencrypt.fish

The shell then asks this very program file for what can follow.

` + exitCodes
}

func (c *completionCmd) Run(e *env, k *kong.Context) (err error) {
	defer func() {
		// The module ends the program when it has printed.
		if r := recover(); r != nil {
			if _, ok := r.(exitPanic); !ok {
				panic(r)
			}
		}
	}()
	return (&kongcompletion.Completion{Shell: c.Shell, Code: true}).Run(k)
}

// complete answers a shell, which asks through the variables COMP_LINE and COMP_POINT.
func complete(parser *kong.Kong) int {
	var algorithms []string
	for _, a := range digest.Algorithms() {
		algorithms = append(algorithms, a.ID)
	}
	code := exitDone
	kongcompletion.Register(parser,
		kongcompletion.WithPredictor("file", posener.PredictFiles("*")),
		kongcompletion.WithPredictor("dir", posener.PredictDirs("*")),
		kongcompletion.WithPredictor("algorithm", posener.PredictSet(algorithms...)),
		kongcompletion.WithErrorHandler(func(err error) { fmt.Fprintln(parser.Stderr, "zencrypt:", err); code = exitError }),
		kongcompletion.WithExitFunc(func(int) {}))
	return code
}
