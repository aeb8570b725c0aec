package models

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A login has 3 to 254 characters; 254 is the longest e-mail address (RFC 5321 section 4.5.3.1.3).
const (
	minLogin = 3
	maxLogin = 254
)

// NormalizeLogin returns a login as the person spells it (trimmed, NFC) and the key
// by which it is found (fold), so that nobody gets a login that is another's in other
// letters. Characters that cannot be seen are refused, and words in which scripts that
// look alike are mixed; alikeScripts says what remains. The error is Invalid for field "login".
func NormalizeLogin(s string) (spelling, key string, err error) {
	refuse := func(why string) (string, string, error) {
		return "", "", Errorf(Invalid, "login", "the login %s", why)
	}
	if len(s) > 8*maxLogin || !utf8.ValidString(s) {
		if !utf8.ValidString(s) {
			return refuse("is not valid text (UTF-8)")
		}
		return refuse("has more than 254 characters")
	}
	spelling = norm.NFC.String(strings.TrimSpace(s))
	n := 0
	for _, r := range spelling {
		switch {
		case unicode.IsSpace(r):
			return refuse("holds a space")
		case !unicode.IsGraphic(r), isBlank(r): // control and format characters: invisible, or turning what follows
			return refuse("holds a character that cannot be seen")
		}
		n++
	}
	if mixesScripts(spelling) {
		return refuse("mixes letters of several scripts in one word")
	}
	if n < minLogin {
		return refuse("needs at least 3 characters")
	}
	if n > maxLogin {
		return refuse("has more than 254 characters")
	}
	key = fold(spelling)
	// Recipients are logins or public keys in one field: what starts like a key is no login.
	for _, prefix := range []string{"age1", "ssh-", "age-", "-----"} {
		if strings.HasPrefix(key, prefix) {
			return refuse("starts like a key")
		}
	}
	return spelling, key, nil
}

// isBlank reports that nothing is drawn for a character that Unicode calls graphic.
func isBlank(r rune) bool {
	switch r {
	case '\u2800', '\U00013441', '\U00013442', '\U0001d159': // Braille blank, Egyptian blanks, null notehead
		return true
	}
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// alikeScripts have letters that look like those of another of them. A whole word of one
// can still look like a word of another: only one script for everybody would end that.
func alikeScripts() []*unicode.RangeTable {
	return []*unicode.RangeTable{
		unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Armenian, unicode.Cherokee, unicode.Coptic, unicode.Lisu,
	}
}

// mixesScripts reports that a word of s, a run of letters, marks and digits, has letters of
// two alike scripts. Across words they are no deception: иван@example.org.
func mixesScripts(s string) bool {
	var word *unicode.RangeTable
	for _, r := range s {
		if !unicode.In(r, unicode.L, unicode.M, unicode.N) {
			word = nil
			continue
		}
		for _, script := range alikeScripts() {
			if !unicode.Is(script, r) {
				continue
			}
			if word != nil && word != script {
				return true
			}
			word = script
		}
	}
	return false
}
