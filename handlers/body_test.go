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
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// bodyResult is what a handler saw of a body.
type bodyResult struct {
	body   []byte
	err    error
	marked bool // Close would linger
}

// bodyServer reads every body with a limit and hands on what came of it.
func bodyServer(t *testing.T, l connLimits, limit int64) (addr string, results chan bodyResult) {
	t.Helper()
	results = make(chan bodyResult, 64)
	_, addr = connServer(t, l, func(ctx *fasthttp.RequestCtx) {
		if n := ctx.Request.Header.ContentLength(); n == -1 || n > 8<<10 {
			ctx.SetConnectionClose()
		}
		b := newBodyReader(ctx, limit)
		body, err := io.ReadAll(b)
		if _, again := b.Read(make([]byte, 1)); again == nil || (err != nil && again != err) {
			err = fmt.Errorf("error is not final: %v, then %v", err, again)
		}
		results <- bodyResult{body, err, connOf(ctx).linger.Load()}
	})
	return addr, results
}

func connChunked(body []byte, size int) []byte {
	var b bytes.Buffer
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	b.WriteString("0\r\n\r\n")
	return b.Bytes()
}

const connChunkedHead = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

func connLengthHead(n int) string {
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", n)
}

func TestConnBody_Whole(t *testing.T) {
	addr, results := bodyServer(t, defaultConnLimits, 4<<20)
	check := func(t *testing.T, want []byte) {
		t.Helper()
		got := <-results
		if got.err != nil || !bytes.Equal(got.body, want) || got.marked {
			t.Errorf("%d bytes, %v, marked %t; want %d, no error, a plain close", len(got.body), got.err, got.marked, len(want))
		}
	}
	for _, n := range []int{0, 1, 8<<10 - 1, 8 << 10, 8<<10 + 1, 64<<10 + 1, 4 << 20} {
		want := bytes.Repeat([]byte("0123456789abcdef!"), n/17+1)[:n]
		t.Run(fmt.Sprintf("Length/%d", n), func(t *testing.T) {
			c := connDial(t, addr)
			io.WriteString(c, connLengthHead(n))
			c.Write(want)
			check(t, want)
		})
		t.Run(fmt.Sprintf("Chunked/%d", n), func(t *testing.T) {
			c := connDial(t, addr)
			io.WriteString(c, connChunkedHead)
			c.Write(connChunked(want, 5000))
			check(t, want)
		})
		t.Run(fmt.Sprintf("HalfClosed/%d", n), func(t *testing.T) { // all was sent, then the end
			c := connDial(t, addr)
			io.WriteString(c, connChunkedHead)
			c.Write(connChunked(want, 70000))
			c.CloseWrite()
			check(t, want)
		})
	}
	t.Run("None", func(t *testing.T) {
		c := connDial(t, addr)
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n\r\n")
		check(t, nil)
	})
	t.Run("KeepAlive", func(t *testing.T) {
		c := connDial(t, addr)
		br := bufio.NewReader(c)
		for range 3 {
			io.WriteString(c, connLengthHead(5)+"hello")
			check(t, []byte("hello"))
			res, err := http.ReadResponse(br, nil)
			if err != nil || res.Close {
				t.Fatalf("%+v, %v; want the connection kept", res, err)
			}
			io.Copy(io.Discard, res.Body)
		}
	})
	t.Run("Expect", func(t *testing.T) {
		c := connDial(t, addr)
		want := bytes.Repeat([]byte("x"), 20000)
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 20000\r\n\r\n")
		if line, err := bufio.NewReader(c).ReadString('\n'); !strings.Contains(line, " 100 ") {
			t.Fatalf("%q, %v", line, err)
		}
		c.Write(want)
		check(t, want)
	})
}

func TestConnBody_Cut(t *testing.T) {
	addr, results := bodyServer(t, defaultConnLimits, 4<<20)
	check := func(t *testing.T, want []byte, half bool) {
		t.Helper()
		got := <-results
		if !errors.Is(got.err, errGone) || !bytes.HasPrefix(want, got.body) {
			t.Errorf("%d bytes, %v; want errGone", len(got.body), got.err)
		}
		if half && !errors.Is(got.err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v, want io.ErrUnexpectedEOF too", got.err)
		}
		if !got.marked {
			t.Error("the rest of the body would be answered by a reset")
		}
	}
	end := func(c *net.TCPConn, half bool) {
		if half {
			c.CloseWrite()
			return
		}
		c.SetLinger(0) // a reset
		c.Close()
	}
	body := bytes.Repeat([]byte("y"), 200000)
	for _, half := range []bool{true, false} {
		for _, n := range []int{8 << 10, 8<<10 + 1, 64 << 10, 8<<10 + 64<<10, 199999} {
			t.Run(fmt.Sprintf("Length/half=%t/%d", half, n), func(t *testing.T) {
				c := connDial(t, addr)
				io.WriteString(c, connLengthHead(len(body)))
				c.Write(body[:n])
				end(c, half)
				check(t, body, half)
			})
		}
	}
	small := []byte("a body in three chunks")
	wire := connChunked(small, 9)
	for n := range wire { // in sizes, line ends, data, the last chunk and the trailer
		t.Run(fmt.Sprintf("Chunked/%d", n), func(t *testing.T) {
			c := connDial(t, addr)
			c.Write(append([]byte(connChunkedHead), wire[:n]...))
			end(c, true)
			check(t, small, true)
		})
	}
	t.Run("Malformed", func(t *testing.T) {
		c := connDial(t, addr)
		io.WriteString(c, connChunkedHead+"3\r\nabc\r\nzz\r\n")
		if got := <-results; got.err == nil || errors.Is(got.err, errGone) || errors.Is(got.err, errSlow) {
			t.Errorf("error %v, want one of its own", got.err)
		}
	})
}

func TestConnBody_TooLarge(t *testing.T) {
	const limit = 100000
	addr, results := bodyServer(t, defaultConnLimits, limit)
	for _, extra := range []int{-1, 0, 1, 50000} {
		body := bytes.Repeat([]byte("z"), limit+extra)
		for name, send := range map[string]func(c net.Conn){
			"Length":  func(c net.Conn) { io.WriteString(c, connLengthHead(len(body))); c.Write(body) },
			"Chunked": func(c net.Conn) { io.WriteString(c, connChunkedHead); c.Write(connChunked(body, 30000)) },
		} {
			t.Run(fmt.Sprintf("%s/%+d", name, extra), func(t *testing.T) {
				c := connDial(t, addr)
				send(c)
				got := <-results
				if extra <= 0 {
					if got.err != nil || len(got.body) != len(body) {
						t.Errorf("%d bytes, %v; want all", len(got.body), got.err)
					}
					return
				}
				if !errors.Is(got.err, errTooLarge) || len(got.body) > limit || !got.marked {
					t.Errorf("%d bytes, %v, marked %t; want errTooLarge and a lingering close", len(got.body), got.err, got.marked)
				}
				if name == "Length" && len(got.body) != 0 {
					t.Errorf("read %d bytes of a body that says it is too large", len(got.body))
				}
			})
		}
	}
}

func TestConnBody_Slow(t *testing.T) {
	l := quickLimits()
	addr, results := bodyServer(t, l, 4<<20)
	for name, start := range map[string]string{
		"Length":       connLengthHead(20000) + strings.Repeat("a", 9000),
		"Chunk":        connChunkedHead + "10\r\nabc",
		"BetweenChunk": connChunkedHead + "3\r\nabc\r\n",
		"Trailer":      connChunkedHead + "3\r\nabc\r\n0\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := connDial(t, addr)
			io.WriteString(c, start) // and then nothing
			if got := <-results; !errors.Is(got.err, errSlow) || errors.Is(got.err, errGone) {
				t.Errorf("error %v, want errSlow", got.err)
			}
		})
	}
	// pace is a body of which each read takes a while, on a clock of its own.
	for _, tc := range []struct {
		name        string
		size        int
		each, pause time.Duration
		want        error
	}{
		{"Trickle", 1, 59 * time.Second, 0, errSlow},
		{"JustBelow", 16<<10 - 1, time.Second, 0, errSlow},
		{"JustEnough", 16 << 10, time.Second, 0, nil},
		{"ServerIsSlow", 100, time.Millisecond, time.Minute, nil}, // our own work is not counted
	} {
		t.Run(tc.name, func(t *testing.T) {
			clock := time.Unix(0, 0)
			left := 1000
			b := &bodyReader{limits: defaultConnLimits, now: func() time.Time { return clock }, limit: 1 << 40,
				length: int64(left * tc.size), buf: make([]byte, pieceBytes)}
			b.src = connReadFunc(func(p []byte) (int, error) {
				clock = clock.Add(tc.each)
				left--
				return tc.size, nil
			})
			var err error
			p := make([]byte, tc.size)
			for err == nil {
				_, err = b.Read(p)
				clock = clock.Add(tc.pause)
			}
			if tc.want == nil && (err != io.EOF || left != 0) {
				t.Errorf("%v with %d reads left, want the whole body", err, left)
			}
			if tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if waited := time.Duration(1000-left) * tc.each; tc.want != nil && waited > 2*time.Minute {
				t.Errorf("noticed after %v", waited)
			}
		})
	}
}

type connReadFunc func([]byte) (int, error)

func (f connReadFunc) Read(p []byte) (int, error) { return f(p) }

func TestConnOf(t *testing.T) {
	var none fasthttp.RequestCtx
	if connOf(&none) != nil {
		t.Error("a context without connection has one of ours")
	}
	markLinger(&none)
	b := newBodyReader(&none, 10)
	if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("no body: %d, %v", n, err)
	}
	found := make(chan bool, 1)
	_, addr := connServer(t, quickLimits(), func(ctx *fasthttp.RequestCtx) { found <- connOf(ctx) != nil })
	io.WriteString(connDial(t, addr), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if !<-found {
		t.Error("connOf does not find the connection")
	}
}
