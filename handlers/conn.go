package handlers

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// What fasthttp 1.51.0 does with a connection when StreamRequestBody is set (server.go serveConn,
// http.go ContinueReadBodyStream, streaming.go), which the code below answers:
//
//   - Before the handler runs it has read the headers and the first min(Content-Length, 8 KiB) of the
//     body, waiting for them under ReadTimeout, which is one deadline set when the headers are awaited.
//     Without a ReadTimeout a silent client holds its worker for ever. A body cut within these 8 KiB
//     never reaches the handler. (This exact prefetch needs MaxRequestBodySize >= Content-Length: with
//     a smaller one it reads past it, so BodyLimit is MaxInt and the limit is ours.)
//   - The stream reads from the connection in the worker's goroutine. At the socket's end it says
//     io.EOF for a body with Content-Length, as if all of it were there, and for a chunked body too
//     when it is cut between two chunks or before the trailer. A complete chunked body never makes
//     it read as far as the socket's end, so having seen that end is the proof of a cut.
//   - Errors inside a chunk's frame come as ErrBrokenChunk, which hides a timeout: only the connection
//     knows what happened.
//   - What the handler leaves unread is parsed as the next request unless the response says
//     Connection: close; ctx.Error and Response.Reset drop what SetConnectionClose set before them.
//     Deadlines set here end when the next request sets its own, which needs a
//     ReadTimeout.
//   - WriteTimeout is one deadline for a whole response, set after the handler; it is 0 here and the
//     deadline of each write takes its place. Body streams are pulled after the handler, through a
//     bufio.Writer of 4 KiB, which hands over to ReadFrom of the connection where there is one; they
//     are closed when a write fails.
//   - Every error of Accept ends Serve, but those that call themselves timeouts.
//   - A connection counts as active before its first byte came, and idle only after its first request:
//     Shutdown waits for one that a browser opened in advance as if it were at work. The count of open
//     connections falls when a worker is through with its last handler and body stream.
//   - A worker calls Close once, after it has flushed the answer and left the count of open
//     connections (so Shutdown does not wait for it); Shutdown closes idle ones from another goroutine.
//   - Server.MaxConnsPerIP wraps connections in a type that nobody can look into, and TCPKeepalive and
//     TLS of fasthttp want the bare connection: all three stay unused (Go's listener sets keep-alive).

// connLimits are the times and sizes of connections; tests have shorter ones.
type connLimits struct {
	idle    time.Duration // a read or write may stand still for this long
	window  time.Duration // over which the rate of an upload is measured
	minRate int64         // bytes a second that an upload must reach over a window
	linger  time.Duration // for how long a refused client may go on sending
	discard int64         // bytes of which no more are thrown away then
	cut     time.Duration // what handlers have to end once their connections are cut
}

// defaultConnLimits are DESIGN section 5's.
var defaultConnLimits = connLimits{
	idle:    60 * time.Second,
	window:  time.Minute,
	minRate: 16 << 10,
	linger:  5 * time.Second,
	discard: 64 << 20,
	cut:     3 * time.Second,
}

const (
	// maxLinger bounds the connections that linger at once; others are closed at once.
	maxLinger = 128
	// pieceBytes is what one deadline covers: a client that takes this in 60 s (1.1 KiB/s) is alive.
	// It is also age's chunk, so that a download passes a chunk in one write.
	pieceBytes = 64 << 10
)

// lingerConn is a connection of links. It embeds the interface, so that nothing of the TCP connection
// (ReadFrom, by sendfile) bypasses Write.
type lingerConn struct {
	net.Conn
	links  *links
	leave  func()      // gives back its place among those of its client
	used   atomic.Bool // a byte was read
	linger atomic.Bool
	closed atomic.Bool
	failed atomic.Pointer[error] // why the last Read failed, io.EOF included
}

// MarkLinger makes Close half-close first and discard what the client still sends, so that it reads the
// answer: an unread body and a plain close give a reset instead (curl, in one of three runs).
func (c *lingerConn) MarkLinger() { c.linger.Store(true) }

// unmark: the body was read to its end, a plain close is right.
func (c *lingerConn) unmark() { c.linger.Store(false) }

func (c *lingerConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.links.moved.in.Add(uint64(n))
	if n > 0 && !c.used.Load() {
		c.used.Store(true)
		c.links.began(c)
	}
	if err != nil {
		c.failed.Store(&err)
	}
	return n, err
}

// Write sets a deadline for each 64 KiB and not for p as a whole: a slow client that lives gets an
// answer of any size.
func (c *lingerConn) Write(p []byte) (n int, err error) {
	for {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.links.limits.idle)); err != nil {
			return n, err
		}
		m, err := c.Conn.Write(p[n:min(n+pieceBytes, len(p))])
		c.links.moved.out.Add(uint64(m))
		if n += m; err != nil || n == len(p) {
			return n, err
		}
	}
}

var pieces = sync.Pool{New: func() any { return new([pieceBytes]byte) }}

// ReadFrom sends a download in pieces of 64 KiB instead of fasthttp's 4 KiB.
func (c *lingerConn) ReadFrom(r io.Reader) (n int64, err error) {
	buf := pieces.Get().(*[pieceBytes]byte)
	defer func() {
		clear(buf[:]) // it held plaintext
		pieces.Put(buf)
	}()
	for {
		m, rerr := r.Read(buf[:])
		if m > 0 {
			w, err := c.Write(buf[:m])
			if n += int64(w); err != nil {
				return n, err
			}
		}
		if rerr == io.EOF {
			return n, nil
		}
		if rerr != nil {
			return n, rerr
		}
	}
}

// Close closes once. When the connection is marked and a slot is free, it returns at once and the
// connection lingers in a goroutine for at most 5 s or 64 MiB.
func (c *lingerConn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	c.links.gone(c)
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || !c.linger.Load() {
		return c.Conn.Close()
	}
	select {
	case c.links.slots <- struct{}{}:
	default:
		return c.Conn.Close()
	}
	go func() {
		defer func() { <-c.links.slots }()
		defer c.Conn.Close()
		if half.CloseWrite() != nil || c.Conn.SetReadDeadline(time.Now().Add(c.links.limits.linger)) != nil {
			return
		}
		io.CopyN(io.Discard, c.Conn, c.links.limits.discard)
	}()
	return nil
}

// connOf is the connection of a request, or nil where it is not one of ListenLinger (app.Test).
func connOf(ctx *fasthttp.RequestCtx) *lingerConn {
	for c := ctx.Conn(); c != nil; {
		switch w := c.(type) {
		case *lingerConn:
			return w
		case interface{ NetConn() net.Conn }: // crypto/tls
			c = w.NetConn()
		default:
			return nil
		}
	}
	return nil
}

// markLinger is MarkLinger for a request, wherever it came from.
func markLinger(ctx *fasthttp.RequestCtx) {
	if c := connOf(ctx); c != nil {
		c.MarkLinger()
	}
}
