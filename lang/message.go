package lang

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/feature/plural"
)

// message is one id's texts. Texts are taken apart when they are loaded: go-i18n's own Localizer took 4 µs for each,
// and a list has hundreds.
type message struct {
	other variant
	forms map[plural.Form]variant // all of them, other too; nil for a text that counts nothing
}

// variant is a text in its parts.
type variant []part

type part struct {
	kind    kind
	text    string // or the value's name
	element int
}

type kind int

const (
	inText kind = iota
	inValue
	inOpen  // <1>
	inClose // </1>
	inAlone // <1/>
)

// compile reads a text that needs those plural forms when it counts.
func compile(m *i18n.Message, need []plural.Form) (message, error) {
	out := map[plural.Form]variant{}
	for form, text := range map[plural.Form]string{plural.Zero: m.Zero, plural.One: m.One, plural.Two: m.Two, plural.Few: m.Few, plural.Many: m.Many, plural.Other: m.Other} {
		if text == "" {
			continue
		}
		v, err := take(text)
		if err != nil {
			return message{}, err
		}
		out[form] = v
	}
	all := message{other: out[plural.Other], forms: out}
	if all.other == nil {
		return message{}, errors.New("has no text")
	}
	if len(out) == 1 && !slices.Contains(all.values(), "Count") {
		return message{other: all.other}, nil
	}
	for _, f := range need {
		if out[f] == nil {
			return message{}, fmt.Errorf("has no plural form %q", name(f))
		}
	}
	return all, nil
}

// name is how a file calls a plural form.
func name(f plural.Form) string {
	return map[plural.Form]string{plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other"}[f]
}

// take cuts a text into its parts. Values are the only actions of Go's templates that it may have.
func take(text string) (variant, error) {
	trees, err := parse.Parse("", text, "", "")
	if err != nil {
		return nil, errors.New("has braces that are no value")
	}
	if trees[""] == nil {
		return nil, errors.New("has no text")
	}
	var out variant
	for _, n := range trees[""].Root.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			out = append(out, marks(string(n.Text))...)
		case *parse.ActionNode:
			value, ok := field(n)
			if !ok {
				return nil, fmt.Errorf("has %s, which is no value", n)
			}
			out = append(out, part{kind: inValue, text: value})
		default:
			return nil, fmt.Errorf("has %s, which is no value", n)
		}
	}
	var open []int
	for _, p := range out {
		switch p.kind {
		case inOpen:
			open = append(open, p.element)
		case inClose:
			if len(open) == 0 || open[len(open)-1] != p.element {
				return nil, fmt.Errorf("closes <%d> where it is not open", p.element)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return nil, fmt.Errorf("does not close <%d>", open[0])
	}
	return out, nil
}

// field gives the name in {{.Name}}.
func field(n *parse.ActionNode) (string, bool) {
	if len(n.Pipe.Decl) > 0 || len(n.Pipe.Cmds) != 1 || len(n.Pipe.Cmds[0].Args) != 1 {
		return "", false
	}
	f, ok := n.Pipe.Cmds[0].Args[0].(*parse.FieldNode)
	if !ok || len(f.Ident) != 1 {
		return "", false
	}
	return f.Ident[0], true
}

// marks cuts plain text at <1>, </1> and <1/>. Any other "<" is text.
func marks(text string) (out variant) {
	for from := 0; ; {
		i := strings.IndexByte(text[from:], '<')
		if i < 0 {
			break
		}
		i += from
		from = i + 1
		end := strings.IndexByte(text[i:], '>')
		if end < 0 {
			break
		}
		p := part{kind: inOpen}
		inner := text[i+1 : i+end]
		if rest, ok := strings.CutPrefix(inner, "/"); ok {
			p.kind, inner = inClose, rest
		} else if rest, ok := strings.CutSuffix(inner, "/"); ok {
			p.kind, inner = inAlone, rest
		}
		if len(inner) != 1 || inner[0] < '1' || inner[0] > '9' {
			continue
		}
		p.element = int(inner[0] - '0')
		if i > 0 {
			out = append(out, part{kind: inText, text: text[:i]})
		}
		out = append(out, p)
		text, from = text[i+end+1:], 0
	}
	if text != "" {
		out = append(out, part{kind: inText, text: text})
	}
	return out
}

// fits tells whether a translation has the values and the elements of the English text. A count may be left out: "one key".
func (m message) fits(english message) error {
	if english.other == nil {
		return errors.New("is not in English")
	}
	without := func(all []string) []string {
		return slices.DeleteFunc(all, func(s string) bool { return s == "Count" })
	}
	if got, want := without(m.values()), without(english.values()); !slices.Equal(got, want) {
		return fmt.Errorf("has the values %q, English has %q", got, want)
	}
	want := english.other.elements()
	for form, v := range m.all() {
		if got := v.elements(); !slices.Equal(got, want) {
			return fmt.Errorf("has the elements %q as %q, English has %q", got, name(form), want)
		}
	}
	if english.forms == nil && m.forms != nil {
		return errors.New("has plural forms, English has none")
	}
	return nil
}

func (m message) all() map[plural.Form]variant {
	if m.forms == nil {
		return map[plural.Form]variant{plural.Other: m.other}
	}
	return m.forms
}

func (m message) values() []string {
	all := map[string]bool{}
	for _, v := range m.all() {
		for _, p := range v {
			if p.kind == inValue {
				all[p.text] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

func (v variant) elements() (all []string) {
	for _, p := range v {
		switch p.kind {
		case inOpen:
			all = append(all, fmt.Sprintf("<%d>", p.element))
		case inAlone:
			all = append(all, fmt.Sprintf("<%d/>", p.element))
		}
	}
	slices.Sort(all)
	return all
}

func (m message) choose(l *Language, args Args) variant {
	if m.forms != nil {
		n, _ := args["Count"].(int)
		if v, ok := m.forms[l.form(n)]; ok {
			return v
		}
	}
	return m.other
}

func (v variant) plain(args Args) string {
	if len(v) == 1 && v[0].kind == inText {
		return v[0].text
	}
	var b strings.Builder
	for _, p := range v {
		b.WriteString(p.plain(args))
	}
	return b.String()
}

func (p part) plain(args Args) string {
	switch p.kind {
	case inText:
		return p.text
	case inValue:
		switch value := args[p.text].(type) {
		case string:
			return value
		case int:
			return strconv.Itoa(value)
		case nil:
			return "{" + p.text + "}"
		default:
			return fmt.Sprint(value)
		}
	}
	return ""
}

func (v variant) pieces(args Args) []Piece {
	stack := [][]Piece{nil}
	add := func(p Piece) { stack[len(stack)-1] = append(stack[len(stack)-1], p) }
	for _, p := range v {
		switch p.kind {
		case inOpen:
			stack = append(stack, nil)
		case inClose:
			inside := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			add(Piece{Element: p.element, Inside: inside})
		case inAlone:
			add(Piece{Element: p.element})
		default:
			add(Piece{Text: p.plain(args)})
		}
	}
	return stack[0]
}
