package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/pgp"
)

type decryptCmd struct {
	Identity    []string `name:"identity" short:"i" sep:"none" placeholder:"FILE" help:"Decrypt with the private keys in FILE: age, SSH, OpenPGP, Fernet, or an older Zencrypt's RSA key. Can be given several times."`
	passphrases `embed:""`
	TTL         *int64   `name:"ttl" placeholder:"SECONDS" help:"Refuse a Fernet token that is older than this."`
	Format      string   `name:"format" enum:"auto,age,pgp,fernet,legacy-file" default:"auto" placeholder:"FORMAT" help:"auto, age, pgp, fernet, or legacy-file for what an older Zencrypt's command line wrote, which nothing can recognise or check."`
	VerifyWith  []string `name:"verify-with" sep:"none" placeholder:"CERT" help:"Decrypt only what one of the OpenPGP public keys in the file CERT has signed. Can be given several times."`
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
only at its end, so that it is read twice when the result goes to standard output; from a pipe, which can't be
read twice, the result goes to -o.

With --out-dir each input's name loses its ending (.age, .gpg, .pgp, .asc, .fernet, .enc, .b64); what is there already is
not replaced. With -o an existing file is replaced in the moment all was checked, and stays as it was if
anything fails. Signatures are told on standard error; a bad one is an error. With
--verify-with one of the keys that it names must have signed, or nothing is written.

` + exitCodes
}

// maxTTL bounds --ttl, in seconds: a hundred years.
const maxTTL = 100 * 366 * 24 * 60 * 60

func (c *decryptCmd) Run(e *env) error {
	if err := onlyOnce(c.passphrases, c.Input, append(append([]string{}, c.Identity...), c.VerifyWith...)...); err != nil {
		return err
	}
	switch {
	case c.Extract && c.OutDir == "":
		return &usageError{errors.New("unpack: name the folder with --out-dir")}
	case c.TTL != nil && (*c.TTL < 1 || *c.TTL > maxTTL):
		return &usageError{fmt.Errorf("use --ttl: it is a number of seconds from 1 to %d", maxTTL)}
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
			return e.deliverFolder(c.OutDir, d.extract)
		}
		return e.deliver(t.out, outputOptions{exclusive: t.own}, func(w io.Writer) error {
			if c.toTerminal(e) {
				w = &textOnly{w: w}
			}
			return d.write(w, streams(w))
		})
	})
}

func (c *decryptCmd) options(e *env) (crypto.Options, error) {
	o := crypto.Options{
		MaxWorkFactor: agefile.CommandMaxWorkFactor, Strict: true, Workers: agefile.Workers(),
		Unprotected: c.Unprotected,
	}
	if c.TTL != nil {
		o.FernetTTL = time.Duration(*c.TTL) * time.Second
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
		if c.Format == string(crypto.FormatLegacyFile) && errors.Is(err, errEmptyPassphrase) {
			return "", nil // older versions took it
		}
		var noTerminal *usageError
		if errors.As(err, &noTerminal) {
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

	again io.ReadCloser // the input, opened once more
}

// write writes what the input holds. To a stream nothing goes that could turn out to be forged.
func (d *decryption) write(w io.Writer, stream bool) error {
	src, err := d.open(d.in)
	if err != nil {
		return err
	}
	defer src.Close()
	defer func() {
		if d.again != nil {
			d.again.Close()
		}
	}()
	r, done := d.progress(d.in, src)
	defer done()
	plain, err := crypto.Decrypt(r, d.keys, d.opt)
	if err != nil {
		return err
	}
	// Whether a signature is good is known only at the end, too.
	if stream && (plain.Trust != crypto.TrustAsItComes || plain.Format == crypto.FormatPGP && len(d.opt.Verify) > 0) {
		if plain, err = d.checked(plain); err != nil {
			return err
		}
	}
	if plain.Trust == crypto.TrustNever {
		d.warn("this format can't tell whether the result is right: a wrong passphrase, or a change, only gives other bytes")
	}
	if len(d.opt.Verify) > 0 && plain.Format != crypto.FormatPGP {
		return d.outcome(nil)
	}
	if _, err := io.Copy(w, plain); err != nil {
		return err
	}
	signatures := plain.Signatures()
	for _, s := range signatures {
		fmt.Fprintln(d.stderr, verdict(s))
	}
	return d.outcome(signatures)
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
	if err := d.outcome(plain.Signatures()); err != nil {
		return nil, err
	}
	var err error
	if d.again, err = d.open(d.in); err != nil {
		return nil, err
	}
	return crypto.Reopen(d.again, plain, d.opt)
}

// outcome makes the verdicts on signatures an error: of a bad one that no good one stands beside, and, when
// signers were named, unless one of them signed. Who names them must not get what anybody could have sent.
func (d *decryption) outcome(all []pgp.Signature) error {
	bad := func(s pgp.Signature) bool { return s.Status == pgp.Bad }
	if pgp.AnyGood(all) || len(d.opt.Verify) == 0 && !slices.ContainsFunc(all, bad) {
		return nil
	}
	err := judge("decrypt", all)
	if len(all) == 0 {
		err = errors.New("decrypt: nobody signed this; leave out --verify-with to take it from anybody")
	}
	return err
}

// extract unpacks what the input holds. The first signal ends the unpacking, also when the input does not come.
func (d *decryption) extract(into string) (folders []folder, err error) {
	r, w := io.Pipe()
	stop := context.AfterFunc(d.ctx, func() { w.CloseWithError(errInterrupted) })
	defer stop()
	go func() { w.CloseWithError(d.write(w, false)) }()
	folders, err = unpack(into, r)
	r.CloseWithError(err)
	return folders, err
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
