package handlers

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"zencrypt/lang/langtest"
)

// pseudoTest, set to langtest.Tag, lets the tests of this package ask for every page in the pseudo-language. Each answer
// is searched for what does not come from the catalogue, and then compared without the marks.
const pseudoTest = "ZENCRYPT_TEST_LANGUAGE"

// pseudo is a server's part of that: what clients have sent is data on every page.
type pseudo struct {
	mu    sync.Mutex
	typed map[string]bool
	found map[string]bool // told once
}

func newPseudo() *pseudo {
	if os.Getenv(pseudoTest) != langtest.Tag {
		return nil
	}
	return &pseudo{typed: map[string]bool{}, found: map[string]bool{}}
}

// sent notes what a request says and gives its body again.
func (p *pseudo) sent(kind, query string, body io.Reader) (io.Reader, error) {
	if body == nil {
		p.note(query, nil)
		return nil, nil
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	p.note(query, nil)
	switch kind, params, _ := mime.ParseMediaType(kind); kind {
	case "application/x-www-form-urlencoded":
		p.note(string(b), nil)
	case "multipart/form-data":
		for r := multipart.NewReader(bytes.NewReader(b), params["boundary"]); ; {
			part, err := r.NextRawPart()
			if err != nil {
				break
			}
			if slices.Contains(chosenFields, part.FormName()) {
				continue
			}
			content, _ := io.ReadAll(part)
			p.note("", []string{fileName(part), string(content)})
		}
	}
	return bytes.NewReader(b), nil
}

// note takes the values of an encoded form, and more, as data. What is long is shown in a text field or not at all.
func (p *pseudo) note(encoded string, more []string) {
	values, _ := url.ParseQuery(encoded)
	for name, all := range values {
		if !slices.Contains(chosenFields, name) {
			more = append(more, all...)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range more {
		if len(s) > 8<<10 {
			continue
		}
		for _, s := range append(strings.Split(s, "\n"), s) {
			s = strings.TrimSpace(printable(s))
			for _, suffix := range []string{".age", ".gpg", ".asc", ".fernet", ".sig"} {
				p.typed[s+suffix] = true
			}
			if len(s) < 3 {
				continue // it stands within words
			}
			p.typed[s], p.typed[strings.Join(strings.Fields(s), " ")] = true, true
			p.typed[opened(s)], p.typed[shortened(s)] = true, true
		}
	}
}

// chosenFields have values that are no words of the person's own.
var chosenFields = []string{"to", "format", "mode", "kind", "algorithm", "encoding", "theme", "language", "what", "session", "lock", "next", "reason", "armor", "state",
	"save", "also_me", "role", "days", "uses", "quota", "done", "open", "before", "after", "sign_with", "current", "password", "password2", "passphrase", "passphrase2", "code"}

// fixed is what servers, keys and formats are called, and what only machines read.
var fixed = []string{"test", "127.0.0.1", "KiB", "MiB", "GiB", "bytes", "ms",
	"late", "passphrase", "salt", `"0\x00"`} // names of fields, and one of a file

// machine are fingerprints, ids, codes and digests, what algorithms and our own files are called, and passphrases and phrases that were made.
var machine = regexp.MustCompile(`\b[0-9A-Fa-f]{4}(?: [0-9A-Fa-f]{4})+\b|\b[0-9A-Fa-f]{8,}\b|\b[A-Z2-7]{4}(?:[- ][A-Z2-7]{4})+\b|\b[a-z]+(?:-[a-z]+){9,}\b|\bage1(?:[0-9a-z]+|(?: [0-9a-z]{1,4}\b)+)…?|SHA256:[A-Za-z0-9+/]+|` +
	`\b(?:SHA3?|BLAKE|HMAC|MD5|X25519|ssh-|ed25519|rsa|nistp)[-0-9a-zA-Z/]*|\b[a-zA-Z.]+\.(?:js|css|svg|png|txt)\b|` +
	`>(?:[a-z-]+ ){7}(?:[a-z-]+ ){0,2}[a-z-]+<`)

// english is what stays so: a format's own words behind a sentence of the catalogue.
var english = regexp.MustCompile(`work factor \d+, at most \d+|only the first \d+ [a-z0-9 ]*are whole|its armor \(the text between BEGIN and END\) is incomplete or was changed`)

// heard searches an answer and takes the marks off.
func (p *pseudo) heard(t testing.TB, where string, body string) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	data := append([]string{}, fixed...)
	for s := range p.typed {
		data = append(data, s)
	}
	for _, text := range langtest.Outside(machine.ReplaceAllStringFunc(english.ReplaceAllString(body, ""), func(s string) string {
		if s[0] == '>' {
			return "><"
		}
		return "0"
	}), data...) {
		if !p.found[text] {
			p.found[text] = true
			t.Errorf("%s: not of the catalogue: %s", where, text)
		}
	}
	return strings.NewReplacer("⟦", "", "⟧", "").Replace(body)
}

// TestPseudo goes through what people do wrong, and through the routes, in a language other than English.
func TestPseudo(t *testing.T) {
	t.Setenv(pseudoTest, langtest.Tag)
	for name, test := range map[string]func(*testing.T){
		"Routes": TestRoutes, "Texts": TestBadInput_Texts, "Accounts": TestBadInput_Accounts, "Forms": TestBadInput_Forms, "Files": TestBadInput_Files,
	} {
		t.Run(name, test)
	}
}
