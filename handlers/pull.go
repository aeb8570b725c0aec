package handlers

import (
	"errors"
	"io"
	"iter"
)

// pulled is what a function writes, as a reader: it runs a step whenever something is read, on the reader's own
// goroutine. A body that is made while it is sent needs that: a client that goes away must meet nobody else who reads
// or writes. Close ends the function, whose next Write fails.
type pulled struct {
	next func() ([]byte, bool)
	stop func()
	rest []byte
	err  error
}

var (
	errClosed   = errors.New("write to a reader that was closed")
	errPanicked = errors.New("writer panicked")
)

// pull begins at the first Read. panicked is told when write panics: nobody else would catch it, since the handler is
// done by then.
func pull(write func(io.Writer) error, panicked func(place string)) *pulled {
	p := &pulled{}
	p.next, p.stop = iter.Pull(func(yield func([]byte) bool) {
		defer func() {
			if r := recover(); r != nil {
				p.err = errPanicked
				panicked(panicPlace())
			}
		}()
		p.err = write(yieldWriter(yield))
	})
	return p
}

type yieldWriter func([]byte) bool

func (y yieldWriter) Write(b []byte) (int, error) {
	if len(b) > 0 && !y(b) {
		return 0, errClosed
	}
	return len(b), nil
}

// Read hands out what was written, before the function goes on.
func (p *pulled) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		var ok bool
		if p.rest, ok = p.next(); !ok {
			if p.err != nil {
				return 0, p.err
			}
			return 0, io.EOF
		}
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// Close lets the function end. A second Close does nothing.
func (p *pulled) Close() error {
	p.rest = nil
	p.stop()
	return nil
}
