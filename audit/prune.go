package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// prune forgets lines older than are kept, a file at a time: the log says first, in a line of its own, up to which
// number and with which MAC, so that the chain's new beginning is known. It waits until an eighth more than is kept
// is there, since the rest is written anew. A crash in between leaves the old file, which is whole.
func (l *Log) prune() error {
	limit := l.o.Now().Add(-l.o.Keep)
	if first, err := l.oldest(); err != nil || first.IsZero() || first.After(limit.Add(-l.o.Keep/8)) {
		return err
	}
	known, err := readVouches(l.o.Keys, io.NewSectionReader(l.file, 0, l.last.size))
	if err != nil {
		return fmt.Errorf("prune server log: %w", err)
	}
	at, last, err := l.cut(limit, known)
	if err != nil || at == 0 {
		return err
	}
	// What vouches for lines of which some go does not fit the rest: another one does that.
	again := map[string]bool{}
	for _, v := range known {
		if v.first <= last.seq && last.seq < v.last && v.holds() && !again[v.key] {
			again[v.key] = true
			if err := l.vouchFrom(v.key, at, known); err != nil {
				return err
			}
		}
	}
	through := Event{Name: eventCheckpoint, Counts: map[string]int64{"through": int64(last.seq)}, Info: map[string]string{"mac": last.mac.String()}}
	if gone := known.gone(); gone != "" {
		through.Info[infoGone] = gone
	}
	if err := l.write(through); err != nil {
		return err
	}
	return l.keepFrom(at)
}

// oldest is the time of the first line, zero when there is none.
func (l *Log) oldest() (time.Time, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(l.file, 0, maxLine), maxLine)
	text, err := r.ReadSlice('\n')
	if len(text) == 0 || errors.Is(err, bufio.ErrBufferFull) {
		return time.Time{}, nil
	}
	first, _, err := decode(l.o.Keys, trimEnd(text))
	if err != nil && !errors.Is(err, errKey) { // of which cut decides
		return time.Time{}, nil // Check names it
	}
	t, err := time.Parse(time.RFC3339Nano, first.Time)
	if err != nil {
		return time.Time{}, nil
	}
	return t, nil
}

// cut finds the first line that is not older than limit, and the one before it. A line that is not genuine stands in
// the way: nothing is forgotten then that might be asked for.
func (l *Log) cut(limit time.Time, known vouches) (at int64, before position, err error) {
	r := bufio.NewReaderSize(io.NewSectionReader(l.file, 0, l.last.size), maxLine)
	for {
		text, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return 0, before, nil // all are old: the newest stay until there are others
		}
		if err != nil {
			return 0, before, fmt.Errorf("prune server log: %w", err)
		}
		one, m, err := known.decode(l.o.Keys, trimEnd(text))
		if err != nil {
			return 0, before, fmt.Errorf("prune server log: the line at byte %d is not genuine (%w), so nothing was removed", at, err)
		}
		if t, err := time.Parse(time.RFC3339Nano, one.Time); err != nil || !t.Before(limit) {
			return at, before, nil
		}
		before.seq, before.mac = one.Seq, m
		at += int64(len(text))
	}
}

// keepFrom writes the file anew from a byte on and puts it in the old one's place.
func (l *Log) keepFrom(at int64) (err error) {
	path := l.o.Path + ".new"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("prune server log: %w", err)
	}
	_, err = io.Copy(f, io.NewSectionReader(l.file, at, l.last.size-at))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(path, l.o.Path)
	}
	if err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("prune server log: %w", err)
	}
	old := l.file
	if err := l.open(); err != nil {
		return err // old stays open and locked; the next line opens the new one
	}
	return errors.Join(old.Close(), syncDir(filepath.Dir(l.o.Path)))
}

func trimEnd(text []byte) []byte {
	if n := len(text); n > 0 && text[n-1] == '\n' {
		return text[:n-1]
	}
	return text
}
