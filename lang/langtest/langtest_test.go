package langtest

import (
	"slices"
	"strings"
	"testing"
)

func TestPseudo(t *testing.T) {
	if got := Pseudo(t).Find(Tag).Name(); got != "⟦English⟧" {
		t.Errorf("the pseudo-language is called %q", got)
	}
}

// TestOutside plants what must be found, and what must not.
func TestOutside(t *testing.T) {
	for _, tt := range []struct{ name, page, want string }{
		{"Inside", `<p>⟦Read <a href="/x">the help</a> first.⟧</p>`, ""},
		{"Text", `<p>Read</p>`, "<p>: Read"},
		{"Between", `<p>⟦Read⟧ the <b>⟦help⟧</b></p>`, "<p>: the"},
		{"Nested", `<p>⟦Since <time datetime="x">⟦2 Jan⟧</time>, and⟧ <i>not</i></p>`, "<i>: not"},
		{"Attribute", `<input aria-label="Name" class="wide"/>`, "<input aria-label>: Name"},
		{"AttributeInside", `<input aria-label="⟦Show: ⟧ ⟦Name⟧" placeholder="⟦x⟧"/>`, ""},
		{"Title", `<a title="x">⟦y⟧</a>`, "<a title>: x"},
		{"Data", `<p>Mira · 3.5 · OpenPGP</p>`, ""},
		{"DataLonger", `<p>Mira's</p>`, "<p>: 's"},
		{"DataWithin", `<p>Miracle, Mira, Samira</p>`, "<p>: Miracle, , Samira"},
		{"Scripted", `<i data-say-x="⟦You have ⟧{Size}⟦ left⟧"></i>`, ""},
		{"ValueMissing", `<p>⟦You are ⟧{Name}⟦.⟧</p>`, "<p>: {Name}"},
		{"Values", `<p>⟦You are ⟧Mira⟦ on ⟧12⟦.⟧</p>`, ""},
		{"ValueOfOurs", `<p>⟦You are ⟧late⟦.⟧</p>`, "<p>: late"},
		{"Command", `<pre>age -d</pre><code>SHA</code>`, ""},
		{"Open", `<p>⟦x</p>`, "a text does not end"},
		{"Whole", "<!doctype html><html><head><meta charset=\"utf-8\"><title>⟦Log in⟧ · Zencrypt</title></head><body><br>⟦x⟧ word</body></html>", "<body>: word"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(Outside(tt.page, "Mira"), "\n")
			if (got == "") != (tt.want == "") || !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if got := Outside("<p>one two</p>", "two", "one two"); !slices.Equal(got, nil) {
		t.Errorf("a longer piece of data is not taken first: %q", got)
	}
}
