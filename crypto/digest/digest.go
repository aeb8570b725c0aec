// Package digest computes many digests, or HMACs, of one stream in one pass and
// compares them with what somebody published: one pasted digest or line
// ([ParseExpected], [Match]), or a whole checksum file ([ReadSums]).
//
// Choose sha256 when in doubt: everybody can check it. BLAKE2b and BLAKE3 are
// faster. MD5 and SHA-1 are here to compare with old lists only: anybody can make
// two files with the same one.
package digest

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/blake2s"
)

// Errors of New and of a Hasher that has ended.
var (
	ErrAlgorithm = errors.New("unknown algorithm")
	ErrNoHMAC    = errors.New("algorithm has no HMAC")
	ErrClosed    = errors.New("hasher has ended")
)

// Algorithm describes a hash function.
type Algorithm struct {
	ID     string // as in forms and on the command line: sha512-256
	Label  string // as people write it: SHA-512/256
	Group  string // SHA-2, SHA-3, BLAKE or Broken
	Broken bool   // collisions can be made: to compare with old lists only
	HMAC   bool   // has an HMAC (RFC 2104) that other tools compute too
	Size   int    // of the digest, in bytes
}

type entry struct {
	Algorithm
	tag string // the name in a line of checksum --tag
	new func() hash.Hash
}

// table is in the order of a page. The tags are those of coreutils where it knows
// the algorithm, of BSD's digest commands for SHA-512/256 and SHA-3, of b3sum for BLAKE3.
var table = [...]entry{
	{Algorithm{"sha256", "SHA-256", "SHA-2", false, true, 32}, "SHA256", sha256.New},
	{Algorithm{"sha512", "SHA-512", "SHA-2", false, true, 64}, "SHA512", sha512.New},
	{Algorithm{"sha384", "SHA-384", "SHA-2", false, true, 48}, "SHA384", sha512.New384},
	{Algorithm{"sha224", "SHA-224", "SHA-2", false, true, 28}, "SHA224", sha256.New224},
	{Algorithm{"sha512-256", "SHA-512/256", "SHA-2", false, true, 32}, "SHA512t256", sha512.New512_256},
	{Algorithm{"sha3-256", "SHA3-256", "SHA-3", false, true, 32}, "SHA3-256", func() hash.Hash { return sha3.New256() }},
	{Algorithm{"sha3-512", "SHA3-512", "SHA-3", false, true, 64}, "SHA3-512", func() hash.Hash { return sha3.New512() }},
	{Algorithm{"sha3-384", "SHA3-384", "SHA-3", false, true, 48}, "SHA3-384", func() hash.Hash { return sha3.New384() }},
	{Algorithm{"sha3-224", "SHA3-224", "SHA-3", false, true, 28}, "SHA3-224", func() hash.Hash { return sha3.New224() }},
	{Algorithm{"blake2b-512", "BLAKE2b-512", "BLAKE", false, true, 64}, "BLAKE2b", unkeyed(blake2b.New512)},
	{Algorithm{"blake2b-256", "BLAKE2b-256", "BLAKE", false, true, 32}, "BLAKE2b-256", unkeyed(blake2b.New256)},
	{Algorithm{"blake2s-256", "BLAKE2s-256", "BLAKE", false, true, 32}, "BLAKE2s", unkeyed(blake2s.New256)},
	// BLAKE3 has a keyed mode instead; nobody else computes an HMAC over it.
	{Algorithm{"blake3", "BLAKE3", "BLAKE", false, false, 32}, "BLAKE3", newBLAKE3},
	{Algorithm{"sha1", "SHA-1", "Broken", true, true, 20}, "SHA1", sha1.New},
	{Algorithm{"md5", "MD5", "Broken", true, true, 16}, "MD5", md5.New},
}

// unkeyed leaves BLAKE2's own keyed mode out: it fails for a long key only.
func unkeyed(newHash func(key []byte) (hash.Hash, error)) func() hash.Hash {
	return func() hash.Hash {
		h, err := newHash(nil)
		if err != nil {
			panic(err)
		}
		return h
	}
}

// Algorithms returns all of them, in the order of a page: by group, the usual first.
func Algorithms() []Algorithm {
	all := make([]Algorithm, len(table))
	for i, e := range table {
		all[i] = e.Algorithm
	}
	return all
}

// Lookup finds an algorithm by its ID.
func Lookup(id string) (Algorithm, bool) {
	e, ok := find(id)
	return e.Algorithm, ok
}

func find(id string) (entry, bool) {
	i := slices.IndexFunc(table[:], func(e entry) bool { return e.ID == id })
	if i < 0 {
		return entry{}, false
	}
	return table[i], true
}

// Sum is a digest.
type Sum struct {
	Algorithm Algorithm
	Digest    []byte
	Keyed     bool // an HMAC
}

// Hex is the digest in lower case.
func (s Sum) Hex() string { return hex.EncodeToString(s.Digest) }

// Hasher is an io.Writer that computes several digests of what is written. It
// keeps nothing of the input, but for BLAKE3 at most 1 MiB until the next write,
// and no goroutine outlives a call. Write much at a time where speed matters:
// [Segment] bytes.
type Hasher struct {
	sums   []Sum
	hashes []hash.Hash
	n      int64
	closed bool
}

// New makes a Hasher for the algorithms, each once, in the order of ids. A key
// that is not nil makes HMACs (RFC 2104) under it; an empty one is a key too. It
// fails with ErrAlgorithm and ErrNoHMAC.
func New(ids []string, hmacKey []byte) (*Hasher, error) {
	if len(ids) == 0 {
		return nil, fmt.Errorf("hash: name at least one algorithm: %w", ErrAlgorithm)
	}
	h := &Hasher{}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			continue
		}
		e, ok := find(id)
		if !ok {
			return nil, fmt.Errorf("hash: %w: %.40q", ErrAlgorithm, id)
		}
		newHash := e.new
		if hmacKey != nil {
			if !e.HMAC {
				return nil, fmt.Errorf("hash: %w: %s", ErrNoHMAC, e.Label)
			}
			newHash = func() hash.Hash { return hmac.New(e.new, hmacKey) }
		}
		h.sums = append(h.sums, Sum{Algorithm: e.Algorithm, Keyed: hmacKey != nil})
		h.hashes = append(h.hashes, newHash())
	}
	return h, nil
}

// Segment is a good size for a copy's buffer, in bytes: BLAKE3 takes such a write on
// all cores without copying it, and for the others any size from 64 KiB is as good.
const Segment = blake3Segment

// minParallel is the size of a write, in bytes, below which starting goroutines
// costs more than it saves: about 1 µs each, against 4 µs for SHA-256 of 4 KiB.
const minParallel = 16 << 10

// Write adds p to every digest, side by side on as many processors as there are,
// and returns when all have taken it. It fails only with ErrClosed.
func (h *Hasher) Write(p []byte) (int, error) {
	if h.closed {
		return 0, ErrClosed
	}
	h.n += int64(len(p))
	workers := min(runtime.GOMAXPROCS(0), len(h.hashes))
	if len(p) < minParallel || workers == 1 {
		for _, w := range h.hashes {
			_, _ = w.Write(p) // never fails (hash.Hash)
		}
		return len(p), nil
	}
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < len(h.hashes); i = int(next.Add(1)) - 1 {
			_, _ = h.hashes[i].Write(p)
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return len(p), nil
}

// Size is how many bytes were written.
func (h *Hasher) Size() int64 { return h.n }

// Sums ends the Hasher and returns the digests in the order of New's ids. It may
// be called again. After Close it fails with ErrClosed.
func (h *Hasher) Sums() ([]Sum, error) {
	if h.closed && h.hashes != nil {
		return nil, ErrClosed
	}
	h.closed = true
	for i, w := range h.hashes {
		h.sums[i].Digest = w.Sum(nil)
	}
	h.hashes = nil
	return slices.Clone(h.sums), nil
}

// Close ends a Hasher whose digests nobody wants. After Sums it does nothing.
func (h *Hasher) Close() error {
	h.closed = true
	return nil
}
