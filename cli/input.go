package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A source is one input of a command.
type source struct {
	name   string // as it was given; "-" is standard input
	size   int64  // in bytes; -1 when it is not known
	start  int64  // where standard input, when it is a file, was at first
	folder bool
	seeks  bool // a regular file, which can be read twice
}

// stdinName stands for standard input where a file's name may stand.
const stdinName = "-"

// sources looks at the inputs of a command line; none is standard input. Nothing is opened yet, so that
// the second one's absence is known before the first is worked on.
func (e *env) sources(args []string) ([]source, error) {
	if len(args) == 0 {
		args = []string{stdinName}
	}
	var list []source
	var fromStdin int
	for _, name := range args {
		s := source{name: name, size: -1}
		var info fs.FileInfo
		var err error
		switch f, ok := e.stdin.(*os.File); {
		case name != stdinName:
			if info, err = os.Stat(name); err != nil {
				return nil, fmt.Errorf("read %s: %w", name, bare(err))
			}
		case ok:
			fromStdin++
			if info, err = f.Stat(); err != nil {
				info = nil
			} else if info.IsDir() {
				return nil, &usageError{errors.New("read standard input: it is a folder; name it as an argument")}
			} else if s.start, err = f.Seek(0, io.SeekCurrent); err != nil {
				s.start = 0
			}
		default:
			fromStdin++
		}
		if info != nil {
			s.folder = info.IsDir()
			if info.Mode().IsRegular() {
				s.size, s.seeks = max(info.Size()-s.start, 0), true
			}
			e.used = append(e.used, info)
		}
		list = append(list, s)
	}
	if fromStdin > 1 {
		return nil, &usageError{errors.New("read standard input: it can be named only once")}
	}
	return list, nil
}

// open opens a file for reading. Each read asks whether the program shall end.
func (e *env) open(s source) (io.ReadCloser, error) {
	if s.name == stdinName {
		if f, ok := e.stdin.(io.Seeker); ok && s.seeks {
			if _, err := f.Seek(s.start, io.SeekStart); err != nil {
				return nil, fmt.Errorf("read standard input: %w", bare(err))
			}
		}
		return io.NopCloser(&untilDone{ctx: e.ctx, src: e.stdin}), nil
	}
	f, err := os.Open(s.name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.name, bare(err))
	}
	if info, err := f.Stat(); err == nil {
		e.used = append(e.used, info)
	}
	return struct {
		io.Reader
		io.Closer
	}{&untilDone{ctx: e.ctx, src: f, name: s.name}, f}, nil
}

// errInterrupted ends a command at the first signal.
var errInterrupted = errors.New("interrupted; nothing unfinished was left behind")

// untilDone ends reading when the context does, and names the file in errors.
type untilDone struct {
	ctx  context.Context
	src  io.Reader
	name string
}

func (u *untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, errInterrupted
	}
	n, err := u.src.Read(p)
	if err != nil && err != io.EOF && u.name != "" {
		err = fmt.Errorf("read %s: %w", u.name, bare(err))
	}
	return n, err
}

// base is the last part of a source's name.
func (s source) base() string {
	if s.name == stdinName {
		return "stdin"
	}
	if abs, err := filepath.Abs(s.name); err == nil {
		return filepath.Base(abs)
	}
	return filepath.Base(s.name)
}
