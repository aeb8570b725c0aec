package handlers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"
)

// scripted is a listener that gives these errors one after the other, then connections.
type scripted struct {
	net.Listener
	errs  []error
	calls []time.Time
}

func (s *scripted) Accept() (net.Conn, error) {
	s.calls = append(s.calls, time.Now())
	if len(s.errs) == 0 {
		c, _ := net.Pipe()
		return c, nil
	}
	err := s.errs[0]
	s.errs = s.errs[1:]
	return nil, err
}

func (s *scripted) Close() error { return nil }

// acceptError is an error of accept(2) as package net wraps it.
func acceptError(e syscall.Errno) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", e)}
}

func TestLinks_Accept(t *testing.T) {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		t.Run(fmt.Sprintf("Retry/%d", int(e)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{}
				for range 10 {
					s.errs = append(s.errs, acceptError(e))
				}
				heard := 0
				ln := newLinks(quickLimits(), func(error) { heard++ }).listen(s)
				if c, err := ln.Accept(); err != nil {
					t.Fatal(err)
				} else if _, ok := c.(*lingerConn); !ok {
					t.Errorf("a %T", c)
				}
				var pauses []time.Duration
				for i := range s.calls[1:] {
					pauses = append(pauses, s.calls[i+1].Sub(s.calls[i])/time.Millisecond)
				}
				if got := fmt.Sprintf("%d", pauses); got != "[5 10 20 40 80 160 320 640 1000 1000]" || heard != 10 {
					t.Errorf("pauses of %s ms, %d heard", got, heard)
				}
				s.errs, s.calls = []error{acceptError(e)}, nil
				if _, err := ln.Accept(); err != nil || s.calls[1].Sub(s.calls[0]) != minRetry {
					t.Errorf("%v; pauses begin anew after a connection", err)
				}
			})
		})
	}
	t.Run("Closed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{}
			for range 1000 {
				s.errs = append(s.errs, acceptError(syscall.EMFILE))
			}
			ln := newLinks(quickLimits(), func(error) {}).listen(s)
			ended := make(chan error)
			go func() { _, err := ln.Accept(); ended <- err }()
			time.Sleep(10 * time.Second) // of the bubble's clock
			ln.Close()
			closed := time.Now()
			if err := <-ended; !errors.Is(err, net.ErrClosed) || time.Since(closed) != 0 {
				t.Errorf("%v after %v, want net.ErrClosed at once", err, time.Since(closed))
			}
			if n := len(s.calls); n > 20 {
				t.Errorf("%d tries in 10 s", n)
			}
			s.errs = nil
			if c, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v, %v after Close", c, err)
			}
		})
	})
	t.Run("Final", func(t *testing.T) {
		s := &scripted{errs: []error{acceptError(syscall.EINVAL)}}
		if _, err := newLinks(quickLimits(), nil).listen(s).Accept(); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%v, want the listener's own error", err)
		}
	})
	t.Run("Log", func(t *testing.T) {
		var log bytes.Buffer
		clock := time.Unix(1000, 0)
		say := shortage(slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return clock })
		for range 90 {
			say(acceptError(syscall.EMFILE))
			clock = clock.Add(time.Second)
		}
		if n := strings.Count(log.String(), "too many open files"); n != 2 {
			t.Errorf("%d lines in 90 s, want 2:\n%s", n, log.String())
		}
	})
}

// arrivals is a listener whose connections come from these addresses, one after the other.
type arrivals struct {
	net.Listener
	addrs  []net.Addr
	others []net.Conn // the other ends
}

type arrival struct {
	net.Conn
	addr net.Addr
}

func (c arrival) RemoteAddr() net.Addr { return c.addr }

func (f *arrivals) Accept() (net.Conn, error) {
	if len(f.addrs) == 0 {
		return nil, net.ErrClosed
	}
	ours, other := net.Pipe()
	c := arrival{ours, f.addrs[0]}
	f.addrs, f.others = f.addrs[1:], append(f.others, other)
	return c, nil
}

// TestLinks_PerClient: no client has all connections. What is too many of one is closed, and the next one is taken.
func TestLinks_PerClient(t *testing.T) {
	s := newServer(t, func(o *Options) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	tcp := func(a string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(a), Port: 40000} }
	const over = 3
	for name, tc := range map[string]struct {
		addr    net.Addr
		bounded bool
	}{
		"IPv4":     {tcp("198.51.100.7"), true},
		"IPv6":     {tcp("2001:db8:1:2::1"), true},
		"Loopback": {tcp("127.0.0.1"), false},
		"Mapped":   {tcp("::ffff:127.0.0.1"), false},
		"Six":      {tcp("::1"), false},
		"Proxy":    {tcp("192.0.2.9"), false},
		"Bridge":   {tcp("172.17.0.1"), false}, // of a container
		"Local":    {tcp("fd00::1"), false},
		"Socket":   {&net.UnixAddr{Name: "@", Net: "unix"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := newLinks(quickLimits(), func(err error) { t.Error(err) })
			crowd := 0
			k.client, k.crowd = s.links.client, func() { crowd++ }
			f := &arrivals{}
			for range connsPerClient + over {
				f.addrs = append(f.addrs, tc.addr)
			}
			other := tcp("203.0.113.5")
			f.addrs = append(f.addrs, other)
			ln := k.listen(f)
			var mine []net.Conn
			for {
				c, err := ln.Accept()
				if err != nil {
					t.Fatal(err)
				}
				if c.RemoteAddr() == other {
					break
				}
				mine = append(mine, c)
			}
			want := connsPerClient + over
			if tc.bounded {
				want = connsPerClient
				_ = f.others[connsPerClient].SetReadDeadline(time.Now().Add(time.Minute))
				if _, err := f.others[connsPerClient].Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("one too many: %v, want it closed", err)
				}
			}
			if n := int(k.turned.Load()); n != crowd || tc.bounded && crowd != over || !tc.bounded && crowd != 0 {
				t.Errorf("%d connections too many were told of, %d counted", crowd, n)
			}
			if len(mine) != want || k.count() != want+1 {
				t.Errorf("%d connections are taken and %d open, want %d and one", len(mine), k.count(), want)
			}
			_ = mine[0].Close()
			_ = mine[0].Close() // once counts
			f.addrs = []net.Addr{tc.addr, tc.addr}
			if _, err := ln.Accept(); err != nil {
				t.Errorf("after one was closed: %v", err)
			}
			if _, err := ln.Accept(); (err != nil) != tc.bounded {
				t.Errorf("and another: %v", err)
			}
		})
	}
}

// linkedApp is an App of one handler, as far as Serve and Shutdown need it.
func linkedApp(t *testing.T, h fasthttp.RequestHandler) (a *App, addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a = &App{core: &core{transfers: newTransfers()}, links: newLinks(quickLimits(), func(err error) { t.Error(err) })}
	a.server = &fasthttp.Server{Handler: h, StreamRequestBody: true, DisablePreParseMultipartForm: true,
		MaxRequestBodySize: 1<<63 - 1, ReadTimeout: 30 * time.Second, CloseOnShutdown: true, Logger: connLogger{}}
	served := make(chan error, 1)
	go func() { served <- a.Serve(ln) }()
	t.Cleanup(func() {
		ln.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return a, ln.Addr().String()
}

// shutdown gives requests some time and tells how long it took.
func shutdown(t *testing.T, a *App, drain time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(t.Context(), drain)
	defer cancel()
	start := time.Now()
	err := a.Shutdown(ctx)
	return time.Since(start), err
}

func linked(a *App) (open, waiting int) {
	a.links.mu.Lock()
	defer a.links.mu.Unlock()
	return len(a.links.open), len(a.links.waiting)
}

func TestApp_Shutdown(t *testing.T) {
	t.Run("Unused", func(t *testing.T) { // browsers open connections in advance
		a, addr := linkedApp(t, func(*fasthttp.RequestCtx) {})
		c := connDial(t, addr)
		connWait(t, "the connection to be taken", func() bool { _, n := linked(a); return n == 1 })
		if took, err := shutdown(t, a, 2*time.Minute); err != nil || took > time.Minute {
			t.Errorf("%v after %v, want no wait for a connection that says nothing", err, took)
		}
		if n, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%d, %v; want the connection closed", n, err)
		}
	})
	t.Run("AtWork", func(t *testing.T) {
		began, end := make(chan bool), make(chan bool)
		a, addr := linkedApp(t, func(ctx *fasthttp.RequestCtx) {
			close(began)
			<-end
			ctx.SetBodyString("done")
		})
		c := connDial(t, addr)
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		<-began
		connDial(t, addr)
		connWait(t, "the second connection", func() bool { _, n := linked(a); return n == 1 })
		ended := make(chan error, 1)
		go func() { _, err := shutdown(t, a, time.Minute); ended <- err }()
		connWait(t, "the unused connection to be closed", func() bool { n, _ := linked(a); return n == 1 })
		close(end)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if answer, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(answer), "done") {
			t.Errorf("%q, %v; want the whole answer", answer, err)
		}
	})
	t.Run("Stalled", func(t *testing.T) {
		began, ended := make(chan bool), make(chan bool)
		a, addr := linkedApp(t, func(ctx *fasthttp.RequestCtx) {
			b := newBodyReader(ctx, 1<<30)
			b.limits.idle = time.Hour
			close(began)
			io.Copy(io.Discard, b)
			close(ended)
		})
		c := connDial(t, addr)
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", 1<<20, make([]byte, 64<<10))
		<-began
		a.links.limits.cut = time.Minute // the handler ends by itself
		if _, err := shutdown(t, a, 50*time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want that a request was cut", err)
		}
		select {
		case <-ended:
		default:
			t.Error("its handler runs on after Shutdown")
		}
	})
	t.Run("NotBegun", func(t *testing.T) {
		a := &App{core: &core{transfers: newTransfers()}, server: &fasthttp.Server{}, links: newLinks(quickLimits(), nil)}
		if _, err := shutdown(t, a, time.Second); err != nil {
			t.Error(err)
		}
		if err := a.Serve(&scripted{}); err != nil {
			t.Errorf("Serve after Shutdown: %v", err)
		}
	})
	t.Run("Stuck", func(t *testing.T) {
		began, end := make(chan bool), make(chan bool)
		a, addr := linkedApp(t, func(*fasthttp.RequestCtx) { close(began); <-end })
		io.WriteString(connDial(t, addr), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		<-began
		if took, err := shutdown(t, a, 50*time.Millisecond); err != ErrRunning || took > 30*time.Second {
			t.Errorf("%v after %v, want ErrRunning after about a second", err, took)
		}
		close(end)
	})
}
