package sop

import (
	"errors"

	"zencrypt/crypto/pgp"
)

type encryptCmd struct {
	NoArmor       bool     `help:"Binary output."`
	As            string   `default:"binary" placeholder:"binary|text" help:"What the content is said to be."`
	Password      []string `name:"with-password" sep:"none" placeholder:"PASSWORD" help:"Encrypt with a password, too. Can be given several times."`
	SignWith      []string `sep:"none" placeholder:"KEYS" help:"Sign with these keys. Can be given several times."`
	KeyPassword   []string `name:"with-key-password" sep:"none" placeholder:"PASSWORD" help:"What unlocks those. Can be given several times."`
	Profile       string   `placeholder:"PROFILE" help:"See list-profiles."`
	For           string   `default:"any" placeholder:"any|communications|storage" help:"What the subkeys that are used have to be for."`
	SessionKeyOut string   `placeholder:"SESSIONKEY" help:"Write what opens the message again there."`
	Certs         []string `arg:"" optional:"" name:"CERTS"`
}

func (c *encryptCmd) Run(j *job) error {
	o, err := c.options(j)
	if err != nil {
		return err
	}
	session, err := j.create(c.SessionKeyOut, 0o600)
	if err != nil {
		return err
	}
	w, err := pgp.Encrypt(j.stdout, o)
	if err != nil {
		return err
	}
	if err := j.copy(w, o.Text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if err := j.out.endLine(o.Armor); err != nil {
		return err
	}
	return session.write([]byte(w.SessionKey().Encode() + "\n"))
}

// options reads all that the command line names.
func (c *encryptCmd) options(j *job) (o pgp.EncryptOptions, err error) {
	if len(c.Certs)+len(c.Password) == 0 {
		return o, fail(MissingArg, "encrypt: name a file with certificates, or give --with-password")
	}
	p, err := choose("encrypt", c.Profile)
	if err != nil {
		return o, err
	}
	purpose, ok := map[string]pgp.Purpose{"any": pgp.AnyPurpose, "communications": pgp.Communications, "storage": pgp.Storage}[c.For]
	if !ok {
		return o, fail(UnsupportedOption, "use --for=%s: it is any, communications or storage", c.For)
	}
	o = pgp.EncryptOptions{Armor: !c.NoArmor, Modern: p.modern, Now: j.now}
	if o.Text, err = asText(c.As); err != nil {
		return o, err
	}
	if o.Passphrases, err = j.newPasswords(c.Password); err != nil {
		return o, err
	}
	all, err := j.certs(c.Certs, false)
	if err != nil {
		return o, err
	}
	for _, cert := range flat(all) {
		if cert, err = cert.For(purpose); err != nil {
			return o, err
		}
		if err := cert.CheckEncrypt(j.now()); err != nil {
			return o, cannotEncrypt(err)
		}
		o.To = append(o.To, cert)
	}
	o.Sign, err = j.signers(c.SignWith, c.KeyPassword)
	return o, err
}

func cannotEncrypt(err error) error {
	var k *pgp.KeyError
	if errors.As(err, &k) {
		return with(CertCannotEncrypt, err)
	}
	return err
}
