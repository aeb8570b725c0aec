package pgp

import (
	"errors"
	"fmt"
	"io"
)

var (
	// ErrFormat is returned for what is not an OpenPGP object of the kind that was asked for.
	ErrFormat = errors.New("read OpenPGP: this is not an input of that kind")
	// ErrDamaged is returned when an input was changed, cut short or added to.
	ErrDamaged = errors.New("read OpenPGP: it is damaged, cut short or was changed")
	// ErrRefused is returned, before the work, for an input that asks for more work than is accepted.
	ErrRefused = errors.New("read OpenPGP: it asks for more work than is accepted")
	// ErrTooLarge is returned when content unpacks to more, or is longer, than is accepted.
	ErrTooLarge = errors.New("read OpenPGP: it is larger than is accepted")
	// ErrUnprotected is returned for a message without integrity protection (packet type 9), which anybody can change unseen.
	ErrUnprotected = errors.New("open message: it has no integrity protection, anybody could have changed it: ask its sender for a newer format")
	// ErrNotEncrypted is returned by [Open] for a message that is only signed or packed.
	ErrNotEncrypted = errors.New("open message: it is not encrypted")
	// ErrPassphrase is returned for an empty or overlong passphrase.
	ErrPassphrase = errors.New("use passphrase: it is empty or longer than 1,024 bytes")
	// ErrNoRecipient is returned by [Encrypt] when nobody could open the message.
	ErrNoRecipient = errors.New("encrypt message: no recipient given")

	// ErrKeys is returned for an input in which no key, or one that cannot be read, was found.
	ErrKeys = errors.New("read keys")
	// ErrPrivateKey is returned where a public key was expected. The text is not repeated.
	ErrPrivateKey = errors.New("read public keys: this is a private key, which must stay with its owner: give the public one")
	// ErrPublicKey is returned where a private key was expected.
	ErrPublicKey = errors.New("read private keys: this is a public key: the private one begins with BEGIN PGP PRIVATE KEY BLOCK")
	// ErrLocked is returned when a private key is needed that is locked with a passphrase.
	ErrLocked = errors.New("use private key: it is locked with a passphrase, which is needed")
	// ErrWrongPassphrase is returned by [Key.Unlock], and is what a [*NoKeyError] is when a passphrase was given in vain.
	ErrWrongPassphrase = errors.New("wrong passphrase")
	// ErrUserID is returned for a name or an e-mail address that cannot stand in a key.
	ErrUserID = errors.New("make key: a name or e-mail address may not hold control characters or any of ()<>, and has at most 254 bytes")

	// ErrKeyExpired, ErrKeyRevoked, ErrWeak, ErrCannotEncrypt and ErrCannotSign are why a key cannot be used: see [KeyError].
	ErrKeyExpired    = errors.New("it has expired")
	ErrKeyRevoked    = errors.New("it was revoked")
	ErrWeak          = errors.New("it is too weak")
	ErrCannotEncrypt = errors.New("it cannot be encrypted to")
	ErrCannotSign    = errors.New("it cannot sign")
	ErrKeyInvalid    = errors.New("it has no valid self-signature")
)

// A KeyError says why a key cannot be used. Under [errors.Is] it is one of [ErrKeyExpired],
// [ErrKeyRevoked], [ErrWeak], [ErrCannotEncrypt], [ErrCannotSign] and [ErrKeyInvalid].
type KeyError struct {
	Fingerprint string
	Kind        error
	Detail      string // more words, may be empty
}

func (e *KeyError) Error() string {
	s := "use key " + e.Fingerprint + ": " + e.Kind.Error()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

func (e *KeyError) Unwrap() error { return e.Kind }

// A NoKeyError says that none of the keys and passphrases opens a message. A changed
// session-key packet looks like one for somebody else, and so is this error too.
type NoKeyError struct {
	Passphrase      bool     // the message can be opened with a passphrase
	Recipients      []string // key ids it is encrypted to, in hexadecimal; "anonymous" for one that hides
	Tried           int      // private keys that were given
	TriedPassphrase bool
	Locked          bool // a key that might fit is locked, and no passphrase given unlocks it
}

// Wrong tells whether a passphrase was asked for, and the one given was not right. With the
// older MDC and no encrypted session key this cannot be told from damage to the first bytes.
func (e *NoKeyError) Wrong() bool {
	return e.TriedPassphrase && (e.Locked || e.Passphrase && len(e.Recipients) == 0)
}

// Is makes a NoKeyError for which [NoKeyError.Wrong] holds an [ErrWrongPassphrase], and any
// other with a locked key an [ErrLocked].
func (e *NoKeyError) Is(target error) bool {
	return target == ErrWrongPassphrase && e.Wrong() || target == ErrLocked && e.Locked && !e.TriedPassphrase
}

func (e *NoKeyError) Error() string {
	switch {
	case e.Wrong():
		return "open message: wrong passphrase"
	case e.Locked:
		return "open message: the private key is locked with a passphrase, which is needed"
	case e.Passphrase && len(e.Recipients) == 0:
		return "open message: it is encrypted with a passphrase, which is needed"
	case e.Tried == 0 && !e.TriedPassphrase && !e.Passphrase:
		return "open message: it is encrypted to " + e.recipients() + ": a private key is needed"
	case e.Tried == 0 && !e.Passphrase:
		return "open message: it is encrypted to " + e.recipients() + ", not with a passphrase: a private key is needed"
	case e.Passphrase:
		return "open message: neither a key nor a passphrase that was given fits, it is encrypted to " + e.recipients() + " and a passphrase"
	case e.Tried == 1:
		return "open message: the key does not fit, it is encrypted to " + e.recipients()
	}
	return fmt.Sprintf("open message: none of %d keys fits, it is encrypted to %s", e.Tried, e.recipients())
}

func (e *NoKeyError) recipients() string {
	switch len(e.Recipients) {
	case 0:
		return "nobody"
	case 1:
		return "the public key " + e.Recipients[0]
	}
	return fmt.Sprintf("%d public keys", len(e.Recipients))
}

// kindError is a sentinel with more words, and with what go-crypto said for logs.
type kindError struct {
	kind   error
	detail string
	err    error
}

func (e *kindError) Error() string {
	if e.kind == ErrFormat {
		return "read OpenPGP: " + e.detail // says what was expected
	}
	return e.kind.Error() + ": " + e.detail
}
func (e *kindError) Unwrap() []error {
	if e.err == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.err}
}

func fail(kind error, format string, args ...any) error {
	return &kindError{kind: kind, detail: fmt.Sprintf(format, args...)}
}

// known are the errors that already say what happened.
var known = []error{ErrFormat, ErrDamaged, ErrRefused, ErrTooLarge, ErrUnprotected, ErrNotEncrypted, ErrKeys, ErrPrivateKey, ErrPublicKey}

// damaged classifies an error of go-crypto: ours and the source's own failure stay what
// they are, all else is damage.
func damaged(err error, detail string) error {
	var failed *readError
	if errors.As(err, &failed) {
		return failed
	}
	for _, k := range known {
		if errors.Is(err, k) {
			return err
		}
	}
	return &kindError{kind: ErrDamaged, detail: detail, err: err}
}

// A readError marks a failure of the source, so that a lost connection is not called damage.
type readError struct{ err error }

func (e *readError) Error() string { return "read OpenPGP: " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// source reads for go-crypto, which swallows errors at times: the first one is kept, comes
// again at every later read, and can be asked for at the end. io.EOF passes.
type source struct {
	src io.Reader
	err error
	n   int64
}

func newSource(src io.Reader) *source {
	if s, ok := src.(*source); ok {
		return s
	}
	return &source{src: src}
}

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.src.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF {
		err = &readError{err}
	}
	s.err = err
	return n, err
}

// failed returns what the source died of, or nil.
func (s *source) failed() error {
	if s.err == io.EOF {
		return nil
	}
	return s.err
}
