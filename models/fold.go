package models

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// fold makes texts equal that differ in case, in how an accent is put together, or in a
// form such as full width or a ligature: Unicode's compatibility caseless matching
// (Unicode 3.13, D146). Logins are found by it and titles searched.
func fold(s string) string {
	s = norm.NFD.String(strings.ToValidUTF8(s, "\ufffd"))
	return norm.NFKC.String(foldCase(norm.NFKD.String(foldCase(s))))
}

// foldCase is Unicode's full case folding. cases.Fold exchanges the two cases of Cherokee,
// whose folding goes to the capital letters (CaseFolding.txt).
func foldCase(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '\u13f8' && r <= '\u13fd' || r >= '\uab70' && r <= '\uabbf' {
			return unicode.ToUpper(r)
		}
		return r
	}, cases.Fold().String(s))
}
