// Package crypto is the one door to the formats: it tells what an input is, finds the key
// that fits and hands on to the package that reads it. The pages and the commands call
// nothing below it to encrypt or decrypt.
//
// A passphrase or a pasted key is tried on whatever fits its kind; an error says which kind
// is missing. All errors have one of this package's kinds under [errors.Is] and a text that
// can be shown to a person.
package crypto

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
)

// A Format is how an input is encrypted.
type Format string

// The formats. Unknown also stands for what is not encrypted at all.
const (
	FormatAge     Format = "age"
	FormatFernet  Format = "fernet"
	FormatUnknown Format = "unknown"
)

// sniff is how much of an input is looked at to tell its format, in bytes.
const sniff = 4 << 10

// Detect tells the format from the first bytes of an input (64 at least, unless it is
// shorter), and whether it is text. Before age armor and Fernet tokens a byte order mark
// and white space may stand, before armor also lines of text.
func Detect(prefix []byte) (f Format, armored bool) {
	if ok, armored := agefile.Looks(prefix); ok {
		return FormatAge, armored
	}
	if fernet.Looks(prefix[:min(len(prefix), sniff)]) {
		return FormatFernet, true
	}
	return FormatUnknown, false
}

// NamedAge is an age identity with the name a person knows it by.
type NamedAge struct {
	Label    string
	Identity age.Identity `json:"-"`
}

// Format implements [fmt.Formatter]: age's identities print their secret.
func (n NamedAge) Format(s fmt.State, _ rune) { io.WriteString(s, n.Label+" "+redacted) }

// NamedFernet is a Fernet key with its name.
type NamedFernet struct {
	Label string
	Key   fernet.Key `json:"-"`
}

// Format implements [fmt.Formatter].
func (n NamedFernet) Format(s fmt.State, _ rune) { io.WriteString(s, n.Label+" "+redacted) }

// Keys are what an input may be opened with. Age identities are tried in order, then the passphrase.
type Keys struct {
	Passphrase string        `json:"-"`
	Age        []NamedAge    `json:"-"`
	Fernet     []NamedFernet `json:"-"`
}

// Format implements [fmt.Formatter].
func (Keys) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

const redacted = "[redacted]"

// Options bound what [Decrypt] does for a stranger's input. The zero value has the server's limits.
type Options struct {
	MaxWorkFactor int              // of scrypt; 0 is agefile.ServerMaxWorkFactor
	FernetMax     int64            // longest Fernet message in bytes; 0 is fernet.MaxMessage
	FernetTTL     time.Duration    // how old a token may be; 0 asks nothing
	Now           func() time.Time // nil is time.Now
	// Acquire, when set, is called before a slow hash with the bytes it needs, and its
	// release after the hash. Its error comes back as it is.
	Acquire func(bytes int64) (release func(), err error)
}

// Plain is an opened input. What it yields is authenticated: age a chunk at a time, so that
// an error later (of kind [ErrDamaged]) leaves a whole beginning, Fernet all at once.
type Plain struct {
	io.Reader
	Format     Format
	Armored    bool
	Label      string   // of the key that fitted; "the passphrase" for that
	FileKey    [16]byte `json:"-"` // age: opens the same file again with agefile.OpenWithFileKey; a secret
	Passphrase bool     // the passphrase fitted
	KeyIndex   int      // in Keys.Age or Keys.Fernet; -1 for the passphrase
	Size       int64    // of the plaintext in bytes; -1 when not known before the end
}

// String keeps the file key out of what fmt prints with %v and %s; the field named Format
// leaves no room for a Formatter.
func (p *Plain) String() string { return string(p.Format) + " " + redacted }

// GoString is String for %#v.
func (p *Plain) GoString() string { return p.String() }

// Decrypt tells the format of src, finds the key that fits and returns the plaintext. It
// reads what it needs from src and starts no goroutine: for age the header, for Fernet all.
// Error kinds: [ErrFormat], [ErrNoKey], [ErrWrongPassphrase], [ErrRefused], [ErrTooLarge],
// [ErrExpired], [ErrDamaged]; the errors of src and of o.Acquire stay what they are.
func Decrypt(src io.Reader, k Keys, o Options) (*Plain, error) {
	br := bufio.NewReaderSize(src, sniff)
	f, armored, err := detect(br)
	if err != nil {
		return nil, err
	}
	switch f {
	case FormatAge:
		return decryptAge(br, k, o)
	case FormatFernet:
		p, err := decryptFernet(br, k, o)
		if p != nil {
			p.Armored = armored
		}
		return p, err
	}
	return nil, errUnknown
}

// detect looks ahead in br. A source that fails at once is reported as such.
func detect(br *bufio.Reader) (Format, bool, error) {
	prefix, err := br.Peek(64)
	f, armored := Detect(prefix)
	if f == FormatUnknown && err == nil {
		// Armor may stand further down.
		prefix, err = br.Peek(sniff)
		f, armored = Detect(prefix)
	}
	switch {
	case err != nil && err != io.EOF && f == FormatUnknown:
		return f, false, fmt.Errorf("read input: %w", err)
	case len(bytes.TrimSpace(prefix)) == 0 && f == FormatUnknown && err == io.EOF:
		return f, false, errEmpty
	case f == FormatUnknown && bytes.HasPrefix(prefix, []byte("age-")):
		return FormatAge, false, nil // cut short or a later version: agefile says which
	}
	return f, armored, nil
}

func decryptAge(src io.Reader, k Keys, o Options) (*Plain, error) {
	ids := make([]age.Identity, 0, len(k.Age)+1)
	for _, named := range k.Age {
		ids = append(ids, named.Identity)
	}
	if k.Passphrase != "" {
		limit := o.MaxWorkFactor
		if limit == 0 {
			limit = agefile.ServerMaxWorkFactor
		}
		id, err := agefile.NewPassphrase(k.Passphrase, limit)
		if err != nil {
			return nil, err
		}
		id.Acquire = o.Acquire
		ids = append(ids, id)
	}
	opened, err := agefile.Open(src, ids...)
	if err != nil {
		return nil, classify(err)
	}
	p := &Plain{
		Reader: &kindReader{opened}, Format: FormatAge, Armored: opened.Info.Armored,
		FileKey: opened.FileKey, KeyIndex: opened.Index, Size: -1,
	}
	if opened.Index == len(k.Age) {
		p.Label, p.Passphrase, p.KeyIndex = "the passphrase", true, -1
	} else {
		p.Label = k.Age[opened.Index].Label
	}
	return p, nil
}

func decryptFernet(src io.Reader, k Keys, o Options) (*Plain, error) {
	limit := o.FernetMax
	if limit <= 0 || limit > fernet.MaxMessage {
		limit = fernet.MaxMessage
	}
	// Room for base64, the token's own fields and line breaks.
	most := min(limit/3*4+limit/16+4<<10, fernet.MaxToken)
	token, err := io.ReadAll(io.LimitReader(src, most+1))
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	if int64(len(token)) > most {
		return nil, classify(fernet.ErrTooLarge)
	}
	keys := make([]fernet.Key, len(k.Fernet))
	for i, named := range k.Fernet {
		keys[i] = named.Key
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	plain, i, err := fernet.Decrypt(token, o.FernetTTL, now, keys...)
	if errors.Is(err, fernet.ErrNoKey) && len(keys) == 0 {
		err = errFernetKeyNeeded
	}
	if err == nil && int64(len(plain)) > limit {
		err = fernet.ErrTooLarge
	}
	if err != nil {
		return nil, classify(err)
	}
	return &Plain{
		Reader: bytes.NewReader(plain), Format: FormatFernet,
		Label: k.Fernet[i].Label, KeyIndex: i, Size: int64(len(plain)),
	}, nil
}

// kindReader gives an age payload's errors this package's kind.
type kindReader struct{ src io.Reader }

func (r *kindReader) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	if err != nil && err != io.EOF {
		err = classify(err)
	}
	return n, err
}
