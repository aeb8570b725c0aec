package agefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/plugin"
	"filippo.io/age/tag"
)

// lockedFile is an identity file that is encrypted with a passphrase.
type lockedFile struct {
	keys KeyReader
	file []byte
	ids  []age.Identity // once it was opened
}

// lockedFile looks at the header, so that a file which no passphrase opens is refused at once.
func (k KeyReader) lockedFile(file []byte) ([]age.Identity, error) {
	info, err := Inspect(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("%w: this is an age file that cannot be read: %w", ErrKeys, err)
	}
	if !info.Passphrase {
		return nil, fmt.Errorf("%w: the file of private keys is encrypted, but not with a passphrase", ErrKeys)
	}
	if k.Passphrase == nil {
		return nil, fmt.Errorf("%w: the file of private keys is encrypted with a passphrase, which cannot be asked for here", ErrKeys)
	}
	if k.MaxWorkFactor == 0 {
		k.MaxWorkFactor = ServerMaxWorkFactor
	}
	if info.WorkFactor > k.MaxWorkFactor {
		return nil, fmt.Errorf("%w: the file of private keys is encrypted with work factor %d, at most %d is accepted", ErrKeys, info.WorkFactor, k.MaxWorkFactor)
	}
	return []age.Identity{&lockedFile{keys: k, file: file}}, nil
}

// Format implements [fmt.Formatter], so that the keys are not printed.
func (*lockedFile) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// unlock implements [asking]. No identity in it opens a passphrase file.
func (l *lockedFile) unlock(info Info) ([]age.Identity, error) {
	if info.Passphrase {
		return nil, nil
	}
	return l.identities()
}

// identities asks for the passphrase the first time. A wrong one is asked for again at the next call.
func (l *lockedFile) identities() ([]age.Identity, error) {
	if l.ids != nil {
		return l.ids, nil
	}
	pass, err := AskPassphrase(l.keys.Passphrase, l.keys.MaxWorkFactor)
	if err != nil {
		return nil, err
	}
	opened, err := Open(bytes.NewReader(l.file), pass)
	var wrong *NoKeyError
	switch {
	case errors.As(err, &wrong):
		return nil, ErrKeyPassphrase
	case errors.Is(err, ErrDamaged), errors.Is(err, ErrFormat):
		return nil, fmt.Errorf("%w: the encrypted file of private keys is damaged", ErrKeys)
	case err != nil:
		return nil, err
	}
	text, err := l.keys.readBytes(opened)
	if errors.Is(err, ErrDamaged) {
		return nil, fmt.Errorf("%w: the encrypted file of private keys is damaged", ErrKeys)
	}
	if err != nil {
		return nil, err
	}
	l.ids, err = l.keys.identities(text)
	return l.ids, err
}

// Unwrap implements [age.Identity], for who uses it without an [Opener].
func (l *lockedFile) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	ids, err := l.identities()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		key, err := id.Unwrap(stanzas)
		if !errors.Is(err, age.ErrIncorrectIdentity) {
			return key, err
		}
	}
	return nil, age.ErrIncorrectIdentity
}

// asksSomebody tells whether an identity is tried after those that ask nobody.
func asksSomebody(id age.Identity) bool {
	switch id := id.(type) {
	case *lockedFile, *plugin.Identity, *agessh.EncryptedSSHIdentity:
		return true
	case *sshIdentity:
		return id.locked != nil
	}
	return false
}

// RecipientsOf returns the public halves of private keys, to encrypt to who holds them (-e -i)
// or to print them with [PublicKey]. An encrypted identity file asks for its passphrase; an SSH
// key does not. A plugin's identity becomes one that its plugin encrypts to.
func RecipientsOf(ids ...age.Identity) ([]age.Recipient, error) {
	var rs []age.Recipient
	for _, id := range ids {
		switch id := id.(type) {
		case *age.X25519Identity:
			rs = append(rs, id.Recipient())
		case *age.HybridIdentity:
			rs = append(rs, id.Recipient())
		case *plugin.Identity:
			rs = append(rs, id.Recipient())
		case *sshIdentity:
			rs = append(rs, id.recipient)
		case *agessh.Ed25519Identity:
			rs = append(rs, id.Recipient())
		case *agessh.RSAIdentity:
			rs = append(rs, id.Recipient())
		case *agessh.EncryptedSSHIdentity:
			rs = append(rs, id.Recipient())
		case *lockedFile:
			inner, err := id.identities()
			if err != nil {
				return nil, err
			}
			more, err := RecipientsOf(inner...)
			if err != nil {
				return nil, err
			}
			rs = append(rs, more...)
		default:
			return nil, fmt.Errorf("%w: this private key has no public half", ErrKeys)
		}
	}
	return rs, nil
}

// PublicKey returns a recipient as the line that others encrypt to: age1..., age1pq1... or an
// authorized_keys line. A plugin's identity has none that is known here.
func PublicKey(r age.Recipient) (string, error) {
	switch r := r.(type) {
	case *age.X25519Recipient:
		return r.String(), nil
	case *age.HybridRecipient:
		return r.String(), nil
	case *tag.Recipient:
		return r.String(), nil
	case *sshRecipient:
		return r.line, nil
	case *plugin.Recipient:
		if _, _, err := plugin.ParseRecipient(r.String()); err == nil {
			return r.String(), nil
		}
	}
	return "", fmt.Errorf("%w: the public half of this key is not known here", ErrKeys)
}
