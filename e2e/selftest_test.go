//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// These tests are of the harness itself, against a page that is as small as
// possible: a helper that sees no fault would make every other test worthless.

const selfPage = `<!doctype html><html lang=en><meta charset=utf-8><title>Self</title>
<link rel=icon href="data:,"><main><h1>Self</h1>
<form method=post action=/form enctype=multipart/form-data>
<label>Name <input name=name id=name></label>
<label>Text <textarea name=text id=text></textarea></label>
<label>File <input type=file name=file id=file multiple></label>
<button id=send>Send</button></form>
<p id=script>no script</p>
<a id=get href=/file>Get</a></main>
%s`

func selfServer(t *testing.T, extra string) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes"})
		fmt.Fprintf(w, selfPage, extra)
	})
	mux.HandleFunc("POST /form", func(w http.ResponseWriter, r *http.Request) {
		parts, err := r.MultipartReader()
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprintf(w, `<!doctype html><html lang=en><title>Form</title><link rel=icon href="data:,"><pre id=got>length=%d site=%s`,
			r.ContentLength, r.Header.Get("Sec-Fetch-Site"))
		for {
			p, err := parts.NextPart()
			if err != nil {
				break
			}
			b, _ := io.ReadAll(p)
			fmt.Fprintf(w, "|%s %s=%s", p.FormName(), p.FileName(), b)
		}
		fmt.Fprint(w, "|</pre>")
	})
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Disposition", `attachment; filename="ünï.txt"; filename*=UTF-8''%C3%BCn%C3%AF.txt`)
		w.Header().Set("Content-Type", "application/octet-stream")
		io.WriteString(w, "downloaded")
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func TestSelf_Browser(t *testing.T) {
	s := selfServer(t, `<script>document.getElementById("script").textContent = "script"</script>`)
	b := openBrowser(t)
	upload := filepath.Join(t.TempDir(), "a b.txt")
	if err := os.WriteFile(upload, []byte("file content"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		script     bool
	}{{"WithScript", "script", true}, {"WithoutScript", "no script", false}} {
		t.Run(c.name, func(t *testing.T) {
			b := &browser{t, b.ctx}
			tab := b.tab(s.URL, c.script)
			tab.view(360, "dark")
			tab.open("/")
			if got := tab.text("#script"); got != c.want {
				t.Errorf("the page says %q, want %q", got, c.want)
			}
			if got := tab.count("label"); got != 3 {
				t.Errorf("count label = %d, want 3", got)
			}
			if got := tab.count("#nothing"); got != 0 {
				t.Errorf("count #nothing = %d, want 0", got)
			}
			if name, path := tab.download("#get"); name != "ünï.txt" || read(t, path) != "downloaded" {
				t.Errorf("downloaded %q with %q", name, read(t, path))
			}
			tab.typed("#name", "old")
			tab.fill("#name", "Zoë")
			tab.fill("#text", "one\ntwo")
			if got := tab.value("#name"); got != "Zoë" {
				t.Errorf("value = %q", got)
			}
			tab.fill("#name", "")
			if got := tab.value("#name"); got != "" {
				t.Errorf("value of an emptied field = %q", got)
			}
			tab.fill("#name", "Zoë")
			tab.choose("#file", upload)
			if got := tab.overflow(); got != 0 {
				t.Errorf("overflow = %d", got)
			}
			tab.follow("#send")
			got := tab.text("#got")
			for _, want := range []string{"site=same-origin", "|name =Zoë|", "|text =one\r\ntwo|", "|file a b.txt=file content|"} {
				if !strings.Contains(strings.ReplaceAll(got, "\r", ""), strings.ReplaceAll(want, "\r", "")) {
					t.Errorf("the form arrived as %q, without %q", got, want)
				}
			}
			if tab.path() != "/form" || len(tab.requested("^POST /form$")) != 1 {
				t.Errorf("at %q after %q", tab.path(), tab.requested(""))
			}
			tab.allow("status of 404")
			tab.open("/nothing")
		})
	}
}

// What a page must not do is seen: here it does all of it.
func TestSelf_BrowserSeesFaults(t *testing.T) {
	s := selfServer(t, `<script>
		console.log("said", 1); alert("boo"); setTimeout(() => { throw new Error("thrown") });
		const other = new Image(); other.src = "http://127.0.0.2:9/away.png";
		other.onerror = () => document.title = "done"</script>`)
	b := openBrowser(t)
	tab := b.tab(s.URL, true)
	tab.open("/")
	tab.wait("#script")
	if found := strings.Join(tab.axe(), "\n"); found != "" {
		t.Errorf("axe finds on a good page: %s", found)
	}
	tab.do("spoil the page", evaluate(`document.getElementById("name").parentElement.outerHTML = "<input>"`))
	if found := strings.Join(tab.axe(), "\n"); !strings.Contains(found, "label") {
		t.Errorf("axe finds %q on a page with an input without label", found)
	}
	tab.do("hide a text", evaluate(`document.body.insertAdjacentHTML("beforeend", "<main style='color: #fff; background: #fff'><p>Nobody sees this.</p></main>")`))
	if found := strings.Join(tab.axe(), "\n"); !strings.Contains(found, "color-contrast") {
		t.Errorf("axe finds %q on a page with white text on white", found)
	}
	want := []string{"127.0.0.2:9/away.png", `console: log: "said" 1`, "Error: thrown", "dialog: boo"}
	eventually(t, actionTimeout, "all faults are seen", func() bool {
		all := strings.Join(tab.problems(), "\n")
		for _, w := range want {
			if !strings.Contains(all, w) {
				return false
			}
		}
		return true
	})
	tab.mu.Lock() // this tab was meant to fail
	tab.requests, tab.console, tab.dialogs = nil, nil, nil
	tab.mu.Unlock()
}

func TestSelf_Client(t *testing.T) {
	s := selfServer(t, "")
	c := newClient(t, s.URL, nil)
	c.must(c.get("/"), http.StatusOK)
	a := c.must(c.upload("/form", field("z", "1"), field("a", "2"), file(`x"y.bin`, "\x00\xff")), http.StatusUnprocessableEntity)
	if !strings.Contains(a.body, "|z =1|a =2|file x%22y.bin=\x00\xff|") || strings.Contains(a.body, "length=-1") {
		t.Errorf("the form arrived as %q", a.body)
	}
	a = c.upload("/form", part{field: "file", name: "n", content: strings.NewReader("chunked"), size: -1})
	if !strings.Contains(a.body, "length=-1") || !strings.Contains(a.body, "|file n=chunked|") {
		t.Errorf("the form arrived as %q", a.body)
	}
}

// A shell plays the server's part: says an address, stays, and can be stopped, killed and read.
func TestSelf_Server(t *testing.T) {
	sh := func(trap string) *server {
		dir := t.TempDir()
		s := &server{t: t, data: filepath.Join(dir, "data"), env: []string{"ZENCRYPT_SELF=1"}}
		s.run(exec.Command(program(t, "sh", "the harness's own test"), "-c", trap+` echo "env $ZENCRYPT_SELF"; echo "at http://127.0.0.1:4321 now"; while :; do sleep 0.05; done`))
		t.Cleanup(s.kill)
		return s
	}
	s := sh(`trap 'echo bye; exit 0' TERM;`)
	if s.url != "http://127.0.0.1:4321" {
		t.Errorf("url = %q", s.url)
	}
	if rss, peak := s.memory(); rss <= 0 || peak < rss || peak > 64<<20 {
		t.Errorf("memory = %d, %d", rss, peak)
	}
	if files := s.openFiles(); len(files) < 3 {
		t.Errorf("open files = %q", files)
	}
	s.stop()
	if !strings.Contains(s.output(), "env 1\n") || !strings.HasSuffix(s.output(), "bye\n") {
		t.Errorf("output = %q", s.output())
	}
	if s.cmd != nil {
		t.Error("it counts as running after stop")
	}
	s = sh(`trap 'exit 3' TERM;`)
	if err := s.signal(syscall.SIGTERM); err == nil {
		t.Error("an exit code of 3 counts as a good end")
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The way in that every other test takes, and a session over every kind of ending.
func TestSelf_Program(t *testing.T) {
	s := newServer(t)
	s.waitReady()
	c := s.client()
	code := c.register("self", "horse battery staple 9")
	if !recoveryCode.MatchString(code) {
		t.Errorf("recovery code = %q", code)
	}
	c.must(c.get("/vault"), http.StatusOK)
	address := s.url
	s.restart()
	if s.url != address {
		t.Errorf("it came back at %s instead of %s", s.url, address)
	}
	c.must(c.get("/vault"), http.StatusOK)
	s.kill()
	s.start()
	c.must(c.get("/vault"), http.StatusOK)
	c.logout()
	c.must(c.get("/vault"), http.StatusSeeOther)
	c.must(c.read(htmx(c.request(http.MethodGet, "/vault", nil))), http.StatusUnauthorized)
	c.login("self", "horse battery staple 9")
	c.must(c.get("/vault"), http.StatusOK)
	s.clientFrom("127.0.0.7").login("SELF", "horse battery staple 9")
	if n, stacks := s.quit(); n < 3 || !strings.Contains(stacks, "runtime") {
		t.Errorf("%d goroutines in:\n%s", n, tail(stacks, 2000))
	}
}

// The first page that every browser test opens, in both kinds of tab.
func TestSelf_ProgramInBrowser(t *testing.T) {
	s := newServer(t)
	b := openBrowser(t)
	for _, script := range []bool{true, false} {
		tab := b.tab(s.url, script)
		tab.view(360, "light")
		tab.open("/register")
		tab.fill("[name=login]", fmt.Sprintf("browser-%t", script))
		tab.fill("[name=password]", "horse battery staple 9")
		tab.fill("[name=password2]", "horse battery staple 9")
		tab.picture(fmt.Sprintf("register-%t", script))
		tab.follow("main form button[type=submit], main form button:not([type])")
		if got := tab.path(); got != "/register/confirm" {
			t.Errorf("after registering, script %t: at %s: %s", script, got, tab.text("main"))
		}
	}
}
