package crypto

import (
	"fmt"
	"io"

	"filippo.io/age"

	"zencrypt/crypto/fernet"
	"zencrypt/crypto/legacy"
	"zencrypt/crypto/pgp"
)

// NamedAge is an age identity with the name a person knows it by.
type NamedAge struct {
	Label    string
	Identity age.Identity `json:"-"`
}

// Format implements [fmt.Formatter]: age's identities print their secret.
func (n NamedAge) Format(s fmt.State, _ rune) { io.WriteString(s, n.Label+" "+redacted) }

// NamedFernet is a Fernet key with its name.
type NamedFernet struct {
	Label string
	Key   fernet.Key `json:"-"`
}

// Format implements [fmt.Formatter].
func (n NamedFernet) Format(s fmt.State, _ rune) { io.WriteString(s, n.Label+" "+redacted) }

// NamedPGP is an OpenPGP private key, locked or not, with its name.
type NamedPGP struct {
	Label string
	Key   *pgp.Key `json:"-"`
}

// Format implements [fmt.Formatter].
func (n NamedPGP) Format(s fmt.State, _ rune) { io.WriteString(s, n.Label+" "+redacted) }

// NamedRSA is a private key of an older Zencrypt with its name.
type NamedRSA struct {
	Label string
	Key   legacy.PrivateKey `json:"-"`
}

// Format implements [fmt.Formatter].
func (n NamedRSA) Format(s fmt.State, _ rune) { io.WriteString(s, n.Label+" "+redacted) }

// Keys are what an input may be opened with. Private keys are tried in order, then the passphrase.
type Keys struct {
	Passphrase string `json:"-"`
	// Ask, when set and Passphrase is empty, is asked for one when an input turns out to need it: at most once.
	Ask    func() (string, error) `json:"-"`
	Age    []NamedAge             `json:"-"`
	PGP    []NamedPGP             `json:"-"`
	Fernet []NamedFernet          `json:"-"`
	RSA    []NamedRSA             `json:"-"`
}

// Format implements [fmt.Formatter].
func (Keys) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

const redacted = "[redacted]"

// Add appends another's private keys. Passphrases stay as they are.
func (k *Keys) Add(other Keys) {
	k.Age = append(k.Age, other.Age...)
	k.PGP = append(k.PGP, other.PGP...)
	k.Fernet = append(k.Fernet, other.Fernet...)
	k.RSA = append(k.RSA, other.RSA...)
}

// Empty tells whether there is no private key; a passphrase is none.
func (k Keys) Empty() bool {
	return len(k.Age)+len(k.PGP)+len(k.Fernet)+len(k.RSA) == 0
}

func (k Keys) passphrase() (string, error) {
	if k.Passphrase == "" && k.Ask != nil {
		return k.Ask()
	}
	return k.Passphrase, nil
}
