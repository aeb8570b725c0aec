package crypto

import (
	"bytes"
	"errors"
	"io"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/pgp"
)

// maxPrelude bounds what is kept of an OpenPGP message while its key is looked for, in bytes: what pgp
// reads before the content is bounded by it (packets of at most 4 KiB, and armor's third more).
const maxPrelude = 2 << 20

// decryptPGP opens a message. When it turns out to need a passphrase that is yet to be asked for, what
// was read of it is read again.
func decryptPGP(src io.Reader, k Keys, o Options) (*Plain, error) {
	seen := &recorder{src: src}
	p, err := openPGP(seen, k, k.Passphrase, o)
	if err != nil && k.Passphrase == "" && k.Ask != nil && NeedsPassphrase(err) && !seen.over {
		pass, asked := k.Ask()
		if asked != nil {
			return nil, asked
		}
		return openPGP(io.MultiReader(bytes.NewReader(seen.kept), src), k, pass, o)
	}
	seen.stop()
	return p, err
}

func openPGP(src io.Reader, k Keys, pass string, o Options) (*Plain, error) {
	oo := pgp.OpenOptions{MaxUnpacked: o.MaxUnpacked, Unprotected: o.Unprotected, Verify: o.Verify, Now: o.now(), Acquire: o.Acquire}
	for _, named := range k.PGP {
		oo.Keys = append(oo.Keys, named.Key)
	}
	if pass != "" {
		oo.Passphrases = []string{pass}
	}
	m, err := pgp.Open(src, oo)
	if err != nil {
		return nil, classify(err)
	}
	p := plainPGP(m)
	if p.KeyIndex = m.KeyIndex; p.KeyIndex >= 0 {
		p.Label = k.PGP[m.KeyIndex].Label
	} else {
		p.Label, p.Passphrase = passphraseLabel, true
	}
	return p, nil
}

func plainPGP(m *pgp.Message) *Plain {
	p := &Plain{Reader: &kindReader{m}, Format: FormatPGP, Armored: m.Armored, KeyIndex: -1, Size: -1, pgp: m}
	switch {
	case m.Unprotected:
		p.Trust = TrustNever
	case !m.Chunked:
		p.Trust = TrustAtEOF
	}
	return p
}

var errNotReopened = errors.New("open again: this format is opened once and whole")

// Reopen opens an input again that [Decrypt] opened before as p, with the key that was found then: an age
// file or an OpenPGP message. What has changed in between is found again.
func Reopen(src io.Reader, p *Plain, o Options) (*Plain, error) {
	switch p.Format {
	case FormatAge:
		plain, err := agefile.OpenWithFileKey(src, p.FileKey)
		if err != nil {
			return nil, classify(err)
		}
		again := *p
		again.Reader = &kindReader{plain}
		return &again, nil
	case FormatPGP:
		m, err := pgp.Open(src, pgp.OpenOptions{SessionKey: p.pgp.SessionKey, MaxUnpacked: o.MaxUnpacked, Unprotected: o.Unprotected, Verify: o.Verify, Now: o.now()})
		if err != nil {
			return nil, classify(err)
		}
		again := plainPGP(m)
		again.Label, again.Passphrase, again.KeyIndex = p.Label, p.Passphrase, p.KeyIndex
		return again, nil
	}
	return nil, errNotReopened
}

// A recorder keeps what it reads until it is told to stop.
type recorder struct {
	src     io.Reader
	kept    []byte
	stopped bool
	over    bool // more was read than is kept
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	switch {
	case r.stopped:
	case len(r.kept)+n > maxPrelude:
		r.over = true
		r.stop()
	default:
		r.kept = append(r.kept, p[:n]...)
	}
	return n, err
}

func (r *recorder) stop() { r.stopped, r.kept = true, nil }
