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
	return e.deliver(c.Out, outputOptions{}, func(w io.Writer) error {
		if streams(w) {
			// Held back until the verdict is known, which leaves the stream to the text.
			var held limitedBuffer
			if verdicts, err = e.signedContent(&held, list[0], certs); err != nil {
				return err
			}
			if err := c.tell(e, e.stderr, verdicts); err != nil {
				return err
			}
			_, err = held.buf.WriteTo(w)
			return err
		}
		if verdicts, err = e.signedContent(w, list[0], certs); err != nil {
			return err
		}
		return c.tell(e, e.stdout, verdicts)
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

// limitedBuffer holds what may not be shown yet. The buffer is not embedded: its ReadFrom knows no limit.
type limitedBuffer struct{ buf bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.buf.Len()+len(p) > maxHeld {
		return 0, fmt.Errorf("write to standard output: a signed message of more than %d MiB goes to a file only; name it with -o", maxHeld>>20)
	}
	return b.buf.Write(p)
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
	return judge("verify", all)
}

// judge is the error of signatures none of which is good.
func judge(verb string, all []pgp.Signature) error {
	worst := map[pgp.Status]bool{}
	for _, s := range all {
		worst[s.Status] = true
	}
	switch {
	case len(all) == 0:
		return &codeError{exitFormat, fmt.Errorf("%s: nobody signed this", verb)}
	case worst[pgp.Bad]:
		return &codeError{exitDamaged, fmt.Errorf("%s: the signature is bad: this was changed, or somebody else made it", verb)}
	case worst[pgp.UnknownKey] && len(worst) == 1:
		return &codeError{exitNoKey, fmt.Errorf("%s: it was signed by none of these keys, so that nothing could be checked", verb)}
	}
	return fmt.Errorf("%s: no signature can be relied on", verb)
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
