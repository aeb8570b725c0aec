package handlers

import (
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/legacy"
	"zencrypt/models"
)

// ownKeys are a person's private keys as they are tried: the newest key first, and of each the newest version,
// but of OpenPGP's the oldest, since every version holds the subkeys of those before it: so the version that
// is named is the one that a message was made for.
type ownKeys struct {
	crypto.Keys
	at map[crypto.Format][]keyAt // in the order of the list of that format
}

// keyAt is where a private key stands.
type keyAt struct {
	key models.ID
	n   int
}

// which returns where the key stands that has opened p; false for a passphrase.
func (o ownKeys) which(p *crypto.Plain) (keyAt, bool) {
	format := p.Format
	if format == crypto.FormatLegacyWeb {
		format = crypto.FormatFernet
	}
	all := o.at[format]
	if p.KeyIndex < 0 || p.KeyIndex >= len(all) {
		return keyAt{}, false
	}
	return all[p.KeyIndex], true
}

// ownKeys takes all keys and versions of a list that may open something. What does not parse is left out: the
// others still work.
func (c *core) ownKeys(list []models.Key) ownKeys {
	o := ownKeys{at: map[crypto.Format][]keyAt{}}
	for i := len(list) - 1; i >= 0; i-- {
		k := &list[i]
		versions := slices.Clone(k.Versions)
		if k.Kind != models.KindPGP {
			slices.Reverse(versions)
		}
		for _, v := range versions {
			if v.N < k.MinVersion {
				continue
			}
			if err := o.add(k, &v); err != nil {
				c.opt.Log.Warn("a key of a ring can't be read and is left out", "error", errorClass(err))
			}
		}
	}
	return o
}

func (o *ownKeys) add(k *models.Key, v *models.KeyVersion) error {
	label := fmt.Sprintf("your key “%s”, version %d", k.Name, v.N)
	var format crypto.Format
	switch k.Kind {
	case models.KindAge, models.KindAgePQ:
		ids, err := agefile.ParseIdentities(string(v.Secret))
		if err != nil {
			return err
		}
		format = crypto.FormatAge
		o.Age = append(o.Age, crypto.NamedAge{Label: label, Identity: ids[0]})
	case models.KindFernet:
		key, err := fernet.ParseKey(string(v.Secret))
		if err != nil {
			return err
		}
		format = crypto.FormatFernet
		o.Fernet = append(o.Fernet, crypto.NamedFernet{Label: label, Key: key})
	case models.KindPGP:
		key, err := v.PGP()
		if err != nil {
			return err
		}
		format = crypto.FormatPGP
		o.PGP = append(o.PGP, crypto.NamedPGP{Label: label, Key: key})
	case models.KindRSA:
		key, err := legacy.ParsePrivateKey(v.Secret)
		if err != nil {
			return err
		}
		format = crypto.FormatLegacyRSA
		o.RSA = append(o.RSA, crypto.NamedRSA{Label: label, Key: key})
	}
	o.at[format] = append(o.at[format], keyAt{k.ID, v.N})
	return nil
}

// maxOthers bounds what an item notes of whom else it is for, in bytes: 63 short age keys have 4 KiB. Beyond it
// nobody is noted, and the item is not rewrapped.
const maxOthers = 8 << 10

// othersOf writes the public keys of a file beside one's own, one a line as age takes them; "" when one of them
// can't be written so.
func othersOf(rs []age.Recipient, own string) string {
	var lines []string
	size := 0
	for _, r := range rs {
		line, err := agefile.PublicKey(r)
		if err != nil {
			return ""
		}
		if line == own {
			continue
		}
		lines = append(lines, line)
		size += len(line) + 1
	}
	if size > maxOthers {
		return ""
	}
	return strings.Join(lines, "\n")
}
