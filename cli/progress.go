package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"zencrypt/crypto/pgp"
)

const (
	// progressFrom is the size, in bytes, from which a person would wonder: about a tenth of a second.
	progressFrom = 64 << 20
	// progressStep is the time between two lines.
	progressStep = 200 * time.Millisecond
)

// progress shows on a terminal how far the reading of a large source is, in bytes, with speed and time
// left. The func that it returns wipes the line.
func (e *env) progress(s source, r io.Reader) (io.Reader, func()) {
	if !isTerminal(e.stderr) || s.size >= 0 && s.size < progressFrom || s.name == stdinName && isTerminal(e.stdin) {
		return r, func() {}
	}
	p := &progress{src: r, out: e.stderr, name: s.base(), size: s.size, start: time.Now()}
	return p, p.wipe
}

type progress struct {
	src         io.Reader
	out         io.Writer
	name        string
	size, n     int64
	start, last time.Time
	shown       bool
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.src.Read(b)
	p.n += int64(n)
	if now := time.Now(); now.Sub(p.last) >= progressStep && now.Sub(p.start) >= progressStep {
		p.last = now
		p.shown = true
		fmt.Fprintf(p.out, "\r\x1b[K%s", p.line(now.Sub(p.start)))
	}
	return n, err
}

// line is "big.iso: 1.2 GiB of 4.0 GiB, 812 MiB/s, 3s left".
func (p *progress) line(passed time.Duration) string {
	speed := float64(p.n) / passed.Seconds()
	text := fmt.Sprintf("%.40s: %s", pgp.Display(p.name), humanize.IBytes(uint64(p.n)))
	if p.size > 0 {
		text += " of " + humanize.IBytes(uint64(p.size))
	}
	text += ", " + humanize.IBytes(uint64(speed)) + "/s"
	if p.size > p.n && speed > 0 {
		left := time.Duration(float64(p.size-p.n) / speed * float64(time.Second))
		text += ", " + max(left, time.Second).Round(time.Second).String() + " left"
	}
	return text
}

func (p *progress) wipe() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
