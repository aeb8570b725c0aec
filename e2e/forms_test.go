//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The parts of TestScripts about forms: keys, errors, the passphrase, limits, a server that is gone.

func scriptKeyboard(t *testing.T, _ *server, tab *tab) {
	tab.open("/hash")
	if !tab.is(`document.activeElement.id == "text"`) {
		t.Error("the first thing to type into has not the focus")
	}
	tab.fill("#text", "abc")
	tab.do("press Ctrl+Enter", chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	tab.wait("#result [data-focus]")
	eventually(t, actionTimeout, "the focus is on the result", func() bool {
		return tab.is(`document.activeElement.matches("#result [data-focus]")`)
	})
	if tab.value("#text") != "abc" {
		t.Errorf("after Ctrl+Enter the text is %q", tab.value("#text"))
	}
	// From an empty page the first Tab leads past the navigation.
	tab.open("/about")
	tab.do("press Tab", chromedp.KeyEvent(kb.Tab))
	if !tab.is(`document.activeElement.matches(".skip") && document.activeElement.getBoundingClientRect().top >= 0`) {
		t.Error("the first Tab does not lead to the link that skips the navigation")
	}
	// Enter in a single line sends the form and presses no helper button.
	tab.open("/encrypt")
	tab.fill("#text", "x")
	tab.fill("#passphrase", "some passphrase")
	tab.do("press Enter", chromedp.KeyEvent(kb.Enter))
	tab.wait("#result [data-focus]")
	tab.reads("#result h2", "Encrypted with your passphrase")
	tab.click("[data-reveal=passphrase]")
	if !tab.is(`document.querySelector("#passphrase").type == "text"`) {
		t.Error("Show does not show the passphrase")
	}
}

// Errors stand beside their fields, which keep what was typed, and go away again.
func scriptErrors(t *testing.T, _ *server, tab *tab) {
	tab.open("/encrypt")
	tab.fill("#text", "stays")
	tab.click("label:has(> [name=to][value=people])")
	tab.fill("#recipients", "age1nonsense")
	tab.answer()
	tab.reads("#recipients-error", "age1nonsense")
	if !tab.is(`document.querySelector("#recipients").getAttribute("aria-invalid") == "true" &&
		document.querySelector("#recipients").getAttribute("aria-describedby").split(" ").includes("recipients-error") &&
		document.activeElement.matches("#result [data-focus]")`) {
		t.Error("the field with the error is not marked, or the focus is not on the summary")
	}
	tab.click("#result a[data-field]")
	if !tab.is(`document.activeElement.id == "recipients"`) {
		t.Error("the summary's link does not lead to the field")
	}
	tab.click("label:has(> [name=to][value=passphrase])")
	tab.fill("#passphrase", "some passphrase")
	tab.answer()
	tab.reads("#result h2", "Encrypted with your passphrase")
	if tab.count("[aria-invalid], .error") != 0 || tab.value("#text") != "stays" {
		t.Error("an old error stays, or what was typed does not")
	}
}

func scriptPassphrase(t *testing.T, _ *server, tab *tab) {
	tab.open("/encrypt")
	tab.fill("#text", "stays")
	tab.click("#passphrase-field [name=generate]")
	tab.wait("#passphrase-field .made")
	first := tab.value("#passphrase")
	tab.click("#passphrase-field [name=generate]")
	eventually(t, actionTimeout, "another one is made", func() bool {
		return tab.is(fmt.Sprintf(`(document.querySelector("#passphrase-field .made") || {}).textContent !== %q`, first))
	})
	tab.wait("#passphrase-field .made")
	if strings.Count(first, "-") < 9 || tab.value("#text") != "stays" || len(tab.requested("^POST /encrypt")) != 2 {
		t.Errorf("made %q; the text is %q", first, tab.value("#text"))
	}
	tab.fill("#passphrase", "password1")
	tab.waitText("#strength", "Too easy|Weak|Very weak")
	// The meter is asked about the passphrase alone, whatever else the form holds.
	tab.do("watch what is sent", evaluate(`window.asked = []; document.addEventListener("htmx:beforeSend", e => {
		if (e.detail.pathInfo.requestPath === "/meter") window.asked.push(...e.detail.requestConfig.formData.keys()) })`))
	tab.fill("#passphrase", strings.Repeat("Xq7!", 300))
	tab.waitText("#strength", "Fair|Strong|Very strong")
	if !tab.is(`window.asked.length > 0 && window.asked.every(name => name === "passphrase")`) {
		t.Error("the meter is told more than the passphrase")
	}
	if tab.count("#passphrase-field .made") != 0 {
		t.Error("after typing another one, the passphrase that was made is still shown")
	}
}

// scriptServerGone stops the server under a filled form.
func scriptServerGone(s *server, tab *tab) {
	tab.open("/hash")
	tab.fill("#text", "abc")
	s.stop()
	tab.allow("net::ERR_")
	tab.allow("[object HTMLElement]") // htmx's own lines for a request without an answer
	tab.answer()
	tab.reads("#result h2", "The server did not answer")
	tab.sound("server-gone")
	if got := tab.value("#text"); got != "abc" {
		tab.t.Errorf("what was typed is %q now", got)
	}
	s.start()
	tab.answer()
	tab.reads("#digest-0-0", "ba7816bf")
}

// scriptLimits chooses more than the server takes: the page says so and sends nothing.
func scriptLimits(_ *server, tab *tab) {
	tab.open("/encrypt")
	tab.fill("#passphrase", "some passphrase")
	tab.mode("files")
	tab.choose("#file", small(tab, "big.bin", strings.Repeat("x", 2<<20)))
	tab.answer()
	tab.reads("#result h2", "more than this server takes")
	tab.reads("#result p", "2 MiB, the limit is 1 MiB")
	tab.sound("too-large")
	tab.mode("text")
	tab.do("fill in too much", evaluate(`document.getElementById("text").value = "x".repeat((1 << 20) + 1)`))
	tab.answer()
	tab.reads("#result h2", "text is too long")
	tab.mode("files")
	tab.do("choose nothing", evaluate(`document.getElementById("file").value = ""`))
	tab.answer()
	tab.reads("#result h2", "No file was chosen")
	if posts := tab.requested("^POST /encrypt"); len(posts) != 0 {
		tab.t.Errorf("%q was sent", posts)
	}
}
