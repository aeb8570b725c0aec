package handlers

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"zencrypt/limits"
)

// slowForm sends the first bytes of an urlencoded form of n bytes, negative for one in chunks, and then
// nothing more.
func slowForm(t *testing.T, s *server, path string, n, bytes int, headers ...string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	length, begin := "Content-Length: "+strconv.Itoa(n), "text="+strings.Repeat("x", bytes-len("text="))
	if n < 0 {
		length, begin = "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n", len(begin), begin)
	}
	headers = append(headers, length)
	_, err = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n%s\r\n\r\n%s",
		path, strings.TrimPrefix(s.url, "http://"), strings.Join(headers, "\r\n"), begin)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// answerOf is the answer on a connection.
func answerOf(t *testing.T, c net.Conn) answer {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(50 * time.Second))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return answer{res, string(body)}
}

// room tells whether n bytes of the budget for forms are free.
func (s *server) room(n int64) bool {
	now := s.forms.State()
	return now.Total-now.Held >= n
}

// TestForm_Memory: what forms hold in memory is bounded, however slowly and however many come.
func TestForm_Memory(t *testing.T) {
	long := strings.Repeat("x", maxText)
	for name, tc := range map[string]struct {
		path   string
		length int
		weight int64
	}{
		"Login":          {"/login", 40 << 10, formStep},
		"LoginInChunks":  {"/login", -1, formLimit},
		"Encrypt":        {"/encrypt", 3 << 20, 3 << 20},
		"EncryptChunked": {"/encrypt", -1, maxEncoded},
		"Download":       {"/results/download", -1, 3 * maxText},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			total := 2 * tc.weight
			sent := tc.length - 1
			if sent < 0 {
				sent = int(tc.weight) - 1
			}
			s.forms = limits.NewBudget(total, 0, 8, 300*time.Millisecond)
			first := slowForm(t, s, tc.path, tc.length, sent)
			connWait(t, "one form to be counted", func() bool { return !s.room(total - tc.weight + 1) })
			if !s.room(total - tc.weight) {
				t.Errorf("it counts as more than %d bytes", tc.weight)
			}
			slowForm(t, s, tc.path, tc.length, sent)
			connWait(t, "two forms to be counted", func() bool { return !s.room(1) })

			third := slowForm(t, s, tc.path, tc.length, sent)
			if a := answerOf(t, third); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "The server is busy") {
				t.Errorf("the third is answered %d %q: %s", a.StatusCode, a.Header.Get("Retry-After"), a.body)
			}
			// What has few fields goes on: small forms, and files of any size.
			c := s.client(t)
			c.post("/hash", "text", "small").want(t, 200)
			c.upload("/hash", nil, [2]string{"a.txt", strings.Repeat("x", 1<<20)}).want(t, 200)
			c.register("small")

			_ = first.Close()
			connWait(t, "the room of a form that was cut", func() bool { return s.room(tc.weight) })
		})
	}
	proxied := func(o *Options) { o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	t.Run("Silent", func(t *testing.T) { // who announces much and sends little keeps nobody out
		s := newServer(t, proxied)
		const crowd = 48
		for i := range crowd {
			slowForm(t, s, "/hash", maxEncoded, smallForm+1, fmt.Sprintf("X-Forwarded-For: 192.0.2.%d", i))
		}
		connWait(t, "all of them to hold something", func() bool { return !s.room(formBytes - (crowd-1)*formStep) })
		if !s.room(formBytes - crowd*formStep) {
			t.Errorf("%d forms hold more than %d bytes each", crowd, formStep)
		}
		c := s.client(t)
		c.post("/hash", "text", long).want(t, 200)
	})
	t.Run("Sure", func(t *testing.T) { // who sends what makes the rest sure, and no more, takes half of all room at most
		s := newServer(t, proxied)
		const crowd, sure = 40, formBytes / 2 / maxEncoded
		for i := range crowd {
			slowForm(t, s, "/hash", maxEncoded, formSure+1, fmt.Sprintf("X-Forwarded-For: 192.0.2.%d", i))
			if i < sure { // others that have come half would count, too
				connWait(t, "it to be sure", func() bool { return s.forms.State().Held >= int64(i+1)*maxEncoded })
			}
		}
		const held = sure*maxEncoded + (crowd-sure)*(formSure+formStep)
		connWait(t, "all of them to hold something", func() bool { return s.forms.State().Held >= held })
		c := s.client(t)
		c.post("/hash", "text", long).want(t, 200)
	})
	t.Run("PerClient", func(t *testing.T) { // one client does not take all of it
		s := newServer(t, proxied)
		const from = "X-Forwarded-For: 192.0.2.1"
		var all []net.Conn
		for range formsPerClient {
			all = append(all, slowForm(t, s, "/hash", maxEncoded, 1<<20, from))
		}
		connWait(t, "all of them to be there", func() bool { return !s.room(formBytes - formsPerClient*maxEncoded + 1) })
		fifth := slowForm(t, s, "/hash", maxEncoded, smallForm+1, from)
		if a := answerOf(t, fifth); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "Four long texts") {
			t.Errorf("one more is answered %d: %s", a.StatusCode, a.body)
		}
		half := s.client(t)
		half.Transport = forwarded{half.Transport, "192.0.2.1"}
		a := half.upload("/encrypt", []string{"to", "recipients", "recipients", "age1somebody", "text", long}).want(t, 503, "Four long texts")
		if strings.Contains(a.body, "age1somebody") {
			t.Errorf("a form that came in half is given back as if it were whole: %s", a.body)
		}
		if strings.Contains(s.log.String(), "request failed") {
			t.Errorf("a bound that holds is logged as a fault: %s", s.log)
		}
		neighbour, account := s.client(t), s.client(t)
		neighbour.Transport = forwarded{neighbour.Transport, "192.0.2.2"}
		neighbour.post("/hash", "text", long).want(t, 200)
		account.Transport = forwarded{account.Transport, "192.0.2.1"}
		account.register("same-address") // which counts as itself
		account.post("/hash", "text", long).want(t, 200)
		_ = all[0].Close()
		connWait(t, "its room", func() bool { return s.room(formBytes - (formsPerClient-1)*maxEncoded) })
		guest := s.client(t)
		guest.Transport = forwarded{guest.Transport, "192.0.2.1"}
		guest.post("/hash", "text", long).want(t, 200)
	})
	t.Run("Answered", func(t *testing.T) {
		s := newServer(t)
		s.forms = limits.NewBudget(formBytes, 0, 8, time.Second)
		c := s.client(t)
		c.register("answered")
		c.post("/hash", "text", long).want(t, 200)
		c.upload("/encrypt", []string{"to", "me", "text", long}).want(t, 200)
		c.upload("/encrypt", []string{"to", "nobody", "text", long}).want(t, 422)
		c.upload("/hash", []string{"text", long + "x"}).want(t, 413)
		connWait(t, "every room to be given back", func() bool { return s.room(formBytes) })
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
