package audit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// judge tells what is wrong when everything was read.
func (c *checker) judge() {
	c.r.Lines = len(c.good)
	placed, moved := c.order()
	if len(placed) == 0 {
		c.tellBad(c.bad)
		c.tellEnd(0)
		return
	}
	c.r.First, c.r.Last = placed[0].seq, placed[len(placed)-1].seq
	for seq := range moved {
		c.r.First, c.r.Last = min(c.r.First, seq), max(c.r.Last, seq)
	}
	bad := c.bad
	upTo := func(n int) (some []badLine) {
		i := 0
		for i < len(bad) && bad[i].n < n {
			i++
		}
		some, bad = bad[:i], bad[i:]
		return some
	}
	// Before the first line that stands in its place there is what a checkpoint tells of, or something is missing.
	before := upTo(placed[0].n)
	if from := placed[0].seq; !c.start && from > 1 {
		c.between(0, from, before, moved)
	} else {
		c.tellBad(before)
	}
	for i := 1; i < len(placed); i++ {
		c.between(placed[i-1].seq, placed[i].seq, upTo(placed[i].n), moved)
	}
	c.tellEnd(c.behindEnd(bad))
	slices.SortStableFunc(c.r.Findings, func(a, b Finding) int { return cmp.Compare(a.First, b.First) })
}

// order parts the genuine lines in those that stand in their order, as many as can be, and the others, of which it
// tells.
func (c *checker) order() (placed []goodLine, moved map[uint64]bool) {
	moved = map[uint64]bool{}
	if c.rising() {
		return c.good, moved
	}
	keep := exchanged(c.good)
	if keep == nil {
		keep = longestRise(c.good)
	}
	has := map[uint64]bool{}
	for i, l := range c.good {
		if keep[i] {
			placed = append(placed, l)
			has[l.seq] = true
		}
	}
	for i, l := range c.good {
		switch {
		case keep[i]:
		case has[l.seq]:
			c.find(Finding{Kind: Repeated, Line: l.n, First: l.seq, Last: l.seq, Text: fmt.Sprintf("line %d repeats number %d", l.n, l.seq)})
		default:
			has[l.seq], moved[l.seq] = true, true
			c.find(Finding{Kind: Moved, Line: l.n, First: l.seq, Last: l.seq,
				Text: fmt.Sprintf("line %d (number %d) stands in another's place: lines were exchanged", l.n, l.seq)})
		}
	}
	return placed, moved
}

func (c *checker) rising() bool {
	for i := 1; i < len(c.good); i++ {
		if c.good[i].seq <= c.good[i-1].seq {
			return false
		}
	}
	return true
}

// exchanged marks all but two lines that stand in each other's place, or is nil when that is not what happened.
func exchanged(lines []goodLine) []bool {
	numbers := make([]uint64, len(lines))
	for i, l := range lines {
		numbers[i] = l.seq
	}
	slices.Sort(numbers)
	keep, wrong := make([]bool, len(lines)), 0
	for i, l := range lines {
		if keep[i] = l.seq == numbers[i]; !keep[i] {
			wrong++
		}
	}
	if wrong != 2 {
		return nil
	}
	return keep
}

// longestRise marks a longest strictly rising run of numbers, so that of lines that were moved these are named, and
// not all that they were moved past.
func longestRise(lines []goodLine) []bool {
	var ends []int // ends[k] is the line with the lowest number that ends a run of k+1
	before := make([]int, len(lines))
	for i, l := range lines {
		k, _ := slices.BinarySearchFunc(ends, l.seq, func(at int, seq uint64) int { return cmp.Compare(lines[at].seq, seq) })
		before[i] = -1
		if k > 0 {
			before[i] = ends[k-1]
		}
		if k == len(ends) {
			ends = append(ends, i)
		} else {
			ends[k] = i
		}
	}
	keep := make([]bool, len(lines))
	if len(ends) == 0 {
		return keep
	}
	for i := ends[len(ends)-1]; i >= 0; i = before[i] {
		keep[i] = true
	}
	return keep
}

// between tells of what stands between two lines and of what is not there. A bad line that can't say its number
// stands for the lowest that is lacking.
func (c *checker) between(after, until uint64, bad []badLine, moved map[uint64]bool) {
	there := map[uint64]bool{}
	for _, b := range bad {
		if b.seq > after && b.seq < until {
			there[b.seq] = true
		}
	}
	next := after + 1
	for i := range bad {
		if s := bad[i].seq; s > after && s < until {
			continue
		}
		for next < until && (there[next] || moved[next]) {
			next++
		}
		if next < until {
			bad[i].seq = next
			there[next] = true
		}
	}
	c.tellBad(bad)
	// What is there is little, however wide the gap is.
	var stops []uint64
	for s := range there {
		stops = append(stops, s)
	}
	for s := range moved {
		if s > after && s < until && !there[s] {
			stops = append(stops, s)
		}
	}
	slices.Sort(stops)
	from := after + 1
	for _, s := range append(stops, until) {
		if s > from {
			c.lacks(from, s-1)
		}
		from = s + 1
	}
}

func (c *checker) lacks(first, last uint64) {
	text := fmt.Sprintf("number %d is missing", first)
	if last > first {
		text = fmt.Sprintf("%d lines are missing, numbers %d to %d", last-first+1, first, last)
	}
	c.find(Finding{Kind: Missing, First: first, Last: last, Text: text})
}

func (c *checker) tellBad(bad []badLine) {
	for _, b := range bad {
		f := Finding{Kind: Changed, Line: b.n, First: b.seq, Last: b.seq}
		which := fmt.Sprintf("line %d", b.n)
		if b.seq > 0 {
			which = fmt.Sprintf("line %d (number %d)", b.n, b.seq)
		}
		switch {
		case errors.Is(b.err, errKey):
			f.Kind = NoKey
			f.Text = which + " names a server key that is not among the secrets: put that key back, or the line was changed"
		case errors.Is(b.err, errForm):
			f.Text = which + " was changed: it is no line of this log any more"
		default:
			f.Text = which + " was changed: its MAC does not fit"
		}
		c.find(f)
	}
}

// behindEnd tells of bad lines after the last good one and returns how many lines they stand for. A last one
// without an end is a write that was cut.
func (c *checker) behindEnd(bad []badLine) uint64 {
	if len(bad) == 1 && !c.pending && errors.Is(bad[0].err, errForm) {
		c.note("the last line is a write that was cut, as by a crash: the next line that is added will tell so")
		return 0
	}
	for i := range bad {
		bad[i].seq = c.r.Last + 1 + uint64(i)
	}
	c.tellBad(bad)
	return uint64(len(bad))
}

// tellEnd tells of lines that a head speaks of and that are not there.
func (c *checker) tellEnd(bad uint64) {
	last := c.r.Last + bad
	if c.r.Anchored > last {
		n := c.r.Anchored - last
		c.find(Finding{Kind: CutOff, First: last + 1, Last: c.r.Anchored,
			Text: fmt.Sprintf("%s cut off at the end, numbers %d to %d: the head of %s speaks of them",
				plural(n, "line was", "lines were"), last+1, c.r.Anchored, c.anchors[c.r.Anchored].Time)})
	}
	switch {
	case c.places == 0:
		c.note("no second place of heads was read: lines that were cut off at the end can't be found")
	case c.heads && c.r.Heads == 0:
		c.find(Finding{Kind: NoHeads, Text: "the log tells of heads, and the second place holds none"})
	case c.r.Last > c.r.Anchored:
		c.note("%s after the last head: if more were cut off there, nothing shows it", plural(c.r.Last-c.r.Anchored, "line stands", "lines stand"))
	}
}
