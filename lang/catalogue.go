package lang

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

//go:embed *.json
var files embed.FS

// source is the language that all others are translated from.
const source = "en.json"

// acceptBytes is the most of an Accept-Language header that is looked at; browsers send under 100 bytes.
const acceptBytes = 256

// Catalogue is a set of languages. It does not change after Load.
type Catalogue struct {
	// Problems says which files and texts are not used, and why: English stands in for them.
	Problems  []string
	languages []*Language // English is the first
	matcher   language.Matcher
}

// Language is all texts in one language.
type Language struct {
	tag     language.Tag
	texts   map[string]message
	english *Language           // nil for English itself
	small   [looked]plural.Form // of 0, 1, 2, ...
}

// Default is the catalogue inside the program.
var Default = sync.OnceValue(func() *Catalogue {
	c, err := Load(files)
	if err != nil {
		panic(fmt.Sprintf("lang: %v", err)) // embedded at build time, so a mistake of ours and never input
	}
	return c
})

// Load reads the files of a folder. Only what is wrong with English is an error; of the others, what is
// wrong is left out and named in Problems.
func Load(folder fs.FS) (*Catalogue, error) {
	english, problems, err := read(folder, source, nil)
	if err == nil && len(problems) > 0 {
		err = fmt.Errorf("%s", problems[0])
	}
	if err != nil {
		return nil, err
	}
	c := &Catalogue{languages: []*Language{english}}
	names, err := fs.Glob(folder, "*.json")
	if err != nil {
		return nil, fmt.Errorf("list languages: %w", err)
	}
	for _, name := range names {
		if name == source {
			continue
		}
		l, problems, err := read(folder, name, english)
		c.Problems = append(c.Problems, problems...)
		if err != nil {
			c.Problems = append(c.Problems, err.Error())
			continue
		}
		c.languages = append(c.languages, l)
	}
	var tags []language.Tag
	for _, l := range c.languages {
		tags = append(tags, l.tag)
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}

func read(folder fs.FS, name string, english *Language) (l *Language, problems []string, err error) {
	tag, err := language.Parse(strings.TrimSuffix(name, path.Ext(name)))
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: the name is no language tag", name)
	}
	data, err := fs.ReadFile(folder, name)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	file, err := i18n.ParseMessageFileBytes(data, name, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	l = &Language{tag: tag, texts: make(map[string]message, len(file.Messages)), english: english}
	need := l.count()
	for _, m := range file.Messages {
		text, err := compile(m, need)
		if err == nil && english != nil {
			err = text.fits(english.texts[m.ID])
		}
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %s: %v", name, m.ID, err))
			continue
		}
		l.texts[m.ID] = text
	}
	slices.Sort(problems)
	return l, problems, nil
}

// Choose gives the language for a request: the one that the person chose, by its tag, else the best for the
// browser's Accept-Language header, else English.
func (c *Catalogue) Choose(chosen, accept string) *Language {
	if len(c.languages) == 1 {
		return c.languages[0]
	}
	if l := c.Find(chosen); l != nil {
		return l
	}
	wanted, _, err := language.ParseAcceptLanguage(accept[:min(len(accept), acceptBytes)])
	if err != nil {
		return c.languages[0]
	}
	_, i, _ := c.matcher.Match(wanted...) // the first when none fits
	return c.languages[i]
}

// Find gives the language with a tag, or nil.
func (c *Catalogue) Find(tag string) *Language {
	for _, l := range c.languages {
		if l.Tag() == tag {
			return l
		}
	}
	return nil
}

// Languages lists all, English first and then by tag.
func (c *Catalogue) Languages() []*Language {
	all := slices.Clone(c.languages)
	slices.SortFunc(all[1:], func(a, b *Language) int { return cmp.Compare(a.Tag(), b.Tag()) })
	return all
}

// Tag is the language's BCP 47 tag, for <html lang>.
func (l *Language) Tag() string { return l.tag.String() }

// Name is what the language calls itself.
func (l *Language) Name() string {
	if m, ok := l.texts["language.name"]; ok {
		return m.other.plain(nil)
	}
	return l.Tag()
}

// RightToLeft tells which way the language is written.
func (l *Language) RightToLeft() bool {
	script, _ := l.tag.Script()
	return slices.Contains([]string{"Adlm", "Arab", "Hebr", "Mand", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa"}, script.String())
}

// find never fails: what is nowhere is its own id, which a test keeps from happening.
func (l *Language) find(id string, args Args) variant {
	for at := l; at != nil; at = at.english {
		if m, ok := at.texts[id]; ok {
			return m.choose(at, args)
		}
	}
	return variant{{kind: inText, text: id}}
}

// looked is up to where plural forms are looked up beforehand: CLDR's rules look at the last two digits mostly, and
// asking them takes longer than the rest of a text.
const looked = 1000

// count fills in the plural forms of small numbers and lists those that the language has for whole numbers.
func (l *Language) count() (all []plural.Form) {
	for n := range l.small {
		l.small[n] = plural.Cardinal.MatchPlural(l.tag, n, 0, 0, 0, 0)
	}
	all = append(slices.Clone(l.small[:]), l.form(1_000_000)) // some have a form for millions
	slices.Sort(all)
	return slices.Compact(all)
}

func (l *Language) form(n int) plural.Form {
	if n >= 0 && n < looked {
		return l.small[n]
	}
	return plural.Cardinal.MatchPlural(l.tag, max(n, -n), 0, 0, 0, 0)
}

// English is the file that translations are made of.
func English() []byte {
	data, _ := files.ReadFile(source) // embedded, and read when Default is
	return data
}
