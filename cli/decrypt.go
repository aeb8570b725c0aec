package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/pgp"
)

type decryptCmd struct {
	Identity    []string `name:"identity" short:"i" sep:"none" placeholder:"FILE" help:"Decrypt with the private keys in FILE: age, SSH, OpenPGP, Fernet, or an older Zencrypt's RSA key. Can be given several times."`
	passphrases `embed:""`
	TTL         int64    `name:"ttl" placeholder:"SECONDS" help:"Refuse a Fernet token that is older than this."`
	Format      string   `name:"format" enum:"auto,age,pgp,fernet,legacy-file" default:"auto" placeholder:"FORMAT" help:"auto, age, pgp, fernet, or legacy-file for what an older Zencrypt's command line wrote, which nothing can recognise or check."`
	VerifyWith  []string `name:"verify-with" sep:"none" placeholder:"CERT" help:"Check OpenPGP signatures against the public keys in the file CERT. Can be given several times."`
	Unprotected bool     `name:"allow-unprotected" help:"Also decrypt OpenPGP messages without integrity protection: anybody could have changed them."`
	Extract     bool     `name:"extract" short:"x" help:"Unpack what was decrypted, a tar archive, into --out-dir."`
	results     `embed:""`
	Input       []string `arg:"" optional:"" name:"input" help:"What to decrypt. Default: standard input."`
}

// Help is the long text of `zencrypt decrypt --help`.
func (decryptCmd) Help() string {
	return `Examples:

    zencrypt decrypt -o letter.txt letter.age
    zencrypt decrypt -i my.key < letter.age > letter.txt
    zencrypt decrypt -i my.key --out-dir plain sealed/*.age
    zencrypt decrypt -i my.key -x --out-dir plain photos.tar.age

The format is recognised, and the key that fits is found; a passphrase is asked for when one is needed. Nothing
that was not authenticated is written: age files are authenticated as they go, so that standard output holds a
whole beginning of a file that turns out to be damaged. An OpenPGP message of the usual kind is authenticated
only at its end, so that a file is read twice, and from a pipe the result goes to -o.

With --out-dir each input's name loses its ending (.age, .gpg, .pgp, .asc, .fernet, .enc, .b64); what is there already is
not replaced. With -o an existing file is replaced in the moment all was checked, and stays as it was if
anything fails. Signatures are told on standard error; a bad one is an error.

` + exitCodes
}

func (c *decryptCmd) Run(e *env) error {
	if err := onlyOnce(c.passphrases, c.Input, append(append([]string{}, c.Identity...), c.VerifyWith...)...); err != nil {
		return err
	}
	switch {
	case c.Extract && c.OutDir == "":
		return &usageError{errors.New("unpack: name the folder with --out-dir")}
	case c.TTL < 0:
		return &usageError{errors.New("use --ttl: it is a number of seconds from 1 on")}
	}
	list, err := e.sources(c.Input)
	if err != nil {
		return err
	}
	for _, in := range list {
		if in.folder {
			return &usageError{fmt.Errorf("decrypt %s: it is a folder; name the files in it", in.name)}
		}
	}
	tasks, err := c.plan(list, plainName)
	if err != nil {
		return err
	}
	keys, err := e.privateKeys(c.Identity, c.passphrases)
	if err != nil {
		return err
	}
	opt, err := c.options(e)
	if err != nil {
		return err
	}
	return e.run(tasks, func(t task) error {
		keys := keys
		keys.Ask = c.asker(e, t.in)
		d := &decryption{env: e, in: t.in, keys: keys, opt: opt}
		if c.Extract {
			return e.deliverFolder(c.OutDir, func(into string) error { return d.extract(into) })
		}
		return e.deliver(t.out, outputOptions{inputs: names(list), exclusive: t.own}, func(w io.Writer) error {
			if c.toTerminal(e) {
				w = textOnly{w}
			}
			return d.write(w, t.out == "" || t.out == stdinName)
		})
	})
}

func (c *decryptCmd) options(e *env) (crypto.Options, error) {
	o := crypto.Options{
		MaxWorkFactor: agefile.CommandMaxWorkFactor, Strict: true, Workers: agefile.Workers(),
		FernetTTL: time.Duration(c.TTL) * time.Second, Unprotected: c.Unprotected,
	}
	if c.Format != "auto" {
		o.Format = crypto.Format(c.Format)
	}
	var err error
	o.Verify, err = e.certificates(c.VerifyWith)
	return o, err
}

// asker asks for the passphrase of an input. Without a terminal the answer is that no key fits, and what would.
func (c *decryptCmd) asker(e *env, in source) func() (string, error) {
	return func() (string, error) {
		pass, err := c.ask(e, "Passphrase for "+pgp.Display(in.base()))
		var usage *usageError
		if errors.As(err, &usage) {
			err = &codeError{exitNoKey, fmt.Errorf("decrypt: a passphrase is needed. %s", instead)}
		}
		return pass, err
	}
}

// A decryption opens one input.
type decryption struct {
	*env
	in   source
	keys crypto.Keys
	opt  crypto.Options
}

// write writes what the input holds. To a stream nothing goes that could turn out to be forged.
func (d *decryption) write(w io.Writer, stream bool) error {
	src, err := d.open(d.in)
	if err != nil {
		return err
	}
	defer src.Close()
	r, done := d.progress(d.in, src)
	defer done()
	plain, err := crypto.Decrypt(r, d.keys, d.opt)
	if err != nil {
		return err
	}
	if stream && plain.Trust != crypto.TrustAsItComes {
		if plain, err = d.checked(plain); err != nil {
			return err
		}
	}
	if plain.Trust == crypto.TrustNever {
		d.warn("this format can't tell whether the result is right: a wrong passphrase, or a change, only gives other bytes")
	}
	if _, err := io.Copy(w, plain); err != nil {
		return err
	}
	return d.report(plain.Signatures())
}

// checked reads an input to its end before anything of it is handed on, and opens it again.
func (d *decryption) checked(plain *crypto.Plain) (*crypto.Plain, error) {
	if !d.in.seeks {
		return nil, &usageError{errors.New("decrypt from a pipe: this message is authenticated only at its end, so name a file for the result with -o, or give the message as a file")}
	}
	if plain.Trust == crypto.TrustNever && plain.Format == crypto.FormatLegacyFile {
		return plain, nil // there is nothing to check
	}
	if _, err := io.Copy(io.Discard, plain); err != nil {
		return nil, err
	}
	src, err := d.open(d.in)
	if err != nil {
		return nil, err
	}
	return crypto.Reopen(src, plain, d.opt)
}

// extract unpacks what the input holds.
func (d *decryption) extract(into string) error {
	r, w := io.Pipe()
	go func() { w.CloseWithError(d.write(w, false)) }()
	err := unpack(into, r)
	r.CloseWithError(err)
	return err
}

// report tells who signed. A message whose signatures are all bad is damaged or forged.
func (e *env) report(all []pgp.Signature) error {
	for _, s := range all {
		fmt.Fprintln(e.stderr, verdict(s))
	}
	if len(all) > 0 && !pgp.AnyGood(all) {
		for _, s := range all {
			if s.Status == pgp.Bad {
				return &codeError{exitDamaged, errors.New("the signature is bad: the message was changed, or somebody else made it")}
			}
		}
	}
	return nil
}

// plainName is a name without the ending that encrypting gave it.
func plainName(s source) string {
	base := s.base()
	ext := filepath.Ext(base)
	switch strings.ToLower(ext) {
	case ".age", ".gpg", ".pgp", ".asc", ".fernet", ".enc", ".b64":
		if name := strings.TrimSuffix(base, ext); name != "" {
			return name
		}
	}
	return base + ".plain"
}
