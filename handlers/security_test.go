package handlers

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// ask sends one request without cookies or any header that is not given: name, value, name, value...
// The name Host sets the request's host.
func (s *server) ask(t *testing.T, method, path, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		} else {
			req.Header.Add(header[i], header[i+1])
		}
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s %s: read: %v", method, path, err)
	}
	return answer{res, string(b)}
}

// raw sends text as it is and returns all that comes back until the server closes or is silent.
func (s *server) raw(t *testing.T, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("read the answer: %v, after %q", err, b)
	}
	return string(b)
}

func (s *server) host() string { return strings.TrimPrefix(s.url, "http://") }

// wantHeaders fails unless every header of DESIGN section 7 is there, once.
func wantHeaders(t *testing.T, what string, h http.Header, csp string, https bool) {
	t.Helper()
	want := map[string]string{
		"Content-Security-Policy":      csp,
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "same-origin",
		"X-Robots-Tag":                 "noindex, nofollow",
	}
	for name, value := range want {
		if got := h.Values(name); len(got) != 1 || got[0] != value {
			t.Errorf("%s: %s is %q, want %q", what, name, got, value)
		}
	}
	if got := h.Get("Permissions-Policy"); !strings.Contains(got, "camera=()") || !strings.Contains(got, "geolocation=()") {
		t.Errorf("%s: Permissions-Policy is %q", what, got)
	}
	if got := h.Get("Strict-Transport-Security"); (got != "") != https {
		t.Errorf("%s: Strict-Transport-Security is %q under https=%v", what, got, https)
	}
	if got := h.Get("Cache-Control"); got != "no-store" && !strings.HasPrefix(what, "GET /static/") {
		t.Errorf("%s: Cache-Control is %q", what, got)
	}
	for _, name := range []string{"Server", "X-Powered-By", "Access-Control-Allow-Origin"} {
		if h.Get(name) != "" {
			t.Errorf("%s: %s is %q, want none", what, name, h.Get(name))
		}
	}
}

const wantPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func TestSecurity_Headers(t *testing.T) {
	s := newServer(t)
	in := s.client(t)
	in.register("headers")
	t.Run("EveryRoute", func(t *testing.T) {
		for _, r := range s.Routes() {
			if r.Path == "/logout" {
				continue // it would end the session of the others; below
			}
			for _, c := range []*client{s.client(t), in} {
				csp := wantPolicy
				if r.Path == "/results/download" {
					csp = "sandbox" // an empty file
				}
				for _, c.htmx = range []bool{false, true} {
					wantHeaders(t, r.Method+" "+r.Path, c.do(r.Method, path(r), "", nil).Header, csp, false)
				}
				c.htmx = false
			}
		}
		wantHeaders(t, "POST /logout", s.client(t).post("/logout").Header, wantPolicy, false)
	})
	t.Run("StaticFile", func(t *testing.T) {
		page := in.get("/account").want(t, 200).body
		_, rest, ok := strings.Cut(page, `href="/static/`)
		name, _, _ := strings.Cut(rest, `"`)
		if !ok {
			t.Fatal("the page links no style")
		}
		a := in.get("/static/"+name).want(t, 200)
		wantHeaders(t, "GET /static/"+name, a.Header, wantPolicy, false)
		if got := a.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("Cache-Control is %q", got)
		}
	})
	t.Run("Files", func(t *testing.T) {
		item := in.post("/vault", "title", "t", "text", "content").want(t, 303).Header.Get("Location")
		page := in.upload("/encrypt", []string{"to", "me", "mode", "files"}, [2]string{"a.html", "<script>alert(1)</script>"}).want(t, 200)
		result := resultPath(t, page.body)
		for what, a := range map[string]answer{
			"vault": in.get(item + "/file"), "result": in.get(result + "/file"),
			"echo": in.post("/results/download", "name", "a.html", "text", "<script>alert(1)</script>"),
		} {
			a.want(t, 200)
			wantHeaders(t, what, a.Header, "sandbox", false)
			if got := a.Header.Get("Content-Type"); got != "application/octet-stream" {
				t.Errorf("%s: Content-Type is %q", what, got)
			}
			if got := a.Header.Get("Content-Disposition"); !strings.HasPrefix(got, "attachment; ") {
				t.Errorf("%s: Content-Disposition is %q", what, got)
			}
		}
	})
	t.Run("Refusals", func(t *testing.T) {
		head := "Host: " + s.host() + "\r\n"
		for what, request := range map[string]string{
			"404":            "GET /none HTTP/1.1\r\n" + head,
			"405":            "PUT /about HTTP/1.1\r\n" + head + "Sec-Fetch-Site: none\r\n",
			"403":            "POST /theme HTTP/1.1\r\n" + head,
			"421":            "GET / HTTP/1.1\r\nHost: evil.example\r\n",
			"unknown method": "BREW / HTTP/1.1\r\n" + head,
			"431":            "GET / HTTP/1.1\r\n" + head + "X: " + strings.Repeat("x", 2*headerBytes) + "\r\n",
			"malformed":      "GET / HTTP/1.1\r\n" + head + "Bad Header: x\r\n",
		} {
			text := s.raw(t, request+"\r\n")
			res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(text)), nil)
			if err != nil {
				t.Errorf("%s: %v in %q", what, err, text)
				continue
			}
			if res.StatusCode < 400 || res.StatusCode > 499 {
				t.Errorf("%s: status %d", what, res.StatusCode)
			}
			wantHeaders(t, what, res.Header, wantPolicy, false)
		}
	})
	t.Run("HTTPS", func(t *testing.T) {
		s := newServer(t, func(o *Options) { o.Origins = []string{"https://zen.example"} })
		for _, path := range []string{"/", "/login", "/none", "/vault"} {
			wantHeaders(t, path, s.ask(t, "GET", path, "", "Host", "zen.example").Header, wantPolicy, true)
		}
	})
}

// resultPath finds the first file result on a page.
func resultPath(t *testing.T, page string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, "/results/")
	if !ok || len(rest) < 32 {
		t.Fatalf("no result on the page\n%s", page)
	}
	return "/results/" + rest[:32]
}

func TestSecurity_Cookies(t *testing.T) {
	account := "login=cookie&password=" + url.QueryEscape(testPassword) + "&password2=" + url.QueryEscape(testPassword)
	for name, tc := range map[string]struct {
		origin, prefix string
		secure         bool
	}{
		"Loopback": {"http://127.0.0.1:1", "zencrypt", false},
		"HTTPS":    {"https://zen.example", "__Host-zencrypt", true},
		"Onion":    {"http://abcdefghijklmnop.onion", "zencrypt", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(o *Options) { o.Origins = []string{tc.origin} })
			host := tc.origin[strings.Index(tc.origin, "//")+2:]
			// A forwarded header decides nothing, whoever sends it.
			extra := []string{"Host", host, "Origin", tc.origin, "X-Forwarded-Proto", map[bool]string{true: "http", false: "https"}[tc.secure]}
			check := func(a answer, cookie string, session bool) *http.Cookie {
				t.Helper()
				for _, c := range a.Cookies() {
					if c.Name != cookie {
						continue
					}
					if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure != tc.secure {
						t.Errorf("cookie is %q", c.Raw)
					}
					if session && (c.MaxAge != 0 || !c.Expires.IsZero()) {
						t.Errorf("cookie outlives the browser: %q", c.Raw)
					}
					return c
				}
				t.Fatalf("%s: no cookie %s in %q", a.Request.URL.Path, cookie, a.Header.Values("Set-Cookie"))
				return nil
			}
			a := s.ask(t, "POST", "/register", account, extra...).want(t, 303)
			check(a, tc.prefix, true)
			a = s.ask(t, "POST", "/login", account, extra...).want(t, 303)
			token := check(a, tc.prefix, true)
			check(a, tc.prefix+"-device", false)
			if raw, _ := strings.CutPrefix(token.Raw, tc.prefix+"="); len(strings.SplitN(raw, ";", 2)[0]) != 43 {
				t.Errorf("the token has not 32 bytes: %q", token.Raw)
			}
			check(s.ask(t, "POST", "/theme", "theme=dark", extra...).want(t, 303), tc.prefix+"-theme", false)
			gone := check(s.ask(t, "POST", "/logout", "", append(extra, "Cookie", tc.prefix+"="+token.Value)...).want(t, 303), tc.prefix, false)
			if gone.Value != "" || !gone.Expires.Before(time.Now()) {
				t.Errorf("log-out leaves the cookie: %q", gone.Raw)
			}
			other := map[bool]string{true: "zencrypt", false: "__Host-zencrypt"}[tc.secure]
			if a := s.ask(t, "GET", "/account", "", append(extra, "Cookie", other+"="+token.Value)...); a.StatusCode != 303 {
				t.Errorf("a cookie of another name opened a session: %d", a.StatusCode)
			}
		})
	}
}

func TestSecurity_Host(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Origins = []string{"https://zen.example", "http://localhost:8080"} })
	for host, want := range map[string]int{
		"zen.example": 200, "ZEN.example": 200, "zen.example:443": 200, "localhost:8080": 200,
		"zen.example:80": 421, "zen.example.": 421, "localhost": 421, "evil.example": 421, "zen.example.evil.example": 421,
		"evil.zen.example": 421, "127.0.0.1": 421, "zen.example@evil.example": 421,
	} {
		for _, path := range []string{"/login", "/none", "/static/none"} {
			a := s.ask(t, "GET", path, "", "Host", host, "X-Forwarded-Host", "zen.example")
			if ok := a.StatusCode != 421; ok != (want != 421) {
				t.Errorf("Host %q, %s: %d", host, path, a.StatusCode)
			}
		}
		if a := s.ask(t, "GET", "/healthz", "", "Host", host); a.StatusCode != 200 {
			t.Errorf("Host %q, /healthz: %d", host, a.StatusCode)
		}
		if a := s.ask(t, "POST", "/theme", "theme=dark", "Host", host, "Sec-Fetch-Site", "same-origin"); (a.StatusCode != 421) != (want != 421) {
			t.Errorf("Host %q, POST: %d", host, a.StatusCode)
		}
	}
	for request, want := range map[string]string{
		"GET /login HTTP/1.1\r\n":                                                                "HTTP/1.1 421",
		"GET /login HTTP/1.1\r\nHost:\r\n":                                                       "HTTP/1.1 421",
		"GET http://evil.example/login HTTP/1.1\r\nHost: zen.example\r\n":                        "HTTP/1.1 421",
		"GET https://zen.example/login HTTP/1.1\r\nHost: zen.example\r\n":                        "HTTP/1.1 200",
		"GET /login HTTP/1.1\r\nHost: zen.example\r\nForwarded: host=evil\r\n":                   "HTTP/1.1 200",
		"GET /login HTTP/1.0\r\nHost: evil.example\r\nX-Original-Host: zen.example\r\n":          "HTTP/1.1 421",
		"GET //evil.example/login HTTP/1.1\r\nHost: zen.example\r\n":                             "HTTP/1.1 404",
		"GET /login HTTP/1.1\r\nHost: zen.example\r\nX-HTTP-Method-Override: POST\r\nX-Y: z\r\n": "HTTP/1.1 200",
	} {
		if got := s.raw(t, request+"\r\n"); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %.60q, want %s", request, got, want)
		}
	}
}

// TestSecurity_OtherNames: who types another of the server's names is sent to the one that browsers use; nothing is
// posted there.
func TestSecurity_OtherNames(t *testing.T) {
	s := newServer(t, func(o *Options) {
		o.Origins, o.Names = []string{"https://zen.example"}, []string{"zen.example", "www.zen.example"}
	})
	for request, want := range map[string]string{
		"GET /hash?x=1 HTTP/1.1\r\nHost: www.zen.example\r\n":           "https://zen.example/hash?x=1",
		"HEAD / HTTP/1.1\r\nHost: WWW.zen.example:443\r\n":              "https://zen.example/",
		"GET / HTTP/1.1\r\nHost: zen.example:8443\r\n":                  "https://zen.example/",
		"GET //evil.example HTTP/1.1\r\nHost: www.zen.example\r\n":      "https://zen.example/",
		"GET http://www.zen.example/ HTTP/1.1\r\nHost: zen.example\r\n": "https://zen.example/",
		"GET / HTTP/1.1\r\nHost: www.zen.example.evil.example\r\n":      "",
		"GET / HTTP/1.1\r\nHost: www.zen.example@evil.example\r\n":      "",
		"POST /theme HTTP/1.1\r\nHost: www.zen.example\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\ntheme=dark": "",
	} {
		got := s.raw(t, request+"\r\n")
		status := "HTTP/1.1 421"
		if want != "" {
			status, want = "HTTP/1.1 301", "\r\nLocation: "+want+"\r\n"
		}
		if !strings.HasPrefix(got, status) || !strings.Contains(got, want) {
			t.Errorf("%q: %.300q, want %s %s", request, got, status, want)
		}
	}
}

func TestSecurity_Origin(t *testing.T) {
	s := newServer(t, func(o *Options) { o.Origins = []string{"https://zen.example", "http://localhost:8080"} })
	const no = "-" // the header is not sent
	for _, tc := range []struct {
		site, origin, host string
		ok                 bool
	}{
		{"same-origin", no, "zen.example", true},
		{"none", no, "zen.example", true},
		{"same-origin", "https://zen.example", "zen.example", true},
		{"same-site", "https://zen.example", "zen.example", false},
		{"cross-site", "https://zen.example", "zen.example", false},
		{"cross-site", no, "zen.example", false},
		{"Same-Origin", no, "zen.example", false},
		{"same-origin, cross-site", no, "zen.example", false},
		{"anything", "https://zen.example", "zen.example", false},
		{no, "https://zen.example", "zen.example", true},
		{no, "HTTPS://ZEN.example", "zen.example", true},
		{no, "http://localhost:8080", "localhost:8080", true},
		{no, no, "zen.example", false},
		{no, "null", "zen.example", false},
		{no, "https://evil.example", "zen.example", false},
		{no, "http://zen.example", "zen.example", false},
		{no, "https://zen.example:8443", "zen.example", false},
		{no, "https://zen.example/", "zen.example", false},
		{no, "https://zen.example.evil.example", "zen.example", false},
		{no, "https://evil.example https://zen.example", "zen.example", false},
		{no, "http://localhost:8080", "zen.example", false}, // another of our names is another origin
		{no, "https://zen.example", "localhost:8080", false},
		{"", "https://evil.example", "zen.example", false},
	} {
		header := []string{"Host", tc.host, "Referer", "https://zen.example/login"}
		if tc.site != no {
			header = append(header, "Sec-Fetch-Site", tc.site)
		}
		if tc.origin != no {
			header = append(header, "Origin", tc.origin)
		}
		for _, path := range []string{"/theme", "/login", "/logout", "/register", "/meter", "/hash", "/none"} {
			a := s.ask(t, "POST", path, "theme=dark&next=/&login=ghost&password=x&text=x", header...)
			if (a.StatusCode != 403) != tc.ok {
				t.Errorf("%s: Sec-Fetch-Site %q, Origin %q, Host %q: %d", path, tc.site, tc.origin, tc.host, a.StatusCode)
			}
			if !tc.ok && len(a.Cookies()) > 0 {
				t.Errorf("%s: the refusal sets %q", path, a.Header.Values("Set-Cookie"))
			}
		}
		if a := s.ask(t, "GET", "/login", "", header...); a.StatusCode != 200 {
			t.Errorf("GET with Sec-Fetch-Site %q: %d; links from elsewhere are fine", tc.site, a.StatusCode)
		}
	}
	t.Run("BeforeTheBody", func(t *testing.T) {
		// fasthttp waits for the first 8 KiB; nothing more comes, and the answer does not wait for it, which would be a minute.
		for _, path := range []string{"/login", "/register", "/logout", "/theme", "/hash", "/encrypt", "/vault"} {
			c, err := net.Dial("tcp", s.host())
			if err != nil {
				t.Fatal(err)
			}
			_ = c.SetDeadline(time.Now().Add(30 * time.Second))
			fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: zen.example\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 1000000\r\n\r\n%s", path, strings.Repeat("a", 8<<10))
			line, err := bufio.NewReader(c).ReadString('\n')
			if err != nil || !strings.HasPrefix(line, "HTTP/1.1 403") {
				t.Errorf("%s: %q, %v", path, line, err)
			}
			c.Close()
		}
	})
}

func TestSecurity_Address(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, tc := range map[string]struct {
		remote    string
		trusted   []netip.Prefix
		forwarded []string // header lines
		want      string
	}{
		"NoProxy":           {"192.0.2.1", nil, []string{"198.51.100.7"}, "192.0.2.1"},
		"NotOfThem":         {"192.0.2.1", proxies, []string{"198.51.100.7"}, "192.0.2.1"},
		"Proxy":             {"10.0.0.1", proxies, []string{"198.51.100.7"}, "198.51.100.7"},
		"Spoofed":           {"10.0.0.1", proxies, []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		"SpoofedAsProxy":    {"10.0.0.1", proxies, []string{"10.9.9.9, 198.51.100.7"}, "198.51.100.7"},
		"TwoProxies":        {"10.0.0.1", proxies, []string{"203.0.113.9, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		"LineOfItsOwn":      {"10.0.0.1", proxies, []string{"203.0.113.9", "198.51.100.7"}, "198.51.100.7"},
		"TwoProxiesInLines": {"10.0.0.1", proxies, []string{"203.0.113.9", "198.51.100.7", "10.0.0.2"}, "198.51.100.7"},
		"Mapped":            {"::ffff:10.0.0.1", proxies, []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		"IPv6":              {"fd00::1", proxies, []string{"2001:db8::7"}, "2001:db8::7"},
		"Port":              {"10.0.0.1", proxies, []string{"203.0.113.9, 198.51.100.7:4711"}, "198.51.100.7"},
		"IPv6Port":          {"10.0.0.1", proxies, []string{"203.0.113.9, [2001:db8::7]:4711"}, "2001:db8::7"},
		"Nothing":           {"10.0.0.1", proxies, nil, "10.0.0.1"},
		"Garbage":           {"10.0.0.1", proxies, []string{"203.0.113.9, unknown"}, "10.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(o *Options) { o.TrustedProxies = tc.trusted })
			req := new(fasthttp.RequestCtx)
			req.Init(&fasthttp.Request{}, &net.TCPAddr{IP: net.ParseIP(tc.remote), Port: 1}, nil)
			for _, line := range tc.forwarded {
				req.Request.Header.Add("X-Forwarded-For", line)
			}
			x := s.fiber.AcquireCtx(req)
			defer s.fiber.ReleaseCtx(x)
			if got := s.address(x).String(); got != tc.want {
				t.Errorf("address is %s, want %s", got, tc.want)
			}
		})
	}
}

func TestSecurity_Methods(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("methods")
	for _, r := range s.Routes() {
		if r.Method != "GET" {
			continue
		}
		get, head := c.get(path(r)), c.do("HEAD", path(r), "", nil)
		if want := r.Access == Public || r.Access == Guest; head.body != "" || head.StatusCode != get.StatusCode && (want || head.StatusCode != 405) {
			t.Errorf("HEAD %s: %d with %d bytes, GET is %d", r.Path, head.StatusCode, len(head.body), get.StatusCode)
		} else if want && (head.Header.Get("Location") != get.Header.Get("Location") || head.Header.Get("Content-Length") != strings.TrimPrefix(get.Header.Get("Content-Length"), "0")) {
			t.Errorf("HEAD %s: %v, GET: %v", r.Path, head.Header, get.Header)
		}
	}
	for _, r := range s.Routes() {
		for _, method := range []string{"OPTIONS", "TRACE", "PUT", "DELETE", "PATCH"} {
			a := c.do(method, path(r), "", nil)
			if !slices.Contains([]int{403, 404, 405}, a.StatusCode) || len(a.Header.Values("Access-Control-Allow-Methods")) > 0 {
				t.Errorf("%s %s: %d", method, r.Path, a.StatusCode)
			}
		}
	}
	if a := c.do("OPTIONS", "/hash", "", nil).want(t, 405); !strings.Contains(a.Header.Get("Allow"), "POST") {
		t.Errorf("Allow is %q", a.Header.Get("Allow"))
	}
	c.site = "cross-site"
	for _, method := range []string{"TRACE", "PUT", "DELETE", "PATCH"} {
		c.do(method, "/account", "", nil).want(t, 403)
	}
	got := s.raw(t, "TRACE / HTTP/1.1\r\nHost: "+s.host()+"\r\nSec-Fetch-Site: none\r\nX-Secret: zq-traced\r\n\r\n")
	if strings.Contains(got, "zq-traced") {
		t.Errorf("TRACE sends the request back: %q", got)
	}
	c.site = "same-origin"
	c.get("/account").want(t, 200)
}

func TestSecurity_OpenRedirect(t *testing.T) {
	s := newServer(t)
	in := s.client(t)
	in.register("redirect")
	for _, next := range []string{
		"//evil.example", "///evil.example", `/\evil.example`, `\/evil.example`, `\\evil.example`, "https://evil.example", "https:evil.example",
		"javascript:alert(1)", " //evil.example", "\t//evil.example", "/\t/evil.example", "/\n/evil.example", "/\r\nSet-Cookie: a=b", "evil.example",
		"//evil.example@127.0.0.1", "http://user@evil.example/", "/%0d%0aSet-Cookie:%20a=b", "/%5cevil.example", "/%2fevil.example", "/x\x00y",
		"/" + strings.Repeat("a", 5000), "?next=//evil.example", "#//evil.example", "/\u2028/evil.example", "/.//evil.example", "/a/..//evil.example",
	} {
		c := s.client(t)
		for what, a := range map[string]answer{
			"login":     c.post("/login", "login", "redirect", "password", testPassword, "next", next),
			"theme":     in.post("/theme", "theme", "dark", "next", next),
			"logged in": in.get("/login?next=" + url.QueryEscape(next)),
		} {
			a.want(t, 303)
			to := a.Header.Get("Location")
			if got, err := a.Location(); err != nil || got.Host != s.host() || got.Scheme != "http" {
				t.Errorf("%s with next=%q leads to %q", what, next, to)
			}
			if strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") || len(to) > 600 || a.Header.Get("Set-Cookie") == "a=b" {
				t.Errorf("%s with next=%q leads to %q", what, next, to)
			}
		}
		if page := s.client(t).get("/login?next="+url.QueryEscape(next)).want(t, 200); strings.Contains(page.body, `value="//`) || strings.Contains(page.body, `value="http`) {
			t.Errorf("the form keeps next=%q", next)
		}
	}
	// Where it does lead: to the page that was asked for, with its question.
	a := s.client(t).get("/vault?kind=note&q=a+b").want(t, 303)
	if got := a.Header.Get("Location"); got != "/login?next="+url.QueryEscape("/vault?kind=note&q=a+b") {
		t.Errorf("asked to log in at %q", got)
	}
}
