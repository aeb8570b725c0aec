package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

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
	return e.deliver(c.Out, outputOptions{inputs: names(list)}, func(w io.Writer) error {
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

type verifyCmd struct {
	Key       []string `name:"key" short:"k" sep:"none" required:"" placeholder:"CERT" help:"Check against the OpenPGP public keys in the file CERT. Can be given several times."`
	Signature string   `name:"signature" placeholder:"SIG" help:"The detached signature. Without it the input must be a clear-signed text or a signed message."`
	Out       string   `name:"output" short:"o" placeholder:"OUT" help:"Write the signed text or message itself to OUT, when a signature is good. '-' is standard output."`
	JSON      bool     `name:"json" help:"Print a JSON list of the signatures."`
	Input     string   `arg:"" optional:"" name:"input" help:"What was signed. Default: standard input."`
}

// Help is the long text of `zencrypt verify --help`.
func (verifyCmd) Help() string {
	return `Examples:

    zencrypt verify -k bob.asc --signature release.tar.sig release.tar
    zencrypt verify -k bob.asc statement.asc

Prints one line a signature: good, or why not, by whom and when. Only what a good signature covers was signed: of a
clear-signed text that is the text which -o writes, and nothing around it.

Exit codes are 0 when at least one signature is good, 3 when none was made by these keys, 4 when one was and does not
match, and 1 when it is expired, revoked or too weak.

` + exitCodes
}

func (c *verifyCmd) Run(e *env) error {
	inputs := optional(c.Input)
	if err := onlyOnce(passphrases{PassphraseFile: c.Signature}, inputs, c.Key...); err != nil {
		return err
	}
	list, err := e.sources(inputs)
	if err != nil {
		return err
	}
	certs, err := e.certificates(c.Key)
	if err != nil {
		return err
	}
	if c.Signature != "" {
		if c.Out != "" {
			return &usageError{errors.New("use -o: with a detached signature there is nothing to write, the input is what was signed")}
		}
		return c.detached(e, list[0], certs)
	}
	var verdicts []pgp.Signature
	if c.Out == "" {
		verdicts, err = e.signedContent(io.Discard, list[0], certs)
		if err != nil {
			return err
		}
		return c.tell(e, e.stdout, verdicts)
	}
	to := e.stdout
	if c.Out == stdinName {
		to = e.stderr
	}
	return e.deliver(c.Out, outputOptions{inputs: names(list)}, func(w io.Writer) error {
		if c.Out == stdinName {
			// Held back until the verdict is known.
			var held limitedBuffer
			if verdicts, err = e.signedContent(&held, list[0], certs); err != nil {
				return err
			}
			if err := c.tell(e, to, verdicts); err != nil {
				return err
			}
			_, err = held.WriteTo(w)
			return err
		}
		if verdicts, err = e.signedContent(w, list[0], certs); err != nil {
			return err
		}
		return c.tell(e, to, verdicts)
	})
}

func (c *verifyCmd) detached(e *env, in source, certs []*pgp.Certificate) error {
	sig, err := e.readSmall(c.Signature, maxSignature)
	if err != nil {
		return err
	}
	src, err := e.open(in)
	if err != nil {
		return err
	}
	defer src.Close()
	r, done := e.progress(in, src)
	verdicts, err := answer(e.ctx, func() ([]pgp.Signature, error) {
		return pgp.Verify(r, bytes.NewReader(sig), certs, pgp.VerifyOptions{})
	})
	done()
	if err != nil {
		return openPGPError(err)
	}
	return c.tell(e, e.stdout, verdicts)
}

const (
	// maxSignature bounds a file of detached signatures, in bytes: sixteen of the largest kind, armored.
	maxSignature = 2 << 20
	// maxHeld bounds a signed message that goes to standard output, in bytes: it is held until its end.
	maxHeld = 256 << 20
)

// limitedBuffer holds what may not be shown yet.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxHeld {
		return 0, fmt.Errorf("write to standard output: a signed message of more than %d MiB goes to a file only; name it with -o", maxHeld>>20)
	}
	return b.Buffer.Write(p)
}

// signedContent writes what a clear-signed text or a signed message holds, and returns the verdicts on it.
func (e *env) signedContent(w io.Writer, in source, certs []*pgp.Certificate) ([]pgp.Signature, error) {
	src, err := e.open(in)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	r, done := e.progress(in, src)
	defer done()
	head := make([]byte, 4<<10)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), r)
	if info, _ := pgp.Inspect(bytes.NewReader(head[:n])); info.Kind == pgp.KindClear {
		text, err := pgp.VerifyText(whole, certs, 0, pgp.VerifyOptions{})
		if err != nil {
			return nil, openPGPError(err)
		}
		if text.Around {
			e.warn("there is text around the signed one, which nobody signed; -o leaves it out")
		}
		_, err = w.Write(text.Text)
		return text.Signatures, err
	}
	m, err := pgp.OpenSigned(whole, pgp.OpenOptions{Verify: certs})
	if err != nil {
		return nil, openPGPError(err)
	}
	if _, err := io.Copy(w, m); err != nil {
		return nil, openPGPError(err)
	}
	return m.Signatures(), nil
}

// openPGPError gives an error of reading signatures its exit code.
func openPGPError(err error) error {
	switch {
	case errors.Is(err, pgp.ErrDamaged):
		return &codeError{exitDamaged, err}
	case errors.Is(err, pgp.ErrFormat):
		return &codeError{exitFormat, err}
	}
	return err
}

// tell prints the verdicts and makes them the command's outcome.
func (c *verifyCmd) tell(e *env, w io.Writer, all []pgp.Signature) error {
	if c.JSON {
		if err := printSignatures(w, all); err != nil {
			return err
		}
	} else {
		for _, s := range all {
			fmt.Fprintln(w, verdict(s))
		}
	}
	if pgp.AnyGood(all) {
		return nil
	}
	worst := map[pgp.Status]bool{}
	for _, s := range all {
		worst[s.Status] = true
	}
	switch {
	case len(all) == 0:
		return &codeError{exitFormat, errors.New("verify: nobody signed this")}
	case worst[pgp.Bad]:
		return &codeError{exitDamaged, errors.New("verify: the signature is bad: this was changed, or somebody else made it")}
	case worst[pgp.UnknownKey] && len(worst) == 1:
		return &codeError{exitNoKey, errors.New("verify: it was signed by none of these keys, so that nothing could be checked")}
	}
	return errors.New("verify: no signature can be relied on")
}

// verdict is a line for a person.
func verdict(s pgp.Signature) string {
	line := string(s.Status) + " signature"
	if s.UserID != "" {
		line += " by " + pgp.Display(s.UserID)
	}
	switch {
	case s.Primary != "":
		line += ", key " + s.Primary
	case s.Fingerprint != "":
		line += ", key " + s.Fingerprint
	case s.KeyID != "":
		line += ", key id " + s.KeyID
	}
	if !s.Time.IsZero() {
		line += ", made " + s.Time.UTC().Format(time.RFC3339)
	}
	if s.Reason != "" {
		line += ": " + s.Reason
	}
	return line
}

func printSignatures(w io.Writer, all []pgp.Signature) error {
	type signature struct {
		Status      pgp.Status `json:"status"`
		Reason      string     `json:"reason,omitempty"`
		KeyID       string     `json:"key_id,omitempty"`
		Fingerprint string     `json:"fingerprint,omitempty"`
		Primary     string     `json:"primary_fingerprint,omitempty"`
		UserID      string     `json:"user_id,omitempty"`
		Time        time.Time  `json:"time,omitzero"`
		Hash        string     `json:"hash,omitempty"`
	}
	list := []signature{}
	for _, s := range all {
		list = append(list, signature(s))
	}
	return printJSON(w, list)
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
