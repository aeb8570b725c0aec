package crypto

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"filippo.io/age"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/pgp"
)

// A Target says for whom to encrypt: a passphrase, age recipients, OpenPGP certificates or a
// Fernet key. One kind makes the format; a passphrase alone makes an age file, or by PassphraseFormat an
// OpenPGP message, which can have certificates beside it.
type Target struct {
	Passphrase string             `json:"-"`
	Recipients []age.Recipient    `json:"-"`
	PGP        []*pgp.Certificate `json:"-"`
	Fernet     *fernet.Key        `json:"-"`
	// PassphraseFormat is what a passphrase alone makes: "" or FormatAge, or FormatPGP.
	PassphraseFormat Format
	Sign             []*pgp.Key `json:"-"` // unlocked, for OpenPGP
	WorkFactor       int        // of scrypt; 0 is agefile.ServerWorkFactor
	Workers          int        // goroutines for age's content; 0 starts none
	Armor            bool       // as text; a Fernet token always is
	Name             string     // of a file, for OpenPGP: encrypted, never signed
}

// Format implements [fmt.PassphraseFormatter].
func (Target) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// pgpMemory is what an OpenPGP passphrase's iterated hash is counted as, in bytes.
const pgpMemory = 1 << 20

// Memory is what [Encrypt] needs at once for a slow hash, in bytes: for a passphrase only.
func (t Target) Memory() int64 {
	switch {
	case t.Passphrase == "":
		return 0
	case t.format() == FormatPGP:
		return pgpMemory
	}
	return agefile.WorkMemory(t.workFactor())
}

func (t Target) workFactor() int {
	if t.WorkFactor == 0 {
		return agefile.ServerWorkFactor
	}
	return t.WorkFactor
}

// format follows from the keys, where there are any.
func (t Target) format() Format {
	switch {
	case t.Fernet != nil:
		return FormatFernet
	case len(t.PGP) > 0:
		return FormatPGP
	case len(t.Recipients) > 0 || t.PassphraseFormat == "":
		return FormatAge
	}
	return t.PassphraseFormat
}

// MakesPGP tells whether the result is an OpenPGP message.
func (t Target) MakesPGP() bool { return t.format() == FormatPGP }

var (
	errNoTarget   = errors.New("encrypt: give a passphrase, a recipient or a key")
	errMixed      = errors.New("encrypt: age, OpenPGP and Fernet keys can't open one and the same file: use keys of one kind")
	errPassphrase = errors.New("encrypt: a passphrase can't stand beside keys in this format: use one or the other")
	errSignFormat = errors.New("encrypt: only OpenPGP can sign: encrypt to OpenPGP keys, or choose that format for the passphrase")
	errNoSuch     = errors.New("encrypt: a passphrase makes an age file or an OpenPGP message; Fernet needs a key")
)

// Check tells whether [Encrypt] would take the target, before there is any content.
func (t Target) Check(now time.Time) error {
	var kinds int
	for _, given := range []bool{len(t.Recipients) > 0, len(t.PGP) > 0, t.Fernet != nil} {
		if given {
			kinds++
		}
	}
	f := t.format()
	switch {
	case kinds == 0 && t.Passphrase == "":
		return errNoTarget
	case kinds > 1:
		return errMixed
	case t.Passphrase != "" && kinds == 1 && f != FormatPGP:
		return errPassphrase
	case kinds == 1 && t.PassphraseFormat != "" && t.PassphraseFormat != f:
		return fmt.Errorf("encrypt: these keys make the format %s, not %s", f, t.PassphraseFormat)
	case f != FormatAge && f != FormatPGP && t.Fernet == nil:
		return errNoSuch
	case len(t.Sign) > 0 && f != FormatPGP:
		return errSignFormat
	case f == FormatPGP:
		return t.pgp(now).Check()
	case len(t.Recipients) > 0:
		return agefile.Check(t.Recipients...)
	}
	return nil
}

func (t Target) pgp(now time.Time) pgp.EncryptOptions {
	o := pgp.EncryptOptions{To: t.PGP, Sign: t.Sign, Armor: t.Armor, Name: t.Name, Now: func() time.Time { return now }}
	if t.Passphrase != "" {
		o.Passphrases = []string{t.Passphrase}
	}
	return o
}

// Encrypt returns a writer whose input goes to dst encrypted; Close completes it and does
// not close dst. Age files and OpenPGP messages are written as the input comes. A Fernet token, with
// the time now in it, is held back until Close, and input beyond 64 MiB is refused with
// [ErrTooLarge]. Without Close, or after an error, what stands in dst must be thrown away.
func Encrypt(dst io.Writer, t Target, now time.Time) (io.WriteCloser, error) {
	if err := t.Check(now); err != nil {
		return nil, err
	}
	switch t.format() {
	case FormatFernet:
		return &fernetWriter{dst: dst, key: *t.Fernet, now: now}, nil
	case FormatPGP:
		return pgp.Encrypt(dst, t.pgp(now))
	}
	recipients := t.Recipients
	if t.Passphrase != "" {
		r, err := agefile.PassphraseRecipient(t.Passphrase, t.workFactor())
		if err != nil {
			return nil, err
		}
		recipients = []age.Recipient{r}
	}
	return agefile.EncryptParallel(dst, t.Armor, t.Workers, recipients...)
}

// fernetWriter collects the message that a token encrypts as one.
type fernetWriter struct {
	dst    io.Writer
	key    fernet.Key
	now    time.Time
	buf    bytes.Buffer
	closed bool
	err    error
}

func (w *fernetWriter) Write(p []byte) (int, error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case w.closed:
		return 0, errors.New("encrypt fernet token: it is closed already")
	case len(p) > fernet.MaxMessage-w.buf.Len():
		w.err = classify(fernet.ErrTooLarge)
		w.buf = bytes.Buffer{}
		return 0, w.err
	}
	return w.buf.Write(p)
}

// Close writes the token. A second Close does nothing.
func (w *fernetWriter) Close() error {
	if w.err != nil || w.closed {
		return w.err
	}
	w.closed = true
	token, err := fernet.Encrypt(w.key, w.buf.Bytes(), w.now)
	w.buf = bytes.Buffer{}
	if err == nil {
		_, err = w.dst.Write(token)
	}
	w.err = err
	return err
}
