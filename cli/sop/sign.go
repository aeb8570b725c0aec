package sop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"zencrypt/crypto/pgp"
)

// MaxText bounds what is clear-signed, in bytes: it is held in memory, several times over.
const MaxText = 64 << 20

// asText reads the value of --as where it is binary or text.
func asText(as string) (bool, error) {
	switch as {
	case "binary":
		return false, nil
	case "text":
		return true, nil
	}
	return false, fail(UnsupportedOption, "use --as=%s: it is binary or text", as)
}

// signers reads the keys to sign with, and tells what is wrong with one before there is any content.
func (j *job) signers(names, passwords []string) ([]*pgp.Key, error) {
	keys, err := j.keys(names, passwords)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if err := k.CheckSign(j.now()); err != nil {
			return nil, signing(fmt.Errorf("key %s: %w", k.Fingerprint(), err))
		}
	}
	return keys, nil
}

type signCmd struct {
	NoArmor     bool     `help:"Binary output."`
	As          string   `default:"binary" placeholder:"binary|text" help:"Whether line ends matter."`
	MicalgOut   string   `placeholder:"MICALG" help:"Write the hash there as RFC 3156 names it."`
	KeyPassword []string `name:"with-key-password" sep:"none" placeholder:"PASSWORD" help:"What unlocks the keys. Can be given several times."`
	Keys        []string `arg:"" optional:"" name:"KEYS"`
}

func (c *signCmd) Run(j *job) error {
	text, err := asText(c.As)
	if err != nil {
		return err
	}
	if len(c.Keys) == 0 {
		return fail(MissingArg, "sign: name a file with a private key")
	}
	keys, err := j.signers(c.Keys, c.KeyPassword)
	if err != nil {
		return err
	}
	micalg, err := j.create(c.MicalgOut, 0o666)
	if err != nil {
		return err
	}
	var sig bytes.Buffer
	w, err := pgp.SignDetached(&sig, keys, pgp.SignOptions{Text: text, Now: j.now})
	if err != nil {
		return signing(err)
	}
	if err := j.copy(w, text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	name, err := hashOf(sig.Bytes())
	if err != nil {
		return err
	}
	if err := micalg.write([]byte(name)); err != nil {
		return err
	}
	return j.put(sig.Bytes(), c.NoArmor)
}

// hashOf names the hash of signatures as RFC 3156 section 5 does, nothing when they use several.
func hashOf(sigs []byte) (string, error) {
	info, err := pgp.Inspect(bytes.NewReader(sigs))
	if err != nil {
		return "", err
	}
	var name string
	for i, s := range info.Signatures {
		this := "pgp-" + strings.ReplaceAll(strings.ToLower(s.Hash), "-", "")
		if i > 0 && this != name {
			return "", nil
		}
		name = this
	}
	return name, nil
}

// copy hands standard input to w, which is refused as text when it is no UTF-8.
func (j *job) copy(w io.Writer, text bool) error {
	src := j.stdin
	if text {
		src = &utf8Only{src: src}
	}
	_, err := io.Copy(w, src)
	return err
}

type inlineSignCmd struct {
	NoArmor     bool     `help:"Binary output."`
	As          string   `default:"binary" placeholder:"binary|text|clearsigned" help:"Clear-signed text stays readable."`
	KeyPassword []string `name:"with-key-password" sep:"none" placeholder:"PASSWORD" help:"What unlocks the keys. Can be given several times."`
	Keys        []string `arg:"" optional:"" name:"KEYS"`
}

func (c *inlineSignCmd) Run(j *job) error {
	clear := c.As == "clearsigned"
	var text bool
	var err error
	if !clear {
		if text, err = asText(c.As); err != nil {
			return fail(UnsupportedOption, "use --as=%s: it is binary, text or clearsigned", c.As)
		}
	}
	switch {
	case clear && c.NoArmor:
		return fail(IncompatibleOptions, "use --no-armor: clear-signed text is never binary")
	case len(c.Keys) == 0:
		return fail(MissingArg, "inline-sign: name a file with a private key")
	}
	keys, err := j.signers(c.Keys, c.KeyPassword)
	if err != nil {
		return err
	}
	o := pgp.SignOptions{Armor: !c.NoArmor, Text: text, Now: j.now}
	if clear {
		return j.clearSign(keys, o)
	}
	w, err := pgp.Sign(j.stdout, keys, o)
	if err != nil {
		return signing(err)
	}
	if err := j.copy(w, text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return j.out.endLine(!c.NoArmor)
}

// clearSign leaves the last line end out, as gpg and sqop do: the frame that follows brings it.
func (j *job) clearSign(keys []*pgp.Key, o pgp.SignOptions) error {
	text, err := io.ReadAll(io.LimitReader(j.stdin, MaxText+1))
	if err != nil {
		return fmt.Errorf("read standard input: %w", err)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	signed, err := pgp.SignText(text, keys, MaxText, o)
	switch {
	case errors.Is(err, pgp.ErrFormat):
		return with(ExpectedText, err)
	case err != nil:
		return signing(err)
	}
	if _, err := j.stdout.Write(signed); err != nil {
		return err
	}
	return j.out.endLine(true)
}
