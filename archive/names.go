package archive

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxBase bounds what a member's name takes over from a title, in bytes: file systems take 255 for a name.
const maxBase = 120

// safeName makes a name of the letters, digits and a few signs of a title. A number before it keeps names apart, also
// where A and a are one, and keeps it from being a name that means something to a system.
func safeName(title string) string {
	var b strings.Builder
	for _, r := range title {
		switch {
		case r == utf8.RuneError, !unicode.In(r, unicode.L, unicode.M, unicode.N) && !strings.ContainsRune("._-+", r):
			r = '_'
		}
		b.WriteRune(r)
	}
	name := strings.Trim(b.String(), "._-")
	for strings.Contains(name, "__") {
		name = strings.ReplaceAll(name, "__", "_")
	}
	for strings.Contains(name, "..") {
		name = strings.ReplaceAll(name, "..", ".")
	}
	ext := path.Ext(name)
	if len(ext) > 16 {
		ext = ""
	}
	stem := strings.TrimSuffix(name, ext)
	for len(stem)+len(ext) > maxBase {
		_, n := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-n]
	}
	return stem + ext
}

// Numbered is the name of a member: a number that no other of its folder has, and what is safe of a title. ext, such
// as ".txt", is added unless the title ends so.
func Numbered(folder string, n, digits int, title, ext string) string {
	name := safeName(title)
	if !strings.EqualFold(path.Ext(name), ext) {
		name += ext
	}
	if name == ext || name == "" {
		return fmt.Sprintf("%s/%0*d%s", folder, digits, n, name)
	}
	return fmt.Sprintf("%s/%0*d-%s", folder, digits, n, name)
}

// checkName tells whether a member's name in an archive that is read stays in its folder.
func checkName(name string) error {
	if len(name) > maxName || !utf8.ValidString(name) || path.Clean(name) != name || !strings.HasPrefix(name, Folder+"/") {
		return malformed("a member's name leads out of its folder or is too long")
	}
	for _, r := range name {
		if unicode.IsControl(r) || r == '\\' {
			return malformed("a member's name holds a control character or a backslash")
		}
	}
	return nil
}
