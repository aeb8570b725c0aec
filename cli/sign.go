package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"zencrypt/crypto/pgp"
)

type signCmd struct {
	Key         []string `name:"key" short:"k" sep:"none" required:"" placeholder:"KEY" help:"Sign with the OpenPGP private key in the file KEY. Can be given several times."`
	passphrases `embed:""`
	Clear       bool   `name:"clear" help:"Write the text itself with the signature around it, so that everybody can read it. The text is UTF-8 of 1 MiB at most; white space at the ends of its lines is not kept."`
	Armor       bool   `name:"armor" short:"a" help:"Write the signature as text, instead of bytes."`
	Out         string `name:"output" short:"o" placeholder:"OUT" help:"Write to OUT, which appears whole or not at all. '-' is standard output."`
	Input       string `arg:"" optional:"" name:"input" help:"What to sign. Default: standard input."`
}

// Help is the long text of `zencrypt sign --help`.
func (signCmd) Help() string {
	return `Examples:

    zencrypt sign -k my.asc -o release.tar.sig release.tar
    zencrypt sign -k my.asc --clear < statement.txt > statement.asc

Writes a detached OpenPGP signature, which 'gpg --verify release.tar.sig release.tar' checks too. With several keys
it holds several signatures.

` + exitCodes
}

func (c *signCmd) Run(e *env) error {
	inputs := optional(c.Input)
	if err := onlyOnce(c.passphrases, inputs, c.Key...); err != nil {
		return err
	}
	list, err := e.sources(inputs)
	if err != nil {
		return err
	}
	if list[0].folder {
		return &usageError{fmt.Errorf("sign %s: it is a folder", list[0].name)}
	}
	if c.Out == "" && !c.Armor && !c.Clear && isTerminal(e.stdout) {
		return &usageError{errors.New("write to terminal: a signature is binary. Give -a for text, name a file with -o, or force it with '-o -'")}
	}
	keys, err := e.signingKeys(c.Key, c.passphrases)
	if err != nil {
		return err
	}
	return e.deliver(c.Out, outputOptions{}, func(w io.Writer) error {
		if c.Clear {
			return e.clearSign(w, list[0], keys)
		}
		sig, err := pgp.SignDetached(w, keys, pgp.SignOptions{Armor: c.Armor})
		if err != nil {
			return err
		}
		if err := e.copyFrom(sig, list[0]); err != nil {
			return err
		}
		return sig.Close()
	})
}

func (e *env) clearSign(w io.Writer, in source, keys []*pgp.Key) error {
	text, err := e.readSmall(in.name, pgp.MaxText)
	if err != nil {
		return err
	}
	signed, err := pgp.SignText(text, keys, 0, pgp.SignOptions{})
	if err != nil {
		return err
	}
	if !bytes.HasSuffix(signed, []byte("\n")) {
		signed = append(signed, '\n') // what is put behind it must not end up in its last line
	}
	_, err = w.Write(signed)
	return err
}

// optional is an argument that may be left out, as a list.
func optional(arg string) []string {
	if arg == "" {
		return nil
	}
	return []string{arg}
}
