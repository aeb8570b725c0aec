package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
)

// eventKeyGone vouches for the lines of a server key that is about to go: a line under the key that stays, with their
// numbers and a digest of their bytes. It proves them as far as they were proven then, all of them together.
const eventKeyGone = "key-removed"

// A vouch is what such a line says.
type vouch struct {
	at          uint64 // its own number
	key         string // fingerprint of the server key that went
	first, last uint64 // numbers of the lines
	lines       int64  // how many there are
	unproven    int64  // of these, how many could not be checked then either
	digest      string // SHA-256 of them in hex, their line ends included

	sum   hash.Hash
	found int64
}

func (v *vouch) add(l line, text []byte) {
	if v.sum == nil {
		v.sum = sha256.New()
	}
	if v.found == 0 {
		v.first = l.Seq
	}
	v.last = l.Seq
	v.found++
	v.sum.Write(trimEnd(text))
	v.sum.Write([]byte{'\n'})
}

func (v *vouch) event() Event {
	return Event{Name: eventKeyGone,
		Counts: map[string]int64{"first": int64(v.first), "last": int64(v.last), "lines": v.found, "unproven": v.unproven},
		Info:   map[string]string{"key": v.key, "sha256": hex.EncodeToString(v.sum.Sum(nil))}}
}

// Vouch adds what vouches for the lines of a server key, before that key is removed, so that [Check] goes on to know
// them and they are forgotten at their time like all others. A log without such lines gets nothing. A key that is among
// Keys.Lost is vouched for too, as one whose lines nobody could check.
func (l *Log) Vouch(key string) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.locked(func() error { return l.vouchFrom(key, 0, nil) })
	if err != nil {
		l.report(err)
		return err
	}
	l.head()
	return nil
}

// vouchFrom vouches for the lines of a key that stand behind a byte of the file. known are those that were vouched for.
func (l *Log) vouchFrom(key string, at int64, known vouches) error {
	v := &vouch{key: key}
	err := eachLine(io.NewSectionReader(l.file, at, l.last.size-at), func(text []byte) {
		if !bytes.Contains(text, []byte(key)) {
			return
		}
		one, _, err := decode(l.o.Keys, trimEnd(text))
		if one.Key != key {
			return
		}
		if err != nil && (!errors.Is(err, errKey) || known.of(one) == nil) {
			v.unproven++
		}
		v.add(one, text)
	})
	if err != nil {
		return fmt.Errorf("vouch for lines of server log: %w", err)
	}
	if v.found == 0 {
		return nil
	}
	return l.write(v.event())
}

// vouches are those of a log for server keys that are not there any more.
type vouches []*vouch

// readVouches finds them and compares each with the lines that it speaks of. One may stand among lines that another vouches
// for, when several server keys went one after another.
func readVouches(keys Keys, src io.ReadSeeker) (all vouches, err error) {
	gone, kept := []byte(`"event":"`+eventKeyGone+`"`), []byte(`"`+infoGone+`":"`)
	seen := map[uint64]bool{}
	for {
		var more vouches
		err := eachLine(src, func(text []byte) {
			if !bytes.Contains(text, gone) && !bytes.Contains(text, kept) {
				return
			}
			l, _, err := all.decode(keys, trimEnd(text))
			if err != nil || seen[l.Seq] {
				return
			}
			if l.Event == eventCheckpoint {
				for key := range strings.SplitSeq(l.Info[infoGone], ",") {
					if _, here := keys.All[key]; !here && key != "" {
						seen[l.Seq] = true
						more = append(more, &vouch{at: l.Seq, key: key, first: 1, lines: -1, sum: sha256.New()}) // of no line
					}
				}
			}
			if l.Event != eventKeyGone {
				return
			}
			if _, here := keys.All[l.Info["key"]]; here || l.Info["key"] == "" {
				return // its lines are checked one by one
			}
			seen[l.Seq] = true
			more = append(more, &vouch{at: l.Seq, key: l.Info["key"], first: uint64(l.Counts["first"]), last: uint64(l.Counts["last"]),
				lines: l.Counts["lines"], unproven: l.Counts["unproven"], digest: l.Info["sha256"], sum: sha256.New()})
		})
		if err == nil {
			_, err = src.Seek(0, io.SeekStart)
		}
		if err != nil || len(more) == 0 {
			return all, err
		}
		err = eachLine(src, func(text []byte) {
			if !slices.ContainsFunc(more, func(v *vouch) bool { return bytes.Contains(text, []byte(v.key)) }) {
				return
			}
			l, _, err := decode(keys, trimEnd(text))
			if !errors.Is(err, errKey) {
				return
			}
			for _, v := range more {
				if v.key == l.Key && l.Seq >= v.first && l.Seq <= v.last {
					v.found++
					v.sum.Write(trimEnd(text))
					v.sum.Write([]byte{'\n'})
				}
			}
		})
		if err == nil {
			_, err = src.Seek(0, io.SeekStart)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
}

func (v *vouch) holds() bool {
	return v.found == v.lines && hex.EncodeToString(v.sum.Sum(nil)) == v.digest
}

// of returns what vouches for a line whose server key is not there, nil when nothing does.
func (all vouches) of(l line) *vouch {
	for _, v := range all {
		if v.key == l.Key && l.Seq >= v.first && l.Seq <= v.last && v.holds() {
			return v
		}
	}
	return nil
}

// infoGone is where a checkpoint names the server keys that went, since what vouched for them may be forgotten too.
const infoGone = "gone"

// gone are the fingerprints of the server keys that went, for a checkpoint.
func (all vouches) gone() string {
	var keys []string
	for _, v := range all {
		keys = append(keys, v.key)
	}
	slices.Sort(keys)
	return strings.Join(slices.Compact(keys), ",")
}

// about tells whether a server key went in a way that the log knows of.
func (all vouches) about(key string) bool {
	return slices.ContainsFunc(all, func(v *vouch) bool { return v.key == key })
}

// decode reads a line as the function does, and takes one that is vouched for as genuine, with the MAC that it claims.
func (all vouches) decode(keys Keys, raw []byte) (l line, m mac, err error) {
	l, m, err = decode(keys, raw)
	if errors.Is(err, errKey) && all.of(l) != nil {
		err = nil
	}
	return l, m, err
}

// told says of each key that went what is known of its lines.
func (c *checker) told() {
	for _, v := range c.vouched {
		switch {
		case v.holds():
			c.note("numbers %d to %d are as they were when their server key %s was removed, which number %d tells", v.first, v.last, v.key, v.at)
			if v.unproven > 0 {
				c.find(Finding{Kind: NoKey, First: v.first, Last: v.last, Text: fmt.Sprintf("%s of numbers %d to %d could not be checked when server key %s was removed",
					plural(uint64(v.unproven), "line", "lines"), v.first, v.last, v.key)})
			}
		case v.found > 0 && !slices.ContainsFunc(c.vouched, func(o *vouch) bool { return o.key == v.key && o.at > v.at && o.last == v.last && o.holds() }):
			c.find(Finding{Kind: Changed, First: v.first, Last: v.last, Text: fmt.Sprintf("one or more of numbers %d to %d were changed since their server key %s was removed, which number %d tells: only the key could tell which",
				v.first, v.last, v.key, v.at)})
		}
	}
}

// eachLine gives every line of up to maxLine bytes, its end included; longer ones are none of ours.
func eachLine(src io.Reader, f func(text []byte)) error {
	r := bufio.NewReaderSize(src, maxLine)
	for {
		text, err := r.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		if len(text) > 0 && !long {
			f(text)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
