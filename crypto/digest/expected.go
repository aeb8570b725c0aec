package digest

import (
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// maxExpected bounds what ParseExpected looks at, in bytes: a digest of 64 bytes
// and a path of 4,096 (PATH_MAX), escaped.
const maxExpected = 16 << 10

// ErrExpected is the kind of every error of ParseExpected.
var ErrExpected = errors.New("not a digest")

// ParseExpected reads a digest as people find it published:
//
//	E3B0C442 98FC1C14 ...            any case, with spaces, colons, dashes, line breaks
//	e3b0c442...  name                a line of sha256sum; " *" for binary mode
//	SHA256 (name) = e3b0c442...      a line of sha256sum --tag, or of BSD
//	SHA2-256(name)= e3b0c442...      a line of openssl dgst
//	sha256:e3b0c442...               with the algorithm before it
//
// The digest comes back in lower case and has the length of one of Algorithms;
// which one is for Match to find out. The name has its escapes undone (coreutils'
// leading backslash) and is empty if there is none. Errors are ErrExpected and do
// not repeat the input.
func ParseExpected(s string) (hexDigest, name string, err error) {
	if len(s) > maxExpected {
		return "", "", fmt.Errorf("read expected digest: %w: longer than %d bytes", ErrExpected, maxExpected)
	}
	s = strings.Trim(strings.TrimPrefix(s, "\ufeff"), " \t\r\n")
	if s == "" {
		return "", "", fmt.Errorf("read expected digest: %w: empty", ErrExpected)
	}
	line, escaped := strings.CutPrefix(s, `\`)
	// The line first: its name may look like a tag, but no tag begins with a digest.
	hexDigest, name, ok := parseLine(line)
	if !ok {
		_, hexDigest, name, ok = parseTag(line)
	}
	if !ok {
		if hexDigest, ok = plainHex(stripLabel(s)); !ok {
			return "", "", explain(s)
		}
		return hexDigest, "", nil
	}
	if strings.ContainsAny(name, "\r\n") {
		return "", "", fmt.Errorf("read expected digest: %w: several lines: give the one of this file", ErrExpected)
	}
	if escaped {
		name, _ = unescape(name) // the digest is what counts here
	}
	return hexDigest, name, nil
}

// parseTag reads "SHA256 (name) = hex" and openssl's "SHA2-256(name)= hex".
func parseTag(line string) (tag, hexDigest, name string, ok bool) {
	open, end := strings.IndexByte(line, '('), strings.LastIndex(line, ")")
	if open < 0 || end < open {
		return "", "", "", false
	}
	value, ok := strings.CutPrefix(strings.TrimLeft(line[end+1:], " "), "=")
	if !ok {
		return "", "", "", false
	}
	hexDigest, ok = plainHex(value)
	return line[:open], hexDigest, line[open+1 : end], ok
}

// parseLine reads "hex  name" and "hex *name".
func parseLine(line string) (hexDigest, name string, ok bool) {
	i := strings.IndexAny(line, " \t")
	if i < 0 || !known(line[:i]) {
		return "", "", false
	}
	name = line[i+1:]
	marked := strings.HasPrefix(name, " ") || strings.HasPrefix(name, "*")
	// With one space the rest may be the digest's second half.
	if _, all := plainHex(line); all && !marked {
		return "", "", false
	}
	if marked {
		name = name[1:]
	}
	return strings.ToLower(line[:i]), name, name != ""
}

// stripLabel drops "sha256:", "SHA256 =" or "0x" before a digest. A label has
// something in it that is not hex: AB: may begin a digest with colons.
func stripLabel(s string) string {
	if rest, ok := strings.CutPrefix(s, "0x"); ok {
		return rest
	}
	i := strings.IndexAny(s, ":=")
	if i <= 0 || i == len(s)-1 { // the last may be base64's padding
		return s
	}
	if _, err := hex.DecodeString(strip(s[:i])); err == nil {
		return s
	}
	return s[i+1:]
}

// plainHex reads hex digits with separators between, if their number is one that
// some algorithm writes.
func plainHex(s string) (string, bool) {
	s = strip(s)
	return strings.ToLower(s), known(s)
}

func strip(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n:-\u00a0", r) {
			return -1
		}
		return r
	}, s)
}

func known(s string) bool {
	b, err := hex.DecodeString(s)
	if err != nil {
		return false
	}
	for _, e := range table {
		if e.Size == len(b) {
			return true
		}
	}
	return false
}

// explain says what a person can act on: the number of digits, or that there are none.
func explain(s string) error {
	digits := strip(stripLabel(s))
	bad := strings.IndexFunc(digits, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'f') && (r < 'A' || r > 'F')
	})
	if bad < 0 {
		return fmt.Errorf("read expected digest: %w: no algorithm writes %d hex digits: some may be missing", ErrExpected, len(digits))
	}
	return fmt.Errorf("read expected digest: %w: want hex digits, or a whole line of a checksum file", ErrExpected)
}

// Match returns the index of the sum that has this digest, or -1. Each sum of the
// right length is compared in constant time.
func Match(sums []Sum, expectedHex string) int {
	want, err := hex.DecodeString(expectedHex)
	if err != nil || len(want) == 0 {
		return -1
	}
	match := -1
	for i, s := range sums {
		if subtle.ConstantTimeCompare(s.Digest, want) == 1 {
			match = i
		}
	}
	return match
}

// Tag is the line that sha256sum --tag and its like write, without the line
// break: "SHA256 (name) = hex". A name with a backslash, a line feed or a carriage
// return is escaped, and the line then begins with a backslash (coreutils). An
// HMAC is marked as one, so that nothing takes it for a digest.
func Tag(s Sum, name string) string {
	prefix, name := escape(name)
	return prefix + tagged(s, name)
}

func tagged(s Sum, name string) string {
	e, _ := find(s.Algorithm.ID)
	tag := e.tag
	if s.Keyed {
		tag = "HMAC-" + tag
	}
	return tag + " (" + name + ") = " + s.Hex()
}

// escape returns a name for a line of coreutils, and the backslash that then stands before it.
func escape(name string) (prefix, escaped string) {
	if !strings.ContainsAny(name, "\\\n\r") {
		return "", name
	}
	return `\`, strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(name)
}

// unescape undoes escape. A backslash before anything else stays, and ok is false.
func unescape(name string) (s string, ok bool) {
	s = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\r`, "\r").Replace(name)
	return s, !strings.Contains(strings.NewReplacer(`\\`, "", `\n`, "", `\r`, "").Replace(name), `\`)
}
