package handlers

import (
	"mime/multipart"
	"net/url"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
)

// fileName is an uploaded file's own name, without folders and what could deceive or break a header.
func fileName(p *multipart.Part) string {
	name := p.FileName()
	// Browsers write these three as percent signs and leave all others, also the percent sign itself.
	name = strings.NewReplacer("%22", `"`, "%0D", " ", "%0A", " ").Replace(name)
	return cleanName(name)
}

func cleanName(name string) string {
	name = filepath.Base(strings.ReplaceAll(strings.ToValidUTF8(name, "_"), `\`, "/"))
	name = strings.TrimSpace(printable(name))
	if name == "" || name == "." || name == ".." || name == "/" {
		return "file"
	}
	for utf8.RuneCountInString(name) > 180 {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	return name
}

// printable drops control and bidirectional characters, which can make a name look like another, and
// what is not UTF-8.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, s)
	for utf8.RuneCountInString(s) > 400 {
		s = string([]rune(s)[:400])
	}
	return s
}

// attachment sets the headers of every file answer: never shown in place, never run, never kept.
func attachment(x *fiber.Ctx, name string) {
	h := &x.Response().Header
	h.Set(fiber.HeaderContentType, fiber.MIMEOctetStream)
	h.Set(fiber.HeaderContentDisposition, disposition(name))
	h.Set(fiber.HeaderContentSecurityPolicy, "sandbox")
	h.Set(fiber.HeaderCacheControl, "no-store")
}

// disposition writes an attachment's name by RFC 6266: a plain fallback, and the name by RFC 8187.
func disposition(name string) string {
	name = cleanName(name)
	plain := strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' || r == '%' {
			return '_'
		}
		return r
	}, name)
	return `attachment; filename="` + plain + `"; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}
