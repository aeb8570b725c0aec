//go:build linux

package e2e

import (
	"strings"

	"github.com/chromedp/chromedp"
)

// widths are those of a small phone and of an ordinary window, in CSS pixels.
var widths = map[string]int{"360": 360, "1280": 1280}

// narrowAndWide checks that the page fits both widths and that, without scripts, nothing that only works
// with one is shown. It takes a picture of each.
func (t *tab) narrowAndWide(name, scheme string) {
	t.t.Helper()
	kind := "plain"
	if t.script {
		kind = "script"
	}
	for _, width := range []string{"360", "1280"} {
		t.view(widths[width], scheme)
		if n := t.overflow(); n > 0 {
			t.t.Errorf("%s is %d pixels wider than a window of %s: %s", name, n, width, strings.Join(t.wide(), ", "))
		}
		t.picture(strings.Join([]string{name, kind, scheme, width}, "-"))
	}
	if !t.script {
		if shown := in(t, "look for what needs a script", chromedp.Evaluate[[]string](
			`[...document.querySelectorAll(".js-only, [data-upload]")].filter(e => e.getClientRects().length).map(e => e.outerHTML.slice(0, 120))`)); len(shown) > 0 {
			t.t.Errorf("%s shows without a script what needs one: %q", name, shown)
		}
	}
}

// wide names the elements that stand out of the window.
func (t *tab) wide() []string {
	return in(t, "find what is too wide", chromedp.Evaluate[[]string](
		`[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest(".vh")).map(e => e.tagName + "." + e.className).slice(-4)`))
}

