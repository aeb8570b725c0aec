//go:build linux

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	cdbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// actionTimeout bounds one thing done in a tab. Two cores may be busy with argon2id and scrypt meanwhile.
const actionTimeout = 2 * time.Minute

// otherHost is a name that the browser finds on this machine and trusts no more than any other.
const otherHost = "zencrypt.test"

// browser is one Chromium process. Each tab in it has cookies of its own.
type browser struct {
	t   testing.TB
	ctx context.Context
}

// openBrowser starts Chromium without a window. It resolves no name but otherHost and reaches this machine only.
func openBrowser(t testing.TB) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		missing(t, "chromium", "everything that is done in a real browser")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // as root, in containers
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
		// chromedp loses a page that comes back from that cache.
		chromedp.Flag("disable-features", "Translate,BlinkGenPropertyTrees,BackForwardCache"),
		chromedp.Flag("host-resolver-rules", "MAP "+otherHost+" 127.0.0.1 , MAP localhost 127.0.0.1 , MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"),
		chromedp.WindowSize(1280, 900),
	)
	alloc, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(func() { cancel(); stop() })
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return &browser{t: t, ctx: ctx}
}

// tab is a page in a browser context of its own, watched: when the test ends, a
// request that left the host, a console message or a dialog that was not expected fails it.
type tab struct {
	t         testing.TB
	ctx       context.Context
	base      string // http://127.0.0.1:PORT
	script    bool   // pages may run theirs
	downloads string // folder

	mu       sync.Mutex
	requests []string
	console  []string
	dialogs  []string
	allowed  []string
	files    chan download
	begun    map[string]string // names of downloads by their GUID
}

// download is a file that Chromium has saved, or what it said instead.
type download struct{ name, path, state string }

// status422 is the one line that Chromium itself writes for a form that comes back with its errors.
const status422 = "Failed to load resource: the server responded with a status of 422 (Unprocessable Entity)"

// tab opens an empty tab whose paths are below base, with script or without.
func (b *browser) tab(base string, script bool) *tab {
	b.t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t := &tab{
		t: b.t, ctx: ctx, base: base, script: script, downloads: b.t.TempDir(),
		allowed: []string{status422}, files: make(chan download, 16), begun: make(map[string]string),
	}
	b.t.Cleanup(func() {
		t.check()
		cancel()
	})
	// Not with a deadline: the context that is used first closes the tab when it ends.
	if err := chromedp.Do(ctx); err != nil {
		b.t.Fatalf("open a tab: %v", err)
	}
	if err := chromedp.Listen(ctx, t.see); err != nil {
		b.t.Fatal(err)
	}
	if err := chromedp.ListenBrowser(ctx, t.see); err != nil {
		b.t.Fatal(err)
	}
	t.call("allow downloads", func(ctx context.Context) error {
		_, err := chromedp.CallBrowser(ctx, cdbrowser.SetDownloadBehavior, cdbrowser.SetDownloadBehaviorParams{
			Behavior:         cdbrowser.SetDownloadBehaviorBehaviorAllowAndName,
			BrowserContextID: chromedp.FromContext(ctx).BrowserContextID,
			DownloadPath:     t.downloads, EventsEnabled: new(true),
		})
		return err
	})
	// Tabs that are used side by side all behave as the one in front.
	t.call("keep the focus", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return err
	})
	if !script {
		t.call("turn scripts off", func(ctx context.Context) error {
			_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
			return err
		})
	}
	return t
}

// see keeps what the tab does. It runs in the loop that reads Chromium's messages, so it calls nothing there.
func (t *tab) see(ev any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		t.requests = append(t.requests, ev.Request.Method+" "+ev.Request.URL)
	case *runtime.EventConsoleAPICalled:
		var parts []string
		for _, a := range ev.Args {
			parts = append(parts, string(a.Value)+a.Description)
		}
		t.console = append(t.console, string(ev.Type)+": "+strings.Join(parts, " "))
	case *runtime.EventExceptionThrown:
		text := ev.ExceptionDetails.Text
		if ev.ExceptionDetails.Exception != nil {
			text += " " + ev.ExceptionDetails.Exception.Description
		}
		t.console = append(t.console, "exception: "+text)
	case *log.EventEntryAdded:
		t.console = append(t.console, fmt.Sprintf("%s: %s (%s)", ev.Entry.Level, ev.Entry.Text, ev.Entry.URL))
	case *page.EventJavascriptDialogOpening:
		t.dialogs = append(t.dialogs, ev.Message)
		go chromedp.Call(t.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true})
	case *cdbrowser.EventDownloadWillBegin:
		// Every tab hears of every download; a page's main frame has the target's id.
		if string(ev.FrameID) == string(chromedp.FromContext(t.ctx).Target.TargetID) {
			t.begun[ev.GUID] = ev.SuggestedFilename
		}
	case *cdbrowser.EventDownloadProgress:
		if name, ok := t.begun[ev.GUID]; ok && ev.State != cdbrowser.DownloadProgressStateInProgress {
			t.files <- download{name, filepath.Join(t.downloads, ev.GUID), string(ev.State)}
		}
	}
}

// allow expects console messages that hold text, such as Chromium's own for a 404.
func (t *tab) allow(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.allowed = append(t.allowed, text)
}

// check fails the test for all that the tab did and should not have done.
func (t *tab) check() {
	t.t.Helper()
	for _, p := range t.problems() {
		t.t.Error(p)
	}
}

func (t *tab) problems() (all []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.requests {
		_, address, _ := strings.Cut(r, " ")
		u, err := url.Parse(address)
		inside := err == nil && (u.Scheme == "data" || u.Scheme == "about" || u.Scheme == "blob" && strings.HasPrefix(u.Opaque, t.base+"/"))
		if address != t.base && !strings.HasPrefix(address, t.base+"/") && !inside {
			all = append(all, "a request left the host: "+r)
		}
	}
messages:
	for _, m := range t.console {
		for _, a := range t.allowed {
			if strings.Contains(m, a) {
				continue messages
			}
		}
		all = append(all, "console: "+m)
	}
	for _, d := range t.dialogs {
		all = append(all, "dialog: "+d)
	}
	return all
}

// call runs f with a deadline; what says for a person what was being done.
func (t *tab) call(what string, f func(ctx context.Context) error) {
	t.t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, actionTimeout)
	defer cancel()
	err := f(ctx)
	if err == nil {
		return
	}
	// What the person would see says more than the error.
	seen, cancelSeen := context.WithTimeout(t.ctx, 5*time.Second)
	defer cancelSeen()
	where, _ := chromedp.Run(seen, chromedp.Location())
	body, _ := chromedp.Run(seen, chromedp.OuterHTML(chromedp.CSS("html")))
	t.t.Fatalf("%s: %v\nat %s: %s\nproblems so far: %q", what, err, where, words(body), t.problems())
}

// in runs an action that gives a value.
func in[T any](t *tab, what string, a chromedp.Action[T]) (v T) {
	t.t.Helper()
	t.call(what, func(ctx context.Context) (err error) {
		v, err = chromedp.Run(ctx, a)
		return err
	})
	return v
}

// do runs actions that give nothing.
func (t *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	t.t.Helper()
	t.call(what, func(ctx context.Context) error { return chromedp.Do(ctx, steps...) })
}

// open goes to a path and waits for the page.
func (t *tab) open(path string) {
	t.t.Helper()
	t.do("open "+path, chromedp.Navigate(t.base+path))
	t.focused()
}

// focused waits until a page has put the focus where it wants it. Nobody types before that,
// and Chromium complains in the console when somebody does.
func (t *tab) focused() {
	t.t.Helper()
	eventually(t.t, actionTimeout, "the page has set its focus", func() bool {
		return in(t, "look for the focus", chromedp.Evaluate[bool](
			`!document.querySelector("[autofocus]") || document.activeElement !== document.body`))
	})
}

// path is where the tab is, without scheme and host.
func (t *tab) path() string {
	t.t.Helper()
	return strings.TrimPrefix(in(t, "read the address", chromedp.Location()), t.base)
}

// wait waits until css is there and can be seen.
func (t *tab) wait(css string) {
	t.t.Helper()
	t.do("wait for "+css, chromedp.WaitVisible(chromedp.CSS(css)))
}

// text is what a person reads in the first css, once it is there.
func (t *tab) text(css string) string {
	t.t.Helper()
	return strings.TrimSpace(in(t, "read "+css, chromedp.Text(chromedp.CSS(css))))
}

// value is what stands in a field.
func (t *tab) value(css string) string {
	t.t.Helper()
	return in(t, "read field "+css, chromedp.Value(chromedp.CSS(css)))
}

// count is how many css there are now, seen or not.
func (t *tab) count(css string) int {
	t.t.Helper()
	return len(in(t, "count "+css, chromedp.QueryNodeIDs(chromedp.CSSAll(css), chromedp.AtLeast(0))))
}

// fill replaces what stands in a field, as selecting all and pasting would.
func (t *tab) fill(css, text string) {
	t.t.Helper()
	t.do("select what is in "+css, chromedp.Focus(chromedp.CSS(css)), evaluate(`document.activeElement.select()`))
	if text == "" {
		t.do("empty "+css, chromedp.KeyEvent(kb.Backspace))
		return
	}
	t.call("fill "+css, func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text})
		return err
	})
}

// typed sends text key by key to what css finds.
func (t *tab) typed(css, text string) {
	t.t.Helper()
	t.do("type into "+css, chromedp.SendKeys(chromedp.CSS(css), text))
}

func (t *tab) click(css string) {
	t.t.Helper()
	t.do("click "+css, chromedp.Click(chromedp.CSS(css), chromedp.NodeVisible))
}

// follow clicks and waits for the page that comes then.
func (t *tab) follow(css string) {
	t.t.Helper()
	in(t, "click "+css+" and wait for the page",
		chromedp.WaitEvent(page.LoadEventFired, nil, chromedp.Click(chromedp.CSS(css), chromedp.NodeVisible)))
	t.focused()
}

// answer presses a verb's main button and waits for what comes back below the form: with a script
// that is swapped in, without it is part of a new page.
func (t *tab) answer() {
	t.t.Helper()
	if !t.script {
		t.follow("#submit")
		return
	}
	t.do("clear the answer before", evaluate(`document.getElementById("result").replaceChildren()`))
	t.click("#submit")
	t.wait("#result [data-focus]")
}

// mode chooses between text and files on a verb's page.
func (t *tab) mode(value string) {
	t.t.Helper()
	t.click("label:has(> [name=mode][value=" + value + "])")
}

// unfold opens the nth <details> whose summary holds text, if it is closed.
func (t *tab) unfold(text string) {
	t.t.Helper()
	quoted, _ := json.Marshal(text)
	if in(t, "unfold "+text, chromedp.Evaluate[bool](`(() => {
		const s = [...document.querySelectorAll("main summary")].find(s => s.textContent.includes(`+string(quoted)+`));
		if (!s) throw new Error("there is no such summary");
		s.id = "unfold";
		return s.parentElement.open })()`)) {
		return
	}
	t.click("#unfold")
	t.wait("details[open] > #unfold")
	t.do("forget the mark", evaluate(`document.getElementById("unfold").removeAttribute("id")`))
}

// adopt gives the tab the cookies of a client, so that it goes on where that stands.
func (t *tab) adopt(c *client) {
	t.t.Helper()
	u, err := url.Parse(t.base)
	if err != nil {
		t.t.Fatal(err)
	}
	var cookies []*network.CookieParam
	for _, k := range c.http.Jar.Cookies(u) {
		cookies = append(cookies, &network.CookieParam{Name: k.Name, Value: k.Value, URL: t.base + "/", HTTPOnly: true})
	}
	t.call("take over cookies", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, network.SetCookies, network.SetCookiesParams{Cookies: cookies})
		return err
	})
}

// followed runs a step that leads to another page, and waits for that.
func (t *tab) followed(what string, step chromedp.Action[chromedp.Void]) {
	t.t.Helper()
	in(t, what+" and wait for the page", chromedp.WaitEvent(page.LoadEventFired, nil, step))
	t.focused()
}

// choose puts files into a file field.
func (t *tab) choose(css string, paths ...string) {
	t.t.Helper()
	t.do("choose files in "+css, chromedp.SetUploadFiles(chromedp.CSS(css), paths, chromedp.NodeReady))
}

// download clicks and returns the file that Chromium saved, and the name it would give it.
func (t *tab) download(css string) (name, path string) {
	t.t.Helper()
	t.click(css)
	select {
	case d := <-t.files:
		if d.state != string(cdbrowser.DownloadProgressStateCompleted) {
			t.t.Fatalf("download %q by %s: %s", d.name, css, d.state)
		}
		return d.name, d.path
	case <-time.After(actionTimeout):
		t.t.Fatalf("click %s: no download within %v", css, actionTimeout)
		return "", ""
	}
}

// view sets the window's width in pixels and the colour scheme, "dark" or "light".
func (t *tab) view(width int, scheme string) {
	t.t.Helper()
	t.do("set the width", chromedp.EmulateViewport(int64(width), 900))
	t.call("set the scheme", func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

// overflow is by how many pixels the page is wider than the window.
func (t *tab) overflow() int {
	t.t.Helper()
	return in(t, "measure the page", chromedp.Evaluate[int](
		`Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)`))
}

// picture saves the whole page as PNG in the folder that ZENCRYPT_E2E_PICTURES names, if it does.
func (t *tab) picture(name string) {
	t.t.Helper()
	dir := os.Getenv("ZENCRYPT_E2E_PICTURES")
	if dir == "" {
		return
	}
	png := in(t, "take a picture", chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		t.t.Fatal(err)
	}
}

// axe returns what axe-core finds wrong on the page, one line for each rule and element. Text in the colour
// of its background may be hidden on purpose to axe, which leaves it undecided: here it never is.
func (t *tab) axe() (violations []string) {
	t.t.Helper()
	source, err := os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		missing(t.t, "axe-core (npm ci --prefix e2e)", "what people with assistive technology meet")
	}
	t.do("load axe", chromedp.Evaluate[chromedp.Void](string(source)+";void 0"))
	found := in(t, "run axe", chromedp.Evaluate[string](
		`axe.run(document, {resultTypes: ["violations", "incomplete"]}).then(r => {
			const say = v => n => v.id + " (" + v.impact + "): " + v.help + ": " + n.target.join(" ") + ": " + n.any.concat(n.all, n.none).map(c => c.message).join("; ");
			const unseen = n => n.any.some(c => c.id == "color-contrast" && c.data && c.data.messageKey == "equalRatio");
			return JSON.stringify(r.violations.flatMap(v => v.nodes.map(say(v))).concat(r.incomplete.flatMap(v => v.nodes.filter(unseen).map(say(v)))));
		})`,
		chromedp.EvalAwaitPromise))
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		t.t.Fatalf("read what axe found: %v", err)
	}
	return violations
}

// evaluate runs a script in the page and drops what it gives.
func evaluate(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](script)
}

// later is a script that leaves the page: it runs once the call for it was answered, which a page that is
// gone does not do.
func later(script string) string { return "setTimeout(() => { " + script + " })" }

// requested returns the paths of the requests so far that match, with their methods: "POST /encrypt".
func (t *tab) requested(pattern string) (matching []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	want := regexp.MustCompile(pattern)
	for _, r := range t.requests {
		if r = strings.Replace(r, t.base, "", 1); want.MatchString(r) {
			matching = append(matching, r)
		}
	}
	return matching
}

// reads fails the test unless what stands in css holds text.
func (t *tab) reads(css, text string) {
	t.t.Helper()
	if got := t.text(css); !strings.Contains(got, text) {
		t.t.Fatalf("%s reads %q, without %q (at %s)", css, got, text, t.path())
	}
}

// at fails the test unless the tab is at path.
func (t *tab) at(path string) {
	t.t.Helper()
	if got := t.path(); got != path {
		t.t.Fatalf("at %s instead of %s: %s", got, path, t.text("main"))
	}
}

// exact is css's text as it stands in the document, with all its blanks.
func (t *tab) exact(css string) string {
	t.t.Helper()
	return in(t, "read "+css, chromedp.TextContent(chromedp.CSS(css)))
}

// refused presses the main button of the page and waits for an error that holds text.
func (t *tab) refused(text string) {
	t.t.Helper()
	if t.script && t.count("#submit[hx-disabled-elt], form[hx-post] #submit") > 0 {
		t.click("#submit")
		t.wait(".problem")
	} else {
		t.follow("#submit")
	}
	t.reads(".problem", text)
}

// rows waits until the vault's list has n rows.
func (t *tab) rows(n int) {
	t.t.Helper()
	eventually(t.t, actionTimeout, fmt.Sprintf("the list has %d rows", n), func() bool { return t.count("table.vault tbody tr") == n })
}
