package cli

import (
	"errors"
	"fmt"
	"strings"

	"zencrypt/crypto/password"
)

type passwordCmd struct {
	Hash   passwordHashCmd   `cmd:"" help:"Make a password string."`
	Verify passwordVerifyCmd `cmd:"" help:"Tell whether a password string was made from a password."`
}

// Help is the long text of `zencrypt password --help`.
func (passwordCmd) Help() string {
	return `Password strings are what other programs keep instead of passwords. Zencrypt's own accounts use something else.

` + exitCodes
}

type passwordHashCmd struct {
	Method      string `name:"method" enum:"argon2id,bcrypt,scrypt,pbkdf2-sha256" default:"argon2id" placeholder:"METHOD" help:"argon2id, bcrypt, scrypt or pbkdf2-sha256. Default: argon2id."`
	passphrases `embed:""`
}

// Help is the long text of `zencrypt password hash --help`.
func (passwordHashCmd) Help() string {
	return `The password is asked for twice without showing it, or read from the first line of --passphrase-file. The string
goes to standard output: $argon2id$ and $2b$ as every library reads them, $scrypt$ and $pbkdf2-sha256$ as Python's passlib
does. bcrypt takes passwords of 72 bytes at most, and longer ones are refused.

` + exitCodes
}

func (c *passwordHashCmd) Run(e *env) error {
	pass, err := c.choose(e)
	if err != nil {
		return err
	}
	s, err := password.HashString(password.Method(c.Method), pass, password.DefaultStringCosts())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.stdout, s)
	return err
}

type passwordVerifyCmd struct {
	HashFile    string `name:"hash-file" default:"-" placeholder:"FILE" help:"Read the password string from FILE. Default: standard input."`
	passphrases `embed:""`
}

// Help is the long text of `zencrypt password verify --help`.
func (passwordVerifyCmd) Help() string {
	return `Reads a password string: argon2id, bcrypt, scrypt and PBKDF2 in the forms of 'password hash', passlib's $pbkdf2$ and
$pbkdf2-sha512$, and Werkzeug's scrypt: and pbkdf2: of Python's Flask. It is read from a file or standard input, since
arguments can be seen by other users. One that is weaker than what is made today is said to be so. A password that
does not fit ends with exit code 3.

` + exitCodes
}

func (c *passwordVerifyCmd) Run(e *env) error {
	if err := onlyOnce(c.passphrases, []string{"none"}, c.HashFile); err != nil {
		return err
	}
	data, err := e.readSmall(c.HashFile, 4<<10)
	if err != nil {
		return err
	}
	s := strings.TrimSpace(string(data))
	info, err := password.InspectString(s)
	if err != nil {
		if errors.Is(err, password.ErrString) {
			err = &codeError{exitFormat, err}
		}
		return err
	}
	pass, err := c.ask(e, "Password")
	if err != nil {
		return err
	}
	ok, err := password.VerifyString(pass, s)
	if err != nil {
		return err
	}
	if info.Weak != "" {
		e.warn("the string is weaker than what is made today: " + info.Weak)
	}
	if !ok {
		return &codeError{exitNoKey, errors.New("verify password: it is another one")}
	}
	_, err = fmt.Fprintf(e.stdout, "The password fits (%s).\n", info.Method)
	return err
}
