package sop

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	fromEnv = "@ENV:"
	fromFD  = "@FD:"
)

// designator tells whether a name stands for something else than a file. A file that is
// called so makes it ambiguous; as ./@... it can still be named.
func designator(name string) (bool, error) {
	if !strings.HasPrefix(name, "@") {
		return false, nil
	}
	if _, err := os.Lstat(name); err == nil {
		return true, fail(AmbiguousInput, "use %s: there is a file of that name; write ./%s for it, or move it away", name, name)
	}
	return true, nil
}

// open opens an input.
func open(name string) (io.ReadCloser, error) {
	special, err := designator(name)
	switch {
	case err != nil:
		return nil, err
	case strings.HasPrefix(name, fromEnv):
		value, ok := os.LookupEnv(strings.TrimPrefix(name, fromEnv))
		if !ok {
			return nil, fail(MissingInput, "read %s: the environment has no such variable", name)
		}
		return io.NopCloser(strings.NewReader(value)), nil
	case strings.HasPrefix(name, fromFD):
		return openFD(name, MissingInput)
	case special:
		return nil, fail(UnsupportedSpecialPrefix, "read %s: only %sNAME and %sN are known; write ./%s for a file", name, fromEnv, fromFD, name)
	}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fail(MissingInput, "read %s: there is no such file", name)
	}
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return f, nil
}

// openFD returns a copy of a file that is open already, so that closing it leaves the other
// to who named it twice.
func openFD(name string, missing Code) (*os.File, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(name, fromFD), 10, 31)
	if err != nil {
		return nil, fail(missing, "use %s: that is no number of an open file", name)
	}
	fd, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fail(missing, "use %s: that file is not open: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// read returns an input of at most limit bytes.
func (j *job) read(name string, limit int64) ([]byte, error) {
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(&untilDone{j.ctx, f}, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", name, err)
	case int64(len(b)) > limit:
		return nil, fail(BadData, "read %s: it has more than %d bytes", name, limit)
	}
	return b, nil
}

// An output is a file beside standard output. It is made before any work, so that no work is
// in vain, and removed again when the run fails.
type output struct {
	name string
	f    *os.File
	made bool
}

// create makes an output, nil for an empty name. Nothing that exists is replaced.
func (j *job) create(name string, mode fs.FileMode) (*output, error) {
	if name == "" {
		return nil, nil
	}
	special, err := designator(name)
	o := &output{name: name}
	switch {
	case err != nil:
		return nil, err
	case strings.HasPrefix(name, fromFD):
		if o.f, err = openFD(name, UnspecifiedFailure); err != nil {
			return nil, err
		}
	case special:
		return nil, fail(UnsupportedSpecialPrefix, "write %s: only %sN can be written to; write ./%s for a file", name, fromFD, name)
	default:
		o.f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, fs.ErrExist) {
			return nil, fail(OutputExists, "write %s: it exists already, and is never replaced", name)
		}
		if err != nil {
			return nil, fmt.Errorf("write: %w", err)
		}
		o.made = true
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ended {
		o.abort()
		return nil, errors.New("interrupted")
	}
	j.outputs = append(j.outputs, o)
	return o, nil
}

// write writes all that an output gets; a nil one gets nothing.
func (o *output) write(b []byte) error {
	if o == nil {
		return nil
	}
	if _, err := o.f.Write(b); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

func (o *output) abort() {
	_ = o.f.Close()
	if o.made {
		_ = os.Remove(o.name)
	}
}

// finish closes the outputs, or removes them after an error.
func (j *job) finish(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = true
	for _, o := range j.outputs {
		if err == nil {
			if err = o.f.Close(); err == nil {
				continue
			}
			err = fmt.Errorf("write: %w", err)
		}
		o.abort()
	}
	return err
}
