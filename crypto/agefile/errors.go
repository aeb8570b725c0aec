package agefile

import (
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

var (
	// ErrFormat is returned for what is not an age file of version 1.
	ErrFormat = errors.New("open age file: this is not an age file")
	// ErrDamaged is returned when a file was changed, cut short or added to. What was read before it is authentic.
	ErrDamaged = errors.New("open age file: it is damaged, cut short or was changed")
	// ErrArmor, ErrHeader, ErrMAC and ErrPayload tell which part of a file is damaged; each comes with [ErrDamaged].
	ErrArmor   = errors.New("open age file: its armor is damaged")
	ErrHeader  = errors.New("open age file: its header is malformed")
	ErrMAC     = errors.New("open age file: its header was changed")
	ErrPayload = errors.New("open age file: its content is damaged")
	// ErrArmored is returned by [OpenAt]: text has no offsets to read from.
	ErrArmored = errors.New("open age file at an offset: it is armored; read it from its beginning or remove the armor first")
	// ErrTooManyStanzas is returned before any identity is tried.
	ErrTooManyStanzas = fmt.Errorf("open age file: it names more than the %d recipients that are accepted", MaxStanzas)
	// ErrTooManyAttempts is returned when none of the first identities fits and trying more would cost too much.
	ErrTooManyAttempts = fmt.Errorf("open age file: too many keys for its recipients, give the one key that fits (at most %d combinations are tried)", MaxAttempts)
	// ErrWorkFactor is returned, before any work, for a passphrase file that asks for more than is accepted.
	ErrWorkFactor = errors.New("open age file: its passphrase needs more work than is accepted")
	// ErrNoRecipient is returned by [Encrypt] when nobody could open the file.
	ErrNoRecipient = errors.New("encrypt file: no recipient given")
	// ErrManyRecipients is returned by [Encrypt] for more recipients than [Open] accepts.
	ErrManyRecipients = fmt.Errorf("encrypt file: there are more public keys than the %d a file may have", MaxStanzas)
	// ErrMixed is returned by [Encrypt] for recipients that age keeps apart.
	ErrMixed = errors.New("encrypt file: a passphrase stands alone, and post-quantum keys (age1pq1) and other keys cannot be used in one file")
)

// A NoKeyError says that the file is whole as far as can be told and that none of the
// identities opens it.
type NoKeyError struct {
	Passphrase      bool     // the file is encrypted with a passphrase
	Stanzas         []string // types of its recipients
	Tried           int      // identities other than passphrases that were given
	TriedPassphrase bool
}

// Wrong tells whether the one possible kind of key was given and did not fit because it is
// the wrong passphrase.
func (e *NoKeyError) Wrong() bool { return e.Passphrase && e.TriedPassphrase }

func (e *NoKeyError) Error() string {
	switch {
	case e.Wrong():
		return "open age file: wrong passphrase"
	case e.Passphrase:
		return "open age file: it is encrypted with a passphrase, which is needed"
	case e.Tried == 0 && e.TriedPassphrase:
		return "open age file: it is encrypted to " + e.recipients() + ", not with a passphrase: a private key is needed"
	case e.Tried == 0:
		return "open age file: it is encrypted to " + e.recipients() + ": a private key is needed"
	case e.Tried == 1:
		return "open age file: the key does not fit, it is encrypted to " + e.recipients()
	}
	return fmt.Sprintf("open age file: none of %d keys fits, it is encrypted to %s", e.Tried, e.recipients())
}

func (e *NoKeyError) recipients() string {
	if len(e.Stanzas) == 1 {
		return "a public key"
	}
	return fmt.Sprintf("%d public keys", len(e.Stanzas))
}

func noKey(info Info, ids []age.Identity) *NoKeyError {
	e := &NoKeyError{Passphrase: info.Passphrase, Stanzas: info.Stanzas}
	for _, id := range ids {
		switch id.(type) {
		case *Passphrase, *age.ScryptIdentity:
			e.TriedPassphrase = true
		default:
			e.Tried++
		}
	}
	return e
}

// damagedError carries what age said for logs, and shows a person the place instead.
type damagedError struct {
	detail string
	part   error // ErrArmor, ErrHeader, ErrMAC or ErrPayload
	err    error
}

func (e *damagedError) Error() string   { return ErrDamaged.Error() + ": " + e.detail }
func (e *damagedError) Unwrap() []error { return []error{ErrDamaged, e.part, e.err} }

// damagedPart classifies an error of age or of the armor: the source's own failure stays what
// it is, and what is known to be damage too; all else is damage of this part.
func damagedPart(err, part error, detail string) error {
	var failed *readError
	if errors.As(err, &failed) {
		return failed
	}
	if errors.Is(err, ErrDamaged) {
		return err
	}
	return &damagedError{detail: detail, part: part, err: err}
}

// A readError marks a failure of the source, so that a lost connection is not called damage.
type readError struct{ err error }

func (e *readError) Error() string { return "read age file: " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// mark wraps the errors of src in [readError]; io.EOF passes.
func mark(src io.Reader) io.Reader { return &marked{src} }

type marked struct{ src io.Reader }

func (m *marked) Read(p []byte) (int, error) {
	n, err := m.src.Read(p)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	return n, err
}

// reader gives payload errors their type and place.
type reader struct {
	src io.Reader
	n   int64
	err error
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.src.Read(p)
	r.n += int64(n)
	if err != nil && err != io.EOF {
		err = damagedPart(err, ErrPayload, fmt.Sprintf("only the first %d bytes of its content are whole", r.n))
	}
	r.err = err
	return n, err
}
