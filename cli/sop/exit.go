package sop

import (
	"errors"
	"fmt"

	"zencrypt/crypto/pgp"
)

// A Code is an exit code.
type Code int

// The exit codes that are used, as the draft's section on failure modes lists them.
const (
	Success                  Code = 0
	UnspecifiedFailure       Code = 1
	NoSignature              Code = 3   // no acceptable signature was found
	UnsupportedAsymmetric    Code = 13  // a key's algorithm is not supported
	CertCannotEncrypt        Code = 17  // expired, revoked, or not for that
	MissingArg               Code = 19  // a required argument is missing
	IncompleteVerification   Code = 23  // decrypt is told to verify by halves
	CannotDecrypt            Code = 29  // no key fits, or the message is damaged
	PasswordNotHumanReadable Code = 31  // a new password is no UTF-8, or can't be typed
	UnsupportedOption        Code = 37  // an option, or its value
	BadData                  Code = 41  // not what was expected
	ExpectedText             Code = 53  // text has to be UTF-8
	OutputExists             Code = 59  // an output's file is there
	MissingInput             Code = 61  // an input's file is not there
	KeyIsProtected           Code = 67  // a key is locked, and no password given unlocks it
	UnsupportedSubcommand    Code = 69  //
	UnsupportedSpecialPrefix Code = 71  // neither @ENV: nor @FD:, or not for this
	AmbiguousInput           Code = 73  // a file is called like the designator
	KeyCannotSign            Code = 79  // expired, revoked, or not for that
	IncompatibleOptions      Code = 83  //
	UnsupportedProfile       Code = 89  //
	PrimaryKeyBad            Code = 103 // the primary key is too weak
	CertUserIDNoMatch        Code = 107 // no certificate has the user id, rightly
	KeyCannotCertify         Code = 109 // expired, revoked, or not for that
)

// A failure is an error with its exit code.
type failure struct {
	code Code
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// fail makes a failure of a text. With %w in it, errors.As still finds what is wrapped.
func fail(c Code, format string, args ...any) error {
	return &failure{code: c, err: fmt.Errorf(format, args...)}
}

// with gives an error its exit code, unless it is nil.
func with(c Code, err error) error {
	if err == nil {
		return nil
	}
	return &failure{code: c, err: err}
}

// code goes by the kind of an error.
func code(err error) Code {
	var f *failure
	switch {
	case err == nil:
		return Success
	case errors.As(err, &f):
		return f.code
	case errors.Is(err, pgp.ErrLocked), errors.Is(err, pgp.ErrWrongPassphrase):
		return KeyIsProtected
	case isBad(err):
		return BadData
	}
	return UnspecifiedFailure
}

// isBad tells whether an input is at fault, and not the machine.
func isBad(err error) bool {
	for _, kind := range []error{
		pgp.ErrFormat, pgp.ErrDamaged, pgp.ErrRefused, pgp.ErrTooLarge, pgp.ErrKeys,
		pgp.ErrPrivateKey, pgp.ErrPublicKey, pgp.ErrNotEncrypted, pgp.ErrUnprotected,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// signing gives the errors of signing with a key their exit codes.
func signing(err error) error {
	var k *pgp.KeyError
	if errors.As(err, &k) {
		return with(KeyCannotSign, err)
	}
	return err
}
