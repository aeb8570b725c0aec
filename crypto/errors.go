package crypto

import (
	"errors"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
)

// The kinds of error, for [errors.Is]. Their own texts are rarely shown: the error that
// carries a kind says more.
var (
	ErrFormat          = errors.New("this is not an input that can be read")
	ErrNoKey           = errors.New("no key fits")
	ErrWrongPassphrase = errors.New("wrong passphrase")
	ErrDamaged         = errors.New("the input is damaged, cut short or was changed")
	ErrTooLarge        = errors.New("the input is too large for its format")
	ErrRefused         = errors.New("the input asks for more work than is accepted")
	ErrExpired         = errors.New("the token is not valid at this time")
)

var (
	errUnknown         = &kindError{kind: ErrFormat, err: errors.New("decrypt: this is neither an age file nor a Fernet token")}
	errEmpty           = &kindError{kind: ErrFormat, err: errors.New("decrypt: the input is empty")}
	errFernetKeyNeeded = &kindError{kind: ErrNoKey, err: errors.New("open fernet token: a Fernet key is needed; a passphrase or an age key does not open it")}
)

// A kindError adds a kind to an error and leaves its text.
type kindError struct{ kind, err error }

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }

// classify gives an error of the packages below its kind. Others, such as a lost
// connection's, stay as they are.
func classify(err error) error {
	var kind error
	var noKey *agefile.NoKeyError
	var has *kindError
	switch {
	case err == nil || errors.As(err, &has):
		return err
	case errors.As(err, &noKey) && noKey.Wrong():
		kind = ErrWrongPassphrase
	case noKey != nil, errors.Is(err, fernet.ErrNoKey):
		kind = ErrNoKey
	case errors.Is(err, agefile.ErrTooManyStanzas), errors.Is(err, agefile.ErrTooManyAttempts), errors.Is(err, agefile.ErrWorkFactor):
		kind = ErrRefused
	case errors.Is(err, agefile.ErrDamaged):
		kind = ErrDamaged
	case errors.Is(err, agefile.ErrFormat), errors.Is(err, fernet.ErrFormat):
		kind = ErrFormat
	case errors.Is(err, fernet.ErrTooLarge):
		kind = ErrTooLarge
	case errors.Is(err, fernet.ErrExpired):
		kind = ErrExpired
	default:
		return err
	}
	return &kindError{kind: kind, err: err}
}

// NeedsPassphrase tells whether an input could not be opened because it is encrypted with a
// passphrase, and none or a wrong one was given.
func NeedsPassphrase(err error) bool {
	var noKey *agefile.NoKeyError
	return errors.As(err, &noKey) && noKey.Passphrase
}
