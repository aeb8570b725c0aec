package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"zencrypt/config"
)

// asvsItems says how many items of levels 1 and 2 each section of the chapters has that docs/ASVS.md takes whole. In each
// they are the first ones: ASVS 5.0.0 sorts by level.
var asvsItems = map[string]int{
	"6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5, "6.6": 3, "6.8": 4,
	"7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 2, "7.6": 2,
	"8.1": 2, "8.2": 3, "8.3": 1, "8.4": 1,
	"16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 3,
	"2.3": 4, "2.4": 1, "3.3": 4, "3.5": 5, "13.3": 2, "13.4": 5, "14.2": 4, "14.3": 3,
}

var (
	asvsRow     = regexp.MustCompile(`^\| (\d+\.\d+)\.(\d+) \|`)
	asvsTest    = regexp.MustCompile("`(?:([a-z0-9/]+)\\.)?(Test\\w+)(?:/(\\w+))?`")
	asvsSection = regexp.MustCompile(`(\w+\.md) "([^"]+)"`)
)

// TestASVS: every item has a verdict and what goes with it, and every test and section that is named exists.
func TestASVS(t *testing.T) {
	b, err := os.ReadFile("docs/ASVS.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	tests := testsByPackage(t)
	seen, count := map[string]bool{}, map[string]int{}
	for line := range strings.Lines(text) {
		for _, m := range asvsTest.FindAllStringSubmatch(line, -1) {
			body, ok := tests[cmp.Or(m[1], ".")+"."+m[2]]
			if !ok {
				t.Errorf("%s is no test", m[0])
			} else if m[3] != "" && !strings.Contains(body, strconv.Quote(m[3])) {
				t.Errorf("%s has no part of that name", m[0])
			}
		}
		for _, m := range asvsSection.FindAllStringSubmatch(line, -1) {
			page, err := os.ReadFile("docs/" + m[1])
			if err != nil || !regexp.MustCompile(`(?m)^##+ `+regexp.QuoteMeta(m[2])+`$`).Match(page) {
				t.Errorf("docs/%s has no section %q: %v", m[1], m[2], err)
			}
		}
		m := asvsRow.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		item := m[1] + "." + m[2]
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 5 {
			t.Errorf("%s has %d columns", item, len(cells))
			continue
		}
		if seen[item] {
			t.Errorf("%s stands twice", item)
		}
		seen[item] = true
		if cells[1] != "1" && cells[1] != "2" {
			t.Errorf("%s is of level %q", item, cells[1])
		}
		verdict, shown := cells[3], strings.TrimSpace(strings.TrimSuffix(cells[4], "|"))
		count[verdict]++
		switch verdict {
		case "met":
			if !asvsTest.MatchString(shown) {
				t.Errorf("%s is met and names no test", item)
			}
		case "not met", "not applicable":
			if shown == "" {
				t.Errorf("%s is %s and does not say why", item, verdict)
			}
		default:
			t.Errorf("%s has no verdict but %q", item, verdict)
		}
	}
	for section, n := range asvsItems {
		for i := range n {
			if item := fmt.Sprintf("%s.%d", section, i+1); !seen[item] {
				t.Errorf("%s is missing", item)
			}
		}
	}
	sum := fmt.Sprintf("Of %d items %d are met, %d are not, and %d are not applicable.", len(seen), count["met"], count["not met"], count["not applicable"])
	if !strings.Contains(text, sum) {
		t.Errorf("it does not say: %s", sum)
	}
	c := config.Default()
	for _, want := range []string{
		fmt.Sprintf("A session ends %.0f minutes after its last use (`--session-idle`) and %.0f hours after log-in", c.SessionIdle.Minutes(), c.SessionMax.Hours()),
		"--log-keep`, a year", "--activity-keep`, a year",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say: %s", want)
		}
	}
	if year := 365.0 * 24; c.LogKeep.Hours() != year || c.ActivityKeep.Hours() != year {
		t.Errorf("logs are kept %v and %v, not a year", c.LogKeep, c.ActivityKeep)
	}
}

// testsByPackage gives the source of every test function, by folder and name.
func testsByPackage(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	eachGoFile(t, func(name string, src []byte, set *token.FileSet, f *ast.File) {
		if !strings.HasSuffix(name, "_test.go") {
			return
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				all[path.Dir(name)+"."+fn.Name.Name] = string(src[set.Position(fn.Pos()).Offset:set.Position(fn.End()).Offset])
			}
		}
	})
	return all
}

// TestRandom: nothing that is built into the program takes a random number from elsewhere than crypto/rand.
func TestRandom(t *testing.T) {
	strong := 0
	eachGoFile(t, func(name string, _ []byte, _ *token.FileSet, f *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		for _, i := range f.Imports {
			switch p, _ := strconv.Unquote(i.Path.Value); p {
			case "math/rand", "math/rand/v2":
				t.Errorf("%s imports %s", name, p)
			case "crypto/rand":
				strong++
			}
		}
	})
	if strong < 10 {
		t.Errorf("only %d files import crypto/rand: is all of it looked at?", strong)
	}
}

func eachGoFile(t *testing.T, do func(name string, src []byte, set *token.FileSet, f *ast.File)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{"node_modules", "testdata", ".git"}, d.Name()) {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
		if err == nil {
			do(name, src, set, f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestASVS_Logs: nothing but what docs/ASVS.md lists under "Logs" is made to be logged to.
func TestASVS_Logs(t *testing.T) {
	logs := regexp.MustCompile(`\b(?:slog\.New\w*|slog\.SetDefault|slog\.Default|slog\.(?:Debug|Info|Warn|Error|Log)\w*|log\.New|log\.(?:Print|Fatal|Panic)\w*|syslog\.(?:New|Dial)\w*|audit\.Open|bundebug\.\w+)\(`)
	made := map[string][]string{}
	eachGoFile(t, func(name string, src []byte, _ *token.FileSet, _ *ast.File) {
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "e2e/") || strings.HasPrefix(name, "tools/") {
			return
		}
		made[name] = append(made[name], logs.FindAllString(string(src), -1)...)
		if len(made[name]) == 0 {
			delete(made, name)
		}
	})
	known := map[string]string{
		"cli/serve.go":     "the program's output",
		"cli/serverlog.go": "the server log and its heads",
		"cli/tls.go":       "nowhere: what the standard library would tell",
		"cli/metrics.go":   "nowhere, likewise: it would name addresses",
	}
	for name, calls := range made {
		if known[name] == "" {
			t.Errorf("%s logs by %q: docs/ASVS.md lists every log", name, calls)
		}
	}
	for name, what := range known {
		if len(made[name]) == 0 {
			t.Errorf("%s makes no log (%s)", name, what)
		}
	}
}
