package pgp

import (
	"fmt"
	"math"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// An Algorithm is a kind of key that [NewKey] makes.
type Algorithm string

// The algorithms. Each makes a primary key that signs and a subkey that encrypts.
const (
	// Curve25519 is the default: version 4 with Ed25519 and X25519 as GnuPG 2.1 and later take them.
	Curve25519 Algorithm = "curve25519"
	// Curve25519V6 is RFC 9580's version 6 with Ed25519 and X25519, which takes chunked AEAD. GnuPG does not read it.
	Curve25519V6 Algorithm = "curve25519-v6"
	// P256, P384 and P521 are ECDSA and ECDH over NIST's curves, version 4.
	P256 Algorithm = "p256"
	P384 Algorithm = "p384"
	P521 Algorithm = "p521"
	// RSA3072 and RSA4096 take about 1 and 3 s to make, version 4.
	RSA3072 Algorithm = "rsa3072"
	RSA4096 Algorithm = "rsa4096"
)

// Algorithms lists what [NewKey] makes, the default first.
func Algorithms() []Algorithm {
	return []Algorithm{Curve25519, Curve25519V6, P256, P384, P521, RSA3072, RSA4096}
}

// configure sets what is to be generated.
func (a Algorithm) configure(cfg *packet.Config) error {
	switch a {
	case Curve25519, "":
		cfg.Algorithm, cfg.Curve = packet.PubKeyAlgoEdDSA, packet.Curve25519
	case Curve25519V6:
		cfg.Algorithm, cfg.V6Keys, cfg.AEADConfig = packet.PubKeyAlgoEd25519, true, &packet.AEADConfig{}
	case P256:
		cfg.Algorithm, cfg.Curve = packet.PubKeyAlgoECDSA, packet.CurveNistP256
	case P384:
		cfg.Algorithm, cfg.Curve = packet.PubKeyAlgoECDSA, packet.CurveNistP384
	case P521:
		cfg.Algorithm, cfg.Curve = packet.PubKeyAlgoECDSA, packet.CurveNistP521
	case RSA3072:
		cfg.Algorithm, cfg.RSABits = packet.PubKeyAlgoRSA, 3072
	case RSA4096:
		cfg.Algorithm, cfg.RSABits = packet.PubKeyAlgoRSA, 4096
	default:
		return fmt.Errorf("make key: there is no algorithm %q", string(a))
	}
	return nil
}

// KeyParams say which key to make.
type KeyParams struct {
	Algorithm   Algorithm // "" is [Curve25519]
	Name, Email string    // both optional, see [UserID]
	UserIDs     []string  // more, as whole user ids, at most 16
	Expires     time.Time // zero for never
	Now         func() time.Time
}

// NewKey makes a key, unlocked. Version 4 keys without a user id get an empty one, since
// they need one to hold their self-signature. The errors are [ErrUserID] and those of bad parameters.
func NewKey(p KeyParams) (*Key, error) {
	now := clock(p.Now)().Truncate(time.Second)
	cfg := config(func() time.Time { return now })
	if err := p.Algorithm.configure(cfg); err != nil {
		return nil, err
	}
	lifetime, err := lifetime(now, p.Expires, now)
	if err != nil {
		return nil, err
	}
	cfg.KeyLifetimeSecs = lifetime
	ids, err := p.userIDs()
	if err != nil {
		return nil, err
	}
	var e *openpgp.Entity
	switch {
	case len(ids) == 0 && cfg.V6Keys:
		e, err = openpgp.NewEntityWithoutId(cfg)
	case len(ids) == 0:
		e, err = openpgp.NewEntity("", "", "", cfg)
	default:
		e, err = openpgp.NewEntity(ids[0].Name, ids[0].Comment, ids[0].Email, cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	for i := 1; i < len(ids); i++ {
		if err := e.AddUserId(ids[i].Name, ids[i].Comment, ids[i].Email, cfg); err != nil {
			return nil, fmt.Errorf("make key: %w", err)
		}
	}
	return newKey(e)
}

const maxNewUserIDs = 16

func (p KeyParams) userIDs() ([]*packet.UserId, error) {
	var all []string
	if p.Name != "" || p.Email != "" {
		id, err := UserID(p.Name, p.Email)
		if err != nil {
			return nil, err
		}
		all = append(all, id)
	}
	all = append(all, p.UserIDs...)
	if len(all) > maxNewUserIDs {
		return nil, fmt.Errorf("make key: more than %d user ids", maxNewUserIDs)
	}
	var ids []*packet.UserId
	seen := make(map[string]bool)
	for _, s := range all {
		if seen[s] {
			continue
		}
		seen[s] = true
		id, err := splitUserID(s)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// lifetime is the time from a key's creation to its end in seconds, as keys note it; 0 for never.
func lifetime(created, expires, now time.Time) (uint32, error) {
	if expires.IsZero() {
		return 0, nil
	}
	if !expires.After(now) || !expires.After(created) {
		return 0, fmt.Errorf("set expiry: %s has passed", expires.UTC().Format(time.DateOnly))
	}
	secs := expires.Unix() - created.Unix()
	if secs > math.MaxUint32 {
		return 0, fmt.Errorf("set expiry: %s is more than 136 years after the key was made, which keys cannot say", expires.UTC().Format(time.DateOnly))
	}
	return uint32(max(secs, 1)), nil
}
