package handlers

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

var (
	// errTooLarge: the body is longer than its limit, or says that it will be.
	errTooLarge = errors.New("body is too large")
	// errSlow: nothing came for a minute, or less than 16 KiB/s over one.
	errSlow = errors.New("body came too slowly")
	// errGone: the client went away. A body that was cut short is io.ErrUnexpectedEOF too.
	errGone = errors.New("client went away")
)

// bodyReader reads a request's body and knows when it is whole. It must be read in the handler's
// goroutine: fasthttp dies when another one reads while the client goes away. Errors are final:
// errTooLarge, errSlow, errGone (all may be wrapped), or fasthttp's own for a malformed chunk.
type bodyReader struct {
	src      io.Reader
	conn     net.Conn    // nil in tests of it alone
	link     *lingerConn // nil where connOf is
	limits   connLimits
	now      func() time.Time
	limit    int64 // bytes
	length   int64 // Content-Length, negative when unknown
	count    int64 // bytes that came
	buf      []byte
	unread   []byte // the part of buf that Read has not given out
	err      error
	waited   time.Duration // in reads of this window; our own work is not the client's fault
	windowed int64         // bytes of this window
}

// newBodyReader reads the body of ctx and refuses what is longer than limit bytes. Until the body has
// come to its end, Close lingers.
func newBodyReader(ctx *fasthttp.RequestCtx, limit int64) *bodyReader {
	b := &bodyReader{
		src: ctx.RequestBodyStream(), conn: ctx.Conn(), link: connOf(ctx), limits: defaultConnLimits, now: time.Now,
		limit: limit, length: int64(ctx.Request.Header.ContentLength()),
	}
	if b.link != nil {
		b.limits = b.link.links.limits
	}
	switch {
	case b.src == nil: // no body: fasthttp has no stream then
		b.length = 0
		b.err = io.EOF
	case b.length > limit:
		b.err = fmt.Errorf("read body: %w: %d bytes, %d allowed", errTooLarge, b.length, limit)
	}
	if b.link != nil && b.src != nil {
		b.link.MarkLinger()
	}
	size := int64(pieceBytes)
	if b.length >= 0 {
		size = max(min(size, b.length), 1)
	}
	if b.err == nil {
		b.buf = make([]byte, size)
	}
	return b
}

// Count is the number of bytes that came, which may be more than Read gave out.
func (b *bodyReader) Count() int64 { return b.count }

func (b *bodyReader) Read(p []byte) (int, error) {
	for len(b.unread) == 0 {
		if b.err != nil || len(p) == 0 {
			return 0, b.err
		}
		b.fill()
	}
	n := copy(p, b.unread)
	b.unread = b.unread[n:]
	return n, nil
}

// fill reads once from the connection. It reads 64 KiB at a time where mime/multipart asks for 4.
func (b *bodyReader) fill() {
	start := b.now()
	if b.conn != nil {
		if err := b.conn.SetReadDeadline(start.Add(b.limits.idle)); err != nil {
			b.err = b.gone(err)
			return
		}
	}
	n, err := b.src.Read(b.buf)
	b.waited += b.now().Sub(start)
	b.count += int64(n)
	b.windowed += int64(n)
	if b.count > b.limit {
		b.err = fmt.Errorf("read body: %w: more than %d bytes", errTooLarge, b.limit)
		return
	}
	b.unread = b.buf[:n]
	switch {
	case b.length >= 0 && b.count >= b.length, err == io.EOF && b.length < 0 && b.failure() == nil:
		b.err = io.EOF
		if b.link != nil {
			b.link.unmark()
		}
		return
	case err == io.EOF:
		b.err = b.gone(io.ErrUnexpectedEOF)
	case err != nil:
		b.err = b.classify(err)
	}
	if b.waited >= b.limits.window {
		if b.err == nil && float64(b.windowed) < b.waited.Seconds()*float64(b.limits.minRate) {
			b.err = fmt.Errorf("read body: %w: %d bytes in %v", errSlow, b.windowed, b.waited.Round(time.Second))
		}
		b.waited, b.windowed = 0, 0
	}
}

// failure is why the connection's last Read failed, nil when it did not.
func (b *bodyReader) failure() error {
	if b.link != nil {
		if err := b.link.failed.Load(); err != nil {
			return *err
		}
	}
	return nil
}

func (b *bodyReader) classify(err error) error {
	cause := b.failure()
	if cause == nil && b.link != nil {
		return fmt.Errorf("read body: %w", err) // the client's framing, not its connection
	}
	if cause == nil {
		cause = err
	}
	var net net.Error
	if errors.As(cause, &net) && net.Timeout() {
		return fmt.Errorf("read body: %w: nothing came for %v", errSlow, b.limits.idle)
	}
	if errors.Is(cause, io.EOF) {
		cause = io.ErrUnexpectedEOF
	}
	return b.gone(cause)
}

func (b *bodyReader) gone(cause error) error {
	if b.length < 0 {
		return fmt.Errorf("read body: %w after %d bytes: %w", errGone, b.count, cause)
	}
	return fmt.Errorf("read body: %w after %d of %d bytes: %w", errGone, b.count, b.length, cause)
}
