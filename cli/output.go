package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// An output is where the result of a command goes: a stream as it comes, or a file that appears whole at
// Commit or not at all.
type output struct {
	w      io.Writer
	file   *os.File // not there yet; nil for a stream
	named  string   // the file's temporary name; empty while it has none
	path   string   // where it goes
	mode   fs.FileMode
	fresh  bool // nothing was at path
	stream bool // what is written can't be taken back: standard output, a device or a pipe
	closer io.Closer
}

// outputOptions say what stands at the path now.
type outputOptions struct {
	exclusive bool        // what exists is never replaced
	mode      fs.FileMode // of a new file, before the umask; 0 is 0666
}

// create opens an output. "-" and "" are standard output. A symbolic link is followed, a device or a pipe
// is written as it comes. The file that is there keeps its content until Commit, and its mode and owner
// after it. One that was read is not replaced, be it the input or a key: it may be the only copy.
func (e *env) create(path string, o outputOptions) (*output, error) {
	if path == "" || path == stdinName {
		return &output{w: e.stdout, stream: true}, nil
	}
	look := os.Lstat
	if !o.exclusive {
		path, look = follow(path), os.Stat
	}
	info, err := look(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		info = nil
	case err != nil:
		return nil, fmt.Errorf("write %s: %w", path, bare(err))
	case info.IsDir():
		return nil, fmt.Errorf("write %s: it is a folder; name a file in it", path)
	case o.exclusive:
		return nil, fmt.Errorf("write %s: it exists already, and is never replaced", path)
	case e.isStdout(info):
		return &output{w: e.stdout, stream: true}, nil // /dev/stdout: what stands in that file already stays
	case !info.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", path, bare(err))
		}
		return &output{w: f, closer: f, stream: true}, nil
	}
	out := &output{path: path, mode: o.mode, fresh: info == nil}
	if info != nil {
		if err := e.replaceable(path, info); err != nil {
			return nil, err
		}
		out.mode = info.Mode().Perm()
	} else if out.mode == 0 {
		out.mode = 0o666
	}
	if out.file, out.named, err = tempFile(path, out.mode); err != nil {
		return nil, fmt.Errorf("write %s: make a file in its folder: %w", path, bare(err))
	}
	if info != nil {
		keepOwner(out.file, info)
		// The mode as it was, whatever the umask. Last, since a change of the owner takes from it.
		if err := out.file.Chmod(out.mode); err != nil {
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

// replaceable tells whether a file may be replaced.
func (e *env) replaceable(path string, info fs.FileInfo) error {
	for _, read := range e.used {
		if os.SameFile(info, read) {
			return &usageError{fmt.Errorf("write %s: it is the input itself or a key, which would be lost; name another file with -o", path)}
		}
	}
	if err := writable(path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// follow returns where symbolic links lead, also when there is nothing at their end yet.
func follow(path string) string {
	if end, err := filepath.EvalSymlinks(path); err == nil {
		return end
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path // such as /dev/stdout, which leads to what has no name
	}
	end := path
	for range 40 { // as many as Linux follows
		dir, err := filepath.EvalSymlinks(filepath.Dir(end))
		if err != nil {
			return path
		}
		end = filepath.Join(dir, filepath.Base(end))
		target, err := os.Readlink(end)
		switch {
		case err != nil:
			return end
		case filepath.IsAbs(target):
			end = target
		default:
			end = dir + string(filepath.Separator) + target
		}
	}
	return path
}

// isStdout tells whether a file is the one that standard output goes to.
func (e *env) isStdout(info fs.FileInfo) bool {
	f, ok := e.stdout.(*os.File)
	if !ok {
		return false
	}
	out, err := f.Stat()
	return err == nil && os.SameFile(info, out)
}

// streams tells whether what goes to an output can't be taken back.
func streams(w io.Writer) bool {
	o, ok := w.(*output)
	return !ok || o.stream
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && !o.stream {
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
		if exclusive || o.fresh {
			err := linkFile(o.file, o.path)
			if err == nil || exclusive || !errors.Is(err, fs.ErrExist) {
				return err
			}
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

// maxTempBase is what is kept of a name in a temporary one, in bytes: file systems take 255, and 22 are added.
const maxTempBase = 200

// freeName tries names beside path until make takes one that nobody has.
func freeName(path string, make func(name string) error) (string, error) {
	dir, base := filepath.Split(path)
	base = base[:min(len(base), maxTempBase)]
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
