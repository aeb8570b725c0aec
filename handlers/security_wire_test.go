package handlers

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
)

// TestSecurity_Smuggling hides a request inside a body that nobody reads, on every kind of answer. It
// must never be answered as a request of its own.
func TestSecurity_Smuggling(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("smuggler")
	ours := "Host: " + s.host() + "\r\n"
	good := ours + "Sec-Fetch-Site: same-origin\r\n"
	in := good + "Cookie: zencrypt=" + c.token() + "\r\n"
	const urlencoded = "Content-Type: application/x-www-form-urlencoded\r\n"
	const multi = "Content-Type: multipart/form-data; boundary=b\r\n"
	inner := "GET /robots.txt HTTP/1.1\r\n" + ours + "\r\n"
	for name, head := range map[string]string{
		"404":           "POST /none HTTP/1.1\r\n" + good,
		"404 guest":     "POST /results/" + strangerID + "/open HTTP/1.1\r\n" + good,
		"404 static":    "POST /static/none HTTP/1.1\r\n" + good,
		"405":           "POST /about HTTP/1.1\r\n" + good,
		"405 put":       "PUT /hash HTTP/1.1\r\n" + good,
		"400 method":    "BREW /hash HTTP/1.1\r\n" + good,
		"403":           "POST /hash HTTP/1.1\r\n" + ours,
		"421":           "POST /hash HTTP/1.1\r\nHost: evil.example\r\nSec-Fetch-Site: same-origin\r\n",
		"303 to log-in": "POST /vault HTTP/1.1\r\n" + good,
		"303, form":     "POST /vault HTTP/1.1\r\n" + good + urlencoded,
		"303, parts":    "POST /vault HTTP/1.1\r\n" + good + multi,
		"415":           "POST /hash HTTP/1.1\r\n" + good + "Content-Type: application/json\r\n",
		"400 kind":      "POST /hash HTTP/1.1\r\n" + good,
		"413 fields":    "POST /meter HTTP/1.1\r\n" + good + multi,
		"logout":        "POST /logout HTTP/1.1\r\n" + good,
		"theme":         "POST /theme HTTP/1.1\r\n" + good + multi,
		"hash":          "POST /hash HTTP/1.1\r\n" + good + urlencoded,
		"encrypt":       "POST /encrypt HTTP/1.1\r\n" + good + multi,
		"delete item":   "POST /vault/" + strangerID + "/delete HTTP/1.1\r\n" + in,
		"get":           "GET /hash HTTP/1.1\r\n" + good,
		"get account":   "GET /account HTTP/1.1\r\n" + in,
		"get static":    "GET /static/none HTTP/1.1\r\n" + ours,
		"get healthz":   "GET /healthz HTTP/1.1\r\n" + ours,
		"head":          "HEAD /hash HTTP/1.1\r\n" + good,
		"options":       "OPTIONS /hash HTTP/1.1\r\n" + good,
		"trace":         "TRACE /hash HTTP/1.1\r\n" + good,
		"connect":       "CONNECT /hash HTTP/1.1\r\n" + good,
		"keep-alive":    "POST /none HTTP/1.1\r\n" + good + "Connection: keep-alive\r\n",
		"1.0":           "POST /none HTTP/1.0\r\n" + good + "Connection: keep-alive\r\n",
	} {
		for _, before := range []int{0, 1, smallBody - 1, smallBody, smallBody + 1, 4 * smallBody, 100_000} {
			filler := strings.Repeat("a", before)
			body := filler + inner + inner
			chunk := func(s string) string {
				if s == "" {
					return ""
				}
				return fmt.Sprintf("%x\r\n%s\r\n", len(s), s)
			}
			chunked := chunk(filler) + chunk(inner+inner) + "0\r\n\r\n"
			for kind, request := range map[string]string{
				"length":                    head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body)) + body,
				"chunked":                   head + "Transfer-Encoding: chunked\r\n\r\n" + chunked,
				"chunked, length of filler": head + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n", before) + chunked,
				"length, then chunked":      head + fmt.Sprintf("Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n", before) + chunked,
				"chunked in another case":   head + "Transfer-Encoding: Chunked\r\n\r\n" + chunked,
				"expect":                    head + fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body)) + body,
			} {
				got := s.raw(t, request)
				got = strings.TrimPrefix(got, "HTTP/1.1 100 Continue\r\n\r\n")
				if n := strings.Count(got, "HTTP/1.1 "); n != 1 || strings.Contains(got, "User-agent: *") {
					t.Errorf("%s, %s, %d bytes before: %d answers: %.200q", name, kind, before, n, got)
				}
			}
		}
	}

	t.Run("RealSecondRequest", func(t *testing.T) {
		// Where a body ends as it says, what follows is a request, and gets its answer.
		got := s.raw(t, "POST /theme HTTP/1.1\r\n"+good+urlencoded+"Content-Length: 10\r\n\r\ntheme=dark"+
			"POST /none HTTP/1.1\r\n"+good+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(inner))+inner+"GET /healthz HTTP/1.1\r\n"+ours+"\r\n")
		if n := strings.Count(got, "HTTP/1.1 "); n != 3 || !strings.HasSuffix(got, "\r\n\r\nok\n") || strings.Contains(got, "User-agent: *") {
			t.Errorf("%d answers: %q", n, got)
		}
	})
	t.Run("Ambiguous", func(t *testing.T) {
		// What two servers may read differently is no request at all, or ends the connection.
		for name, head := range map[string]string{
			"two lengths":       "Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
			"two lengths, back": "Content-Length: 5\r\nContent-Length: 0\r\n\r\n",
			"list of lengths":   "Content-Length: 5, 5\r\n\r\n",
			"signed length":     "Content-Length: +5\r\n\r\n",
			"negative length":   "Content-Length: -1\r\n\r\n",
			"hex length":        "Content-Length: 0x5\r\n\r\n",
			"space in name":     "Content-Length : 5\r\n\r\n",
			"huge length":       "Content-Length: 99999999999999999999\r\n\r\n",
			"folded":            "X: a\r\n Content-Length: 5\r\n\r\n",
			"identity":          "Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n",
			"unknown coding":    "Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n",
			"two codings":       "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		} {
			got := s.raw(t, "POST /none HTTP/1.1\r\n"+good+head+inner)
			if strings.Contains(got, "User-agent: *") {
				t.Errorf("%s: answered as a second request: %.300q", name, got)
			}
		}
	})
}

func TestSecurity_Log(t *testing.T) {
	s := newServer(t)
	s.fiber.Get("/panics", func(*fiber.Ctx) error { panic("zq-panic-text") })
	s.fiber.Get("/fails", func(*fiber.Ctx) error { return errors.New("zq-error-text: open /zq-file-path") })
	s.fiber.Handler() // builds the routes again
	c := s.client(t)
	c.Transport = agent{c.Transport}
	c.register("zq-login")
	for _, c.htmx = range []bool{false, true} {
		for _, a := range []answer{c.get("/panics?zq-query=1"), c.get("/fails")} {
			a.want(t, 500, "Something went wrong", "Try again")
			if strings.Contains(a.body, "zq-panic-text") || strings.Contains(a.body, "zq-error-text") || strings.Contains(a.body, ".go") {
				t.Errorf("the page shows the error:\n%s", a.body)
			}
			wantHeaders(t, "500", a.Header, wantPolicy, false)
		}
	}
	c.htmx = false
	c.get("/zq-unknown/path?zq-query=1").want(t, 404)
	c.get("/vault?q=zq-query&kind=zq-kind&before=zq-cursor").want(t, 404)
	c.get("/static/zq-static").want(t, 404)
	c.post("/login", "login", "zq-nobody", "password", "zq-password").want(t, 422)
	c.post("/hash", "text", "zq-text", "salt", "zq-salt", "hmac_key", "zq-key").want(t, 200)
	item := c.upload("/vault", []string{"title", "zq-title"}, [2]string{"zq-name.txt", "zq-content"}).want(t, 303).Header.Get("Location")
	c.get(item).want(t, 200)
	c.get(item+"/file").want(t, 200)
	c.upload("/decrypt", []string{"passphrase", "zq-passphrase"}, [2]string{"zq-name.age", "zq-not-age"}).want(t, 422)
	c.do("POST", "/hash", "zq/type", strings.NewReader("zq-body")).want(t, 415)
	s.raw(t, "ZQ-METHOD / HTTP/1.1\r\nHost: zq-host\r\n\r\n")
	s.raw(t, "GET / HTTP/1.1\r\nHost: zq-host\r\nzq header: x\r\n\r\n")
	s.raw(t, "POST /zq-path HTTP/1.1\r\nHost: zq-host\r\nOrigin: http://zq-origin\r\n\r\n")
	c.get("/account").want(t, 200)

	log := s.log.String()
	for what, bad := range map[string]string{
		"a planted value": "zq", "an address": "127.0.0.1", "the port": s.host()[strings.Index(s.host(), ":"):], "a token": c.token(), "an id": item[len("/vault/"):], "a user agent": "Mozilla",
	} {
		if i := strings.Index(strings.ToLower(log), strings.ToLower(bad)); i >= 0 {
			t.Errorf("the log holds %s: %s", what, log[max(0, i-150):min(len(log), i+100)])
		}
	}
	allowed := map[string]bool{"time": true, "level": true, "msg": true, "request": true, "method": true, "route": true, "status": true, "ms": true, "error": true, "at": true, "what": true}
	lines, requests, panics := bufio.NewScanner(strings.NewReader(log)), 0, 0
	for lines.Scan() {
		var line map[string]any
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in %s", err, lines.Bytes())
		}
		for k := range line {
			if !allowed[k] {
				t.Errorf("the log has a field %q: %s", k, lines.Bytes())
			}
		}
		switch line["msg"] {
		case "request":
			requests++
		case "handler panicked":
			panics++
			if at, _ := line["at"].(string); !strings.Contains(at, "TestSecurity_Log") {
				t.Errorf("the panic is said to be at %q", at)
			}
		}
	}
	if requests < 18 || panics != 2 {
		t.Errorf("%d requests and %d panics are logged", requests, panics)
	}
}

// agent is a browser that says what it is and where it comes from.
type agent struct{ http.RoundTripper }

func (a agent) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", "Mozilla/5.0 zq-agent")
	r.Header.Set("Referer", "http://zq-referer/")
	r.Header.Set("X-Forwarded-For", "203.0.113.1, zq-forwarded")
	r.Header.Set("Accept-Language", "zq")
	return a.RoundTripper.RoundTrip(r)
}

// hostileNames are file names that mean to break a header, a path or a reader's trust.
var hostileNames = []string{
	"a\r\nSet-Cookie: zq=1", "a\nX-Zq: 1", "a\rb", `a"; filename="evil.exe`, `a\"; x="`, "a;b=c", "a%0d%0aX-Zq: 1", "a%22b", "%", "a%", "100%.txt",
	"../../etc/passwd", `..\..\windows\win.ini`, `C:\dir\file.txt`, "/", `\`, ".", "..", "...", "", " ", "\t", "a/..", "nul\x00.txt", "\x7f\x1b[31m",
	"invoice\u202Efdp.exe", "\u200fx\u2067y\u2069", "a\u2028b\u2029c", "\ufeffbom", "日本語 ünï.txt", "🔒.age", "bad\xff\xfe.txt", strings.Repeat("long", 5000), strings.Repeat("é", 300),
	"=?utf-8?q?x?=", "'; rm -rf ~; '.txt", "$(reboot).txt", "-rf", "con", "a*b'c(d).txt", "x.txt; filename*=UTF-8''evil.exe",
}

// wantSafeName fails when an attachment's header says more than one plain name.
func wantSafeName(t *testing.T, what string, h http.Header) {
	t.Helper()
	all := h.Values("Content-Disposition")
	if len(all) != 1 || h.Get("X-Zq") != "" || strings.Contains(strings.Join(h.Values("Set-Cookie"), ""), "zq=1") {
		t.Errorf("%s: the header was split: %q", what, h)
		return
	}
	kind, params, err := mime.ParseMediaType(all[0])
	if err != nil || kind != "attachment" || len(params) != 1 {
		t.Errorf("%s: %q reads as %q %q, %v", what, all[0], kind, params, err)
		return
	}
	name := params["filename"]
	if name == "" || name == "." || name == ".." || !utf8.ValidString(name) || utf8.RuneCountInString(name) > 200 || strings.ContainsAny(name, "/\\") {
		t.Errorf("%s: the name is %q", what, name)
	}
	if i := strings.IndexFunc(name, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
	}); i >= 0 {
		t.Errorf("%s: the name %q holds what turns or breaks a line", what, name)
	}
	for _, b := range []byte(all[0]) {
		if b < 0x20 || b > 0x7e {
			t.Errorf("%s: byte %#x in the header", what, b)
		}
	}
}

func TestSecurity_FileNames(t *testing.T) {
	s := newServer(t)
	c := s.client(t)
	c.register("names")
	for _, name := range hostileNames {
		what := fmt.Sprintf("%.60q", name)
		wantSafeName(t, what+" echoed", c.post("/results/download", "name", name, "text", "x").want(t, 200).Header)
		if name == "" {
			continue // a browser's file always has a name
		}
		// As browsers write it, and as a hostile program does.
		browser := strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, "%22").Replace(name)
		for _, raw := range []string{browser, strings.NewReplacer("\r", " ", "\n", " ", `"`, `\"`, "\x00", "").Replace(name)} {
			body := "--b\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\nme\r\n--b\r\nContent-Disposition: form-data; name=\"save\"\r\n\r\n1\r\n" +
				"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + raw + "\"\r\n\r\ncontent\r\n--b--\r\n"
			a := c.do("POST", "/encrypt", "multipart/form-data; boundary=b", strings.NewReader(body))
			if a.StatusCode == 400 || a.StatusCode == 422 {
				continue // no name at all after what the wire left of it
			}
			a.want(t, 200)
			result := resultPath(t, a.body)
			wantSafeName(t, what+" downloaded", c.get(result+"/file").want(t, 200).Header)
			page := c.get(result).want(t, 200).body
			if strings.ContainsAny(page, "\x00\x1b\u202e\u2067\u2028") {
				t.Errorf("%s: the page holds what turns or breaks a line", what)
			}
			_, item, _ := strings.Cut(a.body, `href="/vault/`)
			if len(item) < 32 {
				t.Fatalf("%s: not saved\n%s", what, a.body)
			}
			wantSafeName(t, what+" kept", c.get("/vault/"+item[:32]+"/file").want(t, 200).Header)
			if a := c.post("/vault/"+item[:32]+"/rename", "title", name); a.StatusCode != 303 && a.StatusCode != 422 {
				t.Errorf("%s as a title: %d", what, a.StatusCode)
			}
			c.post("/results/"+result[len("/results/"):]+"/delete").want(t, 303)
		}
	}
}
