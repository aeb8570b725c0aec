package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
)

// tailWindow is how much of the end is read to find the last genuine line; where that is not enough, four times
// as much, and so on up to tailMost.
const (
	tailWindow = 64 << 10
	tailMost   = 64 << 20
)

// tail finds where the chain ends. What stands behind the last genuine line is skipped: a write that was cut, or
// what somebody changed. Without any genuine line, or where the heads know of later ones, it goes on behind the last
// head, so that no number is given twice.
func (l *Log) tail(size int64) (position, error) {
	p := position{size: size}
	end := int64(0)
	for window := int64(tailWindow); size > 0; window *= 4 {
		from := max(0, size-window)
		b := make([]byte, size-from)
		if _, err := l.file.ReadAt(b, from); err != nil && err != io.EOF {
			return p, err
		}
		p.newline = b[len(b)-1] != '\n'
		found, at, seq, m := lastGenuine(l.o.Keys, b, from == 0)
		if found {
			end, p.seq, p.mac = from+at, seq, m
			break
		}
		if from == 0 || window >= tailMost {
			break
		}
	}
	if end > size { // the last line lacks nothing but its end
		end = size
	}
	if p.skipped = size - end; p.skipped > 0 {
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(l.file, end, p.skipped)); err != nil {
			return p, err
		}
		p.digest = hex.EncodeToString(h.Sum(nil))
	}
	if head, ok := l.newest(); ok && head.Seq > p.seq {
		l.report(fmt.Errorf("server log: a head says that it had %d lines, and it ends with line %d: lines were taken away. See 'zencrypt doctor --log'", head.Seq, p.seq))
		p.seq = head.Seq
		p.mac, _ = parseMAC(head.MAC)
	}
	return p, nil
}

// lastGenuine looks for the last genuine line in the end of a log and returns where it ends there, its line end
// included. whole tells that b begins with the beginning of a line.
func lastGenuine(keys Keys, b []byte, whole bool) (found bool, end int64, seq uint64, m mac) {
	for stop := len(b); stop > 0; {
		text := b[:stop]
		if text[stop-1] == '\n' {
			text = text[:stop-1]
		}
		start := bytes.LastIndexByte(text, '\n') + 1
		if start == 0 && !whole {
			return false, 0, 0, m
		}
		if l, m, err := decode(keys, text[start:]); err == nil || errors.Is(err, errKey) && slices.Contains(keys.Lost, l.Key) {
			return true, int64(len(text)) + 1, l.Seq, m
		}
		stop = start
	}
	return false, 0, 0, m
}
