// Package assets holds the files that pages refer to (htmx, styles, script, icons) inside the program.
//
// Every file is addressed as /static/<prefix>/<name>, where the prefix is the start of the SHA-256 of
// its content. An address can therefore be cached for ever, and a changed file always has a new one.
// Open refuses an address whose prefix is not that of the content it has.
package assets

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

// prefixLength is in hex digits: 64 bits, enough that two versions of a file never share an address by accident.
const prefixLength = 16

// Base is the path below which the program serves these files.
const Base = "/static/"

//go:embed static
var files embed.FS

type asset struct {
	data        []byte
	contentType string
	sum         string // SHA-256, 64 hex digits
}

// Sum names one embedded file and its SHA-256 in hex (64 digits).
type Sum struct{ Path, SHA256 string }

// contentTypes is our own table: the operating system's differs between machines.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
	".png": "image/png",
	".txt": "text/plain; charset=utf-8",
}

var load = sync.OnceValue(func() map[string]asset {
	all := make(map[string]asset)
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(fmt.Sprintf("assets: %v", err))
	}
	err = fs.WalkDir(static, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(static, name)
		if err != nil {
			return err
		}
		contentType, ok := contentTypes[name[strings.LastIndexByte(name, '.'):]]
		if !ok {
			return fmt.Errorf("no content type for %s", name)
		}
		sum := sha256.Sum256(data)
		all[name] = asset{data: data, contentType: contentType, sum: hex.EncodeToString(sum[:])}
		return nil
	})
	if err != nil {
		// What is embedded is fixed at build time, so this is a mistake of ours and never input.
		panic(fmt.Sprintf("assets: %v", err))
	}
	return all
})

// URL returns the address of an embedded file, such as /static/1f3a…/app.css.
// It panics for a name that is not embedded: names are written in our own templates only.
func URL(name string) string {
	a, ok := load()[name]
	if !ok {
		panic("assets: no file " + name)
	}
	return Base + a.sum[:prefixLength] + "/" + name
}

// Open looks up what follows /static/ in an address. The data must not be changed.
// hash is the SHA-256 in hex. ok is false for an unknown name and for a prefix that does not fit the content.
func Open(path string) (data []byte, contentType string, hash string, ok bool) {
	prefix, name, found := strings.Cut(path, "/")
	if !found {
		return nil, "", "", false
	}
	a, known := load()[name]
	if !known || prefix != a.sum[:prefixLength] {
		return nil, "", "", false
	}
	return a.data, a.contentType, a.sum, true
}

// Sums lists every embedded file with its digest, ordered by name, so that what a browser got can be compared.
func Sums() []Sum {
	all := load()
	sums := make([]Sum, 0, len(all))
	for name, a := range all {
		sums = append(sums, Sum{Path: URL(name), SHA256: a.sum})
	}
	slices.SortFunc(sums, func(a, b Sum) int {
		return strings.Compare(a.Path[strings.LastIndexByte(a.Path, '/'):], b.Path[strings.LastIndexByte(b.Path, '/'):])
	})
	return sums
}
