package handlers

import (
	"strings"

	"zencrypt/crypto/agefile"
	"zencrypt/lang"
	"zencrypt/models"
)

// A recipientEntry is one entry of a recipients field: a public key, or somebody's name or login.
type recipientEntry struct {
	key  *models.PublicKey
	name string
}

var errPrivatePasted = wrong("recipients", "wrong.private-key-pasted")

const (
	armorPublic    = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
	armorPublicEnd = "-----END PGP PUBLIC KEY BLOCK-----"
)

// readRecipients takes a field apart: entries stand on lines or between commas, an OpenPGP key is a block of lines.
// An entry that begins like a key is one, anything else is a name. A private key anywhere is refused, and nothing of it
// repeated.
func readRecipients(text string) (all []recipientEntry, err error) {
	if models.IsPrivate(text) {
		return nil, errPrivatePasted
	}
	add := func(text string) error {
		keys, err := models.ParsePublic(text)
		if err != nil {
			return wrong("recipients", "wrong.recipient-entry", lang.Args{"Number": len(all) + 1, "Reason": err})
		}
		for i := range keys {
			all = append(all, recipientEntry{key: &keys[i]})
		}
		return nil
	}
	var block []string
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		switch {
		case block != nil || strings.Contains(line, armorPublic):
			block = append(block, line)
			if !strings.Contains(line, armorPublicEnd) {
				continue
			}
			err, block = add(strings.Join(block, "")), nil
		case strings.Contains(line, "-----BEGIN "):
			err = wrong("recipients", "wrong.other-block")
		default:
			line, _, _ = strings.Cut(line, "#")
			for part := range strings.SplitSeq(line, ",") {
				if err = readEntry(part, add, &all); err != nil {
					break
				}
			}
		}
		if err == nil && len(all) > agefile.MaxStanzas {
			err = wrong("recipients", "wrong.too-many-recipients", lang.Args{"Most": agefile.MaxStanzas})
		}
		if err != nil {
			return nil, err
		}
	}
	if block != nil {
		return nil, wrong("recipients", "wrong.no-end-line")
	}
	return all, nil
}

// readEntry reads what stands between two commas: age keys, parted by white space too, an SSH key, which is two
// words and a comment, or a name, which may have several.
func readEntry(part string, add func(string) error, all *[]recipientEntry) error {
	words := strings.Fields(part)
	for len(words) > 0 {
		folded := models.FoldName(words[0])
		switch {
		case strings.HasPrefix(folded, "ssh-"):
			return add(strings.Join(words, " "))
		case strings.HasPrefix(folded, "age1"):
			if err := add(words[0]); err != nil {
				return err
			}
			words = words[1:]
		default:
			*all = append(*all, recipientEntry{name: strings.Join(words, " ")})
			return nil
		}
	}
	return nil
}

// publicKeys reads a paste of nothing but public keys, where text may stand around blocks. The error is Invalid for field "public_key".
func publicKeys(text string) (keys []models.PublicKey, err error) {
	entries, err := readRecipients(text)
	if err != nil {
		return nil, about("public_key", err)
	}
	around := strings.Contains(text, armorPublic) // a mail, say
	for i, e := range entries {
		if e.key == nil && around {
			continue
		}
		if e.key == nil {
			return nil, wrong("public_key", "wrong.entry-no-key", lang.Args{"Number": i + 1})
		}
		keys = append(keys, *e.key)
	}
	if len(keys) == 0 {
		return nil, wrong("public_key", "wrong.paste-public-key")
	}
	return keys, nil
}
