package agefile

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"runtime"

	"golang.org/x/crypto/chacha20poly1305"
)

// The payload of an age file (C2SP age.md, Payload) in jobs of several chunks, each of which one
// goroutine seals or opens. Header and nonce are age's own.
const (
	// nonceSize is how many bytes stand between the header and the first chunk.
	nonceSize = 16
	// sealedSize is a whole chunk with its tag, in bytes.
	sealedSize = ChunkSize + chacha20poly1305.Overhead
	// jobChunks is how many chunks a goroutine gets: with fewer the hand-over shows, with more the caches do.
	jobChunks = 8
	jobSize   = jobChunks * sealedSize
	// maxWorkers bounds memory: one goroutine reads and writes for all, and 16 seal more than it can copy.
	maxWorkers = 16
)

// newPayload returns the cipher of a file's chunks: ChaCha20-Poly1305 under
// HKDF-SHA-256(file key, salt = nonce, info = "payload").
func newPayload(fileKey [fileKeySize]byte, nonce []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, fileKey[:], nonce, "payload", chacha20poly1305.KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive payload key: %w", err)
	}
	return chacha20poly1305.New(key)
}

// chunkNonce is 11 bytes of counter and one that is 1 for the last chunk (STREAM). The counter's
// first three bytes stay 0: 2^64 chunks are more than any file has.
func chunkNonce(nonce *[chacha20poly1305.NonceSize]byte, index uint64, last bool) {
	binary.BigEndian.PutUint64(nonce[3:11], index)
	nonce[11] = 0
	if last {
		nonce[11] = 1
	}
}

// usable returns how many goroutines n asks for.
func usable(n int) int { return min(n, maxWorkers) }

// Workers is the number of goroutines that [EncryptParallel] and [Opener].Workers can use here: one for each processor, at most 16.
func Workers() int { return usable(runtime.GOMAXPROCS(0)) }
