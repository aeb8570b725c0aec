package agefile

import (
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/plugin"
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
	ask    func() (string, error) // instead of scrypt, until it was asked
	max    int
	// Acquire, when set, is called before the slow hash with the bytes it needs, and its
	// release after. Its error ends the opening as it is.
	Acquire func(bytes int64) (release func(), err error)
}

// NewPassphrase returns an identity that refuses files above maxWorkFactor with
// [ErrWorkFactor] before any work.
func NewPassphrase(pass string, maxWorkFactor int) (*Passphrase, error) {
	p, err := AskPassphrase(func() (string, error) { return pass, nil }, maxWorkFactor)
	if err != nil {
		return nil, err
	}
	if err := p.set(pass); err != nil {
		return nil, err
	}
	return p, nil
}

// AskPassphrase is [NewPassphrase] for one that is asked for when a file needs it: after the
// work factor was accepted, and once. An error of ask ends the opening as it is.
func AskPassphrase(ask func() (string, error), maxWorkFactor int) (*Passphrase, error) {
	if maxWorkFactor < 1 || maxWorkFactor > hardMaxWorkFactor {
		return nil, fmt.Errorf("use passphrase: highest work factor %d is not between 1 and %d", maxWorkFactor, hardMaxWorkFactor)
	}
	return &Passphrase{ask: ask, max: maxWorkFactor}, nil
}

func (p *Passphrase) set(pass string) error {
	if pass == "" {
		return ErrPassphrase
	}
	id, err := age.NewScryptIdentity(pass)
	if err != nil {
		return fmt.Errorf("use passphrase: %w", err)
	}
	id.SetMaxWorkFactor(p.max)
	p.scrypt = id
	return nil
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
func (*Passphrase) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// Unwrap implements [age.Identity].
func (p *Passphrase) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type != scryptType {
			continue
		}
		if len(stanzas) != 1 {
			return nil, damagedPart(errScrypt, ErrHeader, scryptBeside)
		}
		factor, err := workFactor(s)
		if err != nil {
			return nil, err
		}
		if factor > p.max {
			return nil, fmt.Errorf("%w: work factor %d, at most %d", ErrWorkFactor, factor, p.max)
		}
		if p.scrypt == nil {
			pass, err := p.ask()
			if err == nil {
				err = p.set(pass)
			}
			if err != nil {
				return nil, &callerError{err}
			}
		}
		if p.Acquire != nil {
			release, err := p.Acquire(WorkMemory(factor))
			if err != nil {
				return nil, &callerError{err}
			}
			defer release()
		}
		return p.scrypt.Unwrap(stanzas)
	}
	return nil, age.ErrIncorrectIdentity
}

const scryptBeside = "a passphrase stands beside other recipients, which age forbids"

// callerError marks what a callback said (no room, no terminal), which says nothing about the file.
type callerError struct{ err error }

func (e *callerError) Error() string { return e.err.Error() }
func (e *callerError) Unwrap() error { return e.err }

// refusal gives a type to an identity's fatal error: ours pass, a callback's comes back as
// it was, a plugin's is its own, and what remains is age not understanding the stanza.
func refusal(id age.Identity, err error) error {
	var said *callerError
	switch {
	case errors.As(err, &said):
		return said.err
	case errors.Is(err, ErrWorkFactor), errors.Is(err, ErrDamaged), errors.Is(err, ErrKeyPassphrase), errors.Is(err, ErrKeys):
		return err
	}
	if _, ok := id.(*plugin.Identity); ok {
		return fmt.Errorf("open age file: %w", err)
	}
	return damagedPart(err, ErrHeader, "a recipient in the header is malformed")
}
