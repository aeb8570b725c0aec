package handlers

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"zencrypt/blobs"
	"zencrypt/crypto/password"
	"zencrypt/lang/langtest"
	"zencrypt/limits"
	"zencrypt/migrations"
	"zencrypt/models"
)

// server is the real application on a real socket, with cheap slow hashes.
type server struct {
	*App
	url string
	log *lockedBuffer
	dir string
	*pseudo
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func newServer(t testing.TB, change ...func(*Options)) *server {
	t.Helper()
	return newServerOf(t, password.Params{Time: 1, MemoryKiB: 32, Threads: 4}, change...)
}

// newServerOf is newServer with slow hashes of a cost.
func newServerOf(t testing.TB, cost password.Params, change ...func(*Options)) *server {
	t.Helper()
	dir := t.TempDir()
	main, err := migrations.Main()
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := migrations.Sessions()
	if err != nil {
		t.Fatal(err)
	}
	files, err := blobs.Open(blobs.Options{Dir: dir, SpoolMax: 1 << 30, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{url: "http://" + ln.Addr().String(), log: &lockedBuffer{}, dir: dir, pseudo: newPseudo()}
	o := Options{Origins: []string{s.url}, Guests: true, Registration: true, MaxUpload: 64 << 20, GuestQuota: 256 << 20,
		AccountQuota: 256 << 20, SessionMax: time.Hour, ResultTTL: time.Hour, Version: "test", DeviceKey: [32]byte{3},
		LoginCost: 1 << 20, Now: time.Now, Log: slog.New(slog.NewJSONHandler(s.log, nil))}
	if s.pseudo != nil {
		o.Languages = langtest.Pseudo(t)
	}
	for _, f := range change {
		f(&o)
	}
	pepper := models.PepperKeys{Active: "test", Keys: map[string]models.ServerKey{"test": {Pepper: [32]byte{1}, Logins: [32]byte{2}}}}
	db, err := models.Open(t.Context(), models.Options{Dir: dir, Words: password.PlaceWords("https://hollowbrook.example"), Now: o.Now, Main: main, Sessions: sessions, Pepper: pepper,
		KDF: cost})
	if err != nil {
		t.Fatal(err)
	}
	s.App = New(o, db, files, limits.NewBudget(448<<20, 128<<20, 32, 5*time.Second))
	if err := s.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		_ = db.Close()
	})
	return s
}

// client is a browser as far as the server can tell: it keeps cookies and says where a post came from.
type client struct {
	*http.Client
	t      testing.TB
	base   string
	htmx   bool
	site   string
	accept string // Accept-Language
	*pseudo
}

func (s *server) client(t testing.TB) *client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	c := &client{t: t, base: s.url, site: "same-origin", pseudo: s.pseudo, Client: &http.Client{Jar: jar, Transport: tr, Timeout: 2 * time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if s.pseudo != nil {
		c.accept = langtest.Tag
	}
	return c
}

type answer struct {
	*http.Response
	body string
}

func (c *client) do(method, path, kind string, body io.Reader) answer {
	c.t.Helper()
	if c.pseudo != nil {
		_, query, _ := strings.Cut(path, "?")
		var err error
		if body, err = c.sent(kind, query, body); err != nil {
			c.t.Fatal(err)
		}
	}
	req, err := http.NewRequest(method, c.base+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if c.site != "" {
		req.Header.Set("Sec-Fetch-Site", c.site)
	}
	if c.accept != "" {
		req.Header.Set("Accept-Language", c.accept)
	}
	if c.htmx {
		req.Header.Set("HX-Request", "true")
	}
	res, err := c.Do(req)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatalf("%s %s: read: %v", method, path, err)
	}
	a := answer{res, string(b)}
	if c.pseudo != nil && strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		a.body = c.heard(c.t, method+" "+path, a.body)
	}
	return a
}

func (c *client) get(path string) answer { c.t.Helper(); return c.do("GET", path, "", nil) }

func (c *client) post(path string, fields ...string) answer {
	c.t.Helper()
	v := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		v.Add(fields[i], fields[i+1])
	}
	return c.do("POST", path, "application/x-www-form-urlencoded", strings.NewReader(v.Encode()))
}

// upload sends fields and then files, as a browser's multipart form does.
func (c *client) upload(path string, fields []string, files ...[2]string) answer {
	c.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		_ = w.WriteField(fields[i], fields[i+1])
	}
	for _, f := range files {
		p, err := w.CreateFormFile("file", f[0])
		if err != nil {
			c.t.Fatal(err)
		}
		_, _ = io.WriteString(p, f[1])
	}
	_ = w.Close()
	return c.do("POST", path, w.FormDataContentType(), &b)
}

const testPassword = "correct horse battery staple 9"

var codePattern = regexp.MustCompile(`[A-Z2-7]{4}(?:-[A-Z2-7]{4}){7}`)

// register makes an account and confirms its recovery code, which it returns.
func (c *client) register(login string) string {
	c.t.Helper()
	if a := c.post("/register", "login", login, "password", testPassword, "password2", testPassword); a.StatusCode != 303 {
		c.t.Fatalf("register: %d\n%s", a.StatusCode, a.body)
	}
	code := codePattern.FindString(c.get("/register/confirm").body)
	if code == "" {
		c.t.Fatal("no recovery code on the page")
	}
	if a := c.post("/register/confirm", "code", code); a.StatusCode != 303 || a.Header.Get("Location") != "/encrypt" {
		c.t.Fatalf("confirm: %d\n%s", a.StatusCode, a.body)
	}
	return code
}

func (a answer) want(t testing.TB, status int, texts ...string) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d\n%s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.body)
	}
	for _, s := range texts {
		if !strings.Contains(a.body, s) {
			t.Fatalf("%s %s: the answer lacks %q\n%s", a.Request.Method, a.Request.URL.Path, s, a.body)
		}
	}
	return a
}
