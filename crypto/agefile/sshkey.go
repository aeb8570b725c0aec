package agefile

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"
)

const (
	// minRSA is the least that age.md lets SSH keys have, in bits.
	minRSA = 2048
	// maxRSA is the most that ssh-keygen makes, in bits. A stanza takes 0.12 s with 8,192, and eight times that with twice as many.
	maxRSA = 16384
)

// sshIdentity is an SSH private key, perhaps locked, with its public half.
type sshIdentity struct {
	age.Identity
	recipient *sshRecipient
	locked    *sshLock
}

// sshRecipient remembers its public key, which age's types do not give back.
type sshRecipient struct {
	age.Recipient
	line string
}

// Format implements [fmt.Formatter], so that the key is not printed.
func (*sshIdentity) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// sshLock asks for a key's passphrase and keeps what came of it, which age's errors do not tell by type.
type sshLock struct {
	ask  func() (string, error)
	pem  []byte
	pass []byte
	err  error
	// old is a PEM whose wrong passphrase may give bytes that are no key instead of an error.
	old bool
}

func (l *sshLock) passphrase() ([]byte, error) {
	pass, err := l.ask()
	l.pass, l.err = []byte(pass), err
	return l.pass, err
}

// Unwrap implements [age.Identity].
func (s *sshIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	key, err := s.Identity.Unwrap(stanzas)
	if s.locked == nil || err == nil || errors.Is(err, age.ErrIncorrectIdentity) {
		return key, err
	}
	lock := s.locked
	defer func() { lock.pass, lock.err = nil, nil }()
	switch {
	case lock.err != nil:
		return nil, &callerError{lock.err}
	case lock.pass == nil:
		return nil, err // it was not asked: the stanza is malformed
	}
	_, why := ssh.ParseRawPrivateKeyWithPassphrase(lock.pem, lock.pass)
	if errors.Is(why, x509.IncorrectPasswordError) || lock.old && why != nil {
		return nil, ErrKeyPassphrase
	}
	return nil, fmt.Errorf("%w: the SSH private key is damaged, of an unknown kind, or not that of its public key", ErrKeys)
}

// sshIdentity reads one SSH private key.
func (k KeyReader) sshIdentity(text []byte) (age.Identity, error) {
	if len(text) > maxPEM {
		return nil, fmt.Errorf("%w: the private key is longer than %d KiB", ErrKeys, maxPEM>>10)
	}
	if err := checkPEM(text); err != nil {
		return nil, err
	}
	raw, err := ssh.ParseRawPrivateKey(text)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return k.lockedSSH(text, locked.PublicKey)
	}
	if err != nil {
		return nil, errPrivateSSH
	}
	id, err := agessh.ParseIdentity(text)
	if err != nil {
		return nil, errPrivateSSH
	}
	signer, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return nil, errPrivateSSH
	}
	r, err := newSSHRecipient(signer.PublicKey())
	if err != nil {
		return nil, err
	}
	return &sshIdentity{Identity: id, recipient: r}, nil
}

var errPrivateSSH = fmt.Errorf("%w: this is not an SSH private key that can be used: ssh-ed25519, or ssh-rsa of %d to %d bits", ErrKeys, minRSA, maxRSA)

// checkPEM bounds an RSA key in PEM before it is checked, which is work for a large one. The
// OpenSSH form is bounded by the module that reads it.
func checkPEM(text []byte) error {
	block, _ := pem.Decode(text)
	if block == nil {
		return errPrivateSSH
	}
	der := block.Bytes
	if block.Type == "PRIVATE KEY" {
		var pkcs8 struct { // RFC 5208 section 5
			Version   int
			Algorithm asn1.RawValue
			Key       []byte
		}
		if _, err := asn1.Unmarshal(der, &pkcs8); err != nil {
			return errPrivateSSH
		}
		der = pkcs8.Key
	}
	var key struct { // RFC 8017 appendix A.1.2, as far as it matters
		Version int
		N       *big.Int
	}
	if _, err := asn1.Unmarshal(der, &key); err == nil && (key.N.BitLen() < minRSA || key.N.BitLen() > maxRSA) {
		return errPrivateSSH
	}
	return nil
}

func (k KeyReader) lockedSSH(text []byte, public ssh.PublicKey) (age.Identity, error) {
	if k.Passphrase == nil {
		return nil, fmt.Errorf("%w: the SSH private key is protected with a passphrase, which cannot be asked for here", ErrKeys)
	}
	old := public == nil
	if old {
		var err error
		if public, err = k.publicFile(); err != nil {
			return nil, err
		}
	}
	r, err := newSSHRecipient(public)
	if err != nil {
		return nil, err
	}
	lock := &sshLock{ask: k.Passphrase, pem: bytes.Clone(text), old: old}
	id, err := agessh.NewEncryptedSSHIdentity(public, lock.pem, lock.passphrase)
	if err != nil {
		return nil, errPrivateSSH
	}
	return &sshIdentity{Identity: id, recipient: r, locked: lock}, nil
}

// publicFile reads the .pub file of a key whose form does not show its public half.
func (k KeyReader) publicFile() (ssh.PublicKey, error) {
	if k.PublicKey == nil {
		return nil, fmt.Errorf("%w: the SSH private key hides its public part: give the .pub file, or convert it with ssh-keygen -p", ErrKeys)
	}
	b, err := k.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("read public key beside the SSH private key: %w", err)
	}
	if len(b) > maxPEM {
		return nil, fmt.Errorf("%w: the .pub file is longer than %d KiB", ErrKeys, maxPEM>>10)
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		return nil, fmt.Errorf("%w: the .pub file of the SSH private key is malformed", ErrKeys)
	}
	return public, nil
}

func newSSHRecipient(public ssh.PublicKey) (*sshRecipient, error) {
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
	r, err := agessh.ParseRecipient(line)
	if err != nil {
		return nil, errPrivateSSH
	}
	return &sshRecipient{Recipient: r, line: line}, nil
}

// sshName is what names in SSH look like (RFC 4251 section 6): they can be shown.
var sshName = regexp.MustCompile(`^[a-z0-9][a-z0-9@._-]{0,63}$`)

// unsupportedSSH returns the type of a line that is a whole SSH public key which age has no use
// for, or "". The type stands before the key and again within it (RFC 4253 section 6.6).
func unsupportedSSH(line string) string {
	words := strings.Fields(line)
	if len(words) < 2 || len(line) > maxKeyLine {
		return ""
	}
	blob, err := base64.StdEncoding.DecodeString(words[1])
	if err != nil {
		return ""
	}
	var key struct {
		Type string
		Rest []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(blob, &key) != nil || key.Type != words[0] || key.Type == ssh.KeyAlgoED25519 || !sshName.MatchString(key.Type) {
		return ""
	}
	if key.Type != ssh.KeyAlgoRSA {
		return key.Type
	}
	public, err := ssh.ParsePublicKey(blob)
	if err != nil {
		return ""
	}
	if k, ok := public.(ssh.CryptoPublicKey); ok {
		if k, ok := k.CryptoPublicKey().(*rsa.PublicKey); ok && k.N.BitLen() < minRSA {
			return fmt.Sprintf("%s of %d bits", key.Type, k.N.BitLen())
		}
	}
	return ""
}
