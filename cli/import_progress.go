package cli

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
)

// A counter shows on a terminal how many records of an import are done, with speed and time left.
type counter struct {
	e           *env
	total, n    int64
	start, last time.Time
	on, shown   bool
}

func newCounter(e *env) *counter {
	return &counter{e: e, start: time.Now(), on: isTerminal(e.stderr)}
}

// bytes shows how much of the source the first pass has read.
func (c *counter) bytes(read, size int64) {
	if c.due() {
		c.show(fmt.Sprintf("reading: %s of %s", humanize.IBytes(uint64(read)), humanize.IBytes(uint64(max(size, read)))))
	}
}

func (c *counter) begin(total int64) { c.total, c.n, c.start = total, 0, time.Now() }

func (c *counter) add(n int64) {
	c.n += n
	if c.total > 0 && c.due() {
		c.show(c.line(time.Since(c.start)))
	}
}

func (c *counter) due() bool {
	now := time.Now()
	if !c.on || now.Sub(c.last) < progressStep {
		return false
	}
	c.last = now
	return true
}

// barWidth is the bar's width in characters.
const barWidth = 24

// line is "importing [########----------------] 12,345 of 40,000 records, 8,123/s, 3s left".
func (c *counter) line(passed time.Duration) string {
	done := min(c.n, c.total)
	bar := make([]byte, barWidth)
	for i := range bar {
		bar[i] = '-'
		if int64(i)*c.total < done*barWidth {
			bar[i] = '#'
		}
	}
	speed := float64(c.n) / max(passed.Seconds(), 1e-3)
	text := fmt.Sprintf("importing [%s] %s of %s records, %s/s", bar, humanize.Comma(done), humanize.Comma(c.total), humanize.Comma(int64(speed)))
	if left := c.total - done; left > 0 && speed > 0 {
		text += ", " + max(time.Duration(float64(left)/speed*float64(time.Second)), time.Second).Round(time.Second).String() + " left"
	}
	return text
}

func (c *counter) show(text string) {
	c.shown = true
	fmt.Fprintf(c.e.stderr, "\r\x1b[K%s", text)
}

func (c *counter) wipe() {
	if c.shown {
		fmt.Fprint(c.e.stderr, "\r\x1b[K")
		c.shown = false
	}
}
