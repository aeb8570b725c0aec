package agefile

import (
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// ErrPassphrase is returned for an empty passphrase.
var ErrPassphrase = errors.New("use passphrase: it is empty")

// hardMaxWorkFactor is above what any caller may ask for: 4 GiB, age's own default limit.
const hardMaxWorkFactor = 22

// PassphraseRecipient encrypts to a passphrase with scrypt's N = 2^workFactor, which needs
// [WorkMemory] bytes as soon as [Encrypt] is called. The passphrase is used byte for byte as
// it is given, as age does.
func PassphraseRecipient(pass string, workFactor int) (age.Recipient, error) {
	if pass == "" {
		return nil, ErrPassphrase
	}
	if workFactor < 1 || workFactor > hardMaxWorkFactor {
		return nil, fmt.Errorf("use passphrase: work factor %d is not between 1 and %d", workFactor, hardMaxWorkFactor)
	}
	r, err := age.NewScryptRecipient(pass)
	if err != nil {
		return nil, fmt.Errorf("use passphrase: %w", err)
	}
	r.SetWorkFactor(workFactor)
	return r, nil
}

// A Passphrase is an identity that opens passphrase files up to a work factor.
type Passphrase struct {
	scrypt *age.ScryptIdentity
	max    int
	// Acquire, when set, is called before the slow hash with the bytes it needs, and its
	// release after. Its error ends the opening as it is.
	Acquire func(bytes int64) (release func(), err error)
}

// NewPassphrase returns an identity that refuses files above maxWorkFactor with
// [ErrWorkFactor] before any work.
func NewPassphrase(pass string, maxWorkFactor int) (*Passphrase, error) {
	if pass == "" {
		return nil, ErrPassphrase
	}
	if maxWorkFactor < 1 || maxWorkFactor > hardMaxWorkFactor {
		return nil, fmt.Errorf("use passphrase: highest work factor %d is not between 1 and %d", maxWorkFactor, hardMaxWorkFactor)
	}
	id, err := age.NewScryptIdentity(pass)
	if err != nil {
		return nil, fmt.Errorf("use passphrase: %w", err)
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	return &Passphrase{scrypt: id, max: maxWorkFactor}, nil
}

// PassphraseIdentity is [NewPassphrase] as an [age.Identity].
func PassphraseIdentity(pass string, maxWorkFactor int) (age.Identity, error) {
	p, err := NewPassphrase(pass, maxWorkFactor)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Format implements [fmt.Formatter], so that the passphrase is not printed.
func (*Passphrase) Format(s fmt.State, _ rune) { io.WriteString(s, "[redacted]") }

// Unwrap implements [age.Identity].
func (p *Passphrase) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type != scryptType {
			continue
		}
		if len(stanzas) != 1 {
			return nil, fmt.Errorf("%w: a passphrase stands beside other recipients, which age forbids", ErrDamaged)
		}
		factor, err := workFactor(s)
		if err != nil {
			return nil, err
		}
		if factor > p.max {
			return nil, fmt.Errorf("%w: work factor %d, at most %d", ErrWorkFactor, factor, p.max)
		}
		if p.Acquire != nil {
			release, err := p.Acquire(WorkMemory(factor))
			if err != nil {
				return nil, &acquireError{err}
			}
			defer release()
		}
		return p.scrypt.Unwrap(stanzas)
	}
	return nil, age.ErrIncorrectIdentity
}

// acquireError marks that the budget said no, which says nothing about the file.
type acquireError struct{ err error }

func (e *acquireError) Error() string { return e.err.Error() }
func (e *acquireError) Unwrap() error { return e.err }

// refusal gives a type to an identity's fatal error: ours pass, the budget's comes back as
// it was, and what remains is age not understanding the stanza.
func refusal(err error) error {
	var busy *acquireError
	switch {
	case errors.As(err, &busy):
		return busy.err
	case errors.Is(err, ErrWorkFactor), errors.Is(err, ErrDamaged):
		return err
	}
	return damaged(err, "a recipient in the header is malformed")
}
