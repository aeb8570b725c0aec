package crypto

import (
	"errors"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/legacy"
	"zencrypt/crypto/pgp"
)

// The kinds of error, for [errors.Is]. Their own texts are rarely shown: the error that
// carries a kind says more.
var (
	ErrFormat          = errors.New("this is not an input that can be read")
	ErrNoKey           = errors.New("no key fits")
	ErrWrongPassphrase = errors.New("wrong passphrase")
	ErrDamaged         = errors.New("the input is damaged, cut short or was changed")
	ErrTooLarge        = errors.New("the input is too large for its format")
	ErrRefused         = errors.New("the input asks for more than is accepted")
	ErrExpired         = errors.New("the token is not valid at this time")
)

var (
	errUnknown              = &kindError{kind: ErrFormat, err: errors.New("decrypt: this is neither an age file, an OpenPGP message nor a Fernet token")}
	errEmpty                = &kindError{kind: ErrFormat, err: errors.New("decrypt: the input is empty")}
	errFernetKeyNeeded      = &kindError{kind: ErrNoKey, err: errors.New("open fernet token: a Fernet key is needed; a passphrase or an age key does not open it")}
	errRSAKeyNeeded         = &kindError{kind: ErrNoKey, err: errors.New("open older zencrypt message: the RSA private key (PEM) that it was made for is needed")}
	errFilePassphraseNeeded = &kindError{kind: ErrNoKey, err: errors.New("open older zencrypt file: its passphrase is needed")}
)

// A kindError adds a kind to an error and leaves its text.
type kindError struct{ kind, err error }

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }

// kinds says which of the packages' errors are of which kind. The first that fits counts.
var kinds = []struct {
	kind error
	errs []error
}{
	{ErrNoKey, []error{fernet.ErrNoKey, legacy.ErrNoKey}},
	{ErrRefused, []error{agefile.ErrTooManyStanzas, agefile.ErrTooManyAttempts, agefile.ErrWorkFactor, pgp.ErrRefused, pgp.ErrUnprotected, pgp.ErrWeak}},
	{ErrDamaged, []error{agefile.ErrDamaged, pgp.ErrDamaged, legacy.ErrDamaged}},
	{ErrTooLarge, []error{fernet.ErrTooLarge, pgp.ErrTooLarge, legacy.ErrTooLarge}},
	{ErrFormat, []error{agefile.ErrFormat, fernet.ErrFormat, pgp.ErrFormat, pgp.ErrNotEncrypted, legacy.ErrFormat}},
	{ErrExpired, []error{fernet.ErrExpired}},
}

// classify gives an error of the packages below its kind. Others, such as a lost
// connection's, stay as they are.
func classify(err error) error {
	var noAge *agefile.NoKeyError
	var noPGP *pgp.NoKeyError
	var has *kindError
	switch {
	case err == nil || errors.As(err, &has):
		return err
	case errors.As(err, &noAge) && noAge.Wrong(), errors.As(err, &noPGP) && noPGP.Wrong():
		return &kindError{kind: ErrWrongPassphrase, err: err}
	case noAge != nil, noPGP != nil:
		return &kindError{kind: ErrNoKey, err: err}
	}
	for _, k := range kinds {
		for _, target := range k.errs {
			if errors.Is(err, target) {
				return &kindError{kind: k.kind, err: err}
			}
		}
	}
	return err
}

// NeedsPassphrase tells whether an input could not be opened because a passphrase opens it, or a private
// key that was given, and none or a wrong one was given.
func NeedsPassphrase(err error) bool {
	var noAge *agefile.NoKeyError
	var noPGP *pgp.NoKeyError
	switch {
	case errors.As(err, &noAge):
		return noAge.Passphrase
	case errors.As(err, &noPGP):
		return noPGP.Passphrase || noPGP.Locked
	}
	return errors.Is(err, errFilePassphraseNeeded)
}
