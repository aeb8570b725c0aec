package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Append adds an event. The error has been told to Report already: who adds because something happened can leave
// it at that.
func (l *Log) Append(e Event) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.locked(func() error {
		if l.lost > 0 {
			if err := l.write(Event{Name: eventLost, Counts: map[string]int64{"lines": l.lost}}); err != nil {
				return err
			}
			l.lost = 0
		}
		return l.write(e)
	})
	if err != nil {
		l.lost++
		l.report(err)
		return err
	}
	if l.since >= l.o.Every {
		l.head()
	}
	return nil
}

// locked runs f while no other process adds to the file, and knows its end.
func (l *Log) locked(f func() error) error {
	if l.closed {
		return errors.New("write server log: it is closed")
	}
	if l.file == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if err := l.lock(); err != nil {
		return err
	}
	defer func() { _ = syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN) }()
	info, err := l.file.Stat()
	if err != nil {
		return fmt.Errorf("write server log: %w", err)
	}
	if l.last.size != info.Size() {
		if l.last, err = l.tail(info.Size()); err != nil {
			l.last.size = -1
			return fmt.Errorf("read the end of the server log: %w", err)
		}
	}
	return f()
}

// lock takes the file's lock. A prune by another process puts another file in its place, which is opened then.
func (l *Log) lock() error {
	for range 8 {
		if err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_EX); err != nil {
			return fmt.Errorf("lock server log: %w", err)
		}
		there, err := os.Stat(l.o.Path)
		mine, err2 := l.file.Stat()
		if err == nil && err2 == nil && os.SameFile(there, mine) {
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look at server log: %w", err)
		}
		_ = l.file.Close()
		l.file = nil
		if err := l.open(); err != nil {
			return err
		}
	}
	return errors.New("lock server log: it is replaced all the time")
}

// write adds one line, and before it what says that the bytes at the end are no line.
func (l *Log) write(e Event) error {
	var out []byte
	next := l.last
	if next.newline {
		out = append(out, '\n')
	}
	lines := 1
	if next.skipped > 0 {
		torn := Event{Name: eventTorn, Counts: map[string]int64{"bytes": next.skipped}, Info: map[string]string{"sha256": next.digest}}
		out = l.encode(out, &next, torn)
		lines++
	}
	out = l.encode(out, &next, e)
	n, err := l.file.Write(out)
	if err != nil {
		l.last.size = -1 // a part may have been written
		return fmt.Errorf("write server log: %w", err)
	}
	next.size, next.skipped, next.digest, next.newline = l.last.size+int64(n), 0, "", false
	l.last = next
	l.since += lines
	select {
	case l.dirty <- struct{}{}:
	default:
	}
	return nil
}

// encode adds a line to out and moves the position behind it.
func (l *Log) encode(out []byte, p *position, e Event) []byte {
	b, m := encode(l.o.Keys, line{
		Seq: p.seq + 1, Time: l.o.Now().UTC().Format(time.RFC3339Nano), Event: e.Name, Account: e.Account, By: e.By,
		Counts: e.Counts, Info: e.Info, Key: l.o.Keys.Active, Prev: p.mac.String(),
	})
	p.seq, p.mac = p.seq+1, m
	return append(out, b...)
}

func (l *Log) report(err error) {
	if now := l.o.Now(); l.reported.IsZero() || now.Sub(l.reported) >= reportEvery {
		l.reported = now
		l.o.Report(err)
	}
}
