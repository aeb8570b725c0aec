package handlers

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
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
