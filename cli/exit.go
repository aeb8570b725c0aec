package cli

import (
	"errors"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/pgp"
)

// Exit codes, as DESIGN lists them for every command.
const (
	exitDone    = 0
	exitError   = 1
	exitUsage   = 2
	exitNoKey   = 3
	exitDamaged = 4
	exitFormat  = 5
)

// exitCodes is part of the help of every command.
const exitCodes = `Exit codes:

    0  done; of 'serve': ended by SIGTERM or Ctrl+C
    1  failed, with one line on standard error that says why
    2  wrong usage, or a setting that can't be used
    3  no key fits, or the passphrase is wrong
    4  the input is damaged or forged
    5  the input is not of a known format, or malformed`

// usageError is a command line that can't be right, whatever the state of things.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// codeError gives an error an exit code that its kind does not say.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

// exitCode goes by the kind of an error.
func exitCode(err error) int {
	var usage *usageError
	var coded *codeError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, crypto.ErrNoKey), wrongPassphrase(err):
		return exitNoKey
	case errors.Is(err, crypto.ErrDamaged):
		return exitDamaged
	case errors.Is(err, crypto.ErrFormat):
		return exitFormat
	}
	return exitError
}

// wrongPassphrase tells whether a passphrase was asked for, of an input or of a private key, and is another.
func wrongPassphrase(err error) bool {
	return errors.Is(err, crypto.ErrWrongPassphrase) || errors.Is(err, agefile.ErrKeyPassphrase) || errors.Is(err, pgp.ErrWrongPassphrase)
}
