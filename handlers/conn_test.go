package handlers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// quickLimits are the real ones made short.
func quickLimits() connLimits {
	return connLimits{idle: 300 * time.Millisecond, window: time.Minute, minRate: 16 << 10, linger: 300 * time.Millisecond, discard: 64 << 20, cut: time.Second}
}

// connServer runs fasthttp as the program does, behind a listener with these limits.
func connServer(t *testing.T, l connLimits, h fasthttp.RequestHandler) (*links, string) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := newLinks(l, func(err error) { t.Error(err) })
	s := &fasthttp.Server{
		Handler: h, StreamRequestBody: true, DisablePreParseMultipartForm: true, MaxRequestBodySize: 1<<63 - 1,
		ReadTimeout: 10 * time.Second, CloseOnShutdown: true, Logger: connLogger{},
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(k.listen(tcp)) }()
	t.Cleanup(func() {
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
		<-served
		connWait(t, "all lingering connections to end", func() bool { return len(k.slots) == 0 })
	})
	return k, tcp.Addr().String()
}

type connLogger struct{}

func (connLogger) Printf(string, ...any) {}

func connWait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range 30_000 { // a minute at least
		if ok() {
			return
		}
		<-tick.C
	}
	t.Fatalf("waited in vain for %s", what)
}

func connDial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return c.(*net.TCPConn)
}

func TestConn_Linger(t *testing.T) {
	refuse := func(ctx *fasthttp.RequestCtx) {
		ctx.Error("refused", fasthttp.StatusRequestEntityTooLarge)
		ctx.SetConnectionClose() // after Error, which resets the whole response
		markLinger(ctx)
	}
	// post sends everything before it reads, as browsers do.
	post := func(t *testing.T, addr string, size int) (int, error) {
		c := connDial(t, addr)
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size)
		if _, err := c.Write(make([]byte, size)); err != nil {
			return 0, err
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return 0, err
		}
		defer res.Body.Close()
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "refused" {
			return 0, fmt.Errorf("body %q, %v", body, err)
		}
		return res.StatusCode, nil
	}
	t.Run("Answer", func(t *testing.T) {
		l := quickLimits()
		l.linger = time.Minute // nobody waits for it: the client closes
		_, addr := connServer(t, l, refuse)
		for i := range 20 {
			if status, err := post(t, addr, 16<<20); status != 413 || err != nil {
				t.Fatalf("try %d: %d, %v; want the refusal", i, status, err)
			}
		}
	})
	t.Run("Discard", func(t *testing.T) {
		l := quickLimits()
		l.discard, l.linger = 1<<20, time.Hour
		_, addr := connServer(t, l, refuse)
		if status, err := post(t, addr, 64<<20); err == nil {
			t.Errorf("%d: 64 MiB were taken where 1 MiB is allowed", status)
		}
	})
	t.Run("Time", func(t *testing.T) {
		k, addr := connServer(t, quickLimits(), refuse)
		c := connDial(t, addr)
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 1<<20, make([]byte, 8<<10))
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != 413 {
			t.Fatal(err)
		}
		if !res.Close {
			t.Error("no Connection: close")
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Error(err)
		}
		connWait(t, "the silent client to be cut", func() bool { return len(k.slots) == 0 })
		connWait(t, "the connection to be closed", func() bool {
			_, err := c.Write(make([]byte, 1))
			return err != nil
		})
	})
	t.Run("Slots", func(t *testing.T) {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer tcp.Close()
		l := quickLimits()
		l.linger = time.Hour
		k := newLinks(l, nil)
		ln := k.listen(tcp)
		pair := func() (*lingerConn, net.Conn) {
			client := connDial(t, tcp.Addr().String())
			c, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			return c.(*lingerConn), client
		}
		for range maxLinger - 1 {
			k.slots <- struct{}{}
		}
		last, lastClient := pair()
		last.MarkLinger()
		var wg sync.WaitGroup
		for range 8 { // Shutdown and a worker may close at the same time
			wg.Go(func() { last.Close() })
		}
		wg.Wait()
		if len(k.slots) != maxLinger {
			t.Fatalf("%d slots taken, want %d", len(k.slots), maxLinger)
		}
		over, _ := pair()
		over.MarkLinger()
		over.Close()
		if _, err := over.Conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("without a slot the connection is not closed: %v", err)
		}
		plain, _ := pair()
		plain.MarkLinger()
		plain.unmark()
		plain.Close()
		if _, err := plain.Conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("an unmarked connection is not closed: %v", err)
		}
		lastClient.Close()
		connWait(t, "the slot to come back", func() bool { return len(k.slots) == maxLinger-1 })
	})
}

// TestConn_Smuggle leaves a body unread whose rest is a request of its own.
func TestConn_Smuggle(t *testing.T) {
	var calls atomic.Int32
	_, addr := connServer(t, quickLimits(), func(ctx *fasthttp.RequestCtx) {
		calls.Add(1)
		ctx.SetConnectionClose()
		markLinger(ctx)
	})
	inner := "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	body := strings.Repeat("a", 8<<10) + inner
	c := connDial(t, addr)
	fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	c.CloseWrite()
	answer, err := io.ReadAll(c)
	if err != nil || bytes.Count(answer, []byte("HTTP/1.1 ")) != 1 || calls.Load() != 1 {
		t.Errorf("%d calls, %v, answer %q; want one", calls.Load(), err, answer)
	}
}

// zeroStream is a response stream of zeros that tells when it is closed.
type zeroStream struct {
	left   int64
	closed chan int64
}

func (w *zeroStream) Read(p []byte) (int, error) {
	if w.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), w.left)
	clear(p[:n])
	w.left -= n
	return int(n), nil
}

func (w *zeroStream) Close() error { w.closed <- w.left; return nil }

func TestConn_Download(t *testing.T) {
	const size = 64 << 20
	closed := make(chan int64, 1)
	get := func(t *testing.T, l connLimits) *net.TCPConn {
		_, addr := connServer(t, l, func(ctx *fasthttp.RequestCtx) {
			ctx.SetBodyStream(&zeroStream{size, closed}, size)
		})
		c := connDial(t, addr)
		c.SetReadBuffer(64 << 10)
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		return c
	}
	t.Run("Stopped", func(t *testing.T) {
		get(t, quickLimits())
		select {
		case left := <-closed:
			if left == 0 {
				t.Error("all was sent to a client that reads nothing: the test shows nothing")
			}
		case <-time.After(time.Minute):
			t.Fatal("a client that does not read holds the stream")
		}
	})
	t.Run("Slow", func(t *testing.T) {
		l := quickLimits()
		l.idle = 5 * time.Second // longer than a busy machine makes a goroutine wait
		c := get(t, l)
		start := time.Now()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		tick := time.NewTicker(85 * time.Millisecond)
		defer tick.Stop()
		var got int64
		for err == nil {
			var n int64
			n, err = io.CopyN(io.Discard, res.Body, 1<<20)
			got += n
			<-tick.C
		}
		if err != io.EOF || got != size {
			t.Errorf("%d bytes, %v; want all: slow is allowed", got, err)
		}
		if took := time.Since(start); took < l.idle {
			t.Errorf("took %v, less than one deadline: the test shows nothing", took)
		}
		if left := <-closed; left != 0 {
			t.Errorf("%d bytes were left", left)
		}
	})
	t.Run("Gone", func(t *testing.T) {
		c := get(t, quickLimits())
		c.SetLinger(0)
		c.Close()
		<-closed
	})
}
