package handlers

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shown is a text as a form shows it again: without what HTML can't carry.
func shown(b []byte) string {
	if len(b) > maxText {
		return ""
	}
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\x00", "\uFFFD")
}

// printableLines is printable, line by line.
func printableLines(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r == utf8.RuneError {
				return -1
			}
			return r
		}, lines[i])
	}
	return strings.Join(lines, "\n")
}

// emptyField is the field that a person left empty.
func emptyField(mode string) string {
	if mode == "files" {
		return "file"
	}
	return "text"
}

// isText tells whether bytes can be shown: UTF-8 without control characters but line ends and tabs.
func isText(b []byte) bool {
	return utf8.Valid(b) && bytes.IndexFunc(b, func(r rune) bool {
		return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7f
	}) < 0
}
