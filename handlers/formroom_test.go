package handlers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"zencrypt/limits"
)

// slowForm sends the beginning of an urlencoded form of n bytes, negative for one in chunks, and then
// nothing more.
func slowForm(t *testing.T, s *server, path string, n int) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	length, begin := "Content-Length: "+strconv.Itoa(n), "text="+strings.Repeat("x", smallForm)
	if n < 0 {
		length, begin = "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n", len(begin), begin)
	}
	_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n%s\r\n\r\n%s",
		path, strings.TrimPrefix(s.url, "http://"), length, begin)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// until waits for what the server does in its own goroutines.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("in vain: " + what)
		}
	}
}

// room tells whether n bytes of the budget for forms are free.
func (s *server) room(n int64) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
	defer cancel()
	release, err := s.forms.Acquire(ctx, limits.User, n)
	if err == nil {
		release()
	}
	return err == nil
}

// TestForm_Memory: what forms hold in memory is bounded, however slowly and however many come.
func TestForm_Memory(t *testing.T) {
	long := strings.Repeat("x", maxText)
	for name, tc := range map[string]struct {
		path   string
		length int
		weight int64
	}{
		"Login":          {"/login", 40 << 10, 40 << 10},
		"LoginInChunks":  {"/login", -1, formLimit},
		"Encrypt":        {"/encrypt", 3 << 20, 3 << 20},
		"EncryptChunked": {"/encrypt", -1, maxEncoded},
		"Download":       {"/results/download", -1, 3 * maxText},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			total := 2 * tc.weight
			s.forms = limits.NewBudget(total, 0, 8, 300*time.Millisecond)
			first := slowForm(t, s, tc.path, tc.length)
			until(t, "one form is counted", func() bool { return !s.room(total) })
			if !s.room(total - tc.weight) {
				t.Errorf("it counts as more than %d bytes", tc.weight)
			}
			slowForm(t, s, tc.path, tc.length)
			until(t, "two forms are counted", func() bool { return !s.room(1) })

			third := slowForm(t, s, tc.path, tc.length)
			answer, err := http.ReadResponse(bufio.NewReader(third), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(answer.Body)
			if answer.StatusCode != 503 || answer.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "The server is busy") {
				t.Errorf("the third is answered %d %q: %s", answer.StatusCode, answer.Header.Get("Retry-After"), body)
			}
			// What has few fields goes on: small forms, and files of any size.
			c := s.client(t)
			c.post("/hash", "text", "small").want(t, 200)
			c.upload("/hash", nil, [2]string{"a.txt", strings.Repeat("x", 1<<20)}).want(t, 200)
			c.register("small")

			_ = first.Close()
			until(t, "the room of a form that was cut is free", func() bool { return s.room(tc.weight) })
		})
	}
	t.Run("Answered", func(t *testing.T) {
		s := newServer(t)
		s.forms = limits.NewBudget(formBytes, 0, 8, time.Second)
		c := s.client(t)
		c.register("answered")
		c.post("/hash", "text", long).want(t, 200)
		c.upload("/encrypt", []string{"to", "me", "text", long}).want(t, 200)
		c.upload("/encrypt", []string{"to", "nobody", "text", long}).want(t, 422)
		c.upload("/hash", []string{"text", long + "x"}).want(t, 413)
		until(t, "every room is given back", func() bool { return s.room(formBytes) })
	})
	t.Run("Bound", func(t *testing.T) {
		c := newServer(t).client(t)
		c.post("/login", "login", "x", "password", strings.Repeat("x", formLimit)).want(t, 413)
		// Fields that are each short enough are bounded together.
		fields := []string{}
		for range maxParts - 1 {
			fields = append(fields, "text", long+long)
		}
		c.upload("/hash", fields).want(t, 413)
	})
}
