package handlers

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"

	"filippo.io/age"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/legacy"
	"zencrypt/crypto/pgp"
	"zencrypt/lang"
	"zencrypt/models"
)

// ownKeys are a person's private keys as they are tried: the newest key first, and of each the newest version,
// but of OpenPGP's the oldest, since every version holds the subkeys of those before it: so the version that
// is named is the one that a message was made for. Keys are parsed once a format asks for them.
type ownKeys struct {
	*core
	list   []models.Key
	label  func(name string, version int) string // as answers call a version
	parsed map[crypto.Format]crypto.Keys
	at     map[crypto.Format][]keyAt // in the order of the list of that format
}

// kindsFor are the kinds of keys that open a format, none for one that is not known.
func kindsFor(f crypto.Format) []string {
	switch f {
	case crypto.FormatAge:
		return []string{models.KindAge, models.KindAgePQ}
	case crypto.FormatPGP:
		return []string{models.KindPGP}
	case crypto.FormatFernet, crypto.FormatLegacyWeb:
		return []string{models.KindFernet}
	case crypto.FormatLegacyRSA:
		return []string{models.KindRSA}
	}
	return nil
}

// keyAt is where a private key stands.
type keyAt struct {
	key models.ID
	n   int
}

// which returns where the key stands that has opened p; false for a passphrase.
func (o *ownKeys) which(p *crypto.Plain) (keyAt, bool) {
	all := o.at[p.Format]
	if p.KeyIndex < 0 || p.KeyIndex >= len(all) {
		return keyAt{}, false
	}
	return all[p.KeyIndex], true
}

func (c *core) ownKeys(ctx context.Context, list []models.Key) *ownKeys {
	label := func(name string, version int) string { return keyLabel(ctx, name, version) }
	return &ownKeys{core: c, list: list, label: label, parsed: map[crypto.Format]crypto.Keys{}, at: map[crypto.Format][]keyAt{}}
}

// of takes all keys and versions that may open a format. What does not parse is left out: the others still work.
func (o *ownKeys) of(f crypto.Format) crypto.Keys {
	if keys, ok := o.parsed[f]; ok {
		return keys
	}
	var keys crypto.Keys
	kinds := kindsFor(f)
	for i := len(o.list) - 1; i >= 0; i-- {
		k := &o.list[i]
		if !slices.Contains(kinds, k.Kind) {
			continue
		}
		versions := slices.Clone(k.Versions)
		if k.Kind != models.KindPGP {
			slices.Reverse(versions)
		}
		for _, v := range versions {
			if v.N < k.MinVersion {
				continue
			}
			if err := addKey(&keys, k, &v, o.label(k.Name, v.N)); err != nil {
				o.opt.Log.Warn("a key of a ring can't be read and is left out", "error", errorClass(err))
				continue
			}
			o.at[f] = append(o.at[f], keyAt{k.ID, v.N})
		}
	}
	o.parsed[f] = keys
	return keys
}

// keysOf are the versions of one key, for what runs in the background: their labels are shown to nobody.
func (c *core) keysOf(k *models.Key) crypto.Keys {
	format := map[string]crypto.Format{models.KindAge: crypto.FormatAge, models.KindAgePQ: crypto.FormatAge, models.KindPGP: crypto.FormatPGP,
		models.KindFernet: crypto.FormatFernet, models.KindRSA: crypto.FormatLegacyRSA}[k.Kind]
	return c.ownKeys(context.Background(), []models.Key{*k}).of(format)
}

// keyLabel is what a version of a person's own key is called in answers.
func keyLabel(ctx context.Context, name string, version int) string {
	return lang.T(ctx, "opening.your-key", lang.Args{"Key": name, "Version": version})
}

// addKey parses a version of a key.
func addKey(o *crypto.Keys, k *models.Key, v *models.KeyVersion, label string) error {
	switch k.Kind {
	case models.KindAge, models.KindAgePQ:
		ids, err := agefile.ParseIdentities(string(v.Secret))
		if err != nil {
			return err
		}
		o.Age = append(o.Age, crypto.NamedAge{Label: label, Identity: ids[0]})
	case models.KindFernet:
		key, err := fernet.ParseKey(string(v.Secret))
		if err != nil {
			return err
		}
		o.Fernet = append(o.Fernet, crypto.NamedFernet{Label: label, Key: key})
	case models.KindPGP:
		key, err := v.PGP()
		if err != nil {
			return err
		}
		o.PGP = append(o.PGP, crypto.NamedPGP{Label: label, Key: key})
	case models.KindRSA:
		key, err := legacy.ParsePrivateKey(v.Secret)
		if err != nil {
			return err
		}
		o.RSA = append(o.RSA, crypto.NamedRSA{Label: label, Key: key})
	}
	return nil
}

// openKeys are what may open an input: what was typed, and a person's ring, of which only those keys are read that
// its format can use. A ring may hold a thousand.
type openKeys struct {
	typed crypto.Keys
	ring  func(crypto.Format) (*ownKeys, error) // nil for a guest
}

// manyKeys is from how many versions of OpenPGP keys on those alone are read that a message names. With fewer all are,
// so that it can be said how many were tried.
const manyKeys = 16

// of returns the keys for a format, and src, of which it may have to look at the beginning.
func (k openKeys) of(f crypto.Format, src io.Reader) (crypto.Keys, io.Reader, error) {
	all := k.typed
	if k.ring == nil {
		return all, src, nil
	}
	own, err := k.ring(f)
	if err != nil {
		return all, src, err
	}
	if f == crypto.FormatPGP && own.count() > manyKeys {
		var seen bytes.Buffer
		ids, any := pgp.Recipients(io.TeeReader(src, &seen))
		src = io.MultiReader(&seen, src)
		switch {
		case !any:
			own.keep(ids)
		case len(all.PGP) > 0: // for nobody by name, and somebody has said which key it is
			return all, src, nil
		default: // one more than is ever tried, so that it is refused without reading a thousand
			own.newest(pgp.MaxAttempts + 1)
		}
	}
	all.Add(own.of(f))
	return all, src, nil
}

func (o *ownKeys) count() (n int) {
	for i := range o.list {
		n += len(o.list[i].Versions)
	}
	return n
}

// newest leaves of a ring as many versions as given, those of the newest keys.
func (o *ownKeys) newest(n int) {
	for i := len(o.list) - 1; i >= 0; i-- {
		if o.list[i].Kind != models.KindPGP {
			continue
		}
		if n -= len(o.list[i].Versions); n < 0 {
			o.list[i].Versions = nil
		}
	}
}

// keep leaves of an OpenPGP ring those versions that hold one of these keys.
func (o *ownKeys) keep(ids []string) {
	for i := range o.list {
		o.list[i].Versions = slices.DeleteFunc(o.list[i].Versions, func(v models.KeyVersion) bool {
			return !slices.ContainsFunc(pgp.KeyIDs(v.Secret), func(id string) bool { return slices.Contains(ids, id) })
		})
	}
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
