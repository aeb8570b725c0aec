package pgp

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const (
	// maxUserIDPart bounds a name or an e-mail address that goes into a key, in bytes.
	maxUserIDPart = 254
	// maxUserID bounds a user id that is read, in bytes.
	maxUserID = 4 << 10
	// displayRunes is how much of a foreign user id [Display] shows.
	displayRunes = 200
)

// UserID joins a name and an e-mail address, both optional, as keys do: Name <e-mail>. Either has
// at most 254 bytes and no control or direction characters, nor any of ()<>; else [ErrUserID].
func UserID(name, email string) (string, error) {
	for _, s := range []string{name, email} {
		if len(s) > maxUserIDPart || !utf8.ValidString(s) || strings.ContainsFunc(s, hidden) {
			return "", ErrUserID
		}
	}
	if strings.ContainsFunc(email, unicode.IsSpace) {
		return "", ErrUserID
	}
	uid := packet.NewUserId(strings.TrimSpace(name), "", email)
	if uid == nil {
		return "", ErrUserID
	}
	return uid.Id, nil
}

// splitUserID takes a user id apart into what go-crypto joins to the very same again.
func splitUserID(id string) (*packet.UserId, error) {
	if len(id) > 2*maxUserIDPart || !utf8.ValidString(id) || strings.ContainsFunc(id, hidden) {
		return nil, ErrUserID
	}
	p, err := (&packet.OpaquePacket{Tag: tagUserID, Contents: []byte(id)}).Parse()
	if uid, ok := p.(*packet.UserId); ok && err == nil {
		if again := packet.NewUserId(uid.Name, uid.Comment, uid.Email); again != nil && again.Id == id {
			return again, nil
		}
	}
	if uid := packet.NewUserId(id, "", ""); uid != nil {
		return uid, nil
	}
	return nil, ErrUserID
}

// Display makes a user id, file name or the like from a stranger's input fit to show in one
// line: invalid UTF-8, control and direction characters become U+FFFD, and at most 200
// characters are kept. It does not escape HTML, which is the page's business.
func Display(s string) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > displayRunes {
			b.WriteString("…")
			break
		}
		if hidden(r) {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String()
}

// hidden tells whether a rune is not seen or changes how others are seen.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) || r == utf8.RuneError
}
