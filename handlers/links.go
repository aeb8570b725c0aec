package handlers

import (
	"errors"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"zencrypt/limits"
)

const (
	// maxConns bounds the connections that are open at once: each holds a goroutine and buffers of about
	// 30 KiB, 120 MiB in all. fasthttp answers one more with 503 and closes it; the others go on.
	maxConns = 4096
	// connsPerClient bounds those of one client: a browser has six, for up to a minute after its last request, so that
	// eighty of them fit behind one address. What is above it is closed at once, without an answer: it costs nothing, and
	// comes while others are served.
	connsPerClient = 512
	// minRetry and maxRetry are the first and the longest pause when no connection can be taken.
	minRetry, maxRetry = 5 * time.Millisecond, time.Second
)

// ErrRunning is Shutdown's error when handlers run on, although their connections are cut.
var ErrRunning = errors.New("requests still run")

// links are the open connections of one server, on all its listeners.
type links struct {
	limits  connLimits
	trouble func(error)                                 // hears why no connection can be taken, at each pause
	slots   chan struct{}                               // one for each lingering connection
	client  func(net.Addr) (key [16]byte, bounded bool) // whom a connection counts on; nil bounds nobody
	gate    *limits.Gate
	crowd   func()        // hears of each connection that is too many of one client; may be nil
	turned  atomic.Int64  // those
	closing chan struct{} // closed when no more connections are taken

	mu      sync.Mutex
	closed  bool
	open    map[*lingerConn]struct{} // whose Close was not called yet
	moved   moved
	waiting map[*lingerConn]struct{} // those of which no byte was read yet
}

func newLinks(l connLimits, trouble func(error)) *links {
	return &links{limits: l, trouble: trouble, gate: limits.NewGate(connsPerClient), slots: make(chan struct{}, maxLinger), closing: make(chan struct{}),
		open: map[*lingerConn]struct{}{}, waiting: map[*lingerConn]struct{}{}}
}

// listen accepts connections whose Close lingers after MarkLinger, and whose writes fail when the client
// takes nothing for 60 s, however long the whole answer takes.
func (k *links) listen(ln net.Listener) net.Listener { return &lingerListener{ln, k} }

// enter counts a connection on its client, and refuses one that is too many. leave must be called at its end.
func (k *links) enter(from net.Addr) (leave func(), ok bool) {
	if k.client == nil {
		return func() {}, true
	}
	key, bounded := k.client(from)
	if !bounded {
		return func() {}, true
	}
	return k.gate.Enter(key)
}

// add makes c one of the open connections, unless no more are taken.
func (k *links) add(c net.Conn, leave func()) (*lingerConn, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, false
	}
	l := &lingerConn{Conn: c, links: k, leave: leave}
	k.open[l], k.waiting[l] = struct{}{}, struct{}{}
	return l, true
}

// began: the first byte of c was read.
func (k *links) began(c *lingerConn) {
	k.mu.Lock()
	delete(k.waiting, c)
	k.mu.Unlock()
}

func (k *links) gone(c *lingerConn) {
	k.mu.Lock()
	delete(k.waiting, c)
	delete(k.open, c)
	k.mu.Unlock()
	c.leave()
}

// close takes no more connections and closes those that nothing came from: nobody waits for an answer.
func (k *links) close() {
	k.mu.Lock()
	unused := k.waiting
	k.waiting = map[*lingerConn]struct{}{}
	if !k.closed {
		k.closed = true
		close(k.closing)
	}
	k.mu.Unlock()
	for c := range unused {
		_ = c.Close()
	}
}

// cut ends all connections, so that whoever waits for a client stops.
func (k *links) cut() {
	k.mu.Lock()
	all := slices.Collect(maps.Keys(k.open))
	k.mu.Unlock()
	for _, c := range all {
		_ = c.Conn.Close() // no lingering; the worker's Close still takes it off the books
	}
}

type lingerListener struct {
	net.Listener
	links *links
}

// Accept passes over connections that are too many of one client.
func (l *lingerListener) Accept() (net.Conn, error) {
	for {
		c, err := l.next()
		if err != nil {
			return nil, err
		}
		leave, ok := l.links.enter(c.RemoteAddr())
		if !ok {
			_ = c.Close()
			l.links.turned.Add(1)
			if l.links.crowd != nil {
				l.links.crowd()
			}
			continue
		}
		if held, ok := l.links.add(c, leave); ok {
			return held, nil
		}
		leave()
		_ = c.Close()
		return nil, net.ErrClosed
	}
}

// next waits while descriptors or memory are short, since fasthttp takes every error for the end.
// Meanwhile the kernel keeps new connections in its queue, and those that are open go on.
func (l *lingerListener) next() (net.Conn, error) {
	for pause := minRetry; ; pause = min(2*pause, maxRetry) {
		select {
		case <-l.links.closing:
			return nil, net.ErrClosed // what fasthttp looks for
		default:
		}
		c, err := l.Listener.Accept()
		if err == nil {
			return c, nil
		}
		if !passing(err) {
			return nil, err
		}
		l.links.trouble(err)
		select {
		case <-l.links.closing:
		case <-time.After(pause):
		}
	}
}

// Close is how fasthttp's Shutdown begins.
func (l *lingerListener) Close() error {
	l.links.close()
	return l.Listener.Close()
}

// passing tells whether an error of accept(2) is over once others give something back, or was about one
// connection only.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// shortage logs what keeps connections from being taken, once a minute.
func shortage(log *slog.Logger, now func() time.Time) func(error) {
	say := eachMinute(now)
	return func(err error) {
		if say() {
			log.Warn("no new connection can be taken for now; allow the process more open files", "error", err.Error())
		}
	}
}

// crowded logs that a client has too many connections, once a minute.
func crowded(log *slog.Logger, now func() time.Time) func() {
	say := eachMinute(now)
	return func() {
		if say() {
			log.Warn("one client has too many connections, and more are closed; if that is a proxy, name it with --trusted-proxies", "most", connsPerClient)
		}
	}
}

// eachMinute is true at most once a minute.
func eachMinute(now func() time.Time) func() bool {
	var mu sync.Mutex
	var last time.Time
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		t := now()
		if t.Sub(last) < time.Minute {
			return false
		}
		last = t
		return true
	}
}
