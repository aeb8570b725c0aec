//go:build linux

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// state is what a client can leave behind in a running server.
type state struct {
	files, rows, open string
}

// state lists stored files, rows, and which stored files are open. The databases' own descriptors come
// and go with their pools, and sockets with kept connections.
func (s *server) state() state {
	s.t.Helper()
	rows := ""
	for _, q := range [][2]string{{"zencrypt.db", "items"}, {"sessions.db", "results"}, {"sessions.db", "sessions"}} {
		rows += q[1] + " " + strings.Join(s.query(q[0], "SELECT count(*) FROM "+q[1]), "") + ", "
	}
	var open []string
	for _, name := range s.openFiles() {
		if strings.HasPrefix(name, s.data+"/spool/") || strings.HasPrefix(name, s.data+"/blobs/") {
			open = append(open, name)
		}
	}
	return state{strings.Join(s.stored(), "\n"), rows, strings.Join(open, "\n")}
}

// TestCutoff cuts connections of the real program in the middle of transfers larger than every buffer.
func TestCutoff(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c, guest := s.client(), s.client()
	c.register("cutoff", "horse battery staple 9")
	const size = 24 << 20
	content := func() part {
		return part{field: "file", name: "f.bin", content: &repeated{text: "what is cut off. ", left: size}, size: size}
	}
	kept := c.must(c.upload("/vault", content()), 303).location()
	encrypted := shownResult.FindString(c.must(c.upload("/encrypt", field("to", "me"), content()), 200).body)
	sealed := c.must(c.get(encrypted+"/file"), 200).body
	decrypted := shownResult.FindString(c.must(c.upload("/decrypt", file("f.age", sealed)), 200).body)
	c.http.CloseIdleConnections()
	before := s.state()
	settled := func(t *testing.T) {
		t.Helper()
		now := before
		defer func() {
			if now != before {
				t.Errorf("was %+v\nand is %+v", before, now)
			}
		}()
		eventually(t, time.Minute, "the server is as it was", func() bool { now = s.state(); return now == before })
	}

	uploads := map[string]struct {
		c       *client
		path    string
		options []part
		start   string
		disk    bool // something of it lies on the disk meanwhile
	}{
		"Vault":        {c, "/vault", nil, "", true},
		"Encrypt":      {c, "/encrypt", []part{field("to", "me"), field("save", "1")}, "", true},
		"Decrypt":      {c, "/decrypt", []part{field("save", "1")}, sealed[:size/2], true},
		"GuestEncrypt": {guest, "/encrypt", []part{field("passphrase", "a passphrase")}, "", true},
		"GuestDecrypt": {guest, "/decrypt", nil, sealed[:size/2], true},
		"GuestHash":    {guest, "/hash", nil, "", false},
	}
	for name, u := range uploads {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("Upload/%s/chunked=%t", name, chunked), func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				h := &half{sent: make(chan struct{}), stop: ctx.Done(), Reader: &repeated{text: "half of a file. ", left: size / 2}}
				if u.start != "" {
					h.Reader = strings.NewReader(u.start)
				}
				up := part{field: "file", name: "second.bin", content: h, size: size}
				if chunked {
					up.size = -1
				}
				done := make(chan error, 1)
				req := u.c.multipart(u.path, append(u.options, content(), up)...).WithContext(ctx)
				go func() {
					resp, err := u.c.http.Do(req)
					if err == nil {
						resp.Body.Close()
						err = fmt.Errorf("status %d", resp.StatusCode)
					}
					done <- err
				}()
				select {
				case <-h.sent:
				case err := <-done:
					t.Fatalf("the upload ended before its half: %v", err)
				case <-time.After(time.Minute):
					t.Fatal("half of the upload was not taken")
				}
				if u.disk {
					eventually(t, time.Minute, "something of it lies on the disk", func() bool { return s.state().files != before.files })
				}
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) && !errors.Is(err, errHalf) { // whichever came first
					t.Errorf("the upload ended with: %v", err)
				}
				settled(t)
			})
		}
	}
	for name, path := range map[string]string{"Vault": kept, "Encrypted": encrypted, "Decrypted": decrypted} {
		t.Run("Download/"+name, func(t *testing.T) {
			for _, reset := range []bool{false, true} {
				conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				_ = conn.(*net.TCPConn).SetReadBuffer(64 << 10)
				req := c.request(http.MethodGet, path+"/file", nil)
				for _, k := range c.http.Jar.Cookies(req.URL) {
					req.AddCookie(k)
				}
				if err := req.Write(conn); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(conn), req)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Fatalf("%v, %v", resp, err)
				}
				if n, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil {
					t.Fatalf("%d bytes: %v", n, err)
				}
				if now := s.state(); now.open == before.open {
					t.Error("the file is not open in the middle of its download: the test shows nothing")
				}
				if reset {
					_ = conn.(*net.TCPConn).SetLinger(0)
				}
				_ = conn.Close()
				settled(t)
			}
		})
	}
	if a := c.must(c.get(decrypted+"/file"), 200); len(a.body) != size {
		t.Errorf("after all this the download has %d bytes", len(a.body))
	}
	c.http.CloseIdleConnections()
	guest.http.CloseIdleConnections()
	eventually(t, time.Minute, "no connection is open", func() bool { return strings.Count(strings.Join(s.openFiles(), "\n"), "socket:") <= 1 })
	_, stacks := s.quit()
	if !strings.Contains(stacks, "(*App).Serve") {
		t.Error("the stacks lack the server's own goroutine: they show nothing")
	}
	for _, g := range strings.Split(stacks, "\n\n") {
		if ours := regexp.MustCompile(`zencrypt/(handlers|blobs|crypto)\S*`).FindString(g); ours != "" && !strings.Contains(g, "(*App).Serve") {
			t.Errorf("a goroutine is left in %s:\n%s", ours, g)
		}
	}
}
