// Package langtest helps tests to find what people read on a page and does not come from the catalogue.
package langtest

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"
	"unicode/utf8"

	"zencrypt/lang"
)

// Tag is the pseudo-language's, by the custom for such: English whose every text, but for the values in it,
// stands between ⟦ and ⟧.
const Tag = "en-XA"

const (
	begin = "⟦"
	end   = "⟧"
)

// Pseudo is the program's English beside the pseudo-language that is made of it.
func Pseudo(t testing.TB) *lang.Catalogue {
	t.Helper()
	var texts map[string]any
	if err := json.Unmarshal(lang.English(), &texts); err != nil {
		t.Fatal(err)
	}
	for id, text := range texts {
		switch text := text.(type) {
		case string:
			texts[id] = mark(text)
		case map[string]any:
			for form, s := range text {
				if form != "description" {
					text[form] = mark(fmt.Sprint(s))
				}
			}
		}
	}
	pseudo, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	c, err := lang.Load(fstest.MapFS{"en.json": {Data: lang.English()}, Tag + ".json": {Data: pseudo}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Problems {
		t.Error(p)
	}
	return c
}

var value = regexp.MustCompile(`\{\{\.\w+\}\}`)

// mark leaves the values outside: whether those are words of ours is seen by their own marks.
func mark(text string) string { return begin + value.ReplaceAllString(text, end+"$0"+begin) + end }

// read are the attributes that people read or hear, and those whose words the script shows.
var read = regexp.MustCompile(`^(aria-label|placeholder|title|alt|data-say(-.*)?)$`)

// scripted are values that the script puts in.
var scripted = regexp.MustCompile(`\{[A-Z][a-z]+\}`)

// verbatim are elements whose content is data in any language: commands, keys, what a person typed.
var verbatim = []string{"code", "kbd", "pre", "script", "textarea"}

// names are the same in every language: of programs and formats, and how keys begin.
var names = []string{"Zencrypt", "OpenPGP", "GnuPG", "Fernet", "age", "SSH", "AGE-SECRET-KEY-1…", "-----BEGIN AGE ENCRYPTED FILE-----",
	"-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----BEGIN PGP SIGNATURE-----", "-----BEGIN PGP SIGNED MESSAGE-----"}

// Outside gives what people read in a page in the pseudo-language and does not come from the catalogue, but for what
// the caller says is data. Digits and signs are no words.
func Outside(page string, data ...string) (found []string) {
	data = slices.Concat(data, names)
	slices.SortFunc(data, func(a, b string) int { return len(b) - len(a) }) // a name within a longer one must not cut it
	report := func(where, text string) {
		for _, d := range data {
			text = without(text, d)
		}
		if text = strings.Join(strings.Fields(text), " "); strings.ContainsFunc(text, unicode.IsLetter) {
			found = append(found, where+": "+text)
		}
	}
	d := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(page, "<!doctype html>")))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var open []string
	depth := 0
	for {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF):
			if depth != 0 {
				found = append(found, "a text does not end: the page is no whole one")
			}
			return found
		case err != nil:
			return append(found, err.Error())
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
			for _, a := range token.Attr {
				if name := a.Name.Local; read.MatchString(name) {
					text, _ := outside(a.Value, 0)
					if strings.HasPrefix(name, "data-say") {
						text = scripted.ReplaceAllString(text, " ")
					}
					report("<"+token.Name.Local+" "+name+">", text)
				}
			}
		case xml.EndElement:
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		case xml.CharData:
			var text string
			text, depth = outside(string(token), depth)
			if !slices.ContainsFunc(open, func(name string) bool { return slices.Contains(verbatim, name) }) && len(open) > 0 {
				report("<"+open[len(open)-1]+">", text)
			}
		}
	}
}

// without drops a piece of data where it stands by itself, and not within a longer word.
func without(text, data string) string {
	for from := 0; data != ""; {
		i := strings.Index(text[from:], data)
		if i < 0 {
			break
		}
		i += from
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(data):])
		first, _ := utf8.DecodeRuneInString(data)
		last, _ := utf8.DecodeLastRuneInString(data)
		if unicode.IsLetter(before) && unicode.IsLetter(first) || unicode.IsLetter(last) && unicode.IsLetter(after) {
			from = i + len(string(first))
			continue
		}
		text, from = text[:i]+" "+text[i+len(data):], i+1
	}
	return text
}

// outside drops what stands between the marks; depth is how many are open before and after. A text in a text's element
// opens another pair.
func outside(text string, depth int) (string, int) {
	var b strings.Builder
	for _, r := range text {
		switch string(r) {
		case begin:
			depth++
			b.WriteByte(' ')
		case end:
			depth--
			b.WriteByte(' ')
		default:
			if depth <= 0 {
				b.WriteRune(r)
			}
		}
	}
	return b.String(), depth
}
