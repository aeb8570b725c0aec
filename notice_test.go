package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var updateNotice = flag.Bool("update-notice", false, "write NOTICE from the licences of the modules that are linked")

// licences says under what each linked module stands, as read by a person in
// the module's own files. A module that is linked and not here fails the test:
// read its licence first, then add it.
var licences = map[string]string{
	"github.com/beorn7/perks":                      "MIT",
	"github.com/cespare/xxhash/v2":                 "MIT",
	"github.com/munnerz/goautoneg":                 "BSD-3-Clause",
	"github.com/prometheus/client_golang":          "Apache-2.0, with parts under BSD-3-Clause and MIT",
	"github.com/prometheus/client_model":           "Apache-2.0",
	"github.com/prometheus/common":                 "Apache-2.0",
	"github.com/prometheus/procfs":                 "Apache-2.0",
	"google.golang.org/protobuf":                   "BSD-3-Clause",
	"github.com/boombuler/barcode":                 "MIT",
	"github.com/fxamacker/cbor/v2":                 "MIT",
	"github.com/go-viper/mapstructure/v2":          "MIT",
	"github.com/go-webauthn/webauthn":              "BSD-3-Clause",
	"github.com/go-webauthn/x":                     "BSD-3-Clause, with parts under BSD-2-Clause and ISC",
	"github.com/golang-jwt/jwt/v5":                 "MIT",
	"github.com/google/go-tpm":                     "Apache-2.0",
	"github.com/philhofer/fwd":                     "MIT",
	"github.com/nicksnyder/go-i18n/v2":             "MIT",
	"github.com/pquerna/otp":                       "Apache-2.0",
	"github.com/tinylib/msgp":                      "MIT, with parts under BSD-3-Clause",
	"github.com/x448/float16":                      "MIT",
	"filippo.io/age":                               "BSD-3-Clause",
	"filippo.io/edwards25519":                      "BSD-3-Clause",
	"filippo.io/hpke":                              "BSD-3-Clause",
	"filippo.io/nistec":                            "BSD-3-Clause",
	"github.com/a-h/templ":                         "MIT",
	"github.com/cloudflare/circl":                  "BSD-3-Clause",
	"github.com/ProtonMail/go-crypto":              "BSD-3-Clause",
	"github.com/alecthomas/kong":                   "MIT",
	"github.com/alexedwards/argon2id":              "MIT",
	"github.com/andybalholm/brotli":                "MIT",
	"github.com/dustin/go-humanize":                "MIT",
	"github.com/fernet/fernet-go":                  "MIT",
	"github.com/gofiber/fiber/v2":                  "MIT",
	"github.com/google/uuid":                       "BSD-3-Clause",
	"github.com/jinzhu/inflection":                 "MIT",
	"github.com/klauspost/compress":                "BSD-3-Clause, with parts under Apache-2.0 and MIT",
	"github.com/klauspost/cpuid/v2":                "MIT",
	"github.com/mattn/go-colorable":                "MIT",
	"github.com/mattn/go-isatty":                   "MIT",
	"github.com/mattn/go-runewidth":                "MIT",
	"github.com/ccojocar/zxcvbn-go":                "MIT",
	"github.com/ncruces/go-strftime":               "MIT",
	"github.com/puzpuzpuz/xsync/v3":                "Apache-2.0",
	"github.com/remyoudompheng/bigfft":             "BSD-3-Clause",
	"github.com/rivo/uniseg":                       "MIT",
	"github.com/sethvargo/go-diceware":             "MIT",
	"github.com/tmthrgd/go-hex":                    "BSD-3-Clause, with parts under BSD-2-Clause",
	"github.com/uptrace/bun":                       "BSD-2-Clause",
	"github.com/valyala/bytebufferpool":            "MIT",
	"github.com/valyala/fasthttp":                  "MIT",
	"github.com/valyala/tcplisten":                 "MIT",
	"github.com/vmihailenco/msgpack/v5":            "BSD-2-Clause",
	"github.com/vmihailenco/tagparser/v2":          "BSD-2-Clause",
	"github.com/coreos/go-systemd/v22":             "Apache-2.0",
	"golang.org/x/net":                             "BSD-3-Clause",
	"lukechampine.com/blake3":                      "MIT",
	"go.mongodb.org/mongo-driver/v2":               "Apache-2.0, with parts of mgo (BSD-2-Clause), of Go (BSD-3-Clause) and others named in its text",
	"golang.org/x/crypto":                          "BSD-3-Clause",
	"golang.org/x/sync":                            "BSD-3-Clause",
	"golang.org/x/sys":                             "BSD-3-Clause",
	"golang.org/x/term":                            "BSD-3-Clause",
	"golang.org/x/text":                            "BSD-3-Clause",
	"modernc.org/libc":                             "BSD-3-Clause, with musl libc (MIT) and others named in its text",
	"modernc.org/mathutil":                         "BSD-3-Clause",
	"modernc.org/memory":                           "BSD-3-Clause",
	"modernc.org/sqlite":                           "BSD-3-Clause, with SQLite itself in the public domain",
	"rsc.io/qr":                                    "BSD-3-Clause",
	"github.com/uptrace/bun/dialect/sqlitedialect": "BSD-2-Clause",
}

// notLinked are licence files that cover something which the program doesn't hold.
var notLinked = []string{
	"modernc.org/memory/LICENSE-LOGO",         // the picture in its README
	"modernc.org/sqlite/LICENSE-SQLITE_VEC",   // its vec package, which nothing imports
	"modernc.org/sqlite/LICENSE-3RD-PARTY.md", // the modules that stand here with their own texts, and its tests'
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|third-party-notices)`)

const noticeHead = `Zencrypt: what others made and is embedded in the program
========================================================

This file is written by "./task notice" from the licence files of the modules
that "go list -deps ." names for a Linux build, as they lie in the module
cache, and from the licences beside the files in embed/static. A test fails
when a module is linked that is not here, or when a text has changed.

Embedded besides Go modules:

  Go's standard library and runtime    BSD-3-Clause (the text of golang.org/x/crypto below is the same)
  htmx 2.0.11                          0BSD
  Pico 2.1.1                           MIT
  EFF's large word list                CC BY 3.0 US (https://creativecommons.org/licenses/by/3.0/us/)
                                       (c) 2016 Electronic Frontier Foundation,
                                       https://www.eff.org/files/2016/07/18/eff_large_wordlist.txt,
                                       as a Go table in github.com/sethvargo/go-diceware, words unchanged

Go modules:

`

// TestNotice fails when NOTICE is not what the linked modules and the embedded
// files give: their licences ask that the texts go along with the program.
func TestNotice(t *testing.T) {
	want := buildNotice(t)
	if *updateNotice {
		if err := os.WriteFile("NOTICE", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile("NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(have, want) {
		return
	}
	for line := range strings.Lines(string(want)) {
		if !bytes.Contains(have, []byte(line)) {
			t.Errorf("NOTICE lacks %q; write it again with ./task notice", strings.TrimSpace(line))
			return
		}
	}
	t.Error("NOTICE holds more than what is linked; write it again with ./task notice")
}

// linked returns the modules that a Linux build of this package holds, and the folders of each that
// may carry a licence: its root, and every folder from there to a package that is linked.
func linked(t *testing.T) (paths []string, folders map[string][]string) {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f",
		"{{if .Module}}{{if not .Module.Main}}{{.Module.Path}}\t{{.Module.Dir}}\t{{.Dir}}{{end}}{{end}}", ".")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list linked packages: %v", err)
	}
	folders = make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 3 {
			continue
		}
		path, root, folder := f[0], f[1], f[2]
		for ; len(folder) > len(root); folder = filepath.Dir(folder) {
			folders[path] = append(folders[path], folder)
		}
		folders[path] = append(folders[path], root)
	}
	for path, all := range folders {
		slices.Sort(all) // the root is the shortest, so it comes first
		folders[path] = slices.Compact(all)
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths, folders
}

// buildNotice puts the head, a list of modules and every different text together, each text once.
func buildNotice(t *testing.T) []byte {
	t.Helper()
	paths, folders := linked(t)
	var out bytes.Buffer
	out.WriteString(noticeHead)
	for _, path := range paths {
		kind, ok := licences[path]
		if !ok {
			t.Errorf("%s is linked and its licence is not known here: read it in %s, then add it to licences", path, folders[path][0])
		}
		fmt.Fprintf(&out, "  %-46s %s\n", path, kind)
	}

	var texts []string
	holders := make(map[string][]string)
	add := func(holder, file string) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.TrimSpace(strings.ReplaceAll(string(data), "\r\n", "\n"))
		if holders[text] == nil {
			texts = append(texts, text)
		}
		holders[text] = append(holders[text], holder)
	}
	for _, path := range paths {
		found := 0
		for _, folder := range folders[path] {
			entries, err := os.ReadDir(folder)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				name, err := filepath.Rel(folders[path][0], filepath.Join(folder, e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				name = filepath.ToSlash(name)
				if e.IsDir() || !licenceFile.MatchString(e.Name()) || slices.Contains(notLinked, path+"/"+name) {
					continue
				}
				found++
				add(path+" ("+name+")", filepath.Join(folder, e.Name()))
			}
		}
		if found == 0 {
			t.Errorf("%s has no licence file in %s", path, folders[path][0])
		}
	}
	static, err := filepath.Glob("embed/static/*LICENSE*")
	if err != nil || len(static) == 0 {
		t.Errorf("no licence lies beside the files in embed/static (%v)", err)
	}
	for _, file := range static {
		add(filepath.ToSlash(file), file)
	}
	for _, text := range texts {
		out.WriteString("\n" + strings.Repeat("-", 78) + "\n")
		for _, h := range holders[text] {
			out.WriteString(h + "\n")
		}
		out.WriteString("\n" + text + "\n")
	}
	return out.Bytes()
}
