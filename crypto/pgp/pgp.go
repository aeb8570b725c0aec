// Package pgp reads and writes OpenPGP (RFC 9580, and RFC 4880 as GnuPG 2.2 speaks it) on
// ProtonMail's go-crypto, with the limits a server needs around it.
//
// [Encrypt] and [Open] are for messages, [Sign], [SignDetached] and [SignText] for
// signatures, [Verify], [OpenSigned] and [VerifyText] check them. [NewKey] makes keys,
// [ReadCertificates] and [ReadKeys] read them. [Looks] and [Inspect] tell what an input is
// and open nothing.
//
// What a message promises depends on its age. With chunked AEAD every byte that a reader
// yields is authenticated; with the older MDC nothing is before io.EOF, so that a caller
// who must not hand on forged text reads to the end first: see [Message.Chunked].
//
// go-crypto is used directly, not through gopenpgp: the work a passphrase asks for has to be
// seen before it is done, and which key fitted afterwards, and gopenpgp shows neither.
//
// Nothing here starts a goroutine that outlives a call: a source is read when, and only
// when, the caller reads.
package pgp

import (
	"crypto"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const (
	// MaxRecipients is how many public-key packets (PKESK) a message may have.
	MaxRecipients = 64
	// MaxPassphrasePackets is how many passphrase packets (SKESK) a message may have: each may cost a slow hash.
	MaxPassphrasePackets = 16
	// MaxAttempts is how many times a private key is held against a packet in one message: 256 operations with RSA of 4,096 bits take 1.5 s.
	MaxAttempts = 256
	// MaxHashes is how many slow hashes one call computes, for messages and locked keys together.
	MaxHashes = 32
	// MaxSignatures is how many signatures one message or file may have: each hashes the whole content once more.
	MaxSignatures = 16
	// MaxUnpacked is what compressed content may unpack to without an option, in bytes; content that packs less well than tenfold may be longer.
	MaxUnpacked = 1 << 30
	// MaxCertificates is how many public keys one input may hold.
	MaxCertificates = 1000
	// MaxKeys is how many private keys one input may hold.
	MaxKeys = 64
	// MaxBits is the largest RSA, DSA or ElGamal key that is worked with: work grows with the cube.
	MaxBits = 8192
	// MaxText is the longest clear-signed text without an option, in bytes.
	MaxText = 1 << 20

	// minRSABits is the smallest RSA key that is used. Some programs made keys of 2,048 bits whose product has 2,047.
	minRSABits = 2047
	// unpackRatio is how much compressed content may grow beyond [MaxUnpacked].
	unpackRatio = 10
	// maxSmall bounds a packet that is parsed in memory, in bytes: the largest SLH-DSA signature has 50 KiB.
	maxSmall = 64 << 10
	// maxSessionPacket bounds a packet that holds a session key, in bytes: one for ML-KEM-1024 has 1.7 KiB, for RSA of 16,384 bits 2 KiB.
	maxSessionPacket = 4 << 10
)

// config is how go-crypto is asked to work. Every call gets its own: go-crypto writes to it.
func config(now func() time.Time) *packet.Config {
	unsafe := false
	return &packet.Config{
		Time:                    now,
		DefaultHash:             crypto.SHA512,
		DefaultCipher:           packet.CipherAES256,
		DefaultCompressionAlgo:  packet.CompressionNone, // compressing tells the size of secrets
		MinRSABits:              minRSABits,
		CheckIntendedRecipients: &unsafe, // done here, since go-crypto does not see the decryption
	}
}

// clock returns now or the real clock.
func clock(now func() time.Time) func() time.Time {
	if now == nil {
		return time.Now
	}
	return now
}

const redacted = "[redacted]"

// Acquire is called before a slow hash with the bytes it needs, and its release after the
// hash. Its error comes back as it is. nil asks nobody.
type Acquire func(bytes int64) (release func(), err error)

// sticky remembers a writer's first error, which go-crypto's armor loses at times.
type sticky struct {
	dst io.Writer
	err error
}

func (s *sticky) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	var n int
	n, s.err = s.dst.Write(p)
	return n, s.err
}
