package sop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"zencrypt/crypto/pgp"
)

// maxSignatures bounds an input with detached signatures, in bytes: sixteen of the largest kind, armored.
const maxSignatures = 2 << 20

// A span is from when to when signatures count; zero for no end.
type span struct{ from, to time.Time }

func (j *job) span(prefix, from, to string) (s span, err error) {
	if s.from, err = j.date(prefix+"not-before", from, time.Time{}); err == nil {
		s.to, err = j.date(prefix+"not-after", to, time.Time{})
	}
	return s, err
}

func (s span) holds(t time.Time) bool {
	return !t.Before(s.from) && (s.to.IsZero() || !t.After(s.to))
}

// verifications returns a line for each good signature, as the draft's VERIFICATIONS have it:
// time, fingerprints of the key that signed and of its primary key, what was signed, and
// which inputs held the certificate.
func verifications(sigs []pgp.Signature, text []bool, s span, from []certs) ([]byte, error) {
	var out bytes.Buffer
	for i, sig := range sigs {
		if sig.Status != pgp.Good || !s.holds(sig.Time) {
			continue
		}
		mode := "mode:binary"
		if text[i] {
			mode = "mode:text"
		}
		about := struct {
			Signers []string `json:"signers"`
		}{Signers: holders(from, sig.Primary)}
		b, err := json.Marshal(about)
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(&out, sig.Time.UTC().Format("2006-01-02T15:04:05Z"), sig.Fingerprint, sig.Primary, mode, string(b))
	}
	return out.Bytes(), nil
}

func holders(from []certs, primary string) (names []string) {
	for _, c := range from {
		for _, cert := range c.list {
			if cert.Fingerprint() == primary {
				names = append(names, c.name)
				break
			}
		}
	}
	return names
}

// noneGood says why no signature counts.
func noneGood(sigs []pgp.Signature) error {
	if len(sigs) == 0 {
		return fail(NoSignature, "verify: nobody signed this")
	}
	s := sigs[0]
	if s.Status == pgp.Good {
		return fail(NoSignature, "verify: the signature of %s is outside the time that counts", s.Time.UTC().Format(time.RFC3339))
	}
	return fail(NoSignature, "verify: no signature is acceptable; the first: %s", s.Reason)
}

type verifyCmd struct {
	NotBefore string   `default:"-" placeholder:"DATE" help:"Signatures from before do not count."`
	NotAfter  string   `default:"now" placeholder:"DATE" help:"Signatures from after do not count."`
	Args      []string `arg:"" optional:"" name:"SIGNATURES CERTS"`
}

func (c *verifyCmd) Run(j *job) error {
	if len(c.Args) < 2 {
		return fail(MissingArg, "verify: name the file with the signatures, then one with certificates")
	}
	s, err := j.span("", c.NotBefore, c.NotAfter)
	if err != nil {
		return err
	}
	sig, err := j.read(c.Args[0], maxSignatures)
	if err != nil {
		return err
	}
	text, err := pgp.TextSignatures(sig)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Args[0], err)
	}
	from, err := j.certs(c.Args[1:], true)
	if err != nil {
		return err
	}
	sigs, err := pgp.Verify(j.stdin, bytes.NewReader(sig), flat(from), pgp.VerifyOptions{Now: j.now})
	if err != nil {
		return err
	}
	lines, err := verifications(sigs, text, s, from)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return noneGood(sigs)
	}
	_, err = j.stdout.Write(lines)
	return err
}

type inlineVerifyCmd struct {
	NotBefore        string   `default:"-" placeholder:"DATE" help:"Signatures from before do not count."`
	NotAfter         string   `default:"now" placeholder:"DATE" help:"Signatures from after do not count."`
	VerificationsOut string   `placeholder:"VERIFICATIONS" help:"Write a line for each good signature there."`
	Certs            []string `arg:"" optional:"" name:"CERTS"`
}

// Run holds the content back until a signature is good.
func (c *inlineVerifyCmd) Run(j *job) error {
	if len(c.Certs) == 0 {
		return fail(MissingArg, "inline-verify: name a file with certificates")
	}
	s, err := j.span("", c.NotBefore, c.NotAfter)
	if err != nil {
		return err
	}
	from, err := j.certs(c.Certs, true)
	if err != nil {
		return err
	}
	out, err := j.create(c.VerificationsOut, 0o666)
	if err != nil {
		return err
	}
	content := &held{max: j.maxHeld}
	sigs, text, err := j.signedContent(content, flat(from))
	if err != nil {
		return err
	}
	lines, err := verifications(sigs, text, s, from)
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return noneGood(sigs)
	}
	if err := out.write(lines); err != nil {
		return err
	}
	return content.writeTo(j.stdout)
}

// signedContent reads a signed message or a clear-signed text from standard input.
func (j *job) signedContent(content *held, list []*pgp.Certificate) ([]pgp.Signature, []bool, error) {
	head := make([]byte, headRoom)
	n, err := io.ReadFull(j.stdin, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, nil, fmt.Errorf("read standard input: %w", err)
	}
	head = head[:n]
	whole := io.MultiReader(bytes.NewReader(head), j.stdin)
	if info, err := pgp.Inspect(bytes.NewReader(head)); err == nil && info.Kind == pgp.KindClear {
		return clearContent(content, whole, list, j.now)
	}
	m, err := pgp.OpenSigned(whole, pgp.OpenOptions{Verify: list, Now: j.now})
	if err != nil {
		return nil, nil, err
	}
	if err := copyMessage(content, m); err != nil {
		return nil, nil, err
	}
	return m.Signatures(), m.TextSignatures(), nil
}

const (
	// headRoom is how far into an input is looked for the first line of a clear-signed text, in bytes.
	headRoom = 16 << 10
	// maxClear bounds a clear-signed text with all around it, in bytes.
	maxClear = MaxText + MaxText/2
)

func clearContent(content *held, src io.Reader, list []*pgp.Certificate, now func() time.Time) ([]pgp.Signature, []bool, error) {
	whole, err := io.ReadAll(io.LimitReader(src, maxClear+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read standard input: %w", err)
	}
	signed, err := pgp.VerifyText(bytes.NewReader(whole), list, maxClear, pgp.VerifyOptions{Now: now})
	if err != nil {
		return nil, nil, err
	}
	text, err := pgp.TextSignatures(whole)
	if err != nil {
		return nil, nil, err
	}
	if len(signed.Text) > 0 {
		signed.Text = append(signed.Text, '\n') // the last line end is not signed; gpg and sqop put it out, too
	}
	_, err = content.Write(signed.Text)
	return signed.Signatures, text, err
}

type inlineDetachCmd struct {
	NoArmor       bool   `help:"Binary signatures."`
	SignaturesOut string `placeholder:"SIGNATURES" help:"Write the signatures there. Required."`
}

// Run checks nothing but the form: who wants to know verifies.
func (c *inlineDetachCmd) Run(j *job) error {
	if c.SignaturesOut == "" {
		return fail(MissingArg, "inline-detach: name a file for the signatures with --signatures-out")
	}
	out, err := j.create(c.SignaturesOut, 0o666)
	if err != nil {
		return err
	}
	sigs, err := pgp.Detach(j.stdout, j.stdin, maxClear)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := arrange(&b, sigs, c.NoArmor); err != nil {
		return err
	}
	return out.write(b.Bytes())
}
