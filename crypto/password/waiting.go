package password

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
)

// An account of an older Zencrypt comes without its password: the old database held Werkzeug's digest H of it, a
// slow function that whoever knows the password can compute again ([Werkzeug]). Until the person logs in, the
// account key waits under a key made of H, and H itself is thrown away.

// The bounds of what an account may wait under, so that one log-in, which may try several accounts, stays below a few
// seconds and below the memory that the two argon2id runs of a log-in are reckoned with (128 MiB).
// Werkzeug's own defaults reached 1,000,000 rounds and scrypt:32768:8:1, which takes 32 MiB.
const (
	// MaxWaitingMemory is the most memory that computing H may take, in bytes: scrypt with N = 2^16 and r = 8.
	MaxWaitingMemory = 65 << 20
	maxWaitingWork   = 256 << 20 // of scrypt, bytes touched: 0.8 s
	maxWaitingRounds = 2_000_000 // of PBKDF2: 0.4 s with SHA-256, 1.2 s with SHA-512
)

// CheckWaiting tells, without any work, whether an account may wait under a digest with this method and salt. The
// errors are [ErrString] and [ErrCosts].
func CheckWaiting(method, salt string) error {
	p, err := newWerkzeug(method, salt, nil)
	if err != nil {
		return err
	}
	parts := strings.Split(method, ":")
	heavy := p.info.Memory > MaxWaitingMemory
	switch parts[0] {
	case "scrypt":
		heavy = heavy || 128*int64(number(parts[1]))*int64(number(parts[2]))*int64(number(parts[3])) > maxWaitingWork
	case "pbkdf2":
		heavy = heavy || number(parts[2]) > maxWaitingRounds
	}
	if heavy {
		return fmt.Errorf("%w: it would keep a log-in busy for too long", ErrCosts)
	}
	return nil
}

// WaitingKey makes the key that the account key waits under: HKDF-SHA-256 with the info "zencrypt/v1/waiting" of
// HMAC-SHA-256 of Werkzeug's digest under the pepper's key. A stolen database without that key leaves nothing to
// guess at; with it, a guess costs what a guess at the old digest did.
func WaitingKey(pepper [32]byte, digest []byte) [32]byte {
	mac := hmac.New(sha256.New, pepper[:])
	mac.Write(digest)
	key, err := hkdf.Key(sha256.New, mac.Sum(nil), nil, "zencrypt/v1/waiting", keySize)
	if err != nil {
		panic("password: derive waiting key: " + err.Error())
	}
	return [32]byte(key)
}
