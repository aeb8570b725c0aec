package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// results is where the outputs of a command go: one rule for encrypt and decrypt.
type results struct {
	Out    string `name:"output" short:"o" placeholder:"OUT" help:"Write to OUT, which appears whole or not at all; what was there stays when something fails. '-' is standard output."`
	OutDir string `name:"out-dir" placeholder:"DIR" help:"Write each input's result into DIR under its own name; nothing there is replaced."`
}

// A task is one input with the place of its result.
type task struct {
	in  source
	out string // a path, or "-"
	own bool   // the name was derived, so nothing is replaced
}

// plan gives each input its output. nameOf derives a name for --out-dir.
func (r results) plan(list []source, nameOf func(source) string) ([]task, error) {
	switch {
	case r.Out != "" && r.OutDir != "":
		return nil, &usageError{errors.New("use -o or --out-dir, not both")}
	case r.OutDir == "" && len(list) > 1:
		return nil, &usageError{errors.New("several inputs need a folder for their results: name it with --out-dir")}
	case r.OutDir == "":
		return []task{{in: list[0], out: r.Out}}, nil
	}
	if info, err := os.Stat(r.OutDir); err != nil {
		return nil, fmt.Errorf("use --out-dir %s: %w", r.OutDir, bare(err))
	} else if !info.IsDir() {
		return nil, &usageError{fmt.Errorf("use --out-dir %s: it is not a folder", r.OutDir)}
	}
	seen := map[string]string{}
	var tasks []task
	for _, in := range list {
		out := filepath.Join(r.OutDir, nameOf(in))
		if first, twice := seen[out]; twice {
			return nil, &usageError{fmt.Errorf("two inputs would become %s: %s and %s; do one at a time with -o", out, first, in.name)}
		}
		seen[out] = in.name
		tasks = append(tasks, task{in: in, out: out, own: true})
	}
	return tasks, nil
}

// toTerminal tells whether the results come to a person's screen, who did not ask for it with '-o -'.
func (r results) toTerminal(e *env) bool {
	return r.Out == "" && r.OutDir == "" && isTerminal(e.stdout)
}

// run works on the tasks one after the other. One that fails does not keep the others from being done;
// with several, each failure gets its line, and the first one decides the exit code.
func (e *env) run(tasks []task, work func(task) error) error {
	var first error
	for _, t := range tasks {
		if e.ctx.Err() != nil {
			return errInterrupted
		}
		err := work(t)
		if err == nil {
			continue
		}
		if len(tasks) == 1 || errors.Is(err, errInterrupted) {
			return err
		}
		e.fail(fmt.Errorf("%s: %w", t.in.name, err))
		if first == nil {
			first = err
		}
	}
	if first != nil {
		return &toldError{first}
	}
	return nil
}

// toldError is an error whose line was printed.
type toldError struct{ err error }

func (e *toldError) Error() string { return e.err.Error() }
func (e *toldError) Unwrap() error { return e.err }

// deliver has write fill an output, and makes it appear when all went well. The first signal ends it,
// also in the middle of a read that does not come back.
func (e *env) deliver(path string, o outputOptions, write func(io.Writer) error) error {
	out, err := e.create(path, o)
	if err != nil {
		return err
	}
	defer out.Abort()
	if _, err := answer(e.ctx, func() (struct{}, error) { return struct{}{}, write(out) }); err != nil {
		return err
	}
	return out.Commit()
}
