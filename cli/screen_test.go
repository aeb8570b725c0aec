package cli

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// TestTextOnly: characters may come in pieces, and nothing that a terminal obeys passes, in pieces neither.
func TestTextOnly(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "plain\tand\r\n": true, "Grüße, 日本 🔑": true,
		"a\x1b[2J": false, "a\x00": false, "a\x7f": false, "a\u009b2J": false, "a\xc2": true, "a\xff": false, "\xc3(": false, "\x9b2J": false,
	} {
		for step := 1; step <= len(text)+1; step++ {
			var out bytes.Buffer
			w := &textOnly{w: &out}
			var err error
			for rest := []byte(text); len(rest) > 0 && err == nil; {
				n := min(step, len(rest))
				_, err = w.Write(rest[:n])
				rest = rest[n:]
			}
			if (err == nil) != want || err != nil && !errors.Is(err, errBinary) || want && out.String() != text {
				t.Errorf("%q by %d bytes: %v, %q", text, step, err, out.String())
			}
			if strings.ContainsAny(out.String(), "\x00\x1b\u009b") {
				t.Errorf("%q by %d bytes: the terminal got %q", text, step, out.String())
			}
		}
	}
}

func TestWholeLines(t *testing.T) {
	for text, want := range map[string]string{"": "\n", "a": "a\n", "a\n": "a\n", "a\nb": "a\nb\n"} {
		var out bytes.Buffer
		if err := wholeLines(&out, func(w io.Writer) error { _, err := io.WriteString(w, text); return err }); err != nil || out.String() != want {
			t.Errorf("%q became %q, %v", text, out.String(), err)
		}
	}
	if err := wholeLines(io.Discard, func(io.Writer) error { return errBinary }); !errors.Is(err, errBinary) {
		t.Errorf("%v", err)
	}
}

func TestProgress_Line(t *testing.T) {
	for _, tt := range []struct {
		size, n int64
		want    string
	}{
		{4 << 30, 1 << 30, "big\ufffd.iso: 1.0 GiB of 4.0 GiB, 512 MiB/s, 6s left"},
		{4 << 30, 4 << 30, "big\ufffd.iso: 4.0 GiB of 4.0 GiB, 2.0 GiB/s"},
		{-1, 3 << 20, "big\ufffd.iso: 3.0 MiB, 1.5 MiB/s"},
		{4 << 30, 0, "big\ufffd.iso: 0 B of 4.0 GiB, 0 B/s"},
	} {
		p := &progress{name: "big\x1b.iso", size: tt.size, n: tt.n}
		if got := p.line(2 * time.Second); got != tt.want {
			t.Errorf("%d of %d: %q, want %q", tt.n, tt.size, got, tt.want)
		}
	}
}

func TestOneLine(t *testing.T) {
	const key = "AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQ"
	const told, url, std = "[a private key, which belongs into a file]", "-w_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=", "+w/0x689RpI+jtRR7oE8h/eQsKImvJapLeSbXpwF4e4="
	for text, want := range map[string]string{
		" a\nb ": "a; b", "a\x1b[31mb\u202e": "a\ufffd[31mb\ufffd", "begins with AGE-SECRET-KEY-1": "begins with AGE-SECRET-KEY-1",
		"read " + key + ": none": "read [a private key, which belongs into a file]: none", "read " + strings.ToLower(key): "read [a private key, which belongs into a file]",
		"read " + url + ": no such file": "read " + told + ": no such file", `got "` + url + `" (short flag); perhaps try --identity="` + url + `"?`: `got "` + told + `" (short flag); perhaps try --identity="` + told + `"?`,
		"read " + std: "read " + told, "SHA256:" + std[:43]: "SHA256:" + std[:43],
	} {
		if got := oneLine(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestStaysInside(t *testing.T) {
	for _, tt := range []struct {
		dir, target string
		want        bool
	}{
		{".", "a", true}, {".", "a/b", true}, {"a", "..", true}, {"a/b", "../..", true}, {"a/b", "../../c", true}, {"a", "./../b", true}, {"a", ".", true},
		{".", "..", false}, {"a", "../..", false}, {".", "/etc", false}, {".", "", false}, {"a/b", "c/../d", false}, {"a/b", "../c/../../d", false}, {"a", "b/..", false}, {"a", "x/./../y", false},
	} {
		if got := staysInside(tt.dir, tt.target); got != tt.want {
			t.Errorf("%s -> %s: %v", tt.dir, tt.target, got)
		}
	}
}
