package handlers

import (
	"bytes"
	"fmt"
	"time"

	"zencrypt/crypto/pgp"
	"zencrypt/models"
	"zencrypt/views"
)

// ownDefault is the key of a kind that is used when none is named, nil when none can encrypt.
func ownDefault(keys []models.Key, kind string, now time.Time) *models.Key {
	for i := range keys {
		if k := &keys[i]; k.Kind == kind && k.Default && k.Active(now) != nil {
			return k
		}
	}
	return nil
}

// signer is an OpenPGP key of the person's own that can sign now.
type signer struct {
	key *models.Key
	pgp *pgp.Key
}

// mostSigners is how many keys a form offers to sign with: each is parsed for it.
const mostSigners = 48

// signers are those that a form offers, the default first.
func signers(keys []models.Key, now time.Time) (all []signer) {
	for _, first := range []bool{true, false} {
		for i := range keys {
			if k := &keys[i]; k.Default == first && len(all) < mostSigners {
				if s := signerOf(k, now); s != nil {
					all = append(all, *s)
				}
			}
		}
	}
	return all
}

// signerOf is a key if it can sign, else nil.
func signerOf(k *models.Key, now time.Time) *signer {
	v := activeVersion(k)
	if k.Kind != models.KindPGP || v.N == 0 || v.N < k.MinVersion {
		return nil
	}
	key, err := ownPGP(v)
	if err != nil || key.CheckSign(now) != nil {
		return nil
	}
	return &signer{k, key}
}

// pickSigner finds the key that a form named, offered or not.
func pickSigner(keys []models.Key, id string, now time.Time) *signer {
	for i := range keys {
		if keys[i].ID.String() == id {
			return signerOf(&keys[i], now)
		}
	}
	return nil
}

func signerChoices(all []signer) (out []views.KeyChoice) {
	for _, s := range all {
		out = append(out, views.KeyChoice{ID: s.key.ID.String(), Name: s.key.Name, Fingerprint: grouped(s.pgp.Fingerprint())})
	}
	return out
}

// ownPGP reads the secret of an OpenPGP version, which stands in the ring unlocked, in armor or binary.
func ownPGP(v models.KeyVersion) (*pgp.Key, error) {
	keys, err := pgp.ReadKeys(bytes.NewReader(v.Secret), pgp.ReadOptions{Max: 1})
	if err != nil {
		return nil, fmt.Errorf("read own key: %w", err)
	}
	return keys[0], nil
}

// grouped parts a fingerprint into groups of four, as people read it to each other.
func grouped(hex string) string {
	var b []byte
	for i := range len(hex) {
		if i > 0 && i%4 == 0 {
			b = append(b, ' ')
		}
		b = append(b, hex[i])
	}
	return string(b)
}
