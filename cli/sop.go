package cli

import (
	"errors"

	"zencrypt/cli/sop"
)

// sopCmd hands everything on: options and exit codes are those of Stateless OpenPGP.
type sopCmd struct {
	Args []string `arg:"" optional:"" name:"verb"`
}

func (c *sopCmd) Run(e *env) error {
	code := sop.Program{Version: Version()}.Run(e.ctx, c.Args, e.stdin, e.stdout, e.stderr)
	if code == exitDone {
		return nil
	}
	return &toldError{&codeError{code, errors.New("sop")}}
}
