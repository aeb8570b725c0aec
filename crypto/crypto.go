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

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/legacy"
	"zencrypt/crypto/pgp"
)

// A Format is how an input is encrypted.
type Format string

// The formats. Unknown also stands for what is not encrypted at all.
const (
	FormatAge     Format = "age"
	FormatPGP     Format = "pgp"
	FormatFernet  Format = "fernet"
	FormatUnknown Format = "unknown"

	// FormatLegacyWeb is a file of an older Zencrypt's page: base64 over a Fernet token.
	FormatLegacyWeb Format = "legacy-web"
	// FormatLegacyRSA is an older Zencrypt's "PGP" message: RSA-OAEP in base64.
	FormatLegacyRSA Format = "legacy-rsa"
	// FormatLegacyFile is a file of an older Zencrypt's command line: AES-CFB under a
	// passphrase. Nothing tells it from other bytes, so that it is never detected: who opens
	// one has to say so in [Options]. Nothing tells a wrong passphrase from a right one either.
	FormatLegacyFile Format = "legacy-file"
)

// Whole tells whether an input of this format is opened in memory and at once, or not at all. The others are
// opened as they are read, and can be opened again with what [Plain] knows.
func (f Format) Whole() bool {
	return f == FormatFernet || f == FormatLegacyWeb || f == FormatLegacyRSA
}

// Title is what people call the format.
func (f Format) Title() string {
	switch f {
	case FormatPGP:
		return "OpenPGP"
	case FormatFernet:
		return "Fernet"
	case FormatLegacyWeb, FormatLegacyRSA, FormatLegacyFile:
		return "an older Zencrypt's"
	}
	return string(f)
}

// Sniff is how much of an input is looked at to tell its format, in bytes.
const Sniff = 4 << 10

// Detect tells the format from the first bytes of an input (64 at least, unless it is
// shorter), and whether it is text. Before armor and tokens a byte order mark and white space
// may stand, before armor also lines of text; OpenPGP's may be quoted as in a mail.
func Detect(prefix []byte) (f Format, armored bool) {
	if ok, armored := agefile.Looks(prefix); ok {
		return FormatAge, armored
	}
	if ok, armored := pgp.Looks(prefix); ok {
		return FormatPGP, armored
	}
	prefix = prefix[:min(len(prefix), Sniff)]
	switch {
	case fernet.Looks(prefix):
		return FormatFernet, true
	case legacy.LooksWebFile(prefix):
		return FormatLegacyWeb, true
	case legacy.LooksRSAMessage(prefix):
		return FormatLegacyRSA, true
	}
	return FormatUnknown, false
}

// Options bound what [Decrypt] does for a stranger's input. The zero value has the server's limits.
type Options struct {
	Format        Format           // "" detects it
	MaxWorkFactor int              // of scrypt; 0 is agefile.ServerMaxWorkFactor
	FernetMax     int64            // longest Fernet message in bytes; 0 is fernet.MaxMessage
	FernetTTL     time.Duration    // how old a token may be; 0 asks nothing
	MaxUnpacked   int64            // what compressed OpenPGP content may unpack to, in bytes; 0 is pgp.MaxUnpacked
	Unprotected   bool             // also open OpenPGP messages without integrity protection
	Strict        bool             // take age armor only as age itself does
	Workers       int              // goroutines for age's content; 0 starts none
	Now           func() time.Time // nil is time.Now
	// Verify is whose OpenPGP signatures are checked.
	Verify []*pgp.Certificate
	// Acquire, when set, is called before a slow hash with the bytes it needs, and its
	// release after the hash. Its error comes back as it is.
	Acquire func(bytes int64) (release func(), err error)
}

func (o Options) now() func() time.Time {
	if o.Now == nil {
		return time.Now
	}
	return o.Now
}

func (o Options) maxWorkFactor() int {
	if o.MaxWorkFactor == 0 {
		return agefile.ServerMaxWorkFactor
	}
	return o.MaxWorkFactor
}

// Trust says when what [Plain] yields may be used.
type Trust int

const (
	// TrustAsItComes: every byte was authenticated before Read returned it. An error later,
	// of kind [ErrDamaged], leaves a whole beginning.
	TrustAsItComes Trust = iota
	// TrustAtEOF: nothing is authenticated before io.EOF. Read to the end first, and then open
	// it again with [Reopen].
	TrustAtEOF
	// TrustNever: nothing is authenticated, ever, and a wrong passphrase yields other bytes.
	TrustNever
)

// Plain is an opened input.
type Plain struct {
	io.Reader
	Format     Format
	Trust      Trust
	Armored    bool
	Label      string   // of the key that fitted; "the passphrase" for that
	FileKey    [16]byte `json:"-"` // age: opens the same file again with agefile.OpenWithFileKey; a secret
	Passphrase bool     // the passphrase fitted
	KeyIndex   int      // in the list of Keys for its format; -1 for the passphrase
	Size       int64    // of the plaintext in bytes; -1 when not known before the end

	pgp *pgp.Message
}

// String keeps the file key out of what fmt prints with %v and %s; the field named Format
// leaves no room for a Formatter.
func (p *Plain) String() string { return string(p.Format) + " " + redacted }

// GoString is String for %#v.
func (p *Plain) GoString() string { return p.String() }

// Signatures returns OpenPGP's verdicts after io.EOF was read; none when nobody signed.
func (p *Plain) Signatures() []pgp.Signature {
	if p.pgp == nil {
		return nil
	}
	return p.pgp.Signatures()
}

// Name is what the sender called the file, as it was written, or nothing. It is not signed:
// show it with [pgp.Display], and never use it as a path.
func (p *Plain) Name() string {
	if p.pgp == nil {
		return ""
	}
	return p.pgp.Name
}

// SessionKey is OpenPGP's key to this one message: a secret.
func (p *Plain) SessionKey() pgp.SessionKey {
	if p.pgp == nil {
		return pgp.SessionKey{}
	}
	return p.pgp.SessionKey
}

// Decrypt tells the format of src, finds the key that fits and returns the plaintext. It
// reads what it needs from src and starts no goroutine, unless o.Workers says so: for age
// and OpenPGP what comes before the content, for the others all.
// Error kinds: [ErrFormat], [ErrNoKey], [ErrWrongPassphrase], [ErrRefused], [ErrTooLarge],
// [ErrExpired], [ErrDamaged]; the errors of src, of k.Ask and of o.Acquire stay what they are.
func Decrypt(src io.Reader, k Keys, o Options) (*Plain, error) {
	br := bufio.NewReaderSize(src, Sniff)
	f, armored := o.Format, false
	if f == "" {
		var err error
		if f, armored, err = detect(br); err != nil {
			return nil, err
		}
	}
	var p *Plain
	var err error
	switch f {
	case FormatAge:
		return decryptAge(br, k, o)
	case FormatPGP:
		return decryptPGP(br, k, o)
	case FormatFernet, FormatLegacyWeb:
		p, err = decryptFernet(br, f, k, o)
	case FormatLegacyRSA:
		p, err = decryptRSA(br, k)
	case FormatLegacyFile:
		p, err = decryptCFB(br, k)
	default:
		return nil, errUnknown
	}
	if p != nil {
		p.Armored = armored
	}
	return p, err
}

// detect looks ahead in br. A source that fails at once is reported as such.
func detect(br *bufio.Reader) (Format, bool, error) {
	prefix, err := br.Peek(64)
	f, armored := Detect(prefix)
	if f == FormatUnknown && err == nil {
		// Armor may stand further down.
		prefix, err = br.Peek(Sniff)
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
	opener := agefile.Opener{Strict: o.Strict, Workers: o.Workers}
	for _, named := range k.Age {
		opener.Identities = append(opener.Identities, named.Identity)
	}
	var pass *agefile.Passphrase
	var err error
	switch {
	case k.Passphrase != "":
		pass, err = agefile.NewPassphrase(k.Passphrase, o.maxWorkFactor())
	case k.Ask != nil:
		pass, err = agefile.AskPassphrase(k.Ask, o.maxWorkFactor())
	}
	if err != nil {
		return nil, err
	}
	if pass != nil {
		pass.Acquire = o.Acquire
		opener.Identities = append(opener.Identities, pass)
	}
	opened, err := opener.Open(src)
	if err != nil {
		return nil, classify(err)
	}
	p := &Plain{
		Reader: &kindReader{opened}, Format: FormatAge, Armored: opened.Info.Armored,
		FileKey: opened.FileKey, KeyIndex: opened.Index, Size: -1,
	}
	if opened.Index == len(k.Age) {
		p.Label, p.Passphrase, p.KeyIndex = passphraseLabel, true, -1
	} else {
		p.Label = k.Age[opened.Index].Label
	}
	return p, nil
}

const passphraseLabel = "the passphrase"

// decryptFernet opens a token, or one within an older Zencrypt's web file.
func decryptFernet(src io.Reader, f Format, k Keys, o Options) (*Plain, error) {
	limit := o.FernetMax
	if limit <= 0 || limit > fernet.MaxMessage {
		limit = fernet.MaxMessage
	}
	// Room for base64, the token's own fields and line breaks.
	most := min(limit/3*4+limit/16+4<<10, fernet.MaxToken)
	var token []byte
	var err error
	if f == FormatLegacyWeb {
		if token, err = legacy.Unwrap(src, int(most)); err != nil {
			return nil, classify(err)
		}
	} else if token, err = io.ReadAll(io.LimitReader(src, most+1)); err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	if int64(len(token)) > most {
		return nil, classify(fernet.ErrTooLarge)
	}
	keys := make([]fernet.Key, len(k.Fernet))
	for i, named := range k.Fernet {
		keys[i] = named.Key
	}
	plain, i, err := fernet.Decrypt(token, o.FernetTTL, o.now(), keys...)
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
		Reader: bytes.NewReader(plain), Format: f,
		Label: k.Fernet[i].Label, KeyIndex: i, Size: int64(len(plain)),
	}, nil
}

// maxRSAMessage bounds an older Zencrypt's message with the line breaks that pasting may add, in bytes.
const maxRSAMessage = 8 << 10

func decryptRSA(src io.Reader, k Keys) (*Plain, error) {
	text, err := io.ReadAll(io.LimitReader(src, maxRSAMessage))
	if err != nil {
		return nil, fmt.Errorf("read input: %w", err)
	}
	keys := make([]legacy.PrivateKey, len(k.RSA))
	for i, named := range k.RSA {
		keys[i] = named.Key
	}
	plain, i, err := legacy.DecryptMessage(text, keys...)
	if errors.Is(err, legacy.ErrNoKey) && len(keys) == 0 {
		err = errRSAKeyNeeded
	}
	if err != nil {
		return nil, classify(err)
	}
	return &Plain{
		Reader: bytes.NewReader(plain), Format: FormatLegacyRSA,
		Label: k.RSA[i].Label, KeyIndex: i, Size: int64(len(plain)),
	}, nil
}

func decryptCFB(src io.Reader, k Keys) (*Plain, error) {
	pass, err := k.passphrase()
	if err != nil {
		return nil, err
	}
	if pass == "" && k.Ask == nil {
		return nil, errFilePassphraseNeeded // who was asked may have left it empty, which older versions took
	}
	plain, err := legacy.OpenCFB(src, pass)
	if err != nil {
		return nil, classify(err)
	}
	return &Plain{
		Reader: plain, Format: FormatLegacyFile, Trust: TrustNever,
		Label: passphraseLabel, Passphrase: true, KeyIndex: -1, Size: -1,
	}, nil
}

// WriteTo implements [io.WriterTo]: where content is opened on several processors it saves a copy.
func (p *Plain) WriteTo(dst io.Writer) (int64, error) { return io.Copy(dst, p.Reader) }

// kindReader gives a payload's errors this package's kind.
type kindReader struct{ src io.Reader }

func (r *kindReader) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	if err != nil && err != io.EOF {
		err = classify(err)
	}
	return n, err
}

// WriteTo implements [io.WriterTo].
func (r *kindReader) WriteTo(dst io.Writer) (int64, error) {
	n, err := io.Copy(dst, r.src)
	return n, classify(err)
}
