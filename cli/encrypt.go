package cli

import (
	"errors"
	"io"
	"os"
	"time"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/pgp"
)

type encryptCmd struct {
	Recipient      []string `name:"recipient" short:"r" sep:"none" placeholder:"KEY" help:"Encrypt to a public key: age1..., age1pq1..., 'ssh-ed25519 ...', 'ssh-rsa ...'. Can be given several times."`
	RecipientsFile []string `name:"recipients-file" short:"R" sep:"none" placeholder:"FILE" help:"Encrypt to the public keys in FILE: a list for age, one a line, or OpenPGP keys. Can be given several times."`
	Identity       []string `name:"identity" short:"i" sep:"none" placeholder:"FILE" help:"Encrypt to whoever holds the private keys in FILE, or with its Fernet key. Can be given several times."`
	Passphrase     bool     `name:"passphrase" short:"p" help:"Encrypt with a passphrase. It is asked for twice; Enter alone makes one of ten words and shows it."`
	passphrases    `embed:""`
	Format         string   `name:"format" enum:"age,pgp,fernet," default:"" placeholder:"FORMAT" help:"What a passphrase makes: age or pgp. With keys the format follows from them. Default: age."`
	SignWith       []string `name:"sign-with" sep:"none" placeholder:"KEY" help:"Also sign with the OpenPGP private key in the file KEY; only OpenPGP can. Can be given several times."`
	Armor          bool     `name:"armor" short:"a" help:"Write text that can be pasted, instead of bytes. Fernet always does."`
	results        `embed:""`
	Input          []string `arg:"" optional:"" name:"input" help:"What to encrypt: files, or folders, which become tar archives. Default: standard input."`
}

// Help is the long text of `zencrypt encrypt --help`.
func (encryptCmd) Help() string {
	return `Examples:

    zencrypt encrypt -p -o letter.age letter.txt
    zencrypt encrypt -r age1... -a < letter.txt
    zencrypt encrypt -R friends.txt -i my.key --out-dir sealed photos/ notes.txt
    zencrypt encrypt -R bob.asc --sign-with my.asc -a -o letter.asc letter.txt

The format follows from the keys: age and SSH keys make age files, OpenPGP keys make OpenPGP messages, a Fernet
key makes a Fernet token (64 MiB at most). Keys of two formats can't open one file. Everything opens with other
programs too: age -d, gpg -d, Python's cryptography.fernet.

With --out-dir each input NAME becomes NAME.age (NAME.gpg, NAME.asc or NAME.fernet), a folder NAME.tar.age; what is
there already is not replaced. With -o an existing file is replaced in the moment all was written, and stays as it
was if anything fails.

` + exitCodes
}

func (c *encryptCmd) Run(e *env) error {
	files := append(append(append([]string{}, c.RecipientsFile...), c.Identity...), c.SignWith...)
	if err := onlyOnce(c.passphrases, c.Input, files...); err != nil {
		return err
	}
	list, err := e.sources(c.Input)
	if err != nil {
		return err
	}
	target, err := c.target(e)
	if err != nil {
		return err
	}
	tasks, err := c.plan(list, func(s source) string { return s.base() + extension(s, target) })
	if err != nil {
		return err
	}
	if c.toTerminal(e) && !target.Armor && target.Fernet == nil {
		return &usageError{errors.New("write to terminal: the result is binary. Give -a for text, name a file with -o, or force it with '-o -'")}
	}
	if target.Passphrase, err = c.chosen(e); err != nil {
		return err
	}
	return e.run(tasks, func(t task) error {
		target := target
		if !t.in.folder && t.in.name != stdinName {
			target.Name = pgpName(t.in.base())
		}
		return e.deliver(t.out, outputOptions{exclusive: t.own}, func(w io.Writer) error {
			return e.encrypt(w, t.in, target)
		})
	})
}

// target reads the keys, which decide on the format.
func (c *encryptCmd) target(e *env) (crypto.Target, error) {
	private, err := e.privateKeys(c.Identity, c.passphrases)
	if err != nil {
		return crypto.Target{}, err
	}
	t, err := private.Recipients()
	if err != nil {
		return t, err
	}
	public, err := e.publicKeys(c.RecipientsFile, c.passphrases)
	if err != nil {
		return t, err
	}
	t.Recipients, t.PGP = append(t.Recipients, public.Age...), append(t.PGP, public.PGP...)
	for _, text := range c.Recipient {
		r, err := e.keyFile("-r", c.passphrases).Recipient(text)
		if err != nil {
			return t, &codeError{exitError, err}
		}
		t.Recipients = append(t.Recipients, r)
	}
	if t.Sign, err = e.signingKeys(c.SignWith, c.passphrases); err != nil {
		return t, err
	}
	t.PassphraseFormat, t.Armor = crypto.Format(c.Format), c.Armor
	t.WorkFactor, t.Workers = agefile.CommandWorkFactor, agefile.Workers()
	check := t
	if c.withPassphrase() {
		check.Passphrase = "to be chosen"
	}
	if len(t.Recipients)+len(t.PGP) == 0 && t.Fernet == nil && check.Passphrase == "" {
		return t, &usageError{errors.New("encrypt: for whom? Give a public key with -r or -R, a key file with -i, or -p for a passphrase")}
	}
	var unfit *pgp.KeyError
	if err := check.Check(time.Now()); errors.As(err, &unfit) {
		return t, err // expired or revoked: the command line is right
	} else if err != nil {
		return t, &usageError{err}
	}
	return t, nil
}

func (c *encryptCmd) withPassphrase() bool {
	return c.Passphrase || c.PassphraseFile != "" && len(c.SignWith) == 0 && len(c.Identity) == 0
}

// chosen returns the passphrase to encrypt with, if any.
func (c *encryptCmd) chosen(e *env) (string, error) {
	if !c.withPassphrase() {
		return "", nil
	}
	return c.choose(e)
}

// encrypt writes one source, a folder as an archive, encrypted to w.
func (e *env) encrypt(w io.Writer, in source, t crypto.Target) error {
	sealed, err := crypto.Encrypt(w, t, time.Now())
	if err != nil {
		return err
	}
	if in.folder {
		err = pack(sealed, in.name, func(name string, f *os.File) io.Reader { return &untilDone{ctx: e.ctx, src: f, name: name} }, e.warn)
	} else {
		err = e.copyFrom(sealed, in)
	}
	if err != nil {
		return err
	}
	return sealed.Close()
}

// copyFrom copies a source, showing how far it is.
func (e *env) copyFrom(w io.Writer, in source) error {
	src, err := e.open(in)
	if err != nil {
		return err
	}
	defer src.Close()
	r, done := e.progress(in, src)
	defer done()
	_, err = io.Copy(w, r)
	return err
}

// extension is what --out-dir appends to a name.
func extension(s source, t crypto.Target) string {
	ext := ".age"
	switch {
	case t.Fernet != nil:
		ext = ".fernet"
	case t.MakesPGP() && t.Armor:
		ext = ".asc"
	case t.MakesPGP():
		ext = ".gpg"
	}
	if s.folder {
		ext = ".tar" + ext
	}
	return ext
}

// pgpName is a file's name where OpenPGP has room for it.
func pgpName(name string) string {
	if len(name) > 255 || pgp.Display(name) != name {
		return ""
	}
	return name
}
