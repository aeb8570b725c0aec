package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/term"
)

// An output is where the result of a command goes: standard output as it comes, or a file that appears
// whole at Commit or not at all.
type output struct {
	w      io.Writer
	file   *os.File // not there yet; nil for standard output and devices
	named  string   // the file's temporary name; empty while it has none
	path   string   // where it goes
	mode   fs.FileMode
	closer io.Closer
}

// outputOptions say what stands at the path now.
type outputOptions struct {
	inputs    []string    // files that are read: writing over one of them is refused
	exclusive bool        // what exists is never replaced
	mode      fs.FileMode // of a new file, before the umask; 0 is 0666
}

// create opens an output. "-" and "" are standard output. A symbolic link is followed, a device or a pipe
// is written as it comes. The file that is there keeps its content until Commit, and its mode.
func (e *env) create(path string, o outputOptions) (*output, error) {
	if path == "" || path == "-" {
		return &output{w: e.stdout}, nil
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("write %s: %w", path, bare(err))
	case info.IsDir():
		return nil, fmt.Errorf("write %s: it is a folder; name a file in it", path)
	case o.exclusive:
		return nil, fmt.Errorf("write %s: it exists already, and is never replaced", path)
	case !info.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", path, bare(err))
		}
		return &output{w: f, closer: f}, nil
	default:
		for _, in := range o.inputs {
			if other, err := os.Stat(in); err == nil && os.SameFile(info, other) {
				return nil, &usageError{fmt.Errorf("write %s: it is the input itself, which would be lost; name another file with -o", path)}
			}
		}
		o.mode = info.Mode().Perm()
	}
	if o.mode == 0 {
		o.mode = 0o666
	}
	out := &output{path: path, mode: o.mode}
	if out.file, out.named, err = tempFile(path, o.mode); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, bare(err))
	}
	if info != nil {
		// The mode as it was, whatever the umask.
		if err := out.file.Chmod(o.mode); err != nil {
			out.Abort()
			return nil, fmt.Errorf("write %s: %w", path, bare(err))
		}
	}
	out.w = out.file
	if o.exclusive {
		out.mode |= fs.ModeExclusive
	}
	return out, nil
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && o.path != "" {
		err = fmt.Errorf("write %s: %w; nothing was left there", o.path, bare(err))
	}
	return n, err
}

// Commit makes the file appear, after it and everything before it is on the disk. What stood there is
// replaced in one step.
func (o *output) Commit() error {
	if o.file == nil {
		if o.closer != nil {
			return o.closer.Close()
		}
		return nil
	}
	defer o.Abort()
	err := o.file.Sync()
	if err == nil {
		err = o.place()
	}
	if err == nil {
		err = syncDir(filepath.Dir(o.path))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", o.path, bare(err))
	}
	return nil
}

// place gives the file its name.
func (o *output) place() error {
	exclusive := o.mode&fs.ModeExclusive != 0
	if o.named == "" {
		if exclusive {
			return linkFile(o.file, o.path)
		}
		// No call replaces a name by an unnamed file in one step.
		name, err := freeName(o.path, func(name string) error { return linkFile(o.file, name) })
		if err != nil {
			return err
		}
		o.named = name
	}
	if exclusive {
		return os.Link(o.named, o.path)
	}
	if err := os.Rename(o.named, o.path); err != nil {
		return err
	}
	o.named = ""
	return nil
}

// Abort leaves nothing behind. After Commit it does nothing more.
func (o *output) Abort() {
	if o.named != "" {
		_ = os.Remove(o.named)
		o.named = ""
	}
	if o.file != nil {
		_ = o.file.Close()
		o.file = nil
	}
	if o.closer != nil {
		_ = o.closer.Close()
		o.closer = nil
	}
}

// namedTemp is a temporary file beside path, for systems and file systems without unnamed ones.
func namedTemp(path string, mode fs.FileMode) (*os.File, string, error) {
	var f *os.File
	name, err := freeName(path, func(name string) (err error) {
		f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		return err
	})
	return f, name, err
}

// freeName tries names beside path until make takes one that nobody has.
func freeName(path string, make func(name string) error) (string, error) {
	dir, base := filepath.Split(path)
	var err error
	for range 100 {
		name := filepath.Join(dir, "."+base+"."+randomName()+".part")
		if err = make(name); err == nil {
			return name, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return "", err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems can't sync a folder; the rename is as durable there as it gets.
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}

// bare takes the path off an error that is told with one already.
func bare(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// isTerminal tells whether a stream is a person's.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// errBinary is for output that would garble a terminal, or make it do things.
var errBinary = errors.New("write to terminal: the output is binary. Name a file with -o, or force it with '-o -'")

// textOnly lets text through to a terminal, and nothing that it would take for commands.
type textOnly struct{ w io.Writer }

func (t textOnly) Write(p []byte) (int, error) {
	if binary(p) {
		return 0, errBinary
	}
	return t.w.Write(p)
}

// binary tells whether bytes hold what a terminal would take for more than text.
func binary(p []byte) bool {
	return bytes.ContainsFunc(p, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7f
	})
}
