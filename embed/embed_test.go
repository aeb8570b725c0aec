package assets

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

func TestOpen(t *testing.T) {
	path := strings.TrimPrefix(URL("app.css"), Base)
	data, kind, hash, ok := Open(path)
	sum := sha256.Sum256(data)
	if !ok || len(data) == 0 || kind != "text/css; charset=utf-8" || hash != hex.EncodeToString(sum[:]) {
		t.Fatalf("Open(%q) = %d bytes, %q, %q, %v", path, len(data), kind, hash, ok)
	}
	for _, wrong := range []string{"", "app.css", "/app.css", "0000000000000000/app.css", path + "x", "../embed.go", path[:prefixLength] + "/htmx.min.js", path[:prefixLength] + "/"} {
		if _, _, _, ok := Open(wrong); ok {
			t.Errorf("Open(%q) found a file", wrong)
		}
	}
}

// TestSums_Upstream: htmx and Pico are what npm has, byte for byte (htmx.org 2.0.11, @picocss/pico 2.1.1).
func TestSums_Upstream(t *testing.T) {
	want := map[string]string{
		"htmx.min.js":  "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
		"pico.min.css": "fbc9a63fc9fc9f72d12fd7fc9806e11fa9f77ae4f9cad146b27003a1119ba3db",
	}
	for _, s := range Sums() {
		name := s.Path[strings.LastIndexByte(s.Path, '/')+1:]
		if sum, ok := want[name]; ok && sum != s.SHA256 {
			t.Errorf("%s has SHA-256 %s, want %s", name, s.SHA256, sum)
		}
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// TestScripts_KeepNothing: no script of ours keeps anything in the browser, and sets or reads no cookie.
func TestScripts_KeepNothing(t *testing.T) {
	seen := 0
	for _, name := range []string{"app.js", "passkey.js"} {
		data, _, _, ok := Open(strings.TrimPrefix(URL(name), Base))
		if !ok {
			t.Fatalf("%s is not there", name)
		}
		seen++
		for _, store := range []string{"localStorage", "sessionStorage", "indexedDB", "document.cookie", "cookieStore", "caches", "serviceWorker", "showSaveFilePicker", "history.pushState", "history.replaceState"} {
			if strings.Contains(string(data), store) {
				t.Errorf("%s uses %s", name, store)
			}
		}
	}
	for _, s := range Sums() {
		if strings.HasSuffix(s.Path, ".js") && !strings.HasSuffix(s.Path, "/htmx.min.js") { // which views.TestLayout_NoHistory keeps from it
			seen--
		}
	}
	if seen != 0 {
		t.Error("there is a script that was not looked at")
	}
}
