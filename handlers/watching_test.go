package handlers

import (
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestWatch counts what goes on: an upload while it comes in, what was refused, who is logged in; and tells of each
// request by its route alone.
func TestWatch(t *testing.T) {
	var mu sync.Mutex
	told := map[Seen]int{}
	s := newServer(t, func(o *Options) {
		o.Seen = func(e Seen) {
			mu.Lock()
			defer mu.Unlock()
			e.Took = 0
			told[e]++
		}
	})
	c := s.client(t)
	c.register("watched")
	c.get("/vault/0123456789abcdef0123456789abcdef").want(t, 404)
	c.do("DELETE", "/vault", "", nil)
	c.do("INVENTED", "/nothing/watched", "", nil)

	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	req, err := http.NewRequest("POST", c.base+"/vault", r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	done := make(chan error, 1)
	go func() {
		res, err := c.Do(req)
		if err == nil {
			res.Body.Close()
		}
		done <- err
	}()
	p, err := form.CreateFormFile("file", "file.bin")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(p, strings.Repeat("x", 1<<20))
	connWait(t, "an upload to be under way", func() bool { return s.Watch(t.Context()).Uploads == 1 })
	if n := s.Watch(t.Context()).Connections; n == 0 {
		t.Error("an upload is under way over no connection")
	}
	_ = form.Close()
	w.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	connWait(t, "the upload to be over", func() bool { return s.Watch(t.Context()).Uploads == 0 })

	v := s.Watch(t.Context())
	if !v.Answered || v.Sessions != 1 || v.BytesIn < 1<<20 || v.BytesOut == 0 || v.Free <= 0 || v.Hashes.Total == 0 || !v.Backup.Time.IsZero() || v.Downloads != 0 {
		t.Errorf("watched %+v", v)
	}
	c.post("/logout")
	if n := s.Watch(t.Context()).Sessions; n != 0 {
		t.Errorf("%d sessions after the log-out", n)
	}
	mu.Lock()
	defer mu.Unlock()
	for e, n := range map[Seen]int{
		{Method: "GET", Route: "/vault/:id", Status: 404}: 1,
		{Method: "POST", Route: "/vault", Status: 303}:    1,
		{Method: "POST", Route: "/register", Status: 303}: 1,
		{Method: "other", Route: "unknown", Status: 405}:  1,
	} {
		if told[e] != n {
			t.Errorf("%+v was told %d times, want %d; all: %+v", e, told[e], n, told)
		}
	}
	for e := range told {
		if strings.Contains(e.Route, "watched") || strings.Contains(e.Route, "0123") || e.Method == "INVENTED" {
			t.Errorf("told too much: %+v", e)
		}
	}
}

// TestWatch_Gone: a client that breaks its connection off while it sends is no failure of the server, in the counts and in the log.
func TestWatch_Gone(t *testing.T) {
	var mu sync.Mutex
	var told []Seen
	s := newServer(t, func(o *Options) {
		o.Seen = func(e Seen) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e)
		}
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.client(t).base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST /hash HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\ntext="); err != nil {
		t.Fatal(err)
	}
	connWait(t, "what was sent to arrive", func() bool { return s.Watch(t.Context()).BytesIn > 0 })
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // closing it sends a reset
		t.Fatal(err)
	}
	conn.Close()
	connWait(t, "the request to be counted", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(told) > 0
	})
	mu.Lock()
	defer mu.Unlock()
	if len(told) != 1 || told[0].Status != 400 || strings.Contains(s.log.String(), "request failed") {
		t.Errorf("told %+v\n%s", told, s.log)
	}
}

// TestMoves: a file counts as under way wherever its bytes are read through: also where a result is opened in its place,
// and where an item is renewed.
func TestMoves(t *testing.T) {
	var under, began atomic.Int64
	s := newServer(t, func(o *Options) {
		o.Moves = func(by int64) {
			if under.Add(by); by > 0 {
				began.Add(by)
			}
		}
	})
	c := s.client(t)
	c.register("mover")
	counted := func(what string, want int64) {
		t.Helper()
		if got := began.Swap(0); got != want || under.Load() != 0 {
			t.Errorf("%s: %d files, %d of them still under way, want %d", what, got, under.Load(), want)
		}
	}
	page := c.upload("/encrypt", []string{"to", "passphrase", "passphrase", "a long passphrase"}, [2]string{"a.txt", "content"}).want(t, 200)
	sealed := c.get(resultPath(t, page.body)+"/file").want(t, 200).body
	connWait(t, "the download is over", func() bool { return under.Load() == 0 })
	result := resultPath(t, c.upload("/decrypt", []string{"mode", "files"}, [2]string{"a.age", sealed}).want(t, 422).body)
	began.Store(0)
	c.post(result+"/open", "passphrase", "wrong").want(t, 422)
	counted("a wrong passphrase", 1)
	c.post(result+"/open", "passphrase", "a long passphrase").want(t, 303)
	counted("the right one", 1)

	for range 2 {
		c.upload("/encrypt", []string{"to", "me", "save", "1", "mode", "files"}, [2]string{"b.txt", "content"}).want(t, 200)
	}
	c.upload("/encrypt", []string{"to", "me", "save", "1", "text", "not a file"}).want(t, 200)
	for _, path := range keyLink.FindAllString(c.get("/keys").body, 2) {
		c.post(path+"/rotate").want(t, 303)
	}
	began.Store(0)
	c.post("/keys/rewrap").want(t, 303)
	s.rewrapped(t, c)
	c.get("/keys").want(t, 200, "3 items were rewrapped")
	counted("a renewal", 2)
}
