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
)

// A Target says for whom to encrypt: exactly one of a passphrase, recipients or a Fernet
// key. The first two make an age file.
type Target struct {
	Passphrase string          `json:"-"`
	Recipients []age.Recipient `json:"-"`
	Fernet     *fernet.Key     `json:"-"`
	WorkFactor int             // of scrypt; 0 is agefile.ServerWorkFactor
	Armor      bool            // age as text; a Fernet token always is
}

// Format implements [fmt.Formatter].
func (Target) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// Memory is what [Encrypt] needs at once for a slow hash, in bytes: for a passphrase only.
func (t Target) Memory() int64 {
	if t.Passphrase == "" {
		return 0
	}
	return agefile.WorkMemory(t.workFactor())
}

func (t Target) workFactor() int {
	if t.WorkFactor == 0 {
		return agefile.ServerWorkFactor
	}
	return t.WorkFactor
}

var (
	errNoTarget  = errors.New("encrypt: give a passphrase, a recipient or a key")
	errTwoTarget = errors.New("encrypt: a passphrase, recipients and a Fernet key cannot be used together")
)

// Encrypt returns a writer whose input goes to dst encrypted; Close completes it and does
// not close dst. An age file is written as the input comes. A Fernet token, with the time
// now in it, is held back until Close, and input beyond 64 MiB is refused with
// [ErrTooLarge]. Without Close, or after an error, what stands in dst must be thrown away.
func Encrypt(dst io.Writer, t Target, now time.Time) (io.WriteCloser, error) {
	var kinds int
	for _, given := range []bool{t.Passphrase != "", len(t.Recipients) > 0, t.Fernet != nil} {
		if given {
			kinds++
		}
	}
	switch {
	case kinds == 0:
		return nil, errNoTarget
	case kinds > 1:
		return nil, errTwoTarget
	case t.Fernet != nil:
		return &fernetWriter{dst: dst, key: *t.Fernet, now: now}, nil
	}
	recipients := t.Recipients
	if t.Passphrase != "" {
		r, err := agefile.PassphraseRecipient(t.Passphrase, t.workFactor())
		if err != nil {
			return nil, err
		}
		recipients = []age.Recipient{r}
	}
	return agefile.Encrypt(dst, t.Armor, recipients...)
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
