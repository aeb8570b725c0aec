package sop

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"zencrypt/crypto/pgp"
)

// certsIn reads the certificates on standard input.
func (j *job) certsIn() ([]*pgp.Certificate, error) {
	list, err := pgp.ReadCertificates(j.stdin, pgp.ReadOptions{})
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	return list, nil
}

func (j *job) putCerts(list []*pgp.Certificate, noArmor bool) error {
	var out []byte
	for _, c := range list {
		out = append(out, c.Bytes()...)
	}
	return j.put(out, noArmor)
}

type mergeCertsCmd struct {
	NoArmor bool     `help:"Binary output."`
	Certs   []string `arg:"" optional:"" name:"CERTS"`
}

// Run leaves out what the other inputs hold of certificates that are not on standard input.
func (c *mergeCertsCmd) Run(j *job) error {
	base, err := j.certsIn()
	if err != nil {
		return err
	}
	others, err := j.certs(c.Certs, false)
	if err != nil {
		return err
	}
	var merged []*pgp.Certificate
	find := func(fpr string) int {
		return slices.IndexFunc(merged, func(m *pgp.Certificate) bool { return m.Fingerprint() == fpr })
	}
	for _, cert := range base {
		i := find(cert.Fingerprint())
		if i < 0 {
			merged = append(merged, cert)
		} else if merged[i], err = merged[i].Merge(cert); err != nil {
			return err
		}
	}
	for _, cert := range flat(others) {
		if i := find(cert.Fingerprint()); i >= 0 {
			if merged[i], err = merged[i].Merge(cert); err != nil {
				return err
			}
		}
	}
	return j.putCerts(merged, c.NoArmor)
}

type certifyUserIDCmd struct {
	NoArmor       bool     `help:"Binary output."`
	UserID        []string `name:"userid" sep:"none" placeholder:"USERID" help:"The user id to sign. Required, can be given several times."`
	KeyPassword   []string `name:"with-key-password" sep:"none" placeholder:"PASSWORD" help:"What unlocks the keys. Can be given several times."`
	NoRequireSelf bool     `name:"no-require-self-sig" hidden:""`
	Keys          []string `arg:"" optional:"" name:"KEYS"`
}

// Run signs all user ids in all certificates on standard input with all keys.
func (c *certifyUserIDCmd) Run(j *job) error {
	switch {
	case c.NoRequireSelf:
		return fail(UnsupportedOption, "certify-userid: only a user id that its owner has signed is signed by others")
	case len(c.UserID) == 0:
		return fail(MissingArg, "certify-userid: name a user id with --userid")
	case len(c.Keys) == 0:
		return fail(MissingArg, "certify-userid: name a file with a private key")
	}
	keys, err := j.keys(c.Keys, c.KeyPassword)
	if err != nil {
		return err
	}
	list, err := j.certsIn()
	if err != nil {
		return err
	}
	for i := range list {
		for _, id := range c.UserID {
			for _, k := range keys {
				if list[i], err = list[i].Certify(id, k, j.now()); err != nil {
					return certifying(err)
				}
			}
		}
	}
	return j.putCerts(list, c.NoArmor)
}

func certifying(err error) error {
	var k *pgp.KeyError
	switch {
	case errors.As(err, &k):
		return with(KeyCannotCertify, err)
	case errors.Is(err, pgp.ErrNoUserID):
		return with(CertUserIDNoMatch, err)
	}
	return err
}

type validateUserIDCmd struct {
	AddrSpecOnly bool     `help:"USERID is an e-mail address, and any user id with it will do."`
	ValidateAt   string   `default:"now" placeholder:"DATE" help:"The time that counts."`
	Args         []string `arg:"" optional:"" name:"USERID CERTS"`
}

// Run succeeds when every certificate on standard input has the user id, signed by one of the
// certificates that are named.
func (c *validateUserIDCmd) Run(j *job) error {
	if len(c.Args) < 2 {
		return fail(MissingArg, "validate-userid: name a user id, then a file with the certificates of who may vouch for it")
	}
	at, err := j.date("validate-at", c.ValidateAt, time.Time{})
	if err != nil {
		return err
	}
	if at.IsZero() {
		return fail(UnsupportedOption, "use --validate-at=%s: it is a point in time", c.ValidateAt)
	}
	by, err := j.certs(c.Args[1:], true)
	if err != nil {
		return err
	}
	list, err := j.certsIn()
	if err != nil {
		return err
	}
	for _, cert := range list {
		if !cert.Certified(c.Args[0], c.AddrSpecOnly, flat(by), at) {
			return fail(CertUserIDNoMatch, "validate-userid: nobody who may vouches for that user id in the certificate %s", cert.Fingerprint())
		}
	}
	return nil
}
