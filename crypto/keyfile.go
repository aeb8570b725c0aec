package crypto

import (
	"bytes"
	"errors"
	"fmt"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/legacy"
	"zencrypt/crypto/pgp"
)

// A KeyFile says how a file of keys is read, whatever its kind: age, SSH, OpenPGP, Fernet, or an RSA key
// in PEM. The zero value has a server's limits, and asks nobody.
type KeyFile struct {
	// Label is what the keys are called in answers.
	Label string
	// Ask is asked for the passphrase of a key that is locked by one, when that key is needed.
	Ask func() (string, error)
	// Plugins lets age's plugins be started, and talk to a person: on a person's own machine only.
	Plugins *plugin.ClientUI
	// PublicKey returns the .pub file beside an SSH key that has its public half locked too.
	PublicKey func() ([]byte, error)
	// Warn is told of lines that are passed over.
	Warn func(string)
	// Large takes what age's own command takes: files of 16 MiB and 4,096 keys.
	Large bool
}

func (f KeyFile) age() agefile.KeyReader {
	r := agefile.KeyReader{Plugins: f.Plugins, Passphrase: f.Ask, PublicKey: f.PublicKey, Warn: f.Warn}
	if f.Large {
		r.MaxBytes, r.MaxKeys, r.MaxWorkFactor = agefile.CommandMaxBytes, agefile.CommandMaxKeys, agefile.CommandMaxWorkFactor
	}
	return r
}

// errKeyFile is for what holds no key of any kind. It does not say what it looked like: it may be a secret.
var errKeyFile = errors.New("read private keys: there is none of age (AGE-SECRET-KEY-1...), SSH, OpenPGP, Fernet (44 characters of base64) or RSA (PEM)")

// Private reads private keys of one kind. An RSA key in PEM is both SSH's, for age, and an older
// Zencrypt's. What is locked with a passphrase stays so until it is needed. Errors never repeat what was read.
func (f KeyFile) Private(data []byte) (Keys, error) {
	var k Keys
	trimmed := bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	if is, _ := pgp.Looks(data); is {
		keys, err := pgp.ReadKeys(bytes.NewReader(data), pgp.ReadOptions{})
		for _, key := range keys {
			k.PGP = append(k.PGP, NamedPGP{f.Label, key})
		}
		return k, err
	}
	if bytes.HasPrefix(trimmed, []byte("-----BEGIN ")) {
		if key, err := legacy.ParsePrivateKey(data); err == nil {
			k.RSA = append(k.RSA, NamedRSA{f.Label, key})
		}
	} else if first, _, _ := bytes.Cut(trimmed, []byte("\n")); len(first) <= 64 {
		if _, err := fernet.ParseKey(string(first)); err == nil {
			keys, err := fernet.ParseKeys(bytes.NewReader(data))
			for _, key := range keys {
				k.Fernet = append(k.Fernet, NamedFernet{f.Label, key})
			}
			return k, err
		}
	}
	ids, err := f.age().Identities(bytes.NewReader(data))
	if err != nil && len(k.RSA) > 0 {
		return k, nil // no key for age, but one of an older Zencrypt
	}
	if err != nil && !agelike(trimmed) {
		return k, errKeyFile
	}
	for _, id := range ids {
		k.Age = append(k.Age, NamedAge{f.Label, id})
	}
	return k, err
}

// agelike tells whether age's complaint says more than that there is no key at all.
func agelike(data []byte) bool {
	is, _ := agefile.Looks(data)
	return is || bytes.Contains(data, []byte("AGE-")) || bytes.HasPrefix(data, []byte("-----BEGIN ")) ||
		bytes.HasPrefix(data, []byte("age1")) || bytes.HasPrefix(data, []byte("ssh-"))
}

// Public are public keys of one kind.
type Public struct {
	Age []age.Recipient
	PGP []*pgp.Certificate
}

// Public reads public keys: a list for age, one a line (age1..., ssh-ed25519 ..., ssh-rsa ...), or OpenPGP
// certificates. A private key is refused and not repeated.
func (f KeyFile) Public(data []byte) (Public, error) {
	if is, _ := pgp.Looks(data); is {
		certs, err := pgp.ReadCertificates(bytes.NewReader(data), pgp.ReadOptions{})
		return Public{PGP: certs}, err
	}
	rs, err := f.age().Recipients(bytes.NewReader(data))
	return Public{Age: rs}, err
}

// Recipient reads one public key of age or SSH, as it stands on a command line.
func (f KeyFile) Recipient(text string) (age.Recipient, error) { return f.age().Recipient(text) }

// Recipients returns the public halves of private keys, to encrypt to who holds them: the first Fernet key
// stands for itself. Keys that can't encrypt are an error.
func (k Keys) Recipients() (Target, error) {
	var t Target
	var ids []age.Identity
	for _, named := range k.Age {
		ids = append(ids, named.Identity)
	}
	if len(ids) > 0 {
		rs, err := agefile.RecipientsOf(ids...)
		if err != nil {
			return t, err
		}
		t.Recipients = rs
	}
	for _, named := range k.PGP {
		t.PGP = append(t.PGP, named.Key.Certificate())
	}
	if len(k.Fernet) > 0 {
		t.Fernet = &k.Fernet[0].Key
	}
	if len(k.RSA) > 0 && len(ids) == 0 {
		return t, fmt.Errorf("encrypt: the key of an older Zencrypt only decrypts")
	}
	return t, nil
}
