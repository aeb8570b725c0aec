package views

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/a-h/templ"
	"golang.org/x/text/unicode/bidi"

	"zencrypt/lang"
)

// maxText is the most a text field takes, in bytes; the server refuses more, the script says so before it is sent.
const maxText = 1 << 20

// maxParts is how many fields and files a form may have; the server refuses more.
const maxParts = 32

// htmxConfig keeps htmx within the Content-Security-Policy (no eval, no inline style) and lets every HTML answer,
// also 422 and 5xx, be swapped in, so that a refusal is read where the result would have been.
const htmxConfig = `{"allowEval":false,"allowScriptTags":false,"includeIndicatorStyles":false,"historyCacheSize":0,"historyEnabled":false,` +
	`"selfRequestsOnly":true,"scrollBehavior":"auto","responseHandling":[{"code":"204","swap":false},{"code":"...","swap":true}]}`

// size writes a number of bytes for people, in binary units: "612 bytes", "3.1 MiB".
func size(ctx context.Context, n int64) string {
	switch {
	case n < 0:
		return lang.T(ctx, "format.unknown-size")
	case n < 1024:
		return lang.N(ctx, "format.bytes", int(n))
	}
	value, units := float64(n)/1024, []string{"format.kib", "format.mib", "format.gib", "format.tib", "format.pib", "format.eib"}
	unit := 0
	// 1023.95 would be rounded up to "1024.0".
	for value >= 1023.95 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return lang.T(ctx, units[unit], lang.Args{"Number": decimal(ctx, value, true)})
}

// decimal writes a number with one digit behind the point; short leaves a zero there out.
func decimal(ctx context.Context, n float64, short bool) string {
	s := strconv.FormatFloat(n, 'f', 1, 64)
	if short {
		s = strings.TrimSuffix(s, ".0")
	}
	return strings.Replace(s, ".", lang.T(ctx, "format.point"), 1)
}

// day writes a date as people read it; always UTC, since the server knows nobody's place.
func day(ctx context.Context, t time.Time) string {
	t = t.UTC()
	return lang.T(ctx, "format.day", lang.Args{"Day": t.Day(), "Month": lang.T(ctx, months()[t.Month()-1]), "Year": t.Format("2006")})
}

func months() [12]string {
	return [12]string{"format.jan", "format.feb", "format.mar", "format.apr", "format.may", "format.jun", "format.jul", "format.aug", "format.sep", "format.oct", "format.nov", "format.dec"}
}

// when writes a moment as people read it, in UTC like day.
func when(ctx context.Context, t time.Time) string {
	return lang.T(ctx, "format.moment", lang.Args{"Day": day(ctx, t), "Time": t.UTC().Format("15:04")})
}

func machineTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// took writes a duration with the precision that a person cares for.
func took(ctx context.Context, d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return lang.T(ctx, "format.under-one-millisecond")
	case d < time.Second:
		return lang.T(ctx, "format.milliseconds", lang.Args{"Number": int(d.Milliseconds())})
	case d < time.Minute:
		return lang.T(ctx, "format.seconds", lang.Args{"Number": decimal(ctx, d.Seconds(), false)})
	}
	return lang.T(ctx, "format.minutes", lang.Args{"Minutes": int(d.Minutes()), "Seconds": int(d.Seconds()) % 60})
}

func number[T ~int | ~int64 | ~uint32](n T) string { return strconv.FormatInt(int64(n), 10) }

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// percent is how much of whole is used, 0 to 100.
func percent(used, whole int64) int {
	if whole <= 0 || used <= 0 {
		return 0
	}
	return int(min(100, float64(used)/float64(whole)*100))
}

// fieldError is one line of an error summary: where it leads and what is wrong.
type fieldError struct{ name, message string }

// ordered lists errors so that the same mistake is always shown the same way: what belongs to no field first.
func ordered(e Fields) []fieldError {
	list := make([]fieldError, 0, len(e))
	for _, name := range slices.Sorted(maps.Keys(e)) {
		if e[name] != "" {
			list = append(list, fieldError{name, e[name]})
		}
	}
	return list
}

// described joins a control to its hint and its error for assistive technology.
// The hint's id is id+"-hint", the error's id+"-error".
func described(id, message string, hint bool) templ.Attributes {
	attributes, by := templ.Attributes{}, []string{}
	if message != "" {
		attributes["aria-invalid"] = "true"
		by = append(by, id+"-error")
	}
	if hint {
		by = append(by, id+"-hint")
	}
	if len(by) > 0 {
		attributes["aria-describedby"] = strings.Join(by, " ")
	}
	return attributes
}

// sentence begins with a capital and ends with a full stop, whatever the text did.
func sentence(s string) string {
	r := []rune(strings.TrimSpace(s))
	if len(r) == 0 {
		return ""
	}
	r[0] = unicode.ToUpper(r[0])
	if !strings.ContainsRune(".!?", r[len(r)-1]) {
		r = append(r, '.')
	}
	return string(r)
}

func kindName(ctx context.Context, kind string) string {
	switch kind {
	case "note":
		return lang.T(ctx, "vault.note")
	case "file":
		return lang.T(ctx, "vault.file")
	case "digest":
		return lang.T(ctx, "vault.digest")
	case "ciphertext":
		return lang.T(ctx, "vault.encrypted")
	}
	return kind
}

// kindTag is kindName as it stands within a line.
func kindTag(ctx context.Context, kind string) string {
	switch kind {
	case "note":
		return lang.T(ctx, "vault.tag-note")
	case "file":
		return lang.T(ctx, "vault.tag-file")
	case "digest":
		return lang.T(ctx, "vault.tag-digest")
	case "ciphertext":
		return lang.T(ctx, "vault.tag-encrypted")
	}
	return kind
}

func nextTheme(theme string) string {
	switch theme {
	case "dark":
		return "light"
	case "light":
		return "system"
	}
	return "dark"
}

func themeName(ctx context.Context, theme string) string {
	switch theme {
	case "dark":
		return lang.T(ctx, "layout.dark")
	case "light":
		return lang.T(ctx, "layout.light")
	}
	return lang.T(ctx, "layout.system")
}

// algorithmGroups keeps the order in which the algorithms came.
func algorithmGroups(all []Algorithm) []string {
	var names []string
	for _, a := range all {
		if !slices.Contains(names, a.Group) {
			names = append(names, a.Group)
		}
	}
	return names
}

// withErrors lists a form's field errors in the outcome when the handler gave them on the form only.
func withErrors(o Outcome, e Fields) Outcome {
	if len(o.Errors) == 0 {
		o.Errors = e
	}
	return o
}

// fresh tells whether a verb's page shows its form only: then the cursor goes into it. Otherwise the
// address leads to #result, and a browser complains about being told both.
func fresh(o Outcome, e Fields) bool {
	return o.Problem == nil && o.Text == nil && len(o.Files) == 0 && o.Hash == nil && len(o.Verify) == 0 && len(o.Errors) == 0 && len(e) == 0
}

// direction is the way a text runs, by its first strong character (UAX #9, P2). dir="auto" would find the
// same, but a browser takes ten seconds over one line of 1 MiB with it, and four times that over twice as much.
func direction(text string) string {
	for i := 0; i < len(text); {
		p, size := bidi.LookupString(text[i:])
		switch p.Class() {
		case bidi.L:
			return "ltr"
		case bidi.R, bidi.AL:
			return "rtl"
		}
		i += max(size, 1)
	}
	return "ltr"
}
