package pgp

import (
	"bytes"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"
)

const (
	// MaxArgon2Memory is the most an Argon2 passphrase may need, in bytes. The format goes to 2 TiB.
	MaxArgon2Memory = 256 << 20
	// MaxArgon2Passes is the most passes that are made over it: 10 over 256 MiB take about 2 s.
	MaxArgon2Passes = 10
	// maxPassphrase bounds a passphrase, in bytes.
	maxPassphrase = 1024
	// iteratedMemory is what an iterated hash is counted as, in bytes. It needs none to speak of, but up to 0.2 s.
	iteratedMemory = 1 << 20
)

// S2K says how a passphrase becomes a key (RFC 9580 section 3.7.1).
type S2K struct {
	Kind        string // simple, salted, iterated, argon2
	Hash        string // not for argon2
	Count       int64  // bytes hashed, for iterated
	Passes      int    // for argon2
	Parallelism int
	Memory      int64 // in bytes, for argon2
}

func s2kKnown(mode byte) bool { return mode == 0 || mode == 1 || mode == 3 || mode == 4 }

// readS2K reads a specifier from the beginning of b with go-crypto, which checks its form,
// and takes the cost from its octets, which go-crypto keeps to itself.
func readS2K(b []byte) (S2K, error) {
	params, err := s2k.ParseIntoParams(bytes.NewReader(b))
	if err != nil {
		return S2K{}, &kindError{kind: ErrDamaged, detail: "how its passphrase is hashed is malformed or not known", err: err}
	}
	switch params.Mode() {
	case s2k.SimpleS2K:
		return S2K{Kind: "simple", Hash: hashName(b[1])}, nil
	case s2k.SaltedS2K:
		return S2K{Kind: "salted", Hash: hashName(b[1])}, nil
	case s2k.IteratedSaltedS2K:
		c := b[10] // RFC 9580 section 3.7.1.3
		return S2K{Kind: "iterated", Hash: hashName(b[1]), Count: (16 + int64(c&15)) << (c>>4 + 6)}, nil
	case s2k.Argon2S2K:
		return S2K{Kind: "argon2", Passes: int(b[17]), Parallelism: int(b[18]), Memory: 1 << (10 + b[19])}, nil
	}
	return S2K{Kind: "dummy"}, nil // GNU's mark for a secret key that is elsewhere
}

// check refuses what costs too much.
func (s S2K) check() error {
	if s.Memory > MaxArgon2Memory || s.Passes > MaxArgon2Passes {
		return fail(ErrRefused, "its passphrase needs Argon2 with %d MiB and %d passes, at most %d MiB and %d are accepted",
			s.Memory>>20, s.Passes, MaxArgon2Memory>>20, MaxArgon2Passes)
	}
	return nil
}

// hasher keeps count of the slow hashes of one call and asks for room before each.
type hasher struct {
	acquire Acquire
	left    int
}

func newHasher(a Acquire) *hasher { return &hasher{acquire: a, left: MaxHashes} }

// run computes one hash in f, after it was found affordable.
func (h *hasher) run(s S2K, f func() error) error {
	if err := s.check(); err != nil {
		return err
	}
	if h.left == 0 {
		return fail(ErrRefused, "more than %d passphrases would have to be tried", MaxHashes)
	}
	h.left--
	if h.acquire != nil && (s.Kind == "argon2" || s.Kind == "iterated") {
		release, err := h.acquire(max(s.Memory, iteratedMemory))
		if err != nil {
			return &acquireError{err}
		}
		defer release()
	}
	return f()
}

// acquireError marks that the budget said no, which says nothing about the input.
type acquireError struct{ err error }

func (e *acquireError) Error() string { return e.err.Error() }
func (e *acquireError) Unwrap() error { return e.err }

// checkPassphrase refuses what nobody means.
func checkPassphrase(p string) error {
	if p == "" || len(p) > maxPassphrase {
		return ErrPassphrase
	}
	return nil
}

// secretS2K returns how a locked secret key's passphrase is hashed. It looks at what
// go-crypto parsed, written out again, so that nothing else can be used than was looked at.
func secretS2K(pk *packet.PrivateKey) (S2K, error) {
	var public, secret bytes.Buffer
	if err := pk.PublicKey.Serialize(&public); err != nil {
		return S2K{}, damaged(err, "a key cannot be written")
	}
	if err := pk.Serialize(&secret); err != nil {
		return S2K{}, damaged(err, "a key cannot be written")
	}
	inner := func(b []byte) []byte {
		h, _, err := readHeader(bytes.NewReader(b))
		if err != nil {
			return nil
		}
		return b[h.size:]
	}
	b := inner(secret.Bytes())
	b = b[min(len(b), len(inner(public.Bytes()))):]
	// RFC 9580 section 5.5.3: usage, for version 6 a length, cipher, for usage 253 the AEAD mode, for version 6 a length, specifier.
	if len(b) == 0 {
		return S2K{}, fail(ErrDamaged, "a secret key is cut short")
	}
	skip := 2
	if packet.S2KType(b[0]) == packet.S2KAEAD {
		skip++
	}
	if pk.Version == 6 {
		skip += 2
	}
	if len(b) < skip {
		return S2K{}, fail(ErrDamaged, "a secret key is cut short")
	}
	return readS2K(b[skip:])
}
