//go:build linux

package e2e

import (
	"context"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// client is a person's browser without its pictures: a cookie jar, and the
// headers that browsers send along. It follows no redirect, so that tests see them.
type client struct {
	t    testing.TB
	base string
	http *http.Client
	// header goes with every request. A test of what a stranger's page can do changes it.
	header http.Header
}

// client returns a new visitor without cookies.
func (s *server) client() *client { return newClient(s.t, s.url, nil) }

// clientFrom is client from another address of this machine, such as 127.0.0.7.
func (s *server) clientFrom(ip string) *client { return newClient(s.t, s.url, net.ParseIP(ip)) }

func newClient(t testing.TB, base string, from net.IP) *client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	dialer := &net.Dialer{Timeout: time.Minute}
	if from != nil {
		dialer.LocalAddr = &net.TCPAddr{IP: from}
	}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{
		t: t, base: base,
		header: http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"}, "User-Agent": {"zencrypt-e2e"}},
		http: &http.Client{
			Jar: jar, Transport: transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// answer is a whole answer in memory.
type answer struct {
	status int
	header http.Header
	body   string
}

// location is where a redirect leads, without scheme and host.
func (a answer) location() string {
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		return a.header.Get("Location")
	}
	return u.RequestURI()
}

// request makes a request with the client's headers. Posts carry Origin, as those of browsers do.
func (c *client) request(method, path string, body io.Reader) *http.Request {
	c.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, c.base+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header = c.header.Clone()
	if method != http.MethodGet && req.Header.Get("Origin") == "" {
		req.Header.Set("Origin", c.base)
	}
	return req
}

// send sends req and returns the answer, whose body the caller closes.
func (c *client) send(req *http.Request) *http.Response {
	c.t.Helper()
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
	return resp
}

// read sends req and reads the whole answer.
func (c *client) read(req *http.Request) answer {
	c.t.Helper()
	resp := c.send(req)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("%s %s: read the answer: %v", req.Method, req.URL.Path, err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func (c *client) get(path string) answer {
	c.t.Helper()
	return c.read(c.request(http.MethodGet, path, nil))
}

// post sends a form: name, value, name, value...
func (c *client) post(path string, pairs ...string) answer {
	c.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	req := c.request(http.MethodPost, path, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.read(req)
}

// part is one field of a multipart form: a value, or a file when name is set.
type part struct {
	field, value string
	name         string    // a file's name
	content      io.Reader // a file's content
	size         int64     // of content in bytes; negative sends the form in chunks, without a length
}

// field is a plain field; file one with content in memory.
func field(name, value string) part { return part{field: name, value: value} }

func file(name, content string) part {
	return part{field: "file", name: name, content: strings.NewReader(content), size: int64(len(content))}
}

// multipart returns a POST of the parts in their order (options have to come
// before text and files), with a Content-Length as browsers send it. The body is read as it is sent.
func (c *client) multipart(path string, parts ...part) *http.Request {
	c.t.Helper()
	const boundary = "----zencrypt-e2e-5f0d2c7a91"
	escape := strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, "%22") // as the HTML standard says
	var pieces []io.Reader
	length := int64(0)
	text := func(s string) {
		pieces = append(pieces, strings.NewReader(s))
		if length >= 0 {
			length += int64(len(s))
		}
	}
	for _, p := range parts {
		head := "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + escape.Replace(p.field) + `"`
		if p.content == nil {
			text(head + "\r\n\r\n" + p.value + "\r\n")
			continue
		}
		text(head + `; filename="` + escape.Replace(p.name) + "\"\r\nContent-Type: application/octet-stream\r\n\r\n")
		pieces = append(pieces, p.content)
		if p.size < 0 || length < 0 {
			length = -1
		} else {
			length += p.size
		}
		text("\r\n")
	}
	text("--" + boundary + "--\r\n")
	req := c.request(http.MethodPost, path, io.MultiReader(pieces...))
	req.ContentLength = length
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+boundary)
	return req
}

// upload posts the parts and reads the whole answer.
func (c *client) upload(path string, parts ...part) answer {
	c.t.Helper()
	return c.read(c.multipart(path, parts...))
}

// htmx makes req one that htmx would send.
func htmx(req *http.Request) *http.Request {
	req.Header.Set("HX-Request", "true")
	req.Header.Set("Sec-Fetch-Mode", "cors")
	return req
}

// must fails the test when a is not status, and returns it. A redirect may be asked for with where it leads.
func (c *client) must(a answer, status int, location ...string) answer {
	c.t.Helper()
	if a.status != status {
		c.t.Fatalf("got status %d instead of %d (Location %q):\n%s", a.status, status, a.header.Get("Location"), words(a.body))
	}
	if len(location) > 0 && a.location() != location[0] {
		c.t.Fatalf("got sent to %q instead of %q", a.location(), location[0])
	}
	return a
}

var recoveryCode = regexp.MustCompile(`\b[A-Z2-7]{4}(?:-[A-Z2-7]{4}){7}\b`)

// register makes an account, confirms its recovery code and returns that. The client is logged in then.
func (c *client) register(login, password string) (code string) {
	c.t.Helper()
	c.must(c.get("/register"), http.StatusOK)
	c.must(c.post("/register", "login", login, "password", password, "password2", password), http.StatusSeeOther, "/register/confirm")
	return c.confirm()
}

// confirm types the recovery code back that the page shows, and returns it.
func (c *client) confirm() (code string) {
	c.t.Helper()
	page := c.must(c.get("/register/confirm"), http.StatusOK)
	code = recoveryCode.FindString(page.body)
	if code == "" {
		c.t.Fatalf("the page shows no recovery code:\n%s", words(page.body))
	}
	c.must(c.post("/register/confirm", "code", code), http.StatusSeeOther)
	return code
}

func (c *client) login(login, password string) {
	c.t.Helper()
	c.must(c.post("/login", "login", login, "password", password), http.StatusSeeOther)
}

func (c *client) logout() {
	c.t.Helper()
	c.must(c.post("/logout"), http.StatusSeeOther)
}

// words is a page's text for a person who reads a failed test: no head, no tags, few blanks.
func words(page string) string {
	if i := strings.Index(page, "<main"); i >= 0 {
		page = page[i:]
	}
	page = regexp.MustCompile(`(?s)<(script|style|head)\b.*?</(script|style|head)>|<[^>]*>`).ReplaceAllString(page, " ")
	text := strings.Join(strings.Fields(html.UnescapeString(page)), " ")
	if len(text) > 1500 {
		return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(text[:1500], ""), len(text))
	}
	return text
}
