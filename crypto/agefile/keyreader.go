package agefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"filippo.io/age"
	"filippo.io/age/plugin"
)

// The limits for who reads files of their own; what age's command takes. The zero [KeyReader] has a server's.
const (
	// CommandMaxBytes bounds a file of keys, in bytes.
	CommandMaxBytes = 16 << 20
	// CommandMaxKeys bounds the keys in a file.
	CommandMaxKeys = 4096
	// CommandMaxWorkFactor is log2 of scrypt's N: 4 GiB and 15 s, age's own limit.
	CommandMaxWorkFactor = hardMaxWorkFactor
	// CommandWorkFactor is what age -p uses.
	CommandWorkFactor = 18
)

const (
	// maxKeyLine bounds a line of a recipients file, in bytes, as sshd and age do.
	maxKeyLine = 8 << 10
	// maxPEM bounds an SSH private key, in bytes: one of 16,384 bits has 13 KiB.
	maxPEM = 16 << 10
)

// ErrKeyPassphrase is returned when a private key's own passphrase was asked for and is wrong.
var ErrKeyPassphrase = errors.New("open private key: wrong passphrase")

// A KeyReader reads keys as age's -r, -R and -i take them. The zero value reads what needs
// nobody: native and SSH keys, within the limits of [ParseIdentities]. Errors are [ErrKeys]
// with the line, which they never repeat, [ErrPrivateKey], [ErrPublicKey], and those of the source.
type KeyReader struct {
	MaxBytes int // of one file; 0 is 256 KiB
	MaxKeys  int // in one file; 0 is 64
	// MaxWorkFactor is for identity files that are encrypted with a passphrase; 0 is [ServerMaxWorkFactor].
	MaxWorkFactor int
	// Plugins lets programs named age-plugin-NAME from the PATH be started for keys that name
	// them, and talk to a person. A server must leave it nil: then such keys are refused.
	Plugins *plugin.ClientUI
	// Passphrase asks for the passphrase of the private key or identity file that was read, when
	// it is needed and not before. Without it such keys are refused. Its error ends the opening as it is.
	Passphrase func() (string, error)
	// PublicKey returns the content of the .pub file beside an SSH private key whose public part is
	// in its encrypted half (PEM with a Proc-Type). Without it such keys are refused.
	PublicKey func() ([]byte, error)
	// Warn is told of a recipients file's line that is passed over, an SSH key of a type that
	// age has no use for. Without it such a line is an error.
	Warn func(message string)
}

func (k KeyReader) maxBytes() int {
	if k.MaxBytes > 0 {
		return k.MaxBytes
	}
	return maxKeyText
}

func (k KeyReader) maxKeys() int {
	if k.MaxKeys > 0 {
		return k.MaxKeys
	}
	return maxIdentities
}

// Recipient reads one public key, the argument of -r: age1..., age1pq1..., ssh-ed25519, ssh-rsa, or a plugin's age1NAME1....
func (k KeyReader) Recipient(text string) (age.Recipient, error) {
	text = strings.TrimSpace(text)
	if looksPrivate(text) {
		return nil, ErrPrivateKey
	}
	r, err := k.recipient(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s %w", ErrKeys, shorten(text), err)
	}
	return r, nil
}

func (k KeyReader) recipient(text string) (age.Recipient, error) {
	if !utf8.ValidString(text) {
		return nil, errNotKey
	}
	return parseRecipient(text, maxKeyLine, k.Plugins)
}

// Recipients reads a file of public keys, one a line, as -R takes it: empty lines and those that
// begin with # are skipped, and an SSH key may have a comment behind it.
func (k KeyReader) Recipients(src io.Reader) ([]age.Recipient, error) {
	text, err := k.read(src)
	if err != nil {
		return nil, err
	}
	var rs []age.Recipient
	var n int
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if looksPrivate(line) {
			return nil, fmt.Errorf("%w (line %d)", ErrPrivateKey, n)
		}
		r, err := k.recipient(line)
		if kind := unsupportedSSH(line); err != nil && kind != "" && k.Warn != nil {
			k.Warn(fmt.Sprintf("line %d: this SSH key (%s) cannot be used and is passed over: only ssh-ed25519, and ssh-rsa of at least 2048 bits", n, kind))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%w: line %d %w", ErrKeys, n, err)
		}
		if rs = append(rs, r); len(rs) > k.maxKeys() {
			return nil, fmt.Errorf("%w: more than %d public keys", ErrKeys, k.maxKeys())
		}
	}
	if len(rs) == 0 {
		return nil, fmt.Errorf("%w: no public key found (age1..., ssh-ed25519 ... or ssh-rsa ...)", ErrKeys)
	}
	return rs, nil
}

// Identities reads a file of private keys as -i takes it: age identities one a line, those of
// plugins among them; one SSH private key (PEM or OpenSSH); or an age file, armored or
// not, that is encrypted with a passphrase and holds identities. What is locked stays so until a
// file needs it, and each such identity belongs to one goroutine.
func (k KeyReader) Identities(src io.Reader) ([]age.Identity, error) {
	text, err := k.readBytes(src)
	if err != nil {
		return nil, err
	}
	trimmed := bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	if ok, _ := Looks(text); ok {
		return k.lockedFile(text)
	}
	if bytes.HasPrefix(trimmed, []byte("-----BEGIN ")) {
		id, err := k.sshIdentity(trimmed)
		if err != nil {
			return nil, err
		}
		return []age.Identity{id}, nil
	}
	return k.identities(text)
}

func (k KeyReader) identities(text []byte) ([]age.Identity, error) {
	if !utf8.Valid(text) {
		return nil, errKeyText
	}
	return parseIdentities(string(text), k.maxKeys(), func(line string) (age.Identity, error) { return parseIdentity(line, k.Plugins) })
}

// PluginIdentity returns the identity of a plugin that needs no data, the argument of -j.
func (k KeyReader) PluginIdentity(name string) (age.Identity, error) {
	if k.Plugins == nil {
		return nil, fmt.Errorf("%w: this %w", ErrKeys, errPluginRefuse)
	}
	id, err := plugin.NewIdentityWithoutData(name, k.Plugins)
	if err != nil {
		return nil, fmt.Errorf("%w: this is not a plugin's name: it has letters, digits and +-._ only", ErrKeys)
	}
	return id, nil
}

var errKeyText = fmt.Errorf("%w: not valid text (UTF-8)", ErrKeys)

// read returns the text of src.
func (k KeyReader) read(src io.Reader) (string, error) {
	b, err := k.readBytes(src)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", errKeyText
	}
	return strings.TrimPrefix(string(b), "\ufeff"), nil
}

func (k KeyReader) readBytes(src io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(src, int64(k.maxBytes())+1))
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	if len(b) > k.maxBytes() {
		return nil, fmt.Errorf("%w: the file is longer than %d KiB", ErrKeys, k.maxBytes()>>10)
	}
	return b, nil
}
