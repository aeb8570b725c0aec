package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/pgp"
)

type keygenCmd struct {
	Type        string `name:"type" enum:"age,age-pq,fernet,pgp" default:"age" placeholder:"TYPE" help:"age (X25519), age-pq (post-quantum, ML-KEM-768 with X25519), fernet or pgp. Default: age."`
	Algorithm   string `name:"algorithm" placeholder:"ALGORITHM" help:"Of an OpenPGP key: curve25519, curve25519-v6, p256, p384, p521, rsa3072 or rsa4096. Default: curve25519, which every GnuPG from 2.1 on reads."`
	Name        string `name:"name" placeholder:"NAME" help:"Of an OpenPGP key's owner. Everybody who has the public key sees it."`
	Email       string `name:"email" placeholder:"ADDRESS" help:"Of an OpenPGP key's owner. Everybody who has the public key sees it."`
	Expires     string `name:"expires" placeholder:"WHEN" help:"When an OpenPGP key expires: 2y, 18m, 90d, or a day such as 2030-12-31. Default: never."`
	Protect     bool   `name:"passphrase" short:"p" help:"Protect the private key with a passphrase, which is asked for."`
	passphrases `embed:""`
	Public      string `name:"public" short:"y" placeholder:"FILE" help:"Make no key: print the public part of the private key in FILE."`
	Out         string `name:"output" short:"o" placeholder:"FILE" help:"Write the key to FILE, for its owner alone (mode 0600). A file that exists is never replaced. Default: standard output."`
}

// Help is the long text of `zencrypt keygen --help`.
func (keygenCmd) Help() string {
	return `Examples:

    zencrypt keygen -o my.key
    zencrypt keygen --type pgp --name "Ada" --email ada@example.org --expires 2y -p -o ada.asc
    zencrypt keygen -y ada.asc > ada.pub.asc

Makes a private key, and prints its public part on standard error when the key goes to a file. Give the public part
to whoever shall encrypt to you; keep the private one, and a copy of it.

` + exitCodes
}

func (c *keygenCmd) Run(e *env) error {
	if c.Public != "" {
		return c.publicOf(e)
	}
	if err := c.check(); err != nil {
		return err
	}
	if c.Out != "" && c.Out != stdinName && exists(c.Out) {
		return fmt.Errorf("write %s: it exists already, and a key is never replaced", c.Out)
	}
	private, public, err := c.make(e)
	if err != nil {
		return err
	}
	err = e.deliver(c.Out, outputOptions{exclusive: true, mode: 0o600}, func(w io.Writer) error {
		_, err := io.WriteString(w, private)
		return err
	})
	if err == nil && public != "" && (c.Out != "" && c.Out != stdinName || !isTerminal(e.stdout)) {
		fmt.Fprintln(e.stderr, public)
	}
	return err
}

func (c *keygenCmd) check() error {
	pgpOnly := c.Algorithm != "" || c.Name != "" || c.Email != "" || c.Expires != ""
	switch {
	case pgpOnly && c.Type != "pgp":
		return &usageError{errors.New("make key: --algorithm, --name, --email and --expires are for --type pgp")}
	case c.Algorithm != "" && !slices.Contains(pgp.Algorithms(), pgp.Algorithm(c.Algorithm)):
		return &usageError{fmt.Errorf("make key: there is no algorithm %q; there are %s", c.Algorithm, list(pgp.Algorithms()))}
	case c.Type == "fernet" && c.protected():
		return &usageError{errors.New("make key: a Fernet key file holds the bare key and can't be protected; encrypt the file with 'zencrypt encrypt -p'")}
	}
	return nil
}

func (c *keygenCmd) protected() bool { return c.Protect || c.PassphraseFile != "" }

func list[T ~string](all []T) string {
	var words []string
	for _, v := range all {
		words = append(words, string(v))
	}
	return strings.Join(words, ", ")
}

// make returns the private key as it stands in its file, and a line about the public one.
func (c *keygenCmd) make(e *env) (private, public string, err error) {
	switch c.Type {
	case "fernet":
		return fernet.NewKey() + "\n", "", nil
	case "pgp":
		return c.makePGP(e)
	}
	make := agefile.NewIdentity
	if c.Type == "age-pq" {
		make = agefile.NewHybridIdentity
	}
	identity, recipient, err := make()
	if err != nil {
		return "", "", err
	}
	public = "Public key: " + recipient
	private = fmt.Sprintf("# created: %s\n# public key: %s\n%s\n", time.Now().Format(time.RFC3339), recipient, identity)
	if !c.protected() {
		return private, public, nil
	}
	pass, err := c.choose(e)
	if err != nil {
		return "", "", err
	}
	var sealed bytes.Buffer
	w, err := crypto.Encrypt(&sealed, crypto.Target{Passphrase: pass, WorkFactor: agefile.CommandWorkFactor, Armor: true}, time.Now())
	if err == nil {
		_, err = io.WriteString(w, private)
	}
	if err == nil {
		err = w.Close()
	}
	return sealed.String(), public, err
}

func (c *keygenCmd) makePGP(e *env) (private, public string, err error) {
	now := time.Now()
	expires, err := expiry(c.Expires, now)
	if err != nil {
		return "", "", &usageError{err}
	}
	key, err := pgp.NewKey(pgp.KeyParams{Algorithm: pgp.Algorithm(c.Algorithm), Name: c.Name, Email: c.Email, Expires: expires})
	if err != nil {
		return "", "", err
	}
	public = "Fingerprint: " + key.Fingerprint()
	if c.protected() {
		pass, err := c.choose(e)
		if err != nil {
			return "", "", err
		}
		if key, err = key.Lock(pass, pgp.LockOptions{}); err != nil {
			return "", "", err
		}
	}
	return key.Armor(), public, nil
}

// expiry reads when a key expires: in some time, or at the end of a day (UTC).
func expiry(s string, now time.Time) (time.Time, error) {
	if s == "" || s == "never" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		end := day.AddDate(0, 0, 1)
		if !end.After(now) {
			return time.Time{}, fmt.Errorf("make key: %s is over already", s)
		}
		return end, nil
	}
	n, err := strconv.Atoi(s[:len(s)-1])
	if err == nil && n >= 1 && n <= 36500 {
		switch s[len(s)-1] {
		case 'd':
			return now.AddDate(0, 0, n), nil
		case 'w':
			return now.AddDate(0, 0, 7*n), nil
		case 'm':
			return now.AddDate(0, n, 0), nil
		case 'y':
			return now.AddDate(n, 0, 0), nil
		}
	}
	return time.Time{}, fmt.Errorf("make key: %q is no time to expire: write 2y, 18m, 6w, 90d or a day such as 2030-12-31", s)
}

// publicOf prints the public part of a private key.
func (c *keygenCmd) publicOf(e *env) error {
	if c.Algorithm != "" || c.Name != "" || c.Email != "" || c.Expires != "" || c.Protect {
		return &usageError{errors.New("print public key: -y makes no key, so that nothing can be said about a new one")}
	}
	if err := onlyOnce(c.passphrases, []string{"none"}, c.Public); err != nil {
		return err
	}
	keys, err := e.privateKeys([]string{c.Public}, c.passphrases)
	if err != nil {
		return err
	}
	if len(keys.Fernet) > 0 {
		return fmt.Errorf("print public key: the Fernet key in %s has none; the key itself encrypts and decrypts", c.Public)
	}
	target, err := keys.Recipients()
	if err != nil {
		return inFile(c.Public, err)
	}
	return e.deliver(c.Out, outputOptions{exclusive: true}, func(w io.Writer) error {
		for _, r := range target.Recipients {
			text, err := agefile.PublicKey(r)
			if err != nil {
				return err
			}
			fmt.Fprintln(w, text)
		}
		for _, cert := range target.PGP {
			if _, err := io.WriteString(w, cert.Armor()); err != nil {
				return err
			}
		}
		return nil
	})
}
