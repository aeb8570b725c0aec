package audit

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"zencrypt/nofollow"
)

// The kinds of what Check finds.
const (
	Changed  = "changed"  // a line's bytes are not those that were written
	Missing  = "missing"  // lines are not there
	Moved    = "moved"    // a line stands in another's place
	Repeated = "repeated" // a number stands there twice
	Broken   = "broken"   // genuine lines that do not follow one another
	CutOff   = "cut-off"  // the end is not there
	Replaced = "replaced" // a line is another than the head says
	NoKey    = "no-key"   // the server key of a line is not there
	BadHead  = "bad-head" // what stands among the heads was not made by this server
	NoHeads  = "no-heads" // a place of heads is empty or gone
)

// maxFindings bounds what is told one by one.
const maxFindings = 1000

// Finding is one thing that is wrong. Line counts the lines of the file from 1, and is 0 where none can be named;
// First and Last are the numbers that the lines had, 0 where that is not known.
type Finding struct {
	Kind        string
	Line        int
	First, Last uint64
	Text        string
}

// Report is what Check found out.
type Report struct {
	Lines       int      // genuine ones
	First, Last uint64   // lowest and highest number
	Since       string   // the first line's time
	Until       string   // the last line's time
	Anchored    uint64   // number of the last line that a head speaks of; those after it can be cut off unseen
	Heads       int      // genuine heads
	Notes       []string // what is not wrong and worth to know, such as a write that a crash cut
	Findings    []Finding
	More        int // findings beyond the first 1,000
}

// Check reads a whole log, and the heads in the files given, and names what does not fit. The log and the heads are
// regular files, and data is as in Options; those in named were named by a person, and may be pipes. The error is about
// files that can't be read. It holds 16 bytes a line in memory; a server may add lines meanwhile.
func Check(data, path string, keys Keys, heads []string, named ...string) (*Report, error) {
	c := &checker{keys: keys, skipped: sha256.New(), anchors: map[uint64]Head{}, places: len(heads) + len(named)}
	// The heads come first: one that is written meanwhile would tell of lines beyond what is read of the log.
	var all []headsFile
	for i, h := range slices.Concat(heads, named) {
		read, err := c.openHeads(File{Path: h, Data: data}, i >= len(heads))
		if err != nil {
			return nil, err
		}
		all = append(all, read)
	}
	f, err := nofollow.File(data, path)
	gone := errors.Is(err, fs.ErrNotExist)
	if err != nil && !gone {
		return nil, fmt.Errorf("open server log: %w", err)
	}
	var size int64
	if !gone {
		defer f.Close()
		if size, err = settledSize(f); err != nil {
			return nil, err
		}
		if c.vouched, err = readVouches(keys, io.NewSectionReader(f, 0, size)); err != nil {
			return nil, fmt.Errorf("read server log: %w", err)
		}
	}
	for _, h := range all {
		c.takeHeads(h)
	}
	if gone {
		c.gone()
		return &c.r, nil
	}
	if err := c.read(io.NewSectionReader(f, 0, size)); err != nil {
		return nil, err
	}
	c.told()
	c.judge()
	return &c.r, nil
}

// settledSize is the file's size at a moment when nobody is adding to it.
func settledSize(f *os.File) (int64, error) {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil {
		return 0, fmt.Errorf("lock server log: %w", err)
	}
	defer func() { _ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }()
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("look at server log: %w", err)
	}
	return info.Size(), nil
}

// checker reads first, and judges when it has seen everything.
type checker struct {
	r    Report
	keys Keys
	n    int // lines of the file so far

	good    []goodLine
	bad     []badLine
	last    mac       // of the line before, when that is genuine
	begin   line      // the first genuine line
	start   bool      // the beginning is number 1, or a checkpoint tells of it
	region  int       // bad lines since the last genuine one
	skipped hash.Hash // over them, without their last line end
	raw     int64     // bytes that went into it
	pending bool      // the last line end is not in it yet
	heads   bool      // the log speaks of heads
	anchors map[uint64]Head
	places  int
	vouched vouches
}

// goodLine is a genuine line: where it stands and its number.
type goodLine struct {
	n   int
	seq uint64
}

// badLine is one that is not genuine.
type badLine struct {
	n   int
	seq uint64 // as it claims, later what it must have been; 0 when that is not known
	err error
}

func (c *checker) find(f Finding) {
	if len(c.r.Findings) == maxFindings {
		c.r.More++
		return
	}
	c.r.Findings = append(c.r.Findings, f)
}

func (c *checker) note(format string, args ...any) {
	if len(c.r.Notes) < maxFindings {
		c.r.Notes = append(c.r.Notes, fmt.Sprintf(format, args...))
	}
}

// headsFile is what one file of heads holds.
type headsFile struct {
	path  string
	heads []Head
	bad   int
	gone  map[string]int
}

func (c *checker) openHeads(file File, named bool) (headsFile, error) {
	read := readHeads
	if named {
		read = readNamed
	}
	heads, bad, gone, err := read(file, c.keys)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return headsFile{file.Path, heads, bad, gone}, err
}

func (c *checker) takeHeads(h headsFile) {
	path, heads, bad := h.path, h.heads, h.bad
	for key, n := range h.gone {
		if c.vouched.about(key) {
			c.note("%s in %s can't be checked any more: their server key %s was removed", plural(n, "head", "heads"), path, key)
		} else {
			bad += n
		}
	}
	if bad > 0 {
		c.find(Finding{Kind: BadHead, Text: fmt.Sprintf("%s holds %s that this server did not make, or that were changed", path, plural(bad, "line", "lines"))})
	}
	for _, h := range heads {
		if other, ok := c.anchors[h.Seq]; ok && other.MAC != h.MAC {
			c.find(Finding{Kind: Replaced, First: h.Seq, Last: h.Seq, Text: fmt.Sprintf("two heads of number %d differ: the log had two pasts, as after an old copy was restored", h.Seq)})
		}
		c.anchors[h.Seq] = h
		c.r.Anchored = max(c.r.Anchored, h.Seq)
	}
	c.r.Heads += len(heads)
}

func (c *checker) read(src io.Reader) error {
	r := bufio.NewReaderSize(src, maxLine)
	for {
		text, err := r.ReadSlice('\n')
		if len(text) > 0 {
			c.n++
		}
		if errors.Is(err, bufio.ErrBufferFull) { // no line of ours: past its end
			c.skip(badLine{n: c.n, err: errForm}, text)
			for errors.Is(err, bufio.ErrBufferFull) {
				text, err = r.ReadSlice('\n')
				c.digest(text)
			}
		} else if len(text) > 0 {
			c.line(text)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read server log: %w", err)
		}
	}
}

func (c *checker) line(text []byte) {
	l, m, err := c.vouched.decode(c.keys, trimEnd(text))
	if err != nil {
		c.skip(badLine{n: c.n, seq: l.Seq, err: err}, text)
		return
	}
	c.torn(l)
	prev, _ := parseMAC(l.Prev)
	if before := len(c.good) - 1; before < 0 {
		c.begin, c.start, c.r.Since = l, l.Seq == 1, l.Time
	} else if c.region == 0 && l.Seq == c.good[before].seq+1 && prev != c.last {
		c.find(Finding{Kind: Broken, Line: c.n, First: l.Seq, Last: l.Seq,
			Text: fmt.Sprintf("line %d (number %d) is genuine and does not follow the one before it: it comes from another copy of the log", c.n, l.Seq)})
	}
	c.region, c.raw, c.pending = 0, 0, false
	c.skipped.Reset()
	c.good, c.last, c.r.Until = append(c.good, goodLine{c.n, l.Seq}), m, l.Time
	c.meet(l, m)
}

// skip notes a line that is not genuine.
func (c *checker) skip(b badLine, text []byte) {
	c.region++
	if len(c.bad) < 8*maxFindings {
		c.bad = append(c.bad, b)
	} else {
		c.r.More++
	}
	c.digest(text)
}

// digest holds the last line end back: a write that was cut had none, and it was added when the log went on.
func (c *checker) digest(text []byte) {
	if len(text) == 0 {
		return
	}
	if c.pending {
		c.skipped.Write([]byte{'\n'})
		c.raw++
	}
	text, c.pending = trimEnd(text), len(trimEnd(text)) < len(text)
	c.skipped.Write(text)
	c.raw += int64(len(text))
}

// torn looks whether a line tells what the bad one before it is: a write that was cut, which is no finding.
func (c *checker) torn(l line) {
	if l.Event != eventTorn || c.region != 1 || len(c.bad) == 0 {
		return
	}
	b := c.bad[len(c.bad)-1]
	if errors.Is(b.err, errForm) && l.Counts["bytes"] == c.raw && l.Info["sha256"] == hex.EncodeToString(c.skipped.Sum(nil)) {
		c.note("line %d is a write that was cut, as by a crash; number %d tells so", b.n, l.Seq)
		c.bad = c.bad[:len(c.bad)-1]
		c.region = 0
	}
}

// meet compares a line with the head of its number, and looks for the checkpoint of the log's beginning.
func (c *checker) meet(l line, m mac) {
	if h, ok := c.anchors[l.Seq]; ok && h.MAC != m.String() {
		c.find(Finding{Kind: Replaced, Line: c.n, First: l.Seq, Last: l.Seq,
			Text: fmt.Sprintf("line %d (number %d) is genuine and not the one that the head of %s speaks of: the log was written anew", c.n, l.Seq, h.Time)})
	}
	switch l.Event {
	case eventHead:
		c.heads = true
	case eventCheckpoint:
		if uint64(l.Counts["through"]) == c.begin.Seq-1 && l.Info["mac"] == c.begin.Prev {
			c.start = true
		}
	}
}

func (c *checker) gone() {
	if c.r.Anchored == 0 {
		c.find(Finding{Kind: Missing, Text: "there is no log"})
		return
	}
	c.find(Finding{Kind: CutOff, First: 1, Last: c.r.Anchored, Text: fmt.Sprintf("the log is gone: a head says that it had %d lines", c.r.Anchored)})
}

func plural[N int | uint64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
