package agefile

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/plugin"
	"filippo.io/age/tag"
)

const (
	// maxKeyText bounds pasted keys, in bytes: MaxStanzas post-quantum recipients need 126 KiB.
	maxKeyText = 256 << 10
	// maxEntry bounds one key, in bytes: an RSA key of 16,384 bits has 2.8 KiB, and work grows with the square.
	maxEntry = 4 << 10
	// maxIdentities is how many private keys one paste may hold.
	maxIdentities  = 64
	hybridIdentity = "AGE-SECRET-KEY-PQ-1"
	x25519Identity = "AGE-SECRET-KEY-1"
)

var (
	// ErrPrivateKey is returned where a public key was expected. The text is not repeated.
	ErrPrivateKey = errors.New("read public keys: this is a private key, which must stay with its owner: give the public one (age1...)")
	// ErrPublicKey is returned where a private key was expected.
	ErrPublicKey = errors.New("read private key: this is a public key: the private one begins with AGE-SECRET-KEY-1")
	// ErrKeys is returned for text in which no key, or one that is malformed, was found.
	ErrKeys = errors.New("read keys")
)

// NewIdentity makes an X25519 key pair in age's text forms. Its public half stays readable
// in every file that uses it only to who holds the identity.
func NewIdentity() (identity string, recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", "", fmt.Errorf("make age key: %w", err)
	}
	return id.String(), id.Recipient().String(), nil
}

// NewHybridIdentity makes a post-quantum key pair (ML-KEM-768 and X25519) in age's text forms:
// an identity of 77 and a recipient of 1,959 characters. age reads them from version 1.3 on.
func NewHybridIdentity() (identity string, recipient string, err error) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return "", "", fmt.Errorf("make age key: %w", err)
	}
	return id.String(), id.Recipient().String(), nil
}

// ParseRecipients reads public keys (age1..., age1pq1..., age1tag1..., age1tagpq1..., ssh-ed25519, ssh-rsa), separated
// by commas, white space or lines, with comments from # to the line's end. One that stands
// twice is returned once. The error is [ErrPrivateKey], without an echo, when a private key
// was pasted, and otherwise an [ErrKeys] that says which entry is wrong.
func ParseRecipients(text string) ([]age.Recipient, error) {
	if looksPrivate(text) {
		return nil, ErrPrivateKey
	}
	entries, err := split(text)
	if err != nil {
		return nil, err
	}
	var rs []age.Recipient
	seen := make(map[string]bool)
	for i, entry := range entries {
		if seen[entry] {
			continue
		}
		seen[entry] = true
		r, err := parseRecipient(entry, maxEntry, nil)
		if err != nil {
			return nil, fmt.Errorf("%w: entry %d (%s) %w", ErrKeys, i+1, shorten(entry), err)
		}
		rs = append(rs, r)
	}
	switch {
	case len(rs) == 0:
		return nil, fmt.Errorf("%w: no public key given (age1..., ssh-ed25519 ... or ssh-rsa ...)", ErrKeys)
	case len(rs) > MaxStanzas:
		return nil, fmt.Errorf("%w: %d public keys are more than the %d a file may have", ErrKeys, len(rs), MaxStanzas)
	}
	return rs, nil
}

// Reasons are ours: those of the parsers repeat the whole entry.
var (
	errNotKey = errors.New("is not a public key: it begins with age1, ssh-ed25519 or ssh-rsa")
	errTypo   = errors.New("is not complete or was mistyped")
	errSSH    = errors.New("is not an SSH key that can be used: ssh-ed25519, or ssh-rsa of at least 2048 bits")
	errLong   = errors.New("is too long for a key")
)

// parseRecipient reads one public key of at most limit bytes; plugins are refused without a ui.
func parseRecipient(entry string, limit int, ui *plugin.ClientUI) (age.Recipient, error) {
	var r age.Recipient
	var err, reason error
	switch {
	case len(entry) > limit:
		return nil, errLong
	case strings.HasPrefix(entry, "age1pq1"):
		r, err = age.ParseHybridRecipient(entry)
		reason = errTypo
	case strings.HasPrefix(entry, "age1tag1"), strings.HasPrefix(entry, "age1tagpq1"):
		// A key on a piece of hardware: its plugin is needed to decrypt, and not to encrypt.
		r, err = tag.ParseRecipient(entry)
		reason = errTypo
	case strings.HasPrefix(entry, "age1") && strings.Count(entry, "1") > 1:
		if _, _, bad := plugin.ParseRecipient(entry); bad != nil {
			return nil, errTypo
		}
		if ui == nil {
			return nil, errPluginRefuse
		}
		r, err = plugin.NewRecipient(entry, ui)
		reason = errTypo
	case strings.HasPrefix(entry, "age1"):
		r, err = age.ParseX25519Recipient(entry)
		reason = errTypo
	case strings.HasPrefix(entry, "ssh-"):
		r, err = agessh.ParseRecipient(entry)
		reason = errSSH
	default:
		return nil, errNotKey
	}
	if err != nil {
		return nil, reason
	}
	return r, nil
}

// split returns the entries of a list of keys. An SSH key is two words; what follows it up
// to a comma or the line's end is its comment.
func split(text string) ([]string, error) {
	if len(text) > maxKeyText {
		return nil, fmt.Errorf("%w: the text is longer than %d KiB", ErrKeys, maxKeyText>>10)
	}
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%w: not valid text (UTF-8)", ErrKeys)
	}
	var entries []string
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		line, _, _ = strings.Cut(line, "#")
		for part := range strings.SplitSeq(line, ",") {
			words := strings.Fields(part)
			if len(words) > 1 && strings.HasPrefix(words[0], "ssh-") {
				words = []string{words[0] + " " + words[1]}
			}
			entries = append(entries, words...)
		}
	}
	return entries, nil
}

// looksPrivate finds any kind of private key anywhere in a text.
func looksPrivate(text string) bool {
	upper := strings.ToUpper(text)
	return strings.Contains(upper, "AGE-SECRET-KEY-") || strings.Contains(upper, "AGE-PLUGIN-") ||
		strings.Contains(upper, "PRIVATE KEY-----") || strings.Contains(upper, "PRIVATE KEY BLOCK-----")
}

// shorten returns enough of an entry to find it, and little enough of what may be a secret
// in the wrong field.
func shorten(entry string) string {
	n := 4
	if strings.HasPrefix(entry, "age1") || strings.HasPrefix(entry, "ssh-") {
		n = 16
	}
	runes := []rune(entry[:min(len(entry), 4*n+4)])
	if len(runes) <= n {
		return fmt.Sprintf("%q", string(runes))
	}
	return fmt.Sprintf("%q", string(runes[:n])+"…")
}

// ParseIdentities reads private keys (AGE-SECRET-KEY-1..., AGE-SECRET-KEY-PQ-1...) one a
// line, as in an age identity file: empty lines and lines that begin with # are skipped.
// Errors name the line and never repeat it. Other kinds of private keys take a [KeyReader].
func ParseIdentities(text string) ([]age.Identity, error) {
	if len(text) > maxKeyText {
		return nil, fmt.Errorf("%w: the text is longer than %d KiB", ErrKeys, maxKeyText>>10)
	}
	return parseIdentities(text, maxIdentities, func(line string) (age.Identity, error) { return parseIdentity(line, nil) })
}

// parseIdentities reads at most limit lines of private keys.
func parseIdentities(text string, limit int, parse func(line string) (age.Identity, error)) ([]age.Identity, error) {
	var ids []age.Identity
	var n int
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if len(ids) == limit {
			return nil, fmt.Errorf("%w: more than %d private keys", ErrKeys, limit)
		}
		id, err := parse(line)
		if errors.Is(err, ErrPublicKey) {
			return nil, err
		}
		if err != nil {
			return nil, fmt.Errorf("%w: line %d %w", ErrKeys, n, err)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w: no private key given (AGE-SECRET-KEY-1...)", ErrKeys)
	}
	return ids, nil
}

var (
	errNotIdentity  = errors.New("is not an age private key: it begins with AGE-SECRET-KEY-1")
	errIdentityTypo = errors.New("is a private key that is not complete or was mistyped")
	errPluginRefuse = errors.New("is a key of a plugin (a program named age-plugin-...), and plugins are not started here")
)

// parseIdentity reads one line; plugins are refused without a ui.
func parseIdentity(line string, ui *plugin.ClientUI) (id age.Identity, err error) {
	switch {
	case strings.HasPrefix(line, hybridIdentity):
		id, err = age.ParseHybridIdentity(line)
	case strings.HasPrefix(line, x25519Identity):
		id, err = age.ParseX25519Identity(line)
	case strings.HasPrefix(line, "AGE-PLUGIN-") && ui == nil:
		return nil, errPluginRefuse
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		id, err = plugin.NewIdentity(line, ui)
	case strings.HasPrefix(line, "age1"), strings.HasPrefix(line, "ssh-"):
		return nil, ErrPublicKey
	default:
		return nil, errNotIdentity
	}
	if err != nil {
		return nil, errIdentityTypo
	}
	return id, nil
}
