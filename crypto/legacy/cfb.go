package legacy

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

const (
	cfbSalt   = 16      // bytes
	cfbRounds = 100_000 // of PBKDF2-HMAC-SHA-256, about 20 ms: too few today, and fixed by the format
	cfbKey    = 32      // bytes
	// CFBOverhead is how many bytes a file of the old command line is longer than its content: salt and initialization vector.
	CFBOverhead = cfbSalt + aes.BlockSize
)

// Unverified is a plaintext that nothing authenticates: with a wrong passphrase, or when the
// file was changed, it yields bytes like any other. Label it so, and give it to a person only.
type Unverified struct{ src io.Reader }

// Read yields the plaintext as it is decrypted. Its errors are those of the source.
func (u *Unverified) Read(p []byte) (int, error) { return u.src.Read(p) }

// OpenCFB decrypts a file of the command line of Zencrypt 5 and 6, of any size, while it is read:
//
//	salt 16 bytes | initialization vector 16 | AES-256 in CFB mode (NIST SP 800-38A, 6.3, s = 128)
//
// with the 32-byte key PBKDF2-HMAC-SHA-256(passphrase as UTF-8, salt, 100,000 rounds).
//
// The format has no magic number and no checksum. No error says that the passphrase was wrong, since
// nobody can know, and nothing recognises such a file: a person has to name it. A file of fewer
// than [CFBOverhead] bytes is [ErrDamaged]; one cut short later just ends earlier.
func OpenCFB(src io.Reader, passphrase string) (*Unverified, error) {
	var head [CFBOverhead]byte
	if n, err := io.ReadFull(src, head[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("%w: %d bytes, and the least is %d", ErrDamaged, n, CFBOverhead)
	} else if err != nil {
		return nil, fmt.Errorf("open older zencrypt file: %w", err)
	}
	key, err := pbkdf2.Key(sha256.New, passphrase, head[:cfbSalt], cfbRounds, cfbKey)
	if err != nil {
		return nil, fmt.Errorf("open older zencrypt file: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("open older zencrypt file: %w", err)
	}
	// Deprecated because it is not authenticated, which is what is said above: the only way to
	// read what exists, and no reason to write the mode once more.
	//lint:ignore SA1019 reads files that exist; nothing is written with it
	stream := cipher.NewCFBDecrypter(block, head[cfbSalt:])
	return &Unverified{&cipher.StreamReader{S: stream, R: src}}, nil
}
