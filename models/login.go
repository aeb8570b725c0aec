package models

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// A login has 3 to 254 characters; 254 is the longest e-mail address (RFC 5321 section 4.5.3.1.3).
const (
	minLogin = 3
	maxLogin = 254
)

// NormalizeLogin returns a login as the person spells it (trimmed, NFC) and the key
// by which it is found, without regard to case (Unicode canonical caseless
// matching, D145). The error is Invalid for field "login".
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
		case !unicode.IsGraphic(r): // control and format characters: invisible, or turning what follows
			return refuse("holds a character that cannot be seen")
		}
		n++
	}
	if n < minLogin {
		return refuse("needs at least 3 characters")
	}
	if n > maxLogin {
		return refuse("has more than 254 characters")
	}
	key = norm.NFC.String(cases.Fold().String(norm.NFD.String(spelling)))
	// Recipients are logins or public keys in one field: what starts like a key is no login.
	for _, prefix := range []string{"age1", "ssh-", "age-", "-----"} {
		if strings.HasPrefix(key, prefix) {
			return refuse("starts like a key")
		}
	}
	return spelling, key, nil
}
