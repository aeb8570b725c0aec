package handlers

import (
	"errors"
	"fmt"
	"strings"

	"zencrypt/crypto/agefile"
	"zencrypt/models"
)

// A recipientEntry is one entry of a recipients field: a public key, or somebody's name or login.
type recipientEntry struct {
	key  *models.PublicKey
	name string
}

var errPrivatePasted = errors.New("read recipients: a private key was pasted, which must stay with its owner: give the public one (age1...)")

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
			return fmt.Errorf("read recipients: entry %d: %s", len(all)+1, sentence(models.ErrorMessage(err)))
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
			err = errors.New("read recipients: of blocks only public keys can stand here (BEGIN PGP PUBLIC KEY BLOCK)")
		default:
			line, _, _ = strings.Cut(line, "#")
			for part := range strings.SplitSeq(line, ",") {
				if err = readEntry(part, add, &all); err != nil {
					break
				}
			}
		}
		if err == nil && len(all) > agefile.MaxStanzas {
			err = fmt.Errorf("read recipients: more than the %d that one file may have", agefile.MaxStanzas)
		}
		if err != nil {
			return nil, err
		}
	}
	if block != nil {
		return nil, errors.New("read recipients: the last key block has no END line; paste all of it")
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
	refuse := func(why string) ([]models.PublicKey, error) {
		return nil, models.Errorf(models.Invalid, "public_key", "%s", why)
	}
	entries, err := readRecipients(text)
	if err != nil {
		return refuse(err.Error())
	}
	around := strings.Contains(text, armorPublic) // a mail, say
	for i, e := range entries {
		if e.key == nil && around {
			continue
		}
		if e.key == nil {
			return refuse(fmt.Sprintf("read public key: entry %d is none: it begins with age1, ssh-ed25519, ssh-rsa or BEGIN PGP PUBLIC KEY BLOCK", i+1))
		}
		keys = append(keys, *e.key)
	}
	if len(keys) == 0 {
		return refuse("paste a public key, which is a line that begins with age1 or ssh-, or a block from BEGIN PGP PUBLIC KEY BLOCK to END")
	}
	return keys, nil
}
