package main

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const modulePath = "zencrypt"

// maxMainLines keeps main.go what it is for: hand the process to cli.Run.
const maxMainLines = 40

// arrows lists what every package may import of ours, tests aside. Nothing points
// back, and a package that is not named here may not exist. "crypto/..." stands
// for crypto and all below it, "..." for everything.
var arrows = map[string][]string{
	".":          {"cli"},
	"cli":        {"..."},
	"cli/sop":    {"crypto/pgp"},
	"config":     {},
	"metrics":    {},
	"secrets":    {},
	"backup":     {},
	"limits":     {},
	"nofollow":   {}, // what root opens in data of others
	"audit":      {"nofollow"},
	"migrations": {},
	"archive":    {},
	"embed":      {},
	"lang":       {}, // what people read on the pages, by language
	"deploy":     {},

	// One format or one job a package, none imports another: crypto.go tells the
	// formats apart and hands on.
	"crypto":          {"crypto/agefile", "crypto/pgp", "crypto/fernet", "crypto/digest", "crypto/password", "crypto/seal", "crypto/legacy"},
	"crypto/agefile":  {},
	"crypto/pgp":      {},
	"crypto/fernet":   {},
	"crypto/digest":   {},
	"crypto/password": {},
	"crypto/seal":     {},
	"crypto/legacy":   {},
	"crypto/totp":     {}, // what the models ask for a second factor
	"crypto/passkey":  {},

	"models":        {"crypto/..."},
	"blobs":         {"crypto/...", "nofollow"},
	"importer":      {"crypto/..."},
	"views":         {"embed", "lang"},
	"lang/langtest": {"lang"},
	"handlers":      {"models", "crypto/...", "views", "lang", "blobs", "limits", "audit", "archive"},
	"e2e":           {},
}

// owners lists which packages may import what of others'. A framework stays where
// it belongs, so that the rest can be tested, and read, without it.
var owners = map[string][]string{
	"github.com/gofiber/":        {"handlers", "cli"},
	"github.com/valyala/":        {"handlers", "cli"},
	"net/http":                   {"handlers", "cli", "e2e", "metrics"},
	"github.com/prometheus/":     {"metrics"},
	"github.com/a-h/templ":       {"views", "handlers"},
	"github.com/uptrace/bun":     {"models", "migrations", "cli"},
	"database/sql":               {"models", "migrations", "importer", "cli"},
	"modernc.org/sqlite":         {"models", "importer", "cli"},
	"go.mongodb.org/":            {"importer"},
	"github.com/alecthomas/":     {"cli", "cli/sop"},
	"github.com/chromedp/":       {"e2e"},
	"filippo.io/age":             {"crypto", "crypto/agefile", "cli", "handlers", "blobs", "models", "importer"},
	"github.com/fernet/":         {"crypto/fernet"},
	"github.com/ProtonMail/":     {"crypto/pgp"},
	"github.com/alexedwards/":    {"crypto/password"},
	"github.com/ccojocar/":       {"crypto/password"},
	"github.com/coreos/":         {"cli"},
	"golang.org/x/crypto/acme":   {"cli"},
	"github.com/pquerna/":        {"crypto/totp"},
	"github.com/go-webauthn/":    {"crypto/passkey"},
	"github.com/fxamacker/":      {"crypto/passkey"},
	"golang.org/x/crypto/argon2": {"crypto/password", "crypto/legacy"},
	"github.com/nicksnyder/":     {"lang"},
	"math/rand":                  {},
	"C":                          {},
	"unsafe":                     {},
}

// TestArch reads the imports of every Go file of the project, whatever its build
// constraints.
func TestArch(t *testing.T) {
	for _, v := range violations(os.DirFS(".")) {
		t.Error(v)
	}
}

// TestArch_Violations plants what must be found.
func TestArch_Violations(t *testing.T) {
	file := func(src string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(src)} }
	imports := func(p string) *fstest.MapFile { return file("package x\nimport _ " + strconv.Quote(p) + "\n") }
	for _, tt := range []struct {
		name string
		tree fstest.MapFS
		want string // "" = clean
	}{
		{"Empty", fstest.MapFS{}, ""},
		{"Main", fstest.MapFS{"main.go": imports("zencrypt/cli")}, ""},
		{"MainPastCli", fstest.MapFS{"main.go": imports("zencrypt/handlers")}, "main.go: imports zencrypt/handlers"},
		{"MainLong", fstest.MapFS{"main.go": file("package main\n" + strings.Repeat("\n", maxMainLines))}, "main.go: 41 lines"},
		{"MainAtLimit", fstest.MapFS{"main.go": file("package main\n" + strings.Repeat("\n", maxMainLines-1))}, ""},
		{"Below", fstest.MapFS{"models/a.go": imports("zencrypt/crypto/seal")}, ""},
		{"CryptoItself", fstest.MapFS{"handlers/a.go": imports("zencrypt/crypto")}, ""},
		{"Back", fstest.MapFS{"models/a.go": imports("zencrypt/handlers")}, "models/a.go: imports zencrypt/handlers"},
		{"Sideways", fstest.MapFS{"crypto/legacy/a.go": imports("zencrypt/crypto/fernet")}, "crypto/legacy/a.go: imports"},
		{"Prefix", fstest.MapFS{"models/a.go": imports("zencrypt/cryptox")}, "models/a.go: imports"},
		{"Leaf", fstest.MapFS{"limits/a.go": imports("zencrypt/config")}, "limits/a.go: imports"},
		{"Constrained", fstest.MapFS{"limits/a.go": file("//go:build plan9\n\npackage x\nimport _ \"zencrypt/config\"\n")}, "limits/a.go: imports"},
		{"Unknown", fstest.MapFS{"utils/a.go": file("package utils\n")}, "utils/a.go: package utils is not in"},
		{"UnknownBelow", fstest.MapFS{"models/sub/a.go": file("package sub\n")}, "models/sub/a.go: package models/sub is not in"},
		{"Framework", fstest.MapFS{"models/a.go": imports("github.com/gofiber/fiber/v2")}, "models/a.go: imports github.com/gofiber/fiber/v2"},
		{"FrameworkAtHome", fstest.MapFS{"handlers/a.go": imports("github.com/gofiber/fiber/v2")}, ""},
		{"Subpackage", fstest.MapFS{"views/a.go": imports("github.com/uptrace/bun/migrate")}, "views/a.go: imports github.com/uptrace/bun/migrate"},
		{"Nowhere", fstest.MapFS{"cli/a.go": imports("math/rand/v2")}, "cli/a.go: imports math/rand/v2"},
		{"Test", fstest.MapFS{"models/a_test.go": imports("zencrypt/migrations")}, ""},
		{"Testdata", fstest.MapFS{"models/testdata/a.go": imports("zencrypt/cli")}, ""},
		{"OtherModule", fstest.MapFS{"tools/go.mod": file("module tools\n"), "tools/a.go": imports("zencrypt/cli")}, ""},
		{"Broken", fstest.MapFS{"limits/a.go": file("package")}, "limits/a.go"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(violations(tt.tree), "\n")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// violations walks a tree and returns a line for each arrow that is not allowed.
func violations(tree fs.FS) (found []string) {
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(tree, name)
		}
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		if n := bytes.Count(src, []byte("\n")); name == "main.go" && n > maxMainLines {
			found = append(found, fmt.Sprintf("main.go: %d lines, at most %d: what it does belongs in cli", n, maxMainLines))
		}
		found = append(found, checkFile(name, src)...)
		return nil
	})
	if err != nil {
		found = append(found, err.Error())
	}
	return found
}

// skipDir leaves out what is not this module's code.
func skipDir(tree fs.FS, dir string) error {
	if dir == "." {
		return nil
	}
	base := path.Base(dir)
	if base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, path.Join(dir, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func checkFile(name string, src []byte) (found []string) {
	pkg := path.Dir(name)
	allowed, ok := arrows[pkg]
	if !ok {
		found = append(found, fmt.Sprintf("%s: package %s is not in the list of arrows", name, pkg))
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
	if err != nil {
		return append(found, err.Error())
	}
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return append(found, fmt.Sprintf("%s: %v", name, err))
		}
		own, isOwn := strings.CutPrefix(imported, modulePath+"/")
		switch {
		case isOwn && !slices.ContainsFunc(allowed, func(a string) bool { return covers(a, own) }):
			found = append(found, fmt.Sprintf("%s: imports %s, which %s may not", name, imported, pkg))
		case !isOwn && !foreignAllowed(pkg, imported):
			found = append(found, fmt.Sprintf("%s: imports %s, which is for others", name, imported))
		}
	}
	return found
}

// covers reports whether an entry of arrows allows a package.
func covers(entry, pkg string) bool {
	tree, isTree := strings.CutSuffix(entry, "...")
	return entry == pkg || isTree && (tree == "" || pkg+"/" == tree || strings.HasPrefix(pkg, tree))
}

func foreignAllowed(pkg, imported string) bool {
	for prefix, pkgs := range owners {
		under := strings.HasSuffix(prefix, "/") && strings.HasPrefix(imported, prefix)
		if (under || imported == prefix || strings.HasPrefix(imported, prefix+"/")) && !slices.Contains(pkgs, pkg) {
			return false
		}
	}
	return true
}
