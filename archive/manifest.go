package archive

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// readManifest reads the manifest entry by entry, so that a hostile one costs no more than its bounds.
func (c *Contents) readManifest(src io.Reader) error {
	in := &bounded{src: src, limit: maxElement}
	d := json.NewDecoder(in)
	next := func(v any) error {
		in.limit = d.InputOffset() + maxElement
		err := d.Decode(v)
		if errors.Is(err, ErrFormat) || err == nil {
			return err
		}
		return in.problem(err)
	}
	token := func(want json.Delim) error {
		in.limit = d.InputOffset() + maxElement
		t, err := d.Token()
		if err != nil {
			return in.problem(err)
		}
		if t != want {
			return malformed("the manifest is not what was expected")
		}
		return nil
	}
	if err := token('{'); err != nil {
		return err
	}
	fields := map[string]func() error{
		"format":  func() error { return next(&c.Header.Format) },
		"version": func() error { return next(&c.Header.Version) },
		"program": func() error { return next(&c.Header.Program) },
		"created": func() error { return next(&c.Header.Created) },
		"account": func() error { return next(&c.Header.Account) },
		"keys":    func() error { return list(d, token, next, &c.Keys, MaxKeys, (*Key).check) },
		"people":  func() error { return list(d, token, next, &c.People, MaxPeople, (*Person).check) },
		"items":   func() error { return list(d, token, next, &c.Items, MaxItems, (*Item).check) },
	}
	for {
		in.limit = d.InputOffset() + maxElement
		t, err := d.Token()
		if err != nil {
			return in.problem(err)
		}
		if t == json.Delim('}') {
			break
		}
		name, _ := t.(string)
		read := fields[name]
		if read == nil {
			return malformed("the manifest has a field that is not known, or one twice: a newer version may have written it")
		}
		delete(fields, name)
		if err := read(); err != nil {
			return err
		}
		if c.Header.Format != Format || name == "version" && c.Header.Version != Version {
			return malformed("this is not an export that this version knows")
		}
	}
	if len(fields) > 0 {
		return malformed("the manifest lacks a field")
	}
	if !texts(c.Header.Program, c.Header.Account.Login) || !times(&c.Header.Created, &c.Header.Account.Created) {
		return malformed("the manifest's head is out of bounds")
	}
	in.limit = d.InputOffset() + maxElement
	if _, err := d.Token(); err != io.EOF {
		return malformed("something stands behind the manifest's end")
	}
	return nil
}

// list reads one of the manifest's lists.
func list[T any](d *json.Decoder, token func(json.Delim) error, next func(any) error, into *[]T, most int, check func(*T) bool) error {
	if err := token('['); err != nil {
		return err
	}
	for d.More() {
		if len(*into) == most {
			return malformed("a list of the manifest has more than %d entries", most)
		}
		var v T
		if err := next(&v); err != nil {
			return err
		}
		if !check(&v) {
			return malformed("an entry of the manifest is out of bounds")
		}
		*into = append(*into, v)
	}
	return token(']')
}

// bounded ends what an entry may take. The decoder reads ahead by less than it holds, which is why the bound is soft.
type bounded struct {
	src      io.Reader
	n, limit int64
	err      error
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.n > b.limit+maxElement {
		b.err = malformed("an entry of the manifest has more than %d bytes", maxElement)
		return 0, b.err
	}
	n, err := b.src.Read(p[:min(len(p), 32<<10)])
	b.n += int64(n)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// problem leaves out what the decoder says, which may repeat content.
func (b *bounded) problem(error) error {
	if b.err != nil {
		return b.err
	}
	return malformed("the manifest is no JSON that is known, or is cut short")
}

func texts(all ...string) bool {
	for _, s := range all {
		if len(s) > maxText || !utf8.ValidString(s) {
			return false
		}
	}
	return true
}

// times tells whether times can be kept: SQLite and JavaScript know those years.
func times(all ...*time.Time) bool {
	for _, t := range all {
		if t != nil && (t.Year() < 1 || t.Year() > 9999) {
			return false
		}
	}
	return true
}

func validID(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 16 && s == strings.ToLower(s)
}

// between is for numbers that count something.
func between[T int | int64](n, low, high T) bool { return n >= low && n <= high }

// maxN bounds the number of a version: numbers are not given twice, so that they outgrow MaxVersions.
const maxN = 1 << 30

func (k *Key) check() bool {
	if !validID(k.ID) || !texts(k.Kind, k.Algorithm, k.Name, k.Description) || !times(&k.Created, k.Expires) ||
		!between(k.MinVersion, 0, maxN) || !between(k.Last, 0, maxN) || len(k.Versions) > MaxVersions {
		return false
	}
	before := 0
	for i := range k.Versions {
		v := &k.Versions[i]
		if !between(v.N, before+1, maxN) || !texts(v.State, v.Fingerprint, v.Public) || !times(&v.Created, v.Changed) {
			return false
		}
		switch v.State {
		case "active", "retired", "revoked":
		default:
			return false
		}
		before = v.N
	}
	return true
}

func (p *Person) check() bool {
	if !validID(p.ID) || p.Account != "" && !validID(p.Account) || !texts(p.Name, p.Login, p.Note) ||
		!times(&p.Created, p.Verified) || len(p.Keys) > MaxPinned {
		return false
	}
	for i := range p.Keys {
		k := &p.Keys[i]
		if !texts(k.Kind, k.Algorithm, k.Fingerprint, k.Public) || !times(&k.Pinned) || (k.Public == "") == (k.File == nil) {
			return false
		}
	}
	return true
}

func (i *Item) check() bool {
	switch i.Kind {
	case "note", "file", "digest", "ciphertext":
	default:
		return false
	}
	if i.Opens != nil && (!validID(i.Opens.Key) || !between(i.Opens.Version, 0, maxN)) {
		return false
	}
	return validID(i.ID) && texts(i.Title, i.Syntax, i.Problem) && len(i.Others) <= maxElement && len(i.FileName) <= maxText && len(i.Detail) <= maxText &&
		times(&i.Created) && between(i.Size, 0, 1<<62) && (i.File != nil || i.Problem != "")
}
