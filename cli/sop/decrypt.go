package sop

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"zencrypt/crypto/pgp"
)

const (
	// maxSessionKey bounds an input with a session key, in bytes.
	maxSessionKey = 256
	// maxAttempts is how many session keys are tried, each on the whole message.
	maxAttempts = 16
	// maxRetried bounds a message that has to be read more than once, in bytes: it is held in memory beside its content.
	maxRetried = 256 << 20
)

type decryptCmd struct {
	SessionKeyOut    string   `placeholder:"SESSIONKEY" help:"Write what opens the message again there."`
	SessionKey       []string `name:"with-session-key" sep:"none" placeholder:"SESSIONKEY" help:"Try it. Can be given several times."`
	Password         []string `name:"with-password" sep:"none" placeholder:"PASSWORD" help:"Try it. Can be given several times."`
	KeyPassword      []string `name:"with-key-password" sep:"none" placeholder:"PASSWORD" help:"What unlocks the keys. Can be given several times."`
	VerifyWith       []string `sep:"none" placeholder:"CERTS" help:"Check signatures. Needs --verifications-out."`
	VerifyNotBefore  string   `placeholder:"DATE" help:"Signatures from before do not count. Default: -"`
	VerifyNotAfter   string   `placeholder:"DATE" help:"Signatures from after do not count. Default: now"`
	VerificationsOut string   `aliases:"verify-out" placeholder:"VERIFICATIONS" help:"Write a line for each good signature there, none when there is none."`
	Keys             []string `arg:"" optional:"" name:"KEYS"`
}

// Run puts out content only when it was authenticated. Signatures do not decide over that:
// who asks for them reads what was written to --verifications-out.
func (c *decryptCmd) Run(j *job) error {
	switch {
	case len(c.Keys)+len(c.Password)+len(c.SessionKey) == 0:
		return fail(MissingArg, "decrypt: name a file with a private key, or give --with-password or --with-session-key")
	case (len(c.VerifyWith) == 0) != (c.VerificationsOut == ""):
		return fail(IncompleteVerification, "decrypt: --verify-with and --verifications-out go together")
	case len(c.VerifyWith) == 0 && c.VerifyNotBefore+c.VerifyNotAfter != "":
		return fail(IncompleteVerification, "decrypt: --verify-not-before and --verify-not-after need --verify-with")
	}
	s, err := j.span("verify-", or(c.VerifyNotBefore, "-"), or(c.VerifyNotAfter, "now"))
	if err != nil {
		return err
	}
	from, err := j.certs(c.VerifyWith, true)
	if err != nil {
		return err
	}
	d := &decryption{job: j}
	if err := c.attempts(d, flat(from)); err != nil {
		return err
	}
	session, err := j.create(c.SessionKeyOut, 0o600)
	if err != nil {
		return err
	}
	verified, err := j.create(c.VerificationsOut, 0o666)
	if err != nil {
		return err
	}
	m, err := d.run()
	if err != nil {
		return err
	}
	lines, err := verifications(m.Signatures(), m.TextSignatures(), s, from)
	if err != nil {
		return err
	}
	if err := verified.write(lines); err != nil {
		return err
	}
	if err := session.write([]byte(m.SessionKey.Encode() + "\n")); err != nil {
		return err
	}
	return d.content.writeTo(j.stdout)
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// attempts reads what may open the message: each session key is one, all keys and passwords together another.
func (c *decryptCmd) attempts(d *decryption, certs []*pgp.Certificate) error {
	if len(c.SessionKey) > maxAttempts {
		return fail(UnsupportedOption, "decrypt: more than %d session keys", maxAttempts)
	}
	base := pgp.OpenOptions{Verify: certs, Now: d.job.now}
	for _, name := range c.SessionKey {
		b, err := d.job.read(name, maxSessionKey)
		if err != nil {
			return err
		}
		o := base
		if o.SessionKey, err = pgp.ParseSessionKey(strings.TrimSpace(string(b))); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		d.tries = append(d.tries, o)
	}
	keys, err := d.job.keys(c.Keys, c.KeyPassword)
	if err != nil {
		return err
	}
	base.Keys = keys // a locked one too: the part that fits may be open
	if base.Passphrases, err = d.job.oldPasswords(c.Password); err != nil {
		return err
	}
	if len(c.Keys)+len(c.Password) > 0 {
		d.tries = append(d.tries, base)
	}
	return nil
}

// A decryption tries what there is until the message opens.
type decryption struct {
	job     *job
	tries   []pgp.OpenOptions
	content held // what has to wait
	put     bool // something went to standard output already
}

func (d *decryption) run() (*pgp.Message, error) {
	src := func() io.Reader { return d.job.stdin }
	if len(d.tries) > 1 {
		message := &held{max: maxRetried + 1}
		if _, err := io.Copy(message, io.LimitReader(d.job.stdin, maxRetried+1)); err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		if message.n > maxRetried {
			return nil, fail(CannotDecrypt, "decrypt: a message of more than %d MiB can be opened with one session key or with keys, not with several", maxRetried>>20)
		}
		src = message.reader
	}
	var first error
	for _, o := range d.tries {
		m, err := d.attempt(src(), o)
		if err == nil {
			return m, nil
		}
		if first == nil || d.put {
			first = err
		}
		if d.put {
			break
		}
	}
	return nil, d.explain(first)
}

// attempt reads a message to its end. Content that is authenticated as it comes goes to
// standard output, other content waits.
func (d *decryption) attempt(src io.Reader, o pgp.OpenOptions) (*pgp.Message, error) {
	d.content = held{max: d.job.maxHeld}
	m, err := pgp.Open(src, o)
	if err != nil {
		return nil, err
	}
	w := io.Writer(&d.content)
	if m.Chunked {
		w = putter{d}
	}
	return m, copyMessage(w, m)
}

type putter struct{ d *decryption }

func (p putter) Write(b []byte) (int, error) {
	p.d.put = p.d.put || len(b) > 0
	return p.d.job.stdout.Write(b)
}

// explain gives the reason its exit code: a locked key that the message may be for, or else that nothing opens it.
func (d *decryption) explain(err error) error {
	var none *pgp.NoKeyError
	switch {
	case errors.As(err, &none):
		for _, k := range d.tries[len(d.tries)-1].Keys {
			if k.Locked() && mayOpen(k, none.Recipients, d.job.now()) {
				return fail(KeyIsProtected, "key %s: no password that was given unlocks it", k.Fingerprint())
			}
		}
		return with(CannotDecrypt, err)
	case errors.Is(err, pgp.ErrFormat), errors.Is(err, pgp.ErrNotEncrypted):
		return with(BadData, err)
	case isBad(err), errors.Is(err, pgp.ErrPassphrase):
		return with(CannotDecrypt, err)
	}
	return err
}

// mayOpen tells whether a message to these key ids may be for a key.
func mayOpen(k *pgp.Key, recipients []string, now time.Time) bool {
	info := k.Info(now)
	ids := []string{info.KeyID, "anonymous"}
	for _, sub := range info.Subkeys {
		ids = append(ids, sub.KeyID)
	}
	return slices.ContainsFunc(recipients, func(r string) bool { return slices.Contains(ids, r) })
}
